/* The table of drivers: what others know of them. */
#include <glob.h>
#include <stddef.h>

#include "base/err.h"
#include "daemon/vmm/driver.h"
#include "tests/support/check.h"

static void test_each_is_found_by_its_name(void)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; vmm_drivers[i]; i++) {
        const struct vmm_driver *d = vmm_drivers[i];
        CHECK(d->name[0] != '\0');
        CHECK_INT(d->version, VMM_DRIVER_VERSION);
        CHECK(d->install && d->install[0] != '\0');
        CHECK(vmm_find_driver(d->name, &err) == d);
    }
    CHECK(vmm_find_driver(VMM_DRIVER_DEFAULT, &err) != NULL);
}

/* Those of struct vmm_driver from probe on: a driver has all of them, but those that it says it
 * cannot do. */
static void test_each_has_every_method(void)
{
    static const char *const names[] = {"probe", "open",    "close",       "start",  "adopt",
                                        "stop",  "kill",    "pause",       "resume", "discard",
                                        "dial",  "hang_up", "get_handles", "claims"};
    enum { N = sizeof(names) / sizeof(*names), FIRST = offsetof(struct vmm_driver, probe) };
    _Static_assert(sizeof(struct vmm_driver) - FIRST == N * sizeof(void (*)(void)),
                   "the names are all there are");
    for (size_t i = 0; vmm_drivers[i]; i++) {
        for (size_t m = 0; m < N; m++) {
            void (*method)(void);
            memcpy(&method, (const char *)vmm_drivers[i] + FIRST + m * sizeof(method),
                   sizeof(method));
            bool may_lack = !vmm_drivers[i]->can.pause &&
                            (strcmp(names[m], "pause") == 0 || strcmp(names[m], "resume") == 0);
            may_lack |= !(vmm_drivers[i]->can.channels >> GUEST_CHANNEL_SSH & 1) &&
                        (strcmp(names[m], "dial") == 0 || strcmp(names[m], "hang_up") == 0);
            if (!CHECK(method || may_lack))
                fprintf(stderr, "driver %s has no %s\n", vmm_drivers[i]->name, names[m]);
        }
    }
}

static void check_is_listed(const char *path, const char *name)
{
    struct err err = ERR_INIT;
    if (!CHECK(vmm_find_driver(name, &err) != NULL))
        fprintf(stderr, "%s has a driver %s, VMM_DRIVERS (daemon/vmm/driver.h) does not list it\n",
                path, name);
}

static void test_each_that_is_written_is_listed(void)
{
    glob_t sources;
    size_t found = 0;
    if (!CHECK_INT(glob(SOURCE_DIR "/daemon/vmm/*.c", 0, NULL, &sources), 0))
        return;
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        char line[256], name[sizeof(line)];
        FILE *file = fopen(sources.gl_pathv[i], "re");
        while (file && fgets(line, sizeof(line), file)) {
            if (sscanf(line, "const struct vmm_driver %255[a-z0-9]_driver = {", name) == 1) {
                check_is_listed(sources.gl_pathv[i], name);
                found++;
            }
        }
        if (CHECK(file != NULL))
            fclose(file);
    }
    CHECK(found >= 2);
    globfree(&sources);
}

static void test_an_unknown_name_is_told_those_there_are(void)
{
    struct err err = ERR_INIT;
    CHECK(!vmm_find_driver("xen", &err));
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_STR(err.reason, "DRIVER_NOT_FOUND");
    CHECK_CONTAINS(err.message, "no driver \"xen\": there are qemu");
    for (size_t i = 0; vmm_drivers[i]; i++)
        CHECK_CONTAINS(err.message, vmm_drivers[i]->name);
}

int main(void)
{
    RUN(test_each_is_found_by_its_name);
    RUN(test_each_has_every_method);
    RUN(test_each_that_is_written_is_listed);
    RUN(test_an_unknown_name_is_told_those_there_are);
    return check_end();
}
