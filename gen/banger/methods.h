/* Written by protoc-gen-banger-rpc from proto/; do not edit. */
/* A typed function for every unary method of the contract:
 *
 *   Banger__V1__VM *banger_get_vm(struct banger_client *, const Banger__V1__GetVMRequest *,
 *                                 struct banger_call *, struct banger_error *);
 *
 * The response is freed with banger_message_free(&vm->base). What each method does, and its
 * errors, is said in docs/api.md. */
#ifndef BANGER_CLIENT_METHODS_H
#define BANGER_CLIENT_METHODS_H

#include "banger/client.h"
#include "banger/messages.h"

/* X(C name, package and service, method, request type, response type) */
#define BANGER_UNARY_METHODS(X) \
    /* Who the daemon takes the caller for */ \
    X(who_am_i, "banger.v1.AuthService", WhoAmI, Banger__V1__WhoAmIRequest, Banger__V1__Identity) \
    /* Makes the host's CA and server certificate where they are missing, the latter anew each time, and opens the TCP listener */ \
    X(init_auth, "banger.v1.AuthService", InitAuth, Banger__V1__InitAuthRequest, Banger__V1__InitAuthResponse) \
    /* A one-time token with which a new client enrolls */ \
    X(create_token, "banger.v1.AuthService", CreateToken, Banger__V1__CreateTokenRequest, Banger__V1__CreateTokenResponse) \
    /* Certificate signing request in, certificate out */ \
    X(enroll, "banger.v1.AuthService", Enroll, Banger__V1__EnrollRequest, Banger__V1__EnrollResponse) \
    /* A new certificate for the caller's newest: FAILED_PRECONDITION (CERTIFICATE_SUPERSEDED) for the one before, which may call until the next rotation */ \
    X(rotate_certificate, "banger.v1.AuthService", RotateCertificate, Banger__V1__RotateCertificateRequest, Banger__V1__EnrollResponse) \
    /* Who has a certificate, page by page, revoked ones too */ \
    X(list_identities, "banger.v1.AuthService", ListIdentities, Banger__V1__ListIdentitiesRequest, Banger__V1__ListIdentitiesResponse) \
    /* Revokes an identity and cuts its live streams */ \
    X(revoke_identity, "banger.v1.AuthService", RevokeIdentity, Banger__V1__RevokeIdentityRequest, Banger__V1__Identity) \
    /* Events after after_seq that are kept, the oldest first */ \
    X(list_events, "banger.v1.EventService", ListEvents, Banger__V1__ListEventsRequest, Banger__V1__ListEventsResponse) \
    /* What a file is */ \
    X(stat_file, "banger.v1.FileService", StatFile, Banger__V1__StatFileRequest, Banger__V1__FileInfo) \
    /* Makes a folder */ \
    X(make_directory, "banger.v1.FileService", MakeDirectory, Banger__V1__MakeDirectoryRequest, Banger__V1__FileInfo) \
    /* Removes a file, or a folder with recursive; a link, never what it leads to */ \
    X(remove_file, "banger.v1.FileService", RemoveFile, Banger__V1__RemoveFileRequest, Banger__V1__Empty) \
    /* Renames a file or folder, within a file system */ \
    X(move_file, "banger.v1.FileService", MoveFile, Banger__V1__MoveFileRequest, Banger__V1__FileInfo) \
    /* Changes permissions */ \
    X(change_file_mode, "banger.v1.FileService", ChangeFileMode, Banger__V1__ChangeFileModeRequest, Banger__V1__FileInfo) \
    /* Changes owner and group */ \
    X(change_file_owner, "banger.v1.FileService", ChangeFileOwner, Banger__V1__ChangeFileOwnerRequest, Banger__V1__FileInfo) \
    /* Makes a symbolic link */ \
    X(make_symlink, "banger.v1.FileService", MakeSymlink, Banger__V1__MakeSymlinkRequest, Banger__V1__FileInfo) \
    /* Makes a working copy of a repository of the host's in the guest */ \
    X(prepare_workspace, "banger.v1.FileService", PrepareWorkspace, Banger__V1__PrepareWorkspaceRequest, Banger__V1__Operation) \
    /* Defines a service and starts it, as soon as its VM runs */ \
    X(create_service, "banger.v1.SupervisionService", CreateService, Banger__V1__CreateServiceRequest, Banger__V1__GuestService) \
    /* Gives it another spec, all of it: for its next run, or, with restart, for one that takes the place of the run that there is, which is stopped as by StopSession */ \
    X(update_service, "banger.v1.SupervisionService", UpdateService, Banger__V1__UpdateServiceRequest, Banger__V1__GuestService) \
    /* A service as it is */ \
    X(get_service, "banger.v1.SupervisionService", GetService, Banger__V1__GetServiceRequest, Banger__V1__GuestService) \
    /* Services by creation time, page by page */ \
    X(list_services, "banger.v1.SupervisionService", ListServices, Banger__V1__ListServicesRequest, Banger__V1__ListServicesResponse) \
    /* It is wanted from now on, and started where its VM runs; one that has given up begins anew */ \
    X(start_service, "banger.v1.SupervisionService", StartService, Banger__V1__StartServiceRequest, Banger__V1__GuestService) \
    /* It is not wanted any more: its run is stopped as by StopSession, and STOPPING until it has ended */ \
    X(stop_service, "banger.v1.SupervisionService", StopService, Banger__V1__StopServiceRequest, Banger__V1__GuestService) \
    /* Forgets a service; its runs stay as sessions */ \
    X(delete_service, "banger.v1.SupervisionService", DeleteService, Banger__V1__DeleteServiceRequest, Banger__V1__Empty) \
    /* Starts a command and answers when it runs, or cannot: a command that cannot be started is a session in state FAILED with its stage, not an error of the call */ \
    X(start_session, "banger.v1.GuestSessionService", StartSession, Banger__V1__StartSessionRequest, Banger__V1__GuestSession) \
    /* A session as it is */ \
    X(get_session, "banger.v1.GuestSessionService", GetSession, Banger__V1__GetSessionRequest, Banger__V1__GuestSession) \
    /* Sessions by creation time, page by page */ \
    X(list_sessions, "banger.v1.GuestSessionService", ListSessions, Banger__V1__ListSessionsRequest, Banger__V1__ListSessionsResponse) \
    /* Answers when the session has ended */ \
    X(wait_session, "banger.v1.GuestSessionService", WaitSession, Banger__V1__WaitSessionRequest, Banger__V1__GuestSession) \
    /* Sends a signal to the session's processes */ \
    X(signal_session, "banger.v1.GuestSessionService", SignalSession, Banger__V1__SignalSessionRequest, Banger__V1__GuestSession) \
    /* SIGTERM to the group, SIGKILL to everything of the session after grace_ms */ \
    X(stop_session, "banger.v1.GuestSessionService", StopSession, Banger__V1__StopSessionRequest, Banger__V1__GuestSession) \
    /* SIGKILL to everything that the session started; of one that has ended, to what it has left */ \
    X(kill_session, "banger.v1.GuestSessionService", KillSession, Banger__V1__KillSessionRequest, Banger__V1__GuestSession) \
    /* Forgets an ended session and its output; FAILED_PRECONDITION (SESSION_RUNNING) unless force */ \
    X(delete_session, "banger.v1.GuestSessionService", DeleteSession, Banger__V1__DeleteSessionRequest, Banger__V1__Empty) \
    /* Writes to stdin without attaching; all or nothing, never mixed with another call's bytes */ \
    X(send_stdin, "banger.v1.GuestSessionService", SendStdin, Banger__V1__SendStdinRequest, Banger__V1__SendStdinResponse) \
    /* Says that output below these offsets has been stored by the caller: of a session with OUTPUT_POLICY_UNTIL_ACKNOWLEDGED its process may go on */ \
    X(ack_output, "banger.v1.GuestSessionService", AckOutput, Banger__V1__AckOutputRequest, Banger__V1__GuestSession) \
    /* Who is attached to a session, or reads its logs, and how far behind each is */ \
    X(list_viewers, "banger.v1.GuestSessionService", ListViewers, Banger__V1__ListViewersRequest, Banger__V1__ListViewersResponse) \
    /* Ends one of them, with ABORTED (VIEWER_KICKED): clients do not come back by themselves */ \
    X(kick_viewer, "banger.v1.GuestSessionService", KickViewer, Banger__V1__KickViewerRequest, Banger__V1__Empty) \
    /* What the host is, can do and is full of */ \
    X(get_host, "banger.v1.HostService", GetHost, Banger__V1__GetHostRequest, Banger__V1__Host) \
    /* Runs the checks that `banger doctor` prints */ \
    X(diagnose, "banger.v1.HostService", Diagnose, Banger__V1__DiagnoseRequest, Banger__V1__DiagnoseResponse) \
    /* Takes and starts no VMs while on, over restarts of the daemon */ \
    X(set_draining, "banger.v1.HostService", SetDraining, Banger__V1__SetDrainingRequest, Banger__V1__Host) \
    /* Replaces the host's labels */ \
    X(set_labels, "banger.v1.HostService", SetLabels, Banger__V1__SetLabelsRequest, Banger__V1__Host) \
    /* A fenced lease: calls with an older token are refused */ \
    X(acquire_lease, "banger.v1.HostService", AcquireLease, Banger__V1__AcquireLeaseRequest, Banger__V1__Lease) \
    /* Who is connected, the oldest connection first */ \
    X(list_connections, "banger.v1.HostService", ListConnections, Banger__V1__ListConnectionsRequest, Banger__V1__ListConnectionsResponse) \
    /* Closes a connection (with GOAWAY); its calls end as if it broke */ \
    X(kick_connection, "banger.v1.HostService", KickConnection, Banger__V1__KickConnectionRequest, Banger__V1__Empty) \
    /* What this host has that is ours, by its tag: processes, folders, disks, taps, rules, scopes; and what a VM should have and has not */ \
    X(audit_host, "banger.v1.HostService", AuditHost, Banger__V1__AuditHostRequest, Banger__V1__AuditHostResponse) \
    /* Removes what AuditHost calls an ORPHAN and is as old as min_age_ms, which the daemon does by itself every ten minutes; and what it calls EXTRA, where that is a tap, rules, a device of device-mapper or a scope */ \
    X(collect_garbage, "banger.v1.HostService", CollectGarbage, Banger__V1__CollectGarbageRequest, Banger__V1__CollectGarbageResponse) \
    /* Ends the daemon; VMs run on */ \
    X(shutdown, "banger.v1.HostService", Shutdown, Banger__V1__ShutdownRequest, Banger__V1__Empty) \
    /* VMs, images and kernels that are in the state folder and not in the database, as after it was lost or an older one was put in its place: they are left alone, VMs run on, and here it is said what becomes of them */ \
    X(recover_host, "banger.v1.HostService", RecoverHost, Banger__V1__RecoverHostRequest, Banger__V1__RecoverHostResponse) \
    /* Builds a root filesystem from a distribution's packages, published atomically with its digest */ \
    X(build_image, "banger.v1.ImageService", BuildImage, Banger__V1__BuildImageRequest, Banger__V1__Operation) \
    /* Makes an image of one in a registry of container images */ \
    X(pull_image, "banger.v1.ImageService", PullImage, Banger__V1__PullImageRequest, Banger__V1__Operation) \
    /* Makes an image of a file on the host */ \
    X(import_image, "banger.v1.ImageService", ImportImage, Banger__V1__ImportImageRequest, Banger__V1__Operation) \
    /* A stopped VM's system disk becomes an image */ \
    X(promote_vm, "banger.v1.ImageService", PromoteVM, Banger__V1__PromoteVMRequest, Banger__V1__Operation) \
    /* Answers when the name is on disk */ \
    X(tag_image, "banger.v1.ImageService", TagImage, Banger__V1__TagImageRequest, Banger__V1__Image) \
    /* An image by reference */ \
    X(get_image, "banger.v1.ImageService", GetImage, Banger__V1__GetImageRequest, Banger__V1__Image) \
    /* Images, page by page */ \
    X(list_images, "banger.v1.ImageService", ListImages, Banger__V1__ListImagesRequest, Banger__V1__ListImagesResponse) \
    /* Removes an image */ \
    X(delete_image, "banger.v1.ImageService", DeleteImage, Banger__V1__DeleteImageRequest, Banger__V1__Empty) \
    /* Removes images that no VM uses, and caches of builds and pulls */ \
    X(prune_images, "banger.v1.ImageService", PruneImages, Banger__V1__PruneImagesRequest, Banger__V1__Operation) \
    /* Fetches the distribution's kernel package and takes kernel and modules out of it */ \
    X(pull_kernel, "banger.v1.KernelService", PullKernel, Banger__V1__PullKernelRequest, Banger__V1__Operation) \
    /* Makes a kernel of files on the host */ \
    X(import_kernel, "banger.v1.KernelService", ImportKernel, Banger__V1__ImportKernelRequest, Banger__V1__Operation) \
    /* A kernel by reference */ \
    X(get_kernel, "banger.v1.KernelService", GetKernel, Banger__V1__GetKernelRequest, Banger__V1__Kernel) \
    /* Kernels, page by page */ \
    X(list_kernels, "banger.v1.KernelService", ListKernels, Banger__V1__ListKernelsRequest, Banger__V1__ListKernelsResponse) \
    /* Removes a kernel */ \
    X(delete_kernel, "banger.v1.KernelService", DeleteKernel, Banger__V1__DeleteKernelRequest, Banger__V1__Empty) \
    /* An operation as it is */ \
    X(get_operation, "banger.v1.OperationService", GetOperation, Banger__V1__GetOperationRequest, Banger__V1__Operation) \
    /* Operations, the latest first, page by page */ \
    X(list_operations, "banger.v1.OperationService", ListOperations, Banger__V1__ListOperationsRequest, Banger__V1__ListOperationsResponse) \
    /* Waits for the end and returns it; DEADLINE_EXCEEDED leaves the operation running */ \
    X(wait_operation, "banger.v1.OperationService", WaitOperation, Banger__V1__WaitOperationRequest, Banger__V1__Operation) \
    /* Asks; the operation undoes what it did and ends CANCELLED, unless it was past that point */ \
    X(cancel_operation, "banger.v1.OperationService", CancelOperation, Banger__V1__CancelOperationRequest, Banger__V1__Operation) \
    /* Keeps a VM's disks, and its memory unless disk_only, as they are */ \
    X(create_snapshot, "banger.v1.SnapshotService", CreateSnapshot, Banger__V1__CreateSnapshotRequest, Banger__V1__Operation) \
    /* A snapshot by reference */ \
    X(get_snapshot, "banger.v1.SnapshotService", GetSnapshot, Banger__V1__GetSnapshotRequest, Banger__V1__Snapshot) \
    /* Snapshots of a VM, or all, page by page */ \
    X(list_snapshots, "banger.v1.SnapshotService", ListSnapshots, Banger__V1__ListSnapshotsRequest, Banger__V1__ListSnapshotsResponse) \
    /* Removes a snapshot */ \
    X(delete_snapshot, "banger.v1.SnapshotService", DeleteSnapshot, Banger__V1__DeleteSnapshotRequest, Banger__V1__Empty) \
    /* The VM goes back to what it was */ \
    X(restore_snapshot, "banger.v1.SnapshotService", RestoreSnapshot, Banger__V1__RestoreSnapshotRequest, Banger__V1__Operation) \
    /* New VMs from it, each with a fresh identity (random state, clock, MAC, address, names) */ \
    X(fork_snapshot, "banger.v1.SnapshotService", ForkSnapshot, Banger__V1__ForkSnapshotRequest, Banger__V1__Operation) \
    /* Creates a VM and, unless start is false, boots it */ \
    X(create_vm, "banger.v1.VMService", CreateVM, Banger__V1__CreateVMRequest, Banger__V1__Operation) \
    /* A VM as it is, by reference */ \
    X(get_vm, "banger.v1.VMService", GetVM, Banger__V1__GetVMRequest, Banger__V1__VM) \
    /* VMs by creation time, page by page */ \
    X(list_vms, "banger.v1.VMService", ListVMs, Banger__V1__ListVMsRequest, Banger__V1__ListVMsResponse) \
    /* Changes name, labels and what of the spec may change; which fields wait for a restart is said in VM.conditions */ \
    X(update_vm, "banger.v1.VMService", UpdateVM, Banger__V1__UpdateVMRequest, Banger__V1__Operation) \
    /* Boots a VM */ \
    X(start_vm, "banger.v1.VMService", StartVM, Banger__V1__StartVMRequest, Banger__V1__Operation) \
    /* Asks the guest to power off, forces it after grace_ms */ \
    X(stop_vm, "banger.v1.VMService", StopVM, Banger__V1__StopVMRequest, Banger__V1__Operation) \
    /* Stops the VM as StopVM does, then starts it; one that is stopped is started */ \
    X(restart_vm, "banger.v1.VMService", RestartVM, Banger__V1__RestartVMRequest, Banger__V1__Operation) \
    /* Ends the VMM process at once */ \
    X(kill_vm, "banger.v1.VMService", KillVM, Banger__V1__KillVMRequest, Banger__V1__Operation) \
    /* Stops the VM if it runs (force: kills it), then removes its disks, sessions and record */ \
    X(delete_vm, "banger.v1.VMService", DeleteVM, Banger__V1__DeleteVMRequest, Banger__V1__Operation) \
    /* Halts the guest's CPUs, memory kept */ \
    X(pause_vm, "banger.v1.VMService", PauseVM, Banger__V1__PauseVMRequest, Banger__V1__Operation) \
    /* Lets a paused guest run on */ \
    X(resume_vm, "banger.v1.VMService", ResumeVM, Banger__V1__ResumeVMRequest, Banger__V1__Operation) \
    /* Looks once more for evidence of a VM in state UNKNOWN, and adopts or cleans up */ \
    X(recover_vm, "banger.v1.VMService", RecoverVM, Banger__V1__RecoverVMRequest, Banger__V1__Operation) \
    /* Deletes stopped and failed VMs that match */ \
    X(prune_vms, "banger.v1.VMService", PruneVMs, Banger__V1__PruneVMsRequest, Banger__V1__Operation) \
    /* Says that whoever created a VM with lease_ms is still there: the lease begins anew */ \
    X(renew_vm_lease, "banger.v1.VMService", RenewVMLease, Banger__V1__RenewVMLeaseRequest, Banger__V1__Empty) \
    /* Kernel-level handles, for debugging and recovery */ \
    X(get_vm_handles, "banger.v1.VMService", GetVMHandles, Banger__V1__GetVMHandlesRequest, Banger__V1__VMHandles) \
    /* What the VM uses now; zeros while it does not run */ \
    X(get_vm_stats, "banger.v1.VMService", GetVMStats, Banger__V1__GetVMStatsRequest, Banger__V1__VMStats) \
    /* Is the guest's agent answering? */ \
    X(check_vm_health, "banger.v1.VMService", CheckVMHealth, Banger__V1__CheckVMHealthRequest, Banger__V1__CheckVMHealthResponse) \
    /* What listens in the guest: TCP, UDP, Unix; up to 1024 of them */ \
    X(list_vm_ports, "banger.v1.VMService", ListVMPorts, Banger__V1__ListVMPortsRequest, Banger__V1__ListVMPortsResponse) \
    X(check_health, "grpc.health.v1.Health", Check, Grpc__Health__V1__HealthCheckRequest, Grpc__Health__V1__HealthCheckResponse) \
    X(list_health, "grpc.health.v1.Health", List, Grpc__Health__V1__HealthListRequest, Grpc__Health__V1__HealthListResponse)

#define BANGER_DECLARE_METHOD_(name, service, method, request_type, response_type) \
    static inline response_type *banger_##name( \
        struct banger_client *client, const request_type *request, \
        struct banger_call *call, struct banger_error *error) \
    { \
        return (response_type *)(void *)banger_invoke( \
            client, "/" service "/" #method, &request->base, call, error); \
    }
BANGER_UNARY_METHODS(BANGER_DECLARE_METHOD_)
#undef BANGER_DECLARE_METHOD_

#endif
