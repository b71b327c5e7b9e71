/* Who types into a VM's console: one writer at a time, and the driver that has the guest's serial
 * line. They find each other by the console log's path. On the loop's thread; events come from the
 * loop, or from another writer's begin.
 *
 * A claim is of the VM, not of its machine: it stays while the guest is stopped and started. What
 * is typed while there is no guest to read it is dropped, as on a line with nobody at its end. */
#ifndef BANGER_DAEMON_VMM_CONSOLE_INPUT_H
#define BANGER_DAEMON_VMM_CONSOLE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct console;
struct err;
struct vmm_host;

struct console_writer_events {
    /* Another one has taken over; it has been ended. */
    void (*lost)(void *arg);
    /* console_writer_write takes more. */
    void (*writable)(void *arg);
    /* The guest's line cannot be had: it has been ended. */
    void (*failed)(void *arg, const struct err *err);
};

struct console_writer {
    struct list link; /* of the host's; not in it: ended */
    struct vmm_host *host;
    const char *path; /* borrowed */
    uint64_t key;     /* who it is: one that comes back with it takes its own place. 0: nobody */
    const struct console_writer_events *events;
    void *arg;
};

/* 0, or -1: ERR_PRECONDITION (WRITER_TAKEN). takeover: the one before is told. path and events must
 * outlive it. */
int console_writer_begin(struct console_writer *w, struct vmm_host *host, const char *path,
                         uint64_t key, bool takeover, const struct console_writer_events *events,
                         void *arg, struct err *err);
/* How many bytes were taken, from the beginning; fewer: writable follows. */
size_t console_writer_write(struct console_writer *w, const void *data, size_t len);
/* Harmless on a zeroed or ended one. */
void console_writer_end(struct console_writer *w);

/* For drivers: the guest's line, set for a console (console.h). */
struct console_line {
    /* Somebody is there to type, or nobody any more. */
    void (*want)(void *arg, bool wanted);
    /* As console_writer_write; then console_line_is_writable follows. */
    size_t (*write)(void *arg, const void *data, size_t len);
};

/* Calls want where somebody waits for it. */
void console_set_line(struct console *c, const struct console_line *line, void *arg);
/* From the loop. */
void console_line_is_writable(struct console *c);
void console_line_failed(struct console *c, const struct err *err);

#endif
