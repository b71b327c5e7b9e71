/* The local daemon: found by its socket or by its lock, started where there is none, waited for.
 *
 * The starter holds a lock while it looks and starts, so that of two that come at once the second
 * finds the first one's daemon. */
#include "banger/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/methods.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/holder.h"
#include "base/paths.h"
#include "daemon_program.h"
#include "daemon_spawn.h"
#include "internal.h"

enum {
    LOCAL_START_MS = 20000, /* at first */
    LOCAL_PROBE_MS = 2000,
    LOCAL_ENDING_MS = 2000, /* a daemon that breaks connections is asked for so long */
    LOCAL_MEND_MS = 4000,   /* for a daemon to make its socket again: keeper.c looks each second */
    LOCAL_FIRST_WAIT_MS = 2,
    LOCAL_WAIT_MS = 100,
};

struct banger_local {
    char *socket, *daemon; /* owned; NULL: not told */
    int64_t start_timeout_ms;
    bool never_start;
};

struct banger_local *banger_local_new(void)
{
    struct banger_local *local = calloc(1, sizeof(*local));
    if (local)
        local->start_timeout_ms = LOCAL_START_MS;
    return local;
}

void banger_local_free(struct banger_local *local)
{
    if (!local)
        return;
    free(local->socket);
    free(local->daemon);
    free(local);
}

static int local_set_text(char **to, const char *text, struct banger_error *error)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return error_no_memory(error);
    free(*to);
    *to = copy;
    return 0;
}

int banger_local_set_socket(struct banger_local *local, const char *path,
                            struct banger_error *error)
{
    return local_set_text(&local->socket, path, error);
}

int banger_local_set_daemon(struct banger_local *local, const char *program,
                            struct banger_error *error)
{
    return local_set_text(&local->daemon, program, error);
}

void banger_local_set_start_timeout_ms(struct banger_local *local, int64_t ms)
{
    local->start_timeout_ms = ms;
}

void banger_local_set_start(struct banger_local *local, bool start)
{
    local->never_start = !start;
}

static int local_next_wait(int wait_ms)
{
    return 2 * wait_ms < LOCAL_WAIT_MS ? 2 * wait_ms : LOCAL_WAIT_MS;
}

static int local_paths(struct paths *paths, struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (paths_default(paths, &err) == 0)
        return 0;
    error_of_err(error, &err);
    return -1;
}

static int local_copy(char *out, size_t size, const char *path, struct banger_error *error)
{
    int len = snprintf(out, size, "%s", path);
    if (len < 0 || (size_t)len >= size)
        return error_set(error, BANGER_RESOURCE_EXHAUSTED, "the path %s is too long", path);
    return 0;
}

int banger_local_socket(char *out, size_t size, struct banger_error *error)
{
    struct paths paths;
    if (local_paths(&paths, error) < 0)
        return -1;
    return local_copy(out, size, paths.socket, error);
}

int banger_local_log(char *out, size_t size, struct banger_error *error)
{
    struct paths paths;
    if (local_paths(&paths, error) < 0)
        return -1;
    return local_copy(out, size, paths.log, error);
}

/* Does it answer? -1 with UNAVAILABLE when nobody does. */
static int local_probe(struct banger_client *client, int64_t timeout_ms, struct banger_error *error)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *response;
    client->timeout_ms = timeout_ms;
    response = banger_check_health(client, &request, NULL, error);
    client->timeout_ms = 0;
    if (!response)
        return -1;
    bool serving =
        response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    banger_message_free(&response->base);
    if (serving)
        return 0;
    return error_set(error, BANGER_UNAVAILABLE, "the daemon at %s is not serving yet",
                     banger_target(client));
}

/* Does one answer, or is there nobody? A connection that breaks tells neither: the socket of a
 * daemon that was killed still takes callers for a moment, and cuts them. So it is asked again,
 * until the socket is gone; the client's own patience, which would wait for another daemon, counts
 * after this. *nobody: one may be started. */
