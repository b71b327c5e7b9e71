/* How an operation gets on, on stderr: a redrawn line on a terminal, a line a stage where asked
 * for. */
#ifndef BANGER_SHELL_PROGRESS_H
#define BANGER_SHELL_PROGRESS_H

#include <stdbool.h>

#include "cli.h"

struct progress {
    const char *label; /* borrowed */
    bool bar;          /* redraw one line */
    bool lines;        /* print a line a stage */
    bool drawn;
    long long started_ms;
    char stage[64];
};

void progress_begin(struct progress *p, const struct cli *cli, const char *label);
/* A banger_operation_fn; arg is the struct progress. */
void progress_update(void *arg, const Banger__V1__Operation *operation);
/* Takes the line away. */
void progress_end(struct progress *p);

#endif
