/* The tool `watch`: what happens in a folder, by inotify(7); see tool_files.h.
 *
 * A folder that appears below a watched one is watched from when we hear of it: what it has by then
 * is told as created, some of it perhaps twice. What the kernel drops is a GAP. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/tool.h"
#include "agent/tool_files.h"

enum {
    WATCHED_MAX = 16 * 1024, /* folders */
    EVENTS_BYTES = 64 * 1024,
    WATCH_DEPTH_MAX = 64,
};

static const uint32_t events_wanted = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE |
                                      IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                                      IN_ONLYDIR | IN_EXCL_UNLINK;

struct watching {
    int fd;
    bool recursive;
    char **paths; /* by watch descriptor, from the folder down; "" is itself; owned */
    size_t n_paths, n;
    uint32_t cookie; /* of a name that has gone; 0: none */
    char from[4097];
    bool from_folder;
};

static void tell(PB(FileEventKind) kind, const char *path, const char *to, bool folder)
{
    static PB(FileReply) reply;
    reply = (PB(FileReply))FILES_REPLY(event);
    reply.kind.event.kind = kind;
    reply.kind.event.directory = folder;
    FILES_SET_BYTES(reply.kind.event.path, path);
    FILES_SET_BYTES(reply.kind.event.to, to);
    files_send(&reply);
}

