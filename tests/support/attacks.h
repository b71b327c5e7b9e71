/* What hostile HTTP/2 clients send to a server that has the echo service, as bytes. */
#ifndef BANGER_TESTS_ATTACKS_H
#define BANGER_TESTS_ATTACKS_H

#include <stdbool.h>

#include "tests/support/raw_http2.h"

struct attack {
    const char *name;
    void (*make)(struct raw *r); /* r is empty; the caller frees it */
    const char *reason;          /* part of what the server's log says; NULL: nothing */
    bool ends;                   /* the server ends the connection */
};

/* Floods, bombs and nonsense; the one without a name is the end. No answers are read for them. */
extern const struct attack attacks[];

#endif
