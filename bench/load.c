/* The load generator: the one client of all servers that bench/ compares.
 *
 *   bench_load unary|stream|idle OPTION…
 *     --unix PATH | --tcp HOST:PORT | --tls HOST:PORT --certs FOLDER
 *     --connections N   --streams M       calls at once on each connection
 *     --in-flight W                       messages under way on each stream (stream)
 *     --payload-bytes B                   in each message, and back
 *     --warm S  --measure S               seconds
 *     --pid PID                           the server: its processor time is told too
 *
 * Every connection first makes a few unary calls. Then, in a closed loop: unary calls, or messages
 * on bidirectional streams that come back; the status and the bytes of every answer are checked.
 * The last line is JSON with what was done and how long it took. idle only opens the connections,
 * says so in a line, and keeps them until its input ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/load.h"
#include "rpc/wire/tls.h"

enum {
    OPENING_AT_ONCE = 16, /* below every server's backlog and limit of handshakes */
    EVENTS = 256,
    WAIT_MS = 20,          /* how exactly phases end */
    STALL_NS = 20000000,   /* in units of 1000 ns: without progress for so long it failed */
    PLAIN_BYTES = 1 << 20, /* of what one read makes */
    CIPHER_BYTES = 4 << 20,
};

/* What the measured phase began and ended with. */
struct mark {
    int64_t wall_ns, server_ns, client_ns;
};

static struct mark load_mark(const struct load *load)
{
    struct mark m = {.wall_ns = clock_mono_ns(), .client_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    clockid_t clock;
    if (load->o.pid && clock_getcpuclockid(load->o.pid, &clock) == 0)
        m.server_ns = clock_ns(clock);
    return m;
}

/* --- phases --- */

static int load_open_some(struct load *load, struct err *err)
{
    while (load->n_opened < load->o.n_connections &&
           load->n_opened - load->n_up < OPENING_AT_ONCE) {
        struct load_conn *c = &load->conns[load->n_opened++];
        if (load_conn_open(c, err) < 0)
            return err_wrap(err, "connection %zu", load->n_opened);
    }
    return 0;
}

static int load_handle(struct load *load, const struct epoll_event *events, int n, bool *input_end,
                       struct err *err)
{
    for (int i = 0; i < n; i++) {
        struct load_conn *c = events[i].data.ptr;
        char byte;
        if (!c)
            *input_end = read(STDIN_FILENO, &byte, 1) <= 0;
        else if (load_conn_ready(c, events[i].events, err) < 0)
            return -1;
        if (load->failure.code != ERR_NONE) {
            *err = load->failure;
            return -1;
        }
    }
    return 0;
}

/* One turn of the loop; fails when nothing came back for too long. */
static int load_turn(struct load *load, bool *input_end, struct err *err)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(load->epoll_fd, events, EVENTS, WAIT_MS);
    if (n < 0 && errno != EINTR)
        return err_sys(err, errno, "epoll_wait");
    return load_handle(load, events, n, input_end, err);
}

/* Runs until the time has come (0: whenever) and done says so (NULL: at once). */
static int load_run(struct load *load, int64_t until_ns, bool (*done)(const struct load *),
                    struct err *err)
{
    int64_t now = clock_mono_ns(), progress_ns = now;
    uint64_t progress = load->n_progress;
    while (now < until_ns || (done && !done(load))) {
        bool input_end = false;
        if ((load->phase == LOAD_OPENING && load_open_some(load, err) < 0) ||
            load_turn(load, &input_end, err) < 0)
            return -1;
        now = clock_mono_ns();
        if (load->n_progress != progress) {
            progress = load->n_progress;
            progress_ns = now;
        } else if ((now - progress_ns) / 1000 > STALL_NS) {
            return err_set(err, ERR_DEADLINE, "nothing came from the server for %d s",
                           STALL_NS / 1000000);
        }
    }
    return 0;
}

static bool load_is_up(const struct load *load)
{
    return load->n_up == load->o.n_connections;
}

static bool load_is_over(const struct load *load)
{
    return load->n_active == 0;
}

/* Keeps the connections until standard input ends. */
static int load_idle(struct load *load, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    bool input_end = false;
    printf("{\"mode\": \"idle\", \"connections\": %zu}\n", load->o.n_connections);
    fflush(stdout);
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        return errno == EPERM ? 0 : err_sys(err, errno, "epoll_ctl"); /* a file: it has an end */
    while (!input_end)
        if (load_turn(load, &input_end, err) < 0)
            return -1;
    return 0;
}

