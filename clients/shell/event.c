/* The event noun. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <banger/json.h>

#include "nouns.h"
#include "table.h"

struct event_options {
    struct opt_list kinds;
    const char *epoch;
    struct opt_number after, limit;
};

static void event_print_line(const Banger__V1__Event *e)
{
    char when[40] = "-";
    time_t seconds = (time_t)timestamp_seconds(e->time);
    struct tm tm;
    if (e->time && localtime_r(&seconds, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s  %llu  %s  %s  %s\n", when, (unsigned long long)e->seq, e->kind, e->resource,
           e->detail);
}

static int event_print(struct cli *cli, const Banger__V1__Event *event)
{
    if (!cli_is_table(cli))
        return cli_print_message(cli, &event->base);
    event_print_line(event);
    return cli_end_output(cli);
}

/* The sequence number behind which the latest n events are. */
static uint64_t event_before_latest(struct cli *cli, uint32_t n)
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
    struct banger_error error;
    Banger__V1__ListEventsRequest request = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    if (args->n_refs > 0)
        request.resource = args->refs[0];
    request.after_seq = o->after.value;
    request.page_size = o->limit.given && o->limit.value <= 1000 ? (uint32_t)o->limit.value : 100;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    if (!o->after.given && args->n_refs == 0)
        request.after_seq = event_before_latest(cli, request.page_size);
    Banger__V1__ListEventsResponse *list = banger_list_events(cli->client, &request, NULL, &error);
    if (!list)
        return cli_fail(&error, "list events");
    int status = 0;
    if (!cli_is_table(cli))
        status = cli_print_message(cli, &list->base);
    else
        for (size_t i = 0; i < list->n_events; i++)
            event_print_line(list->events[i]);
    FREE_MESSAGE(list);
    return status ? status : cli_end_output(cli);
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
    {"limit", 'n', OPT_COUNT, offsetof(struct event_options, limit), "N",
     "the latest so many (default 100, at most 1000)", NULL, NAMES_NONE},
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
    {"list", "ls", "[RESOURCE]", "list what happened", "RESOURCE is such as vm/ID.", list_opts,
     sizeof(struct event_options), 0, 1, false, NAMES_NONE, event_list},
    {"watch", NULL, "[RESOURCE]", "print what happens, as it happens", NULL, watch_opts,
     sizeof(struct event_options), 0, 1, false, NAMES_NONE, event_watch},
};
static const struct command *const event_commands[] = {&rows[0], &rows[1], NULL};
const struct noun event_noun = {"event", "what happened, in order", event_commands};
