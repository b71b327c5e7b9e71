/* Reading of console logs; see console_reader.h.
 *
 * Each piece is read from the log as it is then (console_log.h), by offset: so a reader has no
 * files of its own to follow, and learns what a rotation has taken from it. */
#include "daemon/service/console_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/console_watch.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "rpc/wire/call.h"

enum {
    FRESH_MS = 1000,   /* for the VMM to hand out the guest's latest words */
    READERS_MAX = 128, /* each holds a piece, and keeps workers busy */
};

struct console_reader {
    struct core *core;
    struct rpc_call *call; /* counted */
    const struct console_reader_events *events;
    void *arg;
    struct job job;
    struct console_watch watch;
    struct vm_watch vm_watch;
    struct timer fresh;  /* runs while the log lacks what the guest has said by now */
    bool working, again; /* a job is under way; and another is to follow */
    bool closed, over, follow;
    bool news;            /* since the latest piece was asked for */
    bool gone, last_look; /* the VM is: what is there now is all */
    char path[PATH_BYTES];
    struct console_start start;
    bool begun, told;  /* next is set; and has been said */
    uint64_t next;     /* offset of what comes next */
    uint64_t gap_from; /* below next: what was there is gone */
    uint8_t piece[CONSOLE_PIECE_BYTES];
    ssize_t len; /* of the piece, which begins at next; 0: nothing more now */
    struct err err;
};

static void reader_free(struct console_reader *r)
{
    console_unwatch(&r->watch);
    if (r->vm_watch.vm)
        vm_use_end(r->vm_watch.vm);
    vm_unwatch(&r->vm_watch);
    timer_done(&r->fresh);
    rpc_call_unref(r->call);
    r->core->n_console_readers--;
    free(r);
}

/* On the worker ---------------------------------------------------------------------------------
 */

/* Where, in the first end bytes of a file, the last *lines lines begin; *lines is what is lacking.
 */
static uint64_t find_lines(struct console_reader *r, int fd, uint64_t end, uint32_t *lines)
{
    while (end > 0 && *lines > 0) {
        size_t n = end < sizeof(r->piece) ? (size_t)end : sizeof(r->piece);
        if (pread(fd, r->piece, n, (off_t)(end - n)) != (ssize_t)n)
            return end;
        for (const uint8_t *c; n > 0 && (c = memrchr(r->piece, '\n', n));) {
            size_t at = (size_t)(c - r->piece);
            if (--*lines == 0)
                return end - n + at + 1;
            end -= n - at;
            n = at;
        }
        end -= n;
    }
    return end;
}

static uint64_t offset_of_lines(struct console_reader *r, const struct console_log *log)
{
    uint32_t lines = r->start.tail_lines;
    uint64_t bytes = log->end - log->base, old_bytes = log->base - log->old_base;
    uint64_t from = bytes, old_from = old_bytes;
    if (log->fd >= 0 && bytes > 0)
        from = find_lines(r, log->fd, bytes - 1, &lines); /* a newline at the end begins no line */
    if (lines > 0 && from == 0 && log->old_fd >= 0 && old_bytes > 0)
        old_from = find_lines(r, log->old_fd, old_bytes - (bytes == 0), &lines);
    return old_from < old_bytes ? log->old_base + old_from : log->base + from;
}

static int find_start(struct console_reader *r, const struct console_log *log)
{
    const struct console_start *s = &r->start;
    uint64_t kept = log->end - log->old_base;
    if (s->tail_lines)
        r->next = offset_of_lines(r, log);
    else if (s->tail_bytes)
        r->next = s->tail_bytes < kept ? log->end - s->tail_bytes : log->old_base;
    else if (s->end)
        r->next = log->end;
    else
        r->next = s->has_offset ? s->offset : log->old_base;
    r->begun = true;
    if (r->next > log->end)
        return err_set(&r->err, ERR_RANGE, "the console has only %llu bytes, not %llu",
                       (unsigned long long)log->end, (unsigned long long)r->next);
    return 0;
}

static void read_log(struct console_reader *r, const struct console_log *log)
{
    uint64_t first = log->old_fd >= 0 ? log->old_base : log->base;
    if (!r->begun && find_start(r, log) < 0)
        return;
    r->gap_from = r->next;
    if (r->next < first)
        r->next = first;
    bool old = r->next < log->base;
    int fd = old ? log->old_fd : log->fd;
    uint64_t end = old ? log->base : log->end, base = old ? log->old_base : log->base;
    uint64_t left = end > r->next ? end - r->next : 0;
    if (left > sizeof(r->piece))
        left = sizeof(r->piece);
    if (fd < 0 || left == 0)
        return;
    r->len = pread(fd, r->piece, (size_t)left, (off_t)(r->next - base));
    if (r->len < 0)
        err_sys(&r->err, errno, "cannot read the console's log");
}

