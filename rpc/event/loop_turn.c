/* Measuring the loop's callbacks; see loop_turn.h. */
#include "rpc/event/loop_turn.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CPU_FACTOR = 5 };
#else
enum { CPU_FACTOR = 1 };
#endif

enum { LIMIT_MAX_MS = 60000 };

struct loop_turns {
    int64_t limit_ns;
    int schedstat_fd; /* owned; of the loop's thread, opened by its first turn; -1 */
    bool opened;
    uint64_t n_late;
};

struct loop_turns *loop_turns_new(void)
{
    const char *text = getenv("BANGER_LOOP_LIMIT_MS");
    long limit_ms = text ? strtol(text, NULL, 10) : 0;
    if (limit_ms <= 0 || limit_ms > LIMIT_MAX_MS)
        return NULL;
    struct loop_turns *turns = calloc(1, sizeof(*turns));
    if (!turns)
        return NULL;
    turns->limit_ns = (int64_t)limit_ms * 1000000;
    turns->schedstat_fd = -1;
    return turns;
}

void loop_turns_free(struct loop_turns *turns)
{
    if (turns && turns->schedstat_fd >= 0)
        close(turns->schedstat_fd);
    free(turns);
}

uint64_t loop_turns_late(const struct loop_turns *turns)
{
    return turns ? turns->n_late : 0;
}

/* Time that the thread has waited for a CPU: the second number (Documentation/scheduler/
 * sched-stats.rst). 0 where the kernel does not count. */
static int64_t turn_queue_ns(struct loop_turns *turns)
{
    char text[96];
    if (!turns->opened) {
        turns->opened = true;
        turns->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    }
    ssize_t n =
        turns->schedstat_fd < 0 ? -1 : pread(turns->schedstat_fd, text, sizeof(text) - 1, 0);
    int64_t ran, waited;
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return sscanf(text, "%" SCNd64 " %" SCNd64, &ran, &waited) == 2 ? waited : 0;
}

static int64_t turn_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void loop_turn_measure(struct loop_turns *turns, struct loop_turn *turn)
{
    *turn = (struct loop_turn){.turns = turns};
    turn->queue_ns = turn_queue_ns(turns);
    turn->cpu_ns = turn_cpu_ns();
    turn->clock_ns = clock_mono_ns();
}

/* As addr2line takes it: the program and the place in it. */
static void turn_name(void (*callback)(void), char *name, size_t size)
{
    Dl_info info;
    void *address;
    memcpy(&address, &callback, sizeof(address));
    if (dladdr(address, &info) == 0 || !info.dli_fname) {
        snprintf(name, size, "%p", address);
        return;
    }
    const char *file = strrchr(info.dli_fname, '/');
    size_t offset = (size_t)((char *)address - (char *)info.dli_fbase);
    snprintf(name, size, "%s%s%s+0x%zx", info.dli_sname ? info.dli_sname : "",
             info.dli_sname ? " " : "", file ? file + 1 : info.dli_fname, offset);
}

void loop_turn_judge(struct loop_turn *turn, const char *what, void (*callback)(void))
{
    struct loop_turns *turns = turn->turns;
    int64_t took_ns = clock_mono_ns() - turn->clock_ns;
    if (took_ns <= turns->limit_ns)
        return;
    int64_t cpu_ns = turn_cpu_ns() - turn->cpu_ns;
    int64_t queue_ns = turn_queue_ns(turns) - turn->queue_ns;
    int64_t slept_ns = took_ns - cpu_ns - queue_ns;
    if (slept_ns <= turns->limit_ns && cpu_ns <= turns->limit_ns * CPU_FACTOR)
        return;
    char name[256];
    turn_name(callback, name, sizeof(name));
    turns->n_late++;
    log_warn("loop", "a turn took %lld ms: %lld asleep, %lld of CPU; %s, %s",
             (long long)(took_ns / 1000000), (long long)(slept_ns / 1000000),
             (long long)(cpu_ns / 1000000), what, name);
}
