/* The service noun: commands that run whenever their VM does. */
#include <stdio.h>
#include <string.h>

#include "list.h"
#include "nouns.h"
#include "session.h"
#include "table.h"

static int service_describe(struct cli *cli, Banger__V1__GuestService *s)
{
    if (!cli_is_table(cli))
        return cli_print_message(cli, &s->base);
    char word[WORD_BYTES], a[FORMAT_BYTES];
    cli_print_field("Name:", "%s", s->name);
    cli_print_field("Id:", "%s", s->id);
    cli_print_field("VM:", "%s (%s)", s->vm_name, s->vm_id);
    for (size_t i = 0; s->spec && s->spec->command && i < s->spec->command->n_argv; i++)
        cli_print_field(i ? "" : "Command:", "%s", s->spec->command->argv[i]);
    cli_print_field("State:", "%s",
                    enum_word(word, &banger__v1__guest_service_state__descriptor, (int)s->state));
    if (s->state == BANGER__V1__GUEST_SERVICE_STATE__GUEST_SERVICE_STATE_RUNNING)
        cli_print_field("Ready:", "%s%s%s", s->ready ? "yes" : "no", *s->last_check ? ": " : "",
                        s->last_check);
    for (size_t i = 0; s->spec && s->spec->readiness && i < s->spec->readiness->n_argv; i++)
        cli_print_field(i ? "" : "Ready if:", "%s", s->spec->readiness->argv[i]);
    if (s->spec)
        cli_print_field(
            "Restart:", "%s",
            enum_word(word, &banger__v1__service_restart__descriptor, (int)s->spec->restart));
    for (size_t i = 0; s->spec && i < s->spec->n_after; i++)
        cli_print_field(i ? "" : "After:", "%s", s->spec->after[i]);
    cli_print_field("Run:", "%s", s->session_id);
    cli_print_field("Runs:", "%u, restarted %u times in a row", s->runs, s->restarts);
    cli_print_field("Last error:", "%s", s->last_error);
    if (s->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(s->created)));
    return 0;
}

/* The answer to a change: its name, or the whole message. */
static int service_answer(struct cli *cli, const char *what, const char *name,
                          Banger__V1__GuestService *s, const struct banger_error *error)
{
    if (!s)
        return cli_fail(error, "%s service %s", what, name);
    int status = 0;
    if (cli_is_table(cli))
        cli_say(stdout, "%s", cli->options.quiet ? s->id : s->name);
    else
        status = cli_print_message(cli, &s->base);
    FREE_MESSAGE(s);
    return status ? status : cli_end_output(cli);
}

/* ---- create ---- */

/* Of create and update. */
struct service_options {
    struct session_options session;
    const char *restart, *ready;
    struct opt_number restarts_max, backoff, backoff_max, healthy;
    struct opt_number ready_interval, ready_timeout, ready_retries;
    struct opt_list after;
    bool stopped, restart_now, always_ready;
};

/* Spec and what it points at. */
struct service_request {
    Banger__V1__GuestServiceSpec spec;
    Banger__V1__ServiceReadiness readiness;
    char *ready_argv[3];
    struct session_request command;
};

