/* Clients: made and closed, driven by poll or by someone else's loop.
 *
 * The fd that a loop watches is an epoll set of our own, so it stays the same whatever connections
 * come and go. A timer is in it as well, so that a loop needs nothing but that fd; it is set only
 * once someone has asked for the fd (calls that wait have a time limit of their own). */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"

enum { DEFAULT_RETRY_MS = 10000, DEFAULT_ALIVE_MS = 20000 };

const char *banger_version(void)
{
    return BANGER_VERSION;
}

static int client_make_timer(struct banger_client *client, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    client->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (client->epoll_fd < 0 || client->timer_fd < 0 ||
        epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->timer_fd, &event) < 0)
        return err_sys(err, errno, "descriptors for a client");
    return 0;
}

struct banger_client *client_new(const char *target, const struct target_pinned *pinned,
                                 struct banger_error *error)
{
    struct err err = ERR_INIT;
    struct banger_client *client = calloc(1, sizeof(*client));
    char *copy = strdup(target);
    if (!client || !copy) {
        free(client);
        free(copy);
        error_no_memory(error);
        return NULL;
    }
    client->text = copy;
    client->interrupt_fd = -1;
    client->armed_ms = INT64_MAX;
    client->retry_ms = DEFAULT_RETRY_MS;
    client->alive_ms = DEFAULT_ALIVE_MS;
    call_metadata_init(&client->metadata);
    list_init(&client->channels);
    list_init(&client->waiting);
    list_init(&client->attaches);
    client->timer_fd = -1;
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (target_init(&client->target, target, pinned, &err) < 0 ||
        client_make_timer(client, &err) < 0) {
        error_of_err(error, &err);
        banger_close(client);
        return NULL;
    }
    return client;
}

struct banger_client *banger_connect(const char *target, struct banger_error *error)
{
    return client_new(target, NULL, error);
}

static void client_free(struct banger_client *client)
{
    target_done(&client->target);
    if (client->timer_fd >= 0)
        close(client->timer_fd);
    if (client->epoll_fd >= 0)
        close(client->epoll_fd);
    call_metadata_done(&client->metadata);
    free(client->text);
    free(client);
}

void client_use(struct banger_client *client)
{
    client->n_users++;
}

void client_unuse(struct banger_client *client)
{
    if (--client->n_users == 0 && client->closed)
        client_free(client);
}

void banger_close(struct banger_client *client)
{
    if (!client)
        return;
    struct err why = ERR_INIT;
    err_set(&why, ERR_CANCELLED, "the client was closed");
    client->closed = true;
    client->log = NULL;
    client->interrupt_fd = -1;
    client->current = NULL;
    list_foreach(link, &client->channels)
        channel_close(container_of(link, struct channel, link), &why);
    for (struct list *link; (link = list_first(&client->waiting));)
        stream_fail(container_of(link, struct banger_stream, link), &why);
    if (client->n_users == 0)
        client_free(client);
}

/* ---- what it is told ---- */

void banger_set_retry_ms(struct banger_client *client, int64_t ms)
{
    client->retry_ms = ms;
}

void banger_set_wait_for_ready_ms(struct banger_client *client, int64_t ms)
{
    client->wait_for_ready_ms = ms;
}

void banger_set_timeout_ms(struct banger_client *client, int64_t ms)
{
    client->timeout_ms = ms;
}

void banger_set_alive_ms(struct banger_client *client, int64_t ms)
{
    client->alive_ms = ms;
}

struct banger_metadata *banger_client_metadata(struct banger_client *client)
{
    return &client->metadata;
}

static int set_credentials(struct banger_client *client, const struct target_credentials *next,
                           struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (client->target.path[0])
        return error_set(error, BANGER_INVALID_ARGUMENT, "a Unix socket takes no certificates");
    if (target_set_credentials(&client->target, next, &err) == 0)
        return 0;
    error_of_err(error, &err);
    return -1;
}

int banger_set_credential_files(struct banger_client *client, const char *ca_file,
                                const char *certificate_file, const char *key_file,
                                struct banger_error *error)
{
    const struct target_credentials files = {.ca = (char *)(uintptr_t)ca_file,
                                             .certificate = (char *)(uintptr_t)certificate_file,
                                             .key = (char *)(uintptr_t)key_file,
                                             .are_files = true};
    return set_credentials(client, &files, error);
}

int banger_set_credentials(struct banger_client *client, const char *ca_pem,
                           const char *certificate_pem, const char *key_pem,
                           struct banger_error *error)
{
    const struct target_credentials texts = {.ca = (char *)(uintptr_t)ca_pem,
                                             .certificate = (char *)(uintptr_t)certificate_pem,
                                             .key = (char *)(uintptr_t)key_pem};
    return set_credentials(client, &texts, error);
}

