/* See priv_loop.h. */
#include "daemon/priv/priv_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Another may take the free one between our asking for it and our taking it. */
enum { LOOP_TRIES = 64 };

static const char control_path[] = "/dev/loop-control";

static int loop_open(int index, int flags)
{
    char path[32];
    snprintf(path, sizeof(path), "/dev/loop%d", index);
    return open(path, flags | O_CLOEXEC);
}

int loop_attach(int file_fd, bool read_only, struct loop_device *loop, struct err *err)
{
    struct loop_config config = {.fd = (unsigned)file_fd,
                                 .info.lo_flags =
                                     LO_FLAGS_AUTOCLEAR |
                                     (read_only ? LO_FLAGS_READ_ONLY : LO_FLAGS_DIRECT_IO)};
    auto_fd int control = open(control_path, O_RDWR | O_CLOEXEC);
    if (control < 0)
        return err_sys(err, errno, "cannot open %s", control_path);
    for (int i = 0; i < LOOP_TRIES; i++) {
        struct stat st;
        int index = ioctl(control, LOOP_CTL_GET_FREE);
        if (index < 0)
            return err_sys(err, errno, "no loop device is free");
        int fd = loop_open(index, read_only ? O_RDONLY : O_RDWR);
        if (fd < 0)
            return err_sys(err, errno, "cannot open /dev/loop%d", index);
        if (ioctl(fd, LOOP_CONFIGURE, &config) == 0 && fstat(fd, &st) == 0) {
            *loop = (struct loop_device){.fd = fd, .number = st.st_rdev};
            return 0;
        }
        int sys = errno;
        close(fd);
        if (sys != EBUSY)
            return err_sys(err, sys, "cannot set up /dev/loop%d", index);
    }
    return err_set(err, ERR_LIMIT, "no loop device is free: others take each before us");
}

bool loop_is_of(dev_t number, int file_fd)
{
    struct loop_info64 info;
    struct stat st;
    auto_fd int fd = loop_open((int)minor(number), O_RDONLY);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == number &&
           ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && fstat(file_fd, &st) == 0 &&
           info.lo_device == st.st_dev && info.lo_inode == st.st_ino;
}
