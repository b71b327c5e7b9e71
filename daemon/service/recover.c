/* HostService: what the database does not list, and what becomes of it. */
#include "daemon/service/service.h"

#include <stdlib.h>

#include "banger/v1/host.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/supervise/recover.h"
#include "rpc/event/server.h"

enum { ONLY_MAX = 1000 };

static void recovered(void *arg, const struct recover_item *items, size_t n, const struct err *err)
{
    struct rpc_call *call = arg;
    auto_free Banger__V1__Unlisted *views = calloc(n + 1, sizeof(*views));
    auto_free Banger__V1__Unlisted **list = calloc(n + 1, sizeof(Banger__V1__Unlisted *));
    if (err) {
        rpc_call_finish(call, err);
    } else if (!views || !list) {
        service_out_of_memory(call);
    } else {
        for (size_t i = 0; i < n; i++) {
            banger__v1__unlisted__init(&views[i]);
            views[i].resource = (char *)items[i].resource;
            views[i].name = (char *)items[i].name;
            views[i].folder = (char *)items[i].folder;
            views[i].running = items[i].running;
            views[i].recoverable = items[i].recoverable;
            views[i].outcome = (Banger__V1__RecoverOutcome)items[i].outcome;
            views[i].message = (char *)items[i].message;
            list[i] = &views[i];
        }
        Banger__V1__RecoverHostResponse response = BANGER__V1__RECOVER_HOST_RESPONSE__INIT;
        response.n_items = n;
        response.items = list;
        banger_v1_host_service_recover_host_reply(call, &response);
    }
    rpc_call_unref(call);
}

void host_service_recover(void *self, struct rpc_call *call,
                          const Banger__V1__RecoverHostRequest *request)
{
    struct err err = ERR_INIT;
    struct recover_request ask = {.only = (const char *const *)request->only,
                                  .n_only = request->n_only,
                                  .discard = request->discard,
                                  .dry_run = request->dry_run};
    if (request->n_only > ONLY_MAX) {
        err_set(&err, ERR_INVALID, "%zu things are named, at most %d can be", request->n_only,
                ONLY_MAX);
        rpc_call_finish(call, &err);
    } else if (recover_start(self, &ask, recovered, rpc_call_ref(call), &err) < 0) {
        rpc_call_finish(call, &err);
        rpc_call_unref(call);
    }
}
