/* Load reports; see load_report.h. Kept packed, so that nobody owns a tree of messages. */
#include "tests/interop/grpc/load_report.h"

#include <stdlib.h>

#include "base/err.h"
#include "orca.server.rpc.h"
#include "rpc/event/loop.h"

enum { ENTRIES_MAX = 8, REPORT_BYTES_MAX = 1024, INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 10000 };

typedef Xds__Data__Orca__V3__OrcaLoadReport report_t;
typedef Xds__Data__Orca__V3__OrcaLoadReport__RequestCostEntry cost_t;
typedef Xds__Data__Orca__V3__OrcaLoadReport__UtilizationEntry utilization_t;

/* packed; 0 where it is too large. */
static size_t report_pack(const Grpc__Testing__TestOrcaReport *from, uint8_t out[REPORT_BYTES_MAX])
{
    report_t report = XDS__DATA__ORCA__V3__ORCA_LOAD_REPORT__INIT;
    cost_t costs[ENTRIES_MAX], *cost_at[ENTRIES_MAX];
    utilization_t utilizations[ENTRIES_MAX], *utilization_at[ENTRIES_MAX];
    report.cpu_utilization = from->cpu_utilization;
    report.mem_utilization = from->memory_utilization;
    report.request_cost = cost_at;
    report.utilization = utilization_at;
    for (; report.n_request_cost < from->n_request_cost && report.n_request_cost < ENTRIES_MAX;
         report.n_request_cost++) {
        size_t i = report.n_request_cost;
        xds__data__orca__v3__orca_load_report__request_cost_entry__init(&costs[i]);
        costs[i].key = from->request_cost[i]->key;
        costs[i].value = from->request_cost[i]->value;
        cost_at[i] = &costs[i];
    }
    for (; report.n_utilization < from->n_utilization && report.n_utilization < ENTRIES_MAX;
         report.n_utilization++) {
        size_t i = report.n_utilization;
        xds__data__orca__v3__orca_load_report__utilization_entry__init(&utilizations[i]);
        utilizations[i].key = from->utilization[i]->key;
        utilizations[i].value = from->utilization[i]->value;
        utilization_at[i] = &utilizations[i];
    }
    if (xds__data__orca__v3__orca_load_report__get_packed_size(&report) > REPORT_BYTES_MAX)
        return 0;
    return xds__data__orca__v3__orca_load_report__pack(&report, out);
}

void load_report_to_trailers(struct rpc_call *call, const Grpc__Testing__TestOrcaReport *report)
{
    uint8_t packed[REPORT_BYTES_MAX];
    size_t len = report_pack(report, packed);
    const struct rpc_metadata trailer = {"endpoint-load-metrics-bin", (const char *)packed, len};
    (void)rpc_call_add_trailers(call, &trailer, 1, NULL);
}

static uint8_t current[REPORT_BYTES_MAX];
static size_t current_len;

void load_report_set(const Grpc__Testing__TestOrcaReport *report)
{
    current_len = report_pack(report, current);
}

/* A client that listens: told at once, then at each interval. */
struct listener {
    struct rpc_call *call; /* lives as long as this */
    struct timer timer;
    int64_t interval_ms;
};

static void listener_tell(void *arg)
{
    struct listener *l = arg;
    report_t *report = xds__data__orca__v3__orca_load_report__unpack(NULL, current_len, current);
    if (report && rpc_call_writable(l->call))
        (void)xds_service_orca_v3_open_rca_service_stream_core_metrics_send(l->call, report);
    xds__data__orca__v3__orca_load_report__free_unpacked(report, NULL);
    timer_start(&l->timer, l->interval_ms);
}

static void listener_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct listener *l = arg;
    timer_done(&l->timer);
    free(l);
}

static const struct rpc_call_events listener_events = {.closed = listener_closed};

static void stream_core_metrics(void *self, struct rpc_call *call,
                                const Xds__Service__Orca__V3__OrcaLoadReportRequest *request)
{
    struct listener *l = calloc(1, sizeof(*l));
    if (!l || timer_init(&l->timer, self, listener_tell, l) < 0) {
        struct err err;
        free(l);
        err_set(&err, ERR_LIMIT, "out of memory");
        rpc_call_finish(call, &err);
        return;
    }
    const Google__Protobuf__Duration *d = request->report_interval;
    int64_t s = d && d->seconds > 0 && d->seconds < 10 ? d->seconds : 0;
    l->interval_ms = s * 1000 + (d && d->nanos > 0 ? d->nanos / 1000000 : 0);
    if (l->interval_ms < INTERVAL_MIN_MS || l->interval_ms > INTERVAL_MAX_MS)
        l->interval_ms = INTERVAL_MIN_MS;
    l->call = call;
    rpc_call_set_events(call, &listener_events, l);
    listener_tell(l);
}

int load_report_register(struct rpc_server *server, struct loop *loop, struct err *err)
{
    static const struct xds_service_orca_v3_open_rca_service_handlers handlers = {
        .stream_core_metrics = stream_core_metrics,
    };
    return xds_service_orca_v3_open_rca_service_register(server, &handlers, loop, err);
}
