/* Written by protoc-gen-banger-rpc from banger/v1/file.proto; do not edit. */
#ifndef BANGER_V1_FILE_SERVER_RPC_H
#define BANGER_V1_FILE_SERVER_RPC_H

#include "banger/v1/file.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* FileService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_file_service_handlers {
    void (*stat_file)(void *self, struct rpc_call *call,
        const Banger__V1__StatFileRequest *request);
    void (*list_files)(void *self, struct rpc_call *call,
        const Banger__V1__ListFilesRequest *request);
    void (*make_directory)(void *self, struct rpc_call *call,
        const Banger__V1__MakeDirectoryRequest *request);
    void (*remove_file)(void *self, struct rpc_call *call,
        const Banger__V1__RemoveFileRequest *request);
    void (*move_file)(void *self, struct rpc_call *call,
        const Banger__V1__MoveFileRequest *request);
    void (*change_file_mode)(void *self, struct rpc_call *call,
        const Banger__V1__ChangeFileModeRequest *request);
    void (*change_file_owner)(void *self, struct rpc_call *call,
        const Banger__V1__ChangeFileOwnerRequest *request);
    void (*make_symlink)(void *self, struct rpc_call *call,
        const Banger__V1__MakeSymlinkRequest *request);
    void (*read_file)(void *self, struct rpc_call *call,
        const Banger__V1__ReadFileRequest *request);
    void (*write_file)(void *self, struct rpc_call *call);
    void (*pull_tree)(void *self, struct rpc_call *call,
        const Banger__V1__PullTreeRequest *request);
    void (*push_tree)(void *self, struct rpc_call *call);
    void (*watch_files)(void *self, struct rpc_call *call,
        const Banger__V1__WatchFilesRequest *request);
    void (*prepare_workspace)(void *self, struct rpc_call *call,
        const Banger__V1__PrepareWorkspaceRequest *request);
    void (*export_workspace)(void *self, struct rpc_call *call,
        const Banger__V1__ExportWorkspaceRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_file_service_register(
    struct rpc_server *server, const struct banger_v1_file_service_handlers *handlers,
    void *self, struct err *err);

/* StatFile */
static inline void
banger_v1_file_service_stat_file_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListFiles */
static inline int
banger_v1_file_service_list_files_send(
    struct rpc_call *call, const Banger__V1__FileInfo *message)
{
    return rpc_call_send(call, &message->base);
}

/* MakeDirectory */
static inline void
banger_v1_file_service_make_directory_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* RemoveFile */
static inline void
banger_v1_file_service_remove_file_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* MoveFile */
static inline void
banger_v1_file_service_move_file_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* ChangeFileMode */
static inline void
banger_v1_file_service_change_file_mode_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* ChangeFileOwner */
static inline void
banger_v1_file_service_change_file_owner_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* MakeSymlink */
static inline void
banger_v1_file_service_make_symlink_reply(
    struct rpc_call *call, const Banger__V1__FileInfo *response)
{
    rpc_call_reply(call, &response->base);
}

/* ReadFile */
static inline int
banger_v1_file_service_read_file_send(
    struct rpc_call *call, const Banger__V1__FileChunk *message)
{
    return rpc_call_send(call, &message->base);
}

/* WriteFile */
static inline int
banger_v1_file_service_write_file_send(
    struct rpc_call *call, const Banger__V1__WriteFileResponse *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__V1__WriteFileRequest *
banger_v1_file_service_write_file_request(const ProtobufCMessage *message)
{
    return (const Banger__V1__WriteFileRequest *)message;
}

/* PullTree */
static inline int
banger_v1_file_service_pull_tree_send(
    struct rpc_call *call, const Banger__V1__FileChunk *message)
{
    return rpc_call_send(call, &message->base);
}

/* PushTree */
static inline int
banger_v1_file_service_push_tree_send(
    struct rpc_call *call, const Banger__V1__PushTreeResponse *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__V1__PushTreeRequest *
banger_v1_file_service_push_tree_request(const ProtobufCMessage *message)
{
    return (const Banger__V1__PushTreeRequest *)message;
}

/* WatchFiles */
static inline int
banger_v1_file_service_watch_files_send(
    struct rpc_call *call, const Banger__V1__FileEvent *message)
{
    return rpc_call_send(call, &message->base);
}

/* PrepareWorkspace */
static inline void
banger_v1_file_service_prepare_workspace_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ExportWorkspace */
static inline int
banger_v1_file_service_export_workspace_send(
    struct rpc_call *call, const Banger__V1__FileChunk *message)
{
    return rpc_call_send(call, &message->base);
}

#endif
