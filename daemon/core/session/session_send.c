/* Bytes for stdin without an attach: session_send; see session.h.
 *
 * What a call has accepted is appended to the session's one buffer (session_stdin.c) and waits for
 * the acknowledgement in `sends`, in order of offset. A call with a key may be a part of a piece
 * that is longer than one call: while the latest run of bytes is open, as its last part has not
 * come, it is the turn of its key, and others wait in `pending`, as do calls for which there is no
 * room. A key that says nothing for SESSION_TURN_MS loses its turn.
 *
 * Runs are the agent's word after a restart of the daemon, which gives it each byte with its key:
 * so a call that is repeated finds what it had sent, whoever took it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"

enum { SENDS_MAX = 256 /* calls waiting per session */ };

struct session_send {
    struct list link;                    /* of sends, pending, or the registry's ended_sends */
    struct session_entry *session;       /* referenced */
    struct timer report;                 /* done() comes from the loop */
    struct session_send_request request; /* data: owned while it is pending */
    bool waits;                          /* in pending */
    uint64_t until;                      /* offset behind its bytes */
    struct err why;                      /* it failed so */
    void (*done)(void *arg, uint64_t offset, const struct err *err);
    void *arg;
};

enum verdict { REFUSED = -1, WAITS_FOR_TURN, WAITS_FOR_ROOM, ACCEPTED };

static void look_at_turn(struct session_entry *e);

/* Runs */

static struct agent_stdin_run *latest_run(struct session_input *in)
{
    return in->n_runs ? &in->runs[in->n_runs - 1] : NULL;
}

static struct agent_stdin_run *find_run(struct session_input *in, uint64_t key)
{
    for (uint32_t i = in->n_runs; key && i-- > 0;)
        if (in->runs[i].key == key)
            return &in->runs[i];
    return NULL;
}

/* Whose turn it is; 0: anybody's. */
static uint64_t turn_of(struct session_input *in)
{
    const struct agent_stdin_run *latest = latest_run(in);
    return latest && latest->open ? latest->key : 0;
}

bool session_send_is_open(const struct session_entry *e)
{
    return turn_of((struct session_input *)(uintptr_t)&e->in) != 0;
}

static void add_run(struct session_input *in, const struct agent_stdin_run *run)
{
    if (in->n_runs == SESSION_RUNS_MAX)
        memmove(in->runs, in->runs + 1, --in->n_runs * sizeof(*in->runs));
    in->runs[in->n_runs++] = *run;
}

/* The oldest can be forgotten: the agent was told of it. */
static bool has_room_for_run(const struct session_input *in)
{
    return in->n_runs < SESSION_RUNS_MAX || in->runs[0].until <= in->sent;
}

void session_send_take_runs(struct session_entry *e, const struct agent_session_status *status)
{
    struct session_input *in = &e->in;
    in->n_runs = 0;
    for (uint32_t i = 0; i < status->n_stdin_runs; i++)
        add_run(in, &status->stdin_runs[i]);
    /* Bytes behind the latest have no key: that one's turn is over. */
    if (in->n_runs && latest_run(in)->until != in->start)
        latest_run(in)->open = false;
}

uint64_t session_send_frame_end(const struct session_entry *e, uint64_t from, uint64_t until,
                                uint64_t *key, bool *more)
{
    const struct session_input *in = &e->in;
    *key = 0;
    *more = false;
    for (uint32_t i = 0; i < in->n_runs; i++) {
        const struct agent_stdin_run *run = &in->runs[i];
        if (from < run->from)
            return run->from < until ? run->from : until;
        if (from >= run->until)
            continue;
        until = run->until < until ? run->until : until;
        *key = run->key;
        *more = until < run->until || run->open;
        return until;
    }
    return until;
}

/* Ends */

static void end_send(struct session_send *send, const struct err *why)
{
    list_remove(&send->link);
    list_add_tail(&send->session->core->sessions->ended_sends, &send->link);
    if (why)
        send->why = *why;
    timer_start(&send->report, 0);
}

static void set_closed_early(const struct session_entry *e, struct err *err)
{
    err_set(err, ERR_PRECONDITION, "the process closed its stdin before it had read everything");
    err_tag(err, "STDIN_CLOSED", "session/%s", e->session.id);
}

static int stdin_is_closed(const struct session_entry *e, struct err *err)
{
    err_set(err, ERR_PRECONDITION, "stdin of session %s is closed", e->session.id);
    return err_tag(err, "STDIN_CLOSED", "session/%s", e->session.id);
}

