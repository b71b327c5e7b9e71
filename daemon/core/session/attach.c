/* Attach: open and close, who writes, what a client sends; see attach.h. Output is
 * attach_output.c's, the bytes of stdin session_stdin.c's. */
#include "daemon/core/session/attach.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/session/attach_internal.h"
#include "daemon/core/session/output_internal.h"

struct attach *attach_of_link(struct list *link)
{
    return container_of(link, struct attach, link);
}

void attach_free(struct attach *a)
{
    free(a->who);
    free(a->kicked_by);
    free(a);
}

static int claim(struct session_entry *e, struct attach *a, enum attach_role role, struct err *err)
{
    if (role == ATTACH_VIEWER)
        return 0;
    if ((e->writer || session_send_is_open(e)) && role == ATTACH_WRITER) {
        err_set(err, ERR_PRECONDITION, "session %s has a writer; attach as viewer, or take over",
                e->session.id);
        return err_tag(err, "WRITER_TAKEN", "session/%s", e->session.id);
    }
    if (e->writer)
        e->writer->demoted = true;
    session_send_cut_turn(e);
    e->writer = a;
    a->generation = ++e->generation;
    a->was_writer = true;
    if (a->generation > e->session.writer_generation) {
        session_edit(e);
        e->session.writer_generation = a->generation;
        session_save_now(e); /* told when it is on disk: no other will ever be given it */
    }
    return 0;
}

void attach_lose_writer(struct session_entry *e)
{
    struct attach *a = e->writer;
    a->demoted = a->foreign_due = true;
    e->writer = NULL;
    session_edit(e);
    e->session.writer_generation = ++e->generation;
    session_save_now(e);
}

struct attach *attach_open(struct core *core, struct session_entry *e,
                           const struct attach_options *options, const struct attach_events *events,
                           void *arg, struct err *err)
{
    if (session_output_is_kept(e) && session_check_awake(e, err) < 0)
        return NULL;
    if (attach_check_number(e, err) < 0)
        return NULL;
    struct attach *a = calloc(1, sizeof(*a));
    if (!a || !(a->who = attach_who_new(options))) {
        free(a);
        err_sys(err, ENOMEM, "attach");
        return NULL;
    }
    if (claim(e, a, options->role, err) < 0) {
        attach_free(a);
        return NULL;
    }
    a->id = ++core->sessions->latest_attach;
    a->session = session_ref(e);
    a->events = events;
    a->arg = arg;
    a->follow = !options->no_follow;
    a->times = options->times;
    a->until_ns = options->until_ns;
    a->writer_key = options->writer_key;
    a->begun_ns = clock_real_ns();
    a->hold = options->hold && output_is_held(e->session.spec.output_policy);
    a->streams[0].from = options->from_stdout;
    a->streams[1].from = options->from_stderr;
    a->credit = options->credit_bytes < ATTACH_CREDIT_MAX_BYTES ? options->credit_bytes
                                                                : ATTACH_CREDIT_MAX_BYTES;
    list_init(&a->link);
    list_add_tail(&e->attaches, &a->link);
    e->n_attached++;
    session_note_watched(e);
    struct vm_entry *vm = attach_vm(a);
    if (vm)
        vm_use_begin(vm);
    session_touch(e);
    return a;
}

void attach_release(struct attach *a)
{
    a->released = true;
}

void attach_close(struct attach *a)
{
    if (!a || a->closed)
        return;
    struct session_entry *e = a->session;
    struct vm_entry *vm = attach_vm(a);
    if (vm)
        vm_use_end(vm);
    a->closed = true;
    attach_drop_subscription(a);
    list_remove(&a->link);
    session_note_taken(e); /* others may have been ahead of it */
    e->n_attached--;
    session_look_watched(e);
    if (e->writer == a)
        e->writer = NULL;
    a->session = NULL;
    a->over = true;
    if (a->busy == 0)
        attach_free(a);
    session_unref(e);
}

void attach_grant(struct attach *a, uint32_t bytes)
{
    uint32_t room = ATTACH_CREDIT_MAX_BYTES - a->credit;
    uint32_t n = bytes < room ? bytes : room;
    a->credit += n;
    attach_note_granted(a, bytes);
    if (a->sub)
        agent_subscription_grant(a->sub, n);
    if (a->kept)
        output_read_grant(a->kept, n);
}

void attach_taken(struct attach *a, uint64_t stdout_at, uint64_t stderr_at)
{
    const uint64_t at[] = {stdout_at, stderr_at};
    for (int i = 0; i < 2; i++) {
        uint64_t known = at[i] < a->streams[i].next ? at[i] : a->streams[i].next;
        if (a->opened && known > a->taken[i])
            a->taken[i] = known;
    }
    session_note_taken(a->session);
}

/* One that was taken over may still have frames under way: they are dropped, its view goes on. */
static int check_writer(const struct attach *a, struct err *err)
{
    if (a->session->writer == a || a->demoted)
        return 0;
    err_set(err, ERR_PRECONDITION, "this attach is not the writer of session %s",
            a->session->session.id);
    return err_tag(err, "NOT_WRITER", "session/%s", a->session->session.id);
}

int attach_stdin(struct attach *a, uint64_t offset, const void *data, size_t len, struct err *err)
{
    if (check_writer(a, err) < 0)
        return -1;
    if (len > ATTACH_STDIN_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes of stdin at once: at most %d", len,
                       ATTACH_STDIN_BYTES);
    if (a->demoted)
        return 0;
    return session_stdin_write(a->session, a->writer_key, offset, data, len, err);
}

bool attach_stdin_full(struct attach *a)
{
    bool full = a->session->writer == a && session_stdin_is_full(a->session);
    a->full_told |= full;
    return full;
}

int attach_stdin_eof(struct attach *a, struct err *err)
{
    if (check_writer(a, err) < 0)
        return -1;
    if (a->demoted)
        return 0;
    if (a->session->session.spec.stdin_mode == SESSION_STDIN_PIPE || a->session->session.spec.tty)
        session_stdin_eof(a->session);
    return 0;
}

int attach_resize(struct attach *a, uint32_t rows, uint32_t columns, struct err *err)
{
    struct session_entry *e = a->session;
    if (check_writer(a, err) < 0)
        return -1;
    if (a->demoted)
        return 0;
    if (!e->session.spec.tty) {
        err_set(err, ERR_PRECONDITION, "session %s has no terminal", e->session.id);
        return err_tag(err, "NO_TTY", "session/%s", e->session.id);
    }
    if (rows == 0 || columns == 0 || rows > UINT16_MAX || columns > UINT16_MAX)
        return err_set(err, ERR_INVALID, "a terminal of %u x %u", (unsigned)rows,
                       (unsigned)columns);
    session_edit(e);
    e->session.spec.rows = rows;
    e->session.spec.columns = columns;
    session_save(e);
    e->told.size = false;
    session_tell(e);
    return 0;
}

int attach_signal(struct attach *a, int signo, int target, struct err *err)
{
    return session_signal(a->session, signo, target, err);
}
