/* See file_call.h. */
#include "daemon/service/file_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "base/err.h"
#include "base/utf8.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"

/* --- the end ---------------------------------------------------------------------------------- */

void file_call_end(struct file_call *f, const struct err *err)
{
    if (f->over)
        return;
    f->over = true;
    guest_tool_close(f->tool);
    f->tool = NULL;
    rpc_call_finish(f->call, err);
}

void file_call_full(struct file_call *f)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    file_call_end(f, &err);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct file_call *f = arg;
    guest_tool_close(f->tool);
    timer_done(&f->late);
    rpc_message_free(f->waiting);
    buf_done(&f->in);
    buf_done(&f->out);
    rpc_call_unref(f->call);
    free(f);
}

/* --- from the tool ---------------------------------------------------------------------------- */

static void malformed(struct file_call *f)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNKNOWN, "the guest's tool for files says what is no answer");
    file_call_end(f, &err);
}

/* Takes one message off the front; false: there is no whole one. */
static bool take_message(struct file_call *f)
{
    static FILE_PB(FileReply) reply; /* kilobytes; one loop's thread */
    const uint8_t *data = buf_data(&f->in);
    if (buf_len(&f->in) < 4)
        return false;
    uint32_t len = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                   (uint32_t)data[3] << 24;
    if (len > FILE_MESSAGE_MAX_BYTES) {
        malformed(f);
        return false;
    }
    if (buf_len(&f->in) < 4 + len)
        return false;
    pb_istream_t in = pb_istream_from_buffer(data + 4, len);
    memset(&reply, 0, sizeof(reply));
    bool ok = pb_decode(&in, FILE_PB(FileReply_fields), &reply);
    buf_consume(&f->in, 4 + len);
    if (ok)
        f->kind->reply(f, &reply);
    else
        malformed(f);
    return !f->over;
}

static void take_bytes(struct file_call *f, const uint8_t *data, size_t len)
{
    while (len > 0 && !f->over) {
        if (f->raw) {
            f->kind->raw(f, data, len);
            return;
        }
        size_t room = buf_room(&f->in), n = len < room ? len : room;
        if (buf_append(&f->in, data, n) < 0) {
            file_call_full(f);
            return;
        }
        data += n;
        len -= n;
        while (!f->raw && take_message(f))
            continue;
        size_t rest = buf_len(&f->in);
        if (f->raw && !f->over && rest > 0) {
            f->kind->raw(f, buf_data(&f->in), rest);
            buf_reset(&f->in);
        }
    }
}

static void grant(struct file_call *f)
{
    if (!f->tool || f->owed_bytes == 0 || !rpc_call_writable(f->call))
        return;
    guest_tool_grant(f->tool, f->owed_bytes);
    f->owed_bytes = 0;
}

static void tool_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct file_call *f = arg;
    f->owed_bytes += len;
    take_bytes(f, data, len);
    grant(f);
}

static void tool_ended(void *arg, const struct err *err)
{
    struct file_call *f = arg;
    struct err none = ERR_INIT;
    if (!err && f->kind->ended && (f->raw || buf_len(&f->in) == 0)) {
        f->kind->ended(f);
        return;
    }
    if (!err)
        err_set(&none, ERR_UNKNOWN, "the guest's tool for files has ended without an answer");
    file_call_end(f, err ? err : &none);
}

void file_call_raw(struct file_call *f)
{
    f->raw = true;
}

/* --- to the tool ------------------------------------------------------------------------------ */

/* As much as it takes; nothing is read from the client until that is all. */
static void pump(struct file_call *f)
{
    if (!f->tool || f->finished)
        return;
    if (buf_len(&f->out) > 0) {
        buf_consume(&f->out, guest_tool_write(f->tool, buf_data(&f->out), buf_len(&f->out)));
        if (buf_len(&f->out) > 0)
            return;
    }
    if (f->waiting) {
        f->chunk_at +=
            guest_tool_write(f->tool, f->chunk->data + f->chunk_at, f->chunk->len - f->chunk_at);
        if (f->chunk_at < f->chunk->len)
            return;
        rpc_message_free(f->waiting);
        f->waiting = NULL;
        rpc_call_resume_reading(f->call);
    }
    if (f->client_done) {
        f->finished = true;
        guest_tool_finish(f->tool);
    }
}

