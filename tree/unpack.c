/* The stream that comes; see unpack.h. */
#include "tree/unpack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct unpack *unpack_open(const char *root, const struct unpack_options *options, struct err *err)
{
    struct unpack *u = calloc(1, sizeof(*u));
    if (!u) {
        err_sys(err, ENOMEM, "%.300s", root);
        return NULL;
    }
    u->options = *options;
    u->fd = -1;
    u->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->root_fd < 0) {
        err_sys(err, errno, "%.300s", root);
        free(u);
        return NULL;
    }
    tar_reader_init(&u->reader, &unpack_handler, u, &options->from);
    return u;
}

void unpack_close(struct unpack *u, bool keep_part)
{
    if (!u)
        return;
    if (u->fd >= 0) {
        if (!keep_part || u->failed)
            unlinkat(unpack_here(u), u->part, 0);
        close(u->fd);
    }
    unpack_leave(u, 0);
    unpack_meta_free(u->meta);
    tar_reader_done(&u->reader);
    free(u->small.data);
    free(u->name);
    close(u->root_fd);
    free(u);
}

int unpack_write(struct unpack *u, const uint8_t *data, size_t len, struct err *err)
{
    if (tar_read(&u->reader, data, len, err) == 0)
        return 0;
    u->failed = true;
    return -1;
}

int unpack_end(struct unpack *u, struct err *err)
{
    if (!tar_reader_ended(&u->reader))
        return err_sys(err, ENODATA, "the archive was cut off");
    unpack_leave(u, 0);
    return 0;
}

struct tar_place unpack_place(const struct unpack *u)
{
    struct tar_place place = u->small.on && u->small.len > 0 ? u->small.begin : u->reader.place;
    place.offset -= place.offset % TAR_BLOCK_BYTES;
    return place;
}

struct unpack_counts unpack_counts(const struct unpack *u)
{
    return u->counts;
}

const struct tree_trouble *unpack_trouble(const struct unpack *u)
{
    return &u->trouble;
}