#define TELL(KIND, path, to, folder)                                                               \
    tell(PB(FileEventKind_FILE_EVENT_KIND_##KIND), path, to, folder)

static void join(char to[4097], const char *folder, const char *name)
{
    snprintf(to, 4097, "%s%s%s", folder, *folder ? "/" : "", name);
}

static void remember(struct watching *w, int wd, const char *path)
{
    if ((size_t)wd >= w->n_paths) {
        size_t n = (size_t)wd * 2 + 64;
        char **more = realloc(w->paths, n * sizeof(*more));
        if (more)
            memset(more + w->n_paths, 0, (n - w->n_paths) * sizeof(*more));
        else
            tool_fail(ENOMEM, "%s", strerror(ENOMEM));
        w->paths = more;
        w->n_paths = n;
    }
    w->n += w->paths[wd] == NULL;
    free(w->paths[wd]);
    if (!(w->paths[wd] = strdup(path)))
        tool_fail(ENOMEM, "%s", strerror(ENOMEM));
}

/* A folder and, where wanted, those below it. dir is taken: by its descriptor it is the folder that
 * was opened, whatever has its name by now. -1 with errno: it cannot be watched. */
static int add(struct watching *w, int dir, const char *path, bool told, int depth)
{
    char at[64];
    snprintf(at, sizeof(at), "/proc/self/fd/%d", dir);
    int wd = w->n < WATCHED_MAX ? inotify_add_watch(w->fd, at, events_wanted) : -1;
    DIR *entries = wd >= 0 && w->recursive ? fdopendir(dir) : NULL;
    if (wd < 0)
        errno = w->n < WATCHED_MAX ? errno : ENOSPC;
    else
        remember(w, wd, path);
    if (!entries) {
        int saved = errno;
        close(dir);
        errno = saved;
        return wd < 0 ? -1 : 0;
    }
    for (const struct dirent *d; (d = readdir(entries));) {
        char below[4097];
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        join(below, path, d->d_name);
        int fd = openat(dirfd(entries), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (told)
            TELL(CREATED, below, "", fd >= 0);
        if (fd >= 0 && depth < WATCH_DEPTH_MAX && add(w, fd, below, told, depth + 1) < 0)
            TELL(GAP, below, "", true);
        else if (fd >= 0 && depth >= WATCH_DEPTH_MAX)
            close(fd);
    }
    closedir(entries);
    return 0;
}

static void add_new_folder(struct watching *w, const char *root, const char *path, bool told)
{
    char whole[2 * 4097];
    snprintf(whole, sizeof(whole), "%s/%s", root, path);
    int fd = open(whole, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 ? errno != ENOENT && errno != ENOTDIR : add(w, fd, path, told, 0) < 0)
        TELL(GAP, path, "", true);
}

/* A name that went nowhere that is watched is removed. */
static void end_move(struct watching *w)
{
    if (w->cookie)
        TELL(REMOVED, w->from, "", w->from_folder);
    w->cookie = 0;
}

/* Folders that are called otherwise by now, with all below. */
static void rename_below(struct watching *w, const char *from, const char *to)
{
    size_t len = strlen(from);
    for (size_t i = 0; i < w->n_paths; i++) {
        char path[2 * 4097];
        if (!w->paths[i] || strncmp(w->paths[i], from, len) != 0 ||
            (w->paths[i][len] != '\0' && w->paths[i][len] != '/'))
            continue;
        snprintf(path, sizeof(path), "%s%s", to, w->paths[i] + len);
        remember(w, (int)i, path);
    }
}

static void take_moved_to(struct watching *w, const struct inotify_event *e, const char *root,
                          const char *path, bool folder)
{
    if (w->cookie == e->cookie) {
        w->cookie = 0;
        TELL(MOVED, w->from, path, folder);
        if (folder)
            rename_below(w, w->from, path);
        return;
    }
    end_move(w);
    TELL(CREATED, path, "", folder);
    if (folder && w->recursive)
        add_new_folder(w, root, path, true);
}

/* False: the watched folder has gone. */
static bool take(struct watching *w, const struct inotify_event *e, const char *root)
{
    if (e->mask & IN_Q_OVERFLOW) {
        TELL(GAP, "", "", true);
        return true;
    }
    const char *known = e->wd >= 0 && (size_t)e->wd < w->n_paths ? w->paths[e->wd] : NULL;
    if (!known)
        return true;
    if (e->mask & IN_IGNORED) {
        free(w->paths[e->wd]);
        w->paths[e->wd] = NULL;
        w->n--;
        return true;
    }
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF))
        return *known != '\0';
    char path[4097];
    bool folder = e->mask & IN_ISDIR;
    join(path, known, e->len > 0 ? e->name : "");
    if (e->len == 0) /* of a watched folder itself: its parent tells */
        snprintf(path, sizeof(path), "%s", known);
    if (e->mask & IN_MOVED_TO) {
        take_moved_to(w, e, root, path, folder);
        return true;
    }
    end_move(w);
    if (e->mask & IN_MOVED_FROM) {
        w->cookie = e->cookie;
        w->from_folder = folder;
        snprintf(w->from, sizeof(w->from), "%s", path);
    } else if (e->mask & IN_CREATE) {
        TELL(CREATED, path, "", folder);
        if (folder && w->recursive)
            add_new_folder(w, root, path, true);
    } else if (e->mask & IN_CLOSE_WRITE) {
        TELL(CHANGED, path, "", folder);
    } else if (e->mask & IN_ATTRIB && e->len > 0) {
        TELL(ATTRIBUTES, path, "", folder);
    } else if (e->mask & IN_DELETE) {
        TELL(REMOVED, path, "", folder);
    }
    return true;
}

/* Both halves of a move come together: what has no other half by now has none. */
static void wait_for_events(struct watching *w)
{
    struct pollfd p[2] = {{.fd = w->fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    if (w->cookie && poll(p, 1, 10) == 0)
        end_move(w);
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        continue;
    if (!(p[0].revents & POLLIN) && p[1].revents) {
        char byte;
        if (files_read(STDIN_FILENO, &byte, 1) == 0)
            exit(0); /* who watches has gone */
    }
}

int tool_watch(int argc, char **argv)
{
    static char events[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    static struct watching w;
    struct files_options o;
    files_parse(argc, argv, &o);
    w.recursive = o.recursive;
    w.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int dir = w.fd >= 0 ? open(o.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0 || add(&w, dir, "", false, 0) < 0)
        tool_fail(errno, "%.300s: %s", o.path, strerror(errno));
    TELL(READY, "", "", true);
    for (;;) {
        wait_for_events(&w);
        ssize_t n = read(w.fd, events, sizeof(events));
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            tool_fail(errno, "cannot watch: %s", strerror(errno));
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(events + at);
            if (!take(&w, e, o.path)) {
                TELL(GONE, "", "", true);
                return 0;
            }
            at += (ssize_t)(sizeof(*e) + e->len);
        }
    }
}