int banger_set_server_name(struct banger_client *client, const char *name,
                           struct banger_error *error)
{
    char *copy = name ? strdup(name) : NULL;
    if (name && !copy)
        return error_no_memory(error);
    free(client->target.server_name);
    client->target.server_name = copy;
    return 0;
}

void banger_set_log(struct banger_client *client, banger_log_fn *fn, void *arg)
{
    client->log = fn;
    client->log_arg = arg;
}

void client_log(struct banger_client *client, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    if (!client->log)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    client->log(client->log_arg, line);
}

const char *banger_target(const struct banger_client *client)
{
    return client->text;
}

void banger_set_interrupt_fd(struct banger_client *client, int fd)
{
    client->interrupt_fd = fd;
}

/* ---- time ---- */

/* An attach that is due before since_ms does not count: its owner was told, and takes it when it
 * will. */
static int64_t client_due_ms(const struct banger_client *client, int64_t since_ms)
{
    int64_t due = client_settle_due_ms(client);
    list_foreach(link, (struct list *)&client->channels)
    {
        int64_t next = channel_due_ms(container_of(link, struct channel, link));
        due = next < due ? next : due;
    }
    list_foreach(link, (struct list *)&client->attaches)
    {
        int64_t next = attach_due_ms(link);
        if (next >= since_ms && next < due)
            due = next;
    }
    return due;
}

void client_arm(struct banger_client *client)
{
    if (client->looked_at)
        return;
    int64_t due = client->watched ? client_due_ms(client, client->told_ms) : INT64_MAX;
    if (client->watched && client->news != client->news_told)
        due = 1;
    if (due >= client->armed_ms)
        return; /* when it comes too early, it is set anew */
    if (due < 1)
        due = 1; /* 0 would turn it off */
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000}};
    if (timerfd_settime(client->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0)
        client->armed_ms = due;
}

static void client_take_timer(struct banger_client *client)
{
    uint64_t n;
    int64_t now = clock_mono_ms();
    if (now < client->armed_ms || read(client->timer_fd, &n, sizeof(n)) < 0)
        return;
    client->armed_ms = INT64_MAX;
    client->told_ms = now + 1;
}

/* ---- for loops ---- */

int banger_fd(struct banger_client *client)
{
    client->watched = true;
    client_arm(client);
    return client->epoll_fd;
}

short banger_wanted_events(const struct banger_client *client)
{
    (void)client;
    return POLLIN;
}

int banger_next_timeout(const struct banger_client *client)
{
    int64_t due = client_due_ms(client, 0), now = clock_mono_ms();
    if (due == INT64_MAX)
        return -1;
    if (due <= now)
        return 0;
    return due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

static int client_process(struct banger_client *client, struct banger_error *error)
{
    int result = 0;
    client_take_timer(client);
    list_foreach(link, &client->channels)
    {
        struct channel *channel = container_of(link, struct channel, link);
        struct err err = ERR_INIT;
        if (channel_process(channel, &err) == 0)
            continue;
        /* One that was drained has ended as it should. */
        if (!channel_is_draining(channel) || channel_open_calls(channel) > 0) {
            error_of_err(error, &err);
            result = -1;
        }
        client_lose(client, channel, &err);
    }
    client_settle(client);
    return result;
}

int banger_process(struct banger_client *client, struct banger_error *error)
{
    client->looked_at = true;
    int result = client_process(client, error);
    client->looked_at = false;
    client->news_told = client->news; /* whoever calls this looks */
    client_arm(client);
    return result;
}

int client_wait(struct banger_client *client, int64_t timeout_ms, struct banger_error *error)
{
    int own = banger_next_timeout(client);
    int64_t ms = timeout_ms;
    if (own >= 0 && (ms < 0 || own < ms))
        ms = own;
    struct pollfd fds[2] = {{.fd = client->epoll_fd, .events = POLLIN},
                            {.fd = client->interrupt_fd, .events = POLLIN}};
    int n = poll(fds, 2, ms > INT32_MAX ? INT32_MAX : (int)ms);
    if (n < 0 && errno != EINTR)
        return error_set(error, BANGER_INTERNAL, "poll: %s", strerror(errno));
    (void)client_process(client, NULL);
    if (n > 0 && fds[1].revents) {
        error_set(error, BANGER_CANCELLED, "interrupted");
        if (error)
            memcpy(error->reason, "INTERRUPTED", sizeof("INTERRUPTED"));
        return -1;
    }
    return 0;
}
