/* What a reference stands for: id before name before prefix, and who is named where it is unclear.
 */
#include "daemon/core/reference.h"

#include <string.h>

#include "base/err.h"
#include "tests/support/check.h"

struct thing {
    const char *id, *name, *digest;
};

static const struct thing things[] = {
    {"abc4000000000000", "box", "sha256:0123456789abcdef"},
    {"abc5000000000000", "abc4", "sha256:0123456789abffff"},
    {"def6000000000000", "abc4000000000000", "sha256:9876543210abcdef"},
    {"def7000000000000", "twin", NULL},
    {"xyz8000000000000", "twin", NULL},
    {"xyz9000000000000", NULL, NULL},
};
enum { THINGS = sizeof(things) / sizeof(things[0]) };

/* Number of the thing that is meant, or -1; all are offered, first to last or last to first. */
static int find(const char *ref, struct err *err, bool backwards)
{
    struct reference r = {
        .ref = ref, .what = "thing", .kind = "thing", .not_found = "NO_THING", .hint = " here"};
    for (int i = 0; i < THINGS; i++) {
        const struct thing *t = &things[backwards ? THINGS - 1 - i : i];
        reference_offer(&r, t, t->id, t->name, t->digest);
        if (i == 0)
            reference_offer(&r, t, t->id, t->name, t->digest);
    }
    const struct thing *found = reference_end(&r, err);
    return found ? (int)(found - things) : -1;
}

static void check_found(const char *ref, int want)
{
    struct err err = ERR_INIT;
    CHECK_INT(find(ref, &err, false), want);
    CHECK_INT(find(ref, NULL, true), want);
    CHECK_INT(err.code, ERR_NONE);
}

static void test_an_id_beats_a_name_and_a_name_a_prefix(void)
{
    check_found("abc4000000000000", 0);
    check_found("abc4", 1);
    check_found("box", 0);
    check_found("abc5", 1);
    check_found("xyz9", 5);
    check_found("sha256:9876543210ab", 2);
}

static void test_what_is_not_there_is_not_found(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(find("none", &err, false), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_STR(err.reason, "NO_THING");
    CHECK_STR(err.resource, "thing/none");
    CHECK_STR(err.message, "no thing none here");
    CHECK_INT(find("", &err, false), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_INT(find("none", NULL, false), -1);
    CHECK_INT(find("sha256:9876543210a", &err, false), -1); /* eleven digits */
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

static void test_several_are_named(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(find("abc", &err, false), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_STR(err.reason, "AMBIGUOUS_REFERENCE");
    CHECK_STR(err.message, "abc stands for 2 things: abc4000000000000 (box), abc5000000000000 "
                           "(abc4); give more of it");
    find("twin", &err, false);
    CHECK_STR(err.message, "twin stands for 2 things: def7000000000000 (twin), xyz8000000000000 "
                           "(twin); give the id");
    find("sha256:0123456789ab", &err, false);
    CHECK_CONTAINS(err.message, "2 things: abc4000000000000 (box), abc5");
    find("xyz", &err, false);
    CHECK_CONTAINS(err.message, "xyz8000000000000 (twin), xyz9000000000000; give");
}

/* Of a thousand a few are named, each whole. */
static void test_of_many_a_few_are_named_whole(void)
{
    struct err err = ERR_INIT;
    struct reference r = {.ref = "a", .what = "thing", .kind = "thing", .not_found = "NO_THING"};
    static const char name[] = "a-name-that-is-as-long-as-names-may-be-sixty-three-characters-x";
    static char ids[1000][17];
    CHECK_INT(strlen(name), 63);
    for (int i = 0; i < 1000; i++) {
        snprintf(ids[i], sizeof(ids[i]), "a%015d", i);
        reference_offer(&r, ids[i], ids[i], name, NULL);
    }
    CHECK(!reference_end(&r, &err));
    CHECK_CONTAINS(err.message, "a stands for 1000 things: a000000000000000 (a-name");
    CHECK_CONTAINS(err.message, "-x), …; give more of it");
}

int main(void)
{
    RUN(test_an_id_beats_a_name_and_a_name_a_prefix);
    RUN(test_what_is_not_there_is_not_found);
    RUN(test_several_are_named);
    RUN(test_of_many_a_few_are_named_whole);
    return check_end();
}
