/* GuestSessionService: start, look at, wait for, signal and end sessions. Attach and logs, which
 * stream output, are in attach.c and logs.c. */
#include "daemon/service/guest_session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/session/session.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"

struct session_entry *session_service_find(struct core *core, struct rpc_call *call, const char *vm,
                                           const char *session)
{
    struct err err = ERR_INIT;
    const struct labels *scope = request_scope(core, call);
    struct vm_entry *of = NULL;
    struct session_entry *e = NULL;
    if (!*vm || (of = vm_find_within(core, scope, vm, &err)))
        e = session_find_within(core, scope, of, session, &err);
    if (!e)
        rpc_call_finish(call, &err);
    return e;
}

int session_service_view(struct session_view *view, struct rpc_call *call,
                         const struct session_entry *e)
{
    const struct vm_entry *vm = vm_find_id(session_core(e), session_record(e)->vm_id);
    const struct vm *shown = vm ? vm_shown(vm) : NULL;
    if (session_view_fill(view, session_shown(e), shown ? shown->name : NULL, session_has_writer(e),
                          session_attached_count(e)) == 0) {
        view->session.writer_generation = session_writer_generation(e);
        view->session.left_processes = session_left_processes(e);
        view->session.late_bytes = session_late_bytes(e);
        return 0;
    }
    service_out_of_memory(call);
    return -1;
}

void session_service_reply(struct rpc_call *call, const struct session_entry *e)
{
    struct session_view view;
    if (session_service_view(&view, call, e) < 0)
        return;
    rpc_call_reply(call, &view.session.base);
    session_view_done(&view);
}

/* A StartSession that has not been answered. */
struct start_wait {
    struct rpc_call *call; /* counted */
    struct session_starter *starter;
};

static void start_wait_free(struct start_wait *w)
{
    rpc_call_set_events(w->call, NULL, NULL);
    rpc_call_unref(w->call);
    free(w);
}

static void started(void *arg, struct session_entry *e, const struct err *err)
{
    struct start_wait *w = arg;
    if (e)
        session_service_reply(w->call, e);
    else
        rpc_call_finish(w->call, err);
    start_wait_free(w);
}

/* The caller has left. One whose connection broke may ask again, with its request id. */
static void start_wait_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct start_wait *w = arg;
    (void)status;
    session_start_leave(w->starter, rpc_call_is_lost(call));
    start_wait_free(w);
}

static void begin_start(struct core *core, struct rpc_call *call, struct vm_entry *vm,
                        const struct session *spec, const struct request_meta *meta)
{
    static const struct rpc_call_events events = {.closed = start_wait_closed};
    struct err err = ERR_INIT;
    struct start_wait *w = calloc(1, sizeof(*w));
    if (!w) {
        service_out_of_memory(call);
        return;
    }
    w->call = rpc_call_ref(call);
    if (session_start(core, vm, spec, meta, rpc_call_deadline_ms(call), started, w, &w->starter,
                      &err) == 0) {
        rpc_call_set_events(call, &events, w);
        return;
    }
    rpc_call_finish(call, &err);
    start_wait_free(w);
}

static void handle_start(void *self, struct rpc_call *call,
                         const Banger__V1__StartSessionRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct session spec = {0};
    struct vm_entry *vm = NULL;
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        session_service_spec(&spec, request, &err) < 0 ||
        !(vm = vm_find_within(core, meta.scope, request->vm, &err)))
        rpc_call_finish(call, &err);
    else
        begin_start(core, call, vm, &spec, &meta);
    session_done(&spec);
}

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__V1__GetSessionRequest *request)
{
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (e)
        session_service_reply(call, e);
}

static bool has_tag(const struct session *s, const char *tag)
{
    const char *at = (const char *)s->spec.tags.data, *end = at + s->spec.tags.len;
    for (; at < end; at += strlen(at) + 1)
        if (strcmp(at, tag) == 0)
            return true;
    return false;
}