static uint32_t at_most(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* What is given of it; the rest stays as it is. */
static int service_set_readiness(struct service_request *r, const struct service_options *o)
{
    Banger__V1__ServiceReadiness *to = &r->readiness;
    if (o->ready) {
        r->ready_argv[0] = (char *)"sh";
        r->ready_argv[1] = (char *)"-c";
        r->ready_argv[2] = (char *)o->ready;
        to->argv = r->ready_argv;
        to->n_argv = 3;
    }
    if (o->ready_interval.given)
        to->interval_ms = at_most(o->ready_interval.value);
    if (o->ready_timeout.given)
        to->timeout_ms = at_most(o->ready_timeout.value);
    if (o->ready_retries.given)
        to->retries = at_most(o->ready_retries.value);
    bool more = o->ready_interval.given || o->ready_timeout.given || o->ready_retries.given;
    if (more && to->n_argv == 0)
        return cli_usage("--ready-interval, --ready-timeout and --ready-retries go with --ready");
    r->spec.readiness = to->n_argv > 0 && !o->always_ready ? to : NULL;
    return 0;
}

static int service_set_policy(struct service_request *r, const struct service_options *o)
{
    static const char *const restarts[] = {"never", "on-failure", "always"};
    Banger__V1__GuestServiceSpec *spec = &r->spec;
    for (int i = 0; o->restart && i < 3; i++)
        if (strcmp(o->restart, restarts[i]) == 0)
            spec->restart = (Banger__V1__ServiceRestart)(i + 1);
    if (o->restarts_max.given)
        spec->restarts_max = at_most(o->restarts_max.value);
    if (o->backoff.given)
        spec->backoff_first_ms = o->backoff.value;
    if (o->backoff_max.given)
        spec->backoff_max_ms = o->backoff_max.value;
    if (o->healthy.given)
        spec->healthy_ms = o->healthy.value;
    if (o->after.n > 0) {
        spec->after = (char **)o->after.items;
        spec->n_after = o->after.n;
    }
    return service_set_readiness(r, o);
}

static int service_create(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct service_options *o = values;
    char id[REQUEST_ID_BYTES];
    if (args->n_rest == 0)
        return cli_usage("service create: which command? (banger service create %s %s -- COMMAND)",
                         args->refs[0], args->refs[1]);
    Banger__V1__CreateServiceRequest request = BANGER__V1__CREATE_SERVICE_REQUEST__INIT;
    struct service_request r = {.spec = BANGER__V1__GUEST_SERVICE_SPEC__INIT,
                                .readiness = BANGER__V1__SERVICE_READINESS__INIT};
    int status = session_request_init(&r.command, &o->session, args->refs[0], args->n_rest,
                                      args->rest, false);
    request.request_id = (char *)cli_request_id(id);
    request.vm = args->refs[0];
    request.name = args->refs[1];
    request.spec = &r.spec;
    request.stopped = o->stopped;
    r.spec.command = &r.command.spec;
    if (status == 0)
        status = service_set_policy(&r, o);
    if (status == 0 && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0) {
        struct banger_error error;
        Banger__V1__GuestService *s = banger_create_service(cli->client, &request, NULL, &error);
        status = service_answer(cli, "create", args->refs[1], s, &error);
    }
    session_request_done(&r.command);
    return status;
}

/* ---- update ---- */

/* With what it is now, but for what is given; a command is given with all that belongs to it. */
static int service_send_update(struct cli *cli, const struct service_options *o,
                               const struct opt_args *args, const Banger__V1__GuestService *now)
{
    Banger__V1__UpdateServiceRequest request = BANGER__V1__UPDATE_SERVICE_REQUEST__INIT;
    struct service_request r = {.spec = *now->spec,
                                .readiness = BANGER__V1__SERVICE_READINESS__INIT};
    struct banger_error error;
    bool other_command = args->n_rest > 0;
    int status = 0;
    if (now->spec->readiness)
        r.readiness = *now->spec->readiness;
    if (other_command)
        status = session_request_init(&r.command, &o->session, args->refs[0], args->n_rest,
                                      args->rest, false);
    if (other_command)
        r.spec.command = &r.command.spec;
    if (status == 0)
        status = service_set_policy(&r, o);
    request.vm = args->refs[0];
    request.service = args->refs[1];
    request.spec = &r.spec;
    request.restart = o->restart_now;
    if (status == 0)
        status = service_answer(cli, "update", args->refs[1],
                                banger_update_service(cli->client, &request, NULL, &error), &error);
    if (other_command)
        session_request_done(&r.command);
    return status;
}

static int service_update(struct cli *cli, const void *values, const struct opt_args *args)
{
    struct banger_error error;
    Banger__V1__GetServiceRequest request = BANGER__V1__GET_SERVICE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.service = args->refs[1];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__GuestService *now = banger_get_service(cli->client, &request, NULL, &error);
    if (!now || !now->spec) {
        FREE_MESSAGE(now);
        return cli_fail(&error, "update service %s", args->refs[1]);
    }
    int status = service_send_update(cli, values, args, now);
    FREE_MESSAGE(now);
    return status;
}

/* ---- one service of a VM ---- */

static int service_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    Banger__V1__GetServiceRequest request = BANGER__V1__GET_SERVICE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.service = args->refs[1];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__GuestService *s = banger_get_service(cli->client, &request, NULL, &error);
    if (!s)
        return cli_fail(&error, "show service %s", args->refs[1]);
    int status = service_describe(cli, s);
    FREE_MESSAGE(s);
    return status ? status : cli_end_output(cli);
}

