/* Written by protoc-gen-banger-rpc from banger/v1/file.proto; do not edit. */
#include "banger/v1/file.rpc.h"
#include "banger/v1/file.server.rpc.h"

/* FileService */

static bool
banger_v1_file_service_stat_file_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->stat_file)
        return false;
    h->stat_file(self, call, (const Banger__V1__StatFileRequest *)request);
    return true;
}

static bool
banger_v1_file_service_list_files_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->list_files)
        return false;
    h->list_files(self, call, (const Banger__V1__ListFilesRequest *)request);
    return true;
}

static bool
banger_v1_file_service_make_directory_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->make_directory)
        return false;
    h->make_directory(self, call, (const Banger__V1__MakeDirectoryRequest *)request);
    return true;
}

static bool
banger_v1_file_service_remove_file_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->remove_file)
        return false;
    h->remove_file(self, call, (const Banger__V1__RemoveFileRequest *)request);
    return true;
}

static bool
banger_v1_file_service_move_file_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->move_file)
        return false;
    h->move_file(self, call, (const Banger__V1__MoveFileRequest *)request);
    return true;
}

static bool
banger_v1_file_service_change_file_mode_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->change_file_mode)
        return false;
    h->change_file_mode(self, call, (const Banger__V1__ChangeFileModeRequest *)request);
    return true;
}

static bool
banger_v1_file_service_change_file_owner_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->change_file_owner)
        return false;
    h->change_file_owner(self, call, (const Banger__V1__ChangeFileOwnerRequest *)request);
    return true;
}

static bool
banger_v1_file_service_make_symlink_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->make_symlink)
        return false;
    h->make_symlink(self, call, (const Banger__V1__MakeSymlinkRequest *)request);
    return true;
}

static bool
banger_v1_file_service_read_file_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->read_file)
        return false;
    h->read_file(self, call, (const Banger__V1__ReadFileRequest *)request);
    return true;
}

static bool
banger_v1_file_service_write_file_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->write_file)
        return false;
    (void)request;
    h->write_file(self, call);
    return true;
}

static bool
banger_v1_file_service_pull_tree_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->pull_tree)
        return false;
    h->pull_tree(self, call, (const Banger__V1__PullTreeRequest *)request);
    return true;
}

static bool
banger_v1_file_service_push_tree_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->push_tree)
        return false;
    (void)request;
    h->push_tree(self, call);
    return true;
}

static bool
banger_v1_file_service_watch_files_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->watch_files)
        return false;
    h->watch_files(self, call, (const Banger__V1__WatchFilesRequest *)request);
    return true;
}

static bool
banger_v1_file_service_prepare_workspace_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->prepare_workspace)
        return false;
    h->prepare_workspace(self, call, (const Banger__V1__PrepareWorkspaceRequest *)request);
    return true;
}

