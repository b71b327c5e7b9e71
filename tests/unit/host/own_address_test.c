/* Addresses of this host, and others. */
#include <errno.h>
#include <sys/resource.h>

#include "base/err.h"
#include "daemon/host/own_address.h"
#include "tests/support/check.h"

static void test_whose_an_address_is(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(own_address(0x7f000001, &err), 1);
    CHECK_INT(own_address(0xffffffff, &err), 1); /* everybody's */
    CHECK_INT(own_address(0xc0000201, &err), 0); /* 192.0.2.1: nobody's, with a way there or not */
    CHECK_STR(err.message, "");
}

/* Not knowing is neither. */
static void test_no_descriptor_is_left(void)
{
    struct rlimit before, none;
    struct err err = ERR_INIT;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = own_address(0xc0000201, &err);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(rc, -1);
    CHECK_INT(err.sys, EMFILE);
    CHECK_CONTAINS(err.message, "192.0.2.1");
}

int main(void)
{
    RUN(test_whose_an_address_is);
    RUN(test_no_descriptor_is_left);
    return check_end();
}
