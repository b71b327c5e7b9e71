/* Loop devices. Each goes by itself with the last that has it open, whoever that is and however it
 * ends: there is none to be removed. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LOOP_H
#define BANGER_DAEMON_PRIV_PRIV_LOOP_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

struct loop_device {
    int fd; /* owned; keeps it there until something else has it open */
    dev_t number;
};

/* Of a file that is open: for reading alone (its pages are shared with whatever else reads that
 * file), or for both (without a second copy in memory, where the file system can). */
int loop_attach(int file_fd, bool read_only, struct loop_device *loop, struct err *err);
/* Is that loop device this file's? False where it cannot be told. */
bool loop_is_of(dev_t number, int file_fd);

#endif
