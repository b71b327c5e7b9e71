/* A cursor over output that was saved on this host; see output_internal.h.
 *
 * One job at a time: the first opens the file and finds where to begin, each other reads the next
 * bytes, up to the credit. Events come from the jobs' done, on the loop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/output_file.h"
#include "daemon/core/session/output_internal.h"
#include "daemon/core/session/session_internal.h"
#include "rpc/event/worker.h"

enum { READ_BYTES = 64 * 1024 };

struct output_reader {
    struct core *core;
    const struct agent_subscription_events *events;
    void *arg;
    char folder[PATH_BYTES], id[ID_BYTES];
    struct agent_start from[2];
    uint64_t total[2]; /* by the record */
    int64_t until_ns;  /* 0: all of it */
    bool times;
    uint32_t credit;
    struct output_file file;
    bool out_of_range;
    uint64_t next[2]; /* first offset not given yet */
    size_t piece;     /* of the file's, at or behind which that is */
    uint8_t *block;   /* what was read: of block_stream, from block_offset on */
    uint32_t block_len;
    uint64_t block_offset;
    int block_stream;
    struct err err;
    struct job job;
    bool in_job, opened, closed;
    unsigned busy; /* depth of events */
};

static void on_job_done(struct job *job);

static void reader_free(struct output_reader *r)
{
    output_file_close(&r->file);
    free(r->block);
    free(r);
}

/* The worker's */

/* False: past the end. */
static bool place(struct output_reader *r, int i)
{
    const struct agent_start *from = &r->from[i];
    uint64_t first, end;
    output_file_bounds(&r->file, i, &first, &end);
    r->next[i] = r->total[i] > end ? r->total[i] : end;
    if (from->at == AGENT_FROM_OFFSET) {
        bool in_range = from->value <= r->next[i];
        r->next[i] = from->value;
        return in_range;
    }
    if (from->at == AGENT_FROM_TAIL) {
        uint64_t back = from->value < r->next[i] ? r->next[i] - from->value : 0;
        r->next[i] = back > first ? back : first;
    } else if (from->at == AGENT_FROM_TAIL_LINES) {
        r->next[i] = output_file_tail(&r->file, i, from->value);
    } else if (from->at == AGENT_FROM_TIME) {
        r->next[i] = output_file_since(&r->file, i, (int64_t)from->value);
    }
    return true;
}

static void open_job(struct job *job)
{
    struct output_reader *r = container_of(job, struct output_reader, job);
    if (output_file_open(&r->file, r->folder, r->id, &r->err) < 0)
        return;
    bool in_range = place(r, 0);
    r->out_of_range = !place(r, 1) || !in_range;
}

static void read_job(struct job *job)
{
    struct output_reader *r = container_of(job, struct output_reader, job);
    const struct output_piece *p = &r->file.pieces[r->piece];
    uint64_t at = r->next[p->stream];
    uint32_t skip = at > p->offset ? (uint32_t)(at - p->offset) : 0;
    uint32_t left = p->len - skip, most = r->block_len;
    r->block_stream = p->stream;
    r->block_offset = p->offset + skip;
    r->block_len = left < most ? left : most;
    output_file_read(&r->file, p, skip, r->block, r->block_len, &r->err);
}

/* The loop's */

static void submit(struct output_reader *r, void (*run)(struct job *job))
{
    struct err err = ERR_INIT;
    r->job = (struct job){.run = run, .done = on_job_done};
    r->in_job = workers_submit(r->core->quick, &r->job, &err) == 0;
    if (!r->in_job) {
        r->err = err;
        r->job.done(&r->job);
    }
}

static bool is_late(const struct output_reader *r, const struct output_piece *p)
{
    return r->until_ns && p->time_ns > r->until_ns;
}

/* There is more, of a later time than was asked for. */
static bool is_cut(const struct output_reader *r)
{
    for (size_t i = 0; i < r->file.n; i++)
        if (is_late(r, &r->file.pieces[i]))
            return true;
    return false;
}

static void finish(struct output_reader *r)
{
    struct err err = ERR_INIT;
    if (r->err.code)
        err = r->err;
    else if (!r->out_of_range && r->until_ns && is_cut(r))
        err.code = ERR_NONE;
    else
        err_set(&err, ERR_DATA_LOSS, "that is all that was kept");
    r->events->ended(r->arg, err.code ? &err : NULL);
}

/* To the next piece that has something. */
static bool find_piece(struct output_reader *r)
{
    for (; r->piece < r->file.n; r->piece++) {
        const struct output_piece *p = &r->file.pieces[r->piece];
        if (r->from[p->stream].at != AGENT_SKIP && p->offset + p->len > r->next[p->stream] &&
            !is_late(r, p))
            return true;
    }
    return false;
}

