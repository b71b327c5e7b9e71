/* The log as a bounded file; see log_file.h.
 *
 * Whoever writes the entry that reaches the bound turns the file over. `turning` keeps that to one
 * thread at a time; the others go on into the old file, up to a quarter above the bound. */
#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

enum { LOG_PATH_BYTES = 4096 };

static char log_path[LOG_PATH_BYTES];             /* changed by the holder of turning */
static _Atomic uint64_t log_bytes, log_max_bytes; /* of the file; max 0: there is none */
static atomic_flag turning = ATOMIC_FLAG_INIT;

/* The file becomes stderr at once for all threads. Another kind of file (a FIFO, a device) could
 * block, or is not there to be turned over. */
static int open_as_stderr(const char *path, struct err *err)
{
    struct stat st;
    auto_fd int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot write the log %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "cannot write the log %s: it is not a regular file", path);
    if (dup2(fd, STDERR_FILENO) < 0)
        return err_sys(err, errno, "cannot write the log %s", path);
    atomic_store(&log_bytes, (uint64_t)st.st_size);
    return 0;
}

static void turn_over(void)
{
    char old[LOG_PATH_BYTES + 2];
    uint64_t max = atomic_load(&log_max_bytes);
    while (atomic_flag_test_and_set(&turning)) {
        if (atomic_load(&log_bytes) < max + max / 4)
            return;
        sched_yield(); /* a rename and an open of another thread */
    }
    if (max > 0 && atomic_load(&log_bytes) >= max) {
        snprintf(old, sizeof(old), "%s.1", log_path);
        (void)!rename(log_path, old); /* moved away by somebody: as good */
        if (open_as_stderr(log_path, NULL) < 0)
            atomic_store(&log_bytes, max - max / 8); /* tried again after that much more */
    }
    atomic_flag_clear(&turning);
}

static void written(size_t n_bytes)
{
    uint64_t max = atomic_load(&log_max_bytes);
    if (atomic_fetch_add(&log_bytes, n_bytes) + n_bytes >= max && max > 0)
        turn_over();
}

int log_file_use(const char *path, uint64_t max_bytes, struct err *err)
{
    if (strlen(path) >= sizeof(log_path))
        return err_set(err, ERR_INVALID, "the log's path is too long");
    while (atomic_flag_test_and_set(&turning))
        sched_yield();
    int rc = open_as_stderr(path, err);
    if (rc == 0) {
        snprintf(log_path, sizeof(log_path), "%s", path);
        atomic_store(&log_max_bytes,
                     max_bytes > LOG_FILE_MIN_BYTES ? max_bytes : LOG_FILE_MIN_BYTES);
        log_on_written(written);
    }
    atomic_flag_clear(&turning);
    return rc;
}

int log_file_reopen(struct err *err)
{
    if (atomic_load(&log_max_bytes) == 0 || atomic_flag_test_and_set(&turning))
        return 0; /* being turned over: that opens it, too */
    int rc = open_as_stderr(log_path, err);
    atomic_flag_clear(&turning);
    return rc;
}

bool log_file_is_stderr(const char *path)
{
    struct stat now, named;
    return fstat(STDERR_FILENO, &now) == 0 && lstat(path, &named) == 0 && S_ISREG(now.st_mode) &&
           now.st_dev == named.st_dev && now.st_ino == named.st_ino;
}
