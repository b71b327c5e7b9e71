/* The log as a file: bounded whatever is written by however many threads, opened anew when asked,
 * and nothing lost on the way. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/log_file.h"
#include "tests/support/check.h"

enum { THREADS = 4, ENTRIES = 2000, MAX_BYTES = 64 * 1024, ENTRY_BYTES = 256 };

static char dir[] = "/tmp/banger-log-XXXXXX", path[64], old[64];
static int real_stderr;

static void back_to_stderr(void)
{
    dup2(real_stderr, STDERR_FILENO);
}

static size_t size_of(const char *name)
{
    struct stat st;
    return stat(name, &st) == 0 ? (size_t)st.st_size : 0;
}

static size_t count(const char *name, const char *text)
{
    auto_free char *all = NULL;
    size_t n = 0;
    if (fs_read(name, 1 << 20, &all, NULL, NULL) < 0)
        return 0;
    for (const char *at = all; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void *talk(void *arg)
{
    for (int i = 0; i < ENTRIES; i++) /* debug entries are not held back */
        log_debug("test", "entry %d of %s, which is rather long", i, (const char *)arg);
    return NULL;
}

static void test_two_files_at_most_hold_the_newest(void)
{
    static char *const names[THREADS] = {"one", "two", "three", "four"};
    pthread_t threads[THREADS];
    struct err err = ERR_INIT;
    CHECK_INT(log_file_use(path, MAX_BYTES, &err), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, talk, names[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_debug("test", "the last one");
    back_to_stderr();
    /* While one thread turns the file over the others go on, which is counted for the new one. */
    size_t few = MAX_BYTES / 4 + THREADS * ENTRY_BYTES;
    CHECK(size_of(path) <= MAX_BYTES + few);
    CHECK(size_of(old) <= MAX_BYTES + few);
    CHECK(size_of(old) >= MAX_BYTES - few);
    CHECK_INT(count(path, "the last one"), 1);
}

static void test_opened_anew_after_it_was_moved_away(void)
{
    struct err err = ERR_INIT;
    char moved[64];
    snprintf(moved, sizeof(moved), "%s/moved", dir);
    unlink(path);
    CHECK_INT(log_file_use(path, MAX_BYTES, &err), 0);
    CHECK(log_file_is_stderr(path));
    log_debug("test", "before");
    CHECK_INT(rename(path, moved), 0);
    log_debug("test", "meanwhile");
    CHECK_INT(log_file_reopen(&err), 0);
    log_debug("test", "after");
    back_to_stderr();
    CHECK(!log_file_is_stderr(path));
    CHECK_INT(count(moved, "before") + count(moved, "meanwhile"), 2);
    CHECK_INT(count(path, "after"), 1);
    CHECK_INT(count(path, "meanwhile"), 0);
    unlink(moved);
}

/* What is in use goes on. */
static void test_what_cannot_be_a_log_is_refused(void)
{
    struct err err = ERR_INIT;
    char other[64];
    CHECK_INT(log_file_use(path, MAX_BYTES, &err), 0);
    snprintf(other, sizeof(other), "%s/fifo", dir);
    CHECK_INT(mkfifo(other, 0600), 0);
    int reader = open(other, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK_INT(log_file_use(other, MAX_BYTES, &err), -1);
    close(reader);
    unlink(other);
    CHECK_INT(symlink("nowhere", other), 0);
    CHECK_INT(log_file_use(other, MAX_BYTES, &err), -1);
    unlink(other);
    snprintf(other, sizeof(other), "%s/no/log", dir);
    CHECK_INT(log_file_use(other, MAX_BYTES, &err), -1);
    CHECK(log_file_is_stderr(path));
    log_debug("test", "still here");
    back_to_stderr();
    CHECK_INT(count(path, "still here"), 1);
}

int main(void)
{
    if (!mkdtemp(dir))
        return check_skip("no folder below /tmp");
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(old, sizeof(old), "%s/log.1", dir);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    log_set_level(LOG_LEVEL_DEBUG);
    RUN(test_two_files_at_most_hold_the_newest);
    RUN(test_opened_anew_after_it_was_moved_away);
    RUN(test_what_cannot_be_a_log_is_refused);
    unlink(path);
    unlink(old);
    CHECK_INT(rmdir(dir), 0);
    return check_end();
}
