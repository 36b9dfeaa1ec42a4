/*
 * lm_ref: the language model's kernels in plain C, never tuned: the definition. And the
 * choice of a set for this CPU.
 *
 * Layout: a group is [n_cols][16], an activation int8.
 */
#include "lm_vector.h"

DEFINE_QUANTISE_BLOCKS(int8_t, quantise_block8)

static void put_row(int8_t *group, size_t j, const int8_t *row, size_t n) {
    for (size_t i = 0; i < n; i++)
        group[i * AZ_LM_GROUP + j] = row[i];
}

static void multiply(const az_matrix *w, size_t first_group, size_t n_groups, const az_rows *a,
                     size_t first_row, size_t n_rows, float *out, size_t out_stride) {
    size_t n_cols = w->n_cols, n_blocks = n_cols / AZ_LM_BLOCK;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < n_groups * AZ_LM_GROUP; j++) {
            const int8_t *q = a->q + (first_row + r) * n_cols;
            const float *scale = a->scale + (first_row + r) * n_blocks;
            const int8_t *column = w->groups +
                                   (first_group + j / AZ_LM_GROUP) * AZ_LM_GROUP * n_cols +
                                   j % AZ_LM_GROUP;
            const float *w_scale = w->scale +
                                   (first_group + j / AZ_LM_GROUP) * n_blocks * AZ_LM_GROUP +
                                   j % AZ_LM_GROUP;
            float sum = 0;
            for (size_t b = 0; b < n_blocks; b++) {
                int32_t dot = 0;
                for (size_t i = b * AZ_LM_BLOCK; i < (b + 1) * AZ_LM_BLOCK; i++)
                    dot += q[i] * column[i * AZ_LM_GROUP];
                sum += scale[b] * w_scale[b * AZ_LM_GROUP] * (float)dot;
            }
            out[r * out_stride + j] = sum;
        }
}

static void score(const int16_t *q, size_t n_rows, size_t d, const int8_t *keys, size_t n_groups,
                  int32_t *out, size_t out_stride) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t t = 0; t < n_groups * AZ_LM_GROUP; t++) {
            const int8_t *key = keys + t / 16 * 16 * d + t % 16 * 2;
            int32_t dot = 0;
            for (size_t i = 0; i < d; i++)
                dot += q[r * d + i] * key[i / 2 * 32 + i % 2];
            out[r * out_stride + t] = dot;
        }
}

static void weigh(const int16_t *w, size_t w_stride, size_t n_rows, const int8_t *values,
                  size_t panel_nbytes, size_t n_t, size_t d, int64_t *out, size_t out_stride) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < d; c++) {
            const int8_t *v = values + c / 16 * panel_nbytes + c % 16 * 2;
            int32_t sum = 0;
            for (size_t t = 0; t < n_t; t++)
                sum += w[r * w_stride + t] * v[t / 2 * 32 + t % 2];
            out[r * out_stride + c] += sum;
        }
}

const az_lm_kernels az_lm_kernels_ref = AZ_LM_SET("reference", 1);

size_t az_lm_kernels_all(const az_lm_kernels **sets, unsigned *cpu_needed, size_t capacity) {
    static const struct {
        const az_lm_kernels *set;
        unsigned needed;
    } all[] = {
        {&az_lm_kernels_ref, 0},
#if defined(__x86_64__)
        {&az_lm_kernels_avx2, AZ_CPU_AVX2},
        {&az_lm_kernels_vnni, AZ_CPU_VNNI},
        {&az_lm_kernels_amx, AZ_CPU_AMX},
#elif defined(__aarch64__)
        {&az_lm_kernels_dotprod, AZ_CPU_DOTPROD},
#endif
    };
    size_t n = 0;
    for (; n < sizeof all / sizeof all[0] && n < capacity; n++) {
        sets[n] = all[n].set;
        cpu_needed[n] = all[n].needed;
    }
    return n;
}

const az_lm_kernels *az_lm_kernels_get(unsigned cpu_features) {
    const az_lm_kernels *sets[8];
    unsigned needed[8];
    size_t n = az_lm_kernels_all(sets, needed, 8);
    while ((needed[n - 1] & cpu_features) != needed[n - 1])
        n--;
    return sets[n - 1];
}
