/* Which state folder a thing of the host is of: moved, copied, deleted and made anew. */
#include "daemon/model/state_tag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"

static char top[64];

static const char *folder(const char *name, const char *identity)
{
    static char path[128];
    char file[160];
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), "%s/%s", top, name);
    CHECK(mkdir(path, 0700) == 0 || access(path, F_OK) == 0);
    snprintf(file, sizeof(file), "%s/" STATE_IDENTITY_FILE, path);
    if (identity)
        CHECK_INT(fs_write_atomic(file, identity, strlen(identity), 0600, &err), 0);
    return path;
}

static const char *tag_of(const char *path, char tag[STATE_TAG_BYTES])
{
    struct err err = ERR_INIT;
    strcpy(tag, "");
    if (!CHECK_INT(state_tag(path, tag, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    return tag;
}

static void test_a_tag_is_the_folders_and_moves_with_it(void)
{
    char before[STATE_TAG_BYTES], after[STATE_TAG_BYTES], from[128];
    strcpy(from, folder("first", "0123456789abcdef\n"));
    tag_of(from, before);
    CHECK_INT(strlen(before), STATE_TAG_BYTES - 1);
    CHECK_INT(strspn(before, "0123456789abcdef"), STATE_TAG_BYTES - 1);
    CHECK_STR(tag_of(from, after), before);
    const char *to = folder("moved", NULL);
    CHECK_INT(rmdir(to), 0);
    CHECK_INT(rename(from, to), 0);
    CHECK_STR(tag_of(to, after), before);
    CHECK_INT(rename(to, from), 0);
}

static void test_a_copy_has_another(void)
{
    char one[STATE_TAG_BYTES], two[STATE_TAG_BYTES];
    tag_of(folder("first", "0123456789abcdef\n"), one);
    CHECK(strcmp(tag_of(folder("copy", "0123456789abcdef\n"), two), one) != 0);
}

/* As one that gets the inode of a deleted one: many file systems give the lowest that is free. */
static void test_one_made_anew_has_another(void)
{
    char one[STATE_TAG_BYTES], two[STATE_TAG_BYTES];
    tag_of(folder("first", "0123456789abcdef\n"), one);
    CHECK(strcmp(tag_of(folder("first", "fedcba9876543210\n"), two), one) != 0);
}

static void test_what_cannot_be_told_is_said(void)
{
    char tag[STATE_TAG_BYTES], path[160];
    struct err err = ERR_INIT;
    CHECK_INT(state_tag("/nowhere/at/all", tag, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "/nowhere/at/all");
    const char *in = folder("strange", NULL);
    snprintf(path, sizeof(path), "%s/" STATE_IDENTITY_FILE, in);
    CHECK_INT(mkdir(path, 0700), 0);
    err_clear(&err);
    CHECK_INT(state_tag(in, tag, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "strange");
}

int main(void)
{
    strcpy(top, "/tmp/banger-tag-XXXXXX");
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    RUN(test_a_tag_is_the_folders_and_moves_with_it);
    RUN(test_a_copy_has_another);
    RUN(test_one_made_anew_has_another);
    RUN(test_what_cannot_be_told_is_said);
    fs_remove_tree(top, NULL);
    return check_end();
}
