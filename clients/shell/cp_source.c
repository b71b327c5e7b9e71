/* What vm cp reads; see cp.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cp.h"

int cp_error(struct banger_error *error, const struct err *err)
{
    *error = (struct banger_error){.code = (enum banger_code)err->code, .sys = err->sys};
    snprintf(error->message, sizeof(error->message), "%s", err->message);
    return -1;
}

void cp_token(char text[CP_TOKEN_BYTES], struct tar_place place)
{
    text[0] = '\0';
    if (place.offset > 0)
        snprintf(text, CP_TOKEN_BYTES, "%llu:%llu", (unsigned long long)place.offset,
                 (unsigned long long)place.digest);
}

static int open_tree(struct cp_source *s, struct tar_place place, struct banger_error *error)
{
    const struct cp_plan *plan = s->plan;
    struct err err = ERR_INIT;
    struct pack_options options = {
        .name = plan->name,
        .follow = plan->options->follow,
        .xattrs = plan->options->archive,
        .devices = plan->options->devices,
        .times = cp_is_pipe(&plan->to) ? TAR_PORTABLE : TAR_COMPACT,
        .from = place,
        .wanted = plan->wanted,
        .arg = plan->arg,
    };
    s->pack = pack_open(plan->from.path, &options, &err);
    return s->pack ? 0 : cp_error(error, &err);
}

static int open_guest(struct cp_source *s, struct tar_place place, struct banger_error *error)
{
    const struct cp_plan *plan = s->plan;
    char token[CP_TOKEN_BYTES];
    Banger__V1__PullTreeRequest request = BANGER__V1__PULL_TREE_REQUEST__INIT;
    cp_token(token, place);
    request.vm = plan->from.vm;
    request.path = (char *)plan->from.path;
    request.name = (char *)plan->name;
    request.resume_token = token;
    request.user = (char *)(plan->options->user ? plan->options->user : "");
    request.follow = plan->options->follow;
    request.xattrs = plan->options->archive;
    request.devices = plan->options->devices;
    request.portable = cp_is_pipe(&plan->to);
    s->stream = banger_stream_open(s->cli->client, "/banger.v1.FileService/PullTree", &request.base,
                                   NULL, error);
    return s->stream ? 0 : -1;
}

int cp_source_open(struct cp_source *s, struct tar_place place, struct banger_error *error)
{
    place.offset -= place.offset % TAR_BLOCK_BYTES;
    if (cp_is_pipe(&s->plan->from))
        return 0;
    return s->plan->from.vm ? open_guest(s, place, error) : open_tree(s, place, error);
}

static ssize_t read_guest(struct cp_source *s, const uint8_t **data, struct banger_error *error)
{
    for (;;) {
        banger_message_free(s->message);
        s->message = NULL;
        enum banger_next next = banger_stream_next(s->stream, -1, &s->message, error);
        if (next == BANGER_NEXT_ERROR)
            return -1;
        if (next == BANGER_NEXT_END)
            return 0;
        if (next != BANGER_NEXT_MESSAGE)
            continue;
        const Banger__V1__FileChunk *chunk = (const Banger__V1__FileChunk *)(void *)s->message;
        *data = chunk->data.data;
        if (chunk->data.len > 0)
            return (ssize_t)chunk->data.len;
    }
}

ssize_t cp_source_read(struct cp_source *s, const uint8_t **data, struct banger_error *error)
{
    static uint8_t block[CP_BLOCK_BYTES];
    struct err err = ERR_INIT;
    if (s->stream)
        return read_guest(s, data, error);
    *data = block;
    if (s->pack) {
        ssize_t n = pack_read(s->pack, block, sizeof(block), &err);
        const struct tree_trouble *trouble = pack_trouble(s->pack);
        if (n < 0 || (n == 0 && trouble->count > 0))
            return cp_error(error, n < 0 ? &err : &trouble->first);
        return n;
    }
    ssize_t n;
    struct pollfd p[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = s->plan->interrupt_fd > 0 ? s->plan->interrupt_fd : -1, .events = POLLIN}};
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        continue;
    if (cp_is_interrupted(s->plan, error))
        return -1;
    do
        n = read(STDIN_FILENO, block, sizeof(block));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        err_sys(&err, errno, "read standard input");
        return cp_error(error, &err);
    }
    return n;
}

void cp_source_close(struct cp_source *s)
{
    banger_message_free(s->message);
    s->message = NULL;
    banger_stream_close(s->stream);
    s->stream = NULL;
    pack_close(s->pack);
    s->pack = NULL;
}
