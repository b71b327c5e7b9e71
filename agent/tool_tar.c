/* The tools `tar-out` and `tar-in`: trees; see tool_files.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/tool.h"
#include "agent/tool_files.h"
#include "base/err.h"
#include "tree/unpack.h"

enum { ACK_BYTES = 256 * 1024 };

static uint8_t block[FILES_BLOCK_BYTES];

_Noreturn static void fail(const struct err *err)
{
    tool_fail(err->sys ? err->sys : EIO, "%.380s", err->message);
}

/* What was left out is told when all else is there. */
static void tell_trouble(const struct tree_trouble *trouble)
{
    if (trouble->count > 1)
        tool_fail(trouble->first.sys, "%.300s (and %llu more)", trouble->first.message,
                  (unsigned long long)trouble->count - 1);
    if (trouble->count == 1)
        fail(&trouble->first);
}

int tool_tar_out(int argc, char **argv)
{
    struct files_options o;
    struct err err = ERR_INIT;
    files_parse(argc, argv, &o);
    struct pack_options options = {
        .name = o.name,
        .follow = o.follow,
        .xattrs = o.xattrs,
        .devices = o.devices,
        .times = o.portable ? TAR_PORTABLE : TAR_COMPACT,
        .from = o.from,
    };
    struct pack *p = pack_open(o.path, &options, &err);
    if (!p)
        fail(&err);
    for (;;) {
        ssize_t n = pack_read(p, block, sizeof(block), &err);
        if (n < 0)
            fail(&err);
        if (n == 0)
            break;
        tool_write(STDOUT_FILENO, block, (unsigned long)n);
    }
    tell_trouble(pack_trouble(p));
    pack_close(p);
    return 0;
}

/* Where what comes belongs: the path, or the folder that it is in. */
struct target {
    bool in_parent, exists;
    char parent[4096];
};

static void send_place(const struct unpack *u, const struct target *target)
{
    PB(FileReply) reply = FILES_REPLY(place);
    PB(FilePlace) *place = &reply.kind.place;
    place->in_parent = target && target->in_parent;
    place->exists = target && target->exists;
    struct tar_place at = unpack_place(u);
    struct unpack_counts counts = unpack_counts(u);
    const struct tree_trouble *trouble = unpack_trouble(u);
    place->offset = at.offset;
    place->digest = at.digest;
    place->files = counts.files;
    place->bytes = counts.bytes;
    place->troubles = trouble->count;
    if (trouble->count > 0) {
        place->trouble_sys = (uint32_t)trouble->first.sys;
        snprintf(place->trouble, sizeof(place->trouble), "%s", trouble->first.message);
    }
    files_send(&reply);
}

/* "." of a name alone; without the slashes at the path's end. */
static bool parent_of(const char *path, char *parent, size_t size)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    if (end >= size)
        return false;
    memcpy(parent, end > 0 ? path : ".", end > 0 ? end : 1);
    parent[end > 0 ? end : 1] = '\0';
    return true;
}

static struct unpack *open_target(const struct files_options *o,
                                  const struct unpack_options *options, struct target *target)
{
    struct err err = ERR_INIT;
    struct stat st;
    struct unpack *u = unpack_open(o->path, options, &err);
    if (!u && o->or_parent && (err.sys == ENOENT || err.sys == ENOTDIR) &&
        parent_of(o->path, target->parent, sizeof(target->parent))) {
        target->in_parent = true;
        target->exists = stat(o->path, &st) == 0;
        err = (struct err)ERR_INIT;
        u = unpack_open(target->parent, options, &err);
    }
    if (!u)
        fail(&err);
    return u;
}

static enum tree_owners owners_of(const char *text)
{
    if (!text)
        return TREE_OWNERS_NONE;
    if (strcmp(text, "ids") != 0 && strcmp(text, "names") != 0)
        tool_fail(EINVAL, "owners are ids or names");
    return *text == 'i' ? TREE_OWNERS_IDS : TREE_OWNERS_NAMES;
}

int tool_tar_in(int argc, char **argv)
{
    static const PB(FileReply) done = FILES_REPLY(done);
    struct files_options o;
    struct err err = ERR_INIT;
    files_parse(argc, argv, &o);
    struct unpack_options options = {
        .owners = owners_of(o.owners),
        .special = o.special,
        .xattrs = o.xattrs,
        .devices = o.devices,
        .from = o.from,
    };
    umask(022);
    struct target target = {.in_parent = false};
    struct unpack *u = open_target(&o, &options, &target);
    send_place(u, &target); /* it can begin */
    uint64_t told = unpack_place(u).offset;
    for (size_t n; (n = files_read(STDIN_FILENO, block, sizeof(block))) > 0;) {
        if (unpack_write(u, block, n, &err) < 0) {
            unpack_close(u, false);
            fail(&err);
        }
        if (unpack_place(u).offset - told >= ACK_BYTES) {
            send_place(u, NULL);
            told = unpack_place(u).offset;
        }
    }
    int rc = unpack_end(u, &err);
    if (rc == 0)
        send_place(u, NULL);
    /* Its sender has given up, and will not go on: one that was cut off finds us killed. */
    unpack_close(u, false);
    if (rc < 0)
        fail(&err);
    files_send(&done);
    return 0;
}
