/* banger host audit, banger host gc. */
#include <stddef.h>

#include "list.h"
#include "nouns.h"

static const char *state_word(char text[FORMAT_BYTES], const Banger__V1__HostObject *o)
{
    return enum_word(text, &banger__v1__host_object_state__descriptor, (int)o->state);
}

static void cell_state(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", state_word(text, (const Banger__V1__HostObject *)item));
}

static void cell_vm(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__HostObject *o = (const Banger__V1__HostObject *)item;
    table_cell(t, "%s", o->vm_name[0] ? o->vm_name : o->vm_id);
}

static void cell_age(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s",
               format_age(text, timestamp_seconds(((const Banger__V1__HostObject *)item)->since)));
}

static const struct list_column columns[] = {
    {"KIND", NULL, "kind", false},
    {"VM", cell_vm, "vm_name", false},
    {"STATE", cell_state, "state", false},
    {"AGE", cell_age, "since", false},
    {"NAME", NULL, "name", false},
    {"NOTE", NULL, "message", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "things of this host",
    .method = "/banger.v1.HostService/AuditHost",
    .items = "objects",
    .id = "name",
    .time = "since",
    .columns = columns,
};

static int host_audit(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__AuditHostRequest request = BANGER__V1__AUDIT_HOST_REQUEST__INIT;
    return list_run(cli, &view, &request.base, values);
}

struct gc_options {
    bool dry_run;
    struct opt_number min_age;
};

static void add_rows(struct table *t, const char *result, Banger__V1__HostObject *const *objects,
                     size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[FORMAT_BYTES];
        table_cell(t, "%s", result);
        table_cell(t, "%s", objects[i]->kind);
        cell_vm(t, &objects[i]->base);
        table_cell(t, "%s", state_word(text, objects[i]));
        cell_age(t, &objects[i]->base);
        table_cell(t, "%s", objects[i]->name);
        table_cell(t, "%s", objects[i]->message);
    }
}

static int host_gc(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    const struct gc_options *o = values;
    struct banger_error error;
    struct table t;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__CollectGarbageRequest request = BANGER__V1__COLLECT_GARBAGE_REQUEST__INIT;
    request.dry_run = o->dry_run;
    if (o->min_age.given) {
        request._min_age_ms_case = BANGER__V1__COLLECT_GARBAGE_REQUEST___MIN_AGE_MS_MIN_AGE_MS;
        request.min_age_ms = o->min_age.value;
    }
    Banger__V1__CollectGarbageResponse *response =
        banger_collect_garbage(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "collect what no VM has any more");
    int status;
    if (cli_is_table(cli)) {
        table_init(&t, "RESULT|KIND|VM|STATE|AGE|NAME|NOTE");
        add_rows(&t, o->dry_run ? "can go" : "removed", response->removed, response->n_removed);
        add_rows(&t, "left", response->left, response->n_left);
        status = cli_print_table(cli, &t);
        if (status == 0 && response->more)
            cli_say(stderr, "there is more: run it again");
    } else {
        status = cli_print_message(cli, &response->base);
    }
    FREE_MESSAGE(response);
    return status ? status : cli_end_output(cli);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

const struct command host_audit_command = {
    "audit",
    NULL,
    "",
    "list what this host has that is ours, and what is not as it should be",
    "Processes, folders, disks, taps, rules and scopes of VMs, by the daemon's tag; nothing is "
    "touched.",
    list_opts,
    sizeof(struct list_options),
    0,
    0,
    false,
    NAMES_NONE,
    host_audit,
};

static const struct opt gc_opts[] = {
    {"dry-run", 0, OPT_FLAG, offsetof(struct gc_options, dry_run), NULL,
     "only say what would be removed", NULL, NAMES_NONE},
    {"min-age", 0, OPT_DURATION, offsetof(struct gc_options, min_age), "DURATION",
     "leave what the daemon has known for less (10m)", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command host_gc_command = {
    "gc",
    NULL,
    "",
    "remove what is of VMs that have no record, no folder and no process",
    "The daemon does it by itself every ten minutes. What is young is left: it may be of a "
    "database that is about to be put back.",
    gc_opts,
    sizeof(struct gc_options),
    0,
    0,
    false,
    NAMES_NONE,
    host_gc,
};
