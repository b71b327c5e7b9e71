/* Kept copies: of a running store, before a migration, put in place; and databases that are
 * damaged, empty or gone. */
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/store/backup.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

static char dir[64], path[128];
static struct loop *loop;

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-backup-XXXXXX");
    if (!mkdtemp(dir))
        exit(EXIT_FAILURE);
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    loop = loop_new(NULL);
}

static void end(void)
{
    loop_free(loop);
    fs_remove_tree(dir, NULL);
}

static struct store *open_store(void)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(loop, path, &err);
    if (!s)
        fprintf(stderr, "%s\n", err.message);
    return s;
}

static void put_image(struct store *s, const char *id)
{
    struct image image = {.format = IMAGE_RAW, .created_ns = 5};
    snprintf(image.id, sizeof(image.id), "%s", id);
    struct store_txn *txn = store_txn_new();
    store_put_image(txn, &image);
    commit_now(loop, s, txn);
}

static int count_one(void *arg, const struct image *image)
{
    (void)image;
    ++*(int *)arg;
    return 0;
}

static int count_images(struct store *s)
{
    int n = 0;
    CHECK_INT(store_load_images(s, count_one, &n, NULL), 0);
    return n;
}

/* Files in backups whose names have this in them. */
static int count_copies(const char *word)
{
    char folder[128];
    int n = 0;
    snprintf(folder, sizeof(folder), "%s/backups", dir);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.' && strstr(e->d_name, word) != NULL;
    if (d)
        closedir(d);
    return n;
}

struct made {
    bool over;
    struct err err;
};

static void on_made(void *arg, const struct err *err)
{
    struct made *m = arg;
    m->over = true;
    m->err = err ? *err : (struct err)ERR_INIT;
    loop_stop(loop);
}

static void make_copy(struct store *s)
{
    struct made m = {.over = false};
    store_backup_now(s, on_made, &m);
    loop_run(loop, NULL);
    CHECK(m.over);
    CHECK_STR(m.err.message, "");
}

