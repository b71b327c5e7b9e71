/* What lies in the state folder and is in no record of the store.
 *
 * A store that was lost, or is older than the folders, does not list VMs that live. So a folder
 * goes only on evidence of this store's own: its log says that it was deleted, or an operation that
 * was cut off says that it was making it (which it undoes, or does again from the beginning). Every
 * other folder that has no record
 *
 * - stays where it is and is told of, if it can be recovered (it has a record of its own, see
 *   record.h) or is used: by a process, an overlay, a VM;
 * - else is a suspect, and is set aside in STATE/lost+found/KIND-ID-TIME. It comes back by itself
 *   where a store lists it again.
 *
 * The work is one job on a worker; in between the list belongs to the loop's thread. recover.h is
 * what can be done about it. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_UNLISTED_H
#define BANGER_DAEMON_CORE_SUPERVISE_UNLISTED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct store_txn;
struct vmm_driver;
struct vmm_found;

enum unlisted_kind { UNLISTED_VM, UNLISTED_IMAGE, UNLISTED_KERNEL, N_UNLISTED_KINDS };

/* "vm", "image", "kernel"; and the folder of their folders. */
const char *unlisted_kind_name(enum unlisted_kind kind);
const char *unlisted_kind_folder(enum unlisted_kind kind);

struct unlisted {
    struct list link;
    enum unlisted_kind kind;
    char id[ID_BYTES];
    char name[NAME_BYTES * 2]; /* of its record; "" */
    char folder[128];          /* below the state folder: vms/ID, lost+found/vm-ID-TIME */
    char *record;              /* owned; NULL: it cannot be recovered */
    char why[160];             /* not; "" where it can */
    char image_id[ID_BYTES];   /* what it is on; "" */
    char kernel_id[ID_BYTES];
    uint32_t cpus;                   /* a VM's, by its record; 0 where that does not say */
    uint64_t memory_bytes;           /* as above */
    bool aside;                      /* in lost+found */
    const struct vmm_driver *driver; /* of its process; NULL: none */
    pid_t pid;
};

void unlisted_free(struct unlisted *u);
void unlisted_free_all(struct list *all);

/* Texts "vm/ID", owned. */
struct name_set {
    struct map map;
};

void name_set_init(struct name_set *s);
void name_set_done(struct name_set *s);
/* -1: out of memory. */
int name_set_add(struct name_set *s, const char *kind, const char *id);
bool name_set_has(const struct name_set *s, const char *kind, const char *id);

/* One look. In: everything but found and told. */
struct unlisted_scan {
    char state_dir[PATH_BYTES];
    struct name_set known;        /* has a row */
    struct name_set gone;         /* the store has evidence that it is ours to remove */
    struct name_set wanted;       /* something refers to it */
    const struct vmm_found *live; /* processes of VMs without a row; borrowed */
    size_t n_live;
    bool look_only;    /* nothing is removed or moved: the evidence is not whole */
    struct list found; /* struct unlisted: what stays without a row, and what is in lost+found */
    struct list told;  /* struct unlisted: set aside in this look (also in found) */
};

void unlisted_scan_init(struct unlisted_scan *s, const char *state_dir);
void unlisted_scan_done(struct unlisted_scan *s);
/* Rows, log and operations of the core into the three sets. -1: out of memory. On the loop. */
int unlisted_scan_fill(struct unlisted_scan *s, struct core *core);
/* Looks, removes, sets aside, takes back. On a worker. */
void unlisted_scan_run(struct unlisted_scan *s);

/* Renames STATE/FOLDER to lost+found; u follows. On a worker. */
int unlisted_set_aside(const char *state_dir, struct unlisted *u, struct err *err);

#endif
