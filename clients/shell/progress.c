/* See progress.h. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "lease.h"

enum { BAR_CELLS = 16, BAR_MOVE_MS = 250 };

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, const struct cli *cli, const char *label)
{
    const char *how = cli->options.progress ? cli->options.progress : "auto";
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    long long now = now_ms();
    *p = (struct progress){
        .label = label, .started_ms = now, .printed_ms = now, .lease = cli->lease};
    if (strcmp(how, "none") == 0 || cli->options.quiet)
        p->how = PROGRESS_NONE;
    else if (strcmp(how, "auto") == 0 && terminal)
        p->how = PROGRESS_BAR;
    else if (strcmp(how, "plain") == 0 || cli->options.verbose)
        p->how = PROGRESS_STAGES;
    else
        p->how = PROGRESS_LINES;
}

static void progress_draw(struct progress *p, const Banger__V1__Operation *operation)
{
    struct winsize size = {0};
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    bool colour = !getenv("NO_COLOR") || !*getenv("NO_COLOR");
    unsigned percent = operation->percent > 100 ? 100 : operation->percent;
    char bar[BAR_CELLS + 1];
    long long shown_ms = now_ms() - p->started_ms;
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i * 100 < percent * BAR_CELLS ? '=' : ' ';
    bar[BAR_CELLS] = '\0';
    /* What is going on moves, however long its stage takes. */
    unsigned done = (percent * BAR_CELLS + 99) / 100, left = BAR_CELLS - done;
    if (left > 0)
        bar[done + (unsigned)(shown_ms / BAR_MOVE_MS) % left] = '-';
    char text[512];
    double seconds = (double)shown_ms / 1000;
    snprintf(text, sizeof(text), "%.64s [%s] %3u%% %.48s%s%.160s (%.1fs)", p->label, bar, percent,
             operation->stage, operation->message[0] ? ": " : "", operation->message, seconds);
    utf8_tame(text);
    fprintf(stderr, "\r\033[K%s%.*s%s", colour ? "\033[36m" : "", columns - 1, text,
            colour ? "\033[0m" : "");
    fflush(stderr);
    p->drawn = true;
}

bool progress_is_due(struct progress *p, const Banger__V1__Operation *operation, long long now_ms)
{
    char says[sizeof(p->shown)];
    bool stages = p->how == PROGRESS_STAGES;
    if (!operation->stage[0] || (!stages && p->how != PROGRESS_LINES))
        return false;
    /* One that takes long has a line for each stage, and for its messages now and then. */
    size_t len = strcspn(p->shown, ":");
    bool same = strlen(operation->stage) == len && strncmp(p->shown, operation->stage, len) == 0;
    long long since = same ? p->printed_ms : p->started_ms;
    if (!stages && now_ms - since < PROGRESS_QUIET_MS)
        return false;
    snprintf(says, sizeof(says), "%.60s: %.180s", operation->stage,
             stages ? "" : operation->message);
    if (strcmp(says, p->shown) == 0)
        return false;
    memcpy(p->shown, says, sizeof(says));
    p->printed_ms = now_ms;
    return true;
}

void progress_update(void *arg, const Banger__V1__Operation *operation)
{
    struct progress *p = arg;
    long long now = now_ms();
    lease_turn(p->lease);
    if (p->how == PROGRESS_BAR && !banger_operation_ended(operation)) {
        progress_draw(p, operation);
        return;
    }
    if (!progress_is_due(p, operation, now))
        return;
    char at[40] = "";
    if (p->how == PROGRESS_LINES)
        snprintf(at, sizeof(at), " (%u%%, %lld s)", (unsigned)operation->percent,
                 (now - p->started_ms) / 1000);
    cli_say(stderr, "%s: %s%s%s%s", p->label, operation->stage, operation->message[0] ? ": " : "",
            operation->message, at);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
