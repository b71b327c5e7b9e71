/* What the rooms of the core share: one `struct core`, made by the composition root, on the loop's
 * thread. Each room knows those before it, none behind it; docs/ARCHITECTURE.md has the picture.
 *
 *   event/      the event log and its watchers
 *   host/       what the host was told, how the store is, whether there is room
 *   access/     who may come over TCP, which VMs they see, the audit log
 *   operation/  durable operations: step tables with undo, journal, queues, request ids
 *   image/      images and kernels
 *   vm/         VMs, their machines and guests, and what users ask of them
 *   names/      "NAME.vm", by DNS
 *   session/    guest sessions and attach
 *   publish/    ports of guests at addresses of the host
 *   supervise/  what the daemon does by itself, at its start and later
 *
 * Beside this: record.h (copies of records in the folders of what they are of), memory.h (gives
 * pages back after much was let go), crash_point.h (tests end the daemon there). */
#ifndef BANGER_DAEMON_CORE_CORE_H
#define BANGER_DAEMON_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"
#include "daemon/priv/priv_names.h"

struct access;
struct audit;
struct err;
struct event_hub;
struct garbage;
struct guest_services;
struct host_info;
struct image_registry;
struct loop;
struct memory;
struct names;
struct operation_engine;
struct publish_room;
struct request_past;
struct record_keeper;
struct recover;
struct rpc_server;
struct scope_memory;
struct session_registry;
struct store;
struct supervise;
struct vm_registry;
struct vmm_host;
struct workers;

struct core_config {
    char state_dir[PATH_BYTES]; /* database, vms/, images/, kernels/ */
    char default_driver[16];    /* of VMs that name none */
    char default_image[NAME_BYTES * 2];
    char guest_agent_path[PATH_BYTES]; /* static, for initramfs; "": no images can be built */
    uint32_t max_vms;
    uint64_t max_files;             /* that this process may have open; 0: no limit known */
    uint64_t max_memory_bytes;      /* promised to VMs altogether; 0: no limit */
    int64_t boot_timeout_ms;        /* from VMM start to agent ready; then one more try */
    int64_t stop_grace_ms;          /* default grace of a stop */
    struct priv_pool guest_network; /* addresses of guests with a tap */
    char dns[32];                   /* where names of VMs are answered; "off" */
    bool dns_resolved;              /* systemd-resolved is told to ask for them */
    const char *version;            /* of the program */
};

enum { STORAGE_WHY_BYTES = 240 };

/* What system disks can be made as on this host: vm_storage.h. */
struct host_storage {
    unsigned can; /* set: 1 << enum storage */
    char why_not[N_STORAGES][STORAGE_WHY_BYTES];
};

struct core {
    struct core_config config;
    struct loop *loop;
    /* Blocking work. One never waits for the other: which goes where is in docs/ARCHITECTURE.md. */
    struct workers *quick;      /* small files, launches; what ends a VM, ahead of those */
    struct workers *slow;       /* minutes: copies, digests, builds, images */
    struct workers *privileged; /* what asks banger-priv: where that hangs, nothing else does */
    struct store *store;
    struct vmm_host *vmm_host;
    struct memory *memory;
    struct access *access;
    struct audit *audit;
    struct scope_memory *scope_memory;
    struct event_hub *events;
    struct operation_engine *operations;
    struct request_past *request_past;
    struct vm_registry *vms;
    struct session_registry *sessions;
    struct names *names;
    struct publish_room *publish;
    struct guest_services *guest_services;
    struct image_registry *images;
    struct record_keeper *records;
    struct recover *recover;
    struct garbage *garbage;
    struct supervise *supervise; /* NULL before supervise_start */
    struct host_info *host_info;
    struct rpc_server *rpc_server; /* for what services say of connections */
    struct list store_watches;     /* see store_state.h */
    struct host_settings settings; /* on disk; see host_settings.h */
    struct host_storage storage;
    int64_t known_ns;           /* newest time that the store had at the start; 0: none */
    bool rebooted;              /* the host, since a daemon last started */
    bool closing;               /* the daemon is about to end */
    struct list guest_calls;    /* of daemon/service/guest_call.c */
    uint32_t n_console_readers; /* of daemon/service/console.c */
    /* Ends the daemon, VMs run on; set by the composition root. */
    void (*shut_down)(void *arg);
    void *shut_down_arg;
};

/* config, loop, quick, slow, privileged, store and vmm_host are set and stay the caller's; the
 * registries are made here from what the store holds. Nothing runs before reconcile_start. */
int core_open(struct core *core, struct err *err);
/* Cancels what must not be left half done by a daemon that goes (image builds) and waits for it, up
 * to deadline_ms; VMs, their sessions and operations stay for the next daemon. done comes once,
 * later. */
void core_drain(struct core *core, int64_t deadline_ms, void (*done)(void *arg), void *arg);
/* After the server is gone and workers_close, before store_close and loop_free. */
void core_close(struct core *core);

#endif
