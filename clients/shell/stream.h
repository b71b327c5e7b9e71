/* Bytes between a session, or a console, and our standard streams: what vm run, vm exec, session
 * attach and the logs commands have in common.
 *
 * Output is written byte by byte as it came. While standard output takes nothing, nothing is taken
 * from the session either; signals and stdin still pass. */
#ifndef BANGER_SHELL_STREAM_H
#define BANGER_SHELL_STREAM_H

#include <signal.h>

#include <banger/attach.h>

#include "cli.h"
#include "detach.h"

enum { STREAM_SIGNALS = 5 };

/* Signals as a file descriptor, for the time that a session is watched. */
struct stream_signals {
    int fd; /* readable when SIGINT, SIGTERM or SIGHUP came; -1: not taken */
    struct sigaction old[STREAM_SIGNALS];
};

/* Takes the signals and ignores SIGPIPE, until stream_signals_done; one at a time. A second SIGTERM
 * ends the program within seconds, whatever it waits for. */
int stream_signals_init(struct stream_signals *signals);
void stream_signals_done(struct stream_signals *signals);
/* The next signal that has come, or 0. */
int stream_signals_take(struct stream_signals *signals);

enum stream_end {
    STREAM_EXITED,   /* status is the command's */
    STREAM_LOST,     /* ended unseen; said on stderr */
    STREAM_DETACHED, /* by the user */
    STREAM_KILL,     /* a second interrupt or terminate: the session is to be killed */
    STREAM_PIPE,     /* nobody reads our output, or its disk is full */
    STREAM_FAILED,   /* said on stderr */
};

struct stream_start {
    enum banger_start at;
    uint64_t value;
};

struct stream_options {
    const char *session; /* id; or, of a VM, whose console it is then */
    bool console;
    const char *label; /* for messages */
    Banger__V1__AttachRole role;
    struct stream_start start; /* of both output streams; zero: all of it */
    bool forward_stdin;
    bool hold;            /* the session waits for us */
    bool no_reattach;     /* a broken connection ends it, as STREAM_FAILED */
    bool forward_signals; /* to the session; else the first one detaches */
    /* The session's terminal is shown on ours, whose input goes to it raw, but for keys. */
    bool terminal;
    bool redraw; /* of our size already, and drawn before we came: it is made to draw it again */
    const struct detach_keys *keys;
    struct stream_signals *signals;
    int output_fd; /* for the session's standard output; 0: ours */
};

/* Follows the session, or the console, to its end. *status: the exit status for our caller, never 0
 * unless an exit with 0 was seen, and all of the output that was asked for. */
enum stream_end stream_session(struct cli *cli, const struct stream_options *options, int *status);

/* That output of a stream (1, 2) is gone, on stderr; oldest as in AttachGap. -1: not written. */
int stream_say_gap(int stream, uint64_t from, uint64_t to, uint64_t oldest, const char *reason);

/* Whether stdin is worth forwarding: given, and not a terminal. */
bool stream_stdin_is_piped(void);
/* It is /dev/null. */
bool stream_stdin_is_null(void);

int stream_print_console(struct cli *cli, const char *vm,
                         const Banger__V1__ReadConsoleRequest *request);

/* Writes all of it to fd, waiting where needed. 0, or -1 with errno. */
int stream_write_all(int fd, const void *data, size_t len);

#endif
