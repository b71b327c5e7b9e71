/* FileService: what the guest's tool `files` does, a request and its answers each; see file_call.h.
 */
#include "daemon/service/file_call.h"

#include <stdio.h>

#include "banger/v1/file.server.rpc.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/service/service.h"
#include "rpc/wire/call.h"

static void fail(struct file_call *f, const FILE_PB(FileError) * error)
{
    struct err err = ERR_INIT;
    char words[512];
    snprintf(words, sizeof(words), "%u %s", error->sys, error->text);
    guest_tool_error(&err, words);
    err_wrap(&err, "%.300s", f->path);
    file_call_end(f, &err);
}

/* One answer. */
static void reply_once(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    static struct file_view view; /* kilobytes; one loop's thread */
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    if (reply->which_kind == FILE_TAG(FileReply, error)) {
        fail(f, &reply->kind.error);
        return;
    }
    bool wants_info = rpc_call_method(f->call)->response == &banger__v1__file_info__descriptor;
    if (wants_info != (reply->which_kind == FILE_TAG(FileReply, info)))
        return; /* its end says that there was no answer */
    f->over = true;
    if (wants_info)
        file_view_fill(&view, &reply->kind.info);
    rpc_call_reply(f->call, wants_info ? &view.info.base : &empty.base);
}

static const struct file_kind once = {.reply = reply_once};

static void reply_listed(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    static struct file_view view;
    if (reply->which_kind == FILE_TAG(FileReply, error)) {
        fail(f, &reply->kind.error);
    } else if (reply->which_kind == FILE_TAG(FileReply, done)) {
        file_call_end(f, NULL);
    } else if (reply->which_kind == FILE_TAG(FileReply, info)) {
        file_view_fill(&view, &reply->kind.info);
        if (banger_v1_file_service_list_files_send(f->call, &view.info) < 0)
            file_call_full(f);
    }
}

static const struct file_kind listed = {.reply = reply_listed};

/* Both paths of a request are its own words; one that is wrong ends the call. */
static void ask(struct file_call *f, const char *vm, const char *user, const char *path, int rc,
                const struct err *err, const FILE_PB(FileCall) * c)
{
    struct file_args args = {.n = 0};
    if (rc < 0) {
        file_call_refuse(f, vm, err);
        return;
    }
    file_args_add(&args, "files");
    file_call_start(f, vm, user, path, &args, c);
}

/* A handler: c is the call that the body fills in, NAME its kind. */
#define HANDLER(function, Request, row, name, body)                                                \
    static void function(void *self, struct rpc_call *call, const Banger__V1__##Request *request)  \
    {                                                                                              \
        static FILE_PB(FileCall) c;                                                                \
        struct err err = ERR_INIT;                                                                 \
        struct file_call *f = file_call_new(self, call, &(row));                                   \
        if (!f)                                                                                    \
            return;                                                                                \
        c = (FILE_PB(FileCall)){.which_kind = FILE_TAG(FileCall, name)};                           \
        int rc = FILE_SET_PATH(c.kind.name.path, request->path, &err);                             \
        body;                                                                                      \
        ask(f, request->vm, request->user, request->path, rc, &err, &c);                           \
    }

HANDLER(stat_file, StatFileRequest, once, stat, c.kind.stat.follow = request->follow)
HANDLER(list_files, ListFilesRequest, listed, list, c.kind.list.recursive = request->recursive)
HANDLER(make_directory, MakeDirectoryRequest, once, make_directory, {
    c.kind.make_directory.mode = request->mode ? (request->mode & 07777) + 1 : 0;
    c.kind.make_directory.parents = request->parents;
})
HANDLER(remove_file, RemoveFileRequest, once, remove, {
    c.kind.remove.recursive = request->recursive;
    c.kind.remove.missing_is_fine = request->missing_is_fine;
})
HANDLER(change_mode, ChangeFileModeRequest, once, chmod, {
    c.kind.chmod.mode = request->mode;
    if (request->mode > 07777)
        rc = err_set(&err, ERR_INVALID, "mode is more than 07777");
})
HANDLER(change_owner, ChangeFileOwnerRequest, once, chown, {
    FILE_PB(FileChown) *o = &c.kind.chown;
    o->follow = request->follow;
    if ((size_t)snprintf(o->owner, sizeof(o->owner), "%s", request->owner) >= sizeof(o->owner) ||
        (size_t)snprintf(o->group, sizeof(o->group), "%s", request->group) >= sizeof(o->group))
        rc = err_set(&err, ERR_INVALID, "owner or group is longer than 63 bytes");
})
HANDLER(make_symlink, MakeSymlinkRequest, once, symlink, {
    if (rc == 0)
        rc = FILE_SET_PATH(c.kind.symlink.target, request->target, &err);
})

static void move_file(void *self, struct rpc_call *call, const Banger__V1__MoveFileRequest *request)
{
    static FILE_PB(FileCall) c;
    struct err err = ERR_INIT;
    struct file_call *f = file_call_new(self, call, &once);
    if (!f)
        return;
    c = (FILE_PB(FileCall)){.which_kind = FILE_TAG(FileCall, move)};
    c.kind.move.overwrite = request->overwrite;
    int rc = FILE_SET_PATH(c.kind.move.from, request->from, &err) < 0 ||
                     FILE_SET_PATH(c.kind.move.to, request->to, &err) < 0
                 ? -1
                 : 0;
    ask(f, request->vm, request->user, request->from, rc, &err, &c);
}

int file_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_file_service_handlers handlers = {
        .stat_file = stat_file,
        .list_files = list_files,
        .make_directory = make_directory,
        .remove_file = remove_file,
        .move_file = move_file,
        .change_file_mode = change_mode,
        .change_file_owner = change_owner,
        .make_symlink = make_symlink,
        .read_file = file_service_read,
        .write_file = file_service_write,
        .pull_tree = file_service_pull,
        .push_tree = file_service_push,
        .watch_files = file_service_watch,
    };
    return banger_v1_file_service_register(server, &handlers, core, err);
}
