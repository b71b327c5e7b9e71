/* A typed function for every unary method of the contract:
 *
 *   Banger__V1__VM *banger_get_vm(struct banger_client *, const Banger__V1__GetVMRequest *,
 *                                 struct banger_call *, struct banger_error *);
 *
 * The response is freed with banger_message_free(&vm->base). What each method does, and its errors,
 * is said in the .proto files. A test holds this table against the contract. */
#ifndef BANGER_CLIENT_METHODS_H
#define BANGER_CLIENT_METHODS_H

#include "banger/client.h"
#include "banger/messages.h"

/* X(C name, package and service, method, request type, response type) */
/* clang-format off */
#define BANGER_UNARY_METHODS(X) \
    X(create_vm, "banger.v1.VMService", CreateVM, Banger__V1__CreateVMRequest, Banger__V1__Operation) \
    X(get_vm, "banger.v1.VMService", GetVM, Banger__V1__GetVMRequest, Banger__V1__VM) \
    X(list_vms, "banger.v1.VMService", ListVMs, Banger__V1__ListVMsRequest, Banger__V1__ListVMsResponse) \
    X(update_vm, "banger.v1.VMService", UpdateVM, Banger__V1__UpdateVMRequest, Banger__V1__Operation) \
    X(start_vm, "banger.v1.VMService", StartVM, Banger__V1__StartVMRequest, Banger__V1__Operation) \
    X(stop_vm, "banger.v1.VMService", StopVM, Banger__V1__StopVMRequest, Banger__V1__Operation) \
    X(restart_vm, "banger.v1.VMService", RestartVM, Banger__V1__RestartVMRequest, Banger__V1__Operation) \
    X(kill_vm, "banger.v1.VMService", KillVM, Banger__V1__KillVMRequest, Banger__V1__Operation) \
    X(delete_vm, "banger.v1.VMService", DeleteVM, Banger__V1__DeleteVMRequest, Banger__V1__Operation) \
    X(pause_vm, "banger.v1.VMService", PauseVM, Banger__V1__PauseVMRequest, Banger__V1__Operation) \
    X(resume_vm, "banger.v1.VMService", ResumeVM, Banger__V1__ResumeVMRequest, Banger__V1__Operation) \
    X(recover_vm, "banger.v1.VMService", RecoverVM, Banger__V1__RecoverVMRequest, Banger__V1__Operation) \
    X(prune_vms, "banger.v1.VMService", PruneVMs, Banger__V1__PruneVMsRequest, Banger__V1__Operation) \
    X(renew_vm_lease, "banger.v1.VMService", RenewVMLease, Banger__V1__RenewVMLeaseRequest, Banger__V1__Empty) \
    X(get_vm_handles, "banger.v1.VMService", GetVMHandles, Banger__V1__GetVMHandlesRequest, Banger__V1__VMHandles) \
    X(get_vm_stats, "banger.v1.VMService", GetVMStats, Banger__V1__GetVMStatsRequest, Banger__V1__VMStats) \
    X(check_vm_health, "banger.v1.VMService", CheckVMHealth, Banger__V1__CheckVMHealthRequest, Banger__V1__CheckVMHealthResponse) \
    X(list_vm_ports, "banger.v1.VMService", ListVMPorts, Banger__V1__ListVMPortsRequest, Banger__V1__ListVMPortsResponse) \
    X(start_session, "banger.v1.GuestSessionService", StartSession, Banger__V1__StartSessionRequest, Banger__V1__GuestSession) \
    X(get_session, "banger.v1.GuestSessionService", GetSession, Banger__V1__GetSessionRequest, Banger__V1__GuestSession) \
    X(list_sessions, "banger.v1.GuestSessionService", ListSessions, Banger__V1__ListSessionsRequest, Banger__V1__ListSessionsResponse) \
    X(wait_session, "banger.v1.GuestSessionService", WaitSession, Banger__V1__WaitSessionRequest, Banger__V1__GuestSession) \
    X(signal_session, "banger.v1.GuestSessionService", SignalSession, Banger__V1__SignalSessionRequest, Banger__V1__GuestSession) \
    X(stop_session, "banger.v1.GuestSessionService", StopSession, Banger__V1__StopSessionRequest, Banger__V1__GuestSession) \
    X(kill_session, "banger.v1.GuestSessionService", KillSession, Banger__V1__KillSessionRequest, Banger__V1__GuestSession) \
    X(delete_session, "banger.v1.GuestSessionService", DeleteSession, Banger__V1__DeleteSessionRequest, Banger__V1__Empty) \
    X(send_stdin, "banger.v1.GuestSessionService", SendStdin, Banger__V1__SendStdinRequest, Banger__V1__SendStdinResponse) \
    X(get_operation, "banger.v1.OperationService", GetOperation, Banger__V1__GetOperationRequest, Banger__V1__Operation) \
    X(list_operations, "banger.v1.OperationService", ListOperations, Banger__V1__ListOperationsRequest, Banger__V1__ListOperationsResponse) \
    X(wait_operation, "banger.v1.OperationService", WaitOperation, Banger__V1__WaitOperationRequest, Banger__V1__Operation) \
    X(cancel_operation, "banger.v1.OperationService", CancelOperation, Banger__V1__CancelOperationRequest, Banger__V1__Operation) \
    X(build_image, "banger.v1.ImageService", BuildImage, Banger__V1__BuildImageRequest, Banger__V1__Operation) \
    X(pull_image, "banger.v1.ImageService", PullImage, Banger__V1__PullImageRequest, Banger__V1__Operation) \
    X(import_image, "banger.v1.ImageService", ImportImage, Banger__V1__ImportImageRequest, Banger__V1__Operation) \
    X(promote_vm, "banger.v1.ImageService", PromoteVM, Banger__V1__PromoteVMRequest, Banger__V1__Operation) \
    X(tag_image, "banger.v1.ImageService", TagImage, Banger__V1__TagImageRequest, Banger__V1__Image) \
    X(get_image, "banger.v1.ImageService", GetImage, Banger__V1__GetImageRequest, Banger__V1__Image) \
    X(list_images, "banger.v1.ImageService", ListImages, Banger__V1__ListImagesRequest, Banger__V1__ListImagesResponse) \
    X(delete_image, "banger.v1.ImageService", DeleteImage, Banger__V1__DeleteImageRequest, Banger__V1__Empty) \
    X(prune_images, "banger.v1.ImageService", PruneImages, Banger__V1__PruneImagesRequest, Banger__V1__Operation) \
    X(pull_kernel, "banger.v1.KernelService", PullKernel, Banger__V1__PullKernelRequest, Banger__V1__Operation) \
    X(import_kernel, "banger.v1.KernelService", ImportKernel, Banger__V1__ImportKernelRequest, Banger__V1__Operation) \
    X(get_kernel, "banger.v1.KernelService", GetKernel, Banger__V1__GetKernelRequest, Banger__V1__Kernel) \
    X(list_kernels, "banger.v1.KernelService", ListKernels, Banger__V1__ListKernelsRequest, Banger__V1__ListKernelsResponse) \
    X(delete_kernel, "banger.v1.KernelService", DeleteKernel, Banger__V1__DeleteKernelRequest, Banger__V1__Empty) \
    X(list_events, "banger.v1.EventService", ListEvents, Banger__V1__ListEventsRequest, Banger__V1__ListEventsResponse) \
    X(get_host, "banger.v1.HostService", GetHost, Banger__V1__GetHostRequest, Banger__V1__Host) \
    X(diagnose, "banger.v1.HostService", Diagnose, Banger__V1__DiagnoseRequest, Banger__V1__DiagnoseResponse) \
    X(set_draining, "banger.v1.HostService", SetDraining, Banger__V1__SetDrainingRequest, Banger__V1__Host) \
    X(set_labels, "banger.v1.HostService", SetLabels, Banger__V1__SetLabelsRequest, Banger__V1__Host) \
    X(acquire_lease, "banger.v1.HostService", AcquireLease, Banger__V1__AcquireLeaseRequest, Banger__V1__Lease) \
    X(list_connections, "banger.v1.HostService", ListConnections, Banger__V1__ListConnectionsRequest, Banger__V1__ListConnectionsResponse) \
    X(kick_connection, "banger.v1.HostService", KickConnection, Banger__V1__KickConnectionRequest, Banger__V1__Empty) \
    X(recover_host, "banger.v1.HostService", RecoverHost, Banger__V1__RecoverHostRequest, Banger__V1__RecoverHostResponse) \
    X(collect_garbage, "banger.v1.HostService", CollectGarbage, Banger__V1__CollectGarbageRequest, Banger__V1__CollectGarbageResponse) \
    X(shutdown, "banger.v1.HostService", Shutdown, Banger__V1__ShutdownRequest, Banger__V1__Empty) \
    X(create_snapshot, "banger.v1.SnapshotService", CreateSnapshot, Banger__V1__CreateSnapshotRequest, Banger__V1__Operation) \
    X(get_snapshot, "banger.v1.SnapshotService", GetSnapshot, Banger__V1__GetSnapshotRequest, Banger__V1__Snapshot) \
    X(list_snapshots, "banger.v1.SnapshotService", ListSnapshots, Banger__V1__ListSnapshotsRequest, Banger__V1__ListSnapshotsResponse) \
    X(delete_snapshot, "banger.v1.SnapshotService", DeleteSnapshot, Banger__V1__DeleteSnapshotRequest, Banger__V1__Empty) \
    X(restore_snapshot, "banger.v1.SnapshotService", RestoreSnapshot, Banger__V1__RestoreSnapshotRequest, Banger__V1__Operation) \
    X(fork_snapshot, "banger.v1.SnapshotService", ForkSnapshot, Banger__V1__ForkSnapshotRequest, Banger__V1__Operation) \
    X(stat_file, "banger.v1.FileService", StatFile, Banger__V1__StatFileRequest, Banger__V1__FileInfo) \
    X(make_directory, "banger.v1.FileService", MakeDirectory, Banger__V1__MakeDirectoryRequest, Banger__V1__FileInfo) \
    X(remove_file, "banger.v1.FileService", RemoveFile, Banger__V1__RemoveFileRequest, Banger__V1__Empty) \
    X(move_file, "banger.v1.FileService", MoveFile, Banger__V1__MoveFileRequest, Banger__V1__FileInfo) \
    X(prepare_workspace, "banger.v1.FileService", PrepareWorkspace, Banger__V1__PrepareWorkspaceRequest, Banger__V1__Operation) \
    X(who_am_i, "banger.v1.AuthService", WhoAmI, Banger__V1__WhoAmIRequest, Banger__V1__Identity) \
    X(init_auth, "banger.v1.AuthService", InitAuth, Banger__V1__InitAuthRequest, Banger__V1__InitAuthResponse) \
    X(create_token, "banger.v1.AuthService", CreateToken, Banger__V1__CreateTokenRequest, Banger__V1__CreateTokenResponse) \
    X(enroll, "banger.v1.AuthService", Enroll, Banger__V1__EnrollRequest, Banger__V1__EnrollResponse) \
    X(rotate_certificate, "banger.v1.AuthService", RotateCertificate, Banger__V1__RotateCertificateRequest, Banger__V1__EnrollResponse) \
    X(list_identities, "banger.v1.AuthService", ListIdentities, Banger__V1__ListIdentitiesRequest, Banger__V1__ListIdentitiesResponse) \
    X(revoke_identity, "banger.v1.AuthService", RevokeIdentity, Banger__V1__RevokeIdentityRequest, Banger__V1__Identity) \
    X(check_health, "grpc.health.v1.Health", Check, Grpc__Health__V1__HealthCheckRequest, Grpc__Health__V1__HealthCheckResponse)
/* clang-format on */

#define BANGER_DECLARE_METHOD_(name, service, method, request_type, response_type)                 \
    static inline response_type *banger_##name(                                                    \
        struct banger_client *client, const request_type *request, struct banger_call *call,       \
        struct banger_error *error)                                                                \
    {                                                                                              \
        return (response_type *)(void *)banger_invoke(client, "/" service "/" #method,             \
                                                      &request->base, call, error);                \
    }
BANGER_UNARY_METHODS(BANGER_DECLARE_METHOD_)
#undef BANGER_DECLARE_METHOD_

#endif
