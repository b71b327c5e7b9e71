/* The agent client against a real agent: output exact at any offset, also through a channel that is
 * cut all the time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/guest/agent_client.h"
#include "rpc/event/loop.h"
#include "tests/integration/guest/agent_process.h"
#include "tests/integration/guest/proxy.h"
#include "tests/support/check.h"

enum { SOURCE_BYTES = 8 * 1024 * 1024, CREDIT_BYTES = 256 * 1024, DEADLINE_MS = 60000 };

static struct agent_process agent;
static uint8_t *source; /* random bytes, also in source_path */
static char source_path[96];

struct run {
    struct loop *loop;
    struct timer deadline;
    struct agent_client *client;
    struct agent_subscription *sub;
    struct session session;
    struct agent_session_status status;
    uint64_t next[2], total[2], begin[2];
    unsigned opened, ends, ended, statuses, downs, synced, gaps;
    bool exact, timed_out, exited;
    uint64_t hold; /* grant nothing before this many bytes */
};

static void on_deadline(void *arg)
{
    struct run *r = arg;
    r->timed_out = true;
    loop_stop(r->loop);
}

static void on_opened(void *arg, uint64_t out, uint64_t err)
{
    struct run *r = arg;
    r->opened++;
    r->next[0] = r->begin[0] = out;
    r->next[1] = r->begin[1] = err;
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct run *r = arg;
    uint64_t *next = &r->next[stream - 1];
    if (offset != *next || offset + len > SOURCE_BYTES || memcmp(source + offset, data, len) != 0)
        r->exact = false;
    *next = offset + len;
    agent_subscription_grant(r->sub, len);
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    (void)oldest;
    struct run *r = arg;
    (void)reason;
    r->gaps++;
    if (from != r->next[stream - 1])
        r->exact = false;
    r->next[stream - 1] = to;
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    (void)cut;
    struct run *r = arg;
    r->ends++;
    r->total[stream - 1] = total;
}

static void maybe_stop(struct run *r)
{
    if (r->ended && r->exited && r->status.stdout_ended && r->status.stderr_ended)
        loop_stop(r->loop);
}

static void on_ended(void *arg, const struct err *err)
{
    struct run *r = arg;
    if (err)
        fprintf(stderr, "subscription: %s\n", err->message);
    r->sub = NULL;
    r->ended++;
    maybe_stop(r);
}

static const struct agent_subscription_events sub_events = {
    .opened = on_opened,
    .data = on_data,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .ended = on_ended,
};

static void subscribe(struct run *r)
{
    struct agent_start start = {AGENT_FROM_OFFSET, 0};
    r->sub = agent_subscribe(r->client, r->session.id, start, start, CREDIT_BYTES, true,
                             &sub_events, r, NULL);
}

static void on_synced(void *arg)
{
    struct run *r = arg;
    r->synced++;
    if (r->statuses == 0)
        agent_client_start_session(r->client, r->session.id, &r->session.spec, false, 0, NULL);
    if (r->synced == 1)
        subscribe(r);
}

static void on_status(void *arg, const struct agent_session_status *status)
{
    struct run *r = arg;
    if (strcmp(status->session_id, r->session.id) != 0)
        return;
    r->statuses++;
    r->status = *status;
    r->exited = status->state == AGENT_SESSION_EXITED || status->state == AGENT_SESSION_FAILED;
    maybe_stop(r);
}

static void on_link_down(void *arg, const struct err *why)
{
    struct run *r = arg;
    (void)why;
    r->downs++;
}

static const struct agent_events client_events = {
    .synced = on_synced,
    .session_status = on_status,
    .link_down = on_link_down,
};

static void set_argv(struct session *s, const char *script)
{
    char argv[1024];
    int n = snprintf(argv, sizeof(argv), "/bin/sh%c-c%c%s", 0, 0, script);
    blob_set(&s->spec.argv, argv, (size_t)n + 1);
    id_make(s->id);
}

