/* See list.h. Pages are merged in the first response: its repeated field is exchanged for ours
 * while it is printed. */
#include "list.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fields.h"
#include "when.h"

enum { LIST_PAGE = 200, LIST_COLUMNS = 32 };

struct list {
    const struct list_view *view;
    const struct list_options *options;
    long long since;          /* Unix seconds */
    uint64_t wanted;          /* items; UINT64_MAX: all */
    ProtobufCMessage **pages; /* owned */
    size_t n_pages;
    const ProtobufCMessage **items; /* owned; they are the pages' */
    size_t n_items, cap;
};

static void *list_member(const ProtobufCMessage *message, const char *name, bool quantifier)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (!field)
        return NULL;
    return (char *)(uintptr_t)message + (quantifier ? field->quantifier_offset : field->offset);
}

void list_cell_created(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    Google__Protobuf__Timestamp *const *at = list_member(item, "created", false);
    table_cell(t, "%s", format_age(text, timestamp_seconds(*at)));
}

bool list_parse_since(const char *text, long long *seconds)
{
    int64_t ns;
    if (!when_parse(text, &ns))
        return false;
    *seconds = (long long)(ns / 1000000000);
    return true;
}

/* ---- filters ---- */

/* A column's head, or a field's path, as text for free(); NULL: the items have no such thing. */
static char *list_value(const struct list_view *view, const ProtobufCMessage *item,
                        const char *name, size_t len)
{
    for (const struct list_column *c = view->columns; c->head; c++)
        if (c->field && strlen(c->head) == len && strncasecmp(c->head, name, len) == 0) {
            name = c->field;
            len = strlen(name);
            break;
        }
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    int rc = fields_write(out, item, name, len);
    if (fclose(out) == 0 && rc == 0)
        return text;
    free(text);
    return NULL;
}

/* 1, 0, or -1 with the error printed. */
static int list_matches_one(const struct list_view *view, const ProtobufCMessage *item,
                            const char *filter)
{
    size_t len = strcspn(filter, "=!");
    bool negated = filter[len] == '!' && filter[len + 1] == '=';
    if (len == 0 || !filter[len] || (filter[len] == '!' && !negated)) {
        cli_usage("--filter: \"%.60s\" is not FIELD=VALUE or FIELD!=VALUE", filter);
        return -1;
    }
    char *value = list_value(view, item, filter, len);
    if (!value) {
        cli_usage("--filter: %s have no \"%.*s\"; see -o json", view->what, (int)len, filter);
        return -1;
    }
    bool same = fnmatch(filter + len + 1 + negated, value, 0) == 0;
    free(value);
    return same != negated;
}

static int list_matches(const struct list *l, const ProtobufCMessage *item)
{
    int matches = 1;
    for (size_t i = 0; i < l->options->filters.n && matches == 1; i++)
        matches = list_matches_one(l->view, item, l->options->filters.items[i]);
    if (matches != 1 || !l->options->since)
        return matches;
    const void *at = list_member(item, l->view->time, false);
    return timestamp_seconds(*(Google__Protobuf__Timestamp *const *)at) >= l->since;
}

const char *list_filter_value(const struct list_options *options, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < options->filters.n; i++) {
        const char *filter = options->filters.items[i];
        if (strncasecmp(filter, name, len) == 0 && filter[len] == '=' &&
            !strpbrk(filter + len, "*?["))
            return filter + len + 1;
    }
    return NULL;
}

/* ---- pages ---- */

static int list_add_item(struct list *l, const ProtobufCMessage *item)
{
    if (l->n_items == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 128;
        void *items = reallocarray(l->items, cap, sizeof(*l->items));
        if (!items)
            return cli_usage("out of memory");
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n_items++] = item;
    return 0;
}

/* Takes the page. 0, or the exit status. */
static int list_add_page(struct list *l, ProtobufCMessage *page)
{
    ProtobufCMessage **pages = reallocarray(l->pages, l->n_pages + 1, sizeof(*pages));
    if (!pages) {
        banger_message_free(page);
        return cli_usage("out of memory");
    }
    l->pages = pages;
    l->pages[l->n_pages++] = page;
    ProtobufCMessage **items = *(ProtobufCMessage ***)list_member(page, l->view->items, false);
    size_t n = *(size_t *)list_member(page, l->view->items, true);
    for (size_t i = 0; i < n; i++) {
        int matches = list_matches(l, items[i]);
        if (matches < 0 || (matches > 0 && list_add_item(l, items[i]) != 0))
            return EXIT_BANGER;
    }
    return 0;
}

static bool list_next_by_token(ProtobufCMessage *request, const ProtobufCMessage *response)
{
    char **token = list_member(request, "page_token", false);
    char *const *next = list_member(response, "next_page_token", false);
    if (!token || !next || !**next)
        return false;
    *token = *next; /* the page lives as long as the list */
    return true;
}

static int list_load(struct cli *cli, struct list *l, ProtobufCMessage *request)
{
    struct banger_error error;
    uint32_t *size = list_member(request, "page_size", false);
    bool (*next)(ProtobufCMessage *, const ProtobufCMessage *) =
        l->view->next ? l->view->next : list_next_by_token;
    bool more = true;
    if (size)
        *size = LIST_PAGE;
    while (more) {
        ProtobufCMessage *page = banger_invoke(cli->client, l->view->method, request, NULL, &error);
        if (!page)
            return cli_fail(&error, "list %s", l->view->what);
        if (list_add_page(l, page) != 0)
            return EXIT_BANGER;
        more = next(request, page) && !(l->view->latest_first && l->n_items >= l->wanted);
    }
    return 0;
}

