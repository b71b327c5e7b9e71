/* The operation noun. */
#include <stdio.h>

#include "list.h"
#include "nouns.h"
#include "show.h"

static const char *operation_state(char out[WORD_BYTES], const Banger__V1__Operation *op)
{
    return enum_word(out, &banger__v1__operation_state__descriptor, (int)op->state);
}

static ProtobufCMessage *operation_get(struct cli *cli, const char *ref, struct banger_error *error)
{
    Banger__V1__GetOperationRequest request = BANGER__V1__GET_OPERATION_REQUEST__INIT;
    request.operation = (char *)ref;
    Banger__V1__Operation *op = banger_get_operation(cli->client, &request, NULL, error);
    return op ? &op->base : NULL;
}

static void operation_describe(const ProtobufCMessage *message)
{
    const Banger__V1__Operation *op = (const Banger__V1__Operation *)message;
    char word[WORD_BYTES], a[FORMAT_BYTES];
    cli_print_field("Id:", "%s", op->id);
    cli_print_field("Kind:", "%s", op->kind);
    cli_print_field("Resource:", "%s", op->resource);
    cli_print_field("State:", "%s%s", operation_state(word, op),
                    op->cancel_requested ? ", to be cancelled" : "");
    cli_print_field("Stage:", "%s", op->stage);
    cli_print_field("Done:", "%u%%", op->percent);
    cli_print_field("Message:", "%s", op->message);
    if (op->error)
        cli_print_field("Error:", "%s", op->error->message);
    cli_print_field("Result:", "%s", op->result);
    cli_print_field("Asked by:", "%s", op->principal);
    if (op->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(op->created)));
    if (op->ended)
        cli_print_field("Ended:", "%s ago", format_age(a, timestamp_seconds(op->ended)));
}

static const struct show show = {"operation", operation_get, operation_describe};

struct operation_list_options {
    struct list_options list;
    bool active;
};

static void cell_done(struct table *t, const ProtobufCMessage *item)
{
    table_cell(t, "%u%%", ((const Banger__V1__Operation *)item)->percent);
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"KIND", NULL, "kind", false},
    {"RESOURCE", NULL, "resource", false},
    {"STATE", NULL, "state", false},
    {"STAGE", NULL, "stage", false},
    {"DONE", cell_done, "percent", false},
    {"MESSAGE", NULL, "message", true},
    {"BY", NULL, "principal", true},
    {"CREATED", list_cell_created, "created", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "operations",
    .method = "/banger.v1.OperationService/ListOperations",
    .items = "operations",
    .id = "id",
    .time = "created",
    .columns = columns,
    .latest_first = true,
    .last = 100,
};

static int operation_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct operation_list_options *o = values;
    const char *resource = list_filter_value(&o->list, "resource");
    Banger__V1__ListOperationsRequest request = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    if (args->n_refs > 0)
        request.resource = args->refs[0];
    else if (resource)
        request.resource = (char *)resource;
    request.active_only = o->active;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    return list_run(cli, &view, &request.base, &o->list);
}

static int operation_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return show_each(cli, &show, args);
}

static int operation_watch(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = (Banger__V1__Operation *)operation_get(cli, args->refs[0], &error);
    if (!op)
        return cli_fail(&error, "watch operation %s", args->refs[0]);
    Banger__V1__Operation *ended = cli_follow(cli, args->refs[0], op, &error);
    return ended ? show_message(cli, &show, &ended->base)
                 : cli_fail(&error, "operation %s", args->refs[0]);
}

static int operation_cancel(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__CancelOperationRequest request = BANGER__V1__CANCEL_OPERATION_REQUEST__INIT;
        request.operation = args->refs[i];
        Banger__V1__Operation *op = banger_cancel_operation(cli->client, &request, NULL, &error);
        if (!op)
            status = cli_fail(&error, "cancel operation %s", args->refs[i]);
        else if (cli_is_table(cli))
            puts(args->refs[i]);
        else
            cli_print_message(cli, &op->base);
        FREE_MESSAGE(op);
    }
    return status ? status : cli_end_output(cli);
}

static const struct opt list_opts[] = {
    {"active", 0, OPT_FLAG, offsetof(struct operation_list_options, active), NULL,
     "only those that have not ended", NULL, NAMES_NONE},
    LIST_OPTS,
    {.name = NULL},
};

static const struct command rows[] = {
    {"list", "ls", "[RESOURCE]", "list operations, latest first",
     "The latest 100 unless --last or --since says otherwise. RESOURCE is such as vm/ID.",
     list_opts, sizeof(struct operation_list_options), 0, 1, false, NAMES_NONE, operation_list},
    {"show", "inspect", "OPERATION...", "describe operations", NULL, NULL, 0, 1, -1, false,
     NAMES_OPERATION, operation_show},
    {"watch", NULL, "OPERATION", "follow an operation to its end", NULL, NULL, 0, 1, 1, false,
     NAMES_OPERATION, operation_watch},
    {"cancel", NULL, "OPERATION...", "ask operations to undo what they did and end", NULL, NULL, 0,
     1, -1, false, NAMES_OPERATION, operation_cancel},
};
static const struct command *const operation_commands[] = {&rows[0], &rows[1], &rows[2], &rows[3],
                                                           NULL};
const struct noun operation_noun = {"operation", "long-running work", operation_commands};
