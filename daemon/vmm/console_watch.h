/* Who reads a console log as it grows, and who writes it: they find each other by the log's path.
 * On the loop's thread.
 *
 * A driver whose guest's words come by themselves only appends (console.h). One that has to ask for
 * them says how (console_set_refresh); it then asks at once when a reader comes, and often while
 * console_is_watched. */
#ifndef BANGER_DAEMON_VMM_CONSOLE_WATCH_H
#define BANGER_DAEMON_VMM_CONSOLE_WATCH_H

#include <stdbool.h>

#include "base/list.h"

struct console;
struct vmm_host;

struct console_watch {
    struct list link;
    const char *path; /* borrowed */
    /* The log has grown; fresh: it has all that the guest had said when the watch was made. From
     * the loop; may end the watch. */
    void (*news)(void *arg, bool fresh);
    void *arg;
};

/* True: fresh news follows, unless the machine goes away. False: the log is as fresh as it is. */
bool console_watch(struct vmm_host *host, struct console_watch *w, const char *path,
                   void (*news)(void *arg, bool fresh), void *arg);
/* Harmless on a zeroed or ended one. */
void console_unwatch(struct console_watch *w);

/* For console.c. */
void console_register(struct console *c);
void console_unregister(struct console *c);
void console_tell(struct vmm_host *host, const char *path, bool fresh);
/* For drivers. */
bool console_is_watched(const struct console *c);

#endif
