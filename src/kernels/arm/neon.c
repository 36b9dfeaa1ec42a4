/* neon: see kernels.h for shapes and ranges, mix.h for the loops. */
#if !defined(__aarch64__)
#error "this file is for aarch64"
#endif
#include "../kernels_set.h"

const az_kernels az_kernels_neon = AZ_KERNELS_SET("neon");
