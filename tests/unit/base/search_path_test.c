/* PATH: the first folder that has the program, and what is passed over. */
#include "base/search_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/banger-path-XXXXXX";

static const char *in(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void make_file(const char *name, int mode)
{
    CHECK_INT(fclose(fopen(in(name), "w")), 0);
    CHECK_INT(chmod(in(name), (mode_t)mode), 0);
}

static void test_the_first_folder_that_can_run_it_wins(void)
{
    char path[128] = "";
    mkdir(in("a"), 0700);
    mkdir(in("b"), 0700);
    mkdir(in("a/tool"), 0700); /* a folder of that name */
    make_file("b/tool", 0755);
    make_file("a/plain", 0644);
    char folders[256];
    snprintf(folders, sizeof(folders), "%s/a:%s/b", folder, folder);
    setenv("PATH", folders, 1);
    CHECK(search_path("tool", NULL, path, sizeof(path)));
    CHECK_STR(path, in("b/tool"));
    CHECK(!search_path("plain", NULL, path, sizeof(path)));
    CHECK(!search_path("tool", NULL, path, 8));
}

static void test_more_comes_after_path(void)
{
    char path[128] = "", more[128];
    setenv("PATH", in("a"), 1);
    CHECK(!search_path("tool", NULL, path, sizeof(path)));
    snprintf(more, sizeof(more), "%s", in("b"));
    CHECK(search_path("tool", more, path, sizeof(path)));
    CHECK_STR(path, in("b/tool"));
}

static void test_where_the_caller_stands_does_not_count(void)
{
    char path[128] = "";
    CHECK_INT(chdir(in("b")), 0);
    setenv("PATH", "::", 1);
    CHECK(!search_path("tool", NULL, path, sizeof(path)));
    setenv("PATH", "", 1);
    CHECK(!search_path("tool", NULL, path, sizeof(path)));
    unsetenv("PATH");
    CHECK(search_path("sh", NULL, path, sizeof(path)));
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL);
    RUN(test_the_first_folder_that_can_run_it_wins);
    RUN(test_more_comes_after_path);
    RUN(test_where_the_caller_stands_does_not_count);
    CHECK_INT(fs_remove_tree(folder, NULL), 0);
    return check_end();
}
