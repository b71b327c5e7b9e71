/* The front's surroundings, made of an input: libssh's and libbanger's functions, as far as the
 * front calls them, do what its bytes say (stand_ins.c). */
#ifndef BANGER_TESTS_FUZZ_FRONT_H
#define BANGER_TESTS_FUZZ_FRONT_H

#include "clients/ssh/server.h"

/* Opaque to the front. */
struct ssh_channel_struct {
    ssh_channel_callbacks callbacks; /* NULL: taken away */
    bool closed;
};
struct ssh_message_struct {
    int type, subtype, port;
    const char *text; /* a destination, an address; NULL: none */
    unsigned answers;
};

/* What is left of the input; zeros and "" behind its end. */
void front_input(const uint8_t *data, size_t size);
uint8_t front_byte(void);
int front_int(void);
/* A string of the client's, as libssh gives it: no NUL within. Freed with the input. */
const char *front_text(void);
void front_done(void);
/* Streams, attaches and forwards that are open. */
extern int front_open;
/* Aborts. */
void front_must(bool ok, const char *what);

#endif