static void read_piece(struct job *job)
{
    struct console_reader *r = container_of(job, struct console_reader, job);
    struct console_log log;
    r->len = 0;
    console_log_open(r->path, &log);
    read_log(r, &log);
    console_log_close(&log);
}

/* On the loop ----------------------------------------------------------------------------------
 */

static void end(struct console_reader *r, const struct err *err)
{
    r->over = true;
    timer_stop(&r->fresh);
    r->events->ended(r->arg, err);
}

/* Nothing more now. A VM that is gone writes no more, but may have since the last look. */
static void wait_for_more(struct console_reader *r)
{
    if (r->news) {
        console_reader_pump(r);
    } else if (r->last_look || (!r->follow && !timer_pending(&r->fresh))) {
        end(r, NULL);
    } else if (r->gone) {
        r->last_look = true;
        console_reader_pump(r);
    } /* else there will be news */
}

/* What was read is told; each event may close the reader, which is freed by who calls this. */
static void tell(struct console_reader *r)
{
    if (r->err.code != ERR_NONE) {
        end(r, &r->err);
        return;
    }
    if (!r->told && r->events->begun)
        r->events->begun(r->arg, r->gap_from);
    r->told = true;
    if (!r->closed && r->gap_from < r->next && r->events->gap)
        r->events->gap(r->arg, r->gap_from, r->next);
    if (r->closed)
        return;
    if (r->len == 0) {
        wait_for_more(r);
        return;
    }
    uint64_t at = r->next;
    r->next += (uint64_t)r->len;
    r->events->piece(r->arg, at, r->piece, (size_t)r->len);
    if (!r->closed)
        console_reader_pump(r);
}

static void piece_done(struct job *job);

static int submit(struct console_reader *r, struct err *err)
{
    r->news = false;
    r->job = (struct job){.run = read_piece, .done = piece_done};
    r->working = workers_submit(r->core->quick, &r->job, err) == 0;
    return r->working ? 0 : -1;
}

static void piece_done(struct job *job)
{
    struct console_reader *r = container_of(job, struct console_reader, job);
    if (!r->closed)
        tell(r); /* while it works, so that closing it here does not free it */
    r->working = false;
    if (r->closed)
        reader_free(r);
    else if (r->again)
        console_reader_pump(r);
}

void console_reader_pump(struct console_reader *r)
{
    struct err err = ERR_INIT;
    r->again = r->working;
    if (r->working || r->over || rpc_call_is_over(r->call) || !rpc_call_writable(r->call))
        return;
    if (submit(r, &err) < 0)
        end(r, &err);
}

static void take_news(void *arg, bool fresh)
{
    struct console_reader *r = arg;
    r->news = true;
    if (fresh)
        timer_stop(&r->fresh);
    console_reader_pump(r);
}

static void waited_enough(void *arg)
{
    take_news(arg, true);
}

static void vm_changed(void *arg, struct vm_entry *vm)
{
    struct console_reader *r = arg;
    if (!vm_is_removed(vm))
        return;
    r->gone = true;
    take_news(r, true);
}

struct console_reader *console_reader_open(struct core *core, struct rpc_call *call,
                                           struct vm_entry *vm, const struct console_start *start,
                                           bool follow, const struct console_reader_events *events,
                                           void *arg, struct err *err)
{
    if (core->n_console_readers >= READERS_MAX) {
        err_set(err, ERR_LIMIT, "%d consoles are being read already", READERS_MAX);
        return NULL;
    }
    if (start->tail_lines > CONSOLE_TAIL_LINES_MAX) {
        err_set(err, ERR_INVALID, "tail_lines is %u, at most %d are allowed", start->tail_lines,
                CONSOLE_TAIL_LINES_MAX);
        return NULL;
    }
    struct console_reader *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->fresh, core->loop, waited_enough, r) < 0) {
        free(r);
        err_sys(err, ENOMEM, "a reader of the console");
        return NULL;
    }
    r->core = core;
    core->n_console_readers++;
    vm_use_begin(vm);
    r->call = rpc_call_ref(call);
    r->events = events;
    r->arg = arg;
    r->follow = follow;
    r->start = *start;
    snprintf(r->path, sizeof(r->path), "%s", vm_record(vm)->runtime.log_path);
    vm_watch(vm, &r->vm_watch, vm_changed, r);
    if (console_watch(core->vmm_host, &r->watch, r->path, take_news, r))
        timer_start(&r->fresh, FRESH_MS);
    if (submit(r, err) < 0) {
        reader_free(r);
        return NULL;
    }
    return r;
}

void console_reader_close(struct console_reader *r)
{
    if (!r)
        return;
    r->closed = true;
    timer_stop(&r->fresh);
    if (!r->working)
        reader_free(r);
}