/* Keeps the latest. */
static void list_cut(struct list *l)
{
    if (l->n_items <= l->wanted)
        return;
    if (!l->view->latest_first)
        memmove(l->items, l->items + (l->n_items - l->wanted), l->wanted * sizeof(*l->items));
    l->n_items = l->wanted;
}

/* ---- printing ---- */

static int list_print_document(struct cli *cli, struct list *l)
{
    ProtobufCMessage *first = l->pages[0];
    void **items = list_member(first, l->view->items, false);
    size_t *n = list_member(first, l->view->items, true);
    char **token = list_member(first, "next_page_token", false);
    void *own_items = *items;
    size_t own_n = *n;
    char *own_token = token ? *token : NULL;
    *items = l->items;
    *n = l->n_items;
    if (token)
        *token = (char *)"";
    int status = cli_print_message(cli, first);
    *items = own_items;
    *n = own_n;
    if (token)
        *token = own_token;
    return status;
}

static int list_print_ids(struct cli *cli, const struct list *l)
{
    for (size_t i = 0; i < l->n_items; i++) {
        if (fields_write(stdout, l->items[i], l->view->id, strlen(l->view->id)) < 0)
            return cli_usage("%s have no %s", l->view->what, l->view->id);
        putchar('\n');
    }
    return cli_end_output(cli);
}

static int list_print_formatted(struct cli *cli, const struct list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        if (cli_print_formatted(cli, l->items[i]) != 0)
            return EXIT_BANGER;
    return cli_end_output(cli);
}

/* Chosen columns: those of the view, or fields. Heads are in text. */
struct list_choice {
    struct list_column columns[LIST_COLUMNS];
    size_t n;
    char *text; /* owned: copies of the names given */
};

static const struct list_column *list_find_column(const struct list_view *view, const char *name)
{
    for (const struct list_column *c = view->columns; c->head; c++)
        if (strcasecmp(c->head, name) == 0)
            return c;
    return NULL;
}

static int list_choose(struct list_choice *choice, const struct list_view *view, const char *names)
{
    *choice = (struct list_choice){0};
    for (const struct list_column *c = view->columns; !names && c->head; c++)
        if (!c->extra)
            choice->columns[choice->n++] = *c;
    if (!names)
        return 0;
    choice->text = strdup(names);
    char *at = choice->text, *name;
    while (at && (name = strsep(&at, ","))) {
        const struct list_column *c = list_find_column(view, name);
        if (choice->n == LIST_COLUMNS || !*name)
            return cli_usage("--columns: \"%.80s\" are no columns", names);
        choice->columns[choice->n++] = c ? *c : (struct list_column){.head = name, .field = name};
    }
    return choice->text ? 0 : cli_usage("out of memory");
}

static int list_fill(struct table *t, const struct list *l, const struct list_choice *choice)
{
    for (size_t i = 0; i < l->n_items; i++)
        for (size_t c = 0; c < choice->n; c++) {
            const struct list_column *column = &choice->columns[c];
            if (column->cell) {
                column->cell(t, l->items[i]);
                continue;
            }
            char *text = list_value(l->view, l->items[i], column->field, strlen(column->field));
            if (!text)
                return cli_usage("--columns: %s have no \"%.60s\"; see -o json", l->view->what,
                                 column->head);
            table_cell(t, "%s", text);
            free(text);
        }
    return 0;
}

static int list_print_table(struct cli *cli, const struct list *l)
{
    struct list_choice choice;
    struct table t;
    int status = list_choose(&choice, l->view, l->options->columns);
    table_init(&t, "");
    for (size_t c = 0; c < choice.n; c++)
        table_head(&t, choice.columns[c].head);
    if (status == 0)
        status = list_fill(&t, l, &choice);
    if (status == 0)
        status = cli_print_table(cli, &t);
    else
        table_done(&t);
    free(choice.text);
    return status;
}

static int list_print(struct cli *cli, struct list *l)
{
    if (cli->options.quiet)
        return list_print_ids(cli, l);
    if (cli->options.format)
        return list_print_formatted(cli, l);
    return cli_is_table(cli) ? list_print_table(cli, l) : list_print_document(cli, l);
}

static int list_begin(struct list *l)
{
    const struct list_options *o = l->options;
    l->wanted = l->view->last ? l->view->last : UINT64_MAX;
    if (o->since)
        l->wanted = UINT64_MAX;
    if (o->last.given)
        l->wanted = o->last.value;
    if (o->since && !l->view->time)
        return cli_usage("--since: %s have no time", l->view->what);
    if (o->since && !list_parse_since(o->since, &l->since))
        return cli_usage("--since: \"%.40s\" is neither a duration such as 10m nor a time such as "
                         "\"2026-01-31 12:00:00\"",
                         o->since);
    return 0;
}

int list_run(struct cli *cli, const struct list_view *view, ProtobufCMessage *request,
             const struct list_options *options)
{
    struct list l = {.view = view, .options = options};
    int status = list_begin(&l);
    if (status == 0)
        status = list_load(cli, &l, request);
    if (status == 0) {
        list_cut(&l);
        status = list_print(cli, &l);
    }
    for (size_t i = 0; i < l.n_pages; i++)
        banger_message_free(l.pages[i]);
    free(l.pages);
    free(l.items);
    return status;
}
