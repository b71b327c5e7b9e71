/* See priv_listen.h. */
#include "daemon/priv/priv_listen.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { BACKLOG = 64 };

static int check_folder(const char *path, struct err *err)
{
    struct sockaddr_un at;
    char copy[sizeof(at.sun_path)];
    struct stat st;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *folder = dirname(copy);
    if (stat(folder, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", folder);
    if (st.st_uid != geteuid() || st.st_mode & 0022)
        return err_set(err, ERR_PRECONDITION, "others than root may change what is in %s", folder);
    return 0;
}

static int make_room(const struct sockaddr_un *at, struct err *err)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(err, errno, "cannot look at %s", at->sun_path);
    auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!S_ISSOCK(st.st_mode) || connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
        errno != ECONNREFUSED)
        return err_set(err, ERR_EXISTS, "%s is there, and no stale socket of a helper's",
                       at->sun_path);
    return unlink(at->sun_path) < 0 ? err_sys(err, errno, "cannot remove %s", at->sun_path) : 0;
}

/* The number of a user whom sudo names; -1: there is none. */
static uid_t sudo_user(void)
{
    const char *text = getenv("SUDO_UID");
    char *end;
    unsigned long uid = text && *text ? strtoul(text, &end, 10) : 0;
    return uid > 0 && uid < (uid_t)-1 && !*end ? (uid_t)uid : (uid_t)-1;
}

/* By the mode that it is bound with nobody else could yet connect. */
static int open_to(const char *path, struct err *err)
{
    uid_t user = sudo_user();
    const struct group *group = user == (uid_t)-1 ? getgrnam("kvm") : NULL;
    if (chown(path, user, group ? group->gr_gid : (gid_t)-1) < 0 ||
        chmod(path, group ? 0660 : 0600) < 0)
        return err_sys(err, errno, "cannot open %s to those who may ask", path);
    return 0;
}

int priv_listen(const char *path, struct err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (path[0] != '/' || strlen(path) >= sizeof(at.sun_path))
        return err_set(err, ERR_INVALID, "%s is no path of a socket", path);
    strcpy(at.sun_path, path);
    if (check_folder(path, err) < 0 || make_room(&at, err) < 0)
        return -1;
    auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(fd, BACKLOG) < 0)
        return err_sys(err, errno, "cannot listen at %s", path);
    return open_to(path, err) < 0 ? -1 : take_fd(&fd);
}
