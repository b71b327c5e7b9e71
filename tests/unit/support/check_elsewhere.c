/* See check_elsewhere.h. */
#include "tests/unit/support/check_elsewhere.h"

#include "tests/support/check.h"

void fails_elsewhere(void)
{
    CHECK(!"this is meant to fail");
}
