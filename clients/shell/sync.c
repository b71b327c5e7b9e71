/* vm sync: a folder of ours, followed into a guest until a signal comes. Changes are gathered for a
 * moment, then those paths alone are sent, as a tree (tree_copy.h). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "folder_watch.h"
#include "stream.h"
#include "tree_copy.h"
#include "vm.h"

enum { SYNC_QUIET_MS = 100, SYNC_MOST_MS = 1000, SYNC_VM_BYTES = 256 };

struct sync_values {
    const char *user;
    bool remove;
};

struct sync {
    struct cli *cli;
    const struct sync_values *o;
    char vm[SYNC_VM_BYTES], here[PATH_MAX];
    const char *there;
    struct stream_signals *signals;
    struct folder_watch watch;
    struct folder_changes changes; /* gathered */
    struct path_set gone;          /* of the changes that are sent */
    long long first_ms, last_ms;   /* of the changes; 0: there are none */
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static bool is_changed(void *arg, const char *path)
{
    const struct sync *s = arg;
    return path_set_leads(&s->changes.paths, path) || path_set_covers(&s->changes.folders, path);
}

static int push(struct sync *s, bool all)
{
    const struct tree_copy copy = {.vm = s->vm,
                                   .user = s->o->user,
                                   .here = s->here,
                                   .there = s->there,
                                   .wanted = all ? NULL : is_changed,
                                   .arg = s,
                                   .goes_on = true,
                                   .signals = s->signals};
    return tree_push(s->cli, &copy);
}

static bool is_here(const struct sync *s, const char *path)
{
    char full[PATH_MAX];
    struct stat st;
    return snprintf(full, sizeof(full), "%s/%s", s->here, path) < PATH_MAX && lstat(full, &st) == 0;
}

static int remove_there(struct sync *s, const char *path)
{
    char full[PATH_MAX];
    struct banger_error error;
    Banger__V1__RemoveFileRequest request = BANGER__V1__REMOVE_FILE_REQUEST__INIT;
    if (snprintf(full, sizeof(full), "%s/%s", s->there, path) >= PATH_MAX)
        return 0;
    request.vm = s->vm;
    request.path = full;
    request.user = s->o->user ? (char *)s->o->user : request.user;
    request.recursive = true;
    request.missing_is_fine = true;
    Banger__V1__Empty *empty = banger_remove_file(s->cli->client, &request, NULL, &error);
    if (!empty)
        return cli_fail(&error, "%s:%s", s->vm, full);
    FREE_MESSAGE(empty);
    return 0;
}

/* The part of a path of the guest's that lies below our folder there; NULL: it is that itself. */
static const char *below_there(const struct sync *s, const char *path)
{
    size_t len = strlen(s->there);
    return strncmp(path, s->there, len) == 0 && path[len] == '/' && path[len + 1] ? path + len + 1
                                                                                  : NULL;
}

/* What there is, and not here. */
static int remove_others(struct sync *s)
{
    struct banger_error error;
    ProtobufCMessage *message = NULL;
    enum banger_next next;
    Banger__V1__ListFilesRequest request = BANGER__V1__LIST_FILES_REQUEST__INIT;
    request.vm = s->vm;
    request.path = (char *)s->there;
    request.user = s->o->user ? (char *)s->o->user : request.user;
    request.recursive = true;
    struct banger_stream *stream = banger_stream_open(
        s->cli->client, "/banger.v1.FileService/ListFiles", &request.base, NULL, &error);
    if (!stream)
        return cli_fail(&error, "%s:%s", s->vm, s->there);
    while ((next = banger_stream_next(stream, -1, &message, &error)) == BANGER_NEXT_MESSAGE) {
        const char *path = below_there(s, ((Banger__V1__FileInfo *)message)->path);
        if (path && !is_here(s, path) && !path_set_covers(&s->gone, path)) {
            path_set_add(&s->gone, path);
            path_set_sort(&s->gone);
        }
        banger_message_free(message);
    }
    banger_stream_close(stream);
    int status = next == BANGER_NEXT_END ? 0 : cli_fail(&error, "%s:%s", s->vm, s->there);
    for (size_t i = 0; status == 0 && i < s->gone.n; i++)
        status = remove_there(s, s->gone.paths[i]);
    return status;
}

/* All of it: at first, and where more has happened than is known. */
static int sync_all(struct sync *s)
{
    folder_changes_done(&s->changes);
    int status = push(s, true);
    if (status == 0 && s->o->remove)
        status = remove_others(s);
    path_set_done(&s->gone);
    return status;
}

