/* See tree_rig.h. */
#include "tree_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

const struct pack_options rig_pack = {.name = "", .xattrs = true, .devices = true};
const struct unpack_options rig_unpack = {
    .owners = TREE_OWNERS_IDS, .special = true, .xattrs = true};

void rig_init(struct rig *rig)
{
    snprintf(rig->root, sizeof(rig->root), "/tmp/banger-tree-XXXXXX");
    if (!mkdtemp(rig->root))
        abort();
    snprintf(rig->from, sizeof(rig->from), "%s/from", rig->root);
    snprintf(rig->to, sizeof(rig->to), "%s/to", rig->root);
    if (mkdir(rig->from, 0755) < 0 || mkdir(rig->to, 0755) < 0)
        abort();
}

bool rig_run(const struct rig *rig, const char *fmt, ...)
{
    char text[4096], command[5000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(command, sizeof(command), "cd %s && { %s\n}", rig->root, text);
    return system(command) == 0;
}

void rig_done(struct rig *rig)
{
    rig_run(rig, "chmod -R u+rwx . 2>/dev/null; cd / && rm -rf %s", rig->root);
}

void rig_make_tree(const struct rig *rig)
{
    bool made = rig_run(
        rig, "set -e; cd from; umask 022\n"
             "printf hello >plain; : >empty; head -c 100000 /dev/urandom >large\n"
             "mkdir -p a/b/c shut; printf 1 >a/one; printf 2 >a/b/two; printf 3 >a/b/c/three\n"
             "printf odd >'with space'; printf odd >'a/new\nline'; printf odd >\"$(printf "
             "'no\\377utf8')\"\n"
             "printf odd >'-rf'; printf odd >'*'; mkdir 'ünïcode'; printf u >'ünïcode/ß'\n"
             "long=$(printf 'l%%.0s' $(seq 240)); mkdir -p \"$long/$long\"; printf l "
             ">\"$long/$long/$long\"\n"
             "printf l >\"a/$(printf 'x%%.0s' $(seq 150))$(printf '\\377')\"\n"
             "ln plain a/hard; ln plain zz-hard; ln -s plain soft; ln -s /etc/passwd a/out; ln -s "
             "nowhere dangling\n"
             "ln -s \"$long$long\" long-link\n"
             "truncate -s 5G sparse; printf end >>sparse; printf mid | dd of=sparse bs=1 "
             "seek=1073741824 "
             "conv=notrunc status=none\n"
             "truncate -s 1M hole; printf x | dd of=begin bs=1 conv=notrunc status=none; truncate "
             "-s 3M begin\n"
             "mkfifo fifo; chmod 4750 large; chmod 0400 a/one; chmod 1777 a/b; printf s >shut/in; "
             "chmod 0555 shut\n"
             "touch -d '2001-02-03 04:05:06.123456789' plain a/b/two; touch -d '1965-01-01 "
             "00:00:00.5' empty\n"
             "touch -h -d '2005-01-01' soft; touch -d '1999-12-31 23:59:59.999999999' a/b/c a\n");
    if (!made)
        abort();
    char path[128];
    for (int i = 0; i < 2; i++) { /* where the file system has them */
        snprintf(path, sizeof(path), "%s/%s", rig->from, i == 0 ? "plain" : "a/b");
        (void)!setxattr(path, "user.note", "\0\377\n=", 4, 0);
    }
}

bool rig_pack_all(struct buf *to, const char *path, const struct pack_options *options,
                  struct err *err)
{
    buf_init(to, 256 << 20);
    struct pack *p = pack_open(path, options, err);
    ssize_t n = p ? 1 : -1;
    while (n > 0) {
        uint8_t *room = buf_reserve(to, 70000);
        n = room ? pack_read(p, room, 70000, err) : -1;
        if (n > 0)
            buf_commit(to, (size_t)n);
    }
    if (p && n == 0 && pack_trouble(p)->count > 0) {
        *err = pack_trouble(p)->first;
        n = -1;
    }
    pack_close(p);
    return n == 0;
}

bool rig_unpack_all(const struct buf *archive, const char *path, size_t len,
                    const struct unpack_options *options, struct err *err)
{
    struct unpack *u = unpack_open(path, options, err);
    const uint8_t *data = buf_data(archive);
    bool ok = u != NULL;
    for (size_t at = 0; ok && at < buf_len(archive); at += len) {
        size_t left = buf_len(archive) - at;
        ok = unpack_write(u, data + at, left < len ? left : len, err) == 0;
    }
    ok = ok && unpack_end(u, err) == 0;
    if (ok && unpack_trouble(u)->count > 0) {
        *err = unpack_trouble(u)->first;
        ok = false;
    }
    unpack_close(u, false);
    return ok;
}

bool rig_same(const char *a, const char *b)
{
    struct buf x, y;
    struct err err = ERR_INIT;
    bool ok = rig_pack_all(&x, a, &rig_pack, &err);
    ok = rig_pack_all(&y, b, &rig_pack, &err) && ok;
    size_t n = buf_len(&x) < buf_len(&y) ? buf_len(&x) : buf_len(&y), at = 0;
    while (at < n && buf_data(&x)[at] == buf_data(&y)[at])
        at++;
    if (ok && (at < buf_len(&x) || at < buf_len(&y)))
        fprintf(stderr, "%s (%zu) and %s (%zu) differ at byte %zu, near %.100s\n", a, buf_len(&x),
                b, buf_len(&y), at, buf_data(&x) + at / 512 * 512);
    ok = ok && at == buf_len(&x) && at == buf_len(&y);
    if (!ok && err.code)
        fprintf(stderr, "%s\n", err.message);
    buf_done(&x);
    buf_done(&y);
    return ok;
}
