/* Whether a database is sound, and what to say where it is not or is gone; see backup.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/store/backup.h"
#include "daemon/store/column.h"

/* A large store is checked as far as that goes. */
enum { CHECK_MS = 5000, CHECK_EVERY_OPS = 100000 };

static int is_late(void *arg)
{
    return clock_mono_ms() > *(const int64_t *)arg;
}

int database_check(sqlite3 *db, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + CHECK_MS;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    sqlite3_progress_handler(db, CHECK_EVERY_OPS, is_late, &deadline_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int result = 0;
    if ((rc & 0xff) == SQLITE_INTERRUPT)
        log_warn("store", "the database is large: checked for %d s only", CHECK_MS / 1000);
    else if (said && strcmp(said, "ok") != 0)
        result = err_set(err, ERR_DATA_LOSS, "the database is damaged: %.200s", said);
    else if (!said)
        result = err_wrap((store_sqlite_error(db, err, "quick_check"), err),
                          "the database cannot be checked");
    sqlite3_finalize(stmt);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return result;
}

void backup_advise(const char *path, struct err *err)
{
    char name[BACKUP_NAME_BYTES], before[sizeof(err->message)];
    if (!err || err->code != ERR_DATA_LOSS)
        return;
    snprintf(before, sizeof(before), "%.250s", err->message);
    if (backup_find_good(path, name))
        err_set(err, ERR_DATA_LOSS,
                "%s. The newest good copy is %s: `bangerd --restore-backup %s` puts it in place, "
                "`banger host recover` then lists what is newer",
                before, name, name);
    else
        err_set(err, ERR_DATA_LOSS,
                "%s. There is no good copy in backups: move the file away, start, and `banger host "
                "recover` lists VMs and images again",
                before);
    err_tag(err, "STORE_DAMAGED", NULL);
}

/* A log without its database is all that is left of it; SQLite would throw it away. */
static void keep_log(const char *path)
{
    char from[700], to[700], name[64], when[24];
    struct err err = ERR_INIT;
    struct stat st;
    snprintf(from, sizeof(from), "%s-wal", path);
    if (lstat(from, &st) < 0 || st.st_size == 0)
        return;
    backup_time(when);
    snprintf(name, sizeof(name), "left-%s.db-wal", when);
    backup_path(path, NULL, to, sizeof(to));
    if (fs_make_dirs(to, 0700, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, "store", &err, "cannot keep the log of a database that is gone");
        return;
    }
    backup_path(path, name, to, sizeof(to));
    if (rename(from, to) == 0)
        log_warn("store", "%s had no database: kept as %s", from, to);
}

void database_look(const char *path)
{
    char name[BACKUP_NAME_BYTES], text[700];
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_size > 0)
        return;
    keep_log(path);
    if (backup_find_good(path, name)) {
        snprintf(text, sizeof(text),
                 "the newest copy is %s: `bangerd --restore-backup %s` puts it in place", name,
                 name);
        log_error("store", "%s is %s, though there was one. An empty one is begun; %s", path,
                  lstat(path, &st) < 0 ? "gone" : "empty", text);
    }
}
