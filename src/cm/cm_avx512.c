/* cm_avx512: the engine with the mixer of avx512. */
#if !defined(__AVX512BW__)
#error "build this file with -mavx512f -mavx512bw"
#endif
#include "cm_engine.h"

const az_cm_engine az_cm_engine_avx512 = ENGINE("avx512");
