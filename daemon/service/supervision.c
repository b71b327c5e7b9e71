/* SupervisionService: services of VMs, as daemon/core/supervise/guest_service.h has them. */
#include <stdlib.h>
#include <string.h>

#include "banger/v1/guest_service.server.rpc.h"
#include "base/err.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/guest_service.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/guest_session.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/strings.h"
#include "daemon/service/view.h"

enum {
    HOUR_MS = 3600 * 1000,
    DAY_MS = 24 * HOUR_MS,
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    HEALTHY_MS = 60000,
    AFTER_MAX = 16,
    INTERVAL_MIN_MS = 100,
    INTERVAL_MS = 1000,
    CHECK_TIMEOUT_MS = 5000,
    RETRIES = 3,
    RETRIES_MAX = 1000,
};

/* Message -> model */

static int fill_time(uint64_t *to, uint64_t from, uint64_t usual, uint64_t most, const char *name,
                     struct err *err)
{
    if (from > most)
        return err_set(err, ERR_INVALID, "%s must be %llu at most", name, (unsigned long long)most);
    *to = from ? from : usual;
    return 0;
}

static int fill_readiness(struct guest_service_readiness *r, const Banger__V1__ServiceReadiness *m,
                          struct err *err)
{
    if (!m)
        return 0;
    if (m->n_argv == 0 || !*m->argv[0])
        return err_set(err, ERR_INVALID, "readiness.argv needs at least the name of a program");
    if (m->n_argv > READINESS_ARGS_MAX)
        return err_set(err, ERR_INVALID, "readiness.argv has %zu strings, at most %d are allowed",
                       m->n_argv, READINESS_ARGS_MAX);
    if (m->interval_ms > HOUR_MS || (m->interval_ms > 0 && m->interval_ms < INTERVAL_MIN_MS) ||
        m->timeout_ms > HOUR_MS)
        return err_set(err, ERR_INVALID,
                       "readiness: intervals are 100 ms to an hour, timeouts an hour");
    if (m->retries > RETRIES_MAX)
        return err_set(err, ERR_INVALID, "readiness.retries must be %d at most", RETRIES_MAX);
    r->interval_ms = m->interval_ms ? m->interval_ms : INTERVAL_MS;
    r->timeout_ms = m->timeout_ms ? m->timeout_ms : CHECK_TIMEOUT_MS;
    r->retries = m->retries ? m->retries : RETRIES;
    return strings_join(&r->argv, m->argv, m->n_argv, READINESS_BYTES, "readiness.argv", err);
}

static int fill_policy(struct guest_service_policy *p, const Banger__V1__GuestServiceSpec *spec,
                       struct err *err)
{
    if ((unsigned)spec->restart > BANGER__V1__SERVICE_RESTART__SERVICE_RESTART_ALWAYS)
        return err_set(err, ERR_INVALID, "restart %d is not known", (int)spec->restart);
    if (spec->n_after > AFTER_MAX)
        return err_set(err, ERR_INVALID, "after has %zu names, at most %d are allowed",
                       spec->n_after, AFTER_MAX);
    p->restart = spec->restart ? (enum restart_policy)spec->restart : RESTART_ON_FAILURE;
    p->restarts_max = spec->restarts_max;
    if (fill_time(&p->backoff_first_ms, spec->backoff_first_ms, BACKOFF_FIRST_MS, HOUR_MS,
                  "backoff_first_ms", err) < 0 ||
        fill_time(&p->backoff_max_ms, spec->backoff_max_ms, BACKOFF_MAX_MS, DAY_MS,
                  "backoff_max_ms", err) < 0 ||
        fill_time(&p->healthy_ms, spec->healthy_ms, HEALTHY_MS, DAY_MS, "healthy_ms", err) < 0 ||
        fill_readiness(&p->readiness, spec->readiness, err) < 0)
        return -1;
    return strings_join(&p->after, spec->after, spec->n_after, SERVICE_AFTER_BYTES, "after", err);
}

/* What nobody is there for. */
static int check_command(const struct session_spec *s, struct err *err)
{
    if (s->stdin_mode != SESSION_STDIN_NONE || s->tty)
        return err_set(err, ERR_INVALID, "a service has no stdin and no terminal");
    if (s->output_policy == OUTPUT_HOLD || s->output_policy == OUTPUT_HOLD_DROP_TAKEN)
        return err_set(err, ERR_INVALID, "a service has no one who holds its output");
    if (s->delete_ended_ms > 0)
        return err_set(err, ERR_INVALID, "ended runs of a service are kept, a few of them");
    return 0;
}

/* Zeroed before. */
static int fill_spec(struct guest_service *s, const Banger__V1__GuestServiceSpec *spec,
                     struct err *err)
{
    if (!spec)
        return err_set(err, ERR_INVALID, "spec is missing");
    if (session_service_fill_spec(&s->spec, spec->command, err) == 0 &&
        check_command(&s->spec, err) == 0)
        return fill_policy(&s->policy, spec, err);
    return -1;
}

static int fill_service(struct guest_service *s, const Banger__V1__CreateServiceRequest *request,
                        struct err *err)
{
    memset(s, 0, sizeof(*s));
    s->wanted = !request->stopped;
    if (request_copy(s->name, sizeof(s->name), request->name, "name", err) < 0)
        return -1;
    return fill_spec(s, request->spec, err);
}

/* Calls */

static struct guest_service_entry *find(struct core *core, struct rpc_call *call, const char *vm,
                                        const char *service)
{
    struct err err = ERR_INIT;
    struct vm_entry *of = request_find_vm(core, call, vm);
    struct guest_service_entry *e = of ? guest_service_find(core, of, service, &err) : NULL;
    if (of && !e)
        rpc_call_finish(call, &err);
    return e;
}

