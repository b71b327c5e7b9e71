/* The inside of an attach, shared by attach.c (connections), attach_frames.c (what comes) and
 * attach_stdin.c (what goes). */
#ifndef BANGER_CLIENT_ATTACH_INTERNAL_H
#define BANGER_CLIENT_ATTACH_INTERNAL_H

#include "banger/attach.h"
#include "internal.h"

enum {
    ATTACH_STDIN_BYTES = 256 << 10, /* kept until acknowledged */
    ATTACH_CHUNK_BYTES = 32 << 10,  /* the contract's limit of a frame */
    ATTACH_WINDOW_BYTES = 64 << 10, /* where the server names none */
    ATTACH_REATTACH_MS = 60000,
    ATTACH_STEADY_MS = 1000, /* a connection that held so long makes up for earlier failures */
    ATTACH_SIGNALS = 65,
    /* Output that is acknowledged at once, and while nothing more is there; see AttachTaken. */
    ATTACH_TAKEN_BYTES = 256 << 10,
    ATTACH_TAKEN_IDLE_BYTES = 8 << 10,
};

/* One output stream: next is the offset that must come next. */
struct attach_output {
    enum banger_start start;
    uint64_t value; /* of start */
    uint64_t next;
    bool known; /* next is: the server has said where we are */
    bool ended;
};

struct banger_attach {
    struct client_due due;
    struct banger_client *client;
    char *session;               /* or VM */
    bool console;                /* of a VM: its messages have the frames of an attach in them */
    Banger__V1__AttachRole role; /* to ask for next time */
    int64_t reattach_ms;
    bool hold;
    struct banger_metadata metadata;
    uint64_t writer_key; /* random: tells our stdin from others' */

    struct banger_stream *stream; /* NULL: between connections */
    struct retry retry;
    int64_t due_ms;       /* no stream: when to try again */
    int64_t opened_at_ms; /* this connection's Opened; 0: not yet */
    unsigned n_opened;
    bool detaching, over;
    struct banger_error failure; /* over: what next says from now on */

    ProtobufCMessage *current; /* behind the latest frame */
    char reason[512];          /* BROKEN's */
    struct attach_output out[2];
    bool wants_taken;  /* the process waits for what we say that we have */
    uint64_t taken[2]; /* said on this connection, or where it began */

    struct buf unacked; /* stdin from in_base on */
    uint64_t in_first;  /* where we began */
    uint64_t in_base;   /* acknowledged so far */
    uint64_t in_sent;   /* sent on this connection */
    uint32_t in_window;
    bool writer, in_eof, in_eof_sent, in_closed;
    uint32_t rows, columns;          /* of the terminal, to be told; 0: nobody said */
    bool size_sent;                  /* on this connection */
    uint8_t signals[ATTACH_SIGNALS]; /* by signo: 1 + target, to be sent; 0: none */
};

/* attach_frames.c: makes a frame of a message: 1, 0 for one that says nothing new, -1 for nonsense.
 */
int attach_take_message(struct banger_attach *attach, const Banger__V1__AttachResponse *message,
                        struct banger_frame *frame, struct banger_error *error);

/* What has come is acknowledged, where that is due. idle: nothing more is here now. */
void attach_tell_taken(struct banger_attach *attach, bool idle);

/* attach.c: sends a frame on the connection that there is. */
int attach_send(struct banger_attach *attach, Banger__V1__AttachRequest *frame,
                struct banger_error *error);

/* attach_stdin.c */
/* Opened: the server has stdin below offset, which comes next. */
int attach_stdin_resume(struct banger_attach *attach, uint64_t offset, uint64_t foreign,
                        struct banger_error *error);
/* Others have written below foreign: -1 where that is mixed with ours. */
int attach_stdin_check_foreign(const struct banger_attach *attach, uint64_t foreign,
                               struct banger_error *error);
/* The process has it, which alone lets go of bytes. */
void attach_stdin_acked(struct banger_attach *attach, uint64_t offset, bool closed);
/* Sends what may be sent. */
void attach_stdin_pump(struct banger_attach *attach);

#endif
