/* Driving a client: by poll, or by someone else's loop.
 *
 * The fd that a loop watches is an epoll set of our own, so it stays the same whatever connections
 * come and go. A timer is in it as well, so that a loop needs nothing but that fd; it is set only
 * once someone has asked for the fd (calls that wait have a time limit of their own). */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- time ---- */

/* What is due before since_ms does not count: its owner was told, and takes it when it
 * will. */
static int64_t client_due_ms(const struct banger_client *client, int64_t since_ms)
{
    int64_t due = client_settle_due_ms(client);
    list_foreach(link, (struct list *)&client->channels)
    {
        int64_t next = channel_due_ms(container_of(link, struct channel, link));
        due = next < due ? next : due;
    }
    list_foreach(link, (struct list *)&client->dues)
    {
        const struct client_due *d = container_of(link, struct client_due, link);
        int64_t next = d->due_ms(d);
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
