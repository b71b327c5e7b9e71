/* Every allocation of a server with its listeners, connections, TLS, reflection, health and drain
 * failed in turn, ours and libevent's (OpenSSL's: tls_alloc_test): calls end exactly once, the
 * drain comes to its end, nothing leaks (the sanitizer looks). */
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/service/service.h"
#include "daemon/store/store.h"
#include "grpc/health/v1/health.rpc.h"
#include "grpc/reflection/v1/reflection.rpc.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/reflection/reflection.h"
#include "tests/support/check.h"
#include "tests/support/failing_alloc.h"
#include "tests/unit/rpc/pair.h"
#include "tests/unit/rpc/tls_pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { MAX_ALLOCATIONS = 20000, N_CALLS = 6, BODY = 20000, HANG_MS = 5000, GRACE_MS = 1 };

static struct tls_certs certs;
static struct core core; /* its store is all that health asks for */
static char *set, path[] = "/tmp/banger-alloc-XXXXXX/socket";
static size_t set_len;
static uint8_t body[BODY];

struct world {
    bool with_tls;
    struct loop *loop;
    struct rpc_server *server;
    struct tls_context *server_context, *client_context;
    struct tls *tls;
    struct rpc_client *client;
    struct echo_stats stats;
    struct buf plain, out;
    int fd; /* the client's */
    uint16_t port;
    bool lost, drained;
    size_t n_asked; /* questions to reflection that could be sent */
};

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    peer->role = RPC_ROLE_OPERATOR;
    return 0;
}

static int open_server(struct world *w, struct err *err)
{
    const struct rpc_server_config config = {.identify = identify, .keepalive_interval_ms = 60000};
    const struct tls_config tls = {.server = true,
                                   .certificate_pem = certs.server.certificate,
                                   .key_pem = certs.server.key,
                                   .ca_pem = certs.ca.certificate};
    w->loop = loop_new(err);
    w->server = w->loop ? rpc_server_new(w->loop, &config, err) : NULL;
    if (!w->server ||
        rpc_server_add(w->server, &echo_rpc_service, &echo_handlers, &w->stats, err) < 0 ||
        reflection_register(w->server, set, set_len, err) < 0 ||
        health_service_register(w->server, &core, err) < 0)
        return -1;
    if (!w->with_tls)
        return rpc_server_listen_unix(w->server, path, 0, err);
    w->server_context = tls_context_new(&tls, err);
    return w->server_context
               ? rpc_server_listen_tls(w->server, "127.0.0.1:0", w->server_context, &w->port, err)
               : -1;
}

static void connect_client(struct world *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    strcpy(un.sun_path, path);
    w->fd = socket(w->with_tls ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = w->with_tls ? connect(w->fd, (struct sockaddr *)&in, sizeof(in))
                         : connect(w->fd, (struct sockaddr *)&un, sizeof(un));
    CHECK_INT(rc, 0);
}

static int open_client(struct world *w, struct err *err)
{
    const struct tls_config tls = {.certificate_pem = certs.client.certificate,
                                   .key_pem = certs.client.key,
                                   .ca_pem = certs.ca.certificate};
    connect_client(w);
    w->client = rpc_client_new("localhost", err);
    if (!w->client || !w->with_tls)
        return w->client ? 0 : -1;
    w->client_context = tls_context_new(&tls, err);
    w->tls = w->client_context ? tls_new(w->client_context, "127.0.0.1", err) : NULL;
    return w->tls ? tls_start(w->tls, &w->out, err) : -1;
}

static void lose(struct world *w)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "lost");
    w->lost = true;
    rpc_client_lost(w->client, &err);
}

