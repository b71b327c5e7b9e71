/* vm cp: files and folders between here, guests and standard streams; see cp.h. A loss of the
 * connection or of the daemon is gone on from where the sink is. */
#include "cp.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest_path.h"
#include "stream.h"
#include "vm.h"

enum {
    CP_AGAIN_MS = 60 * 1000, /* without getting on */
    CP_PAUSE_MS = 500,
    CP_SHOWN_MS = 200,
};

struct cp {
    struct cli *cli;
    struct cp_plan *plan;
    struct tar_place place; /* what has arrived */
    uint64_t files, bytes;  /* of earlier attempts */
    long long shown_ms, moved_ms, began_ms;
    bool shows, drawn;
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void show(struct cp *c, const struct cp_sink *sink)
{
    long long now = now_ms();
    if (!c->shows || now - c->shown_ms < CP_SHOWN_MS)
        return;
    double bytes = (double)(c->bytes + sink->bytes), seconds = (double)(now - c->began_ms) / 1000;
    c->shown_ms = now;
    c->drawn = true;
    fprintf(stderr, "\r%llu files, %.1f MiB, %.1f MiB/s\033[K",
            (unsigned long long)c->files + sink->files, bytes / 1048576,
            bytes / 1048576 / (seconds > 0.1 ? seconds : 0.1));
}

static void hide(struct cp *c)
{
    if (c->drawn)
        fprintf(stderr, "\r\033[K");
    c->drawn = false;
}

/* It may go on: nothing of what was read or written was wrong, and it can be read once more. */
static bool may_go_on(const struct cp *c, const struct banger_error *error)
{
    return error->code == BANGER_UNAVAILABLE && !cp_is_pipe(&c->plan->from) &&
           now_ms() - c->moved_ms < CP_AGAIN_MS;
}

/* From source to sink. 0, or -1 with error; *read_all: all that there is was read, and the error is
 * of what could not be. */
static int pour(struct cp *c, struct cp_source *source, struct cp_sink *sink, bool *read_all,
                struct banger_error *error)
{
    struct banger_error of_source = {0};
    const uint8_t *data;
    ssize_t n;
    struct tar_reader end; /* says where the archive ends, which a source does not */
    struct tar_place from = {c->place.offset / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES, c->place.digest};
    tar_reader_init(&end, &(struct tar_handler){0}, NULL, &from);
    int rc = 0;
    while (rc == 0 && (n = cp_source_read(source, &data, &of_source)) > 0) {
        struct err err = ERR_INIT;
        if (cp_is_interrupted(c->plan, error)) {
            rc = -1;
            break;
        }
        if (!c->plan->from.vm || tar_read(&end, data, (size_t)n, &err) == 0)
            rc = cp_sink_write(sink, data, (size_t)n, error);
        else
            rc = cp_error(error, &err);
        if (sink->place.offset > c->place.offset)
            c->moved_ms = now_ms();
        show(c, sink);
    }
    *read_all = rc == 0 && (n == 0 || !c->plan->from.vm || tar_reader_ended(&end));
    tar_reader_done(&end);
    if (rc < 0)
        return -1;
    if (!*read_all) {
        *error = of_source;
        return -1;
    }
    if (cp_sink_finish(sink, error) < 0) {
        *read_all = false;
        return -1;
    }
    if (n < 0)
        *error = of_source;
    return n < 0 ? -1 : 0;
}

static enum cp_result tell(const struct cp_sink *sink, bool read_all, int rc,
                           const struct banger_error *error)
{
    if (rc < 0 && strcmp(error->reason, "INTERRUPTED") == 0)
        return CP_INTERRUPTED;
    if (rc < 0)
        cli_fail(error, "%s", read_all ? "not all was copied" : "copy");
    if (sink->troubles > 0)
        cli_fail_with(EXIT_BANGER, "NOT_ALL_COPIED", "not all was copied: %s (%llu in all)",
                      sink->trouble, (unsigned long long)sink->troubles);
    if (rc < 0 && !read_all)
        return CP_FAILED;
    return rc < 0 || sink->troubles > 0 ? CP_NOT_ALL : CP_ALL;
}

/* The guest was to say what the destination is, as it began to take the copy; rc: what came of
 * that. A daemon or agent of before that can say it refuses: then it is looked at first. 0; -1 with
 * error, or with *told. */
static int settle(struct cp *c, struct cp_sink *sink, int rc, bool *told,
                  struct banger_error *error)
{
    if (!c->plan->asks ||
        (rc < 0 && (error->code == BANGER_UNAVAILABLE || error->code == BANGER_CANCELLED)))
        return rc;
    if (rc == 0) {
        *told = cp_plan_decide(c->plan, sink->to) != 0;
        return *told ? -1 : 0;
    }
    cp_sink_close(sink, false);
    *told = cp_plan_look(c->cli, c->plan) != 0;
    return *told ? -1 : cp_sink_open(sink, c->place, error);
}

static enum cp_result attempt(struct cp *c, bool *again, struct banger_error *error)
{
    struct cp_source source = {.plan = c->plan, .cli = c->cli};
    struct cp_sink *sink = calloc(1, sizeof(*sink));
    bool read_all = false, told = false;
    *again = false;
    if (!sink) {
        cli_usage("out of memory");
        return CP_FAILED;
    }
    sink->plan = c->plan;
    sink->cli = c->cli;
    int rc = cp_sink_open(sink, c->place, error);
    rc = settle(c, sink, rc, &told, error);
    if (rc == 0)
        rc = cp_source_open(&source, c->place, error);
    if (rc == 0)
        rc = pour(c, &source, sink, &read_all, error);
    cp_source_close(&source);
    *again = rc < 0 && !read_all && !told && may_go_on(c, error);
    hide(c);
    if (rc < 0 && strcmp(error->reason, "INTERRUPTED") == 0)
        cp_sink_abandon(sink);
    enum cp_result result = *again || told ? CP_FAILED : tell(sink, read_all, rc, error);
    c->place = sink->place;
    c->files += sink->files;
    c->bytes += sink->bytes;
    cp_sink_close(sink, *again);
    free(sink);
    return result;
}

enum cp_result cp_copy(struct cli *cli, struct cp_plan *plan)
{
    const char *progress = cli->options.progress ? cli->options.progress : "auto";
    struct cp c = {.cli = cli, .plan = plan};
    bool again = true;
    enum cp_result result = CP_FAILED;
    c.shows = !cli->options.quiet && strcmp(progress, "auto") == 0 && isatty(STDERR_FILENO);
    c.place.digest = TAR_DIGEST_START;
    c.moved_ms = c.began_ms = now_ms();
    while (again) {
        struct banger_error error = {0};
        result = attempt(&c, &again, &error);
        if (!again)
            break;
        cli_say(stderr, "banger: connection lost (%s), going on", error.message);
        struct pollfd p = {.fd = plan->interrupt_fd > 0 ? plan->interrupt_fd : -1,
                           .events = POLLIN};
        poll(&p, 1, CP_PAUSE_MS);
    }
    return result;
}

/* A guest's, or ours. */
static int parse_end(struct cp_end *end, const char *text)
{
    struct guest_path p;
    bool is_guests = guest_path_parse(&p, text);
    *end = (struct cp_end){.vm = p.vm, .path = p.path};
    return is_guests && !p.vm ? cli_usage("out of memory") : 0;
}

static int check_ends(const struct cp_plan *plan)
{
    if (!plan->from.vm && !plan->to.vm)
        return cli_usage("one of the two is a file of a guest: box:/path");
    return 0;
}

/* One source. several: it goes into a folder that is there. */
static enum cp_result cp_one(struct cli *cli, const struct cp_options *options, const char *from,
                             const char *to, bool several, int interrupt_fd)
{
    struct cp_plan plan = {
        .options = options, .interrupt_fd = interrupt_fd, .into_folder = several};
    int status = parse_end(&plan.from, from);
    if (status == 0)
        status = parse_end(&plan.to, to);
    if (status == 0)
        status = check_ends(&plan);
    if (status == 0 && several && (cp_is_pipe(&plan.from) || cp_is_pipe(&plan.to)))
        status = cli_usage("a standard stream goes alone");
    if (status == 0 && !cli->client && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0)
        status = cp_plan_paths(cli, &plan);
    banger_set_interrupt_fd(cli->client, interrupt_fd > 0 ? interrupt_fd : -1);
    enum cp_result result = status == 0 ? cp_copy(cli, &plan) : CP_FAILED;
    banger_set_interrupt_fd(cli->client, -1);
    free(plan.from.vm);
    free(plan.to.vm);
    return result;
}

/* An interrupt leaves nothing half-written, neither here nor there, and then ends us as it would
 * have done. */
static int cp_run(struct cli *cli, const void *values, const struct opt_args *args)
{
    const char *to = args->refs[args->n_refs - 1];
    bool several = args->n_refs > 2;
    struct stream_signals signals;
    int status = 0, signo = 0;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    /* Whoever reads our output may take long: then nothing of ours is left by the signal. */
    bool take = strcmp(to, "-") != 0 && stream_signals_init(&signals) == 0;
    for (int i = 0; i < args->n_refs - 1 && signo == 0; i++) {
        enum cp_result result =
            cp_one(cli, values, args->refs[i], to, several, take ? signals.fd : 0);
        if (result == CP_INTERRUPTED)
            signo = stream_signals_take(&signals);
        if (result != CP_ALL)
            status = EXIT_BANGER;
    }
    if (take)
        stream_signals_done(&signals);
    if (signo > 0)
        raise(signo);
    return status;
}

static const struct opt cp_opts[] = {
    {"archive", 0, OPT_FLAG, offsetof(struct cp_options, archive), NULL,
     "keep owners, setuid and attributes too", NULL, NAMES_NONE},
    {"owners", 0, OPT_STRING, offsetof(struct cp_options, owners), "HOW",
     "keep owners: by number, or by name where there is one", "ids|names", NAMES_NONE},
    {"follow-link", 0, OPT_FLAG, offsetof(struct cp_options, follow), NULL,
     "if SOURCE is a link, copy what it leads to", NULL, NAMES_NONE},
    {"devices", 0, OPT_FLAG, offsetof(struct cp_options, devices), NULL, "copy devices too", NULL,
     NAMES_NONE},
    {"user", 'u', OPT_STRING, offsetof(struct cp_options, user), "USER",
     "user of the guest who reads and writes (default: root)", NULL, NAMES_NONE},
    {NULL, 0, OPT_FLAG, 0, NULL, NULL, NULL, NAMES_NONE},
};

const struct command vm_cp_command = {
    .name = "cp",
    .args = "SOURCE... DESTINATION",
    .summary = "copy files and folders to, from and between guests",
    .details =
        "A guest's file is VM:PATH, from root's home (or --user's) unless it begins with a slash. "
        "A folder is copied with all that is in it. Into a folder that exists it comes under its "
        "own "
        "name, else it gets the one that DESTINATION has; FOLDER/. is what is in the folder. "
        "Several "
        "go into a folder that exists. As "
        "SOURCE or DESTINATION, - is a tar archive on standard input or output.\n\n"
        "Modes, times, links of both kinds and holes stay; files belong to who writes them, unless "
        "--archive or --owners says otherwise. A file appears when it is whole. Links that are in "
        "the "
        "destination are replaced, never written through. A lost connection is gone on from where "
        "it "
        "was, for up to a minute. What an interrupt finds half-written is removed, here and there.",
    .opts = cp_opts,
    .values_size = sizeof(struct cp_options),
    .min_refs = 2,
    .max_refs = -1,
    .names = NAMES_ANY_FILE,
    .run = cp_run,
};
