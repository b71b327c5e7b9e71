/* The folder of kept copies: names, lists, soundness; see backup.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/store/backup.h"
#include "daemon/store/column.h"

enum { LISTED_MAX = 1000 };

void backup_path(const char *database, const char *name, char *out, size_t room)
{
    const char *slash = strrchr(database, '/');
    int n = slash ? (int)(slash - database) : 1;
    snprintf(out, room, "%.*s/backups%s%s", n, slash ? database : ".", name ? "/" : "",
             name ? name : "");
}

void backup_time(char out[24])
{
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(out, 24, "%Y%m%dT%H%M%SZ", &tm);
}

/* By time, which follows the same word in all of them: the newest first. */
static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static bool is_copy(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, "banger-", 7) == 0 && n < BACKUP_NAME_BYTES && n > 10 &&
           strcmp(name + n - 3, ".db") == 0;
}

char **backup_list(const char *database)
{
    char folder[600];
    char **names = calloc(LISTED_MAX + 1, sizeof(*names));
    size_t n = 0;
    backup_path(database, NULL, folder, sizeof(folder));
    auto_dir DIR *dir = opendir(folder);
    for (struct dirent *d; names && dir && n < LISTED_MAX && (d = readdir(dir));)
        if (is_copy(d->d_name) && (names[n] = strdup(d->d_name)))
            n++;
    if (names)
        qsort(names, n, sizeof(*names), compare);
    return names;
}

void backup_list_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
}

int backup_sync_folder(const char *database, struct err *err)
{
    char folder[600];
    backup_path(database, NULL, folder, sizeof(folder));
    auto_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync %s", folder);
    return 0;
}

/* A copy is whole by itself, whatever lies beside it. */
static sqlite3 *open_copy(const char *file, struct err *err)
{
    char uri[700];
    sqlite3 *db = NULL;
    if (strpbrk(file, "?#%")) {
        err_set(err, ERR_INVALID, "%s: the path cannot be told to SQLite", file);
        return NULL;
    }
    snprintf(uri, sizeof(uri), "file:%s?immutable=1", file);
    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK)
        return db;
    err_set(err, ERR_UNAVAILABLE, "cannot open %s: %s", file,
            db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return NULL;
}

int backup_check_file(const char *file, int *version, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = access(file, R_OK) < 0 ? (err_sys(err, errno, "cannot read %s", file), NULL)
                                         : open_copy(file, err);
    if (!db)
        return -1;
    int rc = database_check(db, err);
    *version = 0;
    if (rc == 0 && sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        *version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    if (rc == 0 && *version <= 0)
        rc = err_set(err, ERR_DATA_LOSS, "%s is no database of this program", file);
    return rc;
}

bool backup_find_good(const char *path, char name[BACKUP_NAME_BYTES])
{
    char **names = backup_list(path);
    bool found = false;
    for (size_t i = 0; names && names[i] && !found; i++) {
        char file[700];
        int version;
        backup_path(path, names[i], file, sizeof(file));
        found = backup_check_file(file, &version, NULL) == 0;
        if (found)
            snprintf(name, BACKUP_NAME_BYTES, "%s", names[i]);
    }
    backup_list_free(names);
    return found;
}
