/* Checks for unit tests: print file, line and both operands, go on, fail at the end.
 *
 *   int main(void) { RUN(test_a); RUN(test_b); return check_end(); }
 */
#ifndef BANGER_TESTS_CHECK_H
#define BANGER_TESTS_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of each in a program, whichever of its files checks. */
__attribute__((weak)) int check_failures, check_tests;

static inline bool check_report(bool ok, const char *file, int line, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        check_failures++;
    }
    return ok;
}

#define CHECK(cond) check_report((cond), __FILE__, __LINE__, "not true: " #cond)

#define CHECK_INT(got, want)                                                                       \
    __extension__({                                                                                \
        int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                                    \
        if (got_ != want_) {                                                                       \
            fprintf(stderr, "%s:%d: %s is %" PRId64 ", want %" PRId64 "\n", __FILE__, __LINE__,    \
                    #got, got_, want_);                                                            \
            check_failures++;                                                                      \
        }                                                                                          \
        got_ == want_;                                                                             \
    })

#define CHECK_STR(got, want)                                                                       \
    __extension__({                                                                                \
        const char *got_ = (got), *want_ = (want);                                                 \
        bool same_ = got_ && want_ && strcmp(got_, want_) == 0;                                    \
        if (!same_) {                                                                              \
            fprintf(stderr, "%s:%d: %s is \"%s\", want \"%s\"\n", __FILE__, __LINE__, #got,        \
                    got_ ? got_ : "(null)", want_ ? want_ : "(null)");                             \
            check_failures++;                                                                      \
        }                                                                                          \
        same_;                                                                                     \
    })

#define CHECK_CONTAINS(text, part)                                                                 \
    __extension__({                                                                                \
        const char *text_ = (text), *part_ = (part);                                               \
        bool has_ = text_ && strstr(text_, part_);                                                 \
        if (!has_) {                                                                               \
            fprintf(stderr, "%s:%d: \"%s\" lacks \"%s\"\n", __FILE__, __LINE__,                    \
                    text_ ? text_ : "(null)", part_);                                              \
            check_failures++;                                                                      \
        }                                                                                          \
        has_;                                                                                      \
    })

#define RUN(test)                                                                                  \
    do {                                                                                           \
        int before_ = check_failures;                                                              \
        test();                                                                                    \
        check_tests++;                                                                             \
        printf("%s %s\n", check_failures == before_ ? "ok  " : "FAIL", #test);                     \
        fflush(stdout);                                                                            \
    } while (0)

static inline int check_end(void)
{
    printf("%d tests, %d failed checks\n", check_tests, check_failures);
    return check_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Ends the program as skipped, with the reason. */
static inline int check_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    return 77;
}

#endif