static void test_a_copy_is_whole_and_is_put_in_place(void)
{
    begin();
    struct err err = ERR_INIT;
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    char epoch[ID_BYTES], name[BACKUP_NAME_BYTES];
    snprintf(epoch, sizeof(epoch), "%s", store_epoch(s));
    put_image(s, "0123456789abcdea");
    make_copy(s);
    snprintf(name, sizeof(name), "%s", store_backup_newest(s, &err));
    CHECK_CONTAINS(name, epoch);
    put_image(s, "0123456789abcdeb");
    CHECK_INT(count_images(s), 2);
    store_close(s);
    CHECK_INT(store_restore(path, "../banger.db", &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_CONTAINS(err.message, name);
    CHECK_INT(store_restore(path, name, &err), 0);
    s = open_store();
    if (CHECK(s != NULL)) {
        CHECK_INT(count_images(s), 1);
        CHECK(strcmp(store_epoch(s), epoch) != 0); /* numbers of events will come again */
        store_close(s);
    }
    CHECK_INT(count_copies("replaced-"), 1);
    end();
}

/* Commits go on while a large copy is made, and it has all that was there when it ended, or less:
 * whole transactions. */
static void test_commits_go_on_while_a_copy_is_made(void)
{
    begin();
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    /* Made now, so that the store's own first one is not due while the database fills. */
    make_copy(s);
    struct session session = {.id = "", .vm_id = "0123456789abcdef"};
    static uint8_t argv[60000];
    struct vm vm = {.id = "0123456789abcdef", .name = "box"};
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, &vm);
    CHECK_INT(blob_set(&session.spec.argv, argv, sizeof(argv)), 0);
    for (int i = 1; i <= 600; i++) {
        snprintf(session.id, sizeof(session.id), "00000000000%05d", i);
        store_put_session(txn, &session);
        if (i % 200 > 0)
            continue;
        commit_now(loop, s, txn);
        txn = store_txn_new();
    }
    store_txn_free(txn);
    session_done(&session);
    struct made m = {.over = false};
    int committed = 0, asked = 0;
    store_backup_now(s, on_made, &m);
    while (!m.over && asked < 1000) {
        struct image image = {.format = IMAGE_RAW, .created_ns = 5};
        snprintf(image.id, sizeof(image.id), "00000000000%05d", asked++);
        txn = store_txn_new();
        store_put_image(txn, &image);
        commit_now(loop, s, txn);
        committed += !m.over;
    }
    printf("     %d commits while 36 MB were copied\n", committed);
    CHECK(committed > 0);
    if (!m.over)
        loop_run(loop, NULL);
    CHECK(m.over);
    CHECK_STR(m.err.message, "");
    char name[BACKUP_NAME_BYTES];
    CHECK(backup_find_good(path, name));
    store_close(s);
    end();
}

static void write_at(const char *file, long at, const char *bytes, size_t n)
{
    FILE *f = fopen(file, "r+");
    if (!CHECK(f != NULL))
        return;
    CHECK_INT(fseek(f, at, SEEK_SET), 0);
    CHECK_INT(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Damaged, and told so with what helps; never served. */
static void test_a_damaged_database_is_refused(void)
{
    begin();
    struct err err = ERR_INIT;
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    put_image(s, "0123456789abcdea");
    make_copy(s);
    char name[BACKUP_NAME_BYTES];
    snprintf(name, sizeof(name), "%s", store_backup_newest(s, NULL));
    store_close(s);
    static char junk[3 * 4096];
    memset(junk, 0x5a, sizeof(junk));
    write_at(path, 2 * 4096, junk, sizeof(junk));
    CHECK(store_open(loop, path, &err) == NULL);
    CHECK_INT(err.code, ERR_DATA_LOSS);
    CHECK_STR(err.reason, "STORE_DAMAGED");
    CHECK_CONTAINS(err.message, name);
    CHECK_CONTAINS(err.message, "--restore-backup");
    write_at(path, 0, junk, 100); /* not even a header */
    CHECK(store_open(loop, path, &err) == NULL);
    CHECK_STR(err.reason, "STORE_DAMAGED");
    CHECK_CONTAINS(err.message, name);
    CHECK_INT(store_restore(path, "newest", &err), 0);
    s = open_store();
    if (CHECK(s != NULL)) {
        CHECK_INT(count_images(s), 1);
        store_close(s);
    }
    end();
}

/* A damaged copy is passed over, and helps nobody. */
static void test_a_damaged_copy_is_no_help(void)
{
    begin();
    struct err err = ERR_INIT;
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    put_image(s, "0123456789abcdea");
    make_copy(s);
    char name[BACKUP_NAME_BYTES], worse[256], found[BACKUP_NAME_BYTES];
    snprintf(name, sizeof(name), "%s", store_backup_newest(s, NULL));
    store_close(s);
    snprintf(worse, sizeof(worse), "%s/backups/banger-29991231T000000Z-v1-none.db", dir);
    CHECK_INT(fs_write_atomic(worse, "SQLite format 3", 16, 0600, NULL), 0);
    CHECK(backup_find_good(path, found));
    CHECK_STR(found, name);
    CHECK_INT(store_restore(path, "banger-29991231T000000Z-v1-none.db", &err), -1);
    s = open_store();
    CHECK(s != NULL);
    store_close(s);
    end();
}

/* Each migration is of a database that is kept as it was. */
static void test_a_copy_is_kept_before_a_migration(void)
{
    begin();
    sqlite3 *db = NULL;
    struct err err = ERR_INIT;
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(migrations_apply(db, 1, &err), 0);
    sqlite3_close(db);
    struct store *s = open_store();
    CHECK(s != NULL);
    store_close(s);
    CHECK_INT(count_copies("-v1-"), 1);
    CHECK_INT(count_copies("-before.db"), 1);
    char name[BACKUP_NAME_BYTES], file[256];
    int version = 0;
    CHECK(backup_find_good(path, name));
    snprintf(file, sizeof(file), "%s/backups/%s", dir, name);
    CHECK_INT(backup_check_file(file, &version, &err), 0);
    CHECK_INT(version, 1);
    end();
}

/* An empty file, or only the log of a database: what is left is kept, and the copies are not driven
 * out by those of the empty one that is begun. */
static void test_a_lost_database_leaves_its_copies(void)
{
    begin();
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    char wal[160], epoch[ID_BYTES];
    snprintf(epoch, sizeof(epoch), "%s", store_epoch(s));
    put_image(s, "0123456789abcdea");
    make_copy(s);
    store_close(s);
    CHECK_INT(truncate(path, 0), 0);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    CHECK_INT(fs_write_atomic(wal, "all that is left", 16, 0600, NULL), 0);
    s = open_store();
    if (CHECK(s != NULL)) {
        CHECK_INT(count_copies("left-"), 1);
        CHECK_INT(count_images(s), 0);
        for (int i = 0; i < BACKUPS_KEPT + 2; i++)
            make_copy(s);
        CHECK(count_copies(store_epoch(s)) <= BACKUPS_KEPT);
        store_close(s);
    }
    CHECK_INT(count_copies(epoch), 1);
    end();
}

/* The daemon may end in the middle of one. */
static void test_a_store_closes_in_the_middle_of_a_copy(void)
{
    begin();
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    struct made m = {.over = false};
    put_image(s, "0123456789abcdea");
    store_backup_now(s, on_made, &m);
    store_close(s);
    CHECK(m.over);
    s = open_store();
    CHECK_INT(count_images(s), 1);
    store_close(s);
    end();
}

static void test_a_second_copy_at_once_is_refused(void)
{
    begin();
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    struct made first = {.over = false}, second = {.over = false};
    store_backup_now(s, on_made, &first);
    store_backup_now(s, on_made, &second);
    CHECK(second.over);
    CHECK_INT(second.err.code, ERR_UNAVAILABLE);
    CHECK(!first.over);
    store_close(s);
    CHECK(first.over);
    end();
}

/* The names are taken for as long as this test may last: nothing is moved. */
static void test_a_database_that_cannot_be_put_away_whole_stays(void)
{
    begin();
    struct err err = ERR_INIT;
    struct store *s = open_store();
    if (!CHECK(s != NULL))
        return;
    put_image(s, "0123456789abcdea");
    make_copy(s);
    store_close(s);
    time_t now = time(NULL);
    for (int i = 0; i < 60; i++) {
        char when[24], file[200];
        struct tm tm;
        time_t then = now + i;
        gmtime_r(&then, &tm);
        strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
        snprintf(file, sizeof(file), "%s/backups/replaced-%s.db-shm", dir, when);
        FILE *f = fopen(file, "w");
        if (CHECK(f != NULL))
            fclose(f);
    }
    CHECK_INT(store_restore(path, "newest", &err), -1);
    CHECK_INT(err.code, ERR_EXISTS);
    CHECK_CONTAINS(err.message, "backups/replaced-");
    CHECK_INT(access(path, F_OK), 0);
    s = open_store();
    if (CHECK(s != NULL)) {
        CHECK_INT(count_images(s), 1);
        store_close(s);
    }
    end();
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    RUN(test_a_copy_is_whole_and_is_put_in_place);
    RUN(test_commits_go_on_while_a_copy_is_made);
    RUN(test_a_damaged_database_is_refused);
    RUN(test_a_damaged_copy_is_no_help);
    RUN(test_a_copy_is_kept_before_a_migration);
    RUN(test_a_lost_database_leaves_its_copies);
    RUN(test_a_store_closes_in_the_middle_of_a_copy);
    RUN(test_a_second_copy_at_once_is_refused);
    RUN(test_a_database_that_cannot_be_put_away_whole_stays);
    return check_end();
}
