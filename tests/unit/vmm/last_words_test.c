/* What is made of the end of a console, whatever a guest writes there. */
#include <string.h>

#include "daemon/vmm/last_words.h"
#include "tests/support/check.h"

static enum last_words_end judge(const char *text)
{
    return last_words_judge(text, strlen(text));
}

static void test_the_line_that_comes_last_counts(void)
{
    CHECK_INT(last_words_judge(NULL, 0), LAST_WORDS_NONE);
    CHECK_INT(judge("hello\n"), LAST_WORDS_NONE);
    CHECK_INT(judge("[ 1.2] Kernel panic - not syncing: x\n[ 1.2] Kernel Offset: disabled\n"),
              LAST_WORDS_PANIC);
    CHECK_INT(judge("Kernel panic - not syncing: x\n[ 3.1] reboot: Restarting system\n"),
              LAST_WORDS_REBOOT);
    CHECK_INT(judge("reboot: Restarting system\nKernel panic - not syncing: x\n"),
              LAST_WORDS_PANIC);
    CHECK_INT(judge("Kernel panic - not syncin"), LAST_WORDS_NONE);
    CHECK_INT(judge("Kernel panic - not syncing: x\n[ 3.1] reboot: System halted\r\n"),
              LAST_WORDS_HALT);
    CHECK_INT(judge("[ 3.1] reboot: Power down"), LAST_WORDS_HALT);
    CHECK_INT(judge("reboot: Power down\nlogin: "), LAST_WORDS_NONE); /* somebody's words */
    CHECK_INT(judge("reboot: Restarting system\nreboot: Power down\nx"), LAST_WORDS_REBOOT);
}

static void check_words(const char *text, size_t size, const char *want)
{
    char out[512];
    memset(out, 'X', sizeof(out));
    last_words_write(text, strlen(text), out, size);
    CHECK_STR(out, want);
    CHECK(out[size] == 'X');
}

static void test_only_printable_text_of_bounded_length_comes_out(void)
{
    check_words("", 100, "");
    check_words("\033[2J\007a\r\n\n\nb\xff\x01\n", 100, "[2Ja | b");
    check_words("one\ntwo\nthree\n", 21, "two | three");
    check_words("abcdefghijklmnopqrstuvwxyz", 11, "vwxyz");
    check_words("abc", 1, "");
}

static void test_a_panic_comes_with_what_led_to_it(void)
{
    char text[4096] = "", out[64];
    for (int i = 0; i < 100; i++)
        strcat(text, "noise noise noise\n");
    strcat(text, "init: cannot go on\n[ 1.0] Kernel panic - not syncing: why\nCPU: 0\n");
    char whole[400];
    last_words_write(text, strlen(text), whole, sizeof(whole));
    CHECK_CONTAINS(whole, "noise | init: cannot go on | [ 1.0] Kernel panic - not syncing: why");
    CHECK_CONTAINS(whole, "| CPU: 0");
    CHECK(strlen(whole) < 250);
    last_words_write(text, strlen(text), out, sizeof(out));
    CHECK(strlen(out) < sizeof(out));
}

int main(void)
{
    RUN(test_the_line_that_comes_last_counts);
    RUN(test_only_printable_text_of_bounded_length_comes_out);
    RUN(test_a_panic_comes_with_what_led_to_it);
    return check_end();
}
