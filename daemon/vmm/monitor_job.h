/* The worker side of a machine that is a process: jobs that look, make and remove, and come back to
 * it. */
#ifndef BANGER_DAEMON_VMM_MONITOR_JOB_H
#define BANGER_DAEMON_VMM_MONITOR_JOB_H

#include "daemon/vmm/monitor.h"

/* What frees goes ahead of what takes; see rpc/event/worker.h. */
enum monitor_job_kind { MONITOR_TAKES, MONITOR_FREES };

struct monitor_job {
    struct job job;
    struct list at_work; /* while its work is under way */
    struct monitor *mon; /* NULL: the machine was closed meanwhile */
    bool orphan, worked; /* that, and its work is over; under the lock of who works on a folder */
    const struct monitor_ops *ops;
    struct vmm_config config; /* a copy: the machine may go */
    struct vm_handles hint;
    bool hinted;          /* the hint is the caller's; else the host's load_hint is asked */
    int64_t asked_ns;     /* what is found must have been looked for after that */
    enum evidence sought; /* weaker evidence than this is no match */
    bool left_too;        /* one that was left behind is taken, where there is no better one */
    int cancel_fd;        /* eventfd; readable: hurry */
    void (*work)(struct monitor_job *j);                      /* worker */
    void (*done)(struct monitor *mon, struct monitor_job *j); /* loop; not after close */
    /* Results. */
    struct err err;
    struct monitor_launch launch;
    int pidfd, log_fd; /* owned until taken; -1 */
    bool alone;        /* a launch has found none that runs */
    bool launched;     /* pidfd is of a process that the job has started, not found */
    struct process_info info;
    struct vm_handles devices; /* of a process: devices.h */
};

/* Submits work. The caller's done runs later; when the pool refuses, with its error. -1 only when
 * out of memory. */
int monitor_submit(struct monitor *mon, enum monitor_job_kind kind,
                   void (*work)(struct monitor_job *j),
                   void (*done)(struct monitor *mon, struct monitor_job *j),
                   const struct vm_handles *hint, struct err *err);
/* Somebody waits for its end: it goes ahead, and does not begin what it has not. */
void monitor_job_cancel(struct monitor_job *j);
/* The machine is closed: the job runs out alone. */
void monitor_job_orphan(struct monitor_job *j);

/* What jobs do. */
void monitor_work_launch(struct monitor_job *j); /* makes sure none runs, log FIFO, command line */
void monitor_work_find(struct monitor_job *j); /* pidfd and info, or ERR_NOT_FOUND: then cleaned */
void monitor_work_find_left(struct monitor_job *j); /* the same, also of one that was left behind */
void monitor_work_clean(struct monitor_job *j);
void monitor_work_discard(struct monitor_job *j);

#endif
