/* See state_dir.h. */
#include "daemon/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "daemon/model/state_tag.h"

enum {
    LOOK_MS = 20,
    HELD_MS = 1500, /* one that lives and is not ending is not waited for; one that was killed just
                       now needs a moment to let go, and so does a child that it had forked, with
                       its lock and its listening socket, and that was not yet another program */
    IDENTITY_BYTES_MAX = 256,
    PATH_MAX_BYTES = PATHS_BYTES + 16,
    REFUSED_MAX = 5, /* looks in a row */
};

static void path_in(const struct state_dir *s, const char *name, char out[PATH_MAX_BYTES])
{
    snprintf(out, PATH_MAX_BYTES, "%s/%s", s->path, name);
}

/* Whether the path still names what fd has open; true also where nobody can tell just now. */
static bool is_same(const char *path, int fd)
{
    struct stat named, mine;
    if (stat(path, &named) < 0)
        return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
    return fstat(fd, &mine) == 0 && named.st_dev == mine.st_dev && named.st_ino == mine.st_ino;
}

static bool somebody_listens(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*socket_path || strlen(socket_path) >= sizeof(address.sun_path))
        return false;
    strcpy(address.sun_path, socket_path);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 &&
           (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);
}

/* What the folder is called wherever it is moved. */
static int read_identity(struct state_dir *s, struct err *err)
{
    char path[PATH_MAX_BYTES], id[ID_BYTES];
    auto_free char *text = NULL;
    struct err why = ERR_INIT;
    path_in(s, STATE_IDENTITY_FILE, path);
    if (fs_read_own(path, IDENTITY_BYTES_MAX, &text, NULL, &why) == 0) {
        text[strcspn(text, "\n")] = '\0';
        if (id_is_valid(text)) {
            snprintf(s->note.folder_id, sizeof(s->note.folder_id), "%s", text);
            return 0;
        }
        log_warn(path, "no identity is in it: it gets another");
    } else if (why.code != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        return err_wrap(err, "cannot tell which state folder this is");
    }
    id_make(id);
    snprintf(s->note.folder_id, sizeof(s->note.folder_id), "%s", id);
    char line[ID_BYTES + 1];
    int n = snprintf(line, sizeof(line), "%s\n", id);
    return fs_write_atomic(path, line, (size_t)n, 0600, err);
}

/* 1: locked, 0: another has it. Both fds are those of what the paths name now. */
static int try_lock(struct state_dir *s, struct err *err)
{
    char path[PATH_MAX_BYTES];
    path_in(s, "lock", path);
    auto_fd int dir_fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_sys(err, errno, "cannot open %s", s->path);
    /* Some network file systems cannot lock folders: there the file alone has to do. */
    if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return 0;
    auto_fd int lock_fd = fs_open_own(path, O_RDWR | O_CREAT, 0600, err);
    if (lock_fd < 0)
        return -1;
    if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK || errno == EINTR ? 0
                                                      : err_sys(err, errno, "cannot lock %s", path);
    if (!is_same(s->path, dir_fd) || !is_same(path, lock_fd))
        return 0; /* exchanged just now: again */
    s->dir_fd = take_fd(&dir_fd);
    s->lock_fd = take_fd(&lock_fd);
    return 1;
}

static int say_held(const struct state_dir *s, const struct holder *h, struct err *err)
{
    if (h->phase[0])
        err_set(err, ERR_EXISTS,
                "another bangerd uses %s: process %d, version %s, %s%s; \"banger daemon stop\" "
                "ends it, VMs run on",
                s->path, (int)h->pid, h->version, h->socket[0] ? "listening on " : h->phase,
                h->socket);
    else if (h->pid)
        err_set(
            err, ERR_EXISTS,
            "another bangerd uses %s: process %d, of an older version; \"kill %d\" ends it, VMs "
            "run on",
            s->path, (int)h->pid, (int)h->pid);
    else
        err_set(err, ERR_EXISTS, "another bangerd uses %s", s->path);
    return err_tag(err, "STATE_IN_USE", NULL);
}

static int take_lock(struct state_dir *s, const char *socket, int64_t wait_ms, struct err *err)
{
    int64_t now = clock_mono_ms(), deadline_ms = now + wait_ms, held_ms = now + HELD_MS;
    for (;;) {
        struct holder h;
        int locked = try_lock(s, err);
        if (locked != 0)
            return locked < 0 ? -1 : 0;
        now = clock_mono_ms();
        enum holder_found found = holder_find(s->path, &h);
        bool alive = found == HOLDER_ALIVE;
        bool ending = alive && strcmp(h.phase, HOLDER_ENDING) == 0;
        bool listens = somebody_listens(alive ? h.socket : socket);
        if (now > deadline_ms || (!ending && alive && listens) ||
            (!ending && (alive || listens) && now > held_ms))
            return say_held(s, &h, err);
        poll(NULL, 0, LOOK_MS);
    }
}

