/* Server process and honest clients; see served_echo.h. */
#include "tests/integration/rpc/served_echo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "rpc/event/loop.h"
#include "tests/integration/rpc/dial.h"
#include "tests/support/check.h"

enum { DRAIN_MS = 2000, WORST_MS = 5000, LOG_MAX_BYTES = 16 << 20, PAYLOAD_BYTES = 3000 };

/* The server's process. */
struct program {
    struct loop *loop;
    struct rpc_server *server;
    struct tls_context *contexts[SERVED_CONTEXTS_MAX];
    size_t n_contexts, current;
    struct signal_watch term, hup;
    struct echo_stats stats;
};

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "FATAL %s: %s\n", what, err ? err->message : strerror(errno));
    exit(EXIT_FAILURE);
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    if (peer->kind == RPC_PEER_UNIX)
        snprintf(peer->principal, sizeof(peer->principal), "unix:%u", (unsigned)peer->uid);
    peer->role = RPC_ROLE_OPERATOR;
    return 0;
}

static void on_drained(void *arg)
{
    struct program *p = arg;
    loop_stop(p->loop);
}

static void on_term(void *arg, int signo)
{
    (void)signo;
    struct program *p = arg;
    rpc_server_drain(p->server, DRAIN_MS, on_drained, p);
}

static void on_hup(void *arg, int signo)
{
    (void)signo;
    struct program *p = arg;
    p->current = (p->current + 1) % p->n_contexts;
    rpc_server_set_tls(p->server, p->contexts[p->current]);
}

static void program_open(struct program *p, const struct served_echo *s,
                         const struct rpc_server_config *config, const struct served_tls *tls,
                         size_t n_tls, uint16_t *port)
{
    struct err err = ERR_INIT;
    struct rpc_server_config c = *config;
    c.identify = identify;
    p->loop = loop_new(&err);
    p->server = p->loop ? rpc_server_new(p->loop, &c, &err) : NULL;
    for (size_t i = 0; i < n_tls; i++) {
        const struct tls_config t = {.server = true,
                                     .certificate_pem = tls[i].certificate_pem,
                                     .key_pem = tls[i].key_pem,
                                     .ca_pem = tls[i].ca_pem,
                                     .crl_pem = tls[i].crl_pem};
        p->contexts[i] = tls_context_new(&t, &err);
        if (!p->contexts[i])
            die("TLS", &err);
    }
    p->n_contexts = n_tls;
    if (!p->server ||
        rpc_server_add(p->server, &echo_rpc_service, &echo_handlers, &p->stats, &err) < 0 ||
        rpc_server_listen_unix(p->server, s->socket, 0, &err) < 0 ||
        rpc_server_listen_tls(p->server, "127.0.0.1:0", p->contexts[0], port, &err) < 0 ||
        signal_watch_init(&p->term, p->loop, SIGTERM, on_term, p) < 0 ||
        signal_watch_init(&p->hup, p->loop, SIGHUP, on_hup, p) < 0)
        die("server", &err);
}

static int program_run(const struct served_echo *s, const struct rpc_server_config *config,
                       const struct served_tls *tls, size_t n_tls, int ready_fd)
{
    struct program p = {0};
    struct err err = ERR_INIT;
    uint16_t port = 0;
    int log_fd = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        die(s->log, NULL);
    log_set_fd(log_fd);
    program_open(&p, s, config, tls, n_tls, &port);
    if (write(ready_fd, &port, sizeof(port)) != sizeof(port))
        die("ready", NULL);
    close(ready_fd);
    int rc = loop_run(p.loop, &err);
    bool well = rc == 0 && p.stats.n_started == p.stats.n_closed;
    if (!well)
        fprintf(stderr, "server: %s; %zu calls started, %zu closed\n", err.message,
                p.stats.n_started, p.stats.n_closed);
    signal_watch_done(&p.term);
    signal_watch_done(&p.hup);
    rpc_server_free(p.server);
    for (size_t i = 0; i < n_tls; i++)
        tls_context_unref(p.contexts[i]);
    loop_free(p.loop);
    close(log_fd);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

void served_echo_start(struct served_echo *s, const struct rpc_server_config *config,
                       const struct served_tls *tls, size_t n_tls)
{
    int ends[2];
    *s = (struct served_echo){.dir = "/tmp/banger-echo.XXXXXX"};
    if (!mkdtemp(s->dir) || pipe(ends) < 0)
        die("server process", NULL);
    snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
    snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
    fflush(NULL);
    s->pid = fork();
    if (s->pid < 0)
        die("fork", NULL);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        exit(program_run(s, config, tls, n_tls, ends[1]));
    }
    close(ends[1]);
    if (read(ends[0], &s->port, sizeof(s->port)) != sizeof(s->port))
        die("the server did not start", NULL);
    close(ends[0]);
}

bool served_echo_stop(struct served_echo *s)
{
    int status = 0;
    kill(s->pid, SIGTERM);
    bool well =
        waitpid(s->pid, &status, 0) == s->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well)
        fprintf(stderr, "the server ended with status %#x\n", (unsigned)status);
    unlink(s->log);
    unlink(s->socket);
    rmdir(s->dir);
    return well;
}

