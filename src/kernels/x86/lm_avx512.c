/* lm_avx512: AVX-512 with VNNI; see lm.h and lm_vnni.h. */
#if !defined(AZ_EMULATED_X86) && !defined(__AVX512VNNI__)
#error "build this file with -mavx512vnni"
#endif
#define STORED 0x80
#include "lm_vnni.h"

static void multiply(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride) {
    multiply_by_dot(w, first_group, n_groups, a, first_row, n_rows, out, out_stride);
}

const az_lm_kernels az_lm_kernels_vnni = AZ_LM_SET("vnni", 1);
