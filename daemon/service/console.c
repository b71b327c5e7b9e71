/* VMService.ReadConsole: the console log from disk, piece by piece on a worker, at the pace of the
 * client. The log is two files at most, PATH.1 and PATH (see daemon/vmm/console.h); a reader
 * follows from one to the next and starts anew with PATH when that was replaced under it. At the
 * end it is woken by whoever writes the log (daemon/vmm/console_watch.h); one that does not follow
 * waits there for what the guest had said when the call came. */
#include "daemon/service/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/vmm/console_watch.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

enum {
    PIECE_BYTES = 32 * 1024,
    FRESH_MS = 1000, /* for the VMM to hand out the guest's latest words */
    TAIL_LINES_MAX = 100000,
    READERS_MAX = 128, /* each holds a piece, and keeps workers busy */
};

struct console_reader {
    struct core *core;
    struct rpc_call *call; /* counted */
    struct job job;
    struct console_watch watch;
    struct vm_watch vm_watch;
    struct timer fresh; /* runs while the log lacks what the guest has said by now */
    bool working, closed, follow;
    bool news;            /* since the latest piece was asked for */
    bool gone, last_look; /* the VM is: what is there now is all */
    char path[PATH_BYTES];
    int fd;              /* the file being read, -1 before the first */
    bool current;        /* it is PATH, not PATH.1 */
    uint64_t tail;       /* bytes still to skip to, from the end; 0: everything */
    uint32_t tail_lines; /* the same in lines */
    bool only_new;       /* begin at the end */
    uint8_t piece[PIECE_BYTES];
    ssize_t len; /* of the piece; 0: nothing more now; -1: sys_errno says why */
    int sys_errno;
};

static void reader_free(struct console_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    console_unwatch(&r->watch);
    if (r->vm_watch.vm)
        vm_use_end(r->vm_watch.vm);
    vm_unwatch(&r->vm_watch);
    timer_done(&r->fresh);
    rpc_call_unref(r->call);
    r->core->n_console_readers--;
    free(r);
}

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

/* Bytes that the last lines have, in both files. */
static uint64_t tail_of_lines(struct console_reader *r, const char *old, uint64_t old_bytes,
                              uint64_t bytes)
{
    uint32_t lines = r->tail_lines;
    uint64_t from = bytes, old_from = old_bytes;
    auto_fd int fd = fs_open_own(r->path, O_RDONLY, 0, NULL);
    if (fd >= 0 && bytes > 0)
        from = find_lines(r, fd, bytes - 1, &lines); /* a newline at the end begins no line */
    if (lines > 0 && from == 0 && old_bytes > 0) {
        auto_fd int old_fd = fs_open_own(old, O_RDONLY, 0, NULL);
        if (old_fd >= 0)
            old_from = find_lines(r, old_fd, old_bytes - (bytes == 0), &lines);
    }
    return bytes - from + old_bytes - old_from;
}

