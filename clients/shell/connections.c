/* banger host connections, banger host kick. */
#include <stdio.h>

#include "nouns.h"
#include "table.h"

static void print_connection(struct table *t, const Banger__V1__Connection *c)
{
    char word[WORD_BYTES], in[FORMAT_BYTES], out[FORMAT_BYTES], age[FORMAT_BYTES],
        idle[FORMAT_BYTES];
    table_cell(t, "%llu", (unsigned long long)c->id);
    table_cell(t, "%s", c->principal);
    table_cell(t, "%s", enum_word(word, &banger__v1__role__descriptor, (int)c->role));
    table_cell(t, "%s", c->address);
    table_cell(t, "%s", c->tls_version);
    table_cell(t, "%u", c->streams);
    table_cell(t, "%llu", (unsigned long long)c->calls_done);
    table_cell(t, "%s", format_size(in, c->received_bytes));
    table_cell(t, "%s", format_size(out, c->sent_bytes));
    table_cell(t, "%s", format_age(age, timestamp_seconds(c->since)));
    table_cell(t, "%s", format_age(idle, timestamp_seconds(c->last_active)));
}

static int host_connections(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListConnectionsRequest request = BANGER__V1__LIST_CONNECTIONS_REQUEST__INIT;
    Banger__V1__ListConnectionsResponse *response =
        banger_list_connections(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "list connections");
    int status = 0;
    if (cli_is_table(cli)) {
        struct table t;
        table_init(&t, "ID|PRINCIPAL|ROLE|FROM|TLS|OPEN|DONE|RECEIVED|SENT|AGE|IDLE");
        for (size_t i = 0; i < response->n_connections; i++)
            print_connection(&t, response->connections[i]);
        status = cli_print_table(&t);
    } else {
        status = cli_print_message(cli, &response->base);
    }
    FREE_MESSAGE(response);
    return status;
}

static int host_kick(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    for (int i = 0; i < args->n_refs; i++) {
        Banger__V1__KickConnectionRequest request = BANGER__V1__KICK_CONNECTION_REQUEST__INIT;
        if (!opt_parse_count(args->refs[i], &request.id))
            return cli_usage("\"%.40s\" is not the number of a connection", args->refs[i]);
        Banger__V1__Empty *empty = banger_kick_connection(cli->client, &request, NULL, &error);
        if (!empty)
            return cli_fail(&error, "close connection %s", args->refs[i]);
        FREE_MESSAGE(empty);
        puts(args->refs[i]);
    }
    return cli_end_output(cli);
}

const struct command host_connections_command = {
    "connections",   NULL, "", "list who is connected", NULL, NULL, 0, 0, 0, false, NAMES_NONE,
    host_connections};

const struct command host_kick_command = {
    "kick",
    NULL,
    "ID...",
    "close connections",
    "The client may connect again; \"banger auth revoke\" keeps it out.",
    NULL,
    0,
    1,
    -1,
    false,
    NAMES_NONE,
    host_kick,
};
