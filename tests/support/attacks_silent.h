/* Attacks by what HTTP/2 lets pass in silence: frames that a server drops, and header blocks that
 * it decodes for its table's sake alone. For attacks.c. */
#ifndef BANGER_TESTS_ATTACKS_SILENT_H
#define BANGER_TESTS_ATTACKS_SILENT_H

#include "tests/support/raw_http2.h"

void make_unknown_frames(struct raw *r);
void make_padding(struct raw *r);
/* DATA of a call that was answered at its headers. */
void make_late_data(struct raw *r);
void make_trailer_bombs(struct raw *r);
/* Of many calls, each within its limit. */
void make_many_fields(struct raw *r);
/* Of streams that were closed before. */
void make_late_headers(struct raw *r);
void make_refused_headers(struct raw *r);
/* Each moves the windows of all open streams. */
void make_window_settings(struct raw *r);

#endif