size_t served_echo_peak_kib(const struct served_echo *s)
{
    char path[64], *text = NULL;
    size_t kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)s->pid);
    if (fs_read(path, 1 << 20, &text, NULL, NULL) == 0) {
        const char *at = strstr(text, "VmHWM:");
        kib = at ? strtoul(at + strlen("VmHWM:"), NULL, 10) : 0;
    }
    free(text);
    return kib;
}

size_t served_echo_grown_kib(const struct served_echo *s, size_t base_kib)
{
    size_t peak_kib = served_echo_peak_kib(s);
    return peak_kib > base_kib ? peak_kib - base_kib : 0;
}

size_t served_echo_log_lines(const struct served_echo *s, const char *const *texts)
{
    char *log = NULL, *rest = NULL;
    size_t n = 0;
    if (fs_read(s->log, LOG_MAX_BYTES, &log, NULL, NULL) < 0)
        return 0;
    for (char *line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        bool all = true;
        for (const char *const *t = texts; *t; t++)
            all = all && strstr(line, *t);
        n += all;
    }
    free(log);
    return n;
}

static void honest_connect(struct honest_thread *t, struct dial *d, unsigned n)
{
    if (t->tls)
        dial_tls(d, t->all->server->port, t->all->ca_pem, t->all->certs[n % 2]);
    else
        dial_unix(d, t->all->server->socket);
    dial_client(d);
}

/* What the server has worked so far. */
static int64_t server_cpu_us(const struct served_echo *s)
{
    clockid_t clock;
    struct timespec t = {0};
    if (clock_getcpuclockid(s->pid, &clock) == 0)
        clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One that was let go before it had said its hello dials again, as clients do. */
static bool honest_call(struct honest_thread *t, struct dial *d, int i, unsigned *n_connections)
{
    size_t bytes = i % 50 == 0 ? 100 * PAYLOAD_BYTES : PAYLOAD_BYTES;
    for (unsigned tries = 0; !dial_echo(d, "honest", bytes); tries++) {
        if (!t->tls || tls_is_ready(d->tls) || tries == t->all->redials)
            return false;
        dial_done(d);
        honest_connect(t, d, (*n_connections)++);
    }
    return true;
}

static void *honest_run(void *arg)
{
    struct honest_thread *t = arg;
    struct honest *h = t->all;
    struct dial d;
    unsigned n_connections = 0;
    honest_connect(t, &d, n_connections++);
    for (int i = 0; !atomic_load(&h->stop) && !atomic_load(&t->failed); i++) {
        if (h->calls_per_connection && i > 0 && i % h->calls_per_connection == 0) {
            dial_done(&d);
            honest_connect(t, &d, n_connections++);
        }
        int64_t begun = clock_mono_ns(), cpu_us = server_cpu_us(h->server);
        if (!honest_call(t, &d, i, &n_connections)) {
            snprintf(t->why, sizeof(t->why), "call %d: %s", i, d.why.message);
            atomic_store(&t->failed, true);
        }
        int64_t us = (clock_mono_ns() - begun) / 1000;
        t->worst_us = us > t->worst_us ? us : t->worst_us;
        t->sum_us += us;
        cpu_us = server_cpu_us(h->server) - cpu_us;
        t->worst_cpu_us = cpu_us > t->worst_cpu_us ? cpu_us : t->worst_cpu_us;
        atomic_fetch_add(&t->n, 1);
        poll(NULL, 0, 1); /* not to be a flood itself */
    }
    dial_done(&d);
    return NULL;
}

void honest_start(struct honest *h)
{
    for (int i = 0; i < HONEST_MAX; i++) {
        struct honest_thread *t = &h->threads[i];
        t->all = h;
        t->tls = i % 2;
        if (pthread_create(&t->thread, NULL, honest_run, t) != 0)
            die("thread", NULL);
    }
}

bool honest_await(struct honest *h, int n)
{
    int64_t end = clock_mono_ms() + DIAL_WAIT_MS;
    int from[HONEST_MAX], n_done = 0;
    for (int i = 0; i < HONEST_MAX; i++)
        from[i] = atomic_load(&h->threads[i].n);
    while (n_done < HONEST_MAX && clock_mono_ms() < end) {
        n_done = 0;
        for (int i = 0; i < HONEST_MAX; i++) {
            if (atomic_load(&h->threads[i].failed))
                return false;
            n_done += atomic_load(&h->threads[i].n) >= from[i] + n;
        }
        poll(NULL, 0, 1);
    }
    return n_done == HONEST_MAX;
}

double honest_end(struct honest *h, const char *what)
{
    int64_t sum = 0, worst = 0, worst_cpu = 0;
    int n = 0;
    atomic_store(&h->stop, true);
    for (int i = 0; i < HONEST_MAX; i++) {
        struct honest_thread *t = &h->threads[i];
        pthread_join(t->thread, NULL);
        CHECK_STR(t->why, "");
        n += t->n;
        sum += t->sum_us;
        worst = t->worst_us > worst ? t->worst_us : worst;
        worst_cpu = t->worst_cpu_us > worst_cpu ? t->worst_cpu_us : worst_cpu;
    }
    printf("     %-30s %6d honest calls, %6.2f ms on average, %7.2f at worst, %6.2f of the "
           "server's work",
           what, n, n ? (double)sum / n / 1000 : 0, (double)worst / 1000, (double)worst_cpu / 1000);
    CHECK(h->patient || worst < WORST_MS * 1000);
    return (double)worst_cpu / 1000;
}
