/* Written by protoc-gen-banger-rpc from banger/v1/image.proto; do not edit. */
#include "banger/v1/image.rpc.h"
#include "banger/v1/image.server.rpc.h"

/* ImageService */

static bool
banger_v1_image_service_build_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->build_image)
        return false;
    h->build_image(self, call, (const Banger__V1__BuildImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_pull_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->pull_image)
        return false;
    h->pull_image(self, call, (const Banger__V1__PullImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_import_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->import_image)
        return false;
    h->import_image(self, call, (const Banger__V1__ImportImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_promote_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->promote_vm)
        return false;
    h->promote_vm(self, call, (const Banger__V1__PromoteVMRequest *)request);
    return true;
}

static bool
banger_v1_image_service_tag_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->tag_image)
        return false;
    h->tag_image(self, call, (const Banger__V1__TagImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_get_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->get_image)
        return false;
    h->get_image(self, call, (const Banger__V1__GetImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_list_images_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->list_images)
        return false;
    h->list_images(self, call, (const Banger__V1__ListImagesRequest *)request);
    return true;
}

static bool
banger_v1_image_service_delete_image_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->delete_image)
        return false;
    h->delete_image(self, call, (const Banger__V1__DeleteImageRequest *)request);
    return true;
}

static bool
banger_v1_image_service_prune_images_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_image_service_handlers *h = handlers;
    if (!h->prune_images)
        return false;
    h->prune_images(self, call, (const Banger__V1__PruneImagesRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_image_service_methods[] = {
    [BANGER_V1_IMAGE_SERVICE_BUILD_IMAGE] = {
        .name = "BuildImage",
        .path = "/banger.v1.ImageService/BuildImage",
        .request = &banger__v1__build_image_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_image_service_build_image_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "image",
        .summary = "Builds a root filesystem from a distribution's packages, published atomically with its digest",
    },
    [BANGER_V1_IMAGE_SERVICE_PULL_IMAGE] = {
        .name = "PullImage",
        .path = "/banger.v1.ImageService/PullImage",
        .request = &banger__v1__pull_image_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_image_service_pull_image_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "image",
        .summary = "Makes an image of one in a registry of container images",
    },
    [BANGER_V1_IMAGE_SERVICE_IMPORT_IMAGE] = {
        .name = "ImportImage",
        .path = "/banger.v1.ImageService/ImportImage",
        .request = &banger__v1__import_image_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_image_service_import_image_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "image",
        .summary = "Makes an image of a file on the host",
    },
    [BANGER_V1_IMAGE_SERVICE_PROMOTE_VM] = {
        .name = "PromoteVM",
        .path = "/banger.v1.ImageService/PromoteVM",
        .request = &banger__v1__promote_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_image_service_promote_vm_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "image",
        .summary = "A stopped VM's system disk becomes an image",
    },
    [BANGER_V1_IMAGE_SERVICE_TAG_IMAGE] = {
        .name = "TagImage",
        .path = "/banger.v1.ImageService/TagImage",
        .request = &banger__v1__tag_image_request__descriptor,
        .response = &banger__v1__image__descriptor,
        .dispatch = banger_v1_image_service_tag_image_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "image",
        .summary = "Answers when the name is on disk",
    },
    [BANGER_V1_IMAGE_SERVICE_GET_IMAGE] = {
        .name = "GetImage",
        .path = "/banger.v1.ImageService/GetImage",
        .request = &banger__v1__get_image_request__descriptor,
        .response = &banger__v1__image__descriptor,
        .dispatch = banger_v1_image_service_get_image_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "image",
        .summary = "An image by reference",
    },
    [BANGER_V1_IMAGE_SERVICE_LIST_IMAGES] = {
        .name = "ListImages",
        .path = "/banger.v1.ImageService/ListImages",
        .request = &banger__v1__list_images_request__descriptor,
        .response = &banger__v1__list_images_response__descriptor,
        .dispatch = banger_v1_image_service_list_images_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "image",
        .summary = "Images, page by page",
    },
    [BANGER_V1_IMAGE_SERVICE_DELETE_IMAGE] = {
        .name = "DeleteImage",
        .path = "/banger.v1.ImageService/DeleteImage",
        .request = &banger__v1__delete_image_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_image_service_delete_image_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "image",
        .summary = "Removes an image",
    },
    [BANGER_V1_IMAGE_SERVICE_PRUNE_IMAGES] = {
        .name = "PruneImages",
        .path = "/banger.v1.ImageService/PruneImages",
        .request = &banger__v1__prune_images_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_image_service_prune_images_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "image",
        .summary = "Removes images that no VM uses, and caches of builds and pulls",
    },
};

const struct rpc_service banger_v1_image_service = {
    .name = "banger.v1.ImageService",
    .methods = banger_v1_image_service_methods,
    .n_methods = BANGER_V1_IMAGE_SERVICE_METHODS,
};

/* KernelService */

static bool
banger_v1_kernel_service_pull_kernel_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_kernel_service_handlers *h = handlers;
    if (!h->pull_kernel)
        return false;
    h->pull_kernel(self, call, (const Banger__V1__PullKernelRequest *)request);
    return true;
}

static bool
banger_v1_kernel_service_import_kernel_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_kernel_service_handlers *h = handlers;
    if (!h->import_kernel)
        return false;
    h->import_kernel(self, call, (const Banger__V1__ImportKernelRequest *)request);
    return true;
}

