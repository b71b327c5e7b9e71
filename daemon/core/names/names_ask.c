/* Asking the host's servers for a guest: each time by a socket of its own, whose port nobody knows,
 * and with an id that nobody knows (RFC 5452). UDP alone: an answer has room for far more addresses
 * than are told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"

void names_guests_init(struct names_guests *all, uint64_t max_files)
{
    uint64_t part = max_files / NAMES_ASKS_PART;
    *all = (struct names_guests){.max_asks = part > 0 && part < NAMES_ASKS_ALL ? (unsigned)part
                                                                               : NAMES_ASKS_ALL};
    list_init(&all->list);
}

static void ask_close(struct names_ask *ask)
{
    watch_done(&ask->watch);
    if (ask->fd >= 0)
        close(ask->fd);
    ask->fd = -1;
}

void names_ask_end(struct names_ask *ask)
{
    ask_close(ask);
    timer_done(&ask->timer);
    list_remove(&ask->link);
    ask->guest->n_asks--;
    ask->guest->all->n_asks--;
    free(ask);
}

static void ask_answered(struct names_ask *ask, struct dns_answer *answer)
{
    struct guest_names *g = ask->guest;
    struct dns_question q = ask->q;
    struct sockaddr_in from = ask->from;
    names_ask_end(ask);
    names_pin(g, &q, &from, answer);
}

static int ask_send(struct names_ask *ask)
{
    const struct sockaddr_storage *to = &ask->servers.at[ask->tries % ask->servers.n];
    uint8_t packet[DNS_PACKET_BYTES];
    ask_close(ask);
    ask->strays = 0;
    ask->fd = socket(to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ask->fd < 0 || getrandom(&ask->id, sizeof(ask->id), 0) != sizeof(ask->id))
        return -1;
    size_t len = dns_question_write(&ask->q, ask->id, packet);
    socklen_t to_len =
        to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    return connect(ask->fd, (const struct sockaddr *)to, to_len) < 0 ||
                   send(ask->fd, packet, len, 0) != (ssize_t)len
               ? -1
               : 0;
}

static void ask_ready(void *arg, int events);

/* The next server, or the same again; then there is no answer. */
static void ask_next(struct names_ask *ask)
{
    struct dns_answer none = {.code = DNS_FAILED};
    for (; ask->tries < NAMES_ASK_TRIES; ask->tries++)
        if (ask_send(ask) == 0 &&
            watch_init(&ask->watch, ask->guest->core->loop, ask->fd, ask_ready, ask) == 0) {
            ask->tries++;
            watch_want(&ask->watch, WATCH_READ);
            timer_start(&ask->timer, NAMES_ASK_MS);
            return;
        }
    ask_answered(ask, &none);
}

/* A guest that asks and asks has no file read for each question. */
static int ask_find_servers(struct names_ask *ask, struct err *err)
{
    struct names_guests *all = ask->guest->all;
    int64_t now_ms = clock_mono_ms();
    if (all->servers_until_ms <= now_ms) {
        all->servers_until_ms = 0;
        if (resolver_list(&all->servers, err) < 0)
            return -1;
        all->servers_until_ms = now_ms + NAMES_SERVERS_MS;
    }
    ask->servers = all->servers;
    return 0;
}

/* It begins, or the server that was asked is late. */
static void ask_due(void *arg)
{
    struct names_ask *ask = arg;
    struct err err = ERR_INIT;
    struct dns_answer none = {.code = DNS_FAILED};
    if (ask->servers.n == 0 && ask_find_servers(ask, &err) < 0) {
        log_err(LOG_LEVEL_WARN, "names", &err, "no name is asked for a guest");
        ask_answered(ask, &none);
        return;
    }
    ask_next(ask);
}

static void ask_ready(void *arg, int events)
{
    struct names_ask *ask = arg;
    uint8_t packet[DNS_PACKET_BYTES];
    struct dns_answer answer;
    (void)events;
    ssize_t n = recv(ask->fd, packet, sizeof(packet), MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n >= 0 &&
        ((size_t)n > sizeof(packet) ||
         !dns_answer_read(packet, (size_t)n, &ask->q, ask->id, &answer)) &&
        ++ask->strays < NAMES_ASK_STRAYS)
        return; /* the right one may still come */
    if (n < 0 || ask->strays == NAMES_ASK_STRAYS ||
        (answer.code == DNS_FAILED && ask->tries < NAMES_ASK_TRIES))
        ask_next(ask);
    else
        ask_answered(ask, &answer);
}

/* Room for one more of a guest's. Each is an open file, and waits for as long as a server keeps
 * silent: a guest that asks for such names has what others leave, and no more. */
static bool ask_find_room(struct guest_names *g)
{
    const struct dns_answer busy = {.code = DNS_FAILED};
    struct guest_names *most = g;
    if (g->n_asks == NAMES_ASKS_MAX)
        return false;
    if (g->all->n_asks < g->all->max_asks)
        return true;
    list_foreach(l, &g->all->list)
    {
        struct guest_names *other = container_of(l, struct guest_names, link);
        if (other->n_asks > most->n_asks)
            most = other;
    }
    if (most == g)
        return false;
    struct names_ask *first = container_of(list_first(&most->asks), struct names_ask, link);
    guest_names_reply(most, &first->q, &first->from, &busy);
    names_ask_end(first);
    return true;
}

void names_ask_begin(struct guest_names *g, const struct dns_question *q,
                     const struct sockaddr_in *from)
{
    const struct dns_answer busy = {.code = DNS_FAILED};
    struct names_ask *ask = ask_find_room(g) ? calloc(1, sizeof(*ask)) : NULL;
    if (!ask || timer_init(&ask->timer, g->core->loop, ask_due, ask) < 0) {
        free(ask);
        guest_names_reply(g, q, from, &busy);
        return;
    }
    ask->guest = g;
    ask->q = *q;
    ask->from = *from;
    ask->fd = -1;
    list_add_tail(&g->asks, &ask->link);
    g->n_asks++;
    g->all->n_asks++;
    timer_start(&ask->timer, 0); /* so the answer comes later, whatever it is */
}
