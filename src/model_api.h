/* model_api: what an az_model holds, for the other files of the interface. */
#ifndef AZ_MODEL_API_H
#define AZ_MODEL_API_H

#include "gguf/gguf.h"

/* Lives as long as the model. */
const az_gguf *az_model_gguf(const az_model *model);

#endif
