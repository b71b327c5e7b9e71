/* Sends a workspace into a guest; see workspace.h. */
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "tree_copy.h"
#include "workspace.h"

/* As root, whoever the files belong to: root is kept from writing, too. */
static int mount_read_only(struct cli *cli, const char *vm, const char *place,
                           struct stream_signals *signals)
{
    static const char script[] = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, (char *)"sh", (char *)place};
    const struct session_options session = {.no_stdin = true};
    int status = session_run_attached(cli, vm, &session, 5, argv, false, signals);
    return status == 0 || status >= 128
               ? status
               : cli_fail_with(EXIT_BANGER, "NOT_READ_ONLY",
                               "--read-only: %s could not be mounted so in the guest", place);
}

int workspace_send(struct cli *cli, struct workspace *w, const char *vm, const char *user,
                   const char *place, struct stream_signals *signals)
{
    char paths[WORKSPACE_PARTS_MAX][PATH_MAX], there[PATH_MAX];
    struct workspace_part parts[WORKSPACE_PARTS_MAX];
    size_t n = workspace_parts(w, parts, paths);
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        snprintf(there, sizeof(there), "%.4000s%s", place, parts[i].to);
        const struct tree_copy copy = {.vm = vm,
                                       .user = user,
                                       .here = parts[i].from,
                                       .there = there,
                                       .wanted = parts[i].wanted,
                                       .arg = parts[i].arg,
                                       .signals = signals};
        status = tree_push(cli, &copy);
    }
    return status == 0 && w->options->read_only ? mount_read_only(cli, vm, place, signals) : status;
}
