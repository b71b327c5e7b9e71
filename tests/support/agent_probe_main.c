/* agent-probe SOCKET hello | run ARGV… | cycles N | bench | configure NAME MOUNT | shutdown: speaks
 * to an agent by hand, and measures it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "tests/support/agent_probe.h"

static int complain(const struct probe *p)
{
    fprintf(stderr, "agent-probe: %s\n", p->error);
    return 125;
}

static int run(struct probe *p, const char *const *argv)
{
    char id[ID_BYTES];
    id_make(id);
    struct probe_result r;
    if (probe_run(p, id, argv, NULL, 0, true, &r) < 0)
        return complain(p);
    fwrite(buf_data(&r.out), 1, buf_len(&r.out), stdout);
    fwrite(buf_data(&r.err), 1, buf_len(&r.err), stderr);
    if (r.failed_stage[0])
        fprintf(stderr, "failed: %s: %s\n", r.failed_stage, strerror(r.failed_errno));
    int code = r.failed_stage[0] ? (r.failed_errno == ENOENT ? 127 : 126)
               : r.signo         ? 128 + r.signo
                                 : r.exit_code;
    probe_result_done(&r);
    return probe_delete(p, id) < 0 ? complain(p) : code;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof(*ms), compare);
    printf("%s: p50 %.3f ms, p99 %.3f ms, max %.3f ms (%d)\n", what, ms[n / 2], ms[n * 99 / 100],
           ms[n - 1], n);
    fflush(stdout);
}

static int bench_true(struct probe *p)
{
    enum { N = 200 };
    static double ms[N];
    for (int i = 0; i < N; i++) {
        char id[ID_BYTES];
        id_make(id);
        struct probe_result r;
        int64_t t = clock_mono_ns();
        if (probe_run(p, id, (const char *const[]){"/bin/true", NULL}, NULL, 0, true, &r) < 0)
            return complain(p);
        ms[i] = (double)(clock_mono_ns() - t) / 1e6;
        probe_result_done(&r);
        if (probe_delete(p, id) < 0)
            return complain(p);
    }
    print_times("start to exit of /bin/true", ms, N);
    return 0;
}

static int bench_echo(struct probe *p)
{
    enum { N = 1000 };
    static double ms[N];
    char id[ID_BYTES];
    id_make(id);
    if (probe_start(p, id, (const char *const[]){"/bin/cat", NULL}, true) < 0 ||
        !probe_subscribe(p, id, PROBE_CREDIT_BYTES))
        return complain(p);
    for (int i = 0; i < N; i++) {
        int64_t t = clock_mono_ns();
        if (probe_stdin(p, id, (uint64_t)i, "x", 1) < 0)
            return complain(p);
        PB(FromAgent) *m = probe_next_of(p, FROM_KIND(DATA));
        if (!m)
            return complain(p);
        probe_free(m);
        ms[i] = (double)(clock_mono_ns() - t) / 1e6;
    }
    print_times("one-byte echo through cat", ms, N);
    return probe_delete(p, id) < 0 ? complain(p) : 0;
}

/* Short sessions with output of their own size and code, each checked and deleted. */
static int run_cycles(struct probe *p, int n)
{
    for (int i = 0; i < n; i++) {
        char id[ID_BYTES], script[96];
        id_make(id);
        int size = i * 7919 % 262144;
        snprintf(script, sizeof(script), "dd if=/dev/zero bs=%d count=1 status=none; exit %d",
                 size + 1, i % 126);
        struct probe_result r;
        if (probe_run(p, id, (const char *const[]){"sh", "-c", script, NULL}, NULL, 0, true, &r) <
            0)
            return complain(p);
        bool right = r.n_out == (uint64_t)size + 1 && r.exit_code == i % 126 && !r.gap;
        probe_result_done(&r);
        if (!right) {
            fprintf(stderr, "cycle %d: %d bytes and code %d expected, got %llu and %d\n", i,
                    size + 1, i % 126, (unsigned long long)r.n_out, r.exit_code);
            return 1;
        }
        if (probe_delete(p, id) < 0)
            return complain(p);
    }
    printf("%d cycles\n", n);
    return 0;
}

