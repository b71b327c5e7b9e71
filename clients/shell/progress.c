/* See progress.h. Nothing is shown where stderr is no terminal, unless -v or --progress=plain. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_BAR = 16 };

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
    *p = (struct progress){.label = label, .started_ms = now_ms()};
    bool none = strcmp(how, "none") == 0 || cli->options.quiet;
    p->bar = strcmp(how, "auto") == 0 && terminal && !none;
    p->lines = !p->bar && !none && (strcmp(how, "plain") == 0 || cli->options.verbose);
}

static void progress_draw(struct progress *p, const Banger__V1__Operation *operation)
{
    struct winsize size = {0};
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    bool colour = !getenv("NO_COLOR") || !*getenv("NO_COLOR");
    unsigned percent = operation->percent > 100 ? 100 : operation->percent;
    char bar[PROGRESS_BAR + 1];
    for (unsigned i = 0; i < PROGRESS_BAR; i++)
        bar[i] = i * 100 < percent * PROGRESS_BAR ? '=' : ' ';
    bar[PROGRESS_BAR] = '\0';
    char text[512];
    double seconds = (double)(now_ms() - p->started_ms) / 1000;
    snprintf(text, sizeof(text), "%.64s [%s] %3u%% %.48s%s%.160s (%.1fs)", p->label, bar, percent,
             operation->stage, operation->message[0] ? ": " : "", operation->message, seconds);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    fprintf(stderr, "\r\033[K%s%.*s%s", colour ? "\033[36m" : "", columns - 1, text,
            colour ? "\033[0m" : "");
    fflush(stderr);
    p->drawn = true;
}

void progress_update(void *arg, const Banger__V1__Operation *operation)
{
    struct progress *p = arg;
    if (p->bar && !banger_operation_ended(operation)) {
        progress_draw(p, operation);
        return;
    }
    if (!p->lines || !operation->stage[0] || strcmp(p->stage, operation->stage) == 0)
        return;
    snprintf(p->stage, sizeof(p->stage), "%s", operation->stage);
    fprintf(stderr, "%s: %s%s%s\n", p->label, operation->stage, operation->message[0] ? ": " : "",
            operation->message);
}

void progress_end(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
