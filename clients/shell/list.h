/* Lists: pages put together, filters, columns, and every form of output, for all list commands. A
 * command says what a list is of with a const table, fills in the request, and calls list_run. */
#ifndef BANGER_SHELL_LIST_H
#define BANGER_SHELL_LIST_H

#include "cli.h"
#include "table.h"

struct list_options {
    struct opt_list filters;
    const char *columns, *since;
    struct opt_number last;
};

/* Rows for a table whose struct begins with a struct list_options. */
#define LIST_OPTS                                                                                  \
    {                                                                                              \
        "filter",                                                                                  \
        0,                                                                                         \
        OPT_LIST,                                                                                  \
        offsetof(struct list_options, filters),                                                    \
        "FIELD=VALUE",                                                                             \
        "only those whose field, as -o json has it, is that; != and * too; repeatable",            \
        NULL,                                                                                      \
        NAMES_NONE},                                                                               \
        {"columns",     0,                                                                         \
         OPT_STRING,    offsetof(struct list_options, columns),                                    \
         "HEAD[,HEAD]", "columns of the table, or fields as -o json has them",                     \
         NULL,          NAMES_NONE},                                                               \
        {"since",    0,                                                                            \
         OPT_STRING, offsetof(struct list_options, since),                                         \
         "TIME",     "only those that began later: 10m ago, or since \"2026-01-31 12:00:00\"",     \
         NULL,       NAMES_NONE},                                                                  \
    {                                                                                              \
        "last", 'n', OPT_COUNT, offsetof(struct list_options, last), "N", "only the latest N",     \
            NULL, NAMES_NONE                                                                       \
    }

struct list_column {
    const char *head;
    /* Adds one cell. NULL: the text of field. */
    void (*cell)(struct table *t, const ProtobufCMessage *item);
    const char *field;
    bool extra; /* only where --columns asks for it */
};

struct list_view {
    const char *what;                  /* "VMs", for messages */
    const char *method;                /* path of a unary method with pages */
    const char *items;                 /* repeated field of its response */
    const char *id;                    /* field of an item, for -q */
    const char *time;                  /* field of an item, for --since; NULL: there is none */
    const struct list_column *columns; /* ends with a NULL head */
    bool latest_first;
    unsigned last; /* how many are listed without --last; 0: all */
    /* Makes request that of the next page; false: that was the last. NULL: by page_token. */
    bool (*next)(ProtobufCMessage *request, const ProtobufCMessage *response);
};

/* A cell with how long ago the item's "created" was. */
void list_cell_created(struct table *t, const ProtobufCMessage *item);
/* request: of the method, filled in but for pages. The exit status. */
int list_run(struct cli *cli, const struct list_view *view, ProtobufCMessage *request,
             const struct list_options *options);
/* Value of the filter "name=…", or NULL: for what the server can filter by itself. */
const char *list_filter_value(const struct list_options *options, const char *name);
/* "10m" (ago) or a local time, as Unix seconds; false: neither. */
bool list_parse_since(const char *text, long long *seconds);

#endif