void session_sends_end(struct session_entry *e, uint64_t taken)
{
    struct err why = ERR_INIT;
    for (struct list *pos; (pos = list_first(&e->in.sends));) {
        struct session_send *send = container_of(pos, struct session_send, link);
        if (send->until > taken && !e->in.closed)
            return; /* they are in order of offset */
        if (send->until > taken)
            set_closed_early(e, &why);
        end_send(send, send->until > taken ? &why : NULL);
    }
}

static void free_send(struct session_send *send)
{
    list_remove(&send->link);
    if (send->waits) {
        send->session->in.pending_bytes -= send->request.len;
        free((void *)(uintptr_t)send->request.data);
    }
    timer_done(&send->report);
    session_unref(send->session);
    free(send);
}

static void on_report(void *arg)
{
    struct session_send *send = arg;
    struct session_entry *e = session_ref(send->session);
    send->done(send->arg, send->until, send->why.code ? &send->why : NULL);
    free_send(send);
    look_at_turn(e);
    session_unref(e);
}

void session_stdin_report_all(struct session_registry *r)
{
    for (struct list *pos; (pos = list_first(&r->ended_sends));)
        on_report(container_of(pos, struct session_send, link));
}

void session_send_cancel(struct session_send *send)
{
    struct session_entry *e = session_ref(send->session);
    free_send(send);
    look_at_turn(e);
    session_unref(e);
}

/* Accepting */

static int check_send(struct session_entry *e, const struct session_send_request *r,
                      struct err *err)
{
    if (session_stdin_check_open(e, err) < 0 ||
        (session_is_live(e) && session_check_awake(e, err) < 0))
        return -1;
    if (r->len > SESSION_SEND_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes at once: at most %d", r->len,
                       SESSION_SEND_BYTES);
    if ((r->more || r->position > 0) && r->key == 0)
        return err_set(err, ERR_INVALID, "position and more go with a key");
    if (r->more && r->eof)
        return err_set(err, ERR_INVALID, "eof goes with the last part");
    return 0;
}

static int is_moved(const struct session_entry *e, struct err *err)
{
    err_set(err, ERR_ABORTED, "stdin of session %s is at %llu, and somebody else's bytes are there",
            e->session.id, (unsigned long long)session_stdin_end(e));
    return err_tag(err, "STDIN_MOVED", "session/%s", e->session.id);
}

/* How many of the bytes for that offset are there: all that fit below the end of stdin. What a
 * daemon has taken itself it can tell from others; of what an earlier one did it knows the end. */
static int count_by_offset(const struct session_entry *e, const struct session_send_request *r,
                           size_t *there, struct err *err)
{
    const struct session_input *in = &e->in;
    uint64_t end = session_stdin_end(e), want = r->placed ? r->offset : end;
    bool ours = in->latest_key == 0 && in->sent_from == want;
    *there = want <= end && end - want < r->len ? (size_t)(end - want) : r->len;
    bool right = want <= end && end - want <= r->len;
    if (right && *there > 0 && in->dated)
        right =
            ours && *there == r->len && in->sent_hash == hash_bytes(HASH_START, r->data, r->len);
    if (right && r->position == 0)
        return 0;
    return is_moved(e, err);
}

/* The same of a part of a run: nothing can be added to one that others came behind. */
static int count_by_run(struct session_entry *e, const struct session_send_request *r,
                        const struct agent_stdin_run *run, size_t *there, struct err *err)
{
    uint64_t has = run->until - run->from;
    if (r->position > has) {
        err_set(err, ERR_INVALID, "part at %llu leaves a hole: %llu comes next",
                (unsigned long long)r->position, (unsigned long long)has);
        return err_tag(err, "STDIN_HOLE", "session/%s", e->session.id);
    }
    uint64_t left = has - r->position;
    *there = left < r->len ? (size_t)left : r->len;
    if (*there == r->len || (run == latest_run(&e->in) && run->until == session_stdin_end(e)))
        return 0;
    return is_moved(e, err);
}

static int check_writer(struct session_entry *e, const struct session_send_request *r,
                        struct err *err)
{
    if (!e->writer)
        return 0;
    if (r->takeover) {
        attach_lose_writer(e);
        return 0;
    }
    err_set(err, ERR_PRECONDITION, "session %s has a writer attached", e->session.id);
    return err_tag(err, "WRITER_TAKEN", "session/%s", e->session.id);
}

