/* The table of drivers: what others know of them. */
#include "base/err.h"
#include "daemon/vmm/vmm.h"
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
        CHECK(!d->can.pause || (d->pause && d->resume));
    }
    CHECK(vmm_find_driver(VMM_DRIVER_DEFAULT, &err) != NULL);
}

static void test_an_unknown_name_is_told_those_there_are(void)
{
    struct err err = ERR_INIT;
    CHECK(!vmm_find_driver("xen", &err));
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_STR(err.reason, "DRIVER_NOT_FOUND");
    CHECK_STR(err.message, "no driver \"xen\": there are qemu and sim");
}

int main(void)
{
    RUN(test_each_is_found_by_its_name);
    RUN(test_an_unknown_name_is_told_those_there_are);
    return check_end();
}