static int local_ask(struct banger_client *client, bool *nobody, struct banger_error *error)
{
    int64_t retry_ms = client->retry_ms, ready_ms = client->wait_for_ready_ms;
    int64_t deadline = clock_mono_ms() + LOCAL_ENDING_MS;
    client->retry_ms = client->wait_for_ready_ms = -1;
    int rv = local_probe(client, 0, error);
    for (int wait = LOCAL_FIRST_WAIT_MS; rv < 0 && error->code == BANGER_UNAVAILABLE &&
                                         client->ever_connected && clock_mono_ms() < deadline;
         wait = local_next_wait(wait)) {
        client->ever_connected = false;
        poll(NULL, 0, wait);
        rv = local_probe(client, 0, error);
    }
    *nobody = rv < 0 && error->code == BANGER_UNAVAILABLE && !client->ever_connected;
    client->retry_ms = retry_ms;
    client->wait_for_ready_ms = ready_ms;
    return rv;
}

/* Waits until the daemon answers, or is gone. */
static int local_wait_ready(struct banger_client *client, int pidfd, const char *log,
                            int64_t deadline_ms, struct banger_error *error)
{
    int wait = LOCAL_FIRST_WAIT_MS;
    while (local_probe(client, LOCAL_PROBE_MS, error) < 0) {
        if (error->code != BANGER_UNAVAILABLE && error->code != BANGER_DEADLINE_EXCEEDED)
            return -1;
        if (clock_mono_ms() >= deadline_ms)
            return error_wrap(error, "bangerd was started but does not answer (log: %s)", log);
        struct pollfd fd = {.fd = pidfd, .events = POLLIN};
        if (poll(&fd, 1, wait) > 0) {
            daemon_quote_log(log, error);
            return -1;
        }
        wait = local_next_wait(wait);
    }
    return 0;
}

