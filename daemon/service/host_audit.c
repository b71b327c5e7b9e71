/* HostService: what this host has that is ours, and the removal of what no VM has any more. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/host.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/service/page.h"
#include "daemon/service/view.h"
#include "rpc/event/server.h"
#include "rpc/wire/call.h"

struct thing_view {
    Banger__V1__HostObject m;
    Google__Protobuf__Timestamp since;
};

static Banger__V1__HostObject *view_thing(struct thing_view *v, const struct host_thing *t)
{
    banger__v1__host_object__init(&v->m);
    v->m.kind = (char *)host_thing_kind(t);
    v->m.name = (char *)t->name;
    v->m.vm_id = (char *)t->vm_id;
    v->m.vm_name = (char *)t->vm_name;
    v->m.state = (Banger__V1__HostObjectState)t->state;
    v->m.since = t->since_ns ? view_time(&v->since, t->since_ns) : NULL;
    v->m.message = (char *)t->message;
    return &v->m;
}

/* An audit */

struct audit_call {
    struct rpc_call *call; /* counted */
    struct page page;
};

static void reply_page(struct audit_call *a, struct host_thing *const *things, size_t n)
{
    Banger__V1__AuditHostResponse response = BANGER__V1__AUDIT_HOST_RESPONSE__INIT;
    for (size_t i = 0; i < n; i++) {
        const char *id = things[i]->vm_id[0] ? things[i]->vm_id : "0";
        int64_t order = host_thing_order(things[i]);
        struct thing_view view;
        if (!page_is_after(&a->page, order, id))
            continue;
        if (page_is_cut(&a->page))
            break;
        page_add(&a->page, a->call, order, id, &view_thing(&view, things[i])->base);
    }
    response.next_page_token = a->page.next;
    banger_v1_host_service_audit_host_reply(a->call, &response);
}

static void audited(void *arg, struct host_thing *const *things, size_t n, const struct err *err)
{
    struct audit_call *a = arg;
    if (err)
        rpc_call_finish(a->call, err);
    else if (!rpc_call_is_over(a->call))
        reply_page(a, things, n);
    rpc_call_unref(a->call);
    free(a);
}

void host_service_audit(void *self, struct rpc_call *call,
                        const Banger__V1__AuditHostRequest *request)
{
    struct err err = ERR_INIT;
    struct page page;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    struct audit_call *a = malloc(sizeof(*a));
    if (!a) {
        service_out_of_memory(call);
        return;
    }
    *a = (struct audit_call){rpc_call_ref(call), page};
    if (host_audit_start(self, false, audited, a, &err) < 0)
        audited(a, NULL, 0, &err);
}

/* A collection */

static void reply_collected(struct rpc_call *call, struct host_thing *const *things, size_t n)
{
    auto_free struct thing_view *views = calloc(n + 1, sizeof(*views));
    auto_free Banger__V1__HostObject **removed = calloc(n + 1, sizeof(Banger__V1__HostObject *));
    auto_free Banger__V1__HostObject **left = calloc(n + 1, sizeof(Banger__V1__HostObject *));
    Banger__V1__CollectGarbageResponse response = BANGER__V1__COLLECT_GARBAGE_RESPONSE__INIT;
    if (!views || !removed || !left) {
        service_out_of_memory(call);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        Banger__V1__HostObject *view = view_thing(&views[i], things[i]);
        if (things[i]->removed)
            removed[response.n_removed++] = view;
        else if (things[i]->state != HOST_THING_OK && response.n_left < GARBAGE_AT_ONCE)
            left[response.n_left++] = view;
        else
            response.more |= things[i]->state != HOST_THING_OK;
    }
    response.removed = removed;
    response.left = left;
    banger_v1_host_service_collect_garbage_reply(call, &response);
}

static void collected(void *arg, struct host_thing *const *things, size_t n, const struct err *err)
{
    struct rpc_call *call = arg;
    if (err)
        rpc_call_finish(call, err);
    else if (!rpc_call_is_over(call))
        reply_collected(call, things, n);
    rpc_call_unref(call);
}

void host_service_collect_garbage(void *self, struct rpc_call *call,
                                  const Banger__V1__CollectGarbageRequest *request)
{
    struct err err = ERR_INIT;
    int64_t min_age_ms = GARBAGE_AGE_MS;
    if (request->_min_age_ms_case == BANGER__V1__COLLECT_GARBAGE_REQUEST___MIN_AGE_MS_MIN_AGE_MS)
        min_age_ms = request->min_age_ms < INT64_MAX ? (int64_t)request->min_age_ms : INT64_MAX;
    if (garbage_collect(self, request->dry_run, min_age_ms, collected, rpc_call_ref(call), &err) <
        0)
        collected(call, NULL, 0, &err);
}