int state_dir_open(struct state_dir *s, const struct paths *paths, const char *version,
                   int64_t wait_ms, struct err *err)
{
    *s = (struct state_dir){.dir_fd = -1, .lock_fd = -1};
    snprintf(s->path, sizeof(s->path), "%s", paths->state_dir);
    if (fs_make_dirs(s->path, 0700, err) < 0)
        return -1;
    if (fs_check_folder(s->path, false, err) < 0)
        return err_wrap(err, "the state folder is not safe (--state-dir names another)");
    snprintf(s->note.version, sizeof(s->note.version), "%s", version);
    if (holder_self(&s->note, err) < 0 || take_lock(s, paths->socket, wait_ms, err) < 0 ||
        read_identity(s, err) < 0)
        return -1;
    return state_dir_tell(s, HOLDER_STARTING, "", err);
}

/* Over what was there: a reader that comes in between finds no whole note. */
static int write_note(const struct state_dir *s, int fd, struct err *err)
{
    char text[HOLDER_TEXT_BYTES];
    size_t n = holder_write(&s->note, text);
    if (pwrite(fd, text, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n) < 0)
        return err_sys(err, errno, "cannot write into %s/lock", s->path);
    return 0;
}

int state_dir_tell(struct state_dir *s, const char *phase, const char *socket, struct err *err)
{
    struct err full = ERR_INIT;
    snprintf(s->note.phase, sizeof(s->note.phase), "%s", phase);
    snprintf(s->note.socket, sizeof(s->note.socket), "%s", socket);
    if (write_note(s, s->lock_fd, &full) == 0)
        return 0;
    /* On a full disk there is less to be found, and nothing to be lost. */
    if (full.sys == ENOSPC || full.sys == EDQUOT) {
        log_err(LOG_LEVEL_WARN, "bangerd", &full, "the lock file does not say who holds it");
        return 0;
    }
    if (err)
        *err = full;
    return -1;
}

/* Where the folder is now, for people. */
static int say_moved(const struct state_dir *s, struct err *err)
{
    char link[64], now[PATH_MAX];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", s->dir_fd);
    ssize_t n = readlink(link, now, sizeof(now) - 1);
    now[n > 0 ? n : 0] = '\0';
    if (n <= 0 || fstat(s->dir_fd, &st) < 0 || st.st_nlink == 0)
        return err_set(err, ERR_NOT_FOUND, "the state folder %s was deleted while bangerd ran",
                       s->path);
    return err_set(err, ERR_NOT_FOUND,
                   "the state folder %s was moved to %s while bangerd ran; start it there with "
                   "--state-dir",
                   s->path, now);
}

/* The folder's own lock is still ours, so that nobody of this version can have taken the file. */
static int lock_again(struct state_dir *s, const char *path, struct err *err)
{
    auto_fd int fd = fs_open_own(path, O_RDWR | O_CREAT, 0600, err);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? err_set(err, ERR_EXISTS, "another bangerd has locked %s", path)
                   : err_sys(err, errno, "cannot lock %s", path);
    if (write_note(s, fd, err) < 0)
        return -1;
    close(s->lock_fd);
    s->lock_fd = take_fd(&fd);
    log_warn("bangerd", "%s was gone, and is there again", path);
    return 0;
}

int state_dir_look(struct state_dir *s, struct err *err)
{
    char path[PATH_MAX_BYTES];
    if (!is_same(s->path, s->dir_fd))
        return say_moved(s, err);
    path_in(s, "lock", path);
    if (is_same(path, s->lock_fd)) {
        s->refused = 0;
        return 0;
    }
    struct err why = ERR_INIT;
    if (lock_again(s, path, &why) == 0) {
        s->refused = 0;
        return 0;
    }
    if (why.code == ERR_EXISTS && ++s->refused < REFUSED_MAX)
        return 0; /* a client that asks who we are, perhaps; the folder's lock holds */
    if (why.code != ERR_EXISTS) { /* a folder in its place, a full disk: the folder's lock holds */
        log_err(LOG_LEVEL_WARN, "bangerd", &why, "the lock file is gone");
        return 0;
    }
    if (err)
        *err = why;
    return -1;
}

void state_dir_close(struct state_dir *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    s->dir_fd = s->lock_fd = -1;
}
