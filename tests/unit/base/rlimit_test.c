/* Limits as texts: what is written is read back, and nothing else is one. */
#include <sys/resource.h>

#include "base/rlimit.h"
#include "tests/support/check.h"

static void test_every_limit_has_a_name(void)
{
    for (int i = 0; i < RLIMIT_KINDS; i++) {
        CHECK(rlimit_name(i) != NULL);
        CHECK_INT(rlimit_find(rlimit_name(i)), i);
    }
    CHECK(rlimit_name(RLIMIT_KINDS) == NULL);
    CHECK(rlimit_name(-1) == NULL);
    CHECK_INT(rlimit_find("nofile"), RLIMIT_NOFILE);
    CHECK_INT(rlimit_find("files"), -1);
    CHECK_INT(rlimit_find(""), -1);
}

static void test_what_is_written_is_read_back(void)
{
    static const uint64_t values[] = {0, 1, 1024, UINT64_MAX - 1, RLIMIT_UNLIMITED};
    for (size_t i = 0; i < 5; i++) {
        struct rlimit_value in = {RLIMIT_NOFILE, values[i], RLIMIT_UNLIMITED}, out;
        char text[RLIMIT_TEXT_BYTES];
        rlimit_format(&in, text);
        if (CHECK(rlimit_parse(text, &out))) {
            CHECK_INT(out.resource, in.resource);
            CHECK(out.soft == in.soft && out.hard == in.hard);
        }
    }
}

static void test_what_is_none_is_refused(void)
{
    static const char *const texts[] = {"",
                                        "nofile",
                                        "nofile=1",
                                        "nofile=1:",
                                        "nofile=:1",
                                        "nofile=2:1",
                                        "files=1:2",
                                        "nofile=-1:2",
                                        "nofile=1:2x",
                                        "nofile= 1:2",
                                        "nofile=1:1:1",
                                        "nofile=1:18446744073709551616"};
    struct rlimit_value out;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!CHECK(!rlimit_parse(texts[i], &out)))
            fprintf(stderr, "\"%s\" is taken for a limit\n", texts[i]);
}

int main(void)
{
    RUN(test_every_limit_has_a_name);
    RUN(test_what_is_written_is_read_back);
    RUN(test_what_is_none_is_refused);
    return check_end();
}
