/* Written by protoc-gen-banger-rpc from proto/; do not edit. */
#include "banger/contract.rpc.h"

#include "banger/v1/auth.rpc.h"
#include "banger/v1/event.rpc.h"
#include "banger/v1/file.rpc.h"
#include "banger/v1/forward.rpc.h"
#include "banger/v1/guest_service.rpc.h"
#include "banger/v1/guest_session.rpc.h"
#include "banger/v1/host.rpc.h"
#include "banger/v1/image.rpc.h"
#include "banger/v1/operation.rpc.h"
#include "banger/v1/snapshot.rpc.h"
#include "banger/v1/vm.rpc.h"
#include "grpc/health/v1/health.rpc.h"
#include "grpc/reflection/v1/reflection.rpc.h"
#include "grpc/reflection/v1alpha/reflection.rpc.h"

const struct rpc_service *const contract_services[] = {
    &banger_v1_auth_service,
    &banger_v1_event_service,
    &banger_v1_file_service,
    &banger_v1_forward_service,
    &banger_v1_supervision_service,
    &banger_v1_guest_session_service,
    &banger_v1_host_service,
    &banger_v1_image_service,
    &banger_v1_kernel_service,
    &banger_v1_operation_service,
    &banger_v1_snapshot_service,
    &banger_v1_vm_service,
    &grpc_health_v1_health,
    &grpc_reflection_v1_server_reflection,
    &grpc_reflection_v1alpha_server_reflection,
    NULL,
};