static void client_send(struct world *w)
{
    struct err err;
    const uint8_t *data;
    ssize_t n = 0;
    while (!w->lost && (!w->tls || tls_is_ready(w->tls)) &&
           (n = rpc_client_output(w->client, &data, &err)) > 0)
        if ((w->tls ? tls_send(w->tls, data, (size_t)n, &w->out, &err)
                    : buf_append(&w->out, data, (size_t)n)) < 0)
            lose(w);
    if (n < 0 && !w->lost)
        lose(w);
    if (buf_len(&w->out) > 0 &&
        (n = send(w->fd, buf_data(&w->out), buf_len(&w->out), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        buf_consume(&w->out, (size_t)n);
}

static void client_receive(struct world *w)
{
    static uint8_t block[65536];
    struct err err;
    ssize_t n = recv(w->fd, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    const uint8_t *data = block;
    size_t len = n > 0 ? (size_t)n : 0;
    bool well = n > 0;
    if (well && w->tls) {
        well = tls_receive(w->tls, block, (size_t)n, &w->plain, &w->out, &err) == 0;
        data = buf_data(&w->plain);
        len = buf_len(&w->plain);
    }
    if (well && len > 0)
        well = rpc_client_receive(w->client, data, len, &err) == 0;
    buf_consume(&w->plain, buf_len(&w->plain));
    if (!well && !w->lost)
        lose(w);
}

static void turn(struct world *w)
{
    if (!w->lost) {
        client_send(w);
        client_receive(w);
    }
    event_base_loop(loop_base(w->loop), EVLOOP_NONBLOCK);
}

static void on_drained(void *arg)
{
    ((struct world *)arg)->drained = true;
}

static void note_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
    ((struct seen *)arg)->n_messages++;
}

static void note_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct seen *s = arg;
    (void)call;
    s->n_closed++;
    s->status = *status;
}

/* For what is no echo. */
static const struct rpc_call_events note_events = {.message = note_message, .closed = note_closed};

static struct rpc_call *start_echo(struct world *w, int i, struct seen *s, struct err *err)
{
    static char *gzip[] = {"gzip"};
    const struct rpc_call_options o = {.timeout_ms = -1, .compress = true};
    echo_request r = REQUEST_INIT;
    r.hang = i == 0;
    r.count = 30;
    if (!r.hang) {
        r.payload = (ProtobufCBinaryData){sizeof(body), body};
        r.tags = gzip;
        r.n_tags = 1;
    }
    return rpc_client_start(w->client, echo_method(i == 2 ? ECHO_SERVER_STREAM : ECHO_UNARY), &o,
                            &r.base, &seen_events, s, err);
}

/* All services, then a file with what it imports, on one stream. */
static struct rpc_call *start_reflection(struct world *w, struct seen *s, struct err *err)
{
    Grpc__Reflection__V1__ServerReflectionRequest r =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct rpc_call *call = grpc_reflection_v1_server_reflection_server_reflection_info_start(
        w->client, NULL, &note_events, s, err);
    if (!call)
        return NULL;
    r.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    r.list_services = "";
    w->n_asked += rpc_call_send(call, &r.base) == 0;
    r.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
    r.file_containing_symbol = "banger.v1.VMService";
    w->n_asked += rpc_call_send(call, &r.base) == 0;
    rpc_call_half_close(call);
    return call;
}

/* The first one hangs, until the drain ends it. */
static struct rpc_call *start_call(struct world *w, int i, struct seen *s, struct err *err)
{
    const Grpc__Health__V1__HealthCheckRequest check = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const Grpc__Health__V1__HealthListRequest list = GRPC__HEALTH__V1__HEALTH_LIST_REQUEST__INIT;
    switch (i) {
    case 3:
        return start_reflection(w, s, err);
    case 4:
        return grpc_health_v1_health_check_start(w->client, NULL, &check, &note_events, s, err);
    case 5:
        return grpc_health_v1_health_list_start(w->client, NULL, &list, &note_events, s, err);
    default:
        return start_echo(w, i, s, err);
    }
}

static bool is_open(struct rpc_call *const calls[], const struct seen s[])
{
    for (int i = 1; i < N_CALLS; i++)
        if (calls[i] && !s[i].n_closed)
            return true;
    return false;
}

static void run_calls(struct world *w)
{
    struct seen s[N_CALLS] = {{0}};
    struct rpc_call *calls[N_CALLS];
    struct err err;
    for (int i = 0; i < N_CALLS; i++)
        calls[i] = start_call(w, i, &s[i], &err);
    const size_t n_answers[N_CALLS] = {0, 1, 30, w->n_asked, 1, 1};
    int64_t end = clock_mono_ms() + HANG_MS;
    while (is_open(calls, s) && clock_mono_ms() < end)
        turn(w);
    if (!CHECK(!is_open(calls, s)))
        fprintf(stderr, "  (allocation %zu)\n", failing_alloc_nth());
    for (int i = 1; i < N_CALLS; i++) /* never well with less than all of it */
        if (calls[i] && !s[i].status.code)
            CHECK_INT(s[i].n_messages, n_answers[i]);
        else
            CHECK(failing_alloc_nth() > 0);
    rpc_server_drain(w->server, GRACE_MS, on_drained, w);
    end = clock_mono_ms() + HANG_MS;
    while (!w->drained && clock_mono_ms() < end)
        turn(w);
    if (!CHECK(w->drained))
        fprintf(stderr, "  (allocation %zu)\n", failing_alloc_nth());
    rpc_client_free(w->client);
    w->client = NULL;
    for (int i = 0; i < N_CALLS; i++) {
        CHECK_INT(s[i].n_closed, calls[i] ? 1 : 0);
        rpc_call_unref(calls[i]);
    }
}

static void scenario(bool with_tls)
{
    struct world w = {.with_tls = with_tls, .fd = -1};
    struct err err = ERR_INIT;
    buf_init(&w.plain, 1 << 20);
    buf_init(&w.out, 1 << 20);
    if (open_server(&w, &err) == 0 && open_client(&w, &err) == 0)
        run_calls(&w);
    else
        CHECK(err.code != ERR_NONE);
    rpc_client_free(w.client);
    rpc_server_free(w.server);
    loop_free(w.loop);
    tls_free(w.tls);
    tls_context_unref(w.server_context);
    tls_context_unref(w.client_context);
    buf_done(&w.plain);
    buf_done(&w.out);
    if (w.fd >= 0)
        close(w.fd);
    CHECK_INT(w.stats.n_started, w.stats.n_closed);
}

static void fail_each(bool with_tls)
{
    size_t n_failed = 0;
    bool done = false;
    failing_alloc_arm(0);
    scenario(with_tls); /* what is made once and kept */
    for (size_t at = 1; at < MAX_ALLOCATIONS && !done && check_failures < 10; at++) {
        failing_alloc_arm(at);
        scenario(with_tls);
        done = !failing_alloc_reached();
        n_failed++;
    }
    failing_alloc_arm(0);
    CHECK(done);
    CHECK(n_failed > 50);
    printf("%zu allocations failed\n", n_failed);
}

static void test_unix(void)
{
    fail_each(false);
}

static void test_tls(void)
{
    fail_each(true);
}

static void open_store(void)
{
    struct err err = ERR_INIT;
    list_init(&core.store_watches);
    core.loop = loop_new(&err);
    char database[sizeof(path) + 4];
    snprintf(database, sizeof(database), "%s.db", path);
    core.store = store_open(core.loop, database, &err);
    CHECK_STR(err.message, "");
}

int main(void)
{
    event_set_mem_functions(malloc, realloc, free);
    log_set_level(LOG_LEVEL_ERROR);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    CHECK(mkdtemp(path) != NULL);
    *slash = '/';
    CHECK_INT(fs_read(DESCRIPTOR_FILE, 1 << 20, &set, &set_len, NULL), 0);
    tls_certs_make(&certs);
    open_store();
    RUN(test_unix);
    RUN(test_tls);
    store_close(core.store);
    loop_free(core.loop);
    tls_certs_done(&certs);
    free(set);
    *slash = '\0';
    fs_remove_tree(path, NULL);
    return check_end();
}
