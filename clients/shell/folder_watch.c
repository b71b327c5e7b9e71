/* See folder_watch.h. A folder is watched before it is looked into, so that nothing between is
 * missed: what was there is told with it, what comes later by its watch. */
#include "folder_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
    WATCH_MASK = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |
                 IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK,
    WATCH_EVENTS_BYTES = 64 << 10,
    WATCH_DEPTH_MAX = 128,
};

static bool name_below(char out[PATH_MAX], const char *folder, const char *name)
{
    return snprintf(out, PATH_MAX, "%s%s%s", folder, *folder ? "/" : "", name) < PATH_MAX;
}

static void keep(struct folder_watch *w, int number, const char *path)
{
    if ((size_t)number >= w->n) {
        size_t n = (size_t)number * 2 + 16;
        char **more = realloc(w->paths, n * sizeof(*more));
        if (!more) {
            w->full = true;
            return;
        }
        memset(more + w->n, 0, (n - w->n) * sizeof(*more));
        w->paths = more;
        w->n = n;
    }
    free(w->paths[number]);
    w->paths[number] = strdup(path);
}

static void add_tree(struct folder_watch *w, const char *path, int depth)
{
    char full[PATH_MAX], below[PATH_MAX];
    if (depth == WATCH_DEPTH_MAX ||
        snprintf(full, sizeof(full), "%s/%s", w->root, path) >= PATH_MAX)
        return;
    int number = inotify_add_watch(w->fd, full, WATCH_MASK);
    if (number < 0) {
        w->full |= errno == ENOSPC || errno == ENOMEM;
        return; /* else it is gone, or no folder any more */
    }
    keep(w, number, path);
    int fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_dir DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (const struct dirent *d; dir && (d = readdir(dir));)
        if ((d->d_type == DT_DIR || d->d_type == DT_UNKNOWN) && strcmp(d->d_name, ".") != 0 &&
            strcmp(d->d_name, "..") != 0 && name_below(below, path, d->d_name))
            add_tree(w, below, depth + 1);
}

/* What is called otherwise now. */
static void forget_tree(struct folder_watch *w, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < w->n; i++) {
        const char *p = w->paths[i];
        if (p && strncmp(p, path, len) == 0 && (p[len] == '/' || !p[len])) {
            inotify_rm_watch(w->fd, (int)i);
            free(w->paths[i]);
            w->paths[i] = NULL;
        }
    }
}

int folder_watch_init(struct folder_watch *w, const char *root)
{
    *w = (struct folder_watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    w->root = strdup(root);
    if (w->fd < 0 || !w->root)
        return -1;
    add_tree(w, "", 0);
    return 0;
}

void folder_watch_done(struct folder_watch *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->paths[i]);
    free(w->paths);
    free(w->root);
    if (w->fd >= 0)
        close(w->fd);
    *w = (struct folder_watch){.fd = -1};
}

static void take_event(struct folder_watch *w, const struct inotify_event *e,
                       struct folder_changes *changes)
{
    char path[PATH_MAX];
    if (e->mask & IN_Q_OVERFLOW) {
        changes->all = true;
        add_tree(w, "", 0);
        return;
    }
    if (e->wd < 0 || (size_t)e->wd >= w->n || !w->paths[e->wd])
        return; /* of a watch that was taken back */
    if (e->mask & IN_IGNORED) {
        free(w->paths[e->wd]);
        w->paths[e->wd] = NULL;
        return;
    }
    if (e->len == 0 || !name_below(path, w->paths[e->wd], e->name))
        return;
    path_set_add(&changes->paths, path);
    if (!(e->mask & IN_ISDIR))
        return;
    if (e->mask & IN_MOVED_FROM)
        forget_tree(w, path);
    if (e->mask & (IN_CREATE | IN_MOVED_TO)) {
        add_tree(w, path, 0);
        path_set_add(&changes->folders, path);
    }
}

bool folder_watch_take(struct folder_watch *w, struct folder_changes *changes)
{
    static char events[WATCH_EVENTS_BYTES]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    bool some = false;
    ssize_t n;
    while ((n = read(w->fd, events, sizeof(events))) > 0) {
        some = true;
        for (const char *at = events; at < events + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)at;
            take_event(w, e, changes);
            at += sizeof(*e) + e->len;
        }
    }
    changes->all |= changes->paths.failed || changes->folders.failed;
    return some;
}

void folder_changes_sort(struct folder_changes *changes)
{
    path_set_sort(&changes->paths);
    path_set_sort(&changes->folders);
}

void folder_changes_done(struct folder_changes *changes)
{
    path_set_done(&changes->paths);
    path_set_done(&changes->folders);
    changes->all = false;
}
