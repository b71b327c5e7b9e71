/* banger session wait: for all of several sessions, or for the first of them to end. */
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "session.h"

struct session_wait_options {
    const char *vm;
    bool any, all;
};

enum { WAIT_REOPEN_MS = 200, WAIT_PATIENCE_MS = 60000 };

static int session_end_status(const Banger__V1__GuestSession *session)
{
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_EXITED)
        return banger_exit_status(session->exit);
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_FAILED)
        return session_report_failure(session);
    return cli_usage("session %s was lost: %s", session->id,
                     session->last_error[0] ? session->last_error : "nobody saw its end");
}

static Banger__V1__WaitSessionRequest wait_request(const struct session_wait_options *o, char *ref)
{
    Banger__V1__WaitSessionRequest request = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    request.session = ref;
    if (o->vm)
        request.vm = (char *)o->vm;
    return request;
}

static int wait_for_all(struct cli *cli, const struct session_wait_options *o,
                        const struct opt_args *args)
{
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__WaitSessionRequest request = wait_request(o, args->refs[i]);
        Banger__V1__GuestSession *session =
            banger_wait_session(cli->client, &request, NULL, &error);
        int result = session ? session_end_status(session)
                             : cli_fail(&error, "wait for session %s", args->refs[i]);
        if (session && !cli_is_table(cli))
            cli_print_message(cli, &session->base);
        status = result ? result : status;
        FREE_MESSAGE(session);
    }
    return status;
}

/* ---- any: a call for each, on one connection ---- */

struct waits {
    struct cli *cli;
    const struct session_wait_options *o;
    const struct opt_args *args;
    struct banger_stream **calls; /* NULL: lost, to be opened again */
    long long until_ms;           /* --timeout; 0: none */
    long long lost_ms;            /* since when none could be opened; 0: they could */
    bool over;
    int status;
};

static long long wait_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void waits_end(struct waits *w, int status)
{
    w->over = true;
    w->status = status;
}

static void waits_open(struct waits *w, int i)
{
    struct banger_error error;
    struct banger_call *call = banger_call_new();
    Banger__V1__WaitSessionRequest request = wait_request(w->o, w->args->refs[i]);
    if (call)
        banger_call_set_timeout_ms(call, -1);
    w->calls[i] = banger_stream_open(w->cli->client, "/banger.v1.GuestSessionService/WaitSession",
                                     &request.base, call, &error);
    banger_call_free(call);
    if (!w->calls[i])
        waits_end(w, cli_fail(&error, "wait for session %s", w->args->refs[i]));
}

static void waits_take_end(struct waits *w, int i, const Banger__V1__GuestSession *session)
{
    waits_end(w, session_end_status(session));
    if (!cli_is_table(w->cli))
        cli_print_message(w->cli, &session->base);
    else
        cli_say(stdout, "%s", w->cli->options.quiet ? session->id : w->args->refs[i]);
}

static void waits_look(struct waits *w, int i)
{
    struct banger_error error;
    ProtobufCMessage *message;
    enum banger_next next = banger_stream_next(w->calls[i], 0, &message, &error);
    if (next == BANGER_NEXT_MESSAGE) {
        waits_take_end(w, i, (const Banger__V1__GuestSession *)message);
        banger_message_free(message);
    } else if (next == BANGER_NEXT_ERROR && error.code == BANGER_UNAVAILABLE) {
        long long now = wait_now_ms();
        w->lost_ms = w->lost_ms ? w->lost_ms : now;
        banger_stream_close(w->calls[i]);
        w->calls[i] = NULL;
        if (now - w->lost_ms > WAIT_PATIENCE_MS)
            waits_end(w, cli_fail(&error, "wait for session %s", w->args->refs[i]));
    } else if (next != BANGER_NEXT_NOTHING) {
        waits_end(w, cli_fail(&error, "wait for session %s", w->args->refs[i]));
    }
}

/* Until something may have come: a lost call is tried again after a moment. */
static void waits_pause(struct waits *w, bool lost)
{
    struct banger_client *client = w->cli->client;
    struct pollfd fd = {.fd = banger_fd(client), .events = banger_wanted_events(client)};
    int timeout = banger_next_timeout(client);
    long long left = w->until_ms ? w->until_ms - wait_now_ms() : -1;
    if (w->until_ms && left <= 0) {
        waits_end(w, cli_usage("no session has ended in time"));
        return;
    }
    if (left >= 0 && (timeout < 0 || left < timeout))
        timeout = (int)left;
    if (lost && (timeout < 0 || timeout > WAIT_REOPEN_MS))
        timeout = WAIT_REOPEN_MS;
    (void)poll(&fd, 1, timeout);
    (void)banger_process(client, NULL); /* a lost connection shows in the calls */
}

static int wait_for_any(struct cli *cli, const struct session_wait_options *o,
                        const struct opt_args *args)
{
    struct waits w = {.cli = cli, .o = o, .args = args};
    w.calls = calloc((size_t)args->n_refs, sizeof(struct banger_stream *));
    if (!w.calls)
        return cli_usage("out of memory");
    if (cli->options.timeout.given)
        w.until_ms = wait_now_ms() + (long long)cli->options.timeout.value;
    while (!w.over) {
        bool lost = false;
        for (int i = 0; i < args->n_refs && !w.over; i++) {
            if (!w.calls[i])
                waits_open(&w, i);
            if (w.calls[i])
                waits_look(&w, i);
            lost |= !w.calls[i];
        }
        if (!lost)
            w.lost_ms = 0;
        if (!w.over)
            waits_pause(&w, lost);
    }
    for (int i = 0; i < args->n_refs; i++)
        banger_stream_close(w.calls[i]);
    free(w.calls);
    return w.status;
}

static int session_wait(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_wait_options *o = values;
    if (o->any && o->all)
        return cli_usage("session wait: --any or --all, not both");
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    bool limited = cli->options.timeout.given;
    banger_set_timeout_ms(cli->client, limited ? (int64_t)cli->options.timeout.value : -1);
    return o->any ? wait_for_any(cli, o, args) : wait_for_all(cli, o, args);
}

static const struct opt wait_opts[] = {
    SESSION_VM_OPT(session_wait_options),
    {"all", 0, OPT_FLAG, offsetof(struct session_wait_options, all), NULL,
     "until all of them have ended (default)", NULL, NAMES_NONE},
    {"any", 0, OPT_FLAG, offsetof(struct session_wait_options, any), NULL,
     "until one of them has ended; prints which", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command session_wait_command = {
    "wait",
    NULL,
    "SESSION...",
    "wait for sessions to end",
    "Ends with the exit status of the session: of the last, in the order given, that did not end\n"
    "with 0; with --any, of the one that ended first.",
    wait_opts,
    sizeof(struct session_wait_options),
    1,
    -1,
    false,
    NAMES_SESSION,
    session_wait,
};