/* Under the lock: someone else may have started it meanwhile. */
static int local_start(struct banger_client *client, const struct banger_local *local,
                       struct paths *paths, struct banger_error *error)
{
    struct err err = ERR_INIT;
    int64_t deadline = clock_mono_ms() + local->start_timeout_ms;
    char program[PATHS_BYTES], lock_path[PATHS_BYTES + 16];
    if (daemon_program_find(local->daemon, program, sizeof(program), error) < 0)
        return -1;
    if (fs_make_dirs(paths->state_dir, 0700, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    snprintf(lock_path, sizeof(lock_path), "%s/start.lock", paths->state_dir);
    auto_fd int lock = fs_open_own(lock_path, O_RDWR | O_CREAT, 0600, &err);
    if (lock < 0) {
        error_of_err(error, &err);
        return -1;
    }
    while (flock(lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_set(error, BANGER_INTERNAL, "lock %s: %s", lock_path, strerror(errno));
    if (local_probe(client, LOCAL_PROBE_MS, error) == 0)
        return 0;
    auto_fd int pidfd = daemon_spawn(program, paths->log, error);
    if (pidfd < 0)
        return -1;
    return local_wait_ready(client, pidfd, paths->log, deadline, error);
}

/* As the lock file of the daemon that listens there says. */
static void local_note_version(struct banger_client *client, const struct paths *paths, bool named)
{
    struct holder h;
    enum holder_found found = holder_find(paths->state_dir, &h);
    const char *version = "";
    if (found == HOLDER_ALIVE && strcmp(h.socket, client->target.path) == 0)
        version = h.version;
    else if (found == HOLDER_UNKNOWN && !named)
        version = "older";
    snprintf(client->daemon_version, sizeof(client->daemon_version), "%s", version);
}

/* One try to reach it where it says that it listens. */
static struct banger_client *local_dial_holder(const struct holder *h, struct banger_error *error)
{
    bool nobody;
    struct banger_client *client = h->socket[0] ? banger_connect(h->socket, error) : NULL;
    if (client && local_ask(client, &nobody, error) == 0)
        return client;
    banger_close(client);
    return NULL;
}

static void local_say_held(const struct holder *h, const struct paths *paths,
                           struct banger_error *error)
{
    char cure[80] = "\"banger daemon stop\" ends it";
    if (!h->phase[0] && h->pid)
        snprintf(cure, sizeof(cure), "it is of an older version, \"kill %d\" ends it", (int)h->pid);
    else if (!h->phase[0])
        snprintf(cure, sizeof(cure), "it is of an older version, or in another container");
    error_set(error, BANGER_UNAVAILABLE,
              "bangerd (process %d) holds %s and does not answer%s%s; %s, VMs run on (log: %s)",
              (int)h->pid, paths->state_dir, h->socket[0] ? " on " : "", h->socket, cure,
              paths->log);
}

/* The daemon that holds the state folder, wherever it listens; it makes a lost socket again by
 * itself. *held: there is one, and no other may be started. */
static struct banger_client *local_meet_holder(const struct paths *paths, bool *held,
                                               struct banger_error *error)
{
    int64_t begun = clock_mono_ms();
    for (int wait = LOCAL_FIRST_WAIT_MS;; wait = local_next_wait(wait)) {
        struct holder h;
        *held = holder_find(paths->state_dir, &h) != HOLDER_NOBODY &&
                strcmp(h.phase, HOLDER_ENDING) != 0;
        if (!*held)
            return NULL;
        struct banger_client *client = local_dial_holder(&h, error);
        if (client)
            return client;
        bool starting = strcmp(h.phase, HOLDER_STARTING) == 0;
        if (clock_mono_ms() - begun > (starting ? LOCAL_START_MS : LOCAL_MEND_MS)) {
            local_say_held(&h, paths, error);
            return NULL;
        }
        poll(NULL, 0, wait);
    }
}

static bool local_is_away(const struct banger_error *error)
{
    return error->code == BANGER_UNAVAILABLE;
}

/* No daemon holds the state folder, or it is about to end. */
static struct banger_client *local_begin(const struct banger_local *local, struct paths *paths,
                                         struct banger_error *error)
{
    struct banger_client *client = banger_connect(paths->socket, error);
    bool held = false;
    if (!client || local_start(client, local, paths, error) == 0)
        return client;
    banger_close(client);
    /* Another was quicker, and listens elsewhere. */
    struct banger_error own;
    return local_is_away(error) ? local_meet_holder(paths, &held, &own) : NULL;
}

static struct banger_client *local_connect(const struct banger_local *local,
                                           struct banger_error *error)
{
    struct paths paths;
    if (local_paths(&paths, error) < 0)
        return NULL;
    if (local->socket && local_copy(paths.socket, sizeof(paths.socket), local->socket, error) < 0)
        return NULL;
    struct banger_client *client = banger_connect(paths.socket, error);
    if (!client)
        return NULL;
    bool may_start = !local->never_start && !local->socket, nobody = false, held = false;
    int rv = may_start ? local_ask(client, &nobody, error) : local_probe(client, 0, error);
    if (rv < 0) {
        banger_close(client);
        client = NULL;
        if (!local->socket && local_is_away(error))
            client = local_meet_holder(&paths, &held, error);
        if (!client && !held && nobody)
            client = local_begin(local, &paths, error);
    }
    if (client)
        local_note_version(client, &paths, local->socket != NULL);
    return client;
}

const char *banger_local_version(const struct banger_client *client)
{
    return client->daemon_version;
}

int banger_local_find(struct banger_local_daemon *daemon)
{
    struct banger_local_daemon unused = {0};
    struct paths paths;
    struct holder h;
    struct banger_local_daemon *out = daemon ? daemon : &unused;
    *out = (struct banger_local_daemon){0};
    if (paths_default(&paths, NULL) < 0 || holder_find(paths.state_dir, &h) != HOLDER_ALIVE)
        return -1;
    out->pid = (int)h.pid;
    out->ending = strcmp(h.phase, HOLDER_ENDING) == 0;
    snprintf(out->socket, sizeof(out->socket), "%s", h.socket);
    snprintf(out->version, sizeof(out->version), "%s", h.version);
    return holder_pidfd(&h);
}

struct banger_client *banger_connect_local(const struct banger_local *local,
                                           struct banger_error *error)
{
    /* What fails on the way leaves no trace in the caller's error when it ends well. */
    static const struct banger_local defaults = {.start_timeout_ms = LOCAL_START_MS};
    struct banger_error own;
    struct banger_client *client = local_connect(local ? local : &defaults, &own);
    if (!client && error)
        *error = own;
    return client;
}
