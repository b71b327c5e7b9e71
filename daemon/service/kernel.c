/* KernelService: what VMs boot. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/image.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_import.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__V1__GetKernelRequest *request)
{
    struct err err = ERR_INIT;
    const struct kernel *kernel = kernel_find(self, request->kernel, &err);
    if (!kernel) {
        rpc_call_finish(call, &err);
        return;
    }
    struct kernel_view view;
    kernel_view_fill(&view, kernel);
    banger_v1_kernel_service_get_kernel_reply(call, &view.kernel);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListKernelsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));) {
        if (!page_is_after(&page, k->created_ns, k->id))
            continue;
        if (page_is_cut(&page))
            break;
        struct kernel_view view;
        kernel_view_fill(&view, k);
        page_add(&page, call, k->created_ns, k->id, &view.kernel.base);
    }
    Banger__V1__ListKernelsResponse response = BANGER__V1__LIST_KERNELS_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_kernel_service_list_kernels_reply(call, &response);
}

static void handle_pull(void *self, struct rpc_call *call,
                        const Banger__V1__PullKernelRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    if (*request->package && strcmp(request->package, "linux-image-cloud-amd64") != 0) {
        err_set(&err, ERR_UNIMPLEMENTED, "only linux-image-cloud-amd64 can be pulled");
        rpc_call_finish(call, &err);
        return;
    }
    service_reply_operation(call, kernel_ask_pull(self, &meta, &err), &err);
}

static void handle_import(void *self, struct rpc_call *call,
                          const Banger__V1__ImportKernelRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    struct kernel_import_request import = {.kernel_path = request->kernel_path,
                                           .modules_path = request->modules_path,
                                           .initrd_path = request->initrd_path};
    service_reply_operation(call, kernel_ask_import(self, &import, &meta, &err), &err);
}

static void handle_delete(void *self, struct rpc_call *call,
                          const Banger__V1__DeleteKernelRequest *request)
{
    struct err err = ERR_INIT;
    if (kernel_delete(self, request->kernel, service_reply_empty, rpc_call_ref(call), &err) < 0) {
        rpc_call_finish(call, &err);
        rpc_call_unref(call);
    }
}

int kernel_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_kernel_service_handlers handlers = {
        .pull_kernel = handle_pull,
        .import_kernel = handle_import,
        .get_kernel = handle_get,
        .list_kernels = handle_list,
        .delete_kernel = handle_delete,
    };
    return banger_v1_kernel_service_register(server, &handlers, core, err);
}
