/* error: fills an az_error. */
#include "base.h"

#include <stdio.h>

az_status az_error_set(az_error *error, az_status status, uint64_t offset, const char *format,
                       ...) {
    if (error) {
        error->status = status;
        error->offset = offset;
        va_list args;
        va_start(args, format);
        /* Too long a sentence is cut; it always ends in NUL. */
        if (vsnprintf(error->text, sizeof error->text, format, args) < 0)
            error->text[0] = '\0';
        va_end(args);
    }
    return status;
}
