/* Starting and following sessions: shared by the session noun, vm run and vm exec. */
#ifndef BANGER_SHELL_SESSION_H
#define BANGER_SHELL_SESSION_H

#include "cli.h"
#include "stream.h"

struct session_options {
    struct opt_list env, tags, requires, ulimits;
    const char *cwd, *user, *group, *nice, *oom_score_adj;
    struct opt_number time_limit, spool, drain, stop_unwatched, delete_ended;
    const char *output_policy, *drain_policy;
    bool clear_env, interactive, tty, no_stdin, no_reattach, merge_stderr;
    bool unwatched_from_start;
    const char *detach_keys; /* NULL: the environment's, or the default */
    bool no_wait;            /* of those that attach */
    int output_fd;           /* for its standard output; 0: ours */
};

/* Rows for a table; base is the offset of the struct session_options in the command's struct. */
#define SESSION_OPTS(base)                                                                         \
    {"env",        'e',                                                                            \
     OPT_LIST,     (base) + offsetof(struct session_options, env),                                 \
     "NAME=VALUE", "environment variable; NAME alone takes ours; may be repeated",                 \
     NULL,         NAMES_NONE},                                                                    \
        {"clear-env", 0,                                                                           \
         OPT_FLAG,    (base) + offsetof(struct session_options, clear_env),                        \
         NULL,        "start from an empty environment",                                           \
         NULL,        NAMES_NONE},                                                                 \
        {"cwd",      'w',                                                                          \
         OPT_STRING, (base) + offsetof(struct session_options, cwd),                               \
         "DIR",      "working directory (default: the user's home)",                               \
         NULL,       NAMES_NONE},                                                                  \
        {"user",     'u',                                                                          \
         OPT_STRING, (base) + offsetof(struct session_options, user),                              \
         "USER",     "name or id (default root)",                                                  \
         NULL,       NAMES_NONE},                                                                  \
        {"group",    0,                                                                            \
         OPT_STRING, (base) + offsetof(struct session_options, group),                             \
         "GROUP",    "name or id (default: the user's)",                                           \
         NULL,       NAMES_NONE},                                                                  \
        {"interactive", 'i',                                                                       \
         OPT_FLAG,      (base) + offsetof(struct session_options, interactive),                    \
         NULL,          "pass on standard input even from a terminal",                             \
         NULL,          NAMES_NONE},                                                               \
        {"tty",    't',                                                                            \
         OPT_FLAG, (base) + offsetof(struct session_options, tty),                                 \
         NULL,     "give it a terminal, which is shown on ours",                                   \
         NULL,     NAMES_NONE},                                                                    \
        {"no-stdin", 0,                                                                            \
         OPT_FLAG,   (base) + offsetof(struct session_options, no_stdin),                          \
         NULL,       "no standard input for the command",                                          \
         NULL,       NAMES_NONE},                                                                  \
        {"no-reattach", 0,                                                                         \
         OPT_FLAG,      (base) + offsetof(struct session_options, no_reattach),                    \
         NULL,          "end with an error when the connection breaks, instead of coming back",    \
         NULL,          NAMES_NONE},                                                               \
        {"tag",    0,                                                                              \
         OPT_LIST, (base) + offsetof(struct session_options, tags),                                \
         "TAG",    "tag the session; may be repeated",                                             \
         NULL,     NAMES_NONE},                                                                    \
        {"require", 0,                                                                             \
         OPT_LIST,  (base) + offsetof(struct session_options, requires),                           \
         "COMMAND", "fail unless the guest has this command; may be repeated",                     \
         NULL,      NAMES_NONE},                                                                   \
        {"time-limit", 0,                                                                          \
         OPT_DURATION, (base) + offsetof(struct session_options, time_limit),                      \
         "TIME",       "kill the command after so long",                                           \
         NULL,         NAMES_NONE},                                                                \
        {"drain",      0,                                                                          \
         OPT_DURATION, (base) + offsetof(struct session_options, drain),                           \
         "TIME",       "after its end wait so long for more output of what it left (default 1s)",  \
         NULL,         NAMES_NONE},                                                                \
        {"merge-stderr", 0,                                                                        \
         OPT_FLAG,       (base) + offsetof(struct session_options, merge_stderr),                  \
         NULL,           "its stderr is written to stdout, in one order",                          \
         NULL,           NAMES_NONE},                                                              \
        {"ulimit",                                                                                 \
         0,                                                                                        \
         OPT_LIST,                                                                                 \
         (base) + offsetof(struct session_options, ulimits),                                       \
         "NAME=SOFT[:HARD]",                                                                       \
         "limit of its processes, as nofile=1024:2048; may be repeated",                           \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"nice",     0,                                                                            \
         OPT_STRING, (base) + offsetof(struct session_options, nice),                              \
         "N",        "nice value, -20 (first) to 19 (last)",                                       \
         NULL,       NAMES_NONE},                                                                  \
        {"oom-score-adj",                                                                          \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         (base) + offsetof(struct session_options, oom_score_adj),                                 \
         "N",                                                                                      \
         "-1000 to 1000: those with more are ended first for memory",                              \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"drain-policy",                                                                           \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         (base) + offsetof(struct session_options, drain_policy),                                  \
         "HOW",                                                                                    \
         "of output that what it left holds open: after-quiet (default: --drain), "                \
         "until-closed, cut",                                                                      \
         "after-quiet|until-closed|cut",                                                           \
         NAMES_NONE},                                                                              \
        {"output-policy",                                                                          \
         0,                                                                                        \
         OPT_STRING,                                                                               \
         (base) + offsetof(struct session_options, output_policy),                                 \
         "WHOM",                                                                                   \
         "whom it waits for when its spool is half full: nobody (drop-oldest), "                   \
         "who attaches (hold, for a minute; block, for ever), \"session ack\" "                    \
         "(until-acknowledged)",                                                                   \
         "drop-oldest|hold|block|until-acknowledged",                                              \
         NAMES_NONE},                                                                              \
        {"stop-unwatched",                                                                         \
         0,                                                                                        \
         OPT_DURATION,                                                                             \
         (base) + offsetof(struct session_options, stop_unwatched),                                \
         "TIME",                                                                                   \
         "stop it so long after the last attach has left",                                         \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"unwatched-from-start",                                                                   \
         0,                                                                                        \
         OPT_FLAG,                                                                                 \
         (base) + offsetof(struct session_options, unwatched_from_start),                          \
         NULL,                                                                                     \
         "with --stop-unwatched: also where nobody ever attaches",                                 \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"delete-ended", 0,                                                                        \
         OPT_DURATION,   (base) + offsetof(struct session_options, delete_ended),                  \
         "TIME",         "delete it with its output so long after its end (default: keep it)",     \
         NULL,           NAMES_NONE},                                                              \
    {                                                                                              \
        "spool", 0, OPT_SIZE, (base) + offsetof(struct session_options, spool), "SIZE",            \
            "output kept per stream (default 64M)", NULL, NAMES_NONE                               \
    }

