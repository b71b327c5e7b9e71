/* Saves the output of a guest's sessions while it shuts down; see output_internal.h.
 *
 * Each session is followed to the ends of its streams, as by any viewer, and written to its file by
 * a worker: pieces of a stream are gathered while one is under way. Credit comes back when bytes
 * are on their way to the disk, so memory is bounded by it. The guest waits for so long as its
 * shutdown allows; then what has come is what there is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/host/room.h"
#include "daemon/core/session/output_file.h"
#include "daemon/core/session/output_internal.h"
#include "daemon/core/session/session_internal.h"
#include "rpc/event/worker.h"

struct output_save {
    struct core *core;
    struct session_vm *of; /* NULL: the guest has gone */
    struct vm_entry *vm;   /* referenced */
    char instance[40];     /* whose output it is: see session_vm.saved_of */
    char folder[PATH_BYTES];
    struct list waiting, active; /* struct saved */
    unsigned n_active;
    uint64_t wanted, left; /* bytes on this host */
    struct err room;
    struct job job; /* makes room */
    bool in_job;
};

enum { MARKS_MAX = 64 };

/* Bytes of a stream, and from where on they were read when. More marks than there is room for leave
 * the latest for what follows. */
struct gathered {
    struct buf bytes;
    uint64_t at; /* offset of the first byte */
    unsigned n_marks;
    struct {
        uint64_t from;
        int64_t time_ns;
    } marks[MARKS_MAX];
};

/* One session's. */
struct saved {
    struct list link;
    struct output_save *of;
    char id[ID_BYTES];
    struct agent_subscription *sub;
    struct gathered in[2];  /* what comes meanwhile */
    struct gathered out[2]; /* what the worker writes */
    int64_t time_ns[2];     /* of what comes */
    bool ended, writing;
    int fd;             /* the worker's; -1: not made yet */
    struct err written; /* the worker's, while it writes: how that went */
    struct err err;
    struct job job;
};

static void go_on(struct output_save *o);
static void look(struct saved *s);

/* The worker's */

/* A piece ends where a time begins. */
static void write_stream(struct saved *s, int i)
{
    struct gathered *g = &s->out[i];
    int64_t time_ns = 0;
    for (unsigned mark = 0; buf_len(&g->bytes) > 0 && !s->written.code;) {
        for (; mark < g->n_marks && g->marks[mark].from <= g->at; mark++)
            time_ns = g->marks[mark].time_ns;
        uint64_t n = mark < g->n_marks ? g->marks[mark].from - g->at : OUTPUT_PIECE_BYTES;
        n = n < OUTPUT_PIECE_BYTES ? n : OUTPUT_PIECE_BYTES;
        n = n < buf_len(&g->bytes) ? n : buf_len(&g->bytes);
        output_file_append(s->fd, i, g->at, time_ns, buf_data(&g->bytes), (uint32_t)n, &s->written);
        g->at += n;
        buf_consume(&g->bytes, n);
    }
}

static void write_job(struct job *job)
{
    struct saved *s = container_of(job, struct saved, job);
    if (s->fd < 0)
        s->fd = output_file_create(s->of->folder, s->id, &s->written);
    for (int i = 0; i < 2 && s->fd >= 0 && !s->written.code; i++)
        write_stream(s, i);
}

static void write_done(struct job *job)
{
    struct saved *s = container_of(job, struct saved, job);
    s->writing = false;
    if (!s->err.code)
        s->err = s->written;
    if (s->err.code)
        log_err(LOG_LEVEL_WARN, s->id, &s->err, "its output is not kept whole");
    look(s);
}

/* The loop's */

static bool has_more(const struct saved *s)
{
    return buf_len(&s->in[0].bytes) + buf_len(&s->in[1].bytes) > 0;
}

static void write_more(struct saved *s)
{
    struct err err = ERR_INIT;
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        struct buf empty = s->out[i].bytes;
        size_t len = buf_len(&s->in[i].bytes);
        n += len;
        s->out[i] = s->in[i];
        s->in[i] = (struct gathered){.bytes = empty, .at = s->out[i].at + len};
    }
    s->job = (struct job){.run = write_job, .done = write_done};
    s->writing = workers_submit(s->of->core->quick, &s->job, &err) == 0;
    if (!s->writing)
        s->err = err;
    else if (s->sub)
        agent_subscription_grant(s->sub, (uint32_t)n);
}

