/* See viewer.h. */
#include "tests/integration/session/viewer.h"

#include <stdio.h>
#include <string.h>

enum { CREDIT_BYTES = 256 * 1024 };

const struct attach_options from_start = {.credit_bytes = CREDIT_BYTES};

bool viewer_is_over(void *arg)
{
    const struct viewer *v = arg;
    return v->n_exit + v->n_lost + v->n_caught_up + v->n_failed > 0;
}

bool viewer_is_opened(void *arg)
{
    const struct viewer *v = arg;
    return v->n_opened > 0;
}

static void expect(struct viewer *v, bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "viewer: %s\n", what);
        v->wrong = true;
    }
}

static void on_opened(void *arg, const struct attach_opened *opened)
{
    struct viewer *v = arg;
    expect(v, v->n_opened == 0 && !viewer_is_over(v), "opened twice");
    v->opened = *opened;
    v->n_opened++;
    v->next[0] = opened->stdout_offset;
    v->next[1] = opened->stderr_offset;
    if (v->more)
        v->more(v);
    world_poke();
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct viewer *v = arg;
    int i = stream - 1;
    expect(v, v->n_opened == 1 && !viewer_is_over(v), "data out of order");
    expect(v, offset == v->next[i], "data at another offset");
    expect(v, len > 0 && len <= ATTACH_DATA_BYTES, "data of another size");
    if (!v->not_source)
        expect(v,
               offset + len <= WORLD_SOURCE_BYTES && memcmp(world.source + offset, data, len) == 0,
               "other bytes");
    if (i == 0 && offset < sizeof(v->text))
        memcpy(v->text + offset, data,
               len < sizeof(v->text) - offset ? len : sizeof(v->text) - offset);
    v->next[i] += len;
    v->got[i] += len;
    if (!v->stalled)
        attach_grant(v->attach, len);
    world_poke();
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    struct viewer *v = arg;
    int i = stream - 1;
    expect(v, from == v->next[i] && to > from, "a gap at another offset");
    expect(v, oldest > from, "a gap over what is kept");
    v->oldest[i] = oldest;
    v->next[i] = to;
    v->gaps[i] += to - from;
    v->n_gaps++;
    snprintf(v->gap_reason, sizeof(v->gap_reason), "%s", reason);
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    (void)cut;
    struct viewer *v = arg;
    v->n_ends++;
    v->total[stream - 1] = total;
    expect(v, !viewer_is_over(v), "an end behind the last word");
}

static void on_stdin_ack(void *arg, uint64_t offset, bool closed)
{
    struct viewer *v = arg;
    expect(v, offset >= v->acked, "an acknowledgement that goes back");
    v->acked = offset;
    v->n_acks++;
    v->stdin_closed |= closed;
    if (v->more)
        v->more(v);
    world_poke();
}

static void on_stdin_foreign(void *arg, uint64_t offset)
{
    struct viewer *v = arg;
    v->foreign = offset;
}

static void on_stdin_writable(void *arg)
{
    struct viewer *v = arg;
    if (v->more)
        v->more(v);
}

static void on_writer_changed(void *arg, uint64_t generation, bool is_writer)
{
    struct viewer *v = arg;
    (void)generation;
    v->n_writer_changed++;
    v->is_writer = is_writer;
    world_poke();
}

static void on_exit_told(void *arg, uint64_t stdout_total, uint64_t stderr_total)
{
    struct viewer *v = arg;
    expect(v, v->n_ends == 2 && !viewer_is_over(v), "an exit ahead of the ends");
    expect(v, stdout_total == v->total[0] && stderr_total == v->total[1], "other totals");
    v->n_exit++;
    world_poke();
}

static void on_lost(void *arg, const char *reason, const char *message)
{
    struct viewer *v = arg;
    expect(v, v->n_ends == 2 && !viewer_is_over(v), "lost ahead of the ends");
    snprintf(v->reason, sizeof(v->reason), "%s", reason);
    snprintf(v->text, sizeof(v->text), "%s", message);
    v->n_lost++;
    world_poke();
}

static void on_caught_up(void *arg)
{
    struct viewer *v = arg;
    v->n_caught_up++;
    world_poke();
}

static void on_failed(void *arg, const struct err *err)
{
    struct viewer *v = arg;
    v->error = *err;
    v->n_failed++;
    world_poke();
}

static const struct attach_events events = {
    .opened = on_opened,
    .data = on_data,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .stdin_ack = on_stdin_ack,
    .stdin_foreign = on_stdin_foreign,
    .stdin_writable = on_stdin_writable,
    .writer_changed = on_writer_changed,
    .exit = on_exit_told,
    .lost = on_lost,
    .caught_up = on_caught_up,
    .failed = on_failed,
};

int viewer_open(struct viewer *v, struct session_entry *e, const struct attach_options *options)
{
    v->session = e;
    v->is_writer = options->role != ATTACH_VIEWER;
    v->attach = attach_open(&world.core, e, options, &events, v, &v->error);
    return v->attach ? 0 : -1;
}

void viewer_resume(struct viewer *v)
{
    v->stalled = false;
    attach_grant(v->attach, CREDIT_BYTES);
}

void viewer_close(struct viewer *v)
{
    attach_close(v->attach);
    v->attach = NULL;
}

bool viewer_finish_exit(struct viewer *v)
{
    return world_run(viewer_is_over, v) && !v->wrong && v->n_exit == 1 && v->n_lost == 0 &&
           v->next[0] == v->total[0] && v->next[1] == v->total[1];
}
