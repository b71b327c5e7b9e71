/* Failing and slow disks on demand; see fault.h. */
#include "daemon/store/fault.h"

#ifdef BANGER_FAULTS

#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

enum { RULES_MAX = 16, RULES_BYTES = 1024 };

struct rule {
    char where[24];
    int code; /* SQLite's; 0: only the delay */
    int delay_ms;
    unsigned nth;   /* strikes from this one on */
    unsigned times; /* 0: always */
    unsigned seen, struck;
};

static struct {
    pthread_mutex_t lock;
    struct rule rules[RULES_MAX];
    size_t n;
    unsigned struck;
    char read[RULES_BYTES]; /* what the file said last */
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
    const char *name;
    int code;
} codes[] = {
    {"full", SQLITE_FULL},
    {"busy", SQLITE_BUSY},
    {"ioerr", SQLITE_IOERR},
    {"corrupt", SQLITE_CORRUPT},
    {"nomem", SQLITE_NOMEM},
    {"readonly", SQLITE_READONLY},
    {"constraint", SQLITE_CONSTRAINT},
};

static int parse_what(struct rule *r, const char *what)
{
    if (sscanf(what, "delay:%d", &r->delay_ms) == 1)
        return r->delay_ms >= 0 && r->delay_ms <= 60000 ? 0 : -1;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i].name, what) == 0) {
            r->code = codes[i].code;
            return 0;
        }
    return -1;
}

static int parse_rule(struct rule *r, char *text)
{
    *r = (struct rule){.nth = 1};
    char *what = strchr(text, '=');
    if (!what)
        return -1;
    *what++ = '\0';
    snprintf(r->where, sizeof(r->where), "%s", text);
    char *times = strchr(what, '*'), *nth = strchr(what, '@');
    if (times)
        *times++ = '\0';
    if (nth)
        *nth++ = '\0';
    if ((times && sscanf(times, "%u", &r->times) != 1) || (nth && sscanf(nth, "%u", &r->nth) != 1))
        return -1;
    return parse_what(r, what);
}

int store_fault_set(const char *rules, struct err *err)
{
    struct rule parsed[RULES_MAX];
    size_t n = 0;
    char text[RULES_BYTES];
    snprintf(text, sizeof(text), "%s", rules ? rules : "");
    text[strcspn(text, "\n")] = '\0';
    char *rest = text;
    for (char *one; (one = strsep(&rest, ","));) {
        if (!*one)
            continue;
        if (n == RULES_MAX || parse_rule(&parsed[n], one) < 0)
            return err_set(err, ERR_INVALID, "not a fault of the store: %s", one);
        n++;
    }
    pthread_mutex_lock(&faults.lock);
    memcpy(faults.rules, parsed, n * sizeof(parsed[0]));
    faults.n = n;
    faults.struck = 0;
    pthread_mutex_unlock(&faults.lock);
    return 0;
}

unsigned store_fault_struck(void)
{
    pthread_mutex_lock(&faults.lock);
    unsigned struck = faults.struck;
    pthread_mutex_unlock(&faults.lock);
    return struck;
}

static bool strikes(struct rule *r, const char *where)
{
    bool table = strcmp(where, "begin") != 0 && strcmp(where, "commit") != 0;
    if (strcmp(r->where, where) != 0 && !(table && strcmp(r->where, "any") == 0))
        return false;
    if (++r->seen < r->nth || (r->times && r->struck >= r->times))
        return false;
    r->struck++;
    faults.struck++;
    return true;
}

int store_fault_hit(const char *where)
{
    int code = 0, delay_ms = 0;
    pthread_mutex_lock(&faults.lock);
    for (size_t i = 0; i < faults.n; i++)
        if (strikes(&faults.rules[i], where)) {
            code = faults.rules[i].code ? faults.rules[i].code : code;
            delay_ms += faults.rules[i].delay_ms;
        }
    pthread_mutex_unlock(&faults.lock);
    if (delay_ms > 0)
        poll(NULL, 0, delay_ms);
    return code;
}

static void set_logged(const char *rules)
{
    struct err err = ERR_INIT;
    if (store_fault_set(rules, &err) < 0)
        log_err(LOG_LEVEL_ERROR, "store", &err, "BANGER_STORE_FAULTS");
    else
        log_warn("store", "faults from now on: %s", *rules ? rules : "none");
}

void store_fault_look(void)
{
    const char *from = getenv("BANGER_STORE_FAULTS");
    if (!from)
        return;
    auto_free char *text = NULL;
    size_t len;
    struct err err = ERR_INIT;
    if (from[0] == '@' && fs_read(from + 1, RULES_BYTES - 1, &text, &len, &err) == 0)
        from = text;
    else if (from[0] == '@')
        from = "";
    if (strcmp(faults.read, from) == 0)
        return;
    snprintf(faults.read, sizeof(faults.read), "%s", from);
    set_logged(from);
}

#else

/* A translation unit must not be empty. */
extern const int store_fault_absent;
const int store_fault_absent = 1;

#endif
