/* AuthService.ReadAuditLog: the log from the store, piece by piece at the pace of the client, and
 * what comes then where it follows. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/auth.server.rpc.h"
#include "base/err.h"
#include "daemon/core/access/audit.h"
#include "daemon/core/core.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"
#include "daemon/store/store.h"

struct audit_reader {
    struct core *core;
    struct rpc_call *call; /* counted */
    struct audit_watch watch;
    struct audit_page page; /* being read, or read last */
    size_t n_sent;          /* of its entries */
    uint64_t after_seq;     /* all up to it were read */
    bool follow, reading, closed;
};

static void reader_free(struct audit_reader *r)
{
    rpc_call_unref(r->call);
    free(r);
}

static int send_entry(struct audit_reader *r, const struct audit_entry *e)
{
    Banger__V1__AuditEntry m = BANGER__V1__AUDIT_ENTRY__INIT;
    Google__Protobuf__Timestamp time;
    m.seq = e->seq;
    m.time = view_time(&time, e->time_ns);
    m.principal = (char *)e->principal;
    m.role = (Banger__V1__Role)e->role;
    m.address = (char *)e->address;
    m.method = (char *)e->method;
    m.resource = (char *)e->resource;
    m.code = e->code;
    m.operation_id = (char *)e->operation_id;
    m.suppressed = e->suppressed;
    m.begun = e->begun;
    return banger_v1_auth_service_read_audit_log_send(r->call, &m);
}

static void page_read(void *arg, const struct err *err);

static void pump(void *arg)
{
    struct audit_reader *r = arg;
    if (r->reading || r->closed)
        return;
    while (r->n_sent < r->page.n) {
        if (!rpc_call_writable(r->call))
            return;
        if (send_entry(r, &r->page.entries[r->n_sent++]) < 0) {
            struct err err = ERR_INIT;
            err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
            rpc_call_finish(r->call, &err);
            return;
        }
    }
    if (r->after_seq < audit_last_seq(r->core)) {
        r->reading = true;
        r->page.after_seq = r->after_seq;
        audit_read(r->core, &r->page, page_read, r);
    } else if (!r->follow) {
        rpc_call_finish(r->call, NULL);
    }
}

static void page_read(void *arg, const struct err *err)
{
    struct audit_reader *r = arg;
    r->reading = false;
    r->n_sent = 0;
    if (r->closed) {
        reader_free(r);
        return;
    }
    if (err) {
        rpc_call_finish(r->call, err);
        return;
    }
    r->after_seq = r->page.through_seq;
    pump(r);
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
    struct audit_reader *r = arg;
    audit_unwatch(&r->watch);
    r->closed = true;
    if (!r->reading)
        reader_free(r);
}

void auth_service_read_audit_log(void *self, struct rpc_call *call,
                                 const Banger__V1__ReadAuditLogRequest *request)
{
    static const struct rpc_call_events events = {.writable = became_writable,
                                                  .closed = call_closed};
    struct err err = ERR_INIT;
    struct audit_reader *r = calloc(1, sizeof(*r));
    if (!r) {
        service_out_of_memory(call);
        return;
    }
    if (request_copy(r->page.principal, sizeof(r->page.principal), request->principal, "principal",
                     &err) < 0 ||
        request_copy(r->page.method, sizeof(r->page.method), request->method, "method", &err) < 0) {
        rpc_call_finish(call, &err);
        free(r);
        return;
    }
    r->core = self;
    r->call = rpc_call_ref(call);
    r->follow = request->follow;
    r->after_seq = request->after_seq;
    rpc_call_set_events(call, &events, r);
    if (r->follow)
        audit_watch(r->core, &r->watch, pump, r);
    pump(r);
}
