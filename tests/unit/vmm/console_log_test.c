/* Offsets of a console log: each byte keeps its own, whatever becomes of the files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/console_log.h"
#include "tests/support/check.h"

static char dir[64], path[96], old[96], at[96], spare[96];

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-console-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(old, sizeof(old), "%s/log.1", dir);
    snprintf(at, sizeof(at), "%s/log.at", dir);
    snprintf(spare, sizeof(spare), "%s/spare", dir);
}

static void end(void)
{
    struct err err = ERR_INIT;
    console_log_remove(path, &err);
    CHECK_INT(err.code, ERR_NONE);
    CHECK_INT(rmdir(dir), 0);
}

/* The byte at offset n of all that is written here. */
static uint8_t byte_at(uint64_t n)
{
    return (uint8_t)(n * 31 + n / 251);
}

static void append(uint64_t *total, size_t n)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    for (size_t i = 0; i < n; i++, ++*total) {
        uint8_t c = byte_at(*total);
        CHECK_INT(write(fd, &c, 1), 1);
    }
    close(fd);
}

static void check_bytes(int fd, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        uint8_t c;
        if (!CHECK_INT(pread(fd, &c, 1, (off_t)(n - from)), 1) || !CHECK_INT(c, byte_at(n)))
            return;
    }
}

static void check_log(uint64_t total)
{
    struct console_log log;
    console_log_open(path, &log);
    CHECK_INT(log.end, total);
    if (log.fd >= 0)
        check_bytes(log.fd, log.base, log.end);
    if (log.old_fd >= 0)
        check_bytes(log.old_fd, log.old_base, log.base);
    console_log_close(&log);
}

static void test_no_log_is_an_empty_one(void)
{
    struct console_log log;
    begin();
    console_log_open(path, &log);
    CHECK(log.fd < 0 && log.old_fd < 0);
    CHECK_INT(log.end, 0);
    console_log_close(&log);
    end();
}

static void test_offsets_go_on_over_rotations(void)
{
    uint64_t total = 0;
    begin();
    for (size_t i = 1; i < 20; i++) {
        append(&total, 10 + i * 7 % 13);
        check_log(total);
        console_log_rotate(path);
        check_log(total);
    }
    end();
}

/* A daemon that is killed in a rotation, before its one step that is seen, and goes on. */
static void test_a_rotation_that_was_cut_off_changes_nothing(void)
{
    uint64_t total = 0;
    begin();
    append(&total, 100);
    console_log_rotate(path);
    append(&total, 50);
    CHECK_INT(link(old, spare), 0);
    console_log_rotate(path);
    CHECK_INT(rename(old, path), 0);
    CHECK_INT(rename(spare, old), 0);
    check_log(total);
    append(&total, 30);
    check_log(total);
    console_log_rotate(path);
    append(&total, 5);
    check_log(total);
    end();
}

static void test_nonsense_beside_it_is_as_nothing(void)
{
    uint64_t total = 0;
    begin();
    append(&total, 40);
    int fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, "all wrong, and long enough to be read as a line", 47), 47);
    close(fd);
    check_log(total);
    end();
}

int main(void)
{
    RUN(test_no_log_is_an_empty_one);
    RUN(test_offsets_go_on_over_rotations);
    RUN(test_a_rotation_that_was_cut_off_changes_nothing);
    RUN(test_nonsense_beside_it_is_as_nothing);
    return check_end();
}
