/* Lines out of a guest's bytes: whole, bounded, fit to be shown. */
#include <string.h>

#include "daemon/service/guest_call.h"
#include "tests/support/check.h"

static char seen[8][GUEST_LINE_BYTES];
static int n_seen, stop_at;

static int take(void *arg, char *line)
{
    (void)arg;
    strcpy(seen[n_seen++ % 8], line);
    return n_seen == stop_at ? -7 : 0;
}

static int feed(struct guest_lines *lines, const char *text)
{
    return guest_lines_feed(lines, (const uint8_t *)text, strlen(text), take, NULL);
}

static void begin(struct guest_lines *lines)
{
    memset(lines, 0, sizeof(*lines));
    n_seen = stop_at = 0;
}

static void test_lines_are_whole_wherever_they_were_cut(void)
{
    struct guest_lines lines;
    begin(&lines);
    CHECK_INT(feed(&lines, "on"), 0);
    CHECK_INT(feed(&lines, "e\ntwo\n\nthr"), 0);
    CHECK_INT(n_seen, 3);
    CHECK_STR(seen[0], "one");
    CHECK_STR(seen[1], "two");
    CHECK_STR(seen[2], "");
    CHECK_INT(feed(&lines, "ee\n"), 0);
    CHECK_STR(seen[3], "three");
}

static void test_a_line_without_end_is_cut(void)
{
    struct guest_lines lines;
    begin(&lines);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(feed(&lines, "0123456789"), 0);
    CHECK_INT(feed(&lines, "\nnext\n"), 0);
    CHECK_INT(strlen(seen[0]), GUEST_LINE_BYTES - 1);
    CHECK_STR(seen[1], "next");
}

static void test_what_no_text_may_have_is_mended(void)
{
    struct guest_lines lines;
    begin(&lines);
    CHECK_INT(guest_lines_feed(&lines, (const uint8_t *)"a\tb\x1b[1m\0c\xff\xc3\n", 12, take, NULL),
              0);
    CHECK_STR(seen[0], "a\tb?[1m?c??");
}

static void test_who_has_enough_is_given_no_more(void)
{
    struct guest_lines lines;
    begin(&lines);
    stop_at = 2;
    CHECK_INT(feed(&lines, "one\ntwo\nthree\n"), -7);
    CHECK_INT(n_seen, 2);
}

int main(void)
{
    RUN(test_lines_are_whole_wherever_they_were_cut);
    RUN(test_a_line_without_end_is_cut);
    RUN(test_what_no_text_may_have_is_mended);
    RUN(test_who_has_enough_is_given_no_more);
    return check_end();
}