/* Earlier parts of its piece wait, too. */
static bool comes_behind(const struct session_input *in, const struct session_send_request *r)
{
    list_foreach(pos, (struct list *)&in->pending)
    {
        const struct session_send_request *other =
            &container_of(pos, struct session_send, link)->request;
        if (r->key && other->key == r->key && other->position < r->position)
            return true;
    }
    return false;
}

/* Whether the call may be taken now, and how many of its bytes are there already. */
static enum verdict judge(struct session_entry *e, const struct session_send_request *r,
                          size_t *there, struct err *err)
{
    struct session_input *in = &e->in;
    const struct agent_stdin_run *run = find_run(in, r->key);
    uint64_t turn = turn_of(in);
    if (check_writer(e, r, err) < 0)
        return REFUSED;
    if (!in->known && !in->closed)
        return WAITS_FOR_TURN;
    if ((in->closed || in->eof) && !r->placed && !run)
        return stdin_is_closed(e, err), REFUSED;
    if (turn && turn != r->key && !run)
        return WAITS_FOR_TURN;
    if (comes_behind(in, r))
        return WAITS_FOR_ROOM;
    int rc = run ? count_by_run(e, r, run, there, err) : count_by_offset(e, r, there, err);
    if (rc < 0)
        return REFUSED;
    bool repeated = *there == r->len && (r->len > 0 || in->eof || (run && !r->eof));
    if (!repeated && (in->closed || in->eof))
        return stdin_is_closed(e, err), REFUSED;
    if (buf_room(&in->buf) < r->len - *there || (r->key && !run && !has_room_for_run(in)))
        return WAITS_FOR_ROOM;
    return ACCEPTED;
}

/* In order of offset: a repetition may be of earlier bytes than others that wait. */
static void add_to_sends(struct session_input *in, struct session_send *send)
{
    struct list *before = &in->sends;
    for (struct list *pos = in->sends.prev; pos != &in->sends; pos = pos->prev) {
        if (container_of(pos, struct session_send, link)->until <= send->until)
            break;
        before = pos;
    }
    list_add_tail(before, &send->link);
}

/* Its bytes, from the first that is not there, and whose they are. -1: out of memory. */
static int append(struct session_entry *e, struct session_send *send, size_t there)
{
    struct session_input *in = &e->in;
    const struct session_send_request *r = &send->request;
    struct agent_stdin_run *run = find_run(in, r->key);
    uint64_t from = run ? run->from + r->position : session_stdin_end(e) - there;
    if (there < r->len)
        session_stdin_note_sender(e, r->key);
    if (buf_append(&in->buf, (const uint8_t *)r->data + there, r->len - there) < 0)
        return -1;
    send->until = from + r->len;
    if (run && send->until >= run->until) {
        run->until = send->until;
        run->open = r->more;
    } else if (r->key && !run) {
        const struct agent_stdin_run added = {r->key, from, send->until, r->more};
        add_run(in, &added);
    } else if (there < r->len) {
        in->sent_from = from;
        in->sent_hash = hash_bytes(HASH_START, r->data, r->len);
    }
    in->eof |= r->eof;
    return 0;
}

static void unpend(struct session_send *send)
{
    if (!send->waits)
        return;
    send->session->in.pending_bytes -= send->request.len;
    free((void *)(uintptr_t)send->request.data);
    send->request.data = NULL;
    send->waits = false;
    list_remove(&send->link);
}

/* As far as that goes now. */
static enum verdict try_send(struct session_send *send, struct err *err)
{
    struct session_entry *e = send->session;
    size_t there = 0;
    enum verdict verdict = judge(e, &send->request, &there, err);
    if (verdict != ACCEPTED)
        return verdict;
    if (append(e, send, there) < 0)
        return err_sys(err, ENOMEM, "stdin"), REFUSED;
    unpend(send);
    add_to_sends(&e->in, send);
    return ACCEPTED;
}

static int pend(struct session_send *send, struct err *err)
{
    struct session_entry *e = send->session;
    struct session_input *in = &e->in;
    struct session_send_request *r = &send->request;
    uint8_t *copy = malloc(r->len + 1);
    if (!copy)
        return err_sys(err, ENOMEM, "stdin");
    if (r->len > 0)
        memcpy(copy, r->data, r->len);
    r->data = copy;
    send->waits = true;
    in->pending_bytes += r->len;
    list_add_tail(&in->pending, &send->link);
    return 0;
}

