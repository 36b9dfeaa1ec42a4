/* cm_neon: the engine with the mixer of neon. */
#if !defined(__aarch64__)
#error "this file is for aarch64"
#endif
#include "cm_engine.h"

const az_cm_engine az_cm_engine_neon = ENGINE("neon");
