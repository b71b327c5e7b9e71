/* banger host connections, banger host kick. */
#include <stdio.h>

#include "list.h"
#include "nouns.h"

static void cell_received(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__Connection *)item)->received_bytes));
}

static void cell_sent(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__Connection *)item)->sent_bytes));
}

static void cell_age(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__Connection *c = (const Banger__V1__Connection *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_age(text, timestamp_seconds(c->since)));
}

static void cell_idle(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__Connection *c = (const Banger__V1__Connection *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_age(text, timestamp_seconds(c->last_active)));
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"PRINCIPAL", NULL, "principal", false},
    {"ROLE", NULL, "role", false},
    {"FROM", NULL, "address", false},
    {"TLS", NULL, "tls_version", false},
    {"OPEN", NULL, "streams", false},
    {"DONE", NULL, "calls_done", false},
    {"RECEIVED", cell_received, "received_bytes", false},
    {"SENT", cell_sent, "sent_bytes", false},
    {"AGE", cell_age, "since", false},
    {"IDLE", cell_idle, "last_active", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "connections",
    .method = "/banger.v1.HostService/ListConnections",
    .items = "connections",
    .id = "id",
    .time = "since",
    .columns = columns,
};

static int host_connections(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListConnectionsRequest request = BANGER__V1__LIST_CONNECTIONS_REQUEST__INIT;
    return list_run(cli, &view, &request.base, values);
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
        if (cli_print_done(cli, "connection", args->refs[i], "closed") != 0)
            return EXIT_BANGER;
    }
    return cli_end_output(cli);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

const struct command host_connections_command = {
    "connections",
    NULL,
    "",
    "list who is connected",
    NULL,
    list_opts,
    sizeof(struct list_options),
    0,
    0,
    false,
    NAMES_NONE,
    host_connections,
};

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
