/* amx: the kernels of lm_amx.c on emulated intrinsics. */
#define AZ_EMULATED_X86 "../../../tests/emulate/x86.h"
#define az_lm_kernels_amx az_lm_kernels_amx_emulated
#include "../../src/kernels/x86/lm_amx.c"
