/* Counting what passes a guest's network; see net_counts.h. */
#include "daemon/vmm/net/net_counts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/vmm/net/net_filter.h"

/* Written, not just made that long: a store to a page that has no room on the disk would end us. */
struct net_counts *net_counts_make(const char *path, struct err *err)
{
    static const struct net_counts zero;
    auto_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &zero, sizeof(zero)) != (ssize_t)sizeof(zero)) {
        err_sys(err, fd < 0 ? errno : ENOSPC, "cannot write %s", path);
        return NULL;
    }
    void *at = mmap(NULL, sizeof(zero), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        err_sys(err, errno, "cannot map %s", path);
        return NULL;
    }
    return at;
}

uint64_t net_tally(struct net_tally *t, const uint8_t *data, size_t len)
{
    uint64_t bytes = 0;
    for (size_t at = 0; at < len;) {
        if (t->left == 0) {
            t->head = t->head << 8 | data[at++];
            if (++t->head_at < NET_HEAD_BYTES)
                continue;
            t->left = t->head;
            t->head = t->head_at = 0;
            continue;
        }
        size_t n = len - at < t->left ? len - at : t->left;
        bytes += n;
        at += n;
        t->left -= (uint32_t)n;
    }
    return bytes;
}
