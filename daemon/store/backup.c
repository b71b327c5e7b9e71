/* Making copies of the database; see backup.h. A few pages between two batches of the store's
 * thread; then the file is checked and synced on a thread of its own, where that may take long. */
#include "daemon/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "daemon/store/column.h"
#include "daemon/store/migrations.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

enum {
    STEP_PAGES = 64, /* 256 KiB: well below a millisecond */
    FIRST_MS = 2000, /* after the start, which has better to do */
    EVERY_MS = 3600 * 1000,
    FREE_MIN_BYTES = 64 << 20, /* stay, beside the copy */
    FREE_ONCE_BYTES = 4 << 20, /* the same where no copy means no start */
};

/* A copy under way. */
struct copy {
    char name[BACKUP_NAME_BYTES], temp[700];
    sqlite3 *to;
    sqlite3_backup *steps;
};

struct backup {
    struct loop *loop;
    struct workers *worker;  /* the store's */
    struct workers *checker; /* owned */
    sqlite3 *db;             /* the worker's */
    char path[600], epoch[ID_BYTES];
    struct timer due;
    struct job job;
    bool running, changed, closing;
    struct copy copy;
    bool copied;    /* all pages are */
    struct err err; /* of the job */
    struct err failed;
    char newest[BACKUP_NAME_BYTES];
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

/* Steps, on whichever thread has the database */

static int copy_open(struct copy *c, sqlite3 *db, const char *path, struct err *err)
{
    char temp[BACKUP_NAME_BYTES + 8];
    snprintf(temp, sizeof(temp), ".tmp-%s", c->name);
    backup_path(path, NULL, c->temp, sizeof(c->temp));
    if (fs_make_dirs(c->temp, 0700, err) < 0)
        return -1;
    backup_path(path, temp, c->temp, sizeof(c->temp));
    unlink(c->temp);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(c->temp, &c->to, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(c->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                     NULL) != SQLITE_OK)
        return c->to ? store_sqlite_error(c->to, err, c->temp)
                     : err_set(err, ERR_LIMIT, "out of memory for a copy of the database");
    c->steps = sqlite3_backup_init(c->to, "main", db, "main");
    return c->steps ? 0 : store_sqlite_error(c->to, err, c->temp);
}

static void copy_close(struct copy *c)
{
    sqlite3_backup_finish(c->steps);
    sqlite3_close(c->to);
    c->steps = NULL;
    c->to = NULL;
}

/* 1: all is copied; 0: go on; -1. */
static int copy_step(struct copy *c, int pages, struct err *err)
{
    int rc = sqlite3_backup_step(c->steps, pages);
    if (rc == SQLITE_DONE)
        return 1;
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        return 0;
    return store_code_error(rc, err, "copying the database");
}

/* The file becomes a copy by its name, once it is sound and on disk. */
static int copy_keep(struct copy *c, const char *path, struct err *err)
{
    char final[700];
    int version;
    if (backup_check_file(c->temp, &version, err) < 0)
        return err_wrap(err, "the copy of the database is not kept");
    auto_fd int fd = open(c->temp, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync %s", c->temp);
    backup_path(path, c->name, final, sizeof(final));
    if (rename(c->temp, final) < 0)
        return err_sys(err, errno, "cannot keep %s", final);
    return backup_sync_folder(path, err);
}

static int pragma_number(sqlite3 *db, const char *sql, int64_t *number)
{
    sqlite3_stmt *stmt = NULL;
    int rc = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        *number = sqlite3_column_int64(stmt, 0);
        rc = 0;
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* What needs room says so before it starts. */
static int copy_check_room(sqlite3 *db, const char *path, uint64_t beside, struct err *err)
{
    int64_t pages = 0, page_bytes = 0;
    struct statvfs fs;
    if (statvfs(path, &fs) < 0 || pragma_number(db, "PRAGMA page_count", &pages) < 0 ||
        pragma_number(db, "PRAGMA page_size", &page_bytes) < 0)
        return 0;
    uint64_t want = (uint64_t)pages * (uint64_t)page_bytes + beside;
    if ((uint64_t)fs.f_bavail * fs.f_frsize >= want)
        return 0;
    char folder[700];
    backup_path(path, NULL, folder, sizeof(folder));
    return err_set(err, ERR_LIMIT,
                   "no copy of the database is made: it needs %llu MiB free on the disk of %s; "
                   "old copies there can be removed",
                   (unsigned long long)((want + (1 << 20) - 1) >> 20), folder);
}

/* The latest of each kind and epoch are kept: an empty database that was begun by mistake does not
 * drive out the copies of the one before. */
static void prune(const char *path)
{
    char **names = backup_list(path);
    for (size_t i = 0; names && names[i]; i++) {
        const char *tail = strstr(names[i], "-v");
        tail = tail ? strchr(tail + 2, '-') : NULL; /* -EPOCH.db, -EPOCH-before.db */
        size_t newer = 0;
        for (size_t k = 0; tail && k < i; k++) {
            size_t n = strlen(names[k]);
            newer += n > strlen(tail) && strcmp(names[k] + n - strlen(tail), tail) == 0;
        }
        char file[700];
        backup_path(path, names[i], file, sizeof(file));
        if (newer >= BACKUPS_KEPT)
            unlink(file);
    }
    backup_list_free(names);
}

int backup_before_migration(sqlite3 *db, const char *path, int version, struct err *err)
{
    struct copy c = {.name = ""};
    char when[24];
    char epoch[ID_BYTES] = "none";
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = 'epoch'", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(epoch, sizeof(epoch), "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    backup_time(when);
    snprintf(c.name, sizeof(c.name), "banger-%s-v%d-%s-before.db", when, version,
             id_is_valid(epoch) ? epoch : "none");
    int rc = copy_check_room(db, path, FREE_ONCE_BYTES, err);
    if (rc == 0)
        rc = copy_open(&c, db, path, err);
    if (rc == 0)
        rc = copy_step(&c, -1, err);
    if (rc == 0)
        rc = err_set(err, ERR_UNAVAILABLE, "the database is locked");
    copy_close(&c);
    if (rc == 1)
        rc = copy_keep(&c, path, err);
    if (rc < 0) {
        unlink(c.temp);
        return err_wrap(err, "cannot keep a copy of the database before its schema changes");
    }
    log_info("store", "kept %s before the schema changes", c.name);
    prune(path);
    return 0;
}

/* Of a running store, on the loop */

static void backup_end(struct backup *b, const struct err *err)
{
    void (*done)(void *arg, const struct err *err) = b->done;
    b->running = false;
    b->done = NULL;
    if (err)
        log_err(LOG_LEVEL_WARN, "store", err, "no copy of the database was made");
    else
        memcpy(b->newest, b->copy.name, sizeof(b->newest));
    b->failed = err ? *err : (struct err)ERR_INIT;
    if (!err)
        log_info("store", "kept a copy of the database, %s", b->newest);
    if (err && b->copy.temp[0])
        unlink(b->copy.temp);
    b->changed |= err != NULL;
    if (!b->closing)
        timer_start(&b->due, EVERY_MS);
    if (done)
        done(b->arg, err);
}

static void check_run(struct job *job)
{
    struct backup *b = container_of(job, struct backup, job);
    if (copy_keep(&b->copy, b->path, &b->err) == 0)
        prune(b->path);
    malloc_trim(0); /* what two more connections had, on a thread that has nothing else to do */
}

static void check_done(struct job *job)
{
    struct backup *b = container_of(job, struct backup, job);
    backup_end(b, b->err.code == ERR_NONE ? NULL : &b->err);
}

static void step_run(struct job *job)
{
    struct backup *b = container_of(job, struct backup, job);
    int rc = 0;
    if (!b->copy.to)
        rc = copy_check_room(b->db, b->path, FREE_MIN_BYTES, &b->err) < 0 ||
                     copy_open(&b->copy, b->db, b->path, &b->err) < 0
                 ? -1
                 : 0;
    if (rc == 0)
        rc = copy_step(&b->copy, STEP_PAGES, &b->err);
    b->copied = rc == 1;
    if (rc != 0)
        copy_close(&b->copy);
}

static void step_done(struct job *job)
{
    struct backup *b = container_of(job, struct backup, job);
    struct workers *next = b->copied ? b->checker : b->worker;
    if (b->copied)
        b->job = (struct job){.run = check_run, .done = check_done};
    if (b->err.code == ERR_NONE && !b->closing && workers_submit(next, &b->job, &b->err) == 0)
        return;
    if (b->err.code == ERR_NONE)
        err_set(&b->err, ERR_UNAVAILABLE, "the daemon ends");
    backup_end(b, &b->err);
}

static void backup_start(struct backup *b)
{
    char when[24];
    if (b->running || b->closing || b->copy.to)
        return;
    backup_time(when);
    b->copy = (struct copy){.name = ""};
    snprintf(b->copy.name, sizeof(b->copy.name), "banger-%s-v%d-%s.db", when, migrations_newest(),
             b->epoch);
    b->running = true;
    b->changed = b->copied = false;
    err_clear(&b->err);
    b->job = (struct job){.run = step_run, .done = step_done};
    if (workers_submit(b->worker, &b->job, &b->err) < 0)
        backup_end(b, &b->err);
}

static void backup_due(void *arg)
{
    struct backup *b = arg;
    if (b->changed)
        backup_start(b);
    else
        timer_start(&b->due, EVERY_MS);
}

void backup_changed(struct backup *b)
{
    if (b)
        b->changed = true;
}

void backup_now(struct backup *b, void (*done)(void *arg, const struct err *err), void *arg)
{
    struct err busy = ERR_INIT;
    if (b->running || b->closing || b->copy.to) {
        err_set(&busy, ERR_UNAVAILABLE, "%s",
                b->closing ? "the daemon ends" : "a copy of the database is being made already");
        done(arg, &busy);
        return;
    }
    b->done = done;
    b->arg = arg;
    backup_start(b);
}

/* Whether the newest copy of this history is of the last hour; one of the future says nothing. */
static bool has_fresh_copy(struct backup *b)
{
    char now[24], hour_ago[24], tail[40];
    time_t then = time(NULL) - EVERY_MS / 1000;
    struct tm tm;
    bool fresh = false;
    gmtime_r(&then, &tm);
    strftime(hour_ago, sizeof(hour_ago), "%Y%m%dT%H%M%SZ", &tm);
    backup_time(now);
    snprintf(tail, sizeof(tail), "-%s.db", b->epoch);
    char **names = backup_list(b->path);
    if (names && names[0])
        snprintf(b->newest, sizeof(b->newest), "%s", names[0]);
    for (size_t i = 0; names && names[i]; i++) {
        const char *when = names[i] + strlen("banger-");
        fresh |= strstr(names[i], tail) && strncmp(when, hour_ago, 16) > 0 &&
                 strncmp(when, now, 16) <= 0;
    }
    backup_list_free(names);
    return fresh;
}

struct backup *backup_new(struct loop *loop, struct workers *worker, sqlite3 *db, const char *path,
                          const char *epoch, struct err *err)
{
    struct backup *b = calloc(1, sizeof(*b));
    if (!b || timer_init(&b->due, loop, backup_due, b) < 0) {
        free(b);
        err_set(err, ERR_LIMIT, "out of memory for copies of the database");
        return NULL;
    }
    b->loop = loop;
    b->worker = worker;
    b->db = db;
    snprintf(b->path, sizeof(b->path), "%s", path);
    snprintf(b->epoch, sizeof(b->epoch), "%s", epoch);
    b->checker = workers_new(loop, "backup", 1, 1, err);
    if (!b->checker) {
        backup_free(b);
        return NULL;
    }
    b->changed = !has_fresh_copy(b);
    timer_start(&b->due, b->changed ? FIRST_MS : EVERY_MS);
    return b;
}

const char *backup_newest(const struct backup *b, struct err *err)
{
    if (err)
        *err = b->failed;
    return b->newest;
}

void backup_free(struct backup *b)
{
    if (!b)
        return;
    b->closing = true;
    workers_close(b->checker);
    if (b->copy.to)
        copy_close(&b->copy);
    if (b->running) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_UNAVAILABLE, "the daemon ends");
        backup_end(b, &err);
    }
    timer_done(&b->due);
    free(b);
}
