/* Bytes between our stdin and stdout, which are two pipes, and the one socket that libssh wants. */
#ifndef BANGER_SSH_PUMP_H
#define BANGER_SSH_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PUMP_BYTES = 64 * 1024, PUMP_FDS = 4 };

struct pump_way {
    int from, to;
    size_t at, len;
    bool ended;
    uint8_t data[PUMP_BYTES];
};

struct pump {
    struct pump_way in, out;
    int fd; /* libssh's end; it closes it */
};

/* 0, or -1 with errno. */
int pump_open(struct pump *pump);
void pump_close(struct pump *pump);
/* What is to be waited for. */
void pump_wants(const struct pump *pump, struct pollfd fds[PUMP_FDS]);
/* Moves what can be moved. */
void pump_turn(struct pump *pump);
/* The client has gone, and all that it had sent was passed on. */
bool pump_has_ended(const struct pump *pump);
/* All that libssh has written is out, or nobody takes it. */
bool pump_is_empty(const struct pump *pump);

#endif
