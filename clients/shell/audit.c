/* banger auth audit: who did what on the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "list.h"
#include "nouns.h"

struct audit_values {
    bool follow;
    struct opt_number after, last;
    const char *principal, *method, *since;
};

/* Where a line goes; following, it is out at once. */
struct audit_output {
    struct cli *cli;
    struct table *table; /* NULL: none */
    bool follow;
    long long since;         /* Unix seconds; 0: all */
    uint64_t last;           /* entries to keep */
    ProtobufCMessage **kept; /* the latest, as a ring; NULL: printed as they come */
    uint64_t n_seen;         /* of them */
};

enum { WHEN_BYTES = 24, RESULT_BYTES = 48, AUDIT_LAST = 100000 };

/* The methods of banger's own services without what they all begin with. */
static const char *short_method(const char *path)
{
    static const char own[] = "/banger.v1.";
    return strncmp(path, own, sizeof(own) - 1) == 0 ? path + sizeof(own) - 1 : path;
}

static void audit_texts(const Banger__V1__AuditEntry *e, char when[WHEN_BYTES],
                        char result[RESULT_BYTES])
{
    time_t seconds = (time_t)timestamp_seconds(e->time);
    struct tm tm;
    when[0] = '\0';
    if (localtime_r(&seconds, &tm))
        strftime(when, WHEN_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(result, RESULT_BYTES, "%s", banger_code_name((enum banger_code)e->code));
    if (e->begun)
        snprintf(result, RESULT_BYTES, "begun");
    else if (e->suppressed)
        snprintf(result, RESULT_BYTES, "%s (and %u more)",
                 banger_code_name((enum banger_code)e->code), e->suppressed);
}

static void audit_row(struct table *t, const Banger__V1__AuditEntry *e)
{
    char when[WHEN_BYTES], result[RESULT_BYTES], role[WORD_BYTES];
    audit_texts(e, when, result);
    table_cell(t, "%llu", (unsigned long long)e->seq);
    table_cell(t, "%s", when);
    table_cell(t, "%s", e->principal);
    table_cell(t, "%s", enum_word(role, &banger__v1__role__descriptor, (int)e->role));
    table_cell(t, "%s", e->address);
    table_cell(t, "%s", short_method(e->method));
    table_cell(t, "%s", e->resource);
    table_cell(t, "%s", result);
    table_cell(t, "%s", e->operation_id);
}

static const char heads[] = "SEQ|TIME|PRINCIPAL|ROLE|FROM|METHOD|RESOURCE|RESULT|OPERATION";

static int audit_print(const struct audit_output *o, const Banger__V1__AuditEntry *e)
{
    if (!o->table)
        return cli_print_line(o->cli, &e->base);
    audit_row(o->table, e);
    return 0;
}

/* A table of its own for each, without heads: columns line up as far as they can. */
static int audit_print_followed(const struct audit_output *o, const Banger__V1__AuditEntry *e)
{
    char when[WHEN_BYTES], result[RESULT_BYTES];
    if (!cli_is_table(o->cli))
        return cli_print_line(o->cli, &e->base);
    audit_texts(e, when, result);
    cli_say(stdout, "%-6llu  %s  %-12s  %-22s  %-32s  %-20s  %s  %s", (unsigned long long)e->seq,
            when, e->principal, e->address, short_method(e->method),
            *e->resource ? e->resource : "-", result, e->operation_id);
    return cli_end_output(o->cli);
}

static int audit_print_one(const struct audit_output *o, const Banger__V1__AuditEntry *entry)
{
    return o->follow ? audit_print_followed(o, entry) : audit_print(o, entry);
}

/* Keeps the message; the one that goes for it. */
static ProtobufCMessage *audit_keep(struct audit_output *o, ProtobufCMessage *message)
{
    if (o->last == 0)
        return message;
    ProtobufCMessage **place = &o->kept[o->n_seen++ % o->last], *old = *place;
    *place = message;
    return old;
}

/* Prints what was kept, and frees it. */
static int audit_print_kept(struct audit_output *o)
{
    int status = 0;
    for (uint64_t i = 0; i < o->last; i++) {
        ProtobufCMessage *m = o->kept[(o->n_seen + i) % o->last];
        if (m && status == 0)
            status = audit_print_one(o, (const Banger__V1__AuditEntry *)m);
        banger_message_free(m);
    }
    free(o->kept);
    o->kept = NULL;
    return status;
}

static int audit_stream(struct audit_output *o, const Banger__V1__ReadAuditLogRequest *request)
{
    struct banger_error error;
    ProtobufCMessage *message;
    enum banger_next next;
    int status = 0;
    struct banger_stream *stream = banger_stream_open(
        o->cli->client, "/banger.v1.AuthService/ReadAuditLog", &request->base, NULL, &error);
    if (!stream)
        return cli_fail(&error, "read the audit log");
    while (status == 0 &&
           (next = banger_stream_next(stream, -1, &message, &error)) != BANGER_NEXT_END) {
        const Banger__V1__AuditEntry *entry = (const Banger__V1__AuditEntry *)message;
        if (next == BANGER_NEXT_ERROR)
            status = cli_fail(&error, "read the audit log");
        else if (timestamp_seconds(entry->time) < o->since)
            status = 0;
        else if (o->kept)
            message = audit_keep(o, message);
        else
            status = audit_print_one(o, entry);
        banger_message_free(message);
    }
    banger_stream_close(stream);
    return status;
}

static int auth_audit(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    const struct audit_values *v = values;
    struct table t;
    struct audit_output o = {.cli = cli, .follow = v->follow};
    Banger__V1__ReadAuditLogRequest request = BANGER__V1__READ_AUDIT_LOG_REQUEST__INIT;
    request.follow = v->follow;
    request.after_seq = v->after.value;
    request.principal = (char *)(v->principal ? v->principal : "");
    request.method = (char *)(v->method ? v->method : "");
    if (v->since && !list_parse_since(v->since, &o.since))
        return cli_usage("--since: \"%.40s\" is neither a duration nor a time", v->since);
    if (v->last.given && (v->follow || v->last.value > AUDIT_LAST))
        return cli_usage(v->follow ? "--last and --follow do not go together; --since does"
                                   : "--last: at most 100000");
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    o.last = v->last.value;
    if (v->last.given && !(o.kept = calloc(o.last + 1, sizeof(*o.kept))))
        return cli_usage("out of memory");
    if (cli_is_table(cli) && !v->follow) {
        table_init(&t, heads);
        o.table = &t;
    }
    int status = audit_stream(&o, &request);
    if (o.kept && audit_print_kept(&o) != 0 && status == 0)
        status = EXIT_BANGER;
    if (!o.table)
        return status ? status : cli_end_output(cli);
    if (status == 0)
        return cli_print_table(cli, &t);
    table_done(&t);
    return status;
}

static const struct opt audit_opts[] = {
    {"follow", 'f', OPT_FLAG, offsetof(struct audit_values, follow), NULL,
     "go on with what is done from now on", NULL, NAMES_NONE},
    {"after", 0, OPT_COUNT, offsetof(struct audit_values, after), "SEQ", "only later entries", NULL,
     NAMES_NONE},
    {"last", 'n', OPT_COUNT, offsetof(struct audit_values, last), "N", "only the latest N", NULL,
     NAMES_NONE},
    {"since", 0, OPT_STRING, offsetof(struct audit_values, since), "TIME",
     "only later ones: 10m ago, or since \"2026-01-31 12:00:00\"", NULL, NAMES_NONE},
    {"principal", 0, OPT_STRING, offsetof(struct audit_values, principal), "NAME",
     "only what NAME did", NULL, NAMES_NONE},
    {"method", 0, OPT_STRING, offsetof(struct audit_values, method), "NAME",
     "only methods that begin so: CreateVM, banger.v1.VMService/", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command auth_audit_command = {
    "audit",
    NULL,
    "",
    "show who did what: what changed something, and what was denied",
    "With -o json a document a line.",
    audit_opts,
    sizeof(struct audit_values),
    0,
    0,
    false,
    NAMES_NONE,
    auth_audit,
};