static bool is_crowded(const struct session_entry *e, size_t len)
{
    size_t waiting = 0;
    list_foreach(pos, (struct list *)&e->in.sends) waiting++;
    list_foreach(pos, (struct list *)&e->in.pending) waiting++;
    return waiting >= SENDS_MAX || e->in.pending_bytes + len > SESSION_STDIN_BUFFER_BYTES;
}

int session_send(struct session_entry *e, const struct session_send_request *request,
                 void (*done)(void *arg, uint64_t offset, const struct err *err), void *arg,
                 struct session_send **handle, struct err *err)
{
    if (check_send(e, request, err) < 0)
        return -1;
    struct session_send *send = calloc(1, sizeof(*send));
    if (!send || timer_init(&send->report, e->core->loop, on_report, send) < 0) {
        free(send);
        return err_sys(err, ENOMEM, "stdin");
    }
    send->session = session_ref(e);
    send->request = *request;
    send->done = done;
    send->arg = arg;
    list_init(&send->link);
    enum verdict verdict = is_crowded(e, request->len) ? WAITS_FOR_ROOM : try_send(send, err);
    bool may_wait = request->key != 0 || (verdict == WAITS_FOR_TURN && e->in.known);
    bool waits = (verdict == WAITS_FOR_TURN || verdict == WAITS_FOR_ROOM) && may_wait &&
                 !is_crowded(e, request->len);
    if (verdict != ACCEPTED && verdict != REFUSED && !waits) {
        err_set(err, ERR_UNAVAILABLE, "stdin of session %s is busy; try again", e->session.id);
        err_tag(err, "STDIN_FULL", "session/%s", e->session.id);
    }
    if (verdict != ACCEPTED && (!waits || pend(send, err) < 0)) {
        free_send(send);
        return -1;
    }
    if (handle)
        *handle = send;
    session_sends_end(e, e->in.acked); /* nothing to wait for */
    session_stdin_pump(e);
    look_at_turn(e);
    return 0;
}

int session_send_stdin(struct session_entry *e, const struct session_stdin_at *at, const void *data,
                       size_t len, bool eof,
                       void (*done)(void *arg, uint64_t offset, const struct err *err), void *arg,
                       struct err *err)
{
    const struct session_send_request request = {
        .placed = at != NULL, .offset = at ? at->offset : 0, .data = data, .len = len, .eof = eof};
    return session_send(e, &request, done, arg, NULL, err);
}

/* Turns */

static bool has_call_of(struct list *calls, uint64_t key)
{
    list_foreach(pos, calls)
    {
        if (container_of(pos, struct session_send, link)->request.key == key)
            return true;
    }
    return false;
}

static void turn_is_over(void *arg)
{
    struct session_entry *e = arg;
    session_send_cut_turn(e);
    session_sends_go_on(e);
}

void session_send_cut_turn(struct session_entry *e)
{
    if (turn_of(&e->in))
        latest_run(&e->in)->open = false;
}

/* Its key has so long to say more. */
static void look_at_turn(struct session_entry *e)
{
    struct session_input *in = &e->in;
    uint64_t turn = turn_of(in);
    bool idle =
        turn && !e->removed && !has_call_of(&in->sends, turn) && !has_call_of(&in->pending, turn);
    if (!idle) {
        if (in->turn_ready)
            timer_stop(&in->turn);
    } else if ((!in->turn_ready || !timer_pending(&in->turn))) {
        if (in->turn_ready || timer_init(&in->turn, e->core->loop, turn_is_over, e) == 0) {
            in->turn_ready = true;
            timer_start(&in->turn, SESSION_TURN_MS);
        }
    }
    if (!turn && !list_empty(&in->pending))
        session_sends_go_on(e);
}

void session_sends_go_on(struct session_entry *e)
{
    struct session_input *in = &e->in;
    bool any = false;
    for (struct list *pos = in->pending.next, *next; pos != &in->pending; pos = next) {
        struct session_send *send = container_of(pos, struct session_send, link);
        struct err why = ERR_INIT;
        next = pos->next;
        enum verdict verdict = try_send(send, &why);
        if (verdict == WAITS_FOR_ROOM)
            break; /* who comes behind it waits as well */
        any |= verdict == ACCEPTED;
        if (verdict != REFUSED)
            continue;
        unpend(send);
        end_send(send, &why);
    }
    if (!any)
        return;
    session_sends_end(e, in->acked);
    session_stdin_pump(e);
    look_at_turn(e);
}
