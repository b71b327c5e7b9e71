/* An observer hears of each call's first message, its answer, and its end: once, whatever the end
 * is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/observer.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

/* What was heard, as words: "requested:hi replied:hi ended:0 ". */
struct heard {
    char words[256];
    bool wrong_note;
};

static void add(struct heard *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct heard *h, const char *fmt, ...)
{
    size_t n = strlen(h->words);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(h->words + n, sizeof(h->words) - n, fmt, ap);
    va_end(ap);
}

static void requested(void *arg, struct rpc_call *call, const ProtobufCMessage *request)
{
    struct heard *h = arg;
    add(h, "requested:%s ", ((const echo_request *)(const void *)request)->text);
    h->wrong_note |= rpc_call_note(call) != NULL;
    rpc_call_set_note(call, h);
}

static void replied(void *arg, struct rpc_call *call, const ProtobufCMessage *response)
{
    struct heard *h = arg;
    add(h, "replied:%s ", ((const echo_response *)(const void *)response)->text);
    h->wrong_note |= rpc_call_note(call) != h;
}

static void ended(void *arg, struct rpc_call *call, const struct err *status)
{
    struct heard *h = arg;
    add(h, "ended:%d ", (int)status->code);
    h->wrong_note |= rpc_call_note(call) != h && rpc_call_note(call) != NULL;
}

static const struct rpc_observer observer = {requested, replied, ended};

static void open_watched(struct pair *p, struct heard *h)
{
    pair_open(p);
    *h = (struct heard){.words = ""};
    p->wire.observer = &observer;
    p->wire.observer_arg = h;
}

static void check_heard(struct heard *h, const char *words)
{
    CHECK_STR(h->words, words);
    CHECK(!h->wrong_note);
    h->words[0] = '\0';
}

static void test_unary(void)
{
    struct pair p;
    struct heard h;
    struct seen s = {0};
    open_watched(&p, &h);
    echo_request r = REQUEST_INIT;
    char hi[] = "hi";
    r.text = hi;
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NONE);
    check_heard(&h, "requested:hi replied:hi ended:0 ");
    r.fail_code = ERR_ABORTED;
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_ABORTED);
    check_heard(&h, "requested:hi ended:10 ");
    pair_close(&p);
    check_heard(&h, ""); /* the end of the connection ends nothing twice */
}

/* Refused before its message is looked at. */
static void test_refused(void)
{
    struct pair p;
    struct heard h;
    struct seen s = {0};
    open_watched(&p, &h);
    echo_request r = REQUEST_INIT;
    CHECK_INT(pair_unary(&p, ECHO_ADMIN, &r, &s).code, ERR_DENIED);
    check_heard(&h, "ended:7 ");
    CHECK_INT(pair_unary(&p, ECHO_MISSING, &r, &s).code, ERR_UNIMPLEMENTED);
    check_heard(&h, "requested: ended:12 ");
    pair_close(&p);
}

static void test_streams(void)
{
    struct pair p;
    struct heard h;
    struct seen s = {0};
    open_watched(&p, &h);
    echo_request r = REQUEST_INIT;
    char one[] = "one", two[] = "two";
    r.text = one;
    struct rpc_call *call = pair_start(&p, ECHO_CLIENT_STREAM, NULL, NULL, &s);
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    pair_run(&p);
    check_heard(&h, "requested:one ");
    r.text = two;
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_CONTAINS(h.words, "replied:");
    CHECK_CONTAINS(h.words, "ended:0 ");
    CHECK(!strstr(h.words, "requested:"));
    rpc_call_unref(call);
    pair_close(&p);
}

/* Cancelled, too late, lost: told as they happen. */
static void test_unanswered(void)
{
    struct pair p;
    struct heard h;
    struct seen s = {0};
    struct err why;
    open_watched(&p, &h);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, NULL, &r, &s);
    pair_run(&p);
    rpc_call_cancel(call);
    pair_run(&p);
    check_heard(&h, "requested: ended:1 ");
    rpc_call_unref(call);

    const struct rpc_call_options soon = {.timeout_ms = 1000};
    call = pair_start(&p, ECHO_UNARY, &soon, &r, &s);
    pair_run(&p);
    deadlines_run(&p.deadlines, clock_mono_ms() + 2000);
    check_heard(&h, "requested: ended:4 ");
    pair_run(&p);
    check_heard(&h, "");
    rpc_call_unref(call);

    call = pair_start(&p, ECHO_UNARY, NULL, &r, &s);
    pair_run(&p);
    err_set(&why, ERR_UNAVAILABLE, "gone");
    wire_conn_close(p.server, &why);
    check_heard(&h, "requested: ended:14 ");
    rpc_call_unref(call);
    pair_close(&p);
}

/* An answer that the client is too slow to fetch was given all the same. */
static void test_answered_but_not_fetched(void)
{
    struct pair p;
    struct heard h;
    struct seen s = {0};
    struct err why;
    open_watched(&p, &h);
    echo_request r = REQUEST_INIT;
    p.client_deaf = true;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, NULL, &r, &s);
    pair_run(&p);
    check_heard(&h, "requested: replied: ended:0 ");
    err_set(&why, ERR_UNAVAILABLE, "gone");
    wire_conn_close(p.server, &why);
    check_heard(&h, "");
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_dismissed(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    pair_run(&p);
    CHECK(!rpc_client_draining(p.client));
    wire_conn_dismiss(p.server, "sent away");
    pair_run(&p);
    CHECK(rpc_client_draining(p.client));
    CHECK_INT(s.n_closed, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    RUN(test_unary);
    RUN(test_refused);
    RUN(test_streams);
    RUN(test_unanswered);
    RUN(test_answered_but_not_fetched);
    RUN(test_dismissed);
    return check_end();
}
