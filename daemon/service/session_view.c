/* A session as a message; see view.h. */
#include "daemon/service/view.h"

#include <string.h>

static void fill_exit(struct session_view *v, const struct session *s)
{
    banger__v1__session_exit__init(&v->exit);
    v->exit.timed_out = s->timed_out;
    if (s->state == SESSION_LOST) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_LOST_REASON;
        v->exit.lost_reason = (char *)s->lost_reason;
    } else if (s->exit_kind == SESSION_EXIT_OOM) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_OOM;
        v->exit.oom = true;
    } else if (s->exit_kind == SESSION_EXIT_SIGNAL) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_SIGNAL;
        v->exit.signal = s->exit_signo;
    } else if (s->exit_kind == SESSION_EXIT_CODE) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
        v->exit.code = s->exit_code;
    } else {
        return;
    }
    v->session.exit = &v->exit;
}

int session_view_fill(struct session_view *view, const struct session *s, const char *vm_name,
                      bool writer_attached, uint32_t viewers)
{
    memset(view, 0, sizeof(*view));
    Banger__V1__GuestSession *m = &view->session;
    banger__v1__guest_session__init(m);
    m->id = (char *)s->id;
    m->vm_id = (char *)s->vm_id;
    if (vm_name)
        m->vm_name = (char *)vm_name;
    m->name = (char *)s->name;
    m->state = (Banger__V1__SessionState)s->state;
    m->failed_stage = (char *)s->failed_stage;
    m->last_error = (char *)s->last_error;
    m->failed_errno = s->failed_errno;
    m->guest_pid = s->guest_pid;
    m->stdout_total = s->stdout_total;
    m->stderr_total = s->stderr_total;
    m->stdin_offset = s->stdin_acked;
    m->service_id = (char *)s->service_id;
    m->hook = (char *)s->hook;
    m->stdout_acknowledged = s->stdout_acked;
    m->stderr_acknowledged = s->stderr_acked;
    m->stdin_closed = s->stdin_closed;
    m->writer_attached = writer_attached;
    m->writer_generation = s->writer_generation;
    m->viewers = viewers;
    m->created = view_time(&view->created, s->created_ns);
    m->started = view_time(&view->started, s->started_ns);
    m->ended = view_time(&view->ended, s->ended_ns);
    m->updated = view_time(&view->updated, s->updated_ns);
    fill_exit(view, s);
    m->spec = &view->spec.spec;
    return session_spec_view_fill(&view->spec, &s->spec);
}

void session_view_done(struct session_view *view)
{
    session_spec_view_done(&view->spec);
}
