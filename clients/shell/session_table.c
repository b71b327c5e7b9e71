/* See session_table.h. */
#include "session_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "list.h"

enum { COMMAND_BYTES = 60, END_BYTES = 64 };

/* The command line, cut. */
static void session_format_command(char out[COMMAND_BYTES], const Banger__V1__GuestSession *s)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; s->spec && i < s->spec->n_argv && at < COMMAND_BYTES - 1; i++) {
        int n = snprintf(out + at, COMMAND_BYTES - at, "%s%s", i ? " " : "", s->spec->argv[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    if (at >= COMMAND_BYTES)
        memcpy(out + COMMAND_BYTES - 4, "...", 4);
}

/* "exited 0", "signal 9", "running". */
static void session_format_state(char out[END_BYTES], const Banger__V1__GuestSession *s)
{
    char word[WORD_BYTES];
    enum_word(word, &banger__v1__session_state__descriptor, (int)s->state);
    switch (s->exit ? s->exit->kind_case : BANGER__V1__SESSION_EXIT__KIND__NOT_SET) {
    case BANGER__V1__SESSION_EXIT__KIND_CODE:
        if (s->left_processes)
            snprintf(out, END_BYTES, "%s %d, left %u", word, s->exit->code, s->left_processes);
        else
            snprintf(out, END_BYTES, "%s %d", word, s->exit->code);
        break;
    case BANGER__V1__SESSION_EXIT__KIND_SIGNAL:
        snprintf(out, END_BYTES, "signal %d", s->exit->signal);
        break;
    case BANGER__V1__SESSION_EXIT__KIND_OOM:
        snprintf(out, END_BYTES, "out of memory");
        break;
    case BANGER__V1__SESSION_EXIT__KIND_LOST_REASON:
        snprintf(out, END_BYTES, "lost %.32s", s->exit->lost_reason);
        break;
    default:
        snprintf(out, END_BYTES, "%s", word);
    }
}

void session_print_description(const Banger__V1__GuestSession *s)
{
    char state[END_BYTES], command[COMMAND_BYTES], a[FORMAT_BYTES], b[FORMAT_BYTES];
    session_format_state(state, s);
    session_format_command(command, s);
    cli_print_field("Name:", "%s", s->name);
    cli_print_field("Id:", "%s", s->id);
    cli_print_field("VM:", "%s (%s)", s->vm_name, s->vm_id);
    cli_print_field("Command:", "%s", command);
    cli_print_field("Service:", "%s", s->service_id);
    cli_print_field("Hook:", "%s%s", s->hook[0] ? "before " : "", s->hook);
    cli_print_field("State:", "%s", state);
    cli_print_field("Failed at:", "%s", s->failed_stage);
    cli_print_field("Last error:", "%s", s->last_error);
    if (s->guest_pid)
        cli_print_field("Process:", "%u in the guest", s->guest_pid);
    cli_print_field("Output:", "%s stdout, %s stderr", format_size(a, s->stdout_total),
                    format_size(b, s->stderr_total));
    if (s->left_processes)
        cli_print_field("Left running:", "%u (ended by \"session kill\", or with the VM)",
                        s->left_processes);
    if (s->late_bytes)
        cli_print_field("Not kept:", "%s, written after the command's output had ended",
                        format_size(a, s->late_bytes));
    if (s->spec &&
        s->spec->output_policy == BANGER__V1__OUTPUT_POLICY__OUTPUT_POLICY_UNTIL_ACKNOWLEDGED)
        cli_print_field("Acknowledged:", "%s stdout, %s stderr",
                        format_size(a, s->stdout_acknowledged),
                        format_size(b, s->stderr_acknowledged));
    cli_print_field("Stdin:", "%s%s", format_size(a, s->stdin_offset),
                    s->stdin_closed ? ", closed" : "");
    cli_print_field("Watched by:", "%u%s", s->viewers, s->writer_attached ? " and a writer" : "");
    for (size_t i = 0; s->spec && i < s->spec->n_tags; i++)
        cli_print_field(i ? "" : "Tags:", "%s", s->spec->tags[i]);
    if (s->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(s->created)));
    if (s->ended)
        cli_print_field("Ended:", "%s ago", format_age(a, timestamp_seconds(s->ended)));
}

struct session_list_options {
    struct list_options list;
    const char *tag;
    struct opt_list states;
    bool running;
};

static void cell_state(struct table *t, const ProtobufCMessage *item)
{
    char text[END_BYTES];
    session_format_state(text, (const Banger__V1__GuestSession *)item);
    table_cell(t, "%s", text);
}

static void cell_stdout(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__GuestSession *)item)->stdout_total));
}