static bool
banger_v1_file_service_export_workspace_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_file_service_handlers *h = handlers;
    if (!h->export_workspace)
        return false;
    h->export_workspace(self, call, (const Banger__V1__ExportWorkspaceRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_file_service_methods[] = {
    [BANGER_V1_FILE_SERVICE_STAT_FILE] = {
        .name = "StatFile",
        .path = "/banger.v1.FileService/StatFile",
        .request = &banger__v1__stat_file_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_stat_file_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "What a file is",
    },
    [BANGER_V1_FILE_SERVICE_LIST_FILES] = {
        .name = "ListFiles",
        .path = "/banger.v1.FileService/ListFiles",
        .request = &banger__v1__list_files_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_list_files_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "file",
        .summary = "What a folder has, sorted by name",
    },
    [BANGER_V1_FILE_SERVICE_MAKE_DIRECTORY] = {
        .name = "MakeDirectory",
        .path = "/banger.v1.FileService/MakeDirectory",
        .request = &banger__v1__make_directory_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_make_directory_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "Makes a folder",
    },
    [BANGER_V1_FILE_SERVICE_REMOVE_FILE] = {
        .name = "RemoveFile",
        .path = "/banger.v1.FileService/RemoveFile",
        .request = &banger__v1__remove_file_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_file_service_remove_file_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .default_deadline_ms = 60000,
        .resource_kind = "file",
        .summary = "Removes a file, or a folder with recursive; a link, never what it leads to",
    },
    [BANGER_V1_FILE_SERVICE_MOVE_FILE] = {
        .name = "MoveFile",
        .path = "/banger.v1.FileService/MoveFile",
        .request = &banger__v1__move_file_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_move_file_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "Renames a file or folder, within a file system",
    },
    [BANGER_V1_FILE_SERVICE_CHANGE_FILE_MODE] = {
        .name = "ChangeFileMode",
        .path = "/banger.v1.FileService/ChangeFileMode",
        .request = &banger__v1__change_file_mode_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_change_file_mode_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "Changes permissions",
    },
    [BANGER_V1_FILE_SERVICE_CHANGE_FILE_OWNER] = {
        .name = "ChangeFileOwner",
        .path = "/banger.v1.FileService/ChangeFileOwner",
        .request = &banger__v1__change_file_owner_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_change_file_owner_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "Changes owner and group",
    },
    [BANGER_V1_FILE_SERVICE_MAKE_SYMLINK] = {
        .name = "MakeSymlink",
        .path = "/banger.v1.FileService/MakeSymlink",
        .request = &banger__v1__make_symlink_request__descriptor,
        .response = &banger__v1__file_info__descriptor,
        .dispatch = banger_v1_file_service_make_symlink_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "file",
        .summary = "Makes a symbolic link",
    },
    [BANGER_V1_FILE_SERVICE_READ_FILE] = {
        .name = "ReadFile",
        .path = "/banger.v1.FileService/ReadFile",
        .request = &banger__v1__read_file_request__descriptor,
        .response = &banger__v1__file_chunk__descriptor,
        .dispatch = banger_v1_file_service_read_file_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "file",
        .summary = "A regular file's content; its first chunk has the file's info, and may have no data",
    },
    [BANGER_V1_FILE_SERVICE_WRITE_FILE] = {
        .name = "WriteFile",
        .path = "/banger.v1.FileService/WriteFile",
        .request = &banger__v1__write_file_request__descriptor,
        .response = &banger__v1__write_file_response__descriptor,
        .dispatch = banger_v1_file_service_write_file_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .resource_kind = "file",
        .summary = "Open first, then chunks, then the end of the stream",
    },
    [BANGER_V1_FILE_SERVICE_PULL_TREE] = {
        .name = "PullTree",
        .path = "/banger.v1.FileService/PullTree",
        .request = &banger__v1__pull_tree_request__descriptor,
        .response = &banger__v1__file_chunk__descriptor,
        .dispatch = banger_v1_file_service_pull_tree_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "file",
        .summary = "A file, or a folder with all below it, as a POSIX tar stream: modes, times, owners, links of both kinds, holes; sorted",
    },
    [BANGER_V1_FILE_SERVICE_PUSH_TREE] = {
        .name = "PushTree",
        .path = "/banger.v1.FileService/PushTree",
        .request = &banger__v1__push_tree_request__descriptor,
        .response = &banger__v1__push_tree_response__descriptor,
        .dispatch = banger_v1_file_service_push_tree_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .resource_kind = "file",
        .summary = "Open first, then a tar stream in chunks, then the end of the stream, into a folder of the guest",
    },
    [BANGER_V1_FILE_SERVICE_WATCH_FILES] = {
        .name = "WatchFiles",
        .path = "/banger.v1.FileService/WatchFiles",
        .request = &banger__v1__watch_files_request__descriptor,
        .response = &banger__v1__file_event__descriptor,
        .dispatch = banger_v1_file_service_watch_files_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "file",
        .summary = "What happens in a folder, until the caller ends it or the folder goes",
    },
    [BANGER_V1_FILE_SERVICE_PREPARE_WORKSPACE] = {
        .name = "PrepareWorkspace",
        .path = "/banger.v1.FileService/PrepareWorkspace",
        .request = &banger__v1__prepare_workspace_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_file_service_prepare_workspace_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "file",
        .summary = "Makes a working copy of a repository of the host's in the guest",
    },
    [BANGER_V1_FILE_SERVICE_EXPORT_WORKSPACE] = {
        .name = "ExportWorkspace",
        .path = "/banger.v1.FileService/ExportWorkspace",
        .request = &banger__v1__export_workspace_request__descriptor,
        .response = &banger__v1__file_chunk__descriptor,
        .dispatch = banger_v1_file_service_export_workspace_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .planned = true,
        .resource_kind = "file",
        .summary = "Changes against the base commit, as a git bundle or patch",
    },
};

const struct rpc_service banger_v1_file_service = {
    .name = "banger.v1.FileService",
    .methods = banger_v1_file_service_methods,
    .n_methods = BANGER_V1_FILE_SERVICE_METHODS,
};