static void open_first(struct console_reader *r)
{
    char old[PATH_BYTES + 4];
    struct stat st_old = {0}, st = {0};
    snprintf(old, sizeof(old), "%s.1", r->path);
    bool has_old = stat(old, &st_old) == 0;
    uint64_t now = stat(r->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    uint64_t all = now + (uint64_t)st_old.st_size;
    if (r->tail_lines)
        r->tail = tail_of_lines(r, old, (uint64_t)st_old.st_size, now);
    uint64_t skip = r->tail && r->tail < all ? all - r->tail : r->only_new ? all : 0;
    r->current = !has_old || skip >= (uint64_t)st_old.st_size;
    if (has_old && r->current)
        skip -= (uint64_t)st_old.st_size;
    r->fd = fs_open_own(r->current ? r->path : old, O_RDONLY, 0, NULL);
    if (r->fd >= 0)
        lseek(r->fd, (off_t)skip, SEEK_SET);
}

/* At the end of a file: is there another behind it? */
static bool open_next(struct console_reader *r)
{
    struct stat mine, named;
    if (r->fd >= 0 && r->current && fstat(r->fd, &mine) == 0 && stat(r->path, &named) == 0 &&
        mine.st_ino == named.st_ino)
        return false;
    int fd = fs_open_own(r->path, O_RDONLY, 0, NULL);
    if (fd < 0)
        return false;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->current = true;
    return true;
}

/* On a worker. */
static void read_piece(struct job *job)
{
    struct console_reader *r = container_of(job, struct console_reader, job);
    if (r->fd < 0)
        open_first(r);
    r->len = r->fd >= 0 ? read(r->fd, r->piece, sizeof(r->piece)) : 0;
    if (r->len <= 0 && open_next(r))
        r->len = read(r->fd, r->piece, sizeof(r->piece));
    r->sys_errno = r->len < 0 ? errno : 0;
}

static void pump(struct console_reader *r);

static void send_piece(struct console_reader *r)
{
    struct err err = ERR_INIT;
    Banger__V1__ConsoleChunk chunk = BANGER__V1__CONSOLE_CHUNK__INIT;
    chunk.data.data = r->piece;
    chunk.data.len = (size_t)r->len;
    if (banger_v1_vm_service_read_console_send(r->call, &chunk) == 0) {
        pump(r);
        return;
    }
    /* Room was seen before the piece was read; other calls of the connection have taken it. */
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    rpc_call_finish(r->call, &err);
}

/* Nothing more now. A VM that is gone writes no more, but may have since the last look. */
static void wait_for_more(struct console_reader *r)
{
    if (r->news) {
        pump(r);
    } else if (r->last_look || (!r->follow && !timer_pending(&r->fresh))) {
        rpc_call_finish(r->call, NULL);
    } else if (r->gone) {
        r->last_look = true;
        pump(r);
    } /* else there will be news */
}

static void piece_done(struct job *job)
{
    struct console_reader *r = container_of(job, struct console_reader, job);
    r->working = false;
    if (r->closed) {
        reader_free(r);
        return;
    }
    if (r->len > 0) {
        send_piece(r);
    } else if (r->len == 0) {
        wait_for_more(r);
    } else {
        struct err err = ERR_INIT;
        err_sys(&err, r->sys_errno, "cannot read the console's log");
        rpc_call_finish(r->call, &err);
    }
}

static void pump(struct console_reader *r)
{
    struct err err = ERR_INIT;
    if (r->working || r->closed || rpc_call_is_over(r->call) || !rpc_call_writable(r->call))
        return;
    r->news = false;
    r->job.run = read_piece;
    r->job.done = piece_done;
    if (workers_submit(r->core->quick, &r->job, &err) < 0)
        rpc_call_finish(r->call, &err);
    else
        r->working = true;
}

static void take_news(void *arg, bool fresh)
{
    struct console_reader *r = arg;
    r->news = true;
    if (fresh)
        timer_stop(&r->fresh);
    pump(r);
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

static void became_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    pump(arg);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct console_reader *r = arg;
    r->closed = true;
    timer_stop(&r->fresh);
    if (!r->working)
        reader_free(r);
}

void vm_service_read_console(void *self, struct rpc_call *call,
                             const Banger__V1__ReadConsoleRequest *request)
{
    static const struct rpc_call_events events = {.writable = became_writable,
                                                  .closed = call_closed};
    struct core *core = self;
    struct err err = ERR_INIT;
    struct vm_entry *e = vm_find_within(core, request_scope(core, call), request->vm, &err);
    if (e && core->n_console_readers >= READERS_MAX) {
        err_set(&err, ERR_LIMIT, "%d consoles are being read already", READERS_MAX);
        e = NULL;
    }
    if (e && request->tail_lines > TAIL_LINES_MAX) {
        err_set(&err, ERR_INVALID, "tail_lines is %u, at most %d are allowed", request->tail_lines,
                TAIL_LINES_MAX);
        e = NULL;
    }
    if (!e || (request->only_new && !request->follow)) {
        rpc_call_finish(call, &err);
        return;
    }
    struct console_reader *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->fresh, core->loop, waited_enough, r) < 0) {
        free(r);
        service_out_of_memory(call);
        return;
    }
    r->core = core;
    core->n_console_readers++;
    vm_use_begin(e);
    r->call = rpc_call_ref(call);
    r->follow = request->follow;
    r->tail = request->tail_bytes;
    r->tail_lines = request->tail_lines;
    r->only_new = request->only_new;
    r->fd = -1;
    snprintf(r->path, sizeof(r->path), "%s", vm_record(e)->runtime.log_path);
    rpc_call_set_events(call, &events, r);
    vm_watch(e, &r->vm_watch, vm_changed, r);
    if (console_watch(core->vmm_host, &r->watch, r->path, take_news, r))
        timer_start(&r->fresh, FRESH_MS);
    pump(r);
}
