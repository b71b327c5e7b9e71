/* Structured log; see log.h. */
#include "base/log.h"

#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/utf8.h"

enum { ENTRY_BYTES = 2048, KINDS = 256 };

/* How often one kind of entry was there lately. Two of a hash take the place from one another: then
 * more goes through, never less. */
static struct kind {
    uint64_t hash;
    int64_t since_ms;
    unsigned n, left_out;
} kinds[KINDS];
static atomic_flag kinds_lock = ATOMIC_FLAG_INIT; /* held for a few instructions */

static atomic_int min_level = LOG_LEVEL_INFO;
static atomic_int log_fd = STDERR_FILENO;
static void (*_Atomic on_written)(size_t n_bytes);

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct entry {
    char text[ENTRY_BYTES];
    size_t len;
};

void log_set_level(enum log_level level)
{
    atomic_store(&min_level, (int)level);
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

void log_on_written(void (*written)(size_t n_bytes))
{
    atomic_store(&on_written, written);
}

/* Leaves room for the final quote and newline. */
static void put_char(struct entry *en, char c)
{
    if (en->len < sizeof(en->text) - 2)
        en->text[en->len++] = c;
}

static void put_plain(struct entry *en, const char *s)
{
    for (; *s; s++)
        put_char(en, *s);
}

/* Bytes of the character at s. odd: it is for no terminal, a control character (C1 included) or no
 * UTF-8. */
static size_t character(const char *s, bool *odd)
{
    unsigned char c = (unsigned char)s[0];
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    *odd = c < 0x20 || c == 0x7f;
    if (c < 0x80)
        return 1;
    *odd = strnlen(s, n) < n || utf8_prefix((const uint8_t *)s, n) < n;
    if (*odd)
        return 1;
    *odd = c == 0xc2 && (unsigned char)s[1] < 0xa0;
    return n;
}

static void put_quoted(struct entry *en, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    put_char(en, '"');
    for (bool odd; *s;) {
        for (size_t n = character(s, &odd); n > 0; n--, s++) {
            unsigned char c = (unsigned char)*s;
            if (odd) {
                put_plain(en, "\\x");
                put_char(en, hex[c >> 4]);
                put_char(en, hex[c & 15]);
                continue;
            }
            if (c == '"' || c == '\\')
                put_char(en, '\\');
            put_char(en, (char)c);
        }
    }
    if (en->len < sizeof(en->text) - 1)
        en->text[en->len++] = '"';
}

static void put_head(struct entry *en, enum log_level level, const char *subject)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    char stamp[96];
    snprintf(stamp, sizeof(stamp), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
    put_plain(en, stamp);
    put_char(en, ' ');
    put_plain(en, level_names[level]);
    if (subject) {
        put_plain(en, " subject=");
        put_quoted(en, subject);
    }
}

/* Of subject and format. */
static uint64_t kind_hash(const char *subject, const char *fmt)
{
    uint64_t hash = hash_text(HASH_START, subject ? subject : "");
    return hash_text(hash_byte(hash, 0xff), fmt);
}

/* False: not now. *left_out says how many of its kind were, before this one. */
static bool may_pass(enum log_level level, const char *subject, const char *fmt, unsigned *left_out)
{
    *left_out = 0;
    if (level == LOG_LEVEL_DEBUG)
        return true;
    uint64_t hash = kind_hash(subject, fmt);
    int64_t now_ms = clock_mono_ms();
    while (atomic_flag_test_and_set(&kinds_lock))
        sched_yield();
    struct kind *k = &kinds[hash % KINDS];
    if (k->hash != hash || now_ms - k->since_ms >= LOG_WINDOW_MS) {
        *left_out = k->hash == hash ? k->left_out : 0;
        *k = (struct kind){.hash = hash, .since_ms = now_ms};
    }
    bool pass = k->n < LOG_BURST;
    if (pass)
        k->n++;
    else
        k->left_out++;
    atomic_flag_clear(&kinds_lock);
    return pass;
}

static void finish(struct entry *en, unsigned left_out)
{
    if (left_out > 0) {
        char more[32];
        snprintf(more, sizeof(more), " left_out=%u", left_out);
        put_plain(en, more);
    }
    en->text[en->len++] = '\n';
    ssize_t n = write(atomic_load(&log_fd), en->text, en->len);
    void (*written)(size_t) = atomic_load(&on_written);
    if (n > 0 && written) /* a log that cannot be written has nowhere to say so */
        written((size_t)n);
}

void log_entry(enum log_level level, const char *subject, const char *fmt, ...)
{
    unsigned left_out;
    if ((int)level < atomic_load(&min_level) || !may_pass(level, subject, fmt, &left_out))
        return;
    char message[ENTRY_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    struct entry en = {.len = 0};
    put_head(&en, level, subject);
    put_plain(&en, " msg=");
    put_quoted(&en, message);
    finish(&en, left_out);
}

void log_err(enum log_level level, const char *subject, const struct err *e, const char *fmt, ...)
{
    unsigned left_out;
    if ((int)level < atomic_load(&min_level) || !may_pass(level, subject, fmt, &left_out))
        return;
    char message[ENTRY_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    struct entry en = {.len = 0};
    put_head(&en, level, subject);
    put_plain(&en, " msg=");
    put_quoted(&en, message);
    put_plain(&en, " code=");
    put_plain(&en, err_code_name(e->code));
    put_plain(&en, " error=");
    put_quoted(&en, e->message);
    finish(&en, left_out);
}
