/* What the agent's tools of sockets say on stdout (agent/tool_relay.c), record by record. */
#ifndef BANGER_DAEMON_CORE_SESSION_GUEST_RECORDS_H
#define BANGER_DAEMON_CORE_SESSION_GUEST_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

enum { GUEST_RECORD_LENGTH_BYTES = 4 };

struct guest_records { /* zeroed to begin with */
    uint8_t length[GUEST_RECORD_LENGTH_BYTES];
    unsigned n_length; /* bytes of it that have come */
    uint32_t left;     /* of the record */
    bool opened;
};

enum guest_record {
    GUEST_RECORD_PART,   /* of a length: nothing yet */
    GUEST_RECORD_OPENED, /* the connection stands */
    GUEST_RECORD_DATA,   /* the bytes that were taken */
    GUEST_RECORD_END,    /* its other side sends no more */
};

/* Takes some of the bytes (len is not 0), and says how many and what they were. */
uint32_t guest_records_take(struct guest_records *r, const uint8_t *data, uint32_t len,
                            enum guest_record *what);

#endif
