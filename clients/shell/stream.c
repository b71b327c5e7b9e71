/* The loop between a session and our standard streams; see stream.h. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"
#include "sink.h"
#include "terminal.h"

enum {
    STREAM_INPUT_BYTES = 32 << 10,
    STREAM_SECOND_MS = 2000,
    STREAM_BLOCKED_MS = 100,
    STREAM_DETACH_MS = 3000,     /* for the daemon to say that it knows */
    STREAM_REDRAW_MS = 60,       /* two changes of size at once would be none */
    STREAM_FAREWELL_SECONDS = 3, /* after a second terminate */
};

/* Signals go through a pipe of our own, not a signalfd: two of a kind that are pending are one, and
 * the second terminate has to count whatever the program waits for. */
static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t terminates;

static void stream_on_signal(int signo)
{
    int saved = errno;
    const unsigned char byte = (unsigned char)signo;
    if (signo == SIGALRM || (signo == SIGTERM && terminates >= 2)) {
        terminal_end();
        _exit(128 + SIGTERM);
    }
    (void)!write(signal_pipe[1], &byte, 1);
    if (signo == SIGTERM && ++terminates == 2)
        alarm(STREAM_FAREWELL_SECONDS); /* to kill the command, then to end in any case */
    errno = saved;
}

static const int stream_signos[STREAM_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPIPE};

int stream_signals_init(struct stream_signals *signals)
{
    struct sigaction handle = {.sa_handler = stream_on_signal, .sa_flags = SA_RESTART};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    signals->fd = -1;
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return cli_usage("pipe: %s", strerror(errno));
    signals->fd = signal_pipe[0];
    sigfillset(&handle.sa_mask);
    for (size_t i = 0; i < STREAM_SIGNALS; i++) {
        int signo = stream_signos[i];
        sigaction(signo, signo == SIGPIPE ? &ignore : &handle, &signals->old[i]);
        if (signo == SIGHUP && signals->old[i].sa_handler == SIG_IGN)
            sigaction(signo, &ignore, NULL); /* under nohup it stays ignored */
    }
    return 0;
}

void stream_signals_done(struct stream_signals *signals)
{
    if (signals->fd < 0)
        return;
    alarm(0);
    for (size_t i = 0; i < STREAM_SIGNALS; i++)
        sigaction(stream_signos[i], &signals->old[i], NULL);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    signals->fd = -1;
}

int stream_signals_take(struct stream_signals *signals)
{
    unsigned char signo;
    return read(signals->fd, &signo, 1) == 1 ? signo : 0;
}

bool stream_stdin_is_piped(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && !isatty(STDIN_FILENO);
}

