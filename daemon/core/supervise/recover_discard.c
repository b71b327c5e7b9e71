/* Ending and setting aside what the store does not list; see recover.h. Processes end first, then
 * one job moves the folders. What something else needs is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/recover_internal.h"
#include "daemon/core/supervise/stray.h"
#include "daemon/host/remove.h"
#include "rpc/event/worker.h"

/* On the worker: the parts' copies. */
static void discard_run(struct job *job)
{
    struct recovery *r = container_of(job, struct recovery, job);
    for (size_t i = 0; i < r->n; i++) {
        struct recovery_part *p = &r->parts[i];
        char path[PATH_BYTES + 160];
        if (!p->work)
            continue;
        snprintf(path, sizeof(path), "%.400s/%s", r->core->config.state_dir, p->work->folder);
        if (p->work->aside)
            host_remove_tree(path, &p->err);
        else
            unlisted_set_aside(r->core->config.state_dir, p->work, &p->err);
    }
}

static void discard_tell(struct recovery_part *p)
{
    struct core *core = p->of->core;
    bool removed = p->item.outcome == RECOVER_REMOVED;
    log_warn(p->item.resource, "discarded: %s %s", removed ? "removed" : "set aside in",
             p->item.folder);
    if (core->events)
        event_emit(core, NULL, removed ? "host.discarded" : "host.set_aside", p->item.resource,
                   p->work->kind == UNLISTED_VM ? p->work->id : NULL, p->item.folder, NULL);
}

static void discard_done(struct job *job)
{
    struct recovery *r = container_of(job, struct recovery, job);
    for (size_t i = 0; i < r->n; i++) {
        struct recovery_part *p = &r->parts[i];
        if (!p->work)
            continue;
        if (p->err.code != ERR_NONE && p->err.sys != 0 && p->err.code == ERR_NOT_FOUND)
            err_clear(&p->err); /* its folder was gone already */
        if (p->err.code != ERR_NONE) {
            recovery_say(&p->item, &p->err);
            continue;
        }
        p->item.outcome = p->unlisted->aside ? RECOVER_REMOVED : RECOVER_SET_ASIDE;
        p->item.message[0] = '\0';
        p->item.running = false;
        snprintf(p->item.folder, sizeof(p->item.folder), "%s", p->work->folder);
        discard_tell(p);
        if (p->unlisted->aside || !p->work->aside || !r->core->recover) {
            recovery_forget(p);
            continue;
        }
        p->unlisted->aside = true;
        p->unlisted->driver = NULL;
        snprintf(p->unlisted->folder, sizeof(p->unlisted->folder), "%s", p->work->folder);
        snprintf(p->unlisted->why, sizeof(p->unlisted->why), "it was set aside");
    }
    recovery_less(r);
}

static void discard_less(struct recovery *r)
{
    struct err err = ERR_INIT;
    if (--r->ends_left > 0)
        return;
    r->job = (struct job){.run = discard_run, .done = discard_done, .frees = true};
    if (workers_submit(r->core->slow, &r->job, &err) == 0)
        return;
    for (size_t i = 0; i < r->n; i++)
        recovery_say(&r->parts[i].item, &err);
    recovery_less(r);
}

static void discard_ended(void *arg, const struct err *err)
{
    struct recovery_part *p = arg;
    if (err) {
        recovery_say(&p->item, err);
        unlisted_free(p->work);
        p->work = NULL;
    }
    discard_less(p->of);
}

/* Whether something that stays is on it: a row, or an unlisted thing that is not meant. What has
 * been set aside is removed now, so there those set aside count as well. */
static bool discard_is_needed(const struct recovery *r, const struct unlisted *u,
                              const struct unlisted_scan *rows)
{
    if (!u->aside && name_set_has(&rows->wanted, unlisted_kind_name(u->kind), u->id))
        return true;
    for (const struct unlisted *other = NULL; (other = recover_next(r->core, other));) {
        bool on_it = (u->kind == UNLISTED_IMAGE && strcmp(other->image_id, u->id) == 0) ||
                     (u->kind == UNLISTED_KERNEL && strcmp(other->kernel_id, u->id) == 0);
        bool stays = u->aside || !other->aside;
        for (size_t i = 0; i < r->n && stays; i++)
            stays = r->parts[i].unlisted != other;
        if (on_it && stays)
            return true;
    }
    return false;
}

static struct unlisted *discard_copy(const struct unlisted *u)
{
    struct unlisted *work = malloc(sizeof(*work));
    if (!work)
        return NULL;
    *work = *u;
    work->record = NULL;
    list_init(&work->link);
    return work;
}

static void discard_one(struct recovery_part *p, const struct unlisted_scan *rows)
{
    struct err err = ERR_INIT;
    const struct unlisted *u = p->unlisted;
    if (discard_is_needed(p->of, u, rows)) {
        err_set(&err, ERR_PRECONDITION, "something that stays needs it");
        recovery_say(&p->item, &err);
        return;
    }
    p->work = discard_copy(u);
    if (!p->work) {
        err_set(&err, ERR_LIMIT, "out of memory");
        recovery_say(&p->item, &err);
        return;
    }
    if (!u->driver)
        return;
    p->of->ends_left++;
    if (stray_end(p->of->core, u->driver, u->id, discard_ended, p, &err) < 0)
        discard_ended(p, &err);
}

void recovery_discard(struct recovery *r)
{
    struct unlisted_scan rows;
    struct err err = ERR_INIT;
    unlisted_scan_init(&rows, r->core->config.state_dir);
    if (unlisted_scan_fill(&rows, r->core) < 0) {
        err_set(&err, ERR_LIMIT, "out of memory");
        for (size_t i = 0; i < r->n; i++)
            recovery_say(&r->parts[i].item, &err);
        unlisted_scan_done(&rows);
        return;
    }
    r->left++;
    r->ends_left = 1;
    for (size_t i = 0; i < r->n; i++)
        discard_one(&r->parts[i], &rows);
    unlisted_scan_done(&rows);
    discard_less(r);
}
