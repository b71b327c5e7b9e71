/* The console of a Firecracker guest: a FIFO, read as it comes into the VM's console log, whose
 * last words tell how the guest ended, and whether it has halted. On the loop's thread.
 *
 * The FIFO keeps the oldest 64 KiB while no daemon reads, and makes the guest wait for nobody. */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_CONSOLE_H
#define BANGER_DAEMON_VMM_FIRECRACKER_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/last_words.h"
#include "daemon/vmm/monitor.h"
#include "rpc/event/loop.h"

struct err;

struct firecracker_console {
    struct monitor *mon; /* ends where the guest has halted */
    struct console log;
    int fd; /* owned; -1; the FIFO */
    struct watch watch;
    struct buf last;   /* the end of what came through it */
    struct timer halt; /* its last words were that it halts: does it? */
    int64_t halt_ns;   /* processor time of its process, when looked at last; -1 */
    bool halted;       /* it has */
};

int firecracker_console_init(struct firecracker_console *c, struct monitor *mon);
/* Harmless on a zeroed one. */
void firecracker_console_done(struct firecracker_console *c);
/* The process is there. */
void firecracker_console_open(struct firecracker_console *c);
/* It is gone: reads the rest. */
void firecracker_console_end(struct firecracker_console *c);
enum last_words_end firecracker_console_judge(const struct firecracker_console *c);
/* See last_words_write. */
void firecracker_console_words(const struct firecracker_console *c, char *out, size_t size);

/* The FIFO in the VM's folder, for a process that is to be; on the worker. */
int firecracker_console_make(const struct vmm_config *config, struct err *err);
void firecracker_console_remove(const struct vmm_config *config);

#endif
