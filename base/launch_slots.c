/* Numbers are kept by /dev/null; see launch_slots.h. */
#include "base/launch_slots.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

enum { SLOTS = 12, FIRST = 3, BLOCK = 64 /* of the kernel's bit maps */ };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int null_fd = -1, kept[SLOTS];
static size_t n_kept, n_taken;

/* In a table of its own, of which only the low numbers are left: is the next one free? */
static void *look(void *arg)
{
    bool *in_order = arg;
    *in_order = close_range((unsigned)kept[SLOTS - 1] + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0 &&
                fcntl(null_fd, F_DUPFD_CLOEXEC, BLOCK) == BLOCK;
    return NULL;
}

/* Linux before 6.1.107 and 6.10.7 takes blocks for full in the copy that were so in the original.
 */
static bool tables_are_in_order(void)
{
    bool in_order = false;
    int ours[2 * BLOCK], n = 0, fd;
    pthread_t thread;
    do {
        fd = fcntl(null_fd, F_DUPFD_CLOEXEC, FIRST);
        if (fd >= 0)
            ours[n++] = fd;
    } while (fd >= 0 && fd < 2 * BLOCK - 1 && n < 2 * BLOCK);
    if (pthread_create(&thread, NULL, look, &in_order) == 0)
        pthread_join(thread, NULL);
    while (n > 0)
        close(ours[--n]);
    return in_order;
}

void launch_slots_keep(void)
{
    size_t n = 0;
    if (null_fd >= 0 || (null_fd = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
        return;
    while (n < SLOTS && (kept[n] = fcntl(null_fd, F_DUPFD_CLOEXEC, FIRST)) >= 0)
        n++;
    if (n == SLOTS && kept[SLOTS - 1] < BLOCK && tables_are_in_order())
        n_kept = SLOTS;
}

int launch_slots_take(const int *fds, size_t n, int *slots)
{
    if (n > n_kept || pthread_mutex_trylock(&lock) != 0)
        return 0;
    for (n_taken = 0; n_taken < n; n_taken++)
        if (dup3(fds[n_taken], kept[n_taken], O_CLOEXEC) < 0) {
            launch_slots_give_back();
            return 0;
        }
    for (size_t i = 0; i < n; i++)
        slots[i] = kept[i];
    return kept[SLOTS - 1] + 1;
}

void launch_slots_give_back(void)
{
    for (; n_taken > 0; n_taken--)
        dup3(null_fd, kept[n_taken - 1], O_CLOEXEC);
    pthread_mutex_unlock(&lock);
}
