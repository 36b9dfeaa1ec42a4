/* salvage: stand-in. */
#include "decoder.h"
void az_salvage_frame(az_reader *r) { r->state = AZ_READ_END; }
void az_salvage_block(az_reader *r) { r->state = AZ_READ_END; }
void az_salvage_cut(az_reader *r) { r->state = AZ_READ_END; }
az_status az_salvage_payload(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    (void)in; (void)step; (void)error;
    d->reader.state = AZ_READ_END; return AZ_OK; }
void az_salvage_accept(az_reader *r, bool *accepted) { r->state = AZ_READ_END; *accepted = true; }
void az_salvage_index(az_reader *r) { r->state = AZ_READ_END; }
az_status az_salvage_scan(az_decoder *d, az_input *in, az_step *step, az_error *error) {
    (void)in; (void)step; (void)error; d->reader.state = AZ_READ_END; return AZ_OK; }
