/* OperationService: look at, watch, wait for and cancel operations. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/operation.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/service/audit.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"
#include "daemon/store/store.h"

/* One call that waits on one operation: for its first row, for its end, or for every change. */
struct waiting {
    struct rpc_call *call;      /* counted */
    struct operation_entry *op; /* counted */
    struct operation_watch watch;
    enum { UNTIL_RECORDED, UNTIL_OVER, EVERY_CHANGE } until;
    struct operation sent; /* EVERY_CHANGE: what the client has seen last */
    bool sent_any;
};

static void waiting_end(struct waiting *w)
{
    operation_unwatch(&w->watch);
    rpc_call_set_events(w->call, NULL, NULL);
    operation_unref(w->op);
    operation_done(&w->sent);
    rpc_call_unref(w->call);
    free(w);
}

static void reply_view(struct rpc_call *call, const struct operation_entry *op)
{
    struct operation_view view;
    operation_view_fill(&view, operation_shown(op));
    rpc_call_reply(call, &view.operation.base);
}

static bool looks_the_same(const struct operation *a, const struct operation *b)
{
    return a->state == b->state && a->percent == b->percent && strcmp(a->stage, b->stage) == 0 &&
           strcmp(text_get(a->message), text_get(b->message)) == 0 &&
           a->cancel_asked == b->cancel_asked;
}

/* Changes that come faster than the client reads are left out, but never the last one: -1 when that
 * does not fit. */
static int send_change(struct waiting *w)
{
    const struct operation *shown = operation_shown(w->op);
    if (!operation_is_over(w->op) &&
        (!rpc_call_writable(w->call) || (w->sent_any && looks_the_same(&w->sent, shown))))
        return 0;
    struct operation_view view;
    operation_view_fill(&view, shown);
    operation_done(&w->sent);
    w->sent_any = operation_copy(&w->sent, shown) == 0; /* else it is sent again */
    return banger_v1_operation_service_watch_operation_send(w->call, &view.operation);
}

static void look(struct waiting *w)
{
    struct err err = ERR_INIT;
    if (w->until == EVERY_CHANGE && send_change(w) < 0)
        err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    bool ready =
        operation_is_over(w->op) || (w->until == UNTIL_RECORDED && operation_is_recorded(w->op));
    if (!ready)
        return;
    if (!operation_is_recorded(w->op))
        rpc_call_finish(w->call, operation_error(w->op));
    else if (w->until == EVERY_CHANGE)
        rpc_call_finish(w->call, &err);
    else
        reply_view(w->call, w->op);
    waiting_end(w);
}

static void changed(void *arg, struct operation_entry *op)
{
    (void)op;
    look(arg);
}

static void became_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    look(arg);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    waiting_end(arg);
}

static const struct rpc_call_events waiting_events = {
    .writable = became_writable,
    .closed = call_closed,
};

static void wait_for(struct rpc_call *call, struct operation_entry *op, int until)
{
    struct waiting *w = calloc(1, sizeof(*w));
    if (!w) {
        service_out_of_memory(call);
        return;
    }
    w->call = rpc_call_ref(call);
    w->op = operation_ref(op);
    w->until = until;
    rpc_call_set_events(call, &waiting_events, w);
    operation_watch(op, &w->watch, changed, w);
    look(w);
}

void service_reply_operation(struct rpc_call *call, struct operation_entry *op,
                             const struct err *err)
{
    if (!op) {
        rpc_call_finish(call, err);
        return;
    }
    audit_note_operation(call, op);
    wait_for(call, op, UNTIL_RECORDED);
}

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__V1__GetOperationRequest *request)
{
    struct operation_entry *op = request_find_operation(self, call, request->operation);
    if (op)
        reply_view(call, op);
}

static void handle_watch(void *self, struct rpc_call *call,
                         const Banger__V1__WatchOperationRequest *request)
{
    struct operation_entry *op = request_find_operation(self, call, request->operation);
    if (op)
        wait_for(call, op, EVERY_CHANGE);
}

static void handle_wait(void *self, struct rpc_call *call,
                        const Banger__V1__WaitOperationRequest *request)
{
    struct operation_entry *op = request_find_operation(self, call, request->operation);
    if (op)
        wait_for(call, op, UNTIL_OVER);
}

struct cancelling {
    struct core *core;
    struct rpc_call *call; /* referenced, as the operation */
    struct operation_entry *op;
};

/* Commits come in order: that it was asked for is on disk. */
static void cancel_written(void *arg, const struct err *err)
{
    struct cancelling *c = arg;
    if (err)
        rpc_call_finish(c->call, err);
    else if (c->core->operations)
        reply_view(c->call, c->op);
    operation_unref(c->op);
    rpc_call_unref(c->call);
    free(c);
}

static void handle_cancel(void *self, struct rpc_call *call,
                          const Banger__V1__CancelOperationRequest *request)
{
    struct operation_entry *op = request_find_operation(self, call, request->operation);
    if (!op)
        return;
    struct cancelling *c = malloc(sizeof(*c));
    if (!c) {
        service_out_of_memory(call);
        return;
    }
    *c = (struct cancelling){self, rpc_call_ref(call), operation_ref(op)};
    audit_note_operation(call, op);
    operation_cancel(op);
    store_commit(c->core->store, store_txn_new(), cancel_written, c);
}

/* Latest first: the page begins with what is older than the token's operation. */
static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListOperationsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    const struct labels *scope = request_scope(core, call);
    const char *principal = rpc_call_peer(call)->principal;
    size_t i = page_is_first(&page) ? operation_order_before(core, INT64_MAX, "")
                                    : operation_order_before(core, page.after_ns, page.after_id);
    while (i-- > 0) {
        const struct operation_entry *op = operation_at(core, i);
        if (!operation_is_recorded(op) || (request->active_only && operation_is_over(op)) ||
            !operation_is_within(op, scope, principal) ||
            (*request->resource && strcmp(request->resource, operation_row(op)->resource) != 0))
            continue;
        if (page_is_cut(&page))
            break;
        struct operation_view view;
        operation_view_fill(&view, operation_shown(op));
        page_add(&page, call, operation_row(op)->created_ns, operation_row(op)->id,
                 &view.operation.base);
    }
    Banger__V1__ListOperationsResponse response = BANGER__V1__LIST_OPERATIONS_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_operation_service_list_operations_reply(call, &response);
}

int operation_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_operation_service_handlers handlers = {
        .get_operation = handle_get,
        .list_operations = handle_list,
        .watch_operation = handle_watch,
        .wait_operation = handle_wait,
        .cancel_operation = handle_cancel,
    };
    return banger_v1_operation_service_register(server, &handlers, core, err);
}
