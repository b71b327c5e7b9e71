/* banger host recover. */
#include <stddef.h>
#include <string.h>

#include "nouns.h"
#include "table.h"

struct recover_options {
    bool discard, dry_run;
};

static const char *outcome_word(const Banger__V1__Unlisted *u, bool dry_run, bool discard)
{
    switch (u->outcome) {
    case BANGER__V1__RECOVER_OUTCOME__RECOVER_OUTCOME_LISTED:
        return "listed again";
    case BANGER__V1__RECOVER_OUTCOME__RECOVER_OUTCOME_SET_ASIDE:
        return "set aside";
    case BANGER__V1__RECOVER_OUTCOME__RECOVER_OUTCOME_REMOVED:
        return "removed";
    default:
        break;
    }
    if (!dry_run)
        return "left alone";
    return discard || u->recoverable ? "can be" : "cannot be";
}

static int print_items(struct cli *cli, const Banger__V1__RecoverHostResponse *response,
                       const struct recover_options *o)
{
    struct table t;
    table_init(&t, "RESOURCE|NAME|RUNS|RESULT|FOLDER|NOTE");
    for (size_t i = 0; i < response->n_items; i++) {
        const Banger__V1__Unlisted *u = response->items[i];
        table_cell(&t, "%s", u->resource);
        table_cell(&t, "%s", u->name);
        table_cell(&t, "%s", u->running ? "yes" : "no");
        table_cell(&t, "%s", outcome_word(u, o->dry_run, o->discard));
        table_cell(&t, "%s", u->folder);
        table_cell(&t, "%s", u->message);
    }
    return cli_print_table(cli, &t);
}

/* What was asked for and not done is a failure; what is in lost+found was not asked for. */
static bool all_done(const Banger__V1__RecoverHostResponse *response,
                     const struct recover_options *o)
{
    bool done = true;
    for (size_t i = 0; i < response->n_items; i++) {
        const Banger__V1__Unlisted *u = response->items[i];
        if (u->outcome == BANGER__V1__RECOVER_OUTCOME__RECOVER_OUTCOME_NOTHING)
            done &= o->dry_run || strncmp(u->folder, "lost+found/", 11) == 0;
    }
    return done;
}

static int host_recover(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct recover_options *o = values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__RecoverHostRequest request = BANGER__V1__RECOVER_HOST_REQUEST__INIT;
    request.only = (char **)args->refs;
    request.n_only = (size_t)args->n_refs;
    request.discard = o->discard;
    request.dry_run = o->dry_run;
    Banger__V1__RecoverHostResponse *response =
        banger_recover_host(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "recover what the database does not list");
    bool done = all_done(response, o);
    int status =
        cli_is_table(cli) ? print_items(cli, response, o) : cli_print_message(cli, &response->base);
    FREE_MESSAGE(response);
    if (status)
        return status;
    return done ? cli_end_output(cli) : EXIT_BANGER;
}

static const struct opt recover_opts[] = {
    {"dry-run", 0, OPT_FLAG, offsetof(struct recover_options, dry_run), NULL,
     "only say what there is", NULL, NAMES_NONE},
    {"discard", 0, OPT_FLAG, offsetof(struct recover_options, discard), NULL,
     "end VMs and set folders aside in lost+found; remove what is there already", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command host_recover_command = {
    "recover",
    NULL,
    "[ID...]",
    "list VMs, images and kernels again that the database does not have",
    "After a lost or an older database they are left alone, and VMs run on, until it is said here "
    "what becomes of them. Without names: all of them.",
    recover_opts,
    sizeof(struct recover_options),
    0,
    -1,
    false,
    NAMES_NONE,
    host_recover,
};
