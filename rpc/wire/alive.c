/* Signs of life; see alive.h. */
#include "rpc/wire/alive.h"

#include <stdio.h>

#include "base/clock.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/frame.h"
#include "rpc/wire/stream.h"

enum { MAX_DIGITS = 9 };

int64_t alive_parse(const uint8_t *value, size_t len)
{
    int64_t ms = 0;
    if (len == 0 || len > MAX_DIGITS)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return 0;
        ms = ms * 10 + (value[i] - '0');
    }
    return ms < ALIVE_MIN_MS ? ALIVE_MIN_MS : ms > ALIVE_MAX_MS ? ALIVE_MAX_MS : ms;
}

size_t alive_format(char text[ALIVE_TEXT_BYTES], int64_t ms)
{
    return (size_t)snprintf(text, ALIVE_TEXT_BYTES, "%lld", (long long)ms);
}

/* Not behind what the peer does not take, nor into a message that is being made. */
static void alive_say(struct rpc_call *call)
{
    uint8_t *at = buf_len(&call->out) == 0 && call->begun_bytes == 0
                      ? buf_reserve(&call->out, FRAME_PREFIX_BYTES)
                      : NULL;
    if (!at)
        return;
    frame_write(at, 0);
    buf_commit(&call->out, FRAME_PREFIX_BYTES);
    conn_queue(call->conn, FRAME_PREFIX_BYTES);
    call_offer_output(call);
}

static void alive_passed(struct deadline *d)
{
    struct rpc_call *call = container_of(d, struct rpc_call, alive);
    if (!call_is_live(call) || call->ended)
        return;
    if (!call->spoke)
        alive_say(call);
    call->spoke = false;
    (void)deadlines_set(call->conn->deadlines, d, clock_mono_ms() + call->alive_ms);
}

void alive_init(struct rpc_call *call)
{
    call->alive.passed = alive_passed;
}

void alive_begin(struct rpc_call *call)
{
    if (call->alive.place == 0 && !call->closed)
        (void)deadlines_set(call->conn->deadlines, &call->alive, clock_mono_ms() + call->alive_ms);
}

void alive_end(struct rpc_call *call)
{
    deadlines_remove(call->conn->deadlines, &call->alive);
}
