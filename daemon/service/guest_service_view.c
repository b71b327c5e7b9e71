/* A service of a VM as a message; see view.h. */
#include "daemon/service/view.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/service/strings.h"

int guest_service_view_fill(struct guest_service_view *view, const struct guest_service *s,
                            const char *vm_name, const struct guest_service_now *now)
{
    memset(view, 0, sizeof(*view));
    Banger__V1__GuestService *m = &view->service;
    Banger__V1__GuestServiceSpec *spec = &view->spec;
    banger__v1__guest_service__init(m);
    banger__v1__guest_service_spec__init(spec);
    m->id = (char *)s->id;
    m->vm_id = (char *)s->vm_id;
    if (vm_name)
        m->vm_name = (char *)vm_name;
    m->name = (char *)s->name;
    m->wanted = s->wanted;
    m->state = (Banger__V1__GuestServiceState)now->state;
    m->session_id = (char *)now->run;
    m->ready = now->ready;
    m->last_check = (char *)now->last_check;
    m->runs = s->course.runs;
    m->restarts = s->course.restarts;
    m->last_error = (char *)s->course.last_error;
    m->created = view_time(&view->created, s->created_ns);
    m->updated = view_time(&view->updated, s->updated_ns);
    spec->restart = (Banger__V1__ServiceRestart)s->policy.restart;
    spec->restarts_max = s->policy.restarts_max;
    spec->backoff_first_ms = s->policy.backoff_first_ms;
    spec->backoff_max_ms = s->policy.backoff_max_ms;
    spec->healthy_ms = s->policy.healthy_ms;
    const struct guest_service_readiness *r = &s->policy.readiness;
    size_t n_argv = strings_count(&r->argv);
    spec->n_after = strings_count(&s->policy.after);
    view->strings = calloc(spec->n_after + n_argv + 1, sizeof(*view->strings));
    if (!view->strings)
        return -1;
    strings_list(&s->policy.after, view->strings);
    spec->after = view->strings;
    if (n_argv > 0) {
        banger__v1__service_readiness__init(&view->readiness);
        view->readiness.n_argv = n_argv;
        view->readiness.argv = view->strings + spec->n_after;
        strings_list(&r->argv, view->readiness.argv);
        view->readiness.interval_ms = r->interval_ms;
        view->readiness.timeout_ms = r->timeout_ms;
        view->readiness.retries = r->retries;
        spec->readiness = &view->readiness;
    }
    spec->command = &view->command.spec;
    m->spec = spec;
    if (session_spec_view_fill(&view->command, &s->spec) == 0)
        return 0;
    guest_service_view_done(view);
    return -1;
}

void guest_service_view_done(struct guest_service_view *view)
{
    session_spec_view_done(&view->command);
    free(view->strings);
    view->strings = NULL;
}
