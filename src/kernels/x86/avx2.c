/* avx2: see kernels.h for shapes and ranges, mix.h for the loops. */
#if !defined(__AVX2__)
#error "build this file with -mavx2"
#endif
#include "../kernels_set.h"

const az_kernels az_kernels_avx2 = AZ_KERNELS_SET("avx2");