static void give(struct output_reader *r)
{
    int i = r->block_stream;
    uint64_t from = r->next[i], len = r->block_len;
    r->block_len = 0;
    r->next[i] = r->block_offset + len;
    r->credit -= (uint32_t)len;
    if (from < r->block_offset)
        r->events->gap(r->arg, i + 1, from, r->block_offset, r->block_offset, "spool_limit");
    int64_t time_ns = r->file.pieces[r->piece].time_ns;
    if (!r->closed && r->times && r->events->time && time_ns)
        r->events->time(r->arg, i + 1, time_ns);
    if (!r->closed)
        r->events->data(r->arg, i + 1, r->block_offset, r->block, (uint32_t)len);
}

static void step(struct output_reader *r)
{
    if (r->closed || r->in_job)
        return;
    if (r->err.code || r->out_of_range || !find_piece(r))
        finish(r);
    else if (r->credit > 0) {
        r->block_len = r->credit < READ_BYTES ? r->credit : READ_BYTES; /* at most */
        submit(r, read_job);
    }
}

static void on_job_done(struct job *job)
{
    struct output_reader *r = container_of(job, struct output_reader, job);
    r->in_job = false;
    r->busy++;
    if (!r->closed && !r->opened && !r->err.code && !r->out_of_range) {
        r->opened = true;
        r->events->opened(r->arg, r->next[0], r->next[1]);
    }
    if (!r->closed && !r->err.code && r->block_len > 0)
        give(r);
    step(r);
    if (--r->busy == 0 && r->closed && !r->in_job)
        reader_free(r);
}

struct output_reader *output_read(const struct session_entry *e, struct agent_start from_stdout,
                                  struct agent_start from_stderr, int64_t until_ns,
                                  uint32_t credit_bytes, unsigned how,
                                  const struct agent_subscription_events *events, void *arg)
{
    const struct session *s = &e->session;
    struct vm_entry *vm = vm_find_id(e->core, s->vm_id);
    struct output_reader *r = vm ? calloc(1, sizeof(*r)) : NULL;
    if (!r)
        return NULL;
    r->core = e->core;
    r->events = events;
    r->arg = arg;
    r->from[0] = from_stdout;
    r->from[1] = from_stderr;
    r->total[0] = s->stdout_total;
    r->total[1] = s->stderr_total;
    r->until_ns = until_ns;
    r->times = how & AGENT_TIMES;
    r->credit = credit_bytes;
    r->file.fd = -1;
    r->block = malloc(READ_BYTES);
    snprintf(r->folder, sizeof(r->folder), "%s/output", vm_record(vm)->runtime.vm_dir);
    memcpy(r->id, s->id, sizeof(r->id));
    struct err err = ERR_INIT;
    r->job = (struct job){.run = open_job, .done = on_job_done};
    r->in_job = r->block && workers_submit(r->core->quick, &r->job, &err) == 0;
    if (!r->in_job) {
        reader_free(r);
        return NULL;
    }
    return r;
}

void output_read_grant(struct output_reader *r, uint32_t bytes)
{
    uint32_t room = UINT32_MAX - r->credit;
    bool had_none = r->credit == 0;
    r->credit += bytes < room ? bytes : room;
    if (had_none && r->credit > 0 && r->busy == 0 && r->opened && !r->in_job && !r->closed)
        submit(r, read_job);
}

void output_read_close(struct output_reader *r)
{
    if (!r)
        return;
    r->closed = true;
    if (r->busy == 0 && !r->in_job)
        reader_free(r);
}

/* Forgetting */

struct forget_job {
    struct job job;
    char folder[PATH_BYTES], id[ID_BYTES];
};

static void forget_run(struct job *job)
{
    struct forget_job *f = container_of(job, struct forget_job, job);
    output_file_remove(f->folder, f->id);
}

static void forget_done(struct job *job)
{
    free(container_of(job, struct forget_job, job));
}

void output_forget(const struct session_entry *e)
{
    struct vm_entry *vm = vm_find_id(e->core, e->session.vm_id);
    struct forget_job *f = vm ? calloc(1, sizeof(*f)) : NULL;
    struct err err = ERR_INIT;
    if (!f)
        return;
    snprintf(f->folder, sizeof(f->folder), "%s/output", vm_record(vm)->runtime.vm_dir);
    memcpy(f->id, e->session.id, sizeof(f->id));
    f->job = (struct job){.run = forget_run, .done = forget_done, .frees = true};
    if (workers_submit(e->core->quick, &f->job, &err) < 0)
        free(f); /* it goes with its VM */
}
