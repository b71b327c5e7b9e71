/* FileService: trees as archives, both ways, and what happens in one; see file_call.h. */
#include <stdio.h>
#include <string.h>

#include "banger/v1/file.server.rpc.h"
#include "base/err.h"
#include "daemon/service/file_call.h"
#include "rpc/wire/call.h"

/* "OFFSET:DIGEST", both decimal. */
static int check_token(const char *token, struct err *err)
{
    size_t digits = strspn(token, "0123456789");
    const char *rest = token + digits + (token[digits] == ':');
    if (!*token || (digits > 0 && digits <= 20 && token[digits] == ':' && *rest &&
                    strlen(rest) <= 20 && strspn(rest, "0123456789") == strlen(rest)))
        return 0;
    return err_set(err, ERR_INVALID, "resume_token is none that was given");
}

/* --- pull ------------------------------------------------------------------------------------- */

static void pull_raw(struct file_call *f, const uint8_t *data, size_t len)
{
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    chunk.offset = f->offset;
    chunk.data = (ProtobufCBinaryData){len, (uint8_t *)data};
    f->offset += len;
    if (banger_v1_file_service_pull_tree_send(f->call, &chunk) < 0)
        file_call_full(f);
}

static void stream_ended(struct file_call *f)
{
    file_call_end(f, NULL);
}

void file_service_pull(void *self, struct rpc_call *call,
                       const Banger__V1__PullTreeRequest *request)
{
    static const struct file_kind kind = {.raw = pull_raw, .ended = stream_ended};
    struct file_call *f = file_call_new(self, call, &kind);
    struct file_args args = {.n = 0};
    struct err err = ERR_INIT;
    if (!f)
        return;
    if (strlen(request->name) > 255 || strchr(request->name, '/'))
        err_set(&err, ERR_INVALID, "name is no name of a file");
    if (err.code || check_token(request->resume_token, &err) < 0) {
        file_call_refuse(f, request->vm, &err);
        return;
    }
    file_call_raw(f);
    file_args_add(&args, "tar-out");
    file_args_add_value(&args, "--name", request->name);
    file_args_add_value(&args, "--from", request->resume_token);
    if (request->follow)
        file_args_add(&args, "--follow");
    if (request->xattrs)
        file_args_add(&args, "--xattrs");
    if (request->devices)
        file_args_add(&args, "--devices");
    if (request->portable)
        file_args_add(&args, "--portable");
    file_call_start(f, request->vm, request->user, request->path, &args, NULL);
}

/* --- push ------------------------------------------------------------------------------------- */

static void push_place(struct file_call *f, const FILE_PB(FilePlace) * place, bool done)
{
    Banger__V1__PushTreeResponse response = BANGER__V1__PUSH_TREE_RESPONSE__INIT;
    char token[48], trouble[FILE_PATH_BYTES + 1];
    response.done = done;
    if (place) {
        snprintf(token, sizeof(token), "%llu:%llu", (unsigned long long)place->offset,
                 (unsigned long long)place->digest);
        file_view_text(trouble, (const uint8_t *)place->trouble, strlen(place->trouble));
        response.files = place->files;
        response.bytes = place->bytes;
        response.resume_token = token;
        response.troubles = place->troubles;
        response.trouble = trouble;
        response.in_parent = place->in_parent;
        response.path_exists = place->exists;
    }
    if (banger_v1_file_service_push_tree_send(f->call, &response) < 0)
        file_call_full(f);
}

static void push_reply(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    if (reply->which_kind == FILE_TAG(FileReply, place))
        push_place(f, &reply->kind.place, false);
    else if (reply->which_kind == FILE_TAG(FileReply, done))
        push_place(f, NULL, true);
    if (!f->over)
        file_call_begin(f);
}

static int push_open(struct file_call *f, const Banger__V1__PushTreeOpen *open, struct err *err)
{
    struct file_args args = {.n = 0};
    if (f->tool)
        return err_set(err, ERR_INVALID, "a second Open on one stream");
    if ((unsigned)open->owners > BANGER__V1__FILE_OWNERS__FILE_OWNERS_NAMES)
        return err_set(err, ERR_INVALID, "owners %d are not known", (int)open->owners);
    if (check_token(open->resume_token, err) < 0)
        return -1;
    file_args_add(&args, "tar-in");
    file_args_add_value(&args, "--from", open->resume_token);
    if (open->owners != BANGER__V1__FILE_OWNERS__FILE_OWNERS_UNSPECIFIED)
        file_args_add_value(&args, "--owners",
                            open->owners == BANGER__V1__FILE_OWNERS__FILE_OWNERS_IDS ? "ids"
                                                                                     : "names");
    if (open->special)
        file_args_add(&args, "--special");
    if (open->xattrs)
        file_args_add(&args, "--xattrs");
    if (open->devices)
        file_args_add(&args, "--devices");
    if (open->or_parent)
        file_args_add(&args, "--or-parent");
    rpc_call_pause_reading(f->call); /* until it has begun */
    return file_call_run(f, open->vm, open->user, open->path, &args, NULL, err);
}

static int push_message(struct file_call *f, const ProtobufCMessage *message, struct err *err)
{
    const Banger__V1__PushTreeRequest *m = banger_v1_file_service_push_tree_request(message);
    if (m->frame_case == BANGER__V1__PUSH_TREE_REQUEST__FRAME_OPEN)
        return push_open(f, m->open, err);
    if (m->frame_case != BANGER__V1__PUSH_TREE_REQUEST__FRAME_CHUNK)
        return err_set(err, ERR_INVALID, "a frame without content");
    if (!f->tool)
        return err_set(err, ERR_INVALID, "the first frame must be Open");
    return file_call_give(f, &m->chunk->data, err);
}

void file_service_push(void *self, struct rpc_call *call)
{
    static const struct file_kind kind = {
        .reply = push_reply, .ended = stream_ended, .message = push_message};
    struct file_call *f = file_call_new(self, call, &kind);
    if (f)
        file_call_expect(f);
}

/* --- watch ------------------------------------------------------------------------------------ */

static void watch_reply(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    static char path[FILE_PATH_BYTES + 1], to[FILE_PATH_BYTES + 1];
    const FILE_PB(FileEvent) *e = &reply->kind.event;
    Banger__V1__FileEvent event = BANGER__V1__FILE_EVENT__INIT;
    if (reply->which_kind != FILE_TAG(FileReply, event))
        return;
    file_view_text(path, e->path.bytes, e->path.size);
    file_view_text(to, e->to.bytes, e->to.size);
    event.kind = (Banger__V1__FileEventKind)e->kind; /* the same numbers */
    event.path = path;
    event.to = to;
    event.directory = e->directory;
    if (banger_v1_file_service_watch_files_send(f->call, &event) < 0)
        file_call_full(f);
}

void file_service_watch(void *self, struct rpc_call *call,
                        const Banger__V1__WatchFilesRequest *request)
{
    static const struct file_kind kind = {.reply = watch_reply, .ended = stream_ended};
    struct file_call *f = file_call_new(self, call, &kind);
    struct file_args args = {.n = 0};
    if (!f)
        return;
    file_args_add(&args, "watch");
    if (request->recursive)
        file_args_add(&args, "--recursive");
    file_call_start(f, request->vm, request->user, request->path, &args, NULL);
}
