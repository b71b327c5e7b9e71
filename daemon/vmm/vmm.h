/* What the core asks of a VMM (the process that is a VM to the host), whichever it is.
 *
 * A driver is a const table; a machine is one VM as the driver sees it, on the loop's thread. The
 * core calls the vmm_* functions below, never the table: they hold the contract (one call under way
 * per machine, callbacks exactly once and later) in one place. The VMM outlives the daemon: closing
 * a machine forgets it, only stop and kill end it.
 *
 * Async rule: a function that takes `done` returns nothing and calls done exactly once, later. err
 * is NULL on success and borrowed for the callback. */
#ifndef BANGER_DAEMON_VMM_VMM_H
#define BANGER_DAEMON_VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"
#include "daemon/vmm/evidence.h"
#include "daemon/vmm/parts.h"

struct err;
struct loop;
struct process_info;
struct workers;

enum { VMM_DRIVER_VERSION = 5 };

/* Shared by all machines of a driver; made once by the composition root. */
struct vmm_host {
    struct loop *loop;
    struct workers *quick;        /* small files, launches, ends */
    struct workers *slow;         /* probes, which boot a guest */
    const char *agent_path;       /* sim: the agent program for this host */
    const char *qemu_path;        /* qemu-system-x86_64, found in PATH if NULL */
    const char *firecracker_path; /* the same */
    const char *passt_path;       /* the same */
    const char *net_path;         /* banger-net; found beside the program if NULL */
    bool slirp;                   /* networks of users are qemu's own: see user_net.h */
    const char *jailer_path;      /* firecracker's, the same */
    bool firecracker_jailed;      /* started by its jailer; firecracker_jail.h */
    uint32_t firecracker_first_uid;
    const char *state_dir; /* probe results are kept here */
    /* How long a guest's boot may take, where that is set: its VMM has no less to answer. */
    const int64_t *boot_timeout_ms;
    /* What an earlier daemon wrote down of a VM's process; zeros where it did not. On a worker; may
     * be NULL. */
    void (*load_hint)(const char *vm_dir, struct vm_handles *hint);
    const char
        *probe_kernel; /* vmlinux that vmm_probe boots under KVM; NULL: the first start tries */
    bool kvm_known;    /* KVM was tried in this life of the daemon; kvm_usable tells */
    bool kvm_usable;   /* set by probing: a guest really ran */
    struct list consoles, console_watches; /* console_watch.h's; zeros to begin with */
    struct list console_writers;           /* console_input.h's; the same */
};

enum vmm_exit_kind {
    VMM_EXIT_POWER_OFF, /* the guest shut down */
    VMM_EXIT_REBOOT,    /* the guest asked for a reset */
    VMM_EXIT_PANIC,     /* its kernel panicked, or reset the machine without an order to */
    VMM_EXIT_KILLED,    /* by us: stop or kill */
    VMM_EXIT_CRASHED,   /* the VMM ended by itself, or by a stranger's signal */
    VMM_EXIT_UNSEEN,    /* ended while no daemon looked */
};

struct vmm_exit {
    enum vmm_exit_kind kind;
    char detail[TEXT_BYTES]; /* last lines of the VMM's own log, signal name, … */
};

struct vmm_machine;
typedef void vmm_done_fn(void *arg, const struct err *err);
/* A connected TCP socket, the callee's; or -1 with err, borrowed. */
typedef void vmm_dialed_fn(void *arg, int fd, const struct err *err);

/* What happens by itself; arg is the listener's. */
struct vmm_events {
    /* The process is gone (also after stop and kill). Once per start or adoption. */
    void (*exited)(void *arg, const struct vmm_exit *exit);
};

/* What a probe found. */
struct vmm_probe_result {
    bool usable;
    char version[64];
    char accelerator[16];         /* kvm, tcg, none */
    char explanation[TEXT_BYTES]; /* why not, or why not KVM, and what to do */
    bool network_safe;            /* a user's network can be had, and leads to nobody's loopback */
    char network[TEXT_BYTES];     /* which, or why not; "": the driver has none of that kind */
};

/* What a driver can do and needs, as data: the core goes by it, never by a driver's name. */
struct vmm_capabilities {
    /* A kernel boots an image. Else the guest is a process of this host, whose name, network and
     * file systems are not to be touched. */
    bool boots;
    bool pause, snapshot;
    bool console_input; /* its guests' console can be typed into: console_input.h */
    bool uses_kvm;      /* where the host has one; without it, it is slower */
    bool needs_root;
    /* Sets: 1 << value. */
    unsigned disk_formats; /* enum vmm_disk_format */
    unsigned nics;         /* enum net_mode */
    unsigned channels;     /* enum guest_channel_kind */
};

struct vmm_driver {
    const char *name;
    uint32_t version; /* VMM_DRIVER_VERSION */
    struct vmm_capabilities can;
    const char *install; /* for people: what to do where it cannot be used */