/* spool_bytes: what the agent keeps; 0 is its default, little stays in memory. */
static int bench_bulk(struct probe *p, uint64_t spool_bytes, const char *what)
{
    char id[ID_BYTES];
    id_make(id);
    struct probe_result r;
    PB(StartSession) start = BANGER__AGENT__V1__START_SESSION__INIT;
    start.session_id = id;
    start.spool_bytes = spool_bytes;
    int64_t t = clock_mono_ns();
    uint32_t sub;
    if (probe_start_message(p, &start,
                            (const char *const[]){"dd", "if=/dev/zero", "bs=64k", "count=4096",
                                                  "status=none", NULL}) < 0 ||
        !(sub = probe_subscribe(p, id, PROBE_CREDIT_BYTES)) ||
        probe_collect(p, id, sub, false, &r) < 0)
        return complain(p);
    double s = (double)(clock_mono_ns() - t) / 1e9;
    printf("256 MiB of output, %s: %.2f s, %.0f MB/s%s\n", what, s, (double)r.n_out / 1e6 / s,
           r.gap ? ", with a gap" : "");
    fflush(stdout);
    return probe_delete(p, id) < 0 ? complain(p) : 0;
}

static int shut_down(struct probe *p)
{
    PB(Shutdown) s = BANGER__AGENT__V1__SHUTDOWN__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    s.mode = BANGER__AGENT__V1__SHUTDOWN_MODE__SHUTDOWN_MODE_POWER_OFF;
    s.grace_ms = 2000;
    m.kind_case = TO_KIND(SHUTDOWN);
    m.shutdown = &s;
    if (probe_send(p, &m) < 0)
        return complain(p);
    PB(FromAgent) *answer = probe_next_of(p, FROM_KIND(SHUTTING_DOWN));
    probe_free(answer);
    return answer ? 0 : complain(p);
}

static int configure(struct probe *p, const char *const *args)
{
    PB(Configure) c = BANGER__AGENT__V1__CONFIGURE__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    uint8_t entropy[32] = "measured, not secret";
    c.vm_id = (char *)(uintptr_t) "probe";
    c.hostname = (char *)(uintptr_t)(args[0] ? args[0] : "guest");
    c.realtime_ns = (uint64_t)clock_real_ns();
    c.entropy = (ProtobufCBinaryData){sizeof(entropy), entropy};
    if (args[0] && args[1]) {
        c.address_cidr = (char *)(uintptr_t) "10.0.2.15/24";
        c.gateway = (char *)(uintptr_t) "10.0.2.2";
        c.dns_server = (char *)(uintptr_t) "10.0.2.3";
        c.work_mount = (char *)(uintptr_t)args[1];
    }
    m.kind_case = TO_KIND(CONFIGURE);
    m.configure = &c;
    PB(FromAgent) *answer = probe_send(p, &m) < 0 ? NULL : probe_next_of(p, FROM_KIND(CONFIGURED));
    if (!answer)
        return complain(p);
    printf("configured: \"%s\"\n", answer->configured->error);
    probe_free(answer);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr,
                "usage: agent-probe SOCKET hello|run ARGV…|cycles N|bench|configure NAME MOUNT|"
                "shutdown\n");
        return 2;
    }
    struct probe p;
    probe_init(&p);
    p.timeout_ms = 30000;
    int64_t t = clock_mono_ns();
    if (probe_connect(&p, argv[1]) < 0 || probe_hello(&p) < 0)
        return complain(&p);
    const char *const *rest = (const char *const *)argv + 3;
    int rc = 2;
    if (strcmp(argv[2], "hello") == 0)
        rc = printf("synced after %.1f ms: boot %s, %u sessions, boot error \"%s\"\n",
                    (double)(clock_mono_ns() - t) / 1e6, p.boot_id, p.n_synced, p.boot_error) < 0;
    else if (strcmp(argv[2], "run") == 0 && argc > 3)
        rc = run(&p, rest);
    else if (strcmp(argv[2], "cycles") == 0 && argc > 3)
        rc = run_cycles(&p, atoi(argv[3]));
    else if (strcmp(argv[2], "configure") == 0)
        rc = configure(&p, rest);
    else if (strcmp(argv[2], "shutdown") == 0)
        rc = shut_down(&p);
    else if (strcmp(argv[2], "bench") == 0)
        rc = bench_true(&p) || bench_echo(&p) || bench_bulk(&p, 0, "64 MiB kept") ||
             bench_bulk(&p, 64 * 1024, "64 KiB kept");
    probe_done(&p);
    return rc;
}
