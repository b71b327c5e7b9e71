/* SFTP, as anybody may speak it: whatever a packet says is answered, by a packet that is one.
 * Input: packets, each behind its length in two bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sftp.h"
#include "tests/fuzz/agent_requests/names.h"

enum { LEAST_BYTES = 5, HEAD_BYTES = 9 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sftp_packet in, out; /* not on the stack */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_answer(void)
{
    uint8_t type = out.data[4];
    must(!out.wrong && out.len >= HEAD_BYTES && out.len <= sizeof(out.data), "an answer that fits");
    must(type == SFTP_VERSION || (type >= SFTP_STATUS && type <= SFTP_ATTRS) ||
             type == SFTP_EXTENDED_REPLY,
         "it is an answer");
}

/* So that what one input has opened is not there for the next. */
static void close_all(void)
{
    for (int i = 0; i < SFTP_HANDLES; i++) {
        const uint8_t close[] = {SFTP_CLOSE, 0, 0, 0, 1, 0, 0, 0, 2, (uint8_t)(i >> 8), (uint8_t)i};
        memcpy(in.data, close, sizeof(close));
        in.at = 0;
        in.len = sizeof(close);
        in.wrong = false;
        sftp_answer(&in, &out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    names_guard = true;
    for (size_t at = 0; size - at > 2;) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        len = len < size - at ? len : size - at;
        if (len >= LEAST_BYTES) {
            memcpy(in.data, data + at, len);
            in.at = 0;
            in.len = len;
            in.wrong = false;
            sftp_answer(&in, &out);
            check_answer();
        }
        at += len;
    }
    close_all();
    names_guard = false;
    return 0;
}
