/* A piece of stdin as a row of SendStdin calls with one key; see banger/stdin.h. The part that is
 * being filled is held back until it is known whether it is the last. */
#include "banger/stdin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "banger/methods.h"
#include "internal.h"

enum { STDIN_PART_BYTES = 256 << 10, STDIN_RETRY_MS = 60000 };

struct banger_stdin {
    struct banger_client *client;
    char *session, *vm;
    uint64_t key, position; /* of part in the piece */
    bool takeover, over;
    int64_t retry_ms;
    size_t len;
    uint8_t part[STDIN_PART_BYTES];
};

struct banger_stdin *banger_stdin_open(struct banger_client *client, const char *session,
                                       const char *vm, struct banger_error *error)
{
    struct banger_stdin *in = calloc(1, sizeof(*in));
    if (!in || !(in->session = strdup(session)) || !(in->vm = strdup(vm ? vm : ""))) {
        banger_stdin_close(in);
        error_no_memory(error);
        return NULL;
    }
    in->client = client;
    in->retry_ms = STDIN_RETRY_MS;
    while (in->key == 0)
        if (getrandom(&in->key, sizeof(in->key), 0) < 0)
            in->key = 0;
    return in;
}

void banger_stdin_set_takeover(struct banger_stdin *in, bool takeover)
{
    in->takeover = takeover;
}

void banger_stdin_set_retry_ms(struct banger_stdin *in, int64_t ms)
{
    in->retry_ms = ms;
}

void banger_stdin_close(struct banger_stdin *in)
{
    if (!in)
        return;
    free(in->session);
    free(in->vm);
    free(in);
}

/* The part, again and again while that may help: the daemon knows by key and position what it has.
 * A call that ran into its deadline waited for a process that does not read. */
static int stdin_send(struct banger_stdin *in, bool more, bool eof, uint64_t *offset,
                      struct banger_error *error)
{
    struct banger_error own;
    struct retry retry = {0};
    if (!error)
        error = &own;
    Banger__V1__SendStdinRequest request = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    request.session = in->session;
    request.vm = in->vm;
    request.data.data = in->part;
    request.data.len = in->len;
    request.key = in->key;
    request.position = in->position;
    request.more = more;
    request.eof = eof;
    request.takeover = in->takeover;
    for (;;) {
        Banger__V1__SendStdinResponse *response =
            banger_send_stdin(in->client, &request, NULL, error);
        if (response) {
            if (offset)
                *offset = response->stdin_offset;
            banger_message_free(&response->base);
            in->position += in->len;
            in->len = 0;
            return 0;
        }
        if (error->code == BANGER_DEADLINE_EXCEEDED)
            continue;
        if (error->code != BANGER_UNAVAILABLE ||
            retry_wait(&retry, in->client, in->retry_ms, INT64_MAX, error) < 0)
            break;
    }
    in->over = true;
    return -1;
}

static int stdin_check(const struct banger_stdin *in, struct banger_error *error)
{
    return in->over ? error_set(error, BANGER_FAILED_PRECONDITION, "the piece of stdin is over")
                    : 0;
}

int banger_stdin_write(struct banger_stdin *in, const void *data, size_t len,
                       struct banger_error *error)
{
    const uint8_t *at = data;
    if (stdin_check(in, error) < 0)
        return -1;
    while (len > 0) {
        if (in->len == sizeof(in->part) && stdin_send(in, true, false, NULL, error) < 0)
            return -1;
        size_t room = sizeof(in->part) - in->len;
        size_t n = len < room ? len : room;
        memcpy(in->part + in->len, at, n);
        in->len += n;
        at += n;
        len -= n;
    }
    return 0;
}

int banger_stdin_end(struct banger_stdin *in, bool eof, uint64_t *offset,
                     struct banger_error *error)
{
    if (stdin_check(in, error) < 0 || stdin_send(in, false, eof, offset, error) < 0)
        return -1;
    in->over = true;
    return 0;
}
