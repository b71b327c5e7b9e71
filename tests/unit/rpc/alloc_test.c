/* Every allocation of a client and server pair failed in turn: calls end exactly once, nothing
 * leaks (the sanitizer looks), nothing crashes. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/failing_alloc.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { MAX_ALLOCATIONS = 20000, BODY = 40000 };

static uint8_t body[BODY];

static void start(struct pair *p, int method, const echo_request *r, struct seen *s,
                  struct rpc_call **call)
{
    static const struct rpc_metadata m[] = {{"x-a", "b", 1}, {"x-c-bin", "\1\2\3", 3}};
    const struct rpc_call_options o = {
        .timeout_ms = 5000, .metadata = m, .n_metadata = 2, .compress = method == ECHO_UNARY};
    *call = pair_start(p, method, &o, r, s);
}

/* Unary, failing, streaming and cancelled calls at once. */
static void scenario(struct pair *p)
{
    enum { N = 8 };
    struct seen s[N] = {{0}};
    struct rpc_call *calls[N];
    echo_request big = REQUEST_INIT, fail = REQUEST_INIT, hang = REQUEST_INIT;
    echo_request pieces = REQUEST_INIT;
    static char *tags[] = {"gzip", "header", "trailer", "pieces"};
    big.text = "text";
    big.tags = fail.tags = tags;
    big.n_tags = fail.n_tags = 3;
    big.payload = (ProtobufCBinaryData){sizeof(body), body};
    big.count = 5;
    pieces = big;
    pieces.n_tags = 4;
    fail.fail_code = ERR_PRECONDITION;
    fail.fail_reason = "WHY";
    hang.hang = true;
    start(p, ECHO_UNARY, &big, &s[0], &calls[0]);
    start(p, ECHO_UNARY, &fail, &s[1], &calls[1]);
    start(p, ECHO_SERVER_STREAM, &big, &s[2], &calls[2]);
    start(p, ECHO_CLIENT_STREAM, NULL, &s[3], &calls[3]);
    start(p, ECHO_BIDI, NULL, &s[4], &calls[4]);
    start(p, ECHO_UNARY, &hang, &s[5], &calls[5]);
    start(p, ECHO_MISSING, &big, &s[6], &calls[6]);
    start(p, ECHO_UNARY, &pieces, &s[7], &calls[7]);
    for (int i = 0; i < 4; i++) {
        if (calls[3])
            rpc_call_send(calls[3], &big.base);
        if (calls[4])
            rpc_call_send(calls[4], &big.base);
        pair_run(p);
    }
    if (calls[3])
        rpc_call_half_close(calls[3]);
    if (calls[5])
        rpc_call_cancel(calls[5]);
    pair_run(p);
    pair_close(p);
    for (int i = 0; i < N; i++) {
        CHECK_INT(s[i].n_closed, calls[i] ? 1 : 0);
        rpc_call_unref(calls[i]);
    }
    CHECK_INT(p->stats.n_started, p->stats.n_closed);
}

static void test_every_allocation(void)
{
    size_t n_failed = 0;
    bool done = false;
    for (size_t at = 1; at < MAX_ALLOCATIONS && !done; at++) {
        struct pair p;
        failing_alloc_arm(at);
        if (pair_try_open(&p) == 0)
            scenario(&p);
        done = !failing_alloc_reached();
        n_failed++;
    }
    failing_alloc_arm(0);
    CHECK(done);
    CHECK(n_failed > 200);
    printf("%zu allocations failed\n", n_failed);
}

int main(void)
{
    RUN(test_every_allocation);
    return check_end();
}