bool stream_stdin_is_null(void)
{
    struct stat st, null;
    return fstat(STDIN_FILENO, &st) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == null.st_rdev;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

struct stream {
    const struct stream_options *o;
    struct banger_attach *attach;
    struct sink sinks[2];
    struct banger_frame frame; /* DATA that is being written */
    size_t written;            /* of it */
    bool blocked;              /* its sink takes nothing now */
    unsigned long long gone;   /* bytes of output that there were, and that we never saw */
    bool cut, cut_told;        /* output went on when we were told that it is all */
    bool stdin_open;
    long long interrupted_ms; /* when the last SIGINT came; 0: never */
    bool terminated;          /* a SIGTERM came */
    struct detach_keys keys;
    long long detach_ms; /* when it has gone on without an answer for too long; 0: not asked */
    long long redraw_ms; /* when it is told the right size; 0: it was, or is not yet to be */
    bool has_size;       /* it was told: what is typed may follow */
    struct lease *lease; /* NULL: none */
    enum stream_end end;
    bool ended;
    int status;
};

static void stream_finish(struct stream *s, enum stream_end end, int status)
{
    s->ended = true;
    s->end = end;
    s->status = status;
}

/* Writes what is left of the frame. */
static void stream_flush(struct stream *s)
{
    struct sink *sink = &s->sinks[s->frame.stream - 1];
    while (s->written < s->frame.len) {
        ssize_t n = sink_write(sink, s->frame.data + s->written, s->frame.len - s->written);
        if (n < 0 && errno == EPIPE) {
            stream_finish(s, STREAM_PIPE, 128 + SIGPIPE);
            return;
        }
        if (n < 0) {
            cli_usage("write to standard %s: %s", s->frame.stream == 1 ? "output" : "error",
                      strerror(errno));
            stream_finish(s, STREAM_PIPE, EXIT_BANGER);
            return;
        }
        s->written += (size_t)n;
        s->blocked = n == 0;
        if (n == 0)
            return;
    }
    s->blocked = false;
}

/* Something that the command left running may still hold its output. */
static void stream_take_end(struct stream *s)
{
    const char *why = s->frame.reason;
    s->cut |= strcmp(why, "still_writing") == 0;
    if (*why && !s->cut_told)
        cli_say(stderr, "banger: what %s left running %s: that is not shown (--drain)", s->o->label,
                s->cut ? "goes on writing" : "may write more");
    s->cut_told |= *why != '\0';
}

/* Who has not seen everything must not take a 0 for success. */
static void stream_take_exit(struct stream *s)
{
    int status = banger_exit_status(s->frame.exit);
    bool lost = status == 0 && (s->gone > 0 || s->cut);
    if (lost)
        cli_say(stderr, "banger: %s ended with 0, but not all of its output was seen", s->o->label);
    stream_finish(s, STREAM_EXITED, lost ? EXIT_OUTPUT_LOST : status);
}

static void stream_tell_size(struct stream *s)
{
    uint32_t rows, columns;
    s->redraw_ms = 0;
    s->has_size = true;
    if (terminal_size(&rows, &columns))
        banger_attach_resize(s->attach, rows, columns, NULL);
}

/* Programs draw everything when the size changes: the right one comes when this has been seen. */
static void stream_tell_other_size(struct stream *s)
{
    uint32_t rows, columns;
    if (terminal_size(&rows, &columns))
        banger_attach_resize(s->attach, rows, columns > 1 ? columns - 1 : 2, NULL);
    s->redraw_ms = now_ms() + STREAM_REDRAW_MS;
}

int stream_say_gap(int stream, uint64_t from, uint64_t to, uint64_t oldest, const char *reason)
{
    const char *name = stream == 2 ? "stderr" : "stdout";
    if (oldest == 0 || oldest >= to) /* what follows is the oldest that is kept */
        return cli_say(stderr, "banger: %llu bytes of %s are gone (%s)",
                       (unsigned long long)(to - from), name, reason);
    return cli_say(stderr,
                   "banger: %llu bytes of %s are gone or left out (%s); kept from byte %llu on",
                   (unsigned long long)(to - from), name, reason, (unsigned long long)oldest);
}

static void stream_take_frame(struct stream *s)
{
    const struct banger_frame *f = &s->frame;
    switch (f->kind) {
    case BANGER_FRAME_DATA:
        s->written = 0;
        stream_flush(s);
        break;
    case BANGER_FRAME_GAP:
        s->gone += f->end - f->offset;
        stream_say_gap(f->stream, f->offset, f->end, f->oldest, f->reason);
        break;
    case BANGER_FRAME_STREAM_END:
        stream_take_end(s);
        break;
    case BANGER_FRAME_EXIT:
        stream_take_exit(s);
        if (f->exit->timed_out)
            cli_say(stderr, "banger: %s was ended by its time limit", s->o->label);
        if (f->exit->kind_case == BANGER__V1__SESSION_EXIT__KIND_OOM)
            cli_say(stderr, "banger: %s was killed for want of memory", s->o->label);
        break;
    case BANGER_FRAME_LOST:
        cli_say(stderr, "banger: %s was lost: %s", s->o->label, f->reason);
        stream_finish(s, STREAM_LOST, EXIT_BANGER);
        break;
    case BANGER_FRAME_OPENED:
        if (s->o->redraw && f->offset == 0)
            stream_tell_other_size(s);
        break;
    case BANGER_FRAME_DETACHED: /* as we have asked */
        stream_finish(s, STREAM_DETACHED, 0);
        break;
    case BANGER_FRAME_BROKEN:
        cli_say(stderr, "banger: connection lost (%s), coming back", f->reason);
        break;
    default:
        break;
    }
}

/* Takes frames while there are some and the outputs keep up. */
static void stream_drain(struct stream *s)
{
    while (!s->ended && !s->blocked) {
        struct banger_error error;
        int n = banger_attach_next(s->attach, 0, &s->frame, &error);
        if (n < 0) {
            cli_fail(&error, "%s", s->o->label);
            stream_finish(s, STREAM_FAILED, EXIT_BANGER);
        }
        if (n <= 0)
            return;
        stream_take_frame(s);
    }
}

static void stream_read_stdin(struct stream *s)
{
    uint8_t data[STREAM_INPUT_BYTES], kept[STREAM_INPUT_BYTES + DETACH_KEYS_MAX];
    size_t room = banger_attach_room(s->attach) - DETACH_KEYS_MAX;
    ssize_t n = read(STDIN_FILENO, data, room < sizeof(data) ? room : sizeof(data));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        s->stdin_open = false;
        banger_attach_write_eof(s->attach);
        return;
    }
    bool detach;
    size_t len = detach_filter(&s->keys, data, (size_t)n, kept, &detach);
    if (banger_attach_write(s->attach, kept, len, NULL) != (ssize_t)len)
        s->stdin_open = false;
    if (detach) {
        s->stdin_open = false;
        s->detach_ms = now_ms() + STREAM_DETACH_MS;
        banger_attach_detach(s->attach);
    }
}

static void stream_take_terminal(struct stream *s)
{
    enum terminal_news news = terminal_take();
    if (news == TERMINAL_STOP)
        terminal_stop();
    if (news != TERMINAL_NOTHING)
        stream_tell_size(s);
}

