/* vm stats: what VMs use, once or again and again. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "table.h"
#include "vm.h"

enum { STATS_INTERVAL_MS = 1000, STATS_LEAST_MS = 100 };

struct vm_stats_options {
    bool follow;
    struct opt_number interval;
};

/* Of one VM, from one look to the next. */
struct stats_of {
    char ref[64];
    uint64_t cpu_ns;
    long long at_ms; /* 0: not yet looked at */
};

struct stats_round {
    struct stats_of *vms; /* owned */
    size_t n;
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int stats_add(struct stats_round *r, const char *ref)
{
    struct stats_of *vms = reallocarray(r->vms, r->n + 1, sizeof(*vms));
    if (!vms)
        return cli_usage("out of memory");
    r->vms = vms;
    r->vms[r->n] = (struct stats_of){.at_ms = 0};
    snprintf(r->vms[r->n++].ref, sizeof(r->vms->ref), "%s", ref);
    return 0;
}

/* Those that run, where none were named. Keeps what is known of them from before. */
static int stats_list(struct cli *cli, struct stats_round *r)
{
    struct banger_error error;
    Banger__V1__VMState running[] = {BANGER__V1__VMSTATE__VM_STATE_RUNNING};
    Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
    struct stats_round now = {0};
    int status = 0;
    request.states = running;
    request.n_states = 1;
    request.page_size = 1000;
    Banger__V1__ListVMsResponse *list = banger_list_vms(cli->client, &request, NULL, &error);
    if (!list)
        return cli_fail(&error, "list VMs");
    for (size_t i = 0; i < list->n_vms && status == 0; i++) {
        status = stats_add(&now, list->vms[i]->id);
        for (size_t k = 0; k < r->n && status == 0; k++)
            if (strcmp(r->vms[k].ref, now.vms[i].ref) == 0)
                now.vms[i] = r->vms[k];
    }
    FREE_MESSAGE(list);
    free(r->vms);
    *r = now;
    return status;
}

/* Percent of one CPU since the last look, or since the start. */
static double stats_percent(struct stats_of *of, const Banger__V1__VMStats *s)
{
    long long now = now_ms(), since = of->at_ms ? now - of->at_ms : (long long)s->uptime_ms;
    uint64_t used = of->at_ms && s->cpu_ns >= of->cpu_ns ? s->cpu_ns - of->cpu_ns : s->cpu_ns;
    of->cpu_ns = s->cpu_ns;
    of->at_ms = now;
    return since > 0 ? (double)used / ((double)since * 1e6) * 100 : 0;
}

static void stats_row(struct table *t, struct stats_of *of, const Banger__V1__VMStats *s)
{
    char a[FORMAT_BYTES];
    table_cell(t, "%s", s->vm_name[0] ? s->vm_name : of->ref);
    table_cell(t, "%.1f%%", stats_percent(of, s));
    table_cell(t, "%.2fs", (double)s->cpu_ns / 1e9);
    table_cell(t, "%s", format_size(a, s->memory_rss_bytes));
    table_cell(t, "%s", format_size(a, s->disk_read_bytes));
    table_cell(t, "%s", format_size(a, s->disk_written_bytes));
    table_cell(t, "%s", format_size(a, s->network_received_bytes));
    table_cell(t, "%s", format_size(a, s->network_sent_bytes));
    table_cell(t, "%.1fs", (double)s->uptime_ms / 1000);
}

/* One look at all. follow: VMs that are gone are left out. */
static int stats_look(struct cli *cli, struct stats_round *r, bool follow)
{
    struct table t;
    int status = 0;
    table_init(&t, "NAME|CPU|CPU TIME|MEMORY|READ|WRITTEN|RECEIVED|SENT|UP");
    for (size_t i = 0; i < r->n; i++) {
        struct banger_error error;
        Banger__V1__GetVMStatsRequest request = BANGER__V1__GET_VMSTATS_REQUEST__INIT;
        request.vm = r->vms[i].ref;
        Banger__V1__VMStats *s = banger_get_vm_stats(cli->client, &request, NULL, &error);
        if (!s && !(follow && error.code == BANGER_NOT_FOUND))
            status = cli_fail(&error, "stats of %s", r->vms[i].ref);
        if (s && cli_is_table(cli))
            stats_row(&t, &r->vms[i], s);
        else if (s && (follow ? cli_print_line(cli, &s->base) : cli_print_message(cli, &s->base)))
            status = EXIT_BANGER;
        FREE_MESSAGE(s);
    }
    if (!cli_is_table(cli)) {
        table_done(&t);
        return status;
    }
    if (follow && isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    int printed = cli_print_table(cli, &t);
    return printed ? printed : status;
}

static int vm_stats(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_stats_options *o = values;
    uint64_t interval = o->interval.given ? o->interval.value : STATS_INTERVAL_MS;
    struct stats_round round = {0};
    int status = 0;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    for (int i = 0; i < args->n_refs && status == 0; i++)
        status = stats_add(&round, args->refs[i]);
    if (interval < STATS_LEAST_MS)
        interval = STATS_LEAST_MS;
    do {
        if (args->n_refs == 0 && status == 0)
            status = stats_list(cli, &round);
        if (status == 0)
            status = stats_look(cli, &round, o->follow);
    } while (o->follow && status == 0 &&
             poll(NULL, 0, interval > INT32_MAX ? INT32_MAX : (int)interval) == 0);
    free(round.vms);
    return status;
}

static const struct opt stats_opts[] = {
    {"follow", 'f', OPT_FLAG, offsetof(struct vm_stats_options, follow), NULL,
     "look again and again", NULL, NAMES_NONE},
    {"interval", 0, OPT_DURATION, offsetof(struct vm_stats_options, interval), "TIME",
     "between two looks (default 1s)", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_stats_command = {
    "stats",
    NULL,
    "[VM...]",
    "show what VMs use: those named, or all that run",
    "CPU is that since the last look, of one CPU; at the first since the VM's start.",
    stats_opts,
    sizeof(struct vm_stats_options),
    0,
    -1,
    false,
    NAMES_VM,
    vm_stats,
};
