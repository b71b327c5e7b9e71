/* Programs are found by the folder of another one: as installed before as built, and where they are
 * not, it is said where they were looked for. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/programs.h"
#include "tests/support/check.h"

static char dir[64] = "/tmp/banger-programs-XXXXXX";

/* A file at that place, as seen from dir/a/b, and its path without links. */
static void put(const char *place, mode_t mode, char path[PROGRAM_PATH_BYTES])
{
    char text[PROGRAM_PATH_BYTES];
    snprintf(text, sizeof(text), "%s/a/b/%s", dir, place);
    for (char *c = text + strlen(dir) + 1; (c = strchr(c + 1, '/'));) {
        *c = '\0';
        mkdir(text, 0755);
        *c = '/';
    }
    CHECK_INT(fs_write_atomic(text, "", 0, mode, NULL), 0);
    CHECK(realpath(text, path));
}

static void test_as_installed_goes_before_as_built(void)
{
    char from[128], built[PROGRAM_PATH_BYTES], installed[PROGRAM_PATH_BYTES];
    char found[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    snprintf(from, sizeof(from), "%s/a/b", dir);
    put("../agent/banger-agent", 0755, built);
    CHECK_INT(program_find(PROGRAM_AGENT, from, found, &err), 0);
    CHECK_STR(found, built);
    put(BANGER_FROM_SBIN, 0755, installed);
    CHECK_INT(program_find(PROGRAM_AGENT, from, found, &err), 0);
    CHECK_STR(found, installed);
}

static void test_what_cannot_be_executed_is_not_taken(void)
{
    char from[128], path[PROGRAM_PATH_BYTES], found[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    snprintf(from, sizeof(from), "%s/a/b", dir);
    put(BANGER_FROM_BIN, 0644, path);
    CHECK_INT(program_find(PROGRAM_DAEMON, from, found, &err), -1);
    CHECK_INT(chmod(path, 0755), 0);
    CHECK_INT(program_find(PROGRAM_DAEMON, from, found, &err), 0);
    CHECK_STR(found, path);
}

static void test_error_names_where_it_looked(void)
{
    char found[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    CHECK_INT(program_find(PROGRAM_AGENT, "/nowhere/sbin", found, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_CONTAINS(err.message, "no banger-agent");
    CHECK_CONTAINS(err.message, "/nowhere/sbin");
    CHECK_CONTAINS(err.message, BANGER_FROM_SBIN);
    CHECK_CONTAINS(err.message, "../agent/banger-agent");
}

static void test_begins_at_the_running_program(void)
{
    char found[PROGRAM_PATH_BYTES], self[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    CHECK(n > 0);
    self[n > 0 ? n : 0] = '\0';
    *strrchr(self, '/') = '\0';
    CHECK_INT(program_find(PROGRAM_AGENT, NULL, found, &err), -1);
    CHECK_CONTAINS(err.message, self);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    RUN(test_as_installed_goes_before_as_built);
    RUN(test_what_cannot_be_executed_is_not_taken);
    RUN(test_error_names_where_it_looked);
    RUN(test_begins_at_the_running_program);
    fs_remove_tree(dir, NULL);
    return check_end();
}