static void end(struct saved *s)
{
    struct output_save *o = s->of;
    agent_unsubscribe(s->sub);
    for (int i = 0; i < 2; i++) {
        buf_done(&s->in[i].bytes);
        buf_done(&s->out[i].bytes);
    }
    if (s->fd >= 0)
        close(s->fd);
    list_remove(&s->link);
    free(s);
    o->n_active--;
    go_on(o);
}

/* Writes what has come, or ends. */
static void look(struct saved *s)
{
    if (s->writing)
        return;
    if (!s->err.code && has_more(s))
        write_more(s);
    if (s->err.code || (s->ended && !s->writing)) /* refused by the pool, too */
        end(s);
}

static void on_opened(void *arg, uint64_t stdout_offset, uint64_t stderr_offset)
{
    struct saved *s = arg;
    s->in[0].at = stdout_offset;
    s->in[1].at = stderr_offset;
}

static void on_time(void *arg, int stream, int64_t time_ns)
{
    struct saved *s = arg;
    s->time_ns[stream - 1] = time_ns;
}

/* The next byte's time is that of the last mark, or it gets one. */
static void mark(struct gathered *g, uint64_t from, int64_t time_ns)
{
    unsigned n = g->n_marks;
    if (time_ns == 0 || n == MARKS_MAX || (n > 0 && g->marks[n - 1].time_ns == time_ns))
        return;
    g->marks[n].from = from;
    g->marks[n].time_ns = time_ns;
    g->n_marks++;
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct saved *s = arg;
    struct gathered *g = &s->in[stream - 1];
    if (s->err.code)
        return;
    if (buf_len(&g->bytes) == 0)
        g->at = offset;
    mark(g, offset, s->time_ns[stream - 1]);
    if (len > s->of->left)
        err_set(&s->err, ERR_LIMIT, "the VM's sessions have left more output than is kept");
    else if (buf_append(&g->bytes, data, len) < 0)
        err_set(&s->err, ERR_LIMIT, "the guest sent more than it was asked for");
    else
        s->of->left -= len;
    look(s);
}

/* Contiguous pieces only: what is gathered ends before it. Where the worker is busy the rest is
 * given up rather than kept in memory; a stream has a gap at its beginning, if any. */
static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    struct saved *s = arg;
    (void)from, (void)oldest, (void)reason;
    if (buf_len(&s->in[stream - 1].bytes) > 0)
        err_set(&s->err, ERR_DATA_LOSS, "the guest has dropped some of it");
    s->in[stream - 1].at = to;
    look(s);
}

static void on_ended(void *arg, const struct err *err)
{
    struct saved *s = arg;
    (void)err;
    s->sub = NULL;
    s->ended = true;
    look(s);
}

static const struct agent_subscription_events events = {
    .opened = on_opened,
    .time = on_time,
    .data = on_data,
    .gap = on_gap,
    .ended = on_ended,
};

static void begin(struct output_save *o, struct saved *s)
{
    const struct agent_start all = {.at = AGENT_FROM_OFFSET};
    list_remove(&s->link);
    list_add_tail(&o->active, &s->link);
    o->n_active++;
    s->sub = o->of ? agent_subscribe(vm_agent(o->vm), s->id, all, all, OUTPUT_CREDIT_BYTES,
                                     AGENT_FOLLOW | AGENT_TIMES, &events, s, NULL)
                   : NULL;
    s->ended = !s->sub;
}

static void free_all(struct output_save *o)
{
    for (struct list *pos; (pos = list_first(&o->waiting));) {
        list_remove(pos);
        free(container_of(pos, struct saved, link));
    }
    vm_unref(o->vm);
    free(o);
}

