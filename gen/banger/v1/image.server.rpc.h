/* Written by protoc-gen-banger-rpc from banger/v1/image.proto; do not edit. */
#ifndef BANGER_V1_IMAGE_SERVER_RPC_H
#define BANGER_V1_IMAGE_SERVER_RPC_H

#include "banger/v1/image.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* ImageService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_image_service_handlers {
    void (*build_image)(void *self, struct rpc_call *call,
        const Banger__V1__BuildImageRequest *request);
    void (*pull_image)(void *self, struct rpc_call *call,
        const Banger__V1__PullImageRequest *request);
    void (*import_image)(void *self, struct rpc_call *call,
        const Banger__V1__ImportImageRequest *request);
    void (*promote_vm)(void *self, struct rpc_call *call,
        const Banger__V1__PromoteVMRequest *request);
    void (*tag_image)(void *self, struct rpc_call *call,
        const Banger__V1__TagImageRequest *request);
    void (*get_image)(void *self, struct rpc_call *call,
        const Banger__V1__GetImageRequest *request);
    void (*list_images)(void *self, struct rpc_call *call,
        const Banger__V1__ListImagesRequest *request);
    void (*delete_image)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteImageRequest *request);
    void (*prune_images)(void *self, struct rpc_call *call,
        const Banger__V1__PruneImagesRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_image_service_register(
    struct rpc_server *server, const struct banger_v1_image_service_handlers *handlers,
    void *self, struct err *err);

/* BuildImage */
static inline void
banger_v1_image_service_build_image_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* PullImage */
static inline void
banger_v1_image_service_pull_image_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ImportImage */
static inline void
banger_v1_image_service_import_image_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* PromoteVM */
static inline void
banger_v1_image_service_promote_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* TagImage */
static inline void
banger_v1_image_service_tag_image_reply(
    struct rpc_call *call, const Banger__V1__Image *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetImage */
static inline void
banger_v1_image_service_get_image_reply(
    struct rpc_call *call, const Banger__V1__Image *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListImages */
static inline void
banger_v1_image_service_list_images_reply(
    struct rpc_call *call, const Banger__V1__ListImagesResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteImage */
static inline void
banger_v1_image_service_delete_image_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* PruneImages */
static inline void
banger_v1_image_service_prune_images_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* KernelService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_kernel_service_handlers {
    void (*pull_kernel)(void *self, struct rpc_call *call,
        const Banger__V1__PullKernelRequest *request);
    void (*import_kernel)(void *self, struct rpc_call *call,
        const Banger__V1__ImportKernelRequest *request);
    void (*get_kernel)(void *self, struct rpc_call *call,
        const Banger__V1__GetKernelRequest *request);
    void (*list_kernels)(void *self, struct rpc_call *call,
        const Banger__V1__ListKernelsRequest *request);
    void (*delete_kernel)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteKernelRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_kernel_service_register(
    struct rpc_server *server, const struct banger_v1_kernel_service_handlers *handlers,
    void *self, struct err *err);

/* PullKernel */
static inline void
banger_v1_kernel_service_pull_kernel_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ImportKernel */
static inline void
banger_v1_kernel_service_import_kernel_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetKernel */
static inline void
banger_v1_kernel_service_get_kernel_reply(
    struct rpc_call *call, const Banger__V1__Kernel *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListKernels */
static inline void
banger_v1_kernel_service_list_kernels_reply(
    struct rpc_call *call, const Banger__V1__ListKernelsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteKernel */
static inline void
banger_v1_kernel_service_delete_kernel_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
