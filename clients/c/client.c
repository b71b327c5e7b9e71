/* Clients: made, told, closed. What drives them is in client_loop.c, who connects in connect.c. */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

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
    list_init(&client->dues);
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
