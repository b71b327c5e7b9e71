/* Requests that are kept back before their handler, and what may become of them meanwhile. */
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

static struct rpc_call *kept_call;
static ProtobufCMessage *kept;

/* Keeps those back whose text says so. */
static bool gate(void *arg, struct rpc_call *call, const ProtobufCMessage *request)
{
    const echo_request *r = (const echo_request *)request;
    ++*(int *)arg;
    if (strcmp(r->text, "keep") != 0)
        return false;
    kept = rpc_call_take_message(call);
    kept_call = rpc_call_ref(call);
    return true;
}

static void let_go(void)
{
    rpc_call_dispatch(kept_call, kept);
    rpc_call_unref(kept_call);
}

static struct rpc_call *begin(struct pair *p, const char *text, struct seen *s, int *n_asked)
{
    const struct rpc_call_options o = {.timeout_ms = 5000};
    echo_request r = REQUEST_INIT;
    r.text = (char *)(uintptr_t)text;
    pair_open(p);
    p->wire.gate = gate;
    p->wire.gate_arg = n_asked;
    struct rpc_call *call = pair_start(p, ECHO_UNARY, &o, &r, s);
    pair_run(p);
    return call;
}

static void test_passes_at_once(void)
{
    struct pair p;
    struct seen s = {0};
    int n_asked = 0;
    struct rpc_call *call = begin(&p, "go", &s, &n_asked);
    CHECK_INT(n_asked, 1);
    CHECK_STR(s.text, "go");
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_waits_until_it_is_let_go(void)
{
    struct pair p;
    struct seen s = {0};
    int n_asked = 0;
    struct rpc_call *call = begin(&p, "keep", &s, &n_asked);
    CHECK_INT(s.n_closed, 0);
    let_go();
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_STR(s.text, "keep");
    CHECK_INT(n_asked, 1); /* not asked again */
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_cancelled_while_it_waits(void)
{
    struct pair p;
    struct seen s = {0};
    int n_asked = 0;
    struct rpc_call *call = begin(&p, "keep", &s, &n_asked);
    rpc_call_cancel(call);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_CANCELLED);
    let_go();
    pair_run(&p);
    CHECK_INT(s.n_messages, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_connection_lost_while_it_waits(void)
{
    struct pair p;
    struct seen s = {0};
    int n_asked = 0;
    struct rpc_call *call = begin(&p, "keep", &s, &n_asked);
    pair_close(&p);
    let_go();
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.n_messages, 0);
    rpc_call_unref(call);
}

static void test_streams_are_not_asked(void)
{
    struct pair p;
    struct seen s = {0};
    int n_asked = 0;
    echo_request r = REQUEST_INIT;
    r.text = (char *)"keep";
    pair_open(&p);
    p.wire.gate = gate;
    p.wire.gate_arg = &n_asked;
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(n_asked, 0);
    CHECK_INT(s.n_messages, 1);
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    RUN(test_passes_at_once);
    RUN(test_waits_until_it_is_let_go);
    RUN(test_cancelled_while_it_waits);
    RUN(test_connection_lost_while_it_waits);
    RUN(test_streams_are_not_asked);
    return check_end();
}