static void tool_writable(void *arg)
{
    pump(arg);
}

int file_call_give(struct file_call *f, const ProtobufCBinaryData *chunk, struct err *err)
{
    if (chunk->len > FILE_CHUNK_MAX_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes in a chunk, at most %d are allowed", chunk->len,
                       FILE_CHUNK_MAX_BYTES);
    size_t n = guest_tool_write(f->tool, chunk->data, chunk->len);
    if (n == chunk->len)
        return 0;
    f->chunk = chunk;
    f->chunk_at = n;
    f->waiting = rpc_call_take_message(f->call);
    if (!f->waiting)
        return err_set(err, ERR_LIMIT, "out of memory");
    rpc_call_pause_reading(f->call);
    return 0;
}

void file_call_begin(struct file_call *f)
{
    if (f->began)
        return;
    f->began = true;
    rpc_call_resume_reading(f->call);
}

/* --- the client ------------------------------------------------------------------------------- */

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    grant(arg);
}

static void call_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    struct file_call *f = arg;
    struct err err = ERR_INIT;
    if (!f->over && f->kind->message && f->kind->message(f, message, &err) < 0)
        file_call_end(f, &err);
}

static void call_half_closed(void *arg, struct rpc_call *call)
{
    (void)call;
    struct file_call *f = arg;
    struct err err = ERR_INIT;
    if (!f->kind->message)
        return; /* its one request is told by now */
    f->client_done = true;
    if (!f->over && !f->tool) {
        err_set(&err, ERR_INVALID, "the first frame must be Open");
        file_call_end(f, &err);
    }
    pump(f);
}

static void open_is_late(void *arg)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "no Open came within %d seconds", FILE_OPEN_WITHIN_MS / 1000);
    file_call_end(arg, &err);
}

struct file_call *file_call_new(struct core *core, struct rpc_call *call,
                                const struct file_kind *kind)
{
    static const struct rpc_call_events events = {
        .message = call_message,
        .half_closed = call_half_closed,
        .writable = call_writable,
        .closed = call_closed,
    };
    struct file_call *f = calloc(1, sizeof(*f));
    if (!f || timer_init(&f->late, core->loop, open_is_late, f) < 0) {
        free(f);
        service_out_of_memory(call);
        return NULL;
    }
    f->core = core;
    f->kind = kind;
    buf_init(&f->in, FILE_MESSAGE_MAX_BYTES + 4);
    buf_init(&f->out, FILE_MESSAGE_MAX_BYTES + 4);
    f->call = rpc_call_ref(call);
    rpc_call_set_events(call, &events, f);
    return f;
}

void file_call_expect(struct file_call *f)
{
    timer_start(&f->late, FILE_OPEN_WITHIN_MS);
}

/* --- running ---------------------------------------------------------------------------------- */

void file_args_add(struct file_args *a, const char *arg)
{
    if (a->n < GUEST_TOOL_ARGS)
        a->argv[a->n++] = arg;
}

void file_args_add_value(struct file_args *a, const char *option, const char *value)
{
    if (!value || !*value)
        return;
    file_args_add(a, option);
    file_args_add(a, value);
}

static int put_request(struct file_call *f, const FILE_PB(FileCall) * request, struct err *err)
{
    uint8_t *room = buf_reserve(&f->out, FILE_MESSAGE_MAX_BYTES + 4);
    if (!room)
        return err_set(err, ERR_LIMIT, "out of memory");
    pb_ostream_t out = pb_ostream_from_buffer(room + 4, FILE_MESSAGE_MAX_BYTES);
    if (!pb_encode(&out, FILE_PB(FileCall_fields), request))
        return err_set(err, ERR_INVALID, "a request that is too long");
    for (int i = 0; i < 4; i++)
        room[i] = (uint8_t)(out.bytes_written >> (8 * i));
    buf_commit(&f->out, 4 + out.bytes_written);
    return 0;
}

static int check_texts(const char *user, const char *path, struct err *err)
{
    if (!*path)
        return err_set(err, ERR_INVALID, "path is empty");
    if (strlen(path) >= FILE_PATH_BYTES)
        return err_set(err, ERR_INVALID, "path is longer than %d bytes", FILE_PATH_BYTES - 1);
    if (strlen(user) > 63)
        return err_set(err, ERR_INVALID, "user is longer than 63 bytes");
    return 0;
}