    /* See vmm_overhead_bytes; NULL: nothing worth counting. */
    uint64_t (*overhead_bytes)(const struct vmm_host *host);
    void (*probe)(struct vmm_host *host,
                  void (*done)(void *arg, const struct vmm_probe_result *result), void *arg);
    struct vmm_machine *(*open)(struct vmm_host *host, const struct vmm_config *config,
                                const struct vmm_events *events, void *arg, struct err *err);
    void (*close)(struct vmm_machine *m);
    void (*start)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    void (*adopt)(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done,
                  void *arg);
    void (*stop)(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg);
    void (*kill)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    void (*pause)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    void (*resume)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    void (*discard)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    /* See vmm_dial; one that has no guest channel of kind ssh lacks both. */
    int (*dial)(struct vmm_machine *m, uint32_t port, vmm_dialed_fn *done, void *arg,
                struct err *err);
    void (*hang_up)(struct vmm_machine *m);
    void (*get_handles)(const struct vmm_machine *m, struct vm_handles *handles);
    /* How much says that the process is a VMM of this driver whose VM keeps its files below
     * folder; and which VM. On a worker. */
    enum evidence (*claims)(const struct process_info *info, const char *folder,
                            char vm_id[ID_BYTES]);
};

/* A driver's machine starts with this. */
struct vmm_machine {
    const struct vmm_driver *driver;
    struct vmm_host *host;
    struct vmm_config config;
    const struct vmm_events *events;
    void *events_arg;
    bool
        busy; /* a call is under way (kill may always be called and ends the other with an error) */
    struct vmm_call *call; /* vmm.c's */
};

/* All there are, NULL behind the last. Which one a name stands for is vmm_find_driver's to say. */
extern const struct vmm_driver *const vmm_drivers[];
/* The one of a host whose configuration names none. */
#define VMM_DRIVER_DEFAULT "qemu"

/* By name; NULL with err. */
const struct vmm_driver *vmm_find_driver(const char *name, struct err *err);

/* What a VMM of this driver needs at most besides its guest's memory, as far as the host is
 * known by now: more while it is not known that KVM works. */
uint64_t vmm_overhead_bytes(const struct vmm_driver *driver, const struct vmm_host *host);
void vmm_probe(const struct vmm_driver *driver, struct vmm_host *host,
               void (*done)(void *arg, const struct vmm_probe_result *result), void *arg);
struct vmm_machine *vmm_open(const struct vmm_driver *driver, struct vmm_host *host,
                             const struct vmm_config *config, const struct vmm_events *events,
                             void *arg, struct err *err);
/* Forgets the machine; its process, files and sockets stay. No callback comes after this. */
void vmm_close(struct vmm_machine *m);
/* Starts the VMM, detached, in its folder and on its disks, which are there; done when its
 * control socket answers and the guest runs. On failure no process and no socket is left. Handles
 * are known from here on. */
void vmm_start(struct vmm_machine *m, vmm_done_fn *done, void *arg);
/* Finds a live VMM of this VM by evidence: hint (may be zeros, stale, or point at a stranger;
 * NULL: what load_hint knows), then all processes, for this VM's own sockets and paths: one look
 * serves all machines that are being adopted.
 * Success: as after start.
 * ERR_NOT_FOUND: there is certainly none, and stale sockets are gone. Any other error: not known,
 * ask again later; or one lives that its folder does not belong to any more (evidence.h), which
 * vmm_kill ends. */
void vmm_adopt(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done, void *arg);
/* Waits for the guest to power off by itself (the core has asked the agent) up to grace_ms, then
 * ends the process. done when it is gone. */
void vmm_stop(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg);
/* Ends the process at once (works on a stopped or hung one). done when it is gone, within 5 s. */
void vmm_kill(struct vmm_machine *m, vmm_done_fn *done, void *arg);
void vmm_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg);
void vmm_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg);
/* Removes sockets, logs and whatever else the driver keeps of a machine that does not run. Missing
 * ones are fine; disks are not the driver's. */
void vmm_discard(struct vmm_machine *m, vmm_done_fn *done, void *arg);
/* Connects to a TCP port of the guest. The way there is open to nobody else on this host for longer
 * than that takes. 0: done comes once, later, unless vmm_hang_up or vmm_close comes before; one at
 * a time (ERR_UNAVAILABLE, also while an earlier one is being taken down). ERR_UNIMPLEMENTED. */
int vmm_dial(struct vmm_machine *m, uint32_t port, vmm_dialed_fn *done, void *arg, struct err *err);
/* Forgets the one that is under way, if any. */
void vmm_hang_up(struct vmm_machine *m);
/* A live VMM that vmm_scan found. */
struct vmm_found {
    const struct vmm_driver *driver;
    char vm_id[ID_BYTES];
    pid_t pid; /* for people: to end it, open a machine of its id and vmm_kill it */
    bool left; /* of what its folder was before: EVIDENCE_LEFT, of whatever state folder */
};

/* All VMMs of this user whose VMs keep their files below folder (absolute), whoever started
 * them: what the store does not know of is a leak. found is borrowed for the callback; with err the
 * list is not whole. */
void vmm_scan(struct vmm_host *host, const char *folder,
              void (*done)(void *arg, const struct vmm_found *found, size_t n,
                           const struct err *err),
              void *arg);
/* Where the guest's agent is; borrowed from m. */
const struct vmm_channel *vmm_get_channel(const struct vmm_machine *m);
/* Zeros where there is no process. */
void vmm_get_handles(const struct vmm_machine *m, struct vm_handles *handles);

#endif
