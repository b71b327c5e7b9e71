/* See session_table.h. */
#include "session_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

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
    const char *tag;
    bool running;
};

/* All pages in one response. */
struct session_pages {
    Banger__V1__ListSessionsResponse all;
    Banger__V1__ListSessionsResponse **pages; /* owned */
    size_t n;
};

static void session_pages_done(struct session_pages *p)
{
    for (size_t i = 0; i < p->n; i++)
        FREE_MESSAGE(p->pages[i]);
    free(p->pages);
    free(p->all.sessions);
}

static int session_pages_add(struct session_pages *p, Banger__V1__ListSessionsResponse *page)
{
    void *pages = reallocarray(p->pages, p->n + 1, sizeof(*p->pages));
    p->pages = pages ? pages : p->pages;
    size_t n = p->all.n_sessions + page->n_sessions + 1;
    void *sessions = reallocarray(p->all.sessions, n, sizeof(*p->all.sessions));
    p->all.sessions = sessions ? sessions : p->all.sessions;
    if (!pages || !sessions) {
        FREE_MESSAGE(page);
        return -1;
    }
    p->pages[p->n++] = page;
    for (size_t i = 0; i < page->n_sessions; i++)
        p->all.sessions[p->all.n_sessions++] = page->sessions[i];
    return 0;
}

static int session_pages_load(struct cli *cli, Banger__V1__ListSessionsRequest *request,
                              struct session_pages *p)
{
    struct banger_error error;
    *p = (struct session_pages){.all = BANGER__V1__LIST_SESSIONS_RESPONSE__INIT};
    do {
        Banger__V1__ListSessionsResponse *page =
            banger_list_sessions(cli->client, request, NULL, &error);
        if (!page)
            return cli_fail(&error, "list sessions");
        if (session_pages_add(p, page) < 0)
            return cli_usage("out of memory");
        request->page_token = page->next_page_token;
    } while (*request->page_token);
    return 0;
}

static int session_list_print(struct cli *cli, const Banger__V1__ListSessionsResponse *list)
{
    if (!cli_is_table(cli) && !cli->options.quiet)
        return cli_print_message(cli, &list->base);
    struct table t;
    table_init(&t, "ID|NAME|VM|STATE|STDOUT|STDERR|CREATED|COMMAND");
    for (size_t i = 0; i < list->n_sessions; i++) {
        const Banger__V1__GuestSession *s = list->sessions[i];
        char state[END_BYTES], command[COMMAND_BYTES], a[FORMAT_BYTES];
        if (cli->options.quiet) {
            puts(s->id);
            continue;
        }
        session_format_state(state, s);
        session_format_command(command, s);
        table_cell(&t, "%s", s->id);
        table_cell(&t, "%s", s->name);
        table_cell(&t, "%s", s->vm_name);
        table_cell(&t, "%s", state);
        table_cell(&t, "%s", format_size(a, s->stdout_total));
        table_cell(&t, "%s", format_size(a, s->stderr_total));
        table_cell(&t, "%s", format_age(a, timestamp_seconds(s->created)));
        table_cell(&t, "%s", command);
    }
    if (!cli->options.quiet)
        return cli_print_table(&t);
    table_done(&t);
    return cli_end_output(cli);
}

static int session_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_list_options *o = values;
    Banger__V1__SessionState running[] = {BANGER__V1__SESSION_STATE__SESSION_STATE_PENDING,
                                          BANGER__V1__SESSION_STATE__SESSION_STATE_STARTING,
                                          BANGER__V1__SESSION_STATE__SESSION_STATE_RUNNING,
                                          BANGER__V1__SESSION_STATE__SESSION_STATE_STOPPING};
    Banger__V1__ListSessionsRequest request = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    if (args->n_refs > 0)
        request.vm = args->refs[0];
    if (o->tag)
        request.tag = (char *)o->tag;
    request.states = running;
    request.n_states = o->running ? sizeof(running) / sizeof(running[0]) : 0;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct session_pages pages;
    int status = session_pages_load(cli, &request, &pages);
    if (status == 0)
        status = session_list_print(cli, &pages.all);
    session_pages_done(&pages);
    return status;
}

static const struct opt list_opts[] = {
    {"tag", 0, OPT_STRING, offsetof(struct session_list_options, tag), "TAG",
     "only sessions with this tag", NULL, NAMES_NONE},
    {"running", 'r', OPT_FLAG, offsetof(struct session_list_options, running), NULL,
     "only sessions that have not ended", NULL, NAMES_NONE},
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
