/* VMService.ReadConsole: the console log from disk, piece by piece on a worker, at the pace of the
 * client. The log is two files at most, PATH.1 and PATH (see daemon/vmm/console.h); a reader
 * follows from one to the next and starts anew with PATH when that was replaced under it. */
#include "daemon/service/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

enum {
    PIECE_BYTES = 32 * 1024,
    LOOK_AGAIN_MS = 200,
    READERS_MAX = 128, /* each holds a piece, and asks the workers again and again */
};

struct console_reader {
    struct core *core;
    struct rpc_call *call; /* counted */
    struct job job;
    struct timer again;
    bool working, closed, follow;
    bool last_look; /* the VM is gone: what is there now is all */
    char vm_id[ID_BYTES], path[PATH_BYTES];
    int fd;        /* the file being read, -1 before the first */
    bool current;  /* it is PATH, not PATH.1 */
    uint64_t tail; /* bytes still to skip to, from the end; 0: everything */
    uint8_t piece[PIECE_BYTES];
    ssize_t len; /* of the piece; 0: nothing more now; -1: sys_errno says why */
    int sys_errno;
};

static void reader_free(struct console_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    timer_done(&r->again);
    rpc_call_unref(r->call);
    r->core->n_console_readers--;
    struct vm_entry *e = vm_find_id(r->core, r->vm_id);
    if (e)
        vm_use_end(e);
    free(r);
}

static void open_first(struct console_reader *r)
{
    char old[PATH_BYTES + 4];
    struct stat st_old = {0}, st = {0};
    snprintf(old, sizeof(old), "%s.1", r->path);
    bool has_old = stat(old, &st_old) == 0;
    uint64_t now = stat(r->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    uint64_t all = now + (uint64_t)st_old.st_size;
    uint64_t skip = r->tail && r->tail < all ? all - r->tail : 0;
    r->current = !has_old || skip >= (uint64_t)st_old.st_size;
    if (has_old && r->current)
        skip -= (uint64_t)st_old.st_size;
    r->fd = open(r->current ? r->path : old, O_RDONLY | O_CLOEXEC);
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
    int fd = open(r->path, O_RDONLY | O_CLOEXEC);
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
    bool gone = !vm_find_id(r->core, r->vm_id);
    if (!r->follow || r->last_look) {
        rpc_call_finish(r->call, NULL);
    } else if (gone) {
        r->last_look = true;
        pump(r);
    } else {
        timer_start(&r->again, LOOK_AGAIN_MS);
    }
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
    r->job.run = read_piece;
    r->job.done = piece_done;
    if (workers_submit(r->core->workers, &r->job, &err) < 0)
        rpc_call_finish(r->call, &err);
    else
        r->working = true;
}

static void look_again(void *arg)
{
    pump(arg);
}

static void became_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct console_reader *r = arg;
    if (!timer_pending(&r->again))
        pump(r);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct console_reader *r = arg;
    r->closed = true;
    timer_stop(&r->again);
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
    if (!e) {
        rpc_call_finish(call, &err);
        return;
    }
    struct console_reader *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->again, core->loop, look_again, r) < 0) {
        free(r);
        service_out_of_memory(call);
        return;
    }
    r->core = core;
    core->n_console_readers++;
    vm_use_begin(e);
    memcpy(r->vm_id, e->vm.id, sizeof(r->vm_id));
    r->call = rpc_call_ref(call);
    r->follow = request->follow;
    r->tail = request->tail_bytes;
    r->fd = -1;
    snprintf(r->path, sizeof(r->path), "%s", e->vm.runtime.log_path);
    rpc_call_set_events(call, &events, r);
    pump(r);
}
