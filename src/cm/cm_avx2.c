/* cm_avx2: the engine with the mixer of avx2. */
#if !defined(__AVX2__)
#error "build this file with -mavx2"
#endif
#include "cm_engine.h"

const az_cm_engine az_cm_engine_avx2 = ENGINE("avx2");