static int service_start(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    Banger__V1__StartServiceRequest request = BANGER__V1__START_SERVICE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.service = args->refs[1];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    return service_answer(cli, "start", args->refs[1],
                          banger_start_service(cli->client, &request, NULL, &error), &error);
}

static int service_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    Banger__V1__StopServiceRequest request = BANGER__V1__STOP_SERVICE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.service = args->refs[1];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    return service_answer(cli, "stop", args->refs[1],
                          banger_stop_service(cli->client, &request, NULL, &error), &error);
}

struct service_delete_options {
    bool force;
};

static int service_delete(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct service_delete_options *o = values;
    struct banger_error error;
    Banger__V1__DeleteServiceRequest request = BANGER__V1__DELETE_SERVICE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.service = args->refs[1];
    request.force = o->force;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__Empty *empty = banger_delete_service(cli->client, &request, NULL, &error);
    if (!empty)
        return cli_fail(&error, "delete service %s", args->refs[1]);
    FREE_MESSAGE(empty);
    return cli_print_done(cli, "service", args->refs[1], "deleted");
}

/* ---- list ---- */

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"NAME", NULL, "name", false},
    {"VM", NULL, "vm_name", false},
    {"STATE", NULL, "state", false},
    {"READY", NULL, "ready", false},
    {"RUNS", NULL, "runs", false},
    {"SESSION", NULL, "session_id", false},
    {"RESTART", NULL, "spec.restart", true},
    {"CREATED", list_cell_created, "created", false},
    {"COMMAND", NULL, "spec.command.argv", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "services",
    .method = "/banger.v1.SupervisionService/ListServices",
    .items = "services",
    .id = "id",
    .time = "created",
    .columns = columns,
};

static int service_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    Banger__V1__ListServicesRequest request = BANGER__V1__LIST_SERVICES_REQUEST__INIT;
    if (args->n_refs > 0)
        request.vm = args->refs[0];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    return list_run(cli, &view, &request.base, values);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

