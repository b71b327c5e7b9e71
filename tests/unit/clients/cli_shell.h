/* The banger command as a user types it: a line of shell against a daemon of the test's own. In a
 * line "$BANGER" is the program. Included by one file of each test program. */
#ifndef BANGER_TESTS_CLI_SHELL_H
#define BANGER_TESTS_CLI_SHELL_H

#include <stdarg.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"

enum { OUTPUT_BYTES = 1 << 20 };

static struct harness h;
static char *out, *err; /* what the last line printed */

static void load(const char *name, char **text)
{
    char path[64];
    size_t len;
    free(*text);
    *text = NULL;
    snprintf(path, sizeof(path), "%s/%s", h.dir, name);
    if (fs_read(path, OUTPUT_BYTES, text, &len, NULL) < 0)
        *text = strdup("");
}

/* Runs a line of shell, in which a single quote may not be; its exit status. */
static int sh(const char *line)
{
    char command[4096];
    snprintf(command, sizeof(command),
             "cd %s && exec 0</dev/null && timeout 100 sh -c '%s' >out 2>err", h.dir, line);
    int status = system(command);
    load("out", &out);
    load("err", &err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Opens the harness with the sim driver, and says to banger where it is. */
static void cli_shell_open(const char *program)
{
    harness_open(&h, "sim");
    setenv("BANGER", program, 1);
    setenv("BANGER_SOCKET", h.socket, 1);
}

static int cli_shell_end(void)
{
    free(out);
    free(err);
    CHECK(harness_close(&h));
    return check_end();
}

#endif
