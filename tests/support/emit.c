/* Writes known bytes as fast as it can and ends with a known status. Static, for guests.
 *
 *   emit SEED STDOUT_BYTES STDERR_BYTES CODE   both streams, by turns
 *   emit count N                               lines 1 … N on stdout, a millisecond between them
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/emit_bytes.h"

enum { CHUNK = 32768 };

static void write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR)
            exit(125);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

/* The two streams differ: stderr is of seed + 1. */
static void emit_some(int fd, uint64_t seed, uint64_t *done, uint64_t total)
{
    static uint8_t chunk[CHUNK];
    size_t n = total - *done < CHUNK ? (size_t)(total - *done) : CHUNK;
    emit_fill(seed + (fd == 2), *done, chunk, n);
    write_all(fd, chunk, n);
    *done += n;
}

static int count_lines(uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++) {
        char line[32];
        int len = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)i);
        write_all(1, line, (size_t)len);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "count") == 0)
        return count_lines(strtoull(argv[2], NULL, 10));
    if (argc != 5)
        return 2;
    uint64_t seed = strtoull(argv[1], NULL, 10), done[2] = {0, 0};
    const uint64_t totals[2] = {strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10)};
    while (done[0] < totals[0] || done[1] < totals[1]) {
        emit_some(1, seed, &done[0], totals[0]);
        emit_some(2, seed, &done[1], totals[1]);
    }
    return atoi(argv[4]);
}
