/* What is done to a file when it is whole: owner, mode, attributes, time; see unpack.h. Owner
 * first: a change of it takes away setuid and capabilities. */
#include "tree/unpack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct unpack_meta {
    uint32_t mode, uid, gid;
    char user[TAR_OWNER_BYTES], group[TAR_OWNER_BYTES];
    struct timespec mtime;
    bool is_folder;
    size_t n_xattrs;
    struct {
        char *name; /* owned, the value behind its NUL */
        size_t len;
    } xattrs[];
};

void unpack_meta_free(struct unpack_meta *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_xattrs; i++)
        free(m->xattrs[i].name);
    free(m);
}

struct unpack_meta *unpack_meta_new(const struct tar_entry *e)
{
    struct unpack_meta *m = calloc(1, sizeof(*m) + e->n_xattrs * sizeof(m->xattrs[0]));
    if (!m)
        return NULL;
    m->mode = e->mode;
    m->uid = e->uid;
    m->gid = e->gid;
    m->mtime = (struct timespec){e->mtime_s, e->mtime_ns};
    m->is_folder = e->type == TAR_DIRECTORY;
    memcpy(m->user, e->user, sizeof(m->user));
    memcpy(m->group, e->group, sizeof(m->group));
    for (size_t i = 0; i < e->n_xattrs; i++, m->n_xattrs++) {
        const struct tar_xattr *x = &e->xattrs[i];
        size_t name = strlen(x->name) + 1;
        char *block = malloc(name + x->len);
        if (!block) {
            unpack_meta_free(m);
            return NULL;
        }
        memcpy(block, x->name, name);
        memcpy(block + name, x->value, x->len);
        m->xattrs[i].name = block;
        m->xattrs[i].len = x->len;
    }
    return m;
}

bool unpack_meta_has_time(const struct unpack_meta *m, int64_t s, uint32_t ns)
{
    return m->mtime.tv_sec == s && (uint32_t)m->mtime.tv_nsec == ns;
}

static void apply_owner(struct unpack *u, const struct unpack_meta *m, int fd, const char *name)
{
    uint32_t uid = m->uid, gid = m->gid;
    if (u->options.owners == TREE_OWNERS_NONE)
        return;
    if (u->options.owners == TREE_OWNERS_NAMES) {
        uint32_t id;
        uid = owners_id(&u->owners, OWNERS_USER, m->user, &id) ? id : uid;
        gid = owners_id(&u->owners, OWNERS_GROUP, m->group, &id) ? id : gid;
    }
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
        tree_note(&u->trouble, errno, name, "its owner");
}

static void apply_mode(struct unpack *u, const struct unpack_meta *m, int fd, const char *name)
{
    uint32_t mask = u->options.special ? 07777 : m->is_folder ? 01777 : 0777;
    if (fchmod(fd, m->mode & mask) < 0)
        tree_note(&u->trouble, errno, name, "its mode");
}

static void apply_xattrs(struct unpack *u, const struct unpack_meta *m, int fd, const char *name)
{
    for (size_t i = 0; u->options.xattrs && i < m->n_xattrs; i++) {
        const char *value = m->xattrs[i].name + strlen(m->xattrs[i].name) + 1;
        if (fsetxattr(fd, m->xattrs[i].name, value, m->xattrs[i].len, 0) < 0)
            tree_note(&u->trouble, errno, name, "its attributes");
    }
}

void unpack_meta_apply(struct unpack *u, const struct unpack_meta *m, int fd, const char *name,
                       bool by_path)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, m->mtime};
    apply_owner(u, m, fd, name);
    if (by_path) { /* its mode came with it, if it has one; older kernels leave the time */
        utimensat(fd, "", times, AT_EMPTY_PATH);
        return;
    }
    apply_mode(u, m, fd, name);
    apply_xattrs(u, m, fd, name);
    if (futimens(fd, times) < 0)
        tree_note(&u->trouble, errno, name, "its time");
}
