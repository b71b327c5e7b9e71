/* EventService: the event log, resumed after a sequence number. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/event.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/access/scope.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"
#include "rpc/event/loop.h"

enum {
    KINDS_MAX = 16,
    EVENTS_AT_ONCE = 16, /* then others have their turn: a watcher may look for what is not there */
};

/* A watcher takes from the log at its own pace: nothing is queued for a slow one but the cursor. */
struct watcher {
    struct core *core;
    struct rpc_call *call; /* counted */
    struct event_watch watch;
    struct timer go_on; /* with the next turn of the loop */
    char resource[96];
    char kinds[KINDS_MAX][48];
    size_t n_kinds;
};

struct event_view {
    Banger__V1__Event event;
    Google__Protobuf__Timestamp time;
};

static void event_view_fill(struct event_view *view, const struct event *e, const char *epoch)
{
    banger__v1__event__init(&view->event);
    view->event.epoch = (char *)epoch;
    view->event.seq = e->seq;
    view->event.time = view_time(&view->time, e->time_ns);
    view->event.kind = (char *)e->kind;
    view->event.resource = (char *)e->resource;
    view->event.detail = (char *)e->detail;
    view->event.operation_id = (char *)e->operation_id;
}

static bool is_wanted(const struct watcher *w, const struct event *e)
{
    if (!scope_has_event(w->core, request_scope(w->core, w->call), e))
        return false;
    if (*w->resource && strcmp(w->resource, e->resource) != 0)
        return false;
    for (size_t i = 0; i < w->n_kinds; i++)
        if (strcmp(w->kinds[i], e->kind) == 0)
            return true;
    return w->n_kinds == 0;
}

static void send_event(struct watcher *w, const struct event *e)
{
    struct event_view view;
    event_view_fill(&view, e, event_epoch(w->core));
    Banger__V1__WatchEventsResponse response = BANGER__V1__WATCH_EVENTS_RESPONSE__INIT;
    response.kind_case = BANGER__V1__WATCH_EVENTS_RESPONSE__KIND_EVENT;
    response.event = &view.event;
    banger_v1_event_service_watch_events_send(w->call, &response);
}

static void send_gap(struct watcher *w, uint64_t from, uint64_t to)
{
    Banger__V1__EventGap gap = BANGER__V1__EVENT_GAP__INIT;
    gap.epoch = (char *)event_epoch(w->core);
    gap.from = from;
    gap.to = to;
    Banger__V1__WatchEventsResponse response = BANGER__V1__WATCH_EVENTS_RESPONSE__INIT;
    response.kind_case = BANGER__V1__WATCH_EVENTS_RESPONSE__KIND_GAP;
    response.gap = &gap;
    banger_v1_event_service_watch_events_send(w->call, &response);
}

static void pump(void *arg)
{
    struct watcher *w = arg;
    int n = 0;
    while (!rpc_call_is_over(w->call) && rpc_call_writable(w->call)) {
        if (n++ == EVENTS_AT_ONCE) {
            timer_start(&w->go_on, 0);
            return;
        }
        struct event e;
        uint64_t from, to;
        enum event_next next = event_watch_next(&w->watch, &e, &from, &to);
        if (next == EVENT_NEXT_NONE)
            return;
        if (next == EVENT_NEXT_GAP)
            send_gap(w, from, to);
        else if (is_wanted(w, &e))
            send_event(w, &e);
    }
}

static void became_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    pump(arg);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct watcher *w = arg;
    event_watch_close(&w->watch);
    timer_done(&w->go_on);
    rpc_call_unref(w->call);
    free(w);
}

static const struct rpc_call_events watcher_events = {
    .writable = became_writable,
    .closed = call_closed,
};

static int watcher_filter(struct watcher *w, const Banger__V1__WatchEventsRequest *request,
                          struct err *err)
{
    if (strlen(request->resource) >= sizeof(w->resource))
        return err_set(err, ERR_INVALID, "resource is too long");
    strcpy(w->resource, request->resource);
    if (request->n_kinds > KINDS_MAX)
        return err_set(err, ERR_INVALID, "%zu kinds, at most %d are allowed", request->n_kinds,
                       KINDS_MAX);
    for (size_t i = 0; i < request->n_kinds; i++) {
        if (strlen(request->kinds[i]) >= sizeof(w->kinds[0]))
            return err_set(err, ERR_INVALID, "kind \"%.60s…\" is too long", request->kinds[i]);
        strcpy(w->kinds[w->n_kinds++], request->kinds[i]);
    }
    return 0;
}

static void handle_watch(void *self, struct rpc_call *call,
                         const Banger__V1__WatchEventsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct watcher *w = calloc(1, sizeof(*w));
    if (!w || timer_init(&w->go_on, core->loop, pump, w) < 0)
        err_set(&err, ERR_LIMIT, "out of memory");
    if (err.code != ERR_NONE || watcher_filter(w, request, &err) < 0) {
        if (w)
            timer_done(&w->go_on);
        free(w);
        rpc_call_finish(call, &err);
        return;
    }
    w->core = core;
    w->call = rpc_call_ref(call);
    rpc_call_set_events(call, &watcher_events, w);
    event_watch_open(w->core, &w->watch, request->epoch, request->after_seq, pump, w);
    pump(w);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListEventsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    size_t max;
    if (page_size(&max, request->page_size, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    auto_free struct event *events = calloc(max, sizeof(*events));
    auto_free struct event_view *views = calloc(max, sizeof(*views));
    auto_free Banger__V1__Event **list = calloc(max, sizeof(*list));
    if (!events || !views || !list) {
        service_out_of_memory(call);
        return;
    }
    const struct labels *scope = request_scope(core, call);
    size_t n = 0;
    uint64_t first = event_first_seq(core), last = event_last_seq(core);
    if (request->after_seq >= last)
        first = last + 1;
    else if (request->after_seq >= first)
        first = request->after_seq + 1;
    for (uint64_t seq = first; seq <= last && n < max; seq++) {
        if (!event_load(core, seq, &events[n]) || !scope_has_event(core, scope, &events[n]))
            continue;
        if (*request->resource && strcmp(request->resource, events[n].resource) != 0)
            continue;
        event_view_fill(&views[n], &events[n], event_epoch(core));
        list[n] = &views[n].event;
        n++;
    }
    Banger__V1__ListEventsResponse response = BANGER__V1__LIST_EVENTS_RESPONSE__INIT;
    response.n_events = n;
    response.events = list;
    response.epoch = (char *)event_epoch(core);
    response.last_seq = last;
    banger_v1_event_service_list_events_reply(call, &response);
}

int event_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_event_service_handlers handlers = {
        .watch_events = handle_watch,
        .list_events = handle_list,
    };
    return banger_v1_event_service_register(server, &handlers, core, err);
}
