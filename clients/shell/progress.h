/* How an operation gets on, on stderr: a redrawn line on a terminal; elsewhere a line now and then
 * once it takes long, and a line for each stage where asked for. */
#ifndef BANGER_SHELL_PROGRESS_H
#define BANGER_SHELL_PROGRESS_H

#include <stdbool.h>

#include "cli.h"

enum { PROGRESS_QUIET_MS = 3000 }; /* before the first of the lines now and then, and between two */

struct progress {
    const char *label; /* borrowed */
    enum { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_STAGES, PROGRESS_LINES } how;
    bool drawn;
    long long started_ms, printed_ms; /* CLOCK_MONOTONIC; printed: the last line, or the start */
    char shown[256];                  /* what the last line said */
    struct lease *lease;              /* renewed meanwhile; NULL: none */
};

void progress_begin(struct progress *p, const struct cli *cli, const char *label);
/* True where a line is due at now_ms, which then counts as printed. */
bool progress_is_due(struct progress *p, const Banger__V1__Operation *operation, long long now_ms);
/* A banger_operation_fn; arg is the struct progress. */
void progress_update(void *arg, const Banger__V1__Operation *operation);
/* Takes the line away. */
void progress_end(struct progress *p);

#endif
