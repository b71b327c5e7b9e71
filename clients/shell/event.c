/* The event noun. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "list.h"
#include "nouns.h"

struct event_options {
    struct list_options list;
    struct opt_list kinds;
    const char *epoch;
    struct opt_number after;
};

enum { EVENT_LAST = 100, WHEN_BYTES = 40 };

static const char *event_when(const Banger__V1__Event *e, char when[WHEN_BYTES])
{
    time_t seconds = (time_t)timestamp_seconds(e->time);
    struct tm tm;
    when[0] = '\0';
    if (e->time && localtime_r(&seconds, &tm))
        strftime(when, WHEN_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
    return when;
}

static int event_print(struct cli *cli, const Banger__V1__Event *e)
{
    char when[WHEN_BYTES];
    if (!cli_is_table(cli))
        return cli_print_line(cli, &e->base);
    cli_say(stdout, "%s  %llu  %s  %s  %s", event_when(e, when), (unsigned long long)e->seq,
            e->kind, e->resource, e->detail);
    return cli_end_output(cli);
}

static void cell_time(struct table *t, const ProtobufCMessage *item)
{
    char when[WHEN_BYTES];
    table_cell(t, "%s", event_when((const Banger__V1__Event *)item, when));
}

static const struct list_column columns[] = {
    {"TIME", cell_time, "time", false},
    {"SEQ", NULL, "seq", false},
    {"KIND", NULL, "kind", false},
    {"RESOURCE", NULL, "resource", false},
    {"DETAIL", NULL, "detail", false},
    {"OPERATION", NULL, "operation_id", true},
    {.head = NULL},
};

/* Pages of events go on behind their last one. */
static bool event_next_page(ProtobufCMessage *request, const ProtobufCMessage *response)
{
    const Banger__V1__ListEventsResponse *page = (const Banger__V1__ListEventsResponse *)response;
    if (page->n_events == 0)
        return false;
    uint64_t seq = page->events[page->n_events - 1]->seq;
    ((Banger__V1__ListEventsRequest *)request)->after_seq = seq;
    return seq < page->last_seq;
}

static const struct list_view view = {
    .what = "events",
    .method = "/banger.v1.EventService/ListEvents",
    .items = "events",
    .id = "seq",
    .time = "time",
    .columns = columns,
    .last = EVENT_LAST,
    .next = event_next_page,
};

/* The sequence number behind which the latest n events are. */
static uint64_t event_before_latest(struct cli *cli, uint64_t n)
{
    Banger__V1__ListEventsRequest request = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    request.page_size = 1;
    Banger__V1__ListEventsResponse *list = banger_list_events(cli->client, &request, NULL, NULL);
    uint64_t last = list ? list->last_seq : 0;
    FREE_MESSAGE(list);
    return last > n ? last - n : 0;
}

static int event_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct event_options *o = values;
    const char *resource = list_filter_value(&o->list, "resource");
    Banger__V1__ListEventsRequest request = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    if (args->n_refs > 0)
        request.resource = args->refs[0];
    else if (resource)
        request.resource = (char *)resource;
    request.after_seq = o->after.value;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    /* Where none is left out, the latest are known by their numbers. */
    if (!o->after.given && !*request.resource && o->list.filters.n == 0 && !o->list.since)
        request.after_seq =
            event_before_latest(cli, o->list.last.given ? o->list.last.value : EVENT_LAST);
    struct event_options with = *o;
    if (o->after.given && !o->list.last.given)
        with.list.last = (struct opt_number){.value = UINT64_MAX, .given = true};
    return list_run(cli, &view, &request.base, &with.list);
}

/* One document a line with -o json, so that a reader need not wait for the end. */
static int event_print_watched(struct cli *cli, const Banger__V1__WatchEventsResponse *message)
{
    bool gap = message->kind_case == BANGER__V1__WATCH_EVENTS_RESPONSE__KIND_GAP;
    if (gap) {
        fprintf(stderr, "banger: events %llu to %llu are gone: list again\n",
                (unsigned long long)message->gap->from,
                (unsigned long long)(message->gap->to ? message->gap->to - 1 : 0));
        return 0;
    }
    if (message->kind_case != BANGER__V1__WATCH_EVENTS_RESPONSE__KIND_EVENT)
        return 0;
    return event_print(cli, message->event);
}

static int event_watch(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct event_options *o = values;
    struct banger_error error;
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    if (args->n_refs > 0)
        request.resource = args->refs[0];
    if (o->epoch)
        request.epoch = (char *)o->epoch;
    request.after_seq = o->after.value;
    request.kinds = (char **)o->kinds.items;
    request.n_kinds = o->kinds.n;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_stream *stream = banger_stream_open(
        cli->client, "/banger.v1.EventService/WatchEvents", &request.base, NULL, &error);
    if (!stream)
        return cli_fail(&error, "watch events");
    int status = 0;
    ProtobufCMessage *message;
    enum banger_next next;
    while (status == 0 &&
           (next = banger_stream_next(stream, -1, &message, &error)) != BANGER_NEXT_END) {
        status = next == BANGER_NEXT_ERROR
                     ? cli_fail(&error, "watch events")
                     : event_print_watched(cli, (const Banger__V1__WatchEventsResponse *)message);
        banger_message_free(message);
    }
    banger_stream_close(stream);
    return status;
}

static const struct opt list_opts[] = {
    {"after", 0, OPT_COUNT, offsetof(struct event_options, after), "SEQ", "only later ones", NULL,
     NAMES_NONE},
    LIST_OPTS,
    {.name = NULL},
};

static const struct opt watch_opts[] = {
    {"kind", 'k', OPT_LIST, offsetof(struct event_options, kinds), "KIND",
     "only this kind, such as vm.state; may be repeated", NULL, NAMES_NONE},
    {"after", 0, OPT_COUNT, offsetof(struct event_options, after), "SEQ",
     "go on after this event; needs --epoch", NULL, NAMES_NONE},
    {"epoch", 0, OPT_STRING, offsetof(struct event_options, epoch), "EPOCH",
     "the epoch that SEQ is of", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct command rows[] = {
    {"list", "ls", "[RESOURCE]", "list what happened",
     "The latest 100 unless --after, --since or --last says otherwise. RESOURCE is such as vm/ID.",
     list_opts, sizeof(struct event_options), 0, 1, false, NAMES_NONE, event_list},
    {"watch", NULL, "[RESOURCE]", "print what happens, as it happens", NULL, watch_opts,
     sizeof(struct event_options), 0, 1, false, NAMES_NONE, event_watch},
};
static const struct command *const event_commands[] = {&rows[0], &rows[1], NULL};
const struct noun event_noun = {"event", "what happened, in order", event_commands};
