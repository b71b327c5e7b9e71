/* See evidence.h. */
#include "daemon/vmm/evidence.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/process.h"

/* hidden: its folder has the name that ours has; where it is not ours, ours lies over it. Of
 * another user's process only the folder tells, which nobody else gets into: anybody may have the
 * words, and a folder that is deleted. */
static enum evidence evidence_is(const struct process_info *info, const char *up,
                                 const char *folder, bool named, bool hidden)
{
    char cwd[64];
    struct stat works, at, ours;
    bool foreign = info->uid != geteuid();
    snprintf(cwd, sizeof(cwd), "/proc/%d/cwd", (int)info->pid);
    if (stat(cwd, &works) < 0)
        return named && !foreign ? EVIDENCE_OURS : EVIDENCE_NONE;
    if (works.st_nlink == 0)
        return foreign ? EVIDENCE_NONE : EVIDENCE_LEFT;
    snprintf(cwd, sizeof(cwd), "/proc/%d/cwd%s", (int)info->pid, up);
    if (stat(cwd, &at) == 0 && stat(folder, &ours) == 0 && at.st_dev == ours.st_dev &&
        at.st_ino == ours.st_ino)
        return EVIDENCE_OURS;
    return hidden && !foreign ? EVIDENCE_LEFT : EVIDENCE_NONE;
}

enum evidence evidence_works_in(const struct process_info *info, const char *folder, bool named)
{
    return evidence_is(info, "", folder, named, strcmp(info->cwd, folder) == 0);
}

enum evidence evidence_works_below(const struct process_info *info, const char *folder, bool named)
{
    size_t len = strlen(folder);
    return evidence_is(info, "/..", folder, named,
                       strncmp(info->cwd, folder, len) == 0 && info->cwd[len] == '/');
}

/* Where the last two parts begin. */
static const char *evidence_tail(const char *path)
{
    const char *at = strrchr(path, '/');
    while (at && at > path && at[-1] != '/')
        at--;
    return at ? at : path;
}

bool evidence_same_tail(const char *path, const char *other)
{
    return strcmp(evidence_tail(path), evidence_tail(other)) == 0;
}