static void load_report(const struct load *load, const struct mark *a, const struct mark *b)
{
    static const char *const names[] = {"unary", "stream", "idle"};
    const struct histogram *h = &load->latency_ns;
    double seconds = (double)(b->wall_ns - a->wall_ns) / 1e9, n = (double)load->n_done;
    printf("{\"mode\": \"%s\", \"connections\": %zu, \"streams\": %zu, \"calls\": %.0f, "
           "\"seconds\": %.6f, \"calls_per_s\": %.1f, \"bytes_per_s\": %.1f, "
           "\"server_cpu_s\": %.6f, \"client_cpu_s\": %.6f, \"latency_us\": {\"p50\": %.1f, "
           "\"p90\": %.1f, \"p99\": %.1f, \"p99_9\": %.1f, \"max\": %.1f}}\n",
           names[load->o.mode], load->o.n_connections, load->o.n_streams, n, seconds, n / seconds,
           n * (double)load->o.payload_bytes / seconds, (double)(b->server_ns - a->server_ns) / 1e9,
           (double)(b->client_ns - a->client_ns) / 1e9, (double)histogram_quantile(h, 0.5) / 1e3,
           (double)histogram_quantile(h, 0.9) / 1e3, (double)histogram_quantile(h, 0.99) / 1e3,
           (double)histogram_quantile(h, 0.999) / 1e3, (double)h->max / 1e3);
}

static int load_phases(struct load *load, struct err *err)
{
    if (load_run(load, 0, load_is_up, err) < 0)
        return -1;
    if (load->o.mode == LOAD_IDLE)
        return load_idle(load, err);
    load->phase = LOAD_WARMING;
    for (size_t i = 0; i < load->o.n_connections; i++) {
        load_calls_begin(&load->conns[i]);
        if (load_conn_flush(&load->conns[i], err) < 0)
            return -1;
    }
    if (load_run(load, clock_mono_ns() + (int64_t)(load->o.warm_s * 1e9), NULL, err) < 0)
        return -1;
    struct mark begin = load_mark(load);
    load->phase = LOAD_MEASURING;
    if (load_run(load, begin.wall_ns + (int64_t)(load->o.measure_s * 1e9), NULL, err) < 0)
        return -1;
    load->phase = LOAD_DRAINING;
    struct mark end = load_mark(load);
    if (load_run(load, 0, load_is_over, err) < 0)
        return -1;
    load_report(load, &begin, &end);
    return 0;
}

/* --- the whole --- */

static int load_init(struct load *load, struct err *err)
{
    const struct load_options *o = &load->o;
    struct rlimit files = {.rlim_cur = o->n_connections + 64, .rlim_max = o->n_connections + 64};
    struct rlimit now;
    size_t n_slots = o->n_connections * o->n_streams;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < files.rlim_cur) {
        if (files.rlim_max < now.rlim_max)
            files.rlim_max = now.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            return err_sys(err, errno, "%zu connections", o->n_connections);
    }
    buf_init(&load->plain, PLAIN_BYTES);
    buf_init(&load->cipher, CIPHER_BYTES);
    load->conns = calloc(o->n_connections, sizeof(*load->conns));
    load->slots = calloc(n_slots, sizeof(*load->slots));
    load->rings = calloc(n_slots * o->n_in_flight, sizeof(*load->rings));
    load->payload = malloc(o->payload_bytes + 1);
    load->input = malloc(LOAD_INPUT_BYTES);
    if (!load->conns || !load->slots || !load->rings || !load->payload || !load->input)
        return err_sys(err, ENOMEM, "%zu calls", n_slots);
    for (size_t i = 0; i < o->payload_bytes; i++)
        load->payload[i] = (uint8_t)(i * 31 + (i >> 8));
    for (size_t i = 0; i < o->n_connections; i++)
        load->conns[i] =
            (struct load_conn){.load = load, .slots = load->slots + i * o->n_streams, .fd = -1};
    for (size_t i = 0; i < n_slots; i++)
        load->slots[i] = (struct load_slot){.conn = &load->conns[i / o->n_streams],
                                            .sent_ns = load->rings + i * o->n_in_flight};
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll_fd < 0)
        return err_sys(err, errno, "epoll");
    return o->tls ? load_tls_init(load, err) : 0;
}

static void load_done(struct load *load)
{
    if (load->failure.code == ERR_NONE) /* the calls that end now are no news */
        err_set(&load->failure, ERR_CANCELLED, "the run is over");
    for (size_t i = 0; load->conns && i < load->n_opened; i++)
        load_conn_close(&load->conns[i]);
    tls_context_unref(load->tls_context);
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    buf_done(&load->plain);
    buf_done(&load->cipher);
    free(load->conns);
    free(load->slots);
    free(load->rings);
    free(load->payload);
    free(load->input);
}

int main(int argc, char **argv)
{
    static struct load load = {.epoll_fd = -1};
    load.o = (struct load_options){
        .n_connections = 1, .n_streams = 1, .n_in_flight = 1, .warm_s = 0.5, .measure_s = 2};
    if (load_parse(&load.o, argc, argv) < 0) {
        fprintf(stderr, "usage: bench_load unary|stream|idle --unix PATH|--tcp HOST:PORT|--tls "
                        "HOST:PORT OPTION...; load.c lists them\n");
        return 2;
    }
    struct err err = ERR_INIT;
    int rv = load_init(&load, &err);
    if (rv == 0)
        rv = load_phases(&load, &err);
    if (rv < 0)
        fprintf(stderr, "bench_load: %s\n", err.message);
    load_done(&load);
    return rv < 0 ? 1 : 0;
}
