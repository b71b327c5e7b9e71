/* A machine that is a process, which struct monitor is short for: what qemu and sim have in common.
 *
 * The process, which is the VMM everywhere, is started in a session of its own, watched through a
 * pidfd and recognised by evidence after a daemon restart. This module owns the life of that
 * process and all of vmm.h's calls on it; a driver adds its command line, its control connection
 * and its way to end gently, through struct monitor_ops. On the loop's thread, but for the ops
 * marked "worker", which see only the config.
 *
 * One worker job is under way per machine at most. kill waits for it (it is told to hurry by its
 * cancel fd), so nothing ever works on the files of a machine that was reported killed. */
#ifndef BANGER_DAEMON_VMM_MONITOR_H
#define BANGER_DAEMON_VMM_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/buf.h"
#include "daemon/host/process.h"
#include "daemon/vmm/driver.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct monitor;
struct monitor_job;

enum {
    MONITOR_FD = 3, /* what it inherits besides stdin and stderr */
    MONITOR_ARGS_MAX = 96,
    MONITOR_ARG_BYTES = 16384,
    MONITOR_TAIL_BYTES = 4096, /* of its stderr, kept for errors */
    MONITOR_READY_MS = 20000,  /* process up until control answers, at least */
    MONITOR_END_MS = 2000,     /* asked to end until SIGKILL */
    MONITOR_KILL_MS = 5000,    /* SIGKILL until we say that it does not die */
};

/* A command line under construction; strings are copied into text. */
struct monitor_argv {
    size_t n, used;
    bool overflow;
    const char *argv[MONITOR_ARGS_MAX + 1];
    char text[MONITOR_ARG_BYTES];
};

void monitor_argv_add(struct monitor_argv *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

enum monitor_state {
    MONITOR_NONE,     /* no process that we know of */
    MONITOR_STARTING, /* started, control does not answer yet */
    MONITOR_RUNNING,
    MONITOR_ENDED, /* gone; its remains are being removed */
};

/* What the start job on the worker finds out for the start. */
struct monitor_launch {
    const struct vmm_config *config;
    const struct vmm_host *host; /* its strings; the rest is the loop's */
    int cancel_fd;
    struct monitor_argv args;
    int fd;                     /* owned; becomes the process's MONITOR_FD; -1: it has none */
    bool kvm_known, kvm_usable; /* qemu */
};

struct monitor_ops {
    const char *what;                                          /* "qemu": for messages */
    int (*command)(struct monitor_launch *l, struct err *err); /* worker */
    enum evidence (*matches)(const struct vmm_config *c,
                             const struct process_info *info); /* worker */
    /* The process is gone (or certainly was never there): remove what it leaves besides its
     * sockets. NULL: nothing. Worker. */
    void (*clean)(const struct vmm_config *c);
    void (*discard)(const struct vmm_config *c, struct err *err); /* worker; err keeps the first */
    /* The process is there: connect to it. After a start call monitor_ready when it answers. */
    void (*attach)(struct monitor *mon, bool adopted);
    /* The process is gone: drop the connection. */
    void (*detach)(struct monitor *mon);
    /* Half of a stop's grace is over, and the guest is still there: tell it itself. NULL: no way.
     */
    void (*power_down)(struct monitor *mon);
    /* Ask it to end at once but cleanly. SIGKILL comes MONITOR_END_MS later. */
    void (*end)(struct monitor *mon);
    /* Before SIGKILL: save what dies with it. True: monitor_flushed will be called, within its own
     * deadline; false: nothing to do. */
    bool (*flush)(struct monitor *mon);
    void (*output)(struct monitor *mon, const char *text, size_t len); /* its stderr; may be NULL */
    void (*judge)(struct monitor *mon, const struct process_exit *how, struct vmm_exit *exit);
    void (*free)(struct monitor *mon); /* last part of close */
};

struct monitor {
    struct vmm_machine machine; /* first */
    const struct monitor_ops *ops;
    enum monitor_state state;
    bool killing;     /* SIGKILL was sent, or will be when the flush is over */
    bool ended_by_us; /* a stop's end or kill reached it */
    bool was_running; /* exited is owed */
    pid_t pid;
    uint64_t start_time;
    struct vm_handles devices; /* devices.h */
    int pidfd;                 /* owned; -1 */
    struct watch gone;         /* of pidfd */
    int log_fd;                /* owned; FIFO with the process's stderr; -1 */
    struct watch log;
    struct buf tail; /* last MONITOR_TAIL_BYTES of it */
    struct driver_call call, kill;
    int64_t grace_left_ms; /* of a stop, behind power_down */
    struct timer deadline;
    void (*on_deadline)(struct monitor *mon);
    struct monitor_job *job; /* under way; borrowed: it frees itself */
    struct err start_err;    /* why a start is being undone */
    struct vmm_exit exit;    /* being reported */
};

/* The table's functions that are the same for all. open: the driver embeds a zeroed monitor. */
int monitor_init(struct monitor *mon, const struct monitor_ops *ops, struct vmm_host *host,
                 const struct vmm_config *config, struct err *err);
void monitor_close(struct vmm_machine *m);
void monitor_start(struct vmm_machine *m, vmm_done_fn *done, void *arg);
void monitor_adopt(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done,
                   void *arg);
void monitor_stop(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg);
void monitor_kill(struct vmm_machine *m, vmm_done_fn *done, void *arg);
void monitor_discard(struct vmm_machine *m, vmm_done_fn *done, void *arg);
void monitor_get_handles(const struct vmm_machine *m, struct vm_handles *handles);

/* For drivers. */
int64_t monitor_ready_ms(const struct monitor *mon);           /* what a start has for that */
void monitor_ready(struct monitor *mon);                       /* start succeeded */
void monitor_fail(struct monitor *mon, const struct err *err); /* start failed: undo */
void monitor_flushed(struct monitor *mon);
/* Ends a guest that is over while its process lingers: asks, then SIGKILL. */
void monitor_end(struct monitor *mon);
/* Takes a piece of its stderr; true: there was one. */
bool monitor_read_log(struct monitor *mon);
/* The last lines of its stderr, for messages; "" without. */
void monitor_tail(const struct monitor *mon, char *text, size_t size);
/* Path of the FIFO that takes its stderr. */
void monitor_log_path(const struct vmm_config *c, char path[PATH_BYTES]);

#endif
