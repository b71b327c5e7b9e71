/* FileService: a file's content, both ways; see file_call.h. */
#include <stdio.h>
#include <string.h>

#include "banger/v1/file.server.rpc.h"
#include "base/err.h"
#include "daemon/service/file_call.h"
#include "rpc/wire/call.h"

/* --- read ------------------------------------------------------------------------------------- */

static void send_chunk(struct file_call *f, const uint8_t *data, size_t len)
{
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    if (len == 0 || f->over)
        return;
    chunk.offset = f->offset;
    chunk.data = (ProtobufCBinaryData){len, (uint8_t *)data};
    f->offset += len;
    if (banger_v1_file_service_read_file_send(f->call, &chunk) < 0)
        file_call_full(f);
}

/* The digest is the last there is: so many bytes are held back. */
static void read_raw(struct file_call *f, const uint8_t *data, size_t len)
{
    size_t keep = f->with_sha256 ? FILE_SHA256_BYTES : 0, all = f->n_held + len;
    size_t give = all > keep ? all - keep : 0;
    size_t of_held = give < f->n_held ? give : f->n_held;
    send_chunk(f, f->held, of_held);
    memmove(f->held, f->held + of_held, f->n_held - of_held);
    f->n_held -= of_held;
    send_chunk(f, data, give - of_held);
    data += give - of_held;
    len -= give - of_held;
    memcpy(f->held + f->n_held, data, len);
    f->n_held += len;
}

static void read_reply(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    static struct file_view view; /* kilobytes; one loop's thread */
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    if (reply->which_kind != FILE_TAG(FileReply, info))
        return;
    file_view_fill(&view, &reply->kind.info);
    chunk.info = &view.info;
    chunk.offset = f->offset;
    if (banger_v1_file_service_read_file_send(f->call, &chunk) < 0)
        file_call_full(f);
    file_call_raw(f);
}

static void read_ended(struct file_call *f)
{
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    char text[2 * FILE_SHA256_BYTES + 1] = "";
    for (size_t i = 0; i < f->n_held; i++)
        snprintf(text + 2 * i, 3, "%02x", f->held[i]);
    chunk.offset = f->offset;
    chunk.sha256 = text;
    if (f->n_held == FILE_SHA256_BYTES &&
        banger_v1_file_service_read_file_send(f->call, &chunk) < 0)
        file_call_full(f);
    file_call_end(f, NULL);
}

void file_service_read(void *self, struct rpc_call *call,
                       const Banger__V1__ReadFileRequest *request)
{
    static const struct file_kind kind = {
        .reply = read_reply, .raw = read_raw, .ended = read_ended};
    struct file_call *f = file_call_new(self, call, &kind);
    struct file_args args = {.n = 0};
    if (!f)
        return;
    f->offset = request->offset;
    f->with_sha256 = request->with_sha256;
    file_args_add(&args, "read");
    snprintf(args.numbers[0], sizeof(args.numbers[0]), "%llu", (unsigned long long)request->offset);
    snprintf(args.numbers[1], sizeof(args.numbers[1]), "%llu", (unsigned long long)request->length);
    file_args_add_value(&args, "--offset", args.numbers[0]);
    file_args_add_value(&args, "--length", args.numbers[1]);
    if (request->with_sha256)
        file_args_add(&args, "--sha256");
    file_call_start(f, request->vm, request->user, request->path, &args, NULL);
}

/* --- write ------------------------------------------------------------------------------------ */

static void write_reply(struct file_call *f, const FILE_PB(FileReply) * reply)
{
    static struct file_view view;
    Banger__V1__WriteFileResponse response = BANGER__V1__WRITE_FILE_RESPONSE__INIT;
    if (reply->which_kind == FILE_TAG(FileReply, info)) {
        file_view_fill(&view, &reply->kind.info);
        response.info = &view.info;
        response.offset = view.info.size_bytes;
    } else if (reply->which_kind == FILE_TAG(FileReply, place)) {
        response.offset = reply->kind.place.offset;
        if (!f->began)
            f->offset = response.offset;
    } else {
        return;
    }
    if (banger_v1_file_service_write_file_send(f->call, &response) < 0)
        file_call_full(f);
    else
        file_call_begin(f);
}

static void stream_ended(struct file_call *f)
{
    file_call_end(f, NULL);
}

static bool is_hex(const char *text)
{
    return strspn(text, "0123456789abcdef") == strlen(text);
}

static int write_open(struct file_call *f, const Banger__V1__WriteFileOpen *open, struct err *err)
{
    struct file_args args = {.n = 0};
    char sum[sizeof("--sha256=") + 2 * FILE_SHA256_BYTES];
    if (f->tool)
        return err_set(err, ERR_INVALID, "a second Open on one stream");
    if (*open->sha256 && (strlen(open->sha256) != 2 * FILE_SHA256_BYTES || !is_hex(open->sha256)))
        return err_set(err, ERR_INVALID, "sha256 is not 64 hexadecimal digits in lower case");
    if (strlen(open->resume_token) > 63 || open->mode > 07777)
        return err_set(err, ERR_INVALID, "resume_token is longer than 63 bytes, or mode too large");
    file_args_add(&args, "write");
    snprintf(sum, sizeof(sum), "--sha256=%s", open->sha256);
    if (*open->sha256)
        file_args_add(&args, sum);
    snprintf(args.numbers[0], sizeof(args.numbers[0]), "%o", open->mode);
    file_args_add_value(&args, "--mode", open->mode ? args.numbers[0] : "");
    file_args_add_value(&args, "--resume", open->resume_token);
    rpc_call_pause_reading(f->call); /* until it says where to begin */
    return file_call_run(f, open->vm, open->user, open->path, &args, NULL, err);
}

static int write_message(struct file_call *f, const ProtobufCMessage *message, struct err *err)
{
    const Banger__V1__WriteFileRequest *m = banger_v1_file_service_write_file_request(message);
    if (m->frame_case == BANGER__V1__WRITE_FILE_REQUEST__FRAME_OPEN)
        return write_open(f, m->open, err);
    if (m->frame_case != BANGER__V1__WRITE_FILE_REQUEST__FRAME_CHUNK)
        return err_set(err, ERR_INVALID, "a frame without content");
    if (!f->tool)
        return err_set(err, ERR_INVALID, "the first frame must be Open");
    if (m->chunk->offset != f->offset)
        return err_set(err, ERR_INVALID, "a chunk for offset %llu, and %llu is next",
                       (unsigned long long)m->chunk->offset, (unsigned long long)f->offset);
    f->offset += m->chunk->data.len;
    return file_call_give(f, &m->chunk->data, err);
}

void file_service_write(void *self, struct rpc_call *call)
{
    static const struct file_kind kind = {
        .reply = write_reply, .ended = stream_ended, .message = write_message};
    struct file_call *f = file_call_new(self, call, &kind);
    if (f)
        file_call_expect(f);
}
