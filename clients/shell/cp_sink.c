/* What vm cp writes; see cp.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cp.h"
#include "lease.h"
#include "stream.h"

enum { ABANDON_MS = 5000 };

/* --- here ------------------------------------------------------------------------------------- */

static int write_out(void *arg, const uint8_t *data, size_t len, struct err *err)
{
    struct cp_sink *s = arg;
    size_t drop = s->drop < len ? s->drop : len;
    s->drop -= drop;
    return stream_write_all(STDOUT_FILENO, data + drop, len - drop) < 0
               ? err_sys(err, errno, "write to standard output")
               : 0;
}

static int count_entry(void *arg, const struct tar_entry *entry, struct err *err)
{
    struct cp_sink *s = arg;
    (void)err;
    s->files += !entry->again;
    return 0;
}

static enum tree_owners owners_of(const struct cp_options *o)
{
    if (o->owners)
        return strcmp(o->owners, "names") == 0 ? TREE_OWNERS_NAMES : TREE_OWNERS_IDS;
    return o->archive ? TREE_OWNERS_IDS : TREE_OWNERS_NONE;
}

static int open_here(struct cp_sink *s, struct tar_place place, struct banger_error *error)
{
    static const struct tar_handler handler = {.entry = count_entry, .raw = write_out};
    const struct cp_options *o = s->plan->options;
    struct err err = ERR_INIT;
    if (cp_is_pipe(&s->plan->to)) {
        s->drop = place.offset % TAR_BLOCK_BYTES; /* written, and sent again */
        place.offset -= s->drop;
        tar_reader_init(&s->reader, &handler, s, &place);
        s->has_reader = true;
        return 0;
    }
    struct unpack_options options = {
        .owners = owners_of(o),
        .special = o->archive,
        .xattrs = o->archive,
        .devices = o->devices,
        .from = place,
    };
    s->unpack = unpack_open(s->plan->root, &options, &err);
    return s->unpack ? 0 : cp_error(error, &err);
}

static int write_here(struct cp_sink *s, const uint8_t *data, size_t len,
                      struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (s->has_reader) {
        uint64_t before = s->reader.place.offset;
        if (tar_read(&s->reader, data, len, &err) < 0)
            return cp_error(error, &err);
        s->place = s->reader.place;
        s->place.offset += s->drop; /* what is still to be dropped is there */
        s->bytes += s->place.offset - before;
        return 0;
    }
    if (unpack_write(s->unpack, data, len, &err) < 0)
        return cp_error(error, &err);
    struct unpack_counts counts = unpack_counts(s->unpack);
    s->place = unpack_place(s->unpack);
    s->files = counts.files;
    s->bytes = counts.bytes;
    return 0;
}

static int finish_here(struct cp_sink *s, struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (s->has_reader && !tar_reader_ended(&s->reader))
        err_set(&err, ERR_DATA_LOSS, "the archive was cut off");
    if (err.code || (s->unpack && unpack_end(s->unpack, &err) < 0))
        return cp_error(error, &err);
    if (s->unpack && unpack_trouble(s->unpack)->count > 0) {
        s->troubles = unpack_trouble(s->unpack)->count;
        snprintf(s->trouble, sizeof(s->trouble), "%s", unpack_trouble(s->unpack)->first.message);
    }
    return 0;
}

/* --- a guest ---------------------------------------------------------------------------------- */

static void take_response(struct cp_sink *s, const Banger__V1__PushTreeResponse *r)
{
    char *colon;
    s->done = r->done;
    if (r->in_parent)
        s->to = r->path_exists ? CP_FILE : CP_MISSING;
    if (r->done)
        return;
    s->files = r->files;
    s->bytes = r->bytes;
    s->troubles = r->troubles;
    snprintf(s->trouble, sizeof(s->trouble), "%s", r->trouble);
    uint64_t offset = strtoull(r->resume_token, &colon, 10);
    if (*colon == ':')
        s->place = (struct tar_place){offset, strtoull(colon + 1, NULL, 10)};
}

/* What came by now, or, with wait, until there is something. */
static int take_responses(struct cp_sink *s, bool wait, struct banger_error *error)
{
    for (;;) {
        ProtobufCMessage *message = NULL;
        enum banger_next next = banger_stream_next(s->stream, wait ? -1 : 0, &message, error);
        if (next == BANGER_NEXT_ERROR)
            return -1;
        if (next != BANGER_NEXT_MESSAGE)
            return next == BANGER_NEXT_END ? 1 : 0;
        take_response(s, (const Banger__V1__PushTreeResponse *)(void *)message);
        banger_message_free(message);
        if (wait)
            return 0;
    }
}