static void stream_take_signal(struct stream *s)
{
    int signo = stream_signals_take(s->o->signals);
    if (!signo)
        return;
    long long now = now_ms();
    bool second =
        signo == SIGINT && s->interrupted_ms && now - s->interrupted_ms <= STREAM_SECOND_MS;
    if (!s->o->forward_signals) {
        stream_finish(s, STREAM_DETACHED, 128 + signo);
        return;
    }
    second |= signo == SIGTERM && s->terminated;
    if (second) {
        stream_finish(s, STREAM_KILL, 128 + signo);
        return;
    }
    s->terminated |= signo == SIGTERM;
    if (signo == SIGINT)
        s->interrupted_ms = now;
    banger_attach_signal(s->attach, signo, BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP, NULL);
}

/* Of two waits, less than 0 for none. */
static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void stream_wait(struct stream *s, struct banger_client *client)
{
    enum { CONNECTION, SIGNALS, INPUT, OUTPUT, TERMINAL, FDS };
    struct pollfd fds[FDS] = {
        [CONNECTION] = {.fd = banger_fd(client), .events = banger_wanted_events(client)},
        [SIGNALS] = {.fd = s->o->signals->fd, .events = POLLIN},
        [INPUT] = {.fd = -1, .events = POLLIN},
        [OUTPUT] = {.fd = -1, .events = POLLOUT},
        [TERMINAL] = {.fd = terminal_fd(), .events = POLLIN},
    };
    if (s->stdin_open && (s->has_size || !s->o->redraw) &&
        banger_attach_room(s->attach) > DETACH_KEYS_MAX)
        fds[INPUT].fd = STDIN_FILENO;
    if (s->blocked)
        fds[OUTPUT].fd = s->sinks[s->frame.stream - 1].fd;
    int timeout = banger_next_timeout(client);
    /* An attach that wants to come back has to wait until the output takes what it gave before. */
    if (s->blocked && timeout >= 0 && timeout < STREAM_BLOCKED_MS)
        timeout = STREAM_BLOCKED_MS;
    timeout = sooner(timeout, lease_wait_ms(s->lease));
    if (s->redraw_ms)
        timeout = sooner(timeout, STREAM_REDRAW_MS);
    if (s->detach_ms)
        timeout = sooner(timeout, STREAM_DETACH_MS);
    if (poll(fds, FDS, timeout) < 0 && errno != EINTR)
        return;
    (void)banger_process(client, NULL); /* a lost connection shows in the attach */
    lease_turn(s->lease);
    if (s->redraw_ms && now_ms() >= s->redraw_ms)
        stream_tell_size(s);
    if (s->detach_ms && now_ms() >= s->detach_ms)
        stream_finish(s, STREAM_DETACHED, 0);
    /* A new size comes before what is typed behind it, also where its signal came as poll returned.
     */
    if (fds[TERMINAL].revents || (s->o->terminal && fds[INPUT].revents))
        stream_take_terminal(s);
    if (fds[SIGNALS].revents)
        stream_take_signal(s);
    if (fds[INPUT].revents && !s->ended)
        stream_read_stdin(s);
    if (fds[OUTPUT].revents && !s->ended)
        stream_flush(s);
}

static struct banger_attach *stream_attach(struct banger_client *client,
                                           const struct stream_options *options,
                                           struct banger_error *error)
{
    struct banger_attach *attach = options->console
                                       ? banger_attach_open_console(client, options->session, error)
                                       : banger_attach_open(client, options->session, error);
    if (!attach)
        return NULL;
    banger_attach_set_role(attach, options->role);
    for (int stream = 1; stream <= 2; stream++)
        banger_attach_set_start(attach, stream, options->start.at, options->start.value);
    if (options->no_reattach)
        banger_attach_set_reattach_ms(attach, 0);
    banger_attach_set_hold(attach, options->hold);
    return attach;
}

enum stream_end stream_session(struct cli *cli, const struct stream_options *options, int *status)
{
    struct stream s = {.o = options,
                       .stdin_open = options->forward_stdin,
                       .status = EXIT_BANGER,
                       .lease = cli->lease};
    struct banger_error error;
    *status = EXIT_BANGER;
    s.attach = stream_attach(cli->client, options, &error);
    if (!s.attach) {
        cli_fail(&error, "%s", options->label);
        return STREAM_FAILED;
    }
    fflush(stdout);
    if (options->keys)
        s.keys = *options->keys;
    if (options->terminal && terminal_begin() != 0) {
        banger_attach_close(s.attach);
        return STREAM_FAILED;
    }
    if (options->terminal && !options->redraw)
        stream_tell_size(&s);
    sink_init(&s.sinks[0], options->output_fd > 0 ? options->output_fd : STDOUT_FILENO);
    sink_init(&s.sinks[1], STDERR_FILENO);
    for (;;) {
        stream_drain(&s);
        if (s.ended)
            break;
        stream_wait(&s, cli->client);
        if (s.ended)
            break;
    }
    sink_done(&s.sinks[0]);
    sink_done(&s.sinks[1]);
    terminal_end();
    banger_attach_close(s.attach);
    *status = s.status;
    return s.end;
}
