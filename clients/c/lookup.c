/* getaddrinfo on a thread of its own; see lookup.h. */
#include "lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "target.h"

struct lookup {
    char host[TARGET_HOST_BYTES], port[TARGET_PORT_BYTES];
    int64_t begun_ms;
    int fd;              /* eventfd */
    atomic_int n_owners; /* of two: whoever began it, and its thread */
    atomic_bool over;    /* set behind what follows, which is the owner's then */
    int result, errnum;
    struct addrinfo *addresses;
};

static const struct addrinfo name_hints = {
    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};

void lookup_leave(struct lookup *lookup)
{
    if (!lookup || atomic_fetch_sub(&lookup->n_owners, 1) > 1)
        return;
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    close(lookup->fd);
    free(lookup);
}

static void *lookup_run(void *arg)
{
    struct lookup *lookup = arg;
    lookup->result = getaddrinfo(lookup->host, lookup->port, &name_hints, &lookup->addresses);
    lookup->errnum = errno;
    if (lookup->result != 0)
        lookup->addresses = NULL;
    atomic_store(&lookup->over, true);
    (void)eventfd_write(lookup->fd, 1);
    lookup_leave(lookup);
    return NULL;
}

/* Detached, and with every signal blocked: the program's handlers run on the program's threads. */
static int lookup_start_thread(struct lookup *lookup)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int rv = pthread_attr_init(&attr);
    if (rv != 0)
        return rv;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rv = pthread_create(&thread, &attr, lookup_run, lookup);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rv;
}

struct lookup *lookup_start(const char *host, const char *port, struct err *err)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup) {
        err_set(err, ERR_LIMIT, "out of memory for looking up %s", host);
        return NULL;
    }
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    snprintf(lookup->port, sizeof(lookup->port), "%s", port);
    lookup->begun_ms = clock_mono_ms();
    atomic_init(&lookup->n_owners, 2);
    atomic_init(&lookup->over, false);
    lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int errnum = lookup->fd < 0 ? errno : lookup_start_thread(lookup);
    if (errnum == 0)
        return lookup;
    if (lookup->fd >= 0)
        close(lookup->fd);
    free(lookup);
    err_sys(err, errnum, "look up %s", host);
    return NULL;
}

int lookup_fd(const struct lookup *lookup)
{
    return lookup->fd;
}

bool lookup_is_over(const struct lookup *lookup)
{
    return atomic_load(&lookup->over);
}

int64_t lookup_age_ms(const struct lookup *lookup)
{
    return clock_mono_ms() - lookup->begun_ms;
}

int lookup_take(struct lookup *lookup, struct addrinfo **addresses, struct err *err)
{
    *addresses = lookup->addresses;
    lookup->addresses = NULL;
    if (*addresses)
        return 0;
    if (lookup->result == EAI_SYSTEM)
        err_sys(err, lookup->errnum, "no address of %s", lookup->host);
    else
        err_set(err, ERR_UNAVAILABLE, "no address of %s: %s", lookup->host,
                gai_strerror(lookup->result));
    err->code = ERR_UNAVAILABLE;
    return -1;
}

struct addrinfo *lookup_numeric(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
                    *found = NULL;
    return getaddrinfo(host, port, &hints, &found) == 0 ? found : NULL;
}
