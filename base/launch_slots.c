/* Numbers are kept by /dev/null; see launch_slots.h. */
#include "base/launch_slots.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { SLOTS = 12, FIRST = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int null_fd = -1, kept[SLOTS];
static size_t n_kept, n_taken;

void launch_slots_keep(void)
{
    if (null_fd < 0)
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (null_fd >= 0 && n_kept < SLOTS) {
        int fd = fcntl(null_fd, F_DUPFD_CLOEXEC, FIRST);
        if (fd < 0)
            return;
        kept[n_kept++] = fd;
    }
}

int launch_slots_take(const int *fds, size_t n, int *slots)
{
    if (n == 0 || n > n_kept)
        return 0;
    pthread_mutex_lock(&lock);
    for (n_taken = 0; n_taken < n; n_taken++) {
        slots[n_taken] = kept[n_taken];
        if (dup3(fds[n_taken], kept[n_taken], O_CLOEXEC) < 0) {
            launch_slots_give_back();
            return 0;
        }
    }
    return kept[n_kept - 1] + 1;
}

void launch_slots_give_back(void)
{
    for (; n_taken > 0; n_taken--)
        dup3(null_fd, kept[n_taken - 1], O_CLOEXEC);
    pthread_mutex_unlock(&lock);
}
