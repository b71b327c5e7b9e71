/* GuestSessionService: who follows a session, and sending them away. */
#include "daemon/service/guest_session.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/session/attach.h"
#include "daemon/core/session/session.h"
#include "daemon/service/audit.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"

struct viewer_view {
    Banger__V1__Viewer viewer;
    Google__Protobuf__Timestamp since, stalled;
};

struct viewers {
    struct viewer_view *views;
    Banger__V1__Viewer **list;
    size_t n, max;
};

/* The strings are the attach's. */
static void add_viewer(void *arg, const struct attach_viewer *v)
{
    struct viewers *all = arg;
    if (all->n == all->max)
        return;
    struct viewer_view *view = &all->views[all->n];
    Banger__V1__Viewer *m = &view->viewer;
    banger__v1__viewer__init(m);
    m->id = v->id;
    m->principal = (char *)v->principal;
    m->address = (char *)v->address;
    m->role = v->writer ? BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER
                        : BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER;
    m->logs = v->logs;
    m->since = view_time(&view->since, v->since_ns);
    m->stdout_offset = v->offset[0];
    m->stdout_lag_bytes = v->lag_bytes[0];
    m->stderr_offset = v->offset[1];
    m->stderr_lag_bytes = v->lag_bytes[1];
    m->stalled = view_time(&view->stalled, v->stalled_ns);
    all->list[all->n++] = m;
}

void session_service_list_viewers(void *self, struct rpc_call *call,
                                  const Banger__V1__ListViewersRequest *request)
{
    const struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    struct viewers all = {.max = session_attached_count(e)};
    auto_free struct viewer_view *views = calloc(all.max + 1, sizeof(*views));
    auto_free Banger__V1__Viewer **list = calloc(all.max + 1, sizeof(Banger__V1__Viewer *));
    if (!views || !list) {
        service_out_of_memory(call);
        return;
    }
    all.views = views;
    all.list = list;
    attach_each(e, add_viewer, &all);
    Banger__V1__ListViewersResponse response = BANGER__V1__LIST_VIEWERS_RESPONSE__INIT;
    response.n_viewers = all.n;
    response.viewers = all.list;
    banger_v1_guest_session_service_list_viewers_reply(call, &response);
}

void session_service_kick_viewer(void *self, struct rpc_call *call,
                                 const Banger__V1__KickViewerRequest *request)
{
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    const char *by = rpc_call_peer(call)->principal;
    if (attach_kick(e, request->id, by, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    log_info("bangerd", "viewer %llu of session %s is sent away by %s",
             (unsigned long long)request->id, session_record(e)->id, by);
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    banger_v1_guest_session_service_kick_viewer_reply(call, &empty);
}