static void run_open(struct run *r, const struct channel_kind *kind, const char *socket,
                     const char *script)
{
    *r = (struct run){.exact = true};
    struct err err = ERR_INIT;
    r->loop = loop_new(&err);
    timer_init(&r->deadline, r->loop, on_deadline, r);
    timer_start(&r->deadline, DEADLINE_MS);
    set_argv(&r->session, script);
    struct channel_config channel = {.kind = kind, .port = PROXY_VSOCK_PORT};
    snprintf(channel.socket_path, sizeof(channel.socket_path), "%s", socket);
    r->client = agent_client_open(r->loop, &channel, &client_events, r, &err);
    CHECK(r->client != NULL);
}

static void run_close(struct run *r)
{
    agent_unsubscribe(r->sub);
    agent_client_close(r->client);
    timer_done(&r->deadline);
    session_done(&r->session);
    loop_free(r->loop);
}

static void check_exact(const struct run *r, uint64_t out, uint64_t err, int code)
{
    CHECK(!r->timed_out);
    CHECK(r->exact);
    CHECK_INT(r->status.state, AGENT_SESSION_EXITED);
    CHECK_INT(r->status.exit_code, code);
    CHECK_INT(r->opened, 1);
    CHECK_INT(r->ends, 2);
    CHECK_INT(r->ended, 1);
    CHECK_INT(r->gaps, 0);
    CHECK_INT(r->next[0], out);
    CHECK_INT(r->next[1], err);
    CHECK_INT(r->total[0], out);
    CHECK_INT(r->total[1], err);
    CHECK_INT(r->status.stdout_total, out);
    CHECK_INT(r->status.stderr_total, err);
}

static void test_full_output(void)
{
    char script[256];
    snprintf(script, sizeof(script), "cat %s; head -c 70001 %s >&2; exit 7", source_path,
             source_path);
    struct run r;
    run_open(&r, &channel_unix, agent.socket, script);
    loop_run(r.loop, NULL);
    check_exact(&r, SOURCE_BYTES, 70001, 7);
    CHECK(agent_client_round_trip_us(r.client) > 0);
    CHECK_INT(r.downs, 0);
    run_close(&r);
}

static void run_with_cuts(enum proxy_kind kind, size_t min, size_t max)
{
    char script[256], path[128];
    snprintf(script, sizeof(script), "cat %s; head -c 300000 %s >&2; exit 9", source_path,
             source_path);
    snprintf(path, sizeof(path), "%s/proxy.sock", agent.dir);
    struct run r;
    run_open(&r, kind == PROXY_VSOCK ? &channel_vsock : &channel_unix, path, script);
    struct proxy proxy;
    proxy_open(&proxy, r.loop, kind, path, agent.socket);
    proxy_set_cuts(&proxy, min, max);
    loop_run(r.loop, NULL);
    check_exact(&r, SOURCE_BYTES, 300000, 9);
    printf("     %u cuts, %u links lost after hello, %zu bytes passed\n", proxy.cuts, r.downs,
           proxy.passed);
    CHECK(proxy.cuts > 10);
    CHECK(r.downs > 5);
    proxy_close(&proxy);
    run_close(&r);
}

static void test_socket_cut(void)
{
    run_with_cuts(PROXY_SOCKET, 1000, 700 * 1024);
}

static void test_port_cut(void)
{
    run_with_cuts(PROXY_PORT, 1000, 900 * 1024);
}

static void test_vsock_cut(void)
{
    run_with_cuts(PROXY_VSOCK, 1, 700 * 1024);
}

static void make_source(void)
{
    source = malloc(SOURCE_BYTES);
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < SOURCE_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        source[i] = (uint8_t)x;
    }
    snprintf(source_path, sizeof(source_path), "%s/source", agent.dir);
    struct err err = ERR_INIT;
    CHECK(fs_write_atomic(source_path, source, SOURCE_BYTES, 0600, &err) == 0);
}

int main(void)
{
    agent_process_start(&agent);
    make_source();
    RUN(test_full_output);
    RUN(test_socket_cut);
    RUN(test_port_cut);
    RUN(test_vsock_cut);
    agent_process_stop(&agent);
    free(source);
    return check_end();
}
