/* The audit log: who did what, from where, on what, with which result. On the loop's thread.
 *
 * Entries are numbered as they come and given to the store together, AUDIT_FLUSH_MS later at most:
 * no call waits for them, and a daemon that is killed loses no more than that. While the disk
 * refuses they wait, in order; what is lost all the same is counted and told. The store has the
 * latest AUDIT_KEPT; memory holds only what is on its way there. Which calls are written is the
 * business of daemon/service/audit.c. */
#ifndef BANGER_DAEMON_CORE_ACCESS_AUDIT_H
#define BANGER_DAEMON_CORE_ACCESS_AUDIT_H

#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"

struct audit;
struct audit_page;
struct core;
struct err;

enum {
    AUDIT_KEPT = 100000,
    AUDIT_FLUSH_MS = 100,
    AUDIT_UNWRITTEN_MAX = 10000,  /* waiting for a disk; more are lost, and missing by their seq */
    AUDIT_FAILED_BURST = 50,      /* failed calls of a principal that are written at once … */
    AUDIT_FAILED_EVERY_MS = 1000, /* … and then one in so long, with the number of the others */
};

struct audit *audit_new(struct core *core, struct err *err);
/* Gives what waits to the store; core->audit is NULL before. */
void audit_free(struct audit *audit);

/* Numbers and stamps *entry, and writes it soon. One that failed, in whatever way,
 * may be counted only: who may change nothing can have calls fail all day. */
void audit_add(struct core *core, const struct audit_entry *entry);
/* Writes what waits at once. */
void audit_flush(struct core *core);

/* The newest seq that is on disk. */
uint64_t audit_last_seq(const struct core *core);
/* How many were lost since the start: too many waited for the disk, or the store refused them. */
uint64_t audit_lost(const struct core *core);
/* Fills page->entries from the store; page->through_seq is taken from here. done comes once, later,
 * and page is borrowed until then. */
void audit_read(struct core *core, struct audit_page *page,
                void (*done)(void *arg, const struct err *err), void *arg);

/* Told when audit_last_seq has grown; never from inside audit_watch. */
struct audit_watch {
    struct list link;
    struct core *core;
    void (*more)(void *arg);
    void *arg;
};

void audit_watch(struct core *core, struct audit_watch *w, void (*more)(void *arg), void *arg);
/* Harmless on a closed or zeroed watch; allowed inside more(). */
void audit_unwatch(struct audit_watch *w);

#endif
