/* Reading the audit log, on the store's thread; see store.h. */
#include <string.h>

#include "base/err.h"
#include "daemon/store/column.h"
#include "daemon/store/store.h"
#include "daemon/store/txn.h"

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "/banger.v1.VMService/CreateVM" is found by what it begins with, with or without the slash, and
 * by what its name begins with. */
static bool is_method(const char *path, const char *wanted)
{
    const char *name = strrchr(path, '/');
    return begins_with(path, wanted) || begins_with(path + (*path == '/'), wanted) ||
           (name && begins_with(name + 1, wanted));
}

static bool is_wanted(const struct audit_page *page, const struct audit_entry *entry)
{
    return (!*page->principal || strcmp(page->principal, entry->principal) == 0) &&
           is_method(entry->method, page->method);
}

/* One row: 1 when it was looked at, 0 when there is none of interest any more, -1. */
static int read_row(sqlite3_stmt *select, struct audit_page *page, uint64_t *seq, struct err *err)
{
    struct audit_entry *entry = &page->entries[page->n];
    int rc = sqlite3_step(select);
    memset(entry, 0, sizeof(*entry));
    if (rc == SQLITE_DONE)
        return 0;
    if (rc != SQLITE_ROW)
        return store_sqlite_error(sqlite3_db_handle(select), err, "audit log");
    if (table_read(select, &audit_table, entry, err) < 0)
        return -1;
    if (entry->seq > page->through_seq)
        return 0;
    *seq = entry->seq;
    page->n += is_wanted(page, entry);
    return 1;
}

int audit_page_read(sqlite3_stmt *select, struct audit_page *page, struct err *err)
{
    uint64_t seq = page->after_seq;
    int rv = 1;
    page->n = 0;
    if (sqlite3_bind_int64(select, 1, (int64_t)seq) != SQLITE_OK)
        return store_sqlite_error(sqlite3_db_handle(select), err, "audit log");
    for (int i = 0; rv > 0 && i < AUDIT_SCAN_MAX && page->n < AUDIT_PAGE_MAX; i++)
        rv = read_row(select, page, &seq, err);
    if (rv > 0)
        page->through_seq = seq;
    sqlite3_reset(select);
    return rv < 0 ? -1 : 0;
}
