/* Folders published by rename; see publish.h. */
#include "daemon/host/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/remove.h"

enum { ABORT_ROUNDS = 250, ABORT_PAUSE_MS = 20 };

const char publish_prefix[] = ".tmp-";

int publish_init(struct publish *p, const char *parent, const char *id, struct err *err)
{
    if (id && !id_is_valid(id))
        return err_set(err, ERR_INVALID, "not an id: %.40s", id);
    if (id)
        snprintf(p->id, sizeof(p->id), "%s", id);
    else
        id_make(p->id);
    /* Leaves room for the names of the files inside. */
    if (strlen(parent) + ID_CHARS + 64 > PATH_BYTES)
        return err_set(err, ERR_INVALID, "path too long: %s", parent);
    snprintf(p->temp, sizeof(p->temp), "%s/%s%s", parent, publish_prefix, p->id);
    snprintf(p->folder, sizeof(p->folder), "%s/%s", parent, p->id);
    return 0;
}

static int publish_sync_tree(const char *folder, struct err *err)
{
    char *roots[] = {(char *)folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return err_sys(err, errno, "cannot list %s", folder);
    int rc = 0;
    for (FTSENT *file; rc == 0 && (file = fts_read(walk));)
        if (file->fts_info == FTS_F || file->fts_info == FTS_DP)
            rc = fs_sync(file->fts_path, err);
    fts_close(walk);
    return rc;
}

int publish_commit(struct publish *p, struct err *err)
{
    if (publish_sync_tree(p->temp, err) < 0)
        return -1;
    if (rename(p->temp, p->folder) < 0)
        return err_sys(err, errno, "cannot publish %s", p->folder);
    char parent[PATH_BYTES];
    snprintf(parent, sizeof(parent), "%s", p->folder);
    *strrchr(parent, '/') = '\0';
    return fs_sync(parent[0] ? parent : "/", err);
}

/* A cancelled tool's own children may write for a moment after it has gone: what they add behind
 * our back is removed in the next round. */
int publish_abort(struct publish *p, struct err *err)
{
    struct err why = ERR_INIT;
    for (int round = 0; round < ABORT_ROUNDS; round++) {
        if (host_remove_tree(p->temp, &why) == 0)
            return 0;
        if (why.sys != ENOTEMPTY)
            break;
        poll(NULL, 0, ABORT_PAUSE_MS);
    }
    if (err)
        *err = why;
    return -1;
}

int publish_begin(struct publish *p, struct err *err)
{
    return publish_abort(p, err) < 0 ? -1 : fs_make_dirs(p->temp, 0755, err);
}
