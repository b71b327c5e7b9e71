/* The reader of archives: any bytes are read or refused. What is told of an entry holds: content in
 * order, within the file, as much as was said. The first byte says in what pieces the rest comes,
 * and whether it goes on somewhere. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tree/tar_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    bool open;
    uint64_t size, left, at;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static int entry(void *arg, const struct tar_entry *e, struct err *err)
{
    struct told *t = arg;
    (void)err;
    must(!t->open, "one entry at a time");
    must(e->path[0] != '\0' && e->link, "it has a name");
    must(e->again_at <= e->body_bytes, "no more was had than there is");
    size_t sum = strlen(e->user) + strlen(e->group);
    for (size_t i = 0; i < e->n_xattrs; i++)
        for (size_t at = 0; at < e->xattrs[i].len; at++)
            sum += e->xattrs[i].value[at] & 0; /* readable */
    must(sum < 2 * TAR_OWNER_BYTES, "owners are short");
    *t = (struct told){true, e->size, e->body_bytes - e->again_at, 0};
    return 0;
}

static int content(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *err)
{
    struct told *t = arg;
    (void)err;
    (void)data;
    must(t->open && len > 0 && len <= t->left, "content of an entry");
    must(offset >= t->at && offset <= t->size && len <= t->size - offset,
         "in order, within the file");
    t->at = offset + len;
    t->left -= len;
    return 0;
}

static int entry_end(void *arg, struct err *err)
{
    struct told *t = arg;
    (void)err;
    must(t->open && t->left == 0, "all of the content");
    t->open = false;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tar_handler handler = {
        .entry = entry, .data = content, .entry_end = entry_end};
    struct tar_reader r;
    struct told told = {0};
    struct err err = ERR_INIT;
    if (size == 0)
        return 0;
    struct tar_place from = {512, 1};
    tar_reader_init(&r, &handler, &told, data[0] & 1 ? &from : NULL);
    size_t piece = data[0] / 2 + 1;
    for (size_t at = 1; at < size; at += piece)
        if (tar_read(&r, data + at, size - at < piece ? size - at : piece, &err) < 0)
            break;
    tar_reader_done(&r);
    return 0;
}
