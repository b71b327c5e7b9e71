/* Services: commands that run whenever their VM does, and again when they end.
 *
 * A service is a definition on disk (struct guest_service) and acts through sessions alone: each
 * run is a session that has its id (session.service_id). It is looked at, not driven: whatever may
 * have changed (its run, its VM, its agent, a clock, another service), guest_service_look works out
 * of the record what is to be done, which is why a daemon that begins in the middle goes on
 * rightly. What lasts is counted when a run has ended, once (course.judged): how often in a row it
 * was started again, which is also how long is waited, and that it is settled for this boot of the
 * guest. The record is the working copy; what others see is on disk (guest_service_shown).
 *
 *   guest_service.c      registry, references, what is asked for
 *   guest_service_run.c  what is to be done, and what a run's end means
 *   guest_service_ready.c  whether one that runs is ready
 *   guest_service_update.c  another spec
 *   guest_service_request.c  request ids */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_GUEST_SERVICE_H
#define BANGER_DAEMON_CORE_SUPERVISE_GUEST_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/model.h"

struct core;
struct err;
struct guest_service_entry;
struct guest_services;
struct request_meta;
struct vm_entry;

enum {
    GUEST_SERVICES_PER_VM = 64,
    GUEST_SERVICE_RUNS_KEPT = 5, /* ended ones; older are deleted as a new one starts */
};

enum guest_service_state { /* values of banger.v1.GuestServiceState */
                           GUEST_SERVICE_STOPPED = 1,
                           GUEST_SERVICE_WAITING = 2,
                           GUEST_SERVICE_STARTING = 3,
                           GUEST_SERVICE_RUNNING = 4,
                           GUEST_SERVICE_BACKOFF = 5,
                           GUEST_SERVICE_STOPPING = 6,
                           GUEST_SERVICE_DONE = 7,
                           GUEST_SERVICE_FAILED = 8,
};

/* After the sessions. NULL with err. */
struct guest_services *guest_services_new(struct core *core, struct err *err);
/* What lives goes on from here. */
void guest_services_start(struct guest_services *all);
/* Before the VMs and the sessions go. NULL is fine. */
void guest_services_free(struct guest_services *all);

/* Exact name or id of one of the VM's; NULL with ERR_NOT_FOUND (SERVICE_NOT_FOUND). */
struct guest_service_entry *guest_service_find(struct core *core, const struct vm_entry *vm,
                                               const char *ref, struct err *err);
/* Of one VM or (NULL) all, in order of creation; NULL: the first. */
struct guest_service_entry *guest_service_next(struct core *core, const struct vm_entry *vm,
                                               const struct guest_service_entry *after);
/* As it is on disk. Borrowed until the next return to the loop. */
const struct guest_service *guest_service_shown(const struct guest_service_entry *e);
enum guest_service_state guest_service_state(const struct guest_service_entry *e);
/* It runs, and its readiness check, if it has one, says so. Else why not; "" where it does not run.
 */
bool guest_service_is_ready(const struct guest_service_entry *e);
const char *guest_service_not_ready(const struct guest_service_entry *e);
/* Id of the latest run, "" where there is none. */
const char *guest_service_run(const struct guest_service_entry *e);

typedef void guest_service_done_fn(void *arg, struct guest_service_entry *e, const struct err *err);

/* Each is answered when it is on disk: done comes once, later. Of wanted count name, spec, policy
 * and whether it is wanted. -1: ERR_INVALID, ERR_EXISTS (SERVICE_NAME_TAKEN), ERR_LIMIT
 * (SERVICE_LIMIT). */
int guest_service_create(struct core *core, struct vm_entry *vm, const struct guest_service *wanted,
                         const struct request_meta *meta, guest_service_done_fn *done, void *arg,
                         struct err *err);
/* What the request id made: *found NULL: nothing, go ahead. -1: ERR_EXISTS (REQUEST_ID_REUSED),
 * ERR_NOT_FOUND (SERVICE_NOT_FOUND): it has been deleted; ERR_UNAVAILABLE: it is being made. */
int guest_service_find_request(struct core *core, const struct request_meta *meta,
                               struct guest_service_entry **found, struct err *err);
/* Of wanted count spec and policy, which take the place of those that it has: with its next run,
 * or, with restart, by a run that takes the place of this one. One that had given up begins anew.
 */
int guest_service_update(struct guest_service_entry *e, const struct guest_service *wanted,
                         bool restart, guest_service_done_fn *done, void *arg, struct err *err);
/* Wanted or not: it is started, also where it had given up, or stopped. */
int guest_service_want(struct guest_service_entry *e, bool wanted, guest_service_done_fn *done,
                       void *arg, struct err *err);
/* force: its run is stopped, too; else ERR_PRECONDITION (SERVICE_RUNNING). done has no entry. Runs
 * stay as sessions. */
int guest_service_delete(struct guest_service_entry *e, bool force, guest_service_done_fn *done,
                         void *arg, struct err *err);

#endif
