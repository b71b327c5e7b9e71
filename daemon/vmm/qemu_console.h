/* The serial console of a qemu guest. On the loop's thread.
 *
 * What the guest says is in a ring in qemu's memory, which is read over QMP and goes into the
 * console log (console.h): a guest that talks for ever fills nothing and waits for nobody, whether
 * a daemon is there or not. Only while somebody types (console_input.h) its line is a socket
 * instead, in the VM's folder, which is read as fast as the guest talks; chardev-change makes one
 * of the other under a running guest. What a daemon left that was killed meanwhile becomes the ring
 * again as soon as another has found the VM; until then nothing of the console is kept. */
#ifndef BANGER_DAEMON_VMM_QEMU_CONSOLE_H
#define BANGER_DAEMON_VMM_QEMU_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/qmp.h"

struct vmm_config;

enum qemu_line {
    QEMU_LINE_UNKNOWN, /* as an earlier connection left it */
    QEMU_LINE_LOOKING, /* is it the ring? */
    QEMU_LINE_RING,
    QEMU_LINE_TO_SOCKET, /* asked for */
    QEMU_LINE_SOCKET,
    QEMU_LINE_TO_RING,
};

struct qemu_console {
    struct console log;
    struct qmp *qmp;              /* borrowed */
    char path[SOCKET_PATH_BYTES]; /* of the socket */
    enum qemu_line line;
    bool typed;         /* somebody types, or wants to */
    int fd;             /* of the socket, owned; -1 */
    struct watch watch; /* of it */
    bool full;          /* it took less than it was given */
    struct timer poll;
    int64_t poll_ms;
    bool reading;    /* between begin and end */
    struct buf last; /* end of what the guest has said, for explanations */
};

/* 0, or -1: no memory. */
int qemu_console_init(struct qemu_console *c, struct vmm_host *host,
                      const struct vmm_config *config, struct qmp *qmp);
/* Harmless on a zeroed one. */
void qemu_console_done(struct qemu_console *c);
/* Of another life of the guest: nothing has been said. */
void qemu_console_reset(struct qemu_console *c);
/* The guest runs and QMP is up: it is read by and by. */
void qemu_console_begin(struct qemu_console *c);
/* The guest is over, or qemu gone. */
void qemu_console_end(struct qemu_console *c);
/* Asks for what there is now: reply gives its answer to qemu_console_take. As qmp_call. */
int qemu_console_read(struct qemu_console *c, int64_t deadline_ms, qmp_reply_fn *reply, void *arg);
void qemu_console_take(struct qemu_console *c, const json_t *value, const struct err *err);
/* qemu has gone: removes its socket. On a worker. */
void qemu_console_clean(const struct vmm_config *config);

#endif