#define POLICY_OPTS                                                                                \
    {"restart",                                                                                    \
     0,                                                                                            \
     OPT_STRING,                                                                                   \
     offsetof(struct service_options, restart),                                                    \
     "WHEN",                                                                                       \
     "when it is started again after its end (default on-failure)",                                \
     "never|on-failure|always",                                                                    \
     NAMES_NONE},                                                                                  \
        {"restarts-max",                                                                           \
         0,                                                                                        \
         OPT_COUNT,                                                                                \
         offsetof(struct service_options, restarts_max),                                           \
         "N",                                                                                      \
         "give up after so many restarts in a row",                                                \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"backoff",    0,                                                                          \
         OPT_DURATION, offsetof(struct service_options, backoff),                                  \
         "TIME",       "before the first restart, then doubled (default 1s)",                      \
         NULL,         NAMES_NONE},                                                                \
        {"backoff-max", 0,                                                                         \
         OPT_DURATION,  offsetof(struct service_options, backoff_max),                             \
         "TIME",        "at most (default 1m)",                                                    \
         NULL,          NAMES_NONE},                                                               \
        {"healthy",    0,                                                                          \
         OPT_DURATION, offsetof(struct service_options, healthy),                                  \
         "TIME",       "a run of so long ends a row of restarts (default 1m)",                     \
         NULL,         NAMES_NONE},                                                                \
        {"start-after", 0,                                                                         \
         OPT_LIST,      offsetof(struct service_options, after),                                   \
         "SERVICE",     "start it when this one is ready, or done; may be repeated",               \
         NULL,          NAMES_NONE},                                                               \
        {"ready",    0,                                                                            \
         OPT_STRING, offsetof(struct service_options, ready),                                      \
         "COMMAND",  "by a shell in the guest: it is ready when this exits with 0",                \
         NULL,       NAMES_NONE},                                                                  \
        {"ready-interval",                                                                         \
         0,                                                                                        \
         OPT_DURATION,                                                                             \
         offsetof(struct service_options, ready_interval),                                         \
         "TIME",                                                                                   \
         "between two such checks (default 1s)",                                                   \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"ready-timeout",                                                                          \
         0,                                                                                        \
         OPT_DURATION,                                                                             \
         offsetof(struct service_options, ready_timeout),                                          \
         "TIME",                                                                                   \
         "after which one has failed (default 5s)",                                                \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
    {                                                                                              \
        "ready-retries", 0, OPT_COUNT, offsetof(struct service_options, ready_retries), "N",       \
            "failures in a row after which it is not ready any more (default 3)", NULL, NAMES_NONE \
    }

static const struct opt create_opts[] = {
    POLICY_OPTS,
    {"stopped", 0, OPT_FLAG, offsetof(struct service_options, stopped), NULL,
     "do not start it before \"service start\"", NULL, NAMES_NONE},
    SESSION_OPTS(offsetof(struct service_options, session)),
    {.name = NULL},
};

static const struct opt update_opts[] = {
    POLICY_OPTS,
    {"no-ready", 0, OPT_FLAG, offsetof(struct service_options, always_ready), NULL,
     "without a check: it is ready when it runs", NULL, NAMES_NONE},
    {"restart-now", 0, OPT_FLAG, offsetof(struct service_options, restart_now), NULL,
     "stop the run that there is, and start one of the new kind", NULL, NAMES_NONE},
    SESSION_OPTS(offsetof(struct service_options, session)),
    {.name = NULL},
};

static const struct opt delete_opts[] = {
    {"force", 0, OPT_FLAG, offsetof(struct service_delete_options, force), NULL,
     "stop it first if it runs", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct command rows[] = {
    {"create", NULL, "VM NAME [--] COMMAND [ARG...]",
     "define a command that runs whenever its VM does",
     "It is started with the VM, and again when it ends (--restart). Each run is a session: "
     "\"service\n"
     "show\" has the latest, \"session list\" those before.",
     create_opts, sizeof(struct service_options), 2, 2, true, NAMES_VM, service_create},
    {"update", NULL, "VM NAME [[--] COMMAND [ARG...]]", "change what a service runs, and when",
     "What is not given stays as it is; with a COMMAND, its options are given anew. It counts from "
     "the\n"
     "next run on, or at once with --restart-now.",
     update_opts, sizeof(struct service_options), 2, 2, true, NAMES_VM, service_update},
    {"list", "ls", "[VM]", "list services, of one VM or all", NULL, list_opts,
     sizeof(struct list_options), 0, 1, false, NAMES_VM, service_list},
    {"show", "inspect", "VM NAME", "describe a service", NULL, NULL, 0, 2, 2, false, NAMES_VM,
     service_show},
    {"start", NULL, "VM NAME", "want a service: it runs whenever its VM does", NULL, NULL, 0, 2, 2,
     false, NAMES_VM, service_start},
    {"stop", NULL, "VM NAME", "stop a service, until \"service start\"", NULL, NULL, 0, 2, 2, false,
     NAMES_VM, service_stop},
    {"delete", "rm", "VM NAME", "forget a service; its runs stay as sessions", NULL, delete_opts,
     sizeof(struct service_delete_options), 2, 2, false, NAMES_VM, service_delete},
};
static const struct command *const service_commands[] = {&rows[0], &rows[1], &rows[2], &rows[3],
                                                         &rows[4], &rows[5], &rows[6], NULL};
const struct noun service_noun = {"service", "commands that run whenever their VM does",
                                  service_commands};
