/* Lines of a session's output, however they come: found, cut, dated; and moments as people write
 * them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log_lines.h"
#include "opt.h"
#include "when.h"

#include "tests/support/check.h"

enum { OUT_BYTES = 4 * LOG_LINE_BYTES };

static char out[OUT_BYTES];

/* What is written to a stream meanwhile is what end_capture gives. */
static int saved_fd[3];
static FILE *captured[3];

static void begin_capture(void)
{
    for (int fd = 1; fd <= 2; fd++) {
        captured[fd] = tmpfile();
        saved_fd[fd] = dup(fd);
        dup2(fileno(captured[fd]), fd);
    }
}

static const char *end_capture(int wanted)
{
    for (int fd = 1; fd <= 2; fd++) {
        dup2(saved_fd[fd], fd);
        close(saved_fd[fd]);
        if (fd == wanted) {
            ssize_t n = pread(fileno(captured[fd]), out, sizeof(out) - 1, 0);
            out[n > 0 ? n : 0] = '\0';
        }
        fclose(captured[fd]);
    }
    return out;
}

static void take(struct log_lines *l, int stream, const char *text, int64_t ns)
{
    CHECK_INT(log_lines_take(l, stream, (const uint8_t *)text, strlen(text), ns), 0);
}

/* A text that comes in pieces of each size, by that pattern. */
static void check_grep(const char *pattern, bool ignore_case, bool invert, const char *text,
                       const char *want)
{
    for (size_t size = 1; size <= strlen(text); size++) {
        struct log_lines l;
        CHECK_INT(log_lines_init(&l, pattern, ignore_case, invert, false), 0);
        begin_capture();
        for (size_t at = 0; at < strlen(text); at += size) {
            size_t n = strlen(text) - at < size ? strlen(text) - at : size;
            log_lines_take(&l, 1, (const uint8_t *)text + at, n, 0);
            log_lines_take(&l, 2, (const uint8_t *)"other", 5, 0); /* lines of its own */
        }
        log_lines_end(&l, 1);
        end_capture(1);
        CHECK_STR(out, want);
        log_lines_done(&l);
    }
}

static void test_lines_in_pieces_are_whole(void)
{
    static const char text[] = "first error\nfine\n\nERROR two\nlast err";
    check_grep("err", false, false, text, "first error\nlast err");
    check_grep("err", true, false, text, "first error\nERROR two\nlast err");
    check_grep("err", false, true, text, "fine\n\nERROR two\n");
    check_grep("^(fine|last)", false, false, text, "fine\nlast err");
    check_grep("^$", false, false, text, "\n");
    check_grep("", false, false, text, text);
    check_grep("nothing", false, false, text, "");
}

static void test_nul_bytes_are_looked_behind(void)
{
    struct log_lines l;
    CHECK_INT(log_lines_init(&l, "needle", false, false, false), 0);
    begin_capture();
    log_lines_take(&l, 1, (const uint8_t *)"a\0needle\nb\0\n", 12, 0);
    end_capture(1);
    CHECK(memcmp(out, "a\0needle\n", 10) == 0);
    CHECK_INT(l.n_shown, 1);
    log_lines_done(&l);
}

static void test_lines_without_an_end_are_cut(void)
{
    struct log_lines l;
    char *text = malloc(2 * LOG_LINE_BYTES + 2);
    memset(text, 'x', 2 * LOG_LINE_BYTES);
    memcpy(text + 2 * LOG_LINE_BYTES, "\n", 2);
    CHECK_INT(log_lines_init(&l, "x", false, false, false), 0);
    begin_capture();
    take(&l, 1, text, 0);
    end_capture(1);
    CHECK_INT(strlen(out), 2 * LOG_LINE_BYTES + 2);
    CHECK(out[LOG_LINE_BYTES] == '\n');
    CHECK_INT(l.n_shown, 2);
    log_lines_done(&l);
    free(text);
}

static void test_a_line_has_the_time_of_its_first_byte(void)
{
    struct log_lines l;
    CHECK_INT(log_lines_init(&l, NULL, false, false, true), 0);
    begin_capture();
    take(&l, 1, "be", 1700000000123456789);
    take(&l, 1, "gun\nnext\n", 1700000001000000000);
    take(&l, 1, "unknown\n", 0);
    end_capture(1);
    CHECK_STR(out, "2023-11-14T22:13:20.123Z begun\n2023-11-14T22:13:21.000Z next\n- unknown\n");
    log_lines_done(&l);
}

static void test_a_pattern_that_is_none(void)
{
    struct log_lines l;
    begin_capture();
    int rc = log_lines_init(&l, "(", false, false, false);
    end_capture(2);
    CHECK_INT(rc, 125);
    CHECK(strstr(out, "--grep \"(\"") != NULL);
    log_lines_done(&l);
}

static void test_moments(void)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"2023-11-14T22:13:20Z", 1700000000000000000},
                 {"2023-11-14T22:13:20.5Z", 1700000000500000000},
                 {"2023-11-14T23:13:20+01:00", 1700000000000000000},
                 {"2023-11-14T20:43:20.000000001-01:30", 1700000000000000001},
                 {"2023-11-14 22:13:20", 1700000000000000000},
                 {"2023-11-14 22:13", 1699999980000000000},
                 {"2023-11-14", 1699920000000000000}};
    static const char *const wrong[] = {"",
                                        "yesterday",
                                        "2023-11-14T22:13:20X",
                                        "2023-13-14",
                                        "1969",
                                        "2023-11-14T22:13:20+1",
                                        "1960-01-01T00:00:00Z"};
    int64_t ns;
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (CHECK(when_parse(cases[i].text, &ns)))
            CHECK_INT(ns, cases[i].ns);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!CHECK(!when_parse(wrong[i], &ns) || opt_parse_duration(wrong[i], &(uint64_t){0})))
            fprintf(stderr, "  (%s)\n", wrong[i]);
    int64_t now = (int64_t)time(NULL) * 1000000000;
    CHECK(when_parse("10m", &ns) && ns > now - 610000000000 && ns < now - 590000000000);
    CHECK(when_parse("100000d", &ns) && ns == 1);
    CHECK(when_parse("2999-01-01", &ns) && ns == INT64_MAX);
}

int main(void)
{
    RUN(test_lines_in_pieces_are_whole);
    RUN(test_nul_bytes_are_looked_behind);
    RUN(test_lines_without_an_end_are_cut);
    RUN(test_a_line_has_the_time_of_its_first_byte);
    RUN(test_a_pattern_that_is_none);
    RUN(test_moments);
    return check_end();
}
