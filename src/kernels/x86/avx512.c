/* avx512: see kernels.h for shapes and ranges, mix.h for the loops. */
#if !defined(__AVX512BW__)
#error "build this file with -mavx512f -mavx512bw"
#endif
#include "../kernels_set.h"

const az_kernels az_kernels_avx512 = AZ_KERNELS_SET("avx512");
