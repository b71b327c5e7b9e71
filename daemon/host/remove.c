/* Leftovers of builds; see remove.h. */
#include "daemon/host/remove.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/host/publish.h"
#include "daemon/host/run.h"

enum { REMOVE_DEADLINE_MS = 120 * 1000, REMOVE_MOUNTS_MAX = 64 };

/* proc(5): blanks and the like are \ and three octal digits. In place. */
static void remove_unescape(char *path)
{
    char *out = path;
    for (const char *in = path; *in;) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
            in[3] >= '0' && in[3] <= '7') {
            *out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* The last mount below path, which is the topmost; false: there is none. */
static bool remove_find_mount(const char *path, char mount[PATH_MAX])
{
    auto_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
    auto_free char *line = NULL;
    size_t size = 0, n = strlen(path);
    bool found = false;
    while (mounts && getline(&line, &size, mounts) > 0) {
        char *at = line, *rest = NULL;
        for (int field = 0; at && field < 5; field++)
            at = strtok_r(field ? NULL : line, " ", &rest);
        if (!at)
            continue;
        remove_unescape(at);
        if (strncmp(at, path, n) == 0 && at[n] == '/' && strlen(at) < PATH_MAX) {
            strcpy(mount, at);
            found = true;
        }
    }
    return found;
}

/* What a build without namespaces of its own left mounted. */
static void remove_mounts(const char *path)
{
    char mount[PATH_MAX];
    auto_free char *real = realpath(path, NULL);
    for (int i = 0; real && i < REMOVE_MOUNTS_MAX && remove_find_mount(real, mount); i++)
        if (umount2(mount, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            break; /* removing will say what is busy */
}

/* In a user namespace with our subordinate ids, as root of which their files were made. */
static void remove_mapped(const char *path)
{
    const char *argv[] = {"unshare", "--user", "--map-root-user",   "--map-auto",
                          "rm",      "-rf",    "--one-file-system", "--",
                          path,      NULL};
    auto_free struct run_result *result = malloc(sizeof(*result));
    struct err err = ERR_INIT;
    if (result && run_program(argv, REMOVE_DEADLINE_MS, -1, result, &err) < 0)
        log_err(LOG_LEVEL_WARN, path, &err, "cannot remove it through the id mapping");
}

int host_remove_tree(const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    if (geteuid() == 0)
        remove_mounts(path);
    if (fs_remove_tree(path, &why) == 0)
        return 0;
    if (geteuid() != 0 && (why.sys == EACCES || why.sys == EPERM)) {
        remove_mapped(path);
        err_clear(&why);
        if (fs_remove_tree(path, &why) == 0)
            return 0;
    }
    if (err)
        *err = why;
    return -1;
}

int host_remove_leftovers(const char *folder, struct err *err)
{
    struct err first = ERR_INIT;
    size_t left = 0;
    auto_dir DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? 0 : err_sys(err, errno, "cannot list %s", folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_MAX];
        struct err why = ERR_INIT;
        if (strncmp(entry->d_name, publish_prefix, strlen(publish_prefix)) != 0)
            continue;
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= sizeof(path))
            err_set(&why, ERR_INVALID, "path too long: %s/%s", folder, entry->d_name);
        else if (host_remove_tree(path, &why) == 0)
            continue;
        log_err(LOG_LEVEL_WARN, entry->d_name, &why, "left in %s", folder);
        if (left++ == 0)
            first = why;
    }
    if (left == 0)
        return 0;
    if (err)
        *err = first;
    return err_wrap(err, "%zu leftovers stay in %s", left, folder);
}
