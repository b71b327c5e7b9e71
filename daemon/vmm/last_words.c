/* The end of a console; see last_words.h. */
#include "daemon/vmm/last_words.h"

#include <stdbool.h>
#include <string.h>

enum { LEAD_BYTES = 120 }; /* of what came before a panic */

static const char panic_mark[] = "Kernel panic - not syncing";
static const char reboot_mark[] = "reboot: Restarting system";
static const char *const halt_marks[] = {"reboot: System halted", "reboot: Power down"};

/* Where mark begins for the last time, or NULL. */
static const char *find_last(const char *text, size_t len, const char *mark)
{
    const char *found = NULL;
    size_t n = strlen(mark);
    for (const char *at = text; len > 0 && (at = memmem(at, len - (size_t)(at - text), mark, n));
         at += n)
        found = at;
    return found;
}

/* Nothing but the end of its line is behind it. */
static bool is_halted(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    for (size_t i = 0; i < sizeof(halt_marks) / sizeof(*halt_marks); i++) {
        size_t n = strlen(halt_marks[i]);
        if (len >= n && memcmp(text + len - n, halt_marks[i], n) == 0)
            return true;
    }
    return false;
}

enum last_words_end last_words_judge(const char *text, size_t len)
{
    if (len > 0 && is_halted(text, len))
        return LAST_WORDS_HALT;
    const char *panic = find_last(text, len, panic_mark);
    const char *reboot = find_last(text, len, reboot_mark);
    if (!panic && !reboot)
        return LAST_WORDS_NONE;
    return !reboot || (panic && panic > reboot) ? LAST_WORDS_PANIC : LAST_WORDS_REBOOT;
}

/* Moves from forward to where a line begins, to at the latest. */
static const char *at_line(const char *text, const char *from, const char *to)
{
    if (from == text || from[-1] == '\n')
        return from;
    const char *end = memchr(from, '\n', (size_t)(to - from));
    return end ? end + 1 : to;
}

static const char *line_of(const char *text, const char *at)
{
    while (at > text && at[-1] != '\n')
        at--;
    return at;
}

static size_t write_lines(const char *from, const char *end, char *out, size_t size)
{
    size_t n = 0;
    bool line_due = false;
    for (; from < end; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '\n')
            line_due = n > 0;
        if (c < ' ' || c >= 0x7f)
            continue;
        if (line_due && n + 3 < size) {
            memcpy(out + n, " | ", 3);
            n += 3;
        }
        line_due = false;
        if (n + 1 >= size)
            break;
        out[n++] = (char)c;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return n;
}

void last_words_write(const char *text, size_t len, char *out, size_t size)
{
    const char *end = text + len, *panic = find_last(text, len, panic_mark);
    out[0] = '\0';
    if (len == 0 || size == 0)
        return;
    if (panic) {
        const char *line = line_of(text, panic);
        const char *lead = line - text > LEAD_BYTES ? line - LEAD_BYTES : text;
        write_lines(at_line(text, lead, line), end, out, size);
        return;
    }
    const char *from =
        len > size / 2 ? end - size / 2 : text; /* a line break becomes three bytes */
    write_lines(at_line(text, from, end), end, out, size);
    if (!out[0]) /* one long line */
        write_lines(from, end, out, size);
}
