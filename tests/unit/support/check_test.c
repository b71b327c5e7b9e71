/* Checks count whichever file of a program they stand in: this one fails, as its other file's does.
 */
#include "tests/unit/support/check_elsewhere.h"
#include "tests/support/check.h"

static void test_of_another_file(void)
{
    fails_elsewhere();
}

int main(void)
{
    RUN(test_of_another_file);
    return check_end();
}