static bool is_wanted(const Banger__V1__ListSessionsRequest *request, uint32_t states,
                      const struct session *s, const struct vm_entry *vm)
{
    return (states >> s->state & 1) && (!vm || strcmp(vm_record(vm)->id, s->vm_id) == 0) &&
           (!*request->tag || has_tag(s, request->tag));
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListSessionsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    const struct labels *scope = request_scope(core, call);
    struct vm_entry *vm = NULL;
    uint32_t states;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0 ||
        request_states(&states, request->states, request->n_states, SESSION_LOST, &err) < 0 ||
        (*request->vm && !(vm = vm_find_within(core, scope, request->vm, &err)))) {
        rpc_call_finish(call, &err);
        return;
    }
    struct session_entry *e;
    for (size_t i = session_order_after(core, page.after_ns, page.after_id);
         (e = session_at(core, i)); i++) {
        struct session_view view;
        const struct session *shown = session_shown(e);
        if (!shown || !is_wanted(request, states, shown, vm) ||
            !scope_has_vm_id(core, scope, session_record(e)->vm_id))
            continue;
        if (page_is_cut(&page))
            break;
        if (session_service_view(&view, call, e) < 0)
            return;
        page_add(&page, call, session_record(e)->created_ns, session_record(e)->id,
                 &view.session.base);
        session_view_done(&view);
    }
    Banger__V1__ListSessionsResponse response = BANGER__V1__LIST_SESSIONS_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_guest_session_service_list_sessions_reply(call, &response);
}

/* A call that is answered when its session has ended: wait, stop, kill. */
struct end_wait {
    struct rpc_call *call;         /* counted */
    struct session_entry *session; /* counted */
    bool all;                      /* also of what it has left */
    struct session_watch watch;
};

static void end_wait_free(struct end_wait *w)
{
    session_unwatch(&w->watch);
    rpc_call_set_events(w->call, NULL, NULL);
    session_unref(w->session);
    rpc_call_unref(w->call);
    free(w);
}

static void end_wait_look(void *arg, struct session_entry *e)
{
    struct end_wait *w = arg;
    struct err err = ERR_INIT;
    bool ended = session_is_terminal(session_shown(e)->state);
    if (ended && w->all && session_left_processes(e) > 0 && !session_is_removed(e))
        return;
    if (!ended && !session_is_removed(e) && session_check_end(e, &err) == 0)
        return;
    if (session_is_removed(e)) {
        err_set(&err, ERR_NOT_FOUND, "session %s was deleted", session_record(e)->id);
        err_tag(&err, "SESSION_NOT_FOUND", "session/%s", session_record(e)->id);
    }
    if (ended)
        session_service_reply(w->call, e);
    else
        rpc_call_finish(w->call, &err);
    end_wait_free(w);
}

static void end_wait_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    end_wait_free(arg);
}

static void wait_for_end(struct rpc_call *call, struct session_entry *e, bool all)
{
    static const struct rpc_call_events events = {.closed = end_wait_closed};
    struct end_wait *w = calloc(1, sizeof(*w));
    if (!w) {
        service_out_of_memory(call);
        return;
    }
    w->call = rpc_call_ref(call);
    w->session = session_ref(e);
    w->all = all;
    rpc_call_set_events(call, &events, w);
    session_watch(e, &w->watch, end_wait_look, w);
    end_wait_look(w, e);
}

static void handle_wait(void *self, struct rpc_call *call,
                        const Banger__V1__WaitSessionRequest *request)
{
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (e)
        wait_for_end(call, e, false);
}

static void handle_stop(void *self, struct rpc_call *call,
                        const Banger__V1__StopSessionRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    uint32_t grace_ms = SESSION_STOP_GRACE_MS;
    if (request->_grace_ms_case == BANGER__V1__STOP_SESSION_REQUEST___GRACE_MS_GRACE_MS)
        grace_ms = request->grace_ms;
    if (!e)
        return;
    if (session_stop(e, grace_ms, &err) < 0)
        rpc_call_finish(call, &err);
    else
        wait_for_end(call, e, false);
}