static void cell_stderr(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__GuestSession *)item)->stderr_total));
}

static void cell_command(struct table *t, const ProtobufCMessage *item)
{
    char text[COMMAND_BYTES];
    session_format_command(text, (const Banger__V1__GuestSession *)item);
    table_cell(t, "%s", text);
}

/* What it is a run of: a hook of its VM, a service. */
static void cell_for(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__GuestSession *s = (const Banger__V1__GuestSession *)item;
    if (s->hook[0])
        table_cell(t, "%s hook", s->hook);
    else
        table_cell(t, "%s%s", s->service_id[0] ? "service " : "", s->service_id);
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"NAME", NULL, "name", false},
    {"VM", NULL, "vm_name", false},
    {"STATE", cell_state, "state", false},
    {"STDOUT", cell_stdout, "stdout_total", false},
    {"STDERR", cell_stderr, "stderr_total", false},
    {"TAGS", NULL, "spec.tags", true},
    {"USER", NULL, "spec.user", true},
    {"FOR", cell_for, "hook", false},
    {"CREATED", list_cell_created, "created", false},
    {"COMMAND", cell_command, "spec.argv", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "sessions",
    .method = "/banger.v1.GuestSessionService/ListSessions",
    .items = "sessions",
    .id = "id",
    .time = "created",
    .columns = columns,
};

enum { STATES = 16 };

/* "running" -> SESSION_STATE_RUNNING; -1 for no state. */
static int session_state_of_word(const char *word)
{
    char state[WORD_BYTES];
    const ProtobufCEnumDescriptor *type = &banger__v1__session_state__descriptor;
    for (unsigned i = 0; i < type->n_values; i++)
        if (*word && strcasecmp(enum_word(state, type, type->values[i].value), word) == 0)
            return type->values[i].value;
    return -1;
}

/* What the server is to look for; -1 with the error printed. */
static int session_list_states(const struct session_list_options *o,
                               Banger__V1__SessionState states[STATES])
{
    static const Banger__V1__SessionState running[] = {
        BANGER__V1__SESSION_STATE__SESSION_STATE_PENDING,
        BANGER__V1__SESSION_STATE__SESSION_STATE_STARTING,
        BANGER__V1__SESSION_STATE__SESSION_STATE_RUNNING,
        BANGER__V1__SESSION_STATE__SESSION_STATE_STOPPING};
    int n = 0;
    for (size_t i = 0; i < o->states.n; i++) {
        int state = session_state_of_word(o->states.items[i]);
        if (state < 0 || n == STATES) {
            cli_usage("--state: \"%.40s\" is no state of a session", o->states.items[i]);
            return -1;
        }
        states[n++] = (Banger__V1__SessionState)state;
    }
    for (size_t i = 0; o->running && n + 1 < STATES && i < sizeof(running) / sizeof(running[0]);
         i++)
        states[n++] = running[i];
    return n;
}

static int session_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_list_options *o = values;
    Banger__V1__SessionState states[STATES];
    Banger__V1__ListSessionsRequest request = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    int n = session_list_states(o, states);
    const char *vm = list_filter_value(&o->list, "vm");
    if (n < 0)
        return EXIT_BANGER;
    if (args->n_refs > 0)
        request.vm = args->refs[0];
    else if (vm)
        request.vm = (char *)vm;
    if (o->tag)
        request.tag = (char *)o->tag;
    request.states = states;
    request.n_states = (size_t)n;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    return list_run(cli, &view, &request.base, &o->list);
}

static const struct opt list_opts[] = {
    {"tag", 0, OPT_STRING, offsetof(struct session_list_options, tag), "TAG",
     "only sessions with this tag", NULL, NAMES_NONE},
    {"running", 'r', OPT_FLAG, offsetof(struct session_list_options, running), NULL,
     "only sessions that have not ended", NULL, NAMES_NONE},
    {"state", 's', OPT_LIST, offsetof(struct session_list_options, states), "STATE",
     "only sessions in this state; may be repeated", NULL, NAMES_NONE},
    LIST_OPTS,
    {.name = NULL},
};

const struct command session_list_command = {
    "list",
    "ls",
    "[VM]",
    "list sessions, of one VM or all",
    NULL,
    list_opts,
    sizeof(struct session_list_options),
    0,
    1,
    false,
    NAMES_VM,
    session_list,
};
