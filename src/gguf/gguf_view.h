/* gguf_view: what an az_gguf is; private to this layer. */
#ifndef AZ_GGUF_VIEW_H
#define AZ_GGUF_VIEW_H

#include "gguf_parse.h"

struct az_gguf {
    az_heap *heap;
    az_gguf_part *parts; /* [n_parts]; the values are those of the first */
    size_t n_parts;
    az_gguf_tensor *tensors;             /* [n_tensors] of all parts, in order */
    const az_gguf_text **sorted_tensors; /* [n_tensors] by name: each the name of a tensor */
    size_t n_tensors;
};

#endif
