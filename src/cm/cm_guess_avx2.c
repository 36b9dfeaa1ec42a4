/* cm_guess_avx2: guesses with the mixer of avx2. */
#if !defined(__AVX2__)
#error "build this file with -mavx2"
#endif
#define AZ_CM_ONE_ENGINE 1
#include "cm_guess.h"

const az_cm_guess_fn az_cm_guess_avx2 = guess;
