/* The console of a Firecracker guest; see firecracker_console.h. */
#include "daemon/vmm/firecracker_console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/vmm/firecracker_parts.h"

enum {
    HALT_ASKED_MS = 100, /* without any work, while a stop is under way */
    HALT_MS = 2000,      /* else: a guest that is only idle has timers */
    LAST_BYTES = 4096,
    READ_BYTES = 4096,
    READS_PER_ROUND = 16,
    READS_OF_REST = 64,
};

static void keep_last(struct firecracker_console *c, const char *text, size_t len)
{
    if (len > buf_room(&c->last))
        buf_consume(&c->last, len - buf_room(&c->last));
    buf_append(&c->last, text, len); /* out of memory: less to show */
}

enum last_words_end firecracker_console_judge(const struct firecracker_console *c)
{
    return last_words_judge((const char *)buf_data(&c->last), buf_len(&c->last));
}

void firecracker_console_words(const struct firecracker_console *c, char *out, size_t size)
{
    last_words_write((const char *)buf_data(&c->last), buf_len(&c->last), out, size);
}

static bool read_some(struct firecracker_console *c)
{
    char text[READ_BYTES];
    ssize_t n = c->fd < 0 ? 0 : read(c->fd, text, sizeof(text));
    if (n <= 0)
        return false;
    console_append(&c->log, text, (size_t)n);
    keep_last(c, text, (size_t)n);
    return true;
}

static void on_ready(void *arg, int events)
{
    struct firecracker_console *c = arg;
    (void)events;
    for (int i = 0; i < READS_PER_ROUND && read_some(c); i++)
        ;
    timer_stop(&c->halt);
    c->halt_ns = -1;
    if (firecracker_console_judge(c) == LAST_WORDS_HALT)
        timer_start(&c->halt, 0);
}

/* Of all its threads, its processors' too; -1: it is gone, or soon known to be. */
static int64_t processor_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        return -1;
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Those words may be anybody's; a halted machine does not run. */
static void look_whether_halted(void *arg)
{
    struct firecracker_console *c = arg;
    int64_t now = processor_ns(c->mon->pid), before = c->halt_ns;
    c->halt_ns = now;
    c->halted = now >= 0 && now == before;
    if (c->halted)
        monitor_end(c->mon);
    else if (now >= 0)
        timer_start(&c->halt, driver_call_open(&c->mon->call) ? HALT_ASKED_MS : HALT_MS);
}

static void close_it(struct firecracker_console *c)
{
    watch_done(&c->watch);
    c->watch = (struct watch){.fd = -1};
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    timer_stop(&c->halt);
}

int firecracker_console_init(struct firecracker_console *c, struct monitor *mon)
{
    const struct vmm_machine *m = &mon->machine;
    *c = (struct firecracker_console){.mon = mon, .fd = -1, .watch = {.fd = -1}};
    console_init(&c->log, m->host, m->config.console.log_path);
    buf_init(&c->last, LAST_BYTES);
    return timer_init(&c->halt, m->host->loop, look_whether_halted, c);
}

void firecracker_console_done(struct firecracker_console *c)
{
    if (!c->mon)
        return;
    close_it(c);
    console_done(&c->log);
    timer_done(&c->halt);
    buf_done(&c->last);
}

/* Without it we only know less. */
void firecracker_console_open(struct firecracker_console *c)
{
    const struct vmm_machine *m = &c->mon->machine;
    char path[PATH_BYTES];
    struct stat st;
    buf_reset(&c->last);
    c->halted = false;
    firecracker_console_path(&m->config, path);
    c->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (c->fd >= 0 && fstat(c->fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
        watch_init(&c->watch, m->host->loop, c->fd, on_ready, c) == 0) {
        watch_want(&c->watch, WATCH_READ);
        return;
    }
    log_warn(m->config.vm_id, "its console cannot be read: %s", path);
    close_it(c);
}

void firecracker_console_end(struct firecracker_console *c)
{
    for (int i = 0; i < READS_OF_REST && read_some(c); i++)
        ;
    close_it(c);
}

int firecracker_console_make(const struct vmm_config *config, struct err *err)
{
    char path[PATH_BYTES];
    firecracker_console_path(config, path);
    unlink(path);
    if (mkfifo(path, 0600) == 0)
        return 0;
    return err_sys(err, errno, "cannot make %s", path);
}

void firecracker_console_remove(const struct vmm_config *config)
{
    char path[PATH_BYTES];
    firecracker_console_path(config, path);
    unlink(path);
}
