/* Many sessions of one VM at once: each has its own input, its own output and its own code, and
 * what they cost the daemon and the agent. many_sessions_test sim|qemu [COUNT] */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum {
    SESSIONS = 100,
    SESSIONS_MAX = 2000,
    THREADS = 8,
    WAIT_MS = 240000,
    GUEST_MIB = 2048,
    DAEMON_KIB_MAX = HARNESS_ASAN ? 64 : 24, /* of each session */
    AGENT_KIB_MAX = HARNESS_ASAN ? 64 : 32,
    KERNEL_KIB_MAX = 128,
};

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static int n_sessions = SESSIONS;
static char ids[SESSIONS_MAX][STEPS_ID_BYTES];
static atomic_int next, n_wrong;

static bool start_one(struct banger_client *own, int i)
{
    static const char *const argv[] = {"sh", "-c", "read -r code && echo $code && exit $code",
                                       NULL};
    struct banger_error error;
    if (steps_start_session(own, &h, box, argv, true, ids[i], &error) == 0)
        return true;
    fprintf(stderr, "session %d does not start: %s\n", i, error.message);
    return false;
}

/* It is told what it is to say and to end with. */
static bool finish_one(struct banger_client *own, int i)
{
    static const struct told_attach as_writer = {.role =
                                                     BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    struct attach_reader r;
    char line[16];
    int n = snprintf(line, sizeof(line), "%d\n", i % 256);
    reader_open(&r, own, ids[i], &as_writer);
    r.keep = true;
    bool well = reader_write(&r, line, (size_t)n, true, WAIT_MS) && reader_finish(&r, WAIT_MS) &&
                r.status == i % 256 && r.gaps == 0 && buf_len(&r.out[1]) == (size_t)n &&
                memcmp(buf_data(&r.out[1]), line, (size_t)n) == 0 && r.total[2] == 0;
    if (!well)
        fprintf(stderr, "session %d (%s): code %d, %" PRIu64 " bytes\n", i, ids[i], r.status,
                r.total[1]);
    reader_close(&r);
    return well;
}

static void *work_through(void *arg)
{
    bool (*one)(struct banger_client *, int) = *(bool (**)(struct banger_client *, int))arg;
    struct banger_client *own = harness_connect(&h);
    for (int i; (i = atomic_fetch_add(&next, 1)) < n_sessions;)
        if (!one(own, i) && atomic_fetch_add(&n_wrong, 1) > 20)
            break;
    banger_close(own);
    return NULL;
}

/* All of them, several at a time. */
static double each(bool (*one)(struct banger_client *own, int i))
{
    pthread_t threads[THREADS];
    int64_t began_ms = clock_mono_ms();
    next = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work_through, &one), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(n_wrong, 0);
    return (double)(clock_mono_ms() - began_ms) / 1000;
}

/* Of the agent with its keeper; in qemu that is what the guest counts of their cgroup, and
 * *with_kernel what its kernel has for them, pipes and the sessions' cgroups for instance. */
static uint64_t agent_kib(uint64_t *with_kernel)
{
    static const char *const argv[] = {
        "sh", "-c",
        "cd /sys/fs/cgroup/banger-agent && cat memory.current && "
        "awk '/^(anon|shmem) / { n += $2 } END { print n }' memory.stat",
        NULL};
    char out[64], *own;
    pid_t keeper = steps_vm_pid(client, box);
    *with_kernel = 0;
    if (!h.boots)
        return harness_memory_kib(keeper, "RssAnon") +
               harness_memory_kib(agent_below(keeper), "VmRSS");
    CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, out, sizeof(out)), 0);
    *with_kernel = strtoull(out, &own, 10) >> 10;
    return strtoull(own, NULL, 10) >> 10;
}

static uint64_t running(void)
{
    Banger__V1__ListSessionsRequest request = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    struct banger_error error;
    uint64_t n = 0;
    char token[256] = "";
    do {
        request.vm = box;
        request.page_size = 1000;
        request.page_token = token;
        Banger__V1__ListSessionsResponse *page =
            banger_list_sessions(client, &request, NULL, &error);
        if (!page)
            harness_die(&h, "sessions: %s", error.message);
        for (size_t i = 0; i < page->n_sessions; i++)
            n += page->sessions[i]->state == SESSION_STATE(RUNNING);
        snprintf(token, sizeof(token), "%s", page->next_page_token);
        banger_message_free(&page->base);
    } while (token[0]);
    return n;
}

/* Of each session. */
static double share(uint64_t before_kib, uint64_t now_kib)
{
    return ((double)now_kib - (double)before_kib) / n_sessions;
}

static void all_of_them_at_once(void)
{
    uint64_t kernel_before, kernel_now;
    uint64_t daemon_before = harness_memory_kib(h.daemon, "VmRSS");
    uint64_t agent_before = agent_kib(&kernel_before);
    double starting_s = each(start_one);
    CHECK_INT(running(), n_sessions);
    double daemon_each = share(daemon_before, harness_memory_kib(h.daemon, "VmRSS"));
    double agent_each = share(agent_before, agent_kib(&kernel_now));
    double ending_s = each(finish_one);
    printf("     %d started in %.1f s, fed and ended in %.1f s; each is %.1f KiB of the daemon's, "
           "%.1f KiB of the agent's (%.1f KiB with its kernel's)\n",
           n_sessions, starting_s, ending_s, daemon_each, agent_each,
           share(kernel_before, kernel_now));
    CHECK(daemon_each < DAEMON_KIB_MAX);
    CHECK(agent_each < AGENT_KIB_MAX);
    CHECK(share(kernel_before, kernel_now) < KERNEL_KIB_MAX);
    CHECK_INT(running(), 0);
}

int main(int argc, char **argv)
{
    struct steps_create how = {.memory_bytes = (uint64_t)GUEST_MIB << 20};
    struct banger_error error;
    if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) <= SESSIONS_MAX)
        n_sessions = atoi(argv[2]);
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, &how, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(all_of_them_at_once);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
