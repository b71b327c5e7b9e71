/* banger session viewers, banger session kick. */
#include <stdio.h>

#include "list.h"
#include "session.h"
#include "table.h"

struct viewers_options {
    struct list_options list;
    const char *vm;
};

static void cell_what(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__Viewer *v = (const Banger__V1__Viewer *)item;
    bool writer = v->role == BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER;
    table_cell(t, "%s", v->logs ? "logs" : writer ? "writer" : "viewer");
}

static void cell_age(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s",
               format_age(text, timestamp_seconds(((const Banger__V1__Viewer *)item)->since)));
}

static void cell_lag(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__Viewer *v = (const Banger__V1__Viewer *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, v->stdout_lag_bytes + v->stderr_lag_bytes));
}

static void cell_stalled(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__Viewer *v = (const Banger__V1__Viewer *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", v->stalled ? format_age(text, timestamp_seconds(v->stalled)) : "");
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"PRINCIPAL", NULL, "principal", false},
    {"FROM", NULL, "address", false},
    {"AS", cell_what, "role", false},
    {"AGE", cell_age, "since", false},
    {"STDOUT", NULL, "stdout_offset", false},
    {"STDERR", NULL, "stderr_offset", false},
    {"BEHIND", cell_lag, "stdout_lag_bytes", false},
    {"STALLED", cell_stalled, "stalled", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "viewers",
    .method = "/banger.v1.GuestSessionService/ListViewers",
    .items = "viewers",
    .id = "id",
    .time = "since",
    .columns = columns,
};

static int session_viewers(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct viewers_options *o = values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListViewersRequest request = BANGER__V1__LIST_VIEWERS_REQUEST__INIT;
    request.session = args->refs[0];
    if (o->vm)
        request.vm = (char *)o->vm;
    return list_run(cli, &view, &request.base, &o->list);
}

struct kick_options {
    const char *vm;
};

static int session_kick(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct kick_options *o = values;
    int status = 0;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    for (int i = 1; i < args->n_refs; i++) {
        struct banger_error error;
        uint64_t id;
        if (!opt_parse_count(args->refs[i], &id))
            return cli_usage("session kick: \"%.40s\" is no number of \"banger session viewers\"",
                             args->refs[i]);
        Banger__V1__KickViewerRequest request = BANGER__V1__KICK_VIEWER_REQUEST__INIT;
        request.session = args->refs[0];
        request.id = id;
        if (o->vm)
            request.vm = (char *)o->vm;
        Banger__V1__Empty *empty = banger_kick_viewer(cli->client, &request, NULL, &error);
        int result =
            empty ? cli_print_done(cli, "viewer", args->refs[i], "sent away")
                  : cli_fail(&error, "kick %s from session %s", args->refs[i], args->refs[0]);
        status = result ? result : status;
        FREE_MESSAGE(empty);
    }
    return status;
}

static const struct opt viewers_opts[] = {
    SESSION_VM_OPT(viewers_options),
    LIST_OPTS,
    {.name = NULL},
};

static const struct opt kick_opts[] = {SESSION_VM_OPT(kick_options), {.name = NULL}};

const struct command session_viewers_command = {
    "viewers",
    NULL,
    "SESSION",
    "who is attached to a session or reads its logs, and how far behind",
    "BEHIND is what they have not taken yet, STALLED how long their connection has taken nothing\n"
    "although something waits for it.",
    viewers_opts,
    sizeof(struct viewers_options),
    1,
    1,
    false,
    NAMES_SESSION,
    session_viewers,
};

const struct command session_kick_command = {
    "kick",
    NULL,
    "SESSION VIEWER...",
    "end attaches to a session, by the numbers of \"session viewers\"",
    "They end with an error and do not come back by themselves; the session runs on.",
    kick_opts,
    sizeof(struct kick_options),
    2,
    -1,
    false,
    NAMES_SESSION,
    session_kick,
};