static bool
banger_v1_kernel_service_get_kernel_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_kernel_service_handlers *h = handlers;
    if (!h->get_kernel)
        return false;
    h->get_kernel(self, call, (const Banger__V1__GetKernelRequest *)request);
    return true;
}

static bool
banger_v1_kernel_service_list_kernels_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_kernel_service_handlers *h = handlers;
    if (!h->list_kernels)
        return false;
    h->list_kernels(self, call, (const Banger__V1__ListKernelsRequest *)request);
    return true;
}

static bool
banger_v1_kernel_service_delete_kernel_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_kernel_service_handlers *h = handlers;
    if (!h->delete_kernel)
        return false;
    h->delete_kernel(self, call, (const Banger__V1__DeleteKernelRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_kernel_service_methods[] = {
    [BANGER_V1_KERNEL_SERVICE_PULL_KERNEL] = {
        .name = "PullKernel",
        .path = "/banger.v1.KernelService/PullKernel",
        .request = &banger__v1__pull_kernel_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_kernel_service_pull_kernel_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "kernel",
        .summary = "Fetches the distribution's kernel package and takes kernel and modules out of it",
    },
    [BANGER_V1_KERNEL_SERVICE_IMPORT_KERNEL] = {
        .name = "ImportKernel",
        .path = "/banger.v1.KernelService/ImportKernel",
        .request = &banger__v1__import_kernel_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_kernel_service_import_kernel_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "kernel",
        .summary = "Makes a kernel of files on the host",
    },
    [BANGER_V1_KERNEL_SERVICE_GET_KERNEL] = {
        .name = "GetKernel",
        .path = "/banger.v1.KernelService/GetKernel",
        .request = &banger__v1__get_kernel_request__descriptor,
        .response = &banger__v1__kernel__descriptor,
        .dispatch = banger_v1_kernel_service_get_kernel_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "kernel",
        .summary = "A kernel by reference",
    },
    [BANGER_V1_KERNEL_SERVICE_LIST_KERNELS] = {
        .name = "ListKernels",
        .path = "/banger.v1.KernelService/ListKernels",
        .request = &banger__v1__list_kernels_request__descriptor,
        .response = &banger__v1__list_kernels_response__descriptor,
        .dispatch = banger_v1_kernel_service_list_kernels_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "kernel",
        .summary = "Kernels, page by page",
    },
    [BANGER_V1_KERNEL_SERVICE_DELETE_KERNEL] = {
        .name = "DeleteKernel",
        .path = "/banger.v1.KernelService/DeleteKernel",
        .request = &banger__v1__delete_kernel_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_kernel_service_delete_kernel_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "kernel",
        .summary = "Removes a kernel",
    },
};

const struct rpc_service banger_v1_kernel_service = {
    .name = "banger.v1.KernelService",
    .methods = banger_v1_kernel_service_methods,
    .n_methods = BANGER_V1_KERNEL_SERVICE_METHODS,
};