int file_call_run(struct file_call *f, const char *vm, const char *user, const char *path,
                  struct file_args *args, const FILE_PB(FileCall) * request, struct err *err)
{
    static const struct guest_tool_events events = {
        .data = tool_data, .writable = tool_writable, .ended = tool_ended};
    struct vm_entry *e = vm_find_within(f->core, request_scope(f->core, f->call), vm, err);
    if (!e || check_texts(user, path, err) < 0 || (request && put_request(f, request, err) < 0))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s", path);
    if (!request) {
        file_args_add(args, "--");
        file_args_add(args, path);
    }
    struct guest_tool_spec spec = {.argv = args->argv, .argc = args->n, .user = user};
    f->tool = guest_tool_run(f->core, e, &spec, GUEST_TOOL_CREDIT, &events, f, err);
    if (!f->tool)
        return -1;
    f->client_done |= request != NULL;
    timer_stop(&f->late);
    pump(f);
    return 0;
}

void file_call_start(struct file_call *f, const char *vm, const char *user, const char *path,
                     struct file_args *args, const FILE_PB(FileCall) * request)
{
    struct err err = ERR_INIT;
    if (file_call_run(f, vm, user, path, args, request, &err) < 0)
        file_call_end(f, &err);
}

void file_call_refuse(struct file_call *f, const char *vm, const struct err *err)
{
    struct err missing = ERR_INIT;
    bool found = vm_find_within(f->core, request_scope(f->core, f->call), vm, &missing) != NULL;
    file_call_end(f, found ? err : &missing);
}

/* --- views ------------------------------------------------------------------------------------ */

void file_view_text(char to[FILE_PATH_BYTES + 1], const uint8_t *bytes, size_t len)
{
    memcpy(to, bytes, len);
    to[len] = '\0';
    utf8_mend(to);
}

int file_set_path(uint8_t *bytes, uint16_t *size, const char *text, struct err *err)
{
    size_t len = strlen(text);
    if (len == 0 || len >= FILE_PATH_BYTES)
        return err_set(err, ERR_INVALID, "a path is empty, or longer than %d bytes",
                       FILE_PATH_BYTES - 1);
    memcpy(bytes, text, len); /* NOLINT(bugprone-not-null-terminated-result): it has a size */
    *size = (uint16_t)len;
    return 0;
}

static Banger__V1__FileType type_of(uint32_t mode)
{
    static const struct {
        uint32_t format; /* as Linux has it, whatever we are */
        Banger__V1__FileType type;
    } types[] = {
        {0100000, BANGER__V1__FILE_TYPE__FILE_TYPE_REGULAR},
        {0040000, BANGER__V1__FILE_TYPE__FILE_TYPE_DIRECTORY},
        {0120000, BANGER__V1__FILE_TYPE__FILE_TYPE_SYMLINK},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if ((mode & 0170000) == types[i].format)
            return types[i].type;
    return BANGER__V1__FILE_TYPE__FILE_TYPE_OTHER;
}

void file_view_fill(struct file_view *v, const FILE_PB(FileInfo) * info)
{
    banger__v1__file_info__init(&v->info);
    google__protobuf__timestamp__init(&v->modified);
    file_view_text(v->path, info->path.bytes, info->path.size);
    file_view_text(v->link, info->link_target.bytes, info->link_target.size);
    snprintf(v->owner, sizeof(v->owner), "%s", info->owner);
    snprintf(v->group, sizeof(v->group), "%s", info->group);
    utf8_mend(v->owner);
    utf8_mend(v->group);
    v->modified.seconds = info->modified_s;
    v->modified.nanos = info->modified_ns < 1000000000 ? (int32_t)info->modified_ns : 0;
    v->info.path = v->path;
    v->info.link_target = v->link;
    v->info.owner = v->owner;
    v->info.group = v->group;
    v->info.modified = &v->modified;
    v->info.type = type_of(info->mode);
    v->info.mode = info->mode & 07777;
    v->info.uid = info->uid;
    v->info.gid = info->gid;
    v->info.size_bytes = info->size;
}
