/* Following a guest session: its output from any offset, its end, its stdin. And a VM's console in
 * the same way (banger_attach_open_console).
 *
 * An attach survives broken connections: it comes back by itself at the offset it had reached, and
 * sends again the stdin that was not acknowledged. So frames have neither gaps (but for announced
 * ones) nor duplicates, and EXIT is seen only when the session has really ended. */
#ifndef BANGER_CLIENT_ATTACH_H
#define BANGER_CLIENT_ATTACH_H

#include <sys/types.h>

#include "banger/client.h"
#include "banger/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_attach;

enum banger_start {
    BANGER_START_OFFSET = 0,     /* from byte `value` on; 0 is everything */
    BANGER_START_TAIL = 1,       /* `value` bytes before the end */
    BANGER_START_END = 2,        /* only what comes; value counts no more than with the next */
    BANGER_START_SKIP = 3,       /* not this stream */
    BANGER_START_TAIL_LINES = 4, /* `value` lines before the end */
    BANGER_START_TIME =
        5 /* what came at `value` or later, nanoseconds since 1970; see StreamStart */
};

enum banger_frame_kind {
    BANGER_FRAME_OPENED = 1,     /* session is set; again after each return (offset: how many) */
    BANGER_FRAME_DATA = 2,       /* stream, offset, data, len */
    BANGER_FRAME_GAP = 3,        /* stream, offset, end, reason, oldest: these bytes are gone */
    BANGER_FRAME_STDIN_ACK = 4,  /* offset: bytes of stdin that arrived; closed: no more is taken */
    BANGER_FRAME_WRITER = 5,     /* writer: whether this attach may write stdin now */
    BANGER_FRAME_STREAM_END = 6, /* stream, offset: its total; reason: see AttachStreamEnd.cut */
    BANGER_FRAME_EXIT = 7,       /* last: exit */
    BANGER_FRAME_LOST = 8,       /* last: reason; nobody saw how the session ended */
    BANGER_FRAME_DETACHED = 9,   /* last: after banger_attach_detach; the session runs on */
    BANGER_FRAME_BROKEN = 10 /* the connection was lost, the attach tries to come back: reason */
};

struct banger_frame {
    enum banger_frame_kind kind;
    int stream; /* 1 stdout, 2 stderr */
    uint64_t offset, end;
    const uint8_t *data; /* this and the pointers below: until the next call on the attach */
    size_t len;
    const char *reason;
    const Banger__V1__GuestSession *session;
    const Banger__V1__SessionExit *exit;
    bool closed, writer;
    uint64_t oldest;      /* byte that is kept; see AttachGap.oldest */
    uint64_t reserved[6]; /* for fields to come: the size stays */
};

/* session: its id. Opens lazily, like everything here: the first banger_attach_next asks for it, so
 * that a session that does not exist is an error of that. */
struct banger_attach *banger_attach_open(struct banger_client *client, const char *session,
                                         struct banger_error *error);

/* The same of a VM's console: its output is stream 1, from what is kept of it; OPENED has no
 * session; it goes on while the VM is stopped and started, and LOST ends it when that is deleted.
 * What was written and not acknowledged when a connection broke is not sent again, as it may have
 * come: a writer types on. A console has no end of stdin, no size and no signals: those are
 * dropped, a signal is an error. */
struct banger_attach *banger_attach_open_console(struct banger_client *client, const char *vm,
                                                 struct banger_error *error);

/* What it asks for, before the first banger_attach_next. */

/* At first VIEWER. */
void banger_attach_set_role(struct banger_attach *attach, Banger__V1__AttachRole role);
/* Where a stream (1 stdout, 2 stderr) begins; at first with its first byte. */
void banger_attach_set_start(struct banger_attach *attach, int stream, enum banger_start at,
                             uint64_t value);
/* How long to try to come back after a loss; at first 60000; <= 0: a loss is an error. */
void banger_attach_set_reattach_ms(struct banger_attach *attach, int64_t ms);
/* What it sends each time that it is opened on a connection; to be filled. */
struct banger_metadata *banger_attach_metadata(struct banger_attach *attach);
/* The process of a session with hold_output waits for this attach as for a pipe's reader, so that
 * nothing of its output is dropped. */
void banger_attach_set_hold(struct banger_attach *attach, bool hold);

/* Next frame: 1, or 0 for nothing within timeout_ms (< 0 waits without end; 0 looks only at what
 * banger_process has brought), or -1. After the last frame, and after -1 other than by the
 * interrupt fd, always -1. Frames not taken stop the sender. */
int banger_attach_next(struct banger_attach *attach, int64_t timeout_ms, struct banger_frame *frame,
                       struct banger_error *error);

/* Takes up to len bytes for stdin, in order; returns how many, 0 when there is no room now (see
 * banger_attach_room), -1 when stdin is closed or this attach is no writer. Allowed before OPENED.
 */
ssize_t banger_attach_write(struct banger_attach *attach, const void *data, size_t len,
                            struct banger_error *error);
/* Bytes that banger_attach_write takes now. */
size_t banger_attach_room(const struct banger_attach *attach);
/* End of stdin behind what was written. */
void banger_attach_write_eof(struct banger_attach *attach);
/* Sends a signal; while the connection is broken it is kept until it is back. */
int banger_attach_signal(struct banger_attach *attach, int signo, Banger__V1__SignalTarget target,
                         struct banger_error *error);
/* The size of a session's terminal, which must have one (else the attach ends with NO_TTY), and of
 * whose input this attach is the writer: told now, and again after each return. 1 to 65535. */
int banger_attach_resize(struct banger_attach *attach, uint32_t rows, uint32_t columns,
                         struct banger_error *error);
/* Asks to end the attach; the session runs on. DETACHED follows. */
void banger_attach_detach(struct banger_attach *attach);
/* Ends it without waiting, and frees. NULL is fine. */
void banger_attach_close(struct banger_attach *attach);

/* Exit status as a shell has it: the code; 128 + signal; 137 for out of memory; 125 when lost or
 * unknown. */
int banger_exit_status(const Banger__V1__SessionExit *exit);

#ifdef __cplusplus
}
#endif

#endif