/* Rows of those that attach. */
#define SESSION_DETACH_KEYS_OPT(offset)                                                            \
    {                                                                                              \
        "detach-keys", 0, OPT_STRING, (offset), "KEYS",                                            \
            "leave it running by these: \"ctrl-p,ctrl-q\" (default, or BANGER_DETACH_KEYS), "      \
            "\"none\"",                                                                            \
            NULL, NAMES_NONE                                                                       \
    }

#define SESSION_NO_WAIT_OPT(base)                                                                  \
    {                                                                                              \
        "no-wait", 0, OPT_FLAG, (base) + offsetof(struct session_options, no_wait), NULL,          \
            "the command never waits for us: output that we are too slow for is lost", NULL,       \
            NAMES_NONE                                                                             \
    }

/* A request built of options and a command line; strings are borrowed from them. */
struct session_request {
    Banger__V1__StartSessionRequest message;
    Banger__V1__SessionSpec spec;
    Banger__V1__SessionLimits limits;
    Banger__V1__EnvVar *env;
    Banger__V1__EnvVar **env_list;
    Banger__V1__ResourceLimit *rlimits;
    Banger__V1__ResourceLimit **rlimit_list;
    char id[REQUEST_ID_BYTES];
};

/* The command of a login: the user's shell as /etc/passwd has it. */
enum { SESSION_LOGIN_ARGS = 3 };
extern char *const session_login[SESSION_LOGIN_ARGS];

/* given: by the option, or NULL. What they are called, or NULL with the error printed. */
const char *session_detach_keys(struct detach_keys *keys, const char *given);

/* 0, or EXIT_BANGER with the error printed. */
int session_request_init(struct session_request *request, const struct session_options *o,
                         const char *vm, int argc, char **argv, bool with_stdin);
void session_request_done(struct session_request *request);
/* session_limits.c: a part of both */
int session_limits_init(struct session_request *request, const struct session_options *o);
void session_limits_done(struct session_request *request);

/* Starts it. NULL, with the error printed and *status set, when it does not run; forget: deletes
 * the record of one that could not be started. A signal takes the start back: *status 128 + n. */
Banger__V1__GuestSession *session_start(struct cli *cli, const struct session_request *request,
                                        struct stream_signals *signals, int *status, bool forget);
/* 126 or 127 for a command that could not be started, EXIT_BANGER for other failures; says why. */
int session_report_failure(const Banger__V1__GuestSession *session);

/* Starts a command in a running VM, connects it with our standard streams, and cleans up: what vm
 * exec is, and vm run after the boot. keep: leave the ended session's record. Exit status. */
int session_run_attached(struct cli *cli, const char *vm, const struct session_options *o, int argc,
                         char **argv, bool keep, struct stream_signals *signals);

/* Says that it runs on, and how to come back. */
void session_tell_detached(struct cli *cli, const char *id);

Banger__V1__GuestSession *session_get(struct cli *cli, const char *ref, const char *vm,
                                      struct banger_error *error);

/* The row that every command for one session has; type has a member vm. */
#define SESSION_VM_OPT(type)                                                                       \
    {                                                                                              \
        "vm", 0, OPT_STRING, offsetof(struct type, vm), "VM",                                      \
            "the session's VM, where its name is not unique", NULL, NAMES_VM                       \
    }

/* session_viewers.c */
extern const struct command session_viewers_command, session_kick_command;
/* session_logs.c */
extern const struct command session_logs_command;
/* session_wait.c */
extern const struct command session_wait_command;
/* session_io.c: attach, send */
enum { SESSION_IO_COMMANDS = 2 };
extern const struct command session_io_commands[SESSION_IO_COMMANDS];

#endif