static void handle_kill(void *self, struct rpc_call *call,
                        const Banger__V1__KillSessionRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    if (session_kill(e, &err) < 0)
        rpc_call_finish(call, &err);
    else
        wait_for_end(call, e, true);
}

static void handle_signal(void *self, struct rpc_call *call,
                          const Banger__V1__SignalSessionRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    int target = request->target == BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_UNSPECIFIED
                     ? (int)BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP
                     : (int)request->target;
    if (request->signo < 1 || request->signo >= NSIG)
        err_set(&err, ERR_INVALID, "signo %d is not a signal; use 1 to %d", request->signo,
                NSIG - 1);
    else if (target < 1 || target > 3)
        err_set(&err, ERR_INVALID, "target %d is not known", target);
    if (err.code != ERR_NONE || session_signal(e, request->signo, target, &err) < 0)
        rpc_call_finish(call, &err);
    else
        session_service_reply(call, e);
}

/* Takes back what a StartSession began whose answer never came. */
static void handle_delete_start(struct core *core, struct rpc_call *call,
                                const Banger__V1__DeleteSessionRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct session_entry *e = NULL;
    bool right = !*request->session && request->force;
    if (!right)
        err_set(&err, ERR_INVALID, "start_request_id goes with force, and instead of session");
    if (!right ||
        request_meta_fill(&meta, core, call, &request->base, request->start_request_id, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    e = session_find_request(core, &meta);
    if (!e) {
        service_reply_empty(rpc_call_ref(call), NULL);
        return;
    }
    if (session_delete(e, true, service_reply_empty, rpc_call_ref(call), &err) < 0) {
        rpc_call_finish(call, &err);
        rpc_call_unref(call);
    }
}

static void handle_delete(void *self, struct rpc_call *call,
                          const Banger__V1__DeleteSessionRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e;
    if (*request->start_request_id) {
        handle_delete_start(self, call, request);
        return;
    }
    e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    if (session_delete(e, request->force, service_reply_empty, rpc_call_ref(call), &err) < 0) {
        rpc_call_finish(call, &err);
        rpc_call_unref(call);
    }
}

struct ack_wait {
    struct rpc_call *call;         /* counted */
    struct session_entry *session; /* referenced */
};

static void ack_stored(void *arg, const struct err *err)
{
    struct ack_wait *w = arg;
    if (err)
        rpc_call_finish(w->call, err);
    else
        session_service_reply(w->call, w->session);
    session_unref(w->session);
    rpc_call_unref(w->call);
    free(w);
}

static void handle_ack_output(void *self, struct rpc_call *call,
                              const Banger__V1__AckOutputRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    struct ack_wait *w = e ? malloc(sizeof(*w)) : NULL;
    if (!e)
        return;
    if (!w) {
        service_out_of_memory(call);
        return;
    }
    *w = (struct ack_wait){rpc_call_ref(call), session_ref(e)};
    if (session_ack_output(e, request->stdout_offset, request->stderr_offset, ack_stored, w, &err) <
        0)
        ack_stored(w, &err);
}

int guest_session_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_guest_session_service_handlers handlers = {
        .start_session = handle_start,
        .get_session = handle_get,
        .list_sessions = handle_list,
        .wait_session = handle_wait,
        .read_logs = session_service_read_logs,
        .signal_session = handle_signal,
        .stop_session = handle_stop,
        .kill_session = handle_kill,
        .delete_session = handle_delete,
        .send_stdin = session_service_send_stdin,
        .ack_output = handle_ack_output,
        .attach = session_service_attach,
        .list_viewers = session_service_list_viewers,
        .kick_viewer = session_service_kick_viewer,
    };
    return banger_v1_guest_session_service_register(server, &handlers, core, err);
}
