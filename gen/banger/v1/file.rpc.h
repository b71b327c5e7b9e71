/* Written by protoc-gen-banger-rpc from banger/v1/file.proto; do not edit. */
#ifndef BANGER_V1_FILE_RPC_H
#define BANGER_V1_FILE_RPC_H

#include "banger/v1/file.pb-c.h"
#include "rpc/wire/client.h"

/* FileService */

extern const struct rpc_service banger_v1_file_service;

enum banger_v1_file_service_method {
    BANGER_V1_FILE_SERVICE_STAT_FILE,
    BANGER_V1_FILE_SERVICE_LIST_FILES,
    BANGER_V1_FILE_SERVICE_MAKE_DIRECTORY,
    BANGER_V1_FILE_SERVICE_REMOVE_FILE,
    BANGER_V1_FILE_SERVICE_MOVE_FILE,
    BANGER_V1_FILE_SERVICE_CHANGE_FILE_MODE,
    BANGER_V1_FILE_SERVICE_CHANGE_FILE_OWNER,
    BANGER_V1_FILE_SERVICE_MAKE_SYMLINK,
    BANGER_V1_FILE_SERVICE_READ_FILE,
    BANGER_V1_FILE_SERVICE_WRITE_FILE,
    BANGER_V1_FILE_SERVICE_PULL_TREE,
    BANGER_V1_FILE_SERVICE_PUSH_TREE,
    BANGER_V1_FILE_SERVICE_WATCH_FILES,
    BANGER_V1_FILE_SERVICE_PREPARE_WORKSPACE,
    BANGER_V1_FILE_SERVICE_EXPORT_WORKSPACE,
    BANGER_V1_FILE_SERVICE_METHODS /* their number */
};

/* StatFile: Banger__V1__StatFileRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_stat_file_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StatFileRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_STAT_FILE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_stat_file_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* ListFiles: Banger__V1__ListFilesRequest -> stream of Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_list_files_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListFilesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_LIST_FILES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_list_files_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* MakeDirectory: Banger__V1__MakeDirectoryRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_make_directory_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__MakeDirectoryRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_MAKE_DIRECTORY],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_make_directory_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* RemoveFile: Banger__V1__RemoveFileRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_file_service_remove_file_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RemoveFileRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_REMOVE_FILE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_file_service_remove_file_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* MoveFile: Banger__V1__MoveFileRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_move_file_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__MoveFileRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_MOVE_FILE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_move_file_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* ChangeFileMode: Banger__V1__ChangeFileModeRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_change_file_mode_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ChangeFileModeRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_CHANGE_FILE_MODE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_change_file_mode_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* ChangeFileOwner: Banger__V1__ChangeFileOwnerRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_change_file_owner_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ChangeFileOwnerRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_CHANGE_FILE_OWNER],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_change_file_owner_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* MakeSymlink: Banger__V1__MakeSymlinkRequest -> Banger__V1__FileInfo */
static inline struct rpc_call *
banger_v1_file_service_make_symlink_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__MakeSymlinkRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_MAKE_SYMLINK],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileInfo *
banger_v1_file_service_make_symlink_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileInfo *)message;
}

/* ReadFile: Banger__V1__ReadFileRequest -> stream of Banger__V1__FileChunk */
static inline struct rpc_call *
banger_v1_file_service_read_file_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ReadFileRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_READ_FILE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileChunk *
banger_v1_file_service_read_file_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileChunk *)message;
}

/* WriteFile: stream of Banger__V1__WriteFileRequest -> stream of Banger__V1__WriteFileResponse */
static inline struct rpc_call *
banger_v1_file_service_write_file_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_WRITE_FILE],
                            options, NULL, events, arg, err);
}

static inline int
banger_v1_file_service_write_file_send_request(
    struct rpc_call *call, const Banger__V1__WriteFileRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__V1__WriteFileResponse *
banger_v1_file_service_write_file_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__WriteFileResponse *)message;
}

/* PullTree: Banger__V1__PullTreeRequest -> stream of Banger__V1__FileChunk */
static inline struct rpc_call *
banger_v1_file_service_pull_tree_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PullTreeRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_PULL_TREE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileChunk *
banger_v1_file_service_pull_tree_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileChunk *)message;
}

/* PushTree: stream of Banger__V1__PushTreeRequest -> stream of Banger__V1__PushTreeResponse */
static inline struct rpc_call *
banger_v1_file_service_push_tree_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_PUSH_TREE],
                            options, NULL, events, arg, err);
}

static inline int
banger_v1_file_service_push_tree_send_request(
    struct rpc_call *call, const Banger__V1__PushTreeRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__V1__PushTreeResponse *
banger_v1_file_service_push_tree_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__PushTreeResponse *)message;
}

/* WatchFiles: Banger__V1__WatchFilesRequest -> stream of Banger__V1__FileEvent */
static inline struct rpc_call *
banger_v1_file_service_watch_files_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WatchFilesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_WATCH_FILES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileEvent *
banger_v1_file_service_watch_files_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileEvent *)message;
}

/* PrepareWorkspace: Banger__V1__PrepareWorkspaceRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_file_service_prepare_workspace_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PrepareWorkspaceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_PREPARE_WORKSPACE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_file_service_prepare_workspace_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ExportWorkspace: Banger__V1__ExportWorkspaceRequest -> stream of Banger__V1__FileChunk */
static inline struct rpc_call *
banger_v1_file_service_export_workspace_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ExportWorkspaceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_file_service.methods[BANGER_V1_FILE_SERVICE_EXPORT_WORKSPACE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__FileChunk *
banger_v1_file_service_export_workspace_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__FileChunk *)message;
}

#endif
