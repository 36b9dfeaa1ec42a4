/* cm_guess_plain: guesses with the mixer in plain C. */
#define AZ_MIX_PLAIN
#define AZ_CM_ONE_ENGINE 1
#include "cm_guess.h"

const az_cm_guess_fn az_cm_guess_plain = guess;
