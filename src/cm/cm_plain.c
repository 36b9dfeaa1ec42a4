/* cm_plain: the engine in plain C. */
#define AZ_MIX_PLAIN
#include "cm_engine.h"

const az_cm_engine az_cm_engine_plain = ENGINE("reference");