static int view_of(struct guest_service_view *view, struct rpc_call *call, struct core *core,
                   const struct guest_service_entry *e)
{
    const struct guest_service *s = guest_service_shown(e);
    const struct vm_entry *vm = vm_find_id(core, s->vm_id);
    const struct vm *shown = vm ? vm_shown(vm) : NULL;
    struct guest_service_now now = {.state = guest_service_state(e),
                                    .run = guest_service_run(e),
                                    .ready = guest_service_is_ready(e),
                                    .last_check = guest_service_not_ready(e)};
    if (guest_service_view_fill(view, s, shown ? shown->name : NULL, &now) == 0)
        return 0;
    service_out_of_memory(call);
    return -1;
}

static void reply(struct rpc_call *call, struct core *core, const struct guest_service_entry *e)
{
    struct guest_service_view view;
    if (view_of(&view, call, core, e) < 0)
        return;
    rpc_call_reply(call, &view.service.base);
    guest_service_view_done(&view);
}

struct change_wait {
    struct core *core;
    struct rpc_call *call; /* counted */
};

static void changed(void *arg, struct guest_service_entry *e, const struct err *err)
{
    struct change_wait *w = arg;
    if (err)
        rpc_call_finish(w->call, err);
    else
        reply(w->call, w->core, e);
    rpc_call_unref(w->call);
    free(w);
}

static struct change_wait *wait_new(struct core *core, struct rpc_call *call)
{
    struct change_wait *w = malloc(sizeof(*w));
    if (w)
        *w = (struct change_wait){core, rpc_call_ref(call)};
    else
        service_out_of_memory(call);
    return w;
}

static void handle_create(void *self, struct rpc_call *call,
                          const Banger__V1__CreateServiceRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct guest_service_entry *made;
    if (request_meta_fill(&meta, core, call, &request->base, request->request_id, &err) < 0 ||
        guest_service_find_request(core, &meta, &made, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    if (made) {
        reply(call, core, made);
        return;
    }
    struct guest_service wanted;
    struct vm_entry *vm = request_find_vm(core, call, request->vm);
    struct change_wait *w = vm ? wait_new(core, call) : NULL;
    if (!w)
        return;
    if (fill_service(&wanted, request, &err) < 0 ||
        guest_service_create(core, vm, &wanted, &meta, changed, w, &err) < 0)
        changed(w, NULL, &err);
    guest_service_done(&wanted);
}

static void handle_update(void *self, struct rpc_call *call,
                          const Banger__V1__UpdateServiceRequest *request)
{
    struct err err = ERR_INIT;
    struct guest_service wanted = {.id = ""};
    struct guest_service_entry *e = find(self, call, request->vm, request->service);
    struct change_wait *w = e ? wait_new(self, call) : NULL;
    if (!w)
        return;
    if (fill_spec(&wanted, request->spec, &err) < 0 ||
        guest_service_update(e, &wanted, request->restart, changed, w, &err) < 0)
        changed(w, NULL, &err);
    guest_service_done(&wanted);
}

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__V1__GetServiceRequest *request)
{
    struct guest_service_entry *e = find(self, call, request->vm, request->service);
    if (e)
        reply(call, self, e);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListServicesRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    const struct labels *scope = request_scope(core, call);
    struct vm_entry *vm = NULL;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0 ||
        (*request->vm && !(vm = vm_find_within(core, scope, request->vm, &err)))) {
        rpc_call_finish(call, &err);
        return;
    }
    for (struct guest_service_entry *e = NULL; (e = guest_service_next(core, vm, e));) {
        const struct guest_service *s = guest_service_shown(e);
        struct guest_service_view view;
        if (!page_is_after(&page, s->created_ns, s->id) || !scope_has_vm_id(core, scope, s->vm_id))
            continue;
        if (page_is_cut(&page))
            break;
        if (view_of(&view, call, core, e) < 0)
            return;
        page_add(&page, call, s->created_ns, s->id, &view.service.base);
        guest_service_view_done(&view);
    }
    Banger__V1__ListServicesResponse response = BANGER__V1__LIST_SERVICES_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_supervision_service_list_services_reply(call, &response);
}

static void want(struct core *core, struct rpc_call *call, const char *vm, const char *service,
                 bool wanted)
{
    struct err err = ERR_INIT;
    struct guest_service_entry *e = find(core, call, vm, service);
    struct change_wait *w = e ? wait_new(core, call) : NULL;
    if (w && guest_service_want(e, wanted, changed, w, &err) < 0)
        changed(w, NULL, &err);
}

static void handle_start(void *self, struct rpc_call *call,
                         const Banger__V1__StartServiceRequest *request)
{
    want(self, call, request->vm, request->service, true);
}

static void handle_stop(void *self, struct rpc_call *call,
                        const Banger__V1__StopServiceRequest *request)
{
    want(self, call, request->vm, request->service, false);
}

static void deleted(void *arg, struct guest_service_entry *e, const struct err *err)
{
    (void)e;
    service_reply_empty(arg, err);
}

static void handle_delete(void *self, struct rpc_call *call,
                          const Banger__V1__DeleteServiceRequest *request)
{
    struct err err = ERR_INIT;
    struct guest_service_entry *e = find(self, call, request->vm, request->service);
    if (e && guest_service_delete(e, request->force, deleted, rpc_call_ref(call), &err) < 0)
        service_reply_empty(call, &err);
}

int supervision_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_supervision_service_handlers handlers = {
        .create_service = handle_create,
        .update_service = handle_update,
        .get_service = handle_get,
        .list_services = handle_list,
        .start_service = handle_start,
        .stop_service = handle_stop,
        .delete_service = handle_delete,
    };
    return banger_v1_supervision_service_register(server, &handlers, core, err);
}