static int open_guest(struct cp_sink *s, struct tar_place place, struct banger_error *error)
{
    const struct cp_options *o = s->plan->options;
    char token[CP_TOKEN_BYTES];
    Banger__V1__PushTreeOpen open = BANGER__V1__PUSH_TREE_OPEN__INIT;
    Banger__V1__PushTreeRequest request = BANGER__V1__PUSH_TREE_REQUEST__INIT;
    cp_token(token, place);
    open.vm = s->plan->to.vm;
    open.path = (char *)s->plan->root;
    open.resume_token = token;
    open.user = (char *)(o->user ? o->user : "");
    open.owners = (Banger__V1__FileOwners)owners_of(o); /* the same numbers */
    open.special = o->archive;
    open.xattrs = o->archive;
    open.devices = o->devices;
    open.or_parent = s->plan->asks;
    request.frame_case = BANGER__V1__PUSH_TREE_REQUEST__FRAME_OPEN;
    request.open = &open;
    s->stream =
        banger_stream_open(s->cli->client, "/banger.v1.FileService/PushTree", NULL, NULL, error);
    if (!s->stream || banger_stream_send(s->stream, &request.base, error) < 0)
        return -1;
    return take_responses(s, true, error) < 0 ? -1 : 0; /* it has begun */
}

static int interrupted(struct banger_error *error)
{
    *error = (struct banger_error){.code = BANGER_CANCELLED, .reason = "INTERRUPTED"};
    return -1;
}

bool cp_is_interrupted(const struct cp_plan *plan, struct banger_error *error)
{
    struct pollfd p = {.fd = plan->interrupt_fd > 0 ? plan->interrupt_fd : -1, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0 || !p.revents)
        return false;
    interrupted(error);
    return true;
}

/* Until the stream takes more. */
static int wait_writable(struct cp_sink *s, struct banger_error *error)
{
    struct banger_client *client = s->cli->client;
    int interrupt_fd = s->plan->interrupt_fd > 0 ? s->plan->interrupt_fd : -1;
    while (!banger_stream_writable(s->stream)) {
        struct pollfd p[] = {{.fd = banger_fd(client), .events = banger_wanted_events(client)},
                             {.fd = interrupt_fd, .events = POLLIN}};
        if (poll(p, 2, banger_next_timeout(client)) < 0 && errno != EINTR)
            return -1;
        if (p[1].revents)
            return interrupted(error);
        (void)banger_process(client, NULL); /* a loss shows in the stream */
        lease_turn(s->cli->lease);
        int rc = take_responses(s, false, error);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int write_guest(struct cp_sink *s, const uint8_t *data, size_t len,
                       struct banger_error *error)
{
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    Banger__V1__PushTreeRequest request = BANGER__V1__PUSH_TREE_REQUEST__INIT;
    chunk.data = (ProtobufCBinaryData){len, (uint8_t *)data};
    request.frame_case = BANGER__V1__PUSH_TREE_REQUEST__FRAME_CHUNK;
    request.chunk = &chunk;
    if (wait_writable(s, error) < 0)
        return -1;
    struct banger_error sent;
    if (banger_stream_send(s->stream, &request.base, &sent) == 0) {
        (void)banger_process(s->cli->client, NULL);
        lease_turn(s->cli->lease);
        return take_responses(s, false, error) < 0 ? -1 : 0;
    }
    /* Why it is over is what comes last. */
    int rc;
    while ((rc = take_responses(s, true, error)) == 0)
        continue;
    if (rc > 0)
        *error = sent;
    return -1;
}

static int finish_guest(struct cp_sink *s, struct banger_error *error)
{
    int rc;
    banger_stream_half_close(s->stream);
    while ((rc = take_responses(s, true, error)) == 0)
        continue;
    if (rc > 0 && !s->done) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_DATA_LOSS, "the guest did not say that it has all");
        return cp_error(error, &err);
    }
    return rc < 0 ? -1 : 0;
}

/* --- either ----------------------------------------------------------------------------------- */

int cp_sink_open(struct cp_sink *s, struct tar_place place, struct banger_error *error)
{
    s->place = place;
    s->to = CP_FOLDER;
    return s->plan->to.vm ? open_guest(s, place, error) : open_here(s, place, error);
}

int cp_sink_write(struct cp_sink *s, const uint8_t *data, size_t len, struct banger_error *error)
{
    return s->stream ? write_guest(s, data, len, error) : write_here(s, data, len, error);
}

int cp_sink_finish(struct cp_sink *s, struct banger_error *error)
{
    return s->stream ? finish_guest(s, error) : finish_here(s, error);
}

/* An archive that ends in the middle is what makes it remove what it has. */
void cp_sink_abandon(struct cp_sink *s)
{
    struct banger_error error;
    ProtobufCMessage *message = NULL;
    enum banger_next next = BANGER_NEXT_MESSAGE;
    if (!s->stream)
        return;
    banger_set_interrupt_fd(s->cli->client, -1);
    banger_stream_half_close(s->stream);
    while (next == BANGER_NEXT_MESSAGE) {
        next = banger_stream_next(s->stream, ABANDON_MS, &message, &error);
        banger_message_free(next == BANGER_NEXT_MESSAGE ? message : NULL);
    }
    if (next != BANGER_NEXT_END && strcmp(error.reason, "BAD_ARCHIVE") != 0 &&
        next != BANGER_NEXT_ERROR)
        cli_say(stderr, "banger: the guest did not say that it has removed what was half-written");
}

void cp_sink_close(struct cp_sink *s, bool keep)
{
    banger_stream_close(s->stream);
    s->stream = NULL;
    unpack_close(s->unpack, keep);
    s->unpack = NULL;
    if (s->has_reader)
        tar_reader_done(&s->reader);
    s->has_reader = false;
}