/* Begins what may be; at the end of it all lets the guest go. */
static void go_on(struct output_save *o)
{
    while (o->of && o->n_active < OUTPUT_AT_ONCE && !list_empty(&o->waiting)) {
        struct saved *s = container_of(list_first(&o->waiting), struct saved, link);
        begin(o, s);
        if (s->ended) {
            look(s);
            return;
        }
    }
    if (o->n_active > 0 || o->in_job || (o->of && !list_empty(&o->waiting)))
        return;
    if (o->of) {
        o->of->save = NULL;
        o->of->saved = true;
        snprintf(o->of->saved_of, sizeof(o->of->saved_of), "%s", o->instance);
        if (vm_agent(o->vm))
            agent_client_shutdown_saved(vm_agent(o->vm));
    }
    free_all(o);
}

static void room_job(struct job *job)
{
    struct output_save *o = container_of(job, struct output_save, job);
    o->left = output_folder_make_room(o->folder, o->wanted, OUTPUT_VM_BYTES);
    core_check_room(o->core, o->wanted < o->left ? o->wanted : o->left, &o->room);
}

static void room_done(struct job *job)
{
    struct output_save *o = container_of(job, struct output_save, job);
    o->in_job = false;
    if (o->room.code) {
        log_err(LOG_LEVEL_WARN, o->vm ? vm_record(o->vm)->id : "", &o->room,
                "output of its sessions is not kept");
        for (struct list *pos; (pos = list_first(&o->waiting));) {
            list_remove(pos);
            free(container_of(pos, struct saved, link));
        }
    }
    go_on(o);
}

static bool may_have_output(const struct session_entry *e)
{
    const struct session *s = &e->session;
    return e->named && !session_is_going(e) &&
           (session_is_live(e) || s->stdout_total + s->stderr_total > 0);
}

/* The latest are first in line. */
static void gather(struct output_save *o, const struct session_vm *v)
{
    list_foreach(pos, &v->sessions)
    {
        const struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        struct saved *s = may_have_output(e) ? calloc(1, sizeof(*s)) : NULL;
        if (!s)
            continue;
        s->of = o;
        s->fd = -1;
        memcpy(s->id, e->session.id, sizeof(s->id));
        for (int i = 0; i < 2; i++) {
            buf_init(&s->in[i].bytes, 2 * OUTPUT_CREDIT_BYTES);
            buf_init(&s->out[i].bytes, 2 * OUTPUT_CREDIT_BYTES);
        }
        o->wanted += e->session.stdout_total + e->session.stderr_total;
        list_add_tail(o->waiting.next, &s->link); /* in front */
    }
}

void output_save_begin(struct core *core, struct session_vm *v, struct vm_entry *vm)
{
    struct err err = ERR_INIT;
    const char *instance = agent_client_hello(vm_agent(vm))->instance;
    if (v->save)
        return;
    bool again = v->saved && strcmp(v->saved_of, instance) == 0;
    if (again) { /* it has not heard that it may go, or cannot hear enough of it */
        agent_client_shutdown_saved(vm_agent(vm));
        return;
    }
    struct output_save *o = calloc(1, sizeof(*o));
    if (!o)
        return;
    *o = (struct output_save){.core = core, .of = v, .vm = vm_ref(vm)};
    snprintf(o->instance, sizeof(o->instance), "%s", instance);
    snprintf(o->folder, sizeof(o->folder), "%s/output", vm_record(vm)->runtime.vm_dir);
    list_init(&o->waiting);
    list_init(&o->active);
    gather(o, v);
    v->save = o;
    o->job = (struct job){.run = room_job, .done = room_done};
    o->in_job = !list_empty(&o->waiting) && workers_submit(core->quick, &o->job, &err) == 0;
    if (!o->in_job)
        go_on(o);
}

void output_save_end(struct session_vm *v)
{
    struct output_save *o = v->save;
    v->saved = false;
    if (!o)
        return;
    v->save = NULL;
    o->of = NULL;
    struct list turn;
    list_turn_begin(&turn, &o->active);
    o->n_active++; /* stays while we walk */
    for (struct list *pos; (pos = list_turn_next(&turn, &o->active));) {
        struct saved *s = container_of(pos, struct saved, link);
        agent_unsubscribe(s->sub);
        s->sub = NULL;
        s->ended = true;
        look(s);
    }
    o->n_active--;
    go_on(o);
}
