/* Written by protoc-gen-banger-rpc from banger/v1/image.proto; do not edit. */
#ifndef BANGER_V1_IMAGE_RPC_H
#define BANGER_V1_IMAGE_RPC_H

#include "banger/v1/image.pb-c.h"
#include "rpc/wire/client.h"

/* ImageService */

extern const struct rpc_service banger_v1_image_service;

enum banger_v1_image_service_method {
    BANGER_V1_IMAGE_SERVICE_BUILD_IMAGE,
    BANGER_V1_IMAGE_SERVICE_PULL_IMAGE,
    BANGER_V1_IMAGE_SERVICE_IMPORT_IMAGE,
    BANGER_V1_IMAGE_SERVICE_PROMOTE_VM,
    BANGER_V1_IMAGE_SERVICE_TAG_IMAGE,
    BANGER_V1_IMAGE_SERVICE_GET_IMAGE,
    BANGER_V1_IMAGE_SERVICE_LIST_IMAGES,
    BANGER_V1_IMAGE_SERVICE_DELETE_IMAGE,
    BANGER_V1_IMAGE_SERVICE_PRUNE_IMAGES,
    BANGER_V1_IMAGE_SERVICE_METHODS /* their number */
};

/* BuildImage: Banger__V1__BuildImageRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_image_service_build_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__BuildImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_BUILD_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_image_service_build_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* PullImage: Banger__V1__PullImageRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_image_service_pull_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PullImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_PULL_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_image_service_pull_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ImportImage: Banger__V1__ImportImageRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_image_service_import_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ImportImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_IMPORT_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_image_service_import_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* PromoteVM: Banger__V1__PromoteVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_image_service_promote_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PromoteVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_PROMOTE_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_image_service_promote_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* TagImage: Banger__V1__TagImageRequest -> Banger__V1__Image */
static inline struct rpc_call *
banger_v1_image_service_tag_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__TagImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_TAG_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Image *
banger_v1_image_service_tag_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Image *)message;
}

/* GetImage: Banger__V1__GetImageRequest -> Banger__V1__Image */
static inline struct rpc_call *
banger_v1_image_service_get_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_GET_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Image *
banger_v1_image_service_get_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Image *)message;
}

/* ListImages: Banger__V1__ListImagesRequest -> Banger__V1__ListImagesResponse */
static inline struct rpc_call *
banger_v1_image_service_list_images_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListImagesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_LIST_IMAGES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListImagesResponse *
banger_v1_image_service_list_images_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListImagesResponse *)message;
}

/* DeleteImage: Banger__V1__DeleteImageRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_image_service_delete_image_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteImageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_DELETE_IMAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_image_service_delete_image_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* PruneImages: Banger__V1__PruneImagesRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_image_service_prune_images_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PruneImagesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_image_service.methods[BANGER_V1_IMAGE_SERVICE_PRUNE_IMAGES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_image_service_prune_images_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* KernelService */

extern const struct rpc_service banger_v1_kernel_service;

enum banger_v1_kernel_service_method {
    BANGER_V1_KERNEL_SERVICE_PULL_KERNEL,
    BANGER_V1_KERNEL_SERVICE_IMPORT_KERNEL,
    BANGER_V1_KERNEL_SERVICE_GET_KERNEL,
    BANGER_V1_KERNEL_SERVICE_LIST_KERNELS,
    BANGER_V1_KERNEL_SERVICE_DELETE_KERNEL,
    BANGER_V1_KERNEL_SERVICE_METHODS /* their number */
};

/* PullKernel: Banger__V1__PullKernelRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_kernel_service_pull_kernel_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PullKernelRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_kernel_service.methods[BANGER_V1_KERNEL_SERVICE_PULL_KERNEL],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_kernel_service_pull_kernel_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ImportKernel: Banger__V1__ImportKernelRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_kernel_service_import_kernel_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ImportKernelRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_kernel_service.methods[BANGER_V1_KERNEL_SERVICE_IMPORT_KERNEL],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_kernel_service_import_kernel_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* GetKernel: Banger__V1__GetKernelRequest -> Banger__V1__Kernel */
static inline struct rpc_call *
banger_v1_kernel_service_get_kernel_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetKernelRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_kernel_service.methods[BANGER_V1_KERNEL_SERVICE_GET_KERNEL],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Kernel *
banger_v1_kernel_service_get_kernel_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Kernel *)message;
}

/* ListKernels: Banger__V1__ListKernelsRequest -> Banger__V1__ListKernelsResponse */
static inline struct rpc_call *
banger_v1_kernel_service_list_kernels_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListKernelsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_kernel_service.methods[BANGER_V1_KERNEL_SERVICE_LIST_KERNELS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListKernelsResponse *
banger_v1_kernel_service_list_kernels_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListKernelsResponse *)message;
}

/* DeleteKernel: Banger__V1__DeleteKernelRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_kernel_service_delete_kernel_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteKernelRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_kernel_service.methods[BANGER_V1_KERNEL_SERVICE_DELETE_KERNEL],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_kernel_service_delete_kernel_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

#endif
