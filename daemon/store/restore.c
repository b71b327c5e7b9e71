/* Putting a kept copy in the place of the database, while no daemon runs; see store.h. What was
 * there stays, under a name of its own, in the folder of the copies. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "daemon/store/backup.h"
#include "daemon/store/column.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store.h"

static int copy_file(const char *from, const char *to, struct err *err)
{
    char piece[65536];
    auto_fd int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    auto_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (in < 0 || out < 0)
        return err_sys(err, errno, "cannot copy %s to %s", from, to);
    for (ssize_t n; (n = read(in, piece, sizeof(piece))) != 0;)
        if (n < 0 || write(out, piece, (size_t)n) != n)
            return err_sys(err, errno ? errno : ENOSPC, "cannot copy %s to %s", from, to);
    return fsync(out) < 0 ? err_sys(err, errno, "cannot sync %s", to) : 0;
}

/* Events after the copy had numbers that will be given again: whoever watches must see a new log.
 */
static int begin_new_epoch(const char *file, struct err *err)
{
    sqlite3 *db = NULL;
    char sql[128], epoch[ID_BYTES];
    id_make(epoch);
    snprintf(sql, sizeof(sql), "UPDATE meta SET value = '%s' WHERE key = 'epoch'", epoch);
    int rc = 0;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL", NULL, NULL,
                     NULL) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        rc = db ? store_sqlite_error(db, err, file) : err_set(err, ERR_LIMIT, "out of memory");
    sqlite3_close(db);
    return rc;
}

/* The database goes last: as long as it is in its place nothing is lost. */
enum { PARTS = 3 };
static const char *const parts[PARTS] = {"-wal", "-shm", ""};

struct part_move {
    char from[700], to[700];
    bool moved;
};

static void put_back(const struct part_move moves[PARTS])
{
    for (size_t i = PARTS; i-- > 0;)
        if (moves[i].moved && rename(moves[i].to, moves[i].from) < 0)
            log_warn("store", "%s is now %s, and has to be moved back: %s", moves[i].from,
                     moves[i].to, strerror(errno));
}

/* All of it, or nothing. */
static int put_away(const char *path, const char *when, struct part_move moves[PARTS],
                    struct err *err)
{
    struct stat there;
    for (size_t i = 0; i < PARTS; i++) {
        struct part_move *m = &moves[i];
        char name[BACKUP_NAME_BYTES];
        m->moved = false;
        snprintf(m->from, sizeof(m->from), "%.600s%s", path, parts[i]);
        snprintf(name, sizeof(name), "replaced-%s.db%s", when, parts[i]);
        backup_path(path, name, m->to, sizeof(m->to));
    }
    for (size_t i = 0; i < PARTS; i++)
        if (lstat(moves[i].to, &there) == 0)
            return err_set(err, ERR_EXISTS, "%s is there already; try again in a second",
                           moves[i].to);
    for (size_t i = 0; i < PARTS; i++) {
        moves[i].moved = rename(moves[i].from, moves[i].to) == 0;
        if (!moves[i].moved && errno != ENOENT) {
            err_sys(err, errno, "cannot put %s away as %s", moves[i].from, moves[i].to);
            put_back(moves);
            return -1;
        }
    }
    return 0;
}

static int explain_unknown(const char *path, const char *name, struct err *err)
{
    char all[400] = "";
    char **names = backup_list(path);
    for (size_t i = 0; names && names[i] && strlen(all) < 300; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "", names[i]);
    backup_list_free(names);
    return err_set(err, ERR_NOT_FOUND, "no copy %.64s; there is %s", name, all[0] ? all : "none");
}

int store_restore(const char *path, const char *name, struct err *err)
{
    struct part_move moves[PARTS];
    char from[700], temp[700], when[24], newest[BACKUP_NAME_BYTES];
    int version;
    if (strcmp(name, "newest") == 0 && backup_find_good(path, newest))
        name = newest;
    backup_path(path, name, from, sizeof(from));
    if (strchr(name, '/') || name[0] == '.' || access(from, R_OK) < 0)
        return explain_unknown(path, name, err);
    if (backup_check_file(from, &version, err) < 0)
        return err_wrap(err, "%s is no help", name);
    if (version > migrations_newest())
        return err_set(err, ERR_PRECONDITION, "%s is of a newer program (schema version %d)", name,
                       version);
    backup_time(when);
    snprintf(temp, sizeof(temp), "%.600s.restored", path);
    unlink(temp);
    if (copy_file(from, temp, err) < 0 || begin_new_epoch(temp, err) < 0 ||
        put_away(path, when, moves, err) < 0) {
        unlink(temp);
        return -1;
    }
    if (rename(temp, path) < 0) {
        err_sys(err, errno, "cannot put %s in place", path);
        put_back(moves);
        unlink(temp);
        return -1;
    }
    log_warn("store", "%s is in place; the database before it is kept as backups/replaced-%s.db",
             name, when);
    return backup_sync_folder(path, err);
}
