/* Our interop test client.
 *
 *   interop_client --list | PKI_FOLDER TARGET CASE
 *
 * TARGET as in client_driver.h. Exit code 0: the case passed. */
#include <stdio.h>
#include <string.h>

#include "tests/interop/grpc/client_cases.h"
#include "tests/interop/grpc/client_driver.h"

static int run_case(const char *folder, const char *target, const struct interop_case *c)
{
    struct driver d;
    struct err err;
    int rv = driver_open(&d, target, folder, &err);
    if (rv < 0)
        fprintf(stderr, "interop_client: %s\n", err.message);
    else
        c->run(&d);
    driver_close(&d);
    return rv < 0 || cases_failed() > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n_interop_cases; i++)
            puts(interop_cases[i].name);
        return 0;
    }
    for (size_t i = 0; argc == 4 && i < n_interop_cases; i++)
        if (strcmp(interop_cases[i].name, argv[3]) == 0)
            return run_case(argv[1], argv[2], &interop_cases[i]);
    fprintf(stderr, "usage: %s --list | PKI_FOLDER TARGET CASE\n", argv[0]);
    return 2;
}
