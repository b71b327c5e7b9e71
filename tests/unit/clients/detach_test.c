/* Keys that leave a terminal: found however the bytes come, and nothing else is lost or moved. */
#include "detach.h"

#include <string.h>

#include "tests/support/check.h"

/* What passes of a text that is typed in pieces of n bytes. */
static size_t pass(const char *keys, const char *text, size_t piece, uint8_t *out, bool *detach)
{
    struct detach_keys k;
    size_t used = 0, len = strlen(text);
    CHECK_INT(detach_keys_parse(&k, keys), 0);
    *detach = false;
    for (size_t at = 0; at < len && !*detach; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        used += detach_filter(&k, (const uint8_t *)text + at, n, out + used, detach);
    }
    return used;
}

static void check_passes(const char *keys, const char *text, const char *want, bool leaves)
{
    uint8_t out[128];
    bool detach;
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        size_t n = pass(keys, text, piece, out, &detach);
        CHECK_INT(n, strlen(want));
        CHECK(memcmp(out, want, strlen(want)) == 0);
        CHECK_INT(detach, leaves);
    }
}

static void test_they_are_found(void)
{
    check_passes("ctrl-p,ctrl-q", "abc\x10\x11 never", "abc", true);
    check_passes("ctrl-p,ctrl-q", "a\x10\x10\x11", "a\x10", true);
    check_passes("~,.", "x~~.", "x~", true);
    check_passes("a,a,b", "aaaab", "aa", true);
    check_passes("ctrl-]", "\x1d", "", true);
}

static void test_what_only_begins_like_them_passes(void)
{
    check_passes("ctrl-p,ctrl-q", "\x10x\x11\x10y", "\x10x\x11\x10y", false);
    check_passes("a,b,a,c", "ababx", "ababx", false);
    check_passes("a,b,a,c", "abab", "ab", false); /* "ab" may still become them */
    check_passes("none", "\x10\x11", "\x10\x11", false);
}

static void test_names(void)
{
    struct detach_keys k;
    CHECK_INT(detach_keys_parse(&k, "ctrl-@,ctrl-[,ctrl-_,ctrl-z,,,A"), 0);
    static const uint8_t want[] = {0, 27, 31, 26, ',', 'A'};
    CHECK_INT(k.n, sizeof(want));
    CHECK(memcmp(k.keys, want, sizeof(want)) == 0);
    static const char *const wrong[] = {"",        "ctrl-",  "ctrl-pp", "ctrl-1",
                                        "ctrl-p,", "escape", " ",       "a,b,c,d,e,f,g,h,i"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (!CHECK_INT(detach_keys_parse(&k, wrong[i]), -1))
            fprintf(stderr, "  (\"%s\")\n", wrong[i]);
}

int main(void)
{
    RUN(test_they_are_found);
    RUN(test_what_only_begins_like_them_passes);
    RUN(test_names);
    return check_end();
}
