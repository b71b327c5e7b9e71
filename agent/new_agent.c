/* See new_agent.h. */
#include "agent/new_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/store.h"
#include "base/cleanup.h"

void new_agent_init(struct new_agent *n)
{
    *n = (struct new_agent){.fd = -1};
}

void new_agent_forget(struct new_agent *n)
{
    if (n->fd >= 0)
        close(n->fd);
    new_agent_init(n);
}

static int begin(struct new_agent *n, uint32_t size)
{
    new_agent_forget(n);
    if (size == 0 || size > NEW_AGENT_MAX_BYTES) {
        errno = EFBIG;
        return -1;
    }
    n->size = size;
    n->fd = memfd_create("banger-agent", MFD_CLOEXEC);
    return n->fd < 0 ? -1 : 0;
}

static int write_all(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.data, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        s.data += n;
        s.len -= (size_t)n;
    }
    return 0;
}

/* What anybody has open for writing cannot be run. */
static int hand_over(struct new_agent *n, struct store *store)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", n->fd);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    close(n->fd);
    n->fd = -1;
    return store_say(store, STORE_OP_FILE, 0, 0, &fd, 1);
}

static int take(struct new_agent *n, const struct codec_new_agent *part, struct store *store)
{
    const PB(NewAgent) *m = &part->message;
    if (store->keeper_fd < 0) {
        errno = ENOTSUP;
        return -1;
    }
    if (m->offset == 0 && begin(n, m->size) < 0)
        return -1;
    if (n->fd < 0 || m->size != n->size || m->offset != n->at || part->data.len > n->size - n->at) {
        errno = EPROTO;
        return -1;
    }
    if (write_all(n->fd, part->data) < 0)
        return -1;
    n->at += (uint32_t)part->data.len;
    if (n->at < n->size)
        return 0;
    return hand_over(n, store) < 0 ? -1 : 1;
}

int new_agent_take(struct new_agent *n, const struct codec_new_agent *part, struct store *store)
{
    int rc = take(n, part, store);
    if (rc < 0) {
        int why = errno;
        new_agent_forget(n);
        errno = why;
    }
    return rc;
}