static int sync_changes(struct sync *s)
{
    int status = 0;
    folder_changes_sort(&s->changes);
    for (size_t i = 0; i < s->changes.paths.n; i++)
        if (!is_here(s, s->changes.paths.paths[i]))
            path_set_add(&s->gone, s->changes.paths.paths[i]);
    path_set_sort(&s->gone);
    if (s->gone.n < s->changes.paths.n)
        status = push(s, false);
    for (size_t i = 0; s->o->remove && status == 0 && i < s->gone.n; i++)
        if (!path_set_covers(&s->gone, s->gone.paths[i]))
            status = remove_there(s, s->gone.paths[i]);
    if (status == 0 && !s->cli->options.quiet)
        for (size_t i = 0; i < s->changes.paths.n; i++) {
            bool gone = path_set_has(&s->gone, s->changes.paths.paths[i]);
            if (!gone || s->o->remove)
                cli_say(stdout, "%s %s", gone ? "-" : "+", s->changes.paths.paths[i]);
        }
    folder_changes_done(&s->changes);
    path_set_done(&s->gone);
    return status ? status : cli_end_output(s->cli);
}

/* How long until changes are to be sent; -1: there are none. */
static int sync_wait_ms(const struct sync *s)
{
    if (!s->first_ms)
        return -1;
    long long due = s->last_ms + SYNC_QUIET_MS, most = s->first_ms + SYNC_MOST_MS;
    long long left = (due < most ? due : most) - now_ms();
    return left > 0 ? (int)left : 0;
}

/* A signal ends it well. */
static int sync_follow(struct sync *s)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = s->watch.fd, .events = POLLIN},
                               {.fd = s->signals->fd, .events = POLLIN},
                               {.fd = banger_fd(s->cli->client), .events = POLLIN}};
        int wait = sync_wait_ms(s);
        if (wait == 0) {
            s->first_ms = 0;
            int status = s->changes.all ? sync_all(s) : sync_changes(s);
            if (status != 0)
                return status >= 128 ? 0 : status;
            continue;
        }
        (void)poll(fds, 3, wait);
        if (fds[1].revents && stream_signals_take(s->signals))
            return 0;
        if (fds[2].revents)
            (void)banger_process(s->cli->client, NULL); /* what is lost shows in the next call */
        if (fds[0].revents && folder_watch_take(&s->watch, &s->changes)) {
            s->last_ms = now_ms();
            if (!s->first_ms)
                s->first_ms = s->last_ms;
        }
        if (s->watch.full)
            return cli_fail_with(EXIT_BANGER, "TOO_MANY_FOLDERS",
                                 "%s has more folders than this machine watches "
                                 "(fs.inotify.max_user_watches)",
                                 s->here);
    }
}

static int sync_run(struct sync *s)
{
    if (folder_watch_init(&s->watch, s->here) < 0)
        return cli_usage("watching %.300s: %s", s->here, strerror(errno));
    int status = sync_all(s);
    if (status == 0 && !s->cli->options.quiet)
        cli_say(stderr, "banger: %s:%s is in step with %s, until Ctrl-C", s->vm, s->there, s->here);
    if (status == 0)
        status = sync_follow(s);
    folder_changes_done(&s->changes);
    folder_watch_done(&s->watch);
    return status;
}

static int vm_sync(struct cli *cli, const void *values, const struct opt_args *args)
{
    const char *from = args->refs[0], *to = args->refs[1], *colon = strchr(to, ':');
    struct sync s = {.cli = cli, .o = values, .watch = {.fd = -1}};
    struct stat st;
    if (!colon || colon == to || colon[1] != '/' || (size_t)(colon - to) >= sizeof(s.vm))
        return cli_usage("vm sync: \"%.100s\" is no VM:/PATH; it goes from a folder here into a VM",
                         to);
    snprintf(s.vm, sizeof(s.vm), "%.*s", (int)(colon - to), to);
    s.there = colon + 1;
    if (!realpath(from, s.here) || stat(s.here, &st) < 0)
        return cli_usage("%.300s: %s", from, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return cli_usage("%.300s is no folder", from);
    struct stream_signals signals;
    if (cli_connect(cli) < 0 || stream_signals_init(&signals) != 0)
        return EXIT_BANGER;
    cli->has_signals = true;
    s.signals = &signals;
    int status = sync_run(&s);
    stream_signals_done(&signals);
    return status;
}

static const struct opt sync_opts[] = {
    {"delete", 0, OPT_FLAG, offsetof(struct sync_values, remove), NULL,
     "what is not here is removed there, too", NULL, NAMES_NONE},
    {"user", 'u', OPT_STRING, offsetof(struct sync_values, user), "USER",
     "whose it is in the guest (default root)", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_sync_command = {
    "sync",
    NULL,
    "FOLDER VM:PATH",
    "keep a folder of a VM in step with one of ours, until Ctrl-C",
    "All of FOLDER is sent first, then what changes in it, a tenth of a second after it did. What "
    "the\n"
    "guest changes is not taken back, and stays until it changes here. Links are copied as links.",
    sync_opts,
    sizeof(struct sync_values),
    2,
    2,
    false,
    NAMES_FILE,
    vm_sync,
};
