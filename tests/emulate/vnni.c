/* vnni: the kernels of lm_avx512.c on emulated intrinsics. */
#define AZ_EMULATED_X86 "../../../tests/emulate/x86.h"
#define az_lm_kernels_vnni az_lm_kernels_vnni_emulated
#include "../../src/kernels/x86/lm_avx512.c"
