/* Operations: started for every reference first, so that they run side by side, then followed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"
#include "stream.h"

/* Ends us by the signal that came, as if we had not taken it; the operation is the daemon's. */
static _Noreturn void cli_leave(struct cli *cli, const char *label, const char *id,
                                struct stream_signals *signals)
{
    int signo = stream_signals_take(signals);
    stream_signals_done(signals);
    if (!cli->options.quiet)
        cli_say(stderr,
                "banger: %s: operation %s goes on; \"banger operation watch %s\" follows it, "
                "\"banger operation cancel %s\" undoes it",
                label, id, id, id);
    fflush(NULL);
    raise(signo ? signo : SIGINT);
    _exit(128 + SIGINT); /* not reached, unless the signal is ignored */
}

static Banger__V1__Operation *cli_follow_to_end(struct cli *cli, const char *id,
                                                struct progress *progress,
                                                struct banger_error *error)
{
    int64_t timeout = cli->options.timeout.given ? (int64_t)cli->options.timeout.value : -1;
    struct stream_signals signals;
    bool take = !cli->has_signals && stream_signals_init(&signals) == 0;
    if (take)
        banger_set_interrupt_fd(cli->client, signals.fd);
    Banger__V1__Operation *ended =
        banger_operation_follow(cli->client, id, timeout, progress_update, progress, error);
    progress_end(progress);
    if (!take)
        return ended;
    banger_set_interrupt_fd(cli->client, -1);
    if (!ended && strcmp(error->reason, "INTERRUPTED") == 0)
        cli_leave(cli, progress->label, id, &signals);
    stream_signals_done(&signals);
    return ended;
}

Banger__V1__Operation *cli_follow(struct cli *cli, const char *label,
                                  Banger__V1__Operation *operation, struct banger_error *error)
{
    struct progress progress;
    progress_begin(&progress, cli, label);
    progress_update(&progress, operation);
    Banger__V1__Operation *ended = operation;
    if (!banger_operation_ended(operation)) {
        ended = cli_follow_to_end(cli, operation->id, &progress, error);
        FREE_MESSAGE(operation);
    }
    progress_end(&progress);
    if (ended && banger_operation_error(ended, error) < 0) {
        FREE_MESSAGE(ended);
        return NULL;
    }
    return ended;
}

static int cli_print_operation(struct cli *cli, const char *ref,
                               const Banger__V1__Operation *operation)
{
    if (!cli_is_table(cli))
        return cli_print_message(cli, &operation->base);
    /* It has succeeded; what it still has to say, as of a hook, went wrong beside it. */
    bool ends =
        strcmp(operation->kind, "vm.stop") == 0 || strcmp(operation->kind, "vm.delete") == 0;
    if (ends && operation->message[0] && !cli->options.quiet)
        cli_say(stderr, "banger: %s: %s", ref, operation->message);
    cli_say(stdout, "%s", cli->options.quiet ? resource_id(operation->resource) : ref);
    return cli_end_output(cli);
}

int cli_run_operations(struct cli *cli, const char *what, cli_start_fn *start, const void *values,
                       const struct opt_args *args)
{
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__Operation **operations =
        calloc((size_t)args->n_refs, sizeof(Banger__V1__Operation *));
    if (!operations)
        return cli_usage("out of memory");
    int status = 0;
    struct banger_error error;
    for (int i = 0; i < args->n_refs; i++) {
        operations[i] = start(cli, args->refs[i], values, &error);
        if (!operations[i])
            status = cli_fail(&error, "%s %s", what, args->refs[i]);
    }
    for (int i = 0; i < args->n_refs; i++) {
        if (!operations[i])
            continue;
        Banger__V1__Operation *ended = cli_follow(cli, args->refs[i], operations[i], &error);
        int result = ended ? cli_print_operation(cli, args->refs[i], ended)
                           : cli_fail(&error, "%s %s", what, args->refs[i]);
        status = result ? result : status;
        FREE_MESSAGE(ended);
    }
    free(operations);
    return status;
}
