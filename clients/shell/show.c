/* See show.h. */
#include "show.h"

#include <stdio.h>

#include "fields.h"

int show_message(struct cli *cli, const struct show *show, ProtobufCMessage *message)
{
    int status = 0;
    if (!cli_is_table(cli)) {
        status = cli_print_message(cli, message);
    } else if (cli->options.quiet) {
        fields_write(stdout, message, "id", 2);
        putchar('\n');
    } else {
        show->describe(message);
    }
    banger_message_free(message);
    return status ? status : cli_end_output(cli);
}

int show_each(struct cli *cli, const struct show *show, const struct opt_args *args)
{
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        if (i > 0 && cli_is_table(cli) && !cli->options.quiet)
            putchar('\n');
        ProtobufCMessage *message = show->get(cli, args->refs[i], &error);
        int result = message ? show_message(cli, show, message)
                             : cli_fail(&error, "show %s %s", show->what, args->refs[i]);
        status = result ? result : status;
    }
    return status;
}

int show_made(struct cli *cli, const struct show *show, const char *label,
              Banger__V1__Operation *op, struct banger_error *error)
{
    Banger__V1__Operation *ended = op ? cli_follow(cli, label, op, error) : NULL;
    if (!ended)
        return cli_fail(error, "make %s", label);
    ProtobufCMessage *message = show->get(cli, resource_id(ended->result), error);
    int status =
        message ? show_message(cli, show, message) : cli_fail(error, "show the new %s", show->what);
    FREE_MESSAGE(ended);
    return status;
}
