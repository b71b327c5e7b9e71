/* vm workspace: git repositories of ours in guests, and what guests have made of them. vm run takes
 * one along by itself. */
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "vm.h"
#include "workspace.h"
#include "workspace_export.h"

struct workspace_values {
    struct workspace_options workspace;
    struct export_options patch;
    const char *user;
};

enum { WORKSPACE_VM_BYTES = 256 };

/* "VM" or "VM:PATH". 0, or the exit status. */
static int take_place(const char *word, char vm[WORKSPACE_VM_BYTES], const char **path)
{
    const char *colon = strchr(word, ':');
    size_t len = colon ? (size_t)(colon - word) : strlen(word);
    *path = colon ? colon + 1 : "";
    if (len == 0 || len >= WORKSPACE_VM_BYTES || (colon && **path != '/'))
        return cli_usage("vm workspace: \"%.100s\" is neither VM nor VM:/PATH", word);
    snprintf(vm, WORKSPACE_VM_BYTES, "%.*s", (int)len, word);
    return 0;
}

static int workspace_push(struct cli *cli, const struct workspace_values *v, const char *vm,
                          const char *path, const char *folder, struct stream_signals *signals)
{
    struct workspace w;
    char place[PATH_MAX];
    struct workspace_options options = v->workspace;
    options.path = folder ? folder : ".";
    if (*path)
        options.workdir = path;
    int status = workspace_init(&w, &options);
    if (status == 0)
        status = workspace_place(&w, v->user, place);
    if (status == 0)
        workspace_tell_omitted(cli, &w);
    if (status == 0 && options.dry_run)
        status = workspace_print(cli, &w, place);
    else if (status == 0)
        status = cli_connect(cli) < 0 ? EXIT_BANGER
                                      : workspace_send(cli, &w, vm, v->user, place, signals);
    if (status == 0 && !options.dry_run)
        status = cli_say(stdout, "%s", place) < 0 ? EXIT_BANGER : cli_end_output(cli);
    workspace_done(&w);
    return status;
}

static int vm_workspace(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct workspace_values *v = values;
    char vm[WORKSPACE_VM_BYTES];
    const char *path, *folder = args->n_refs > 2 ? args->refs[2] : NULL;
    bool push = strcmp(args->refs[0], "push") == 0;
    struct export_options patch = v->patch;
    struct stream_signals signals;
    patch.user = v->user;
    if (!push && strcmp(args->refs[0], "export") != 0)
        return cli_usage("vm workspace: \"%.60s\" is neither push nor export", args->refs[0]);
    if (!push && folder)
        return cli_usage("vm workspace export: \"%.60s\" is one argument too many", folder);
    if (push && (patch.base || patch.file || patch.repository || patch.apply || patch.env.n > 0))
        return cli_usage("vm workspace push: --base-commit, --file, --apply, --repository and "
                         "--env are of export");
    if (take_place(args->refs[1], vm, &path) != 0 || stream_signals_init(&signals) != 0)
        return EXIT_BANGER;
    cli->has_signals = true;
    int status = EXIT_BANGER;
    if (push)
        status = workspace_push(cli, v, vm, path, folder, &signals);
    else if (cli_connect(cli) == 0)
        status = workspace_export(cli, vm, path, &patch, &signals);
    stream_signals_done(&signals);
    return status;
}

static const struct opt workspace_opts[] = {
    {"base-commit", 0, OPT_STRING, offsetof(struct workspace_values, patch.base), "COMMIT",
     "export: what differs from this commit (default: from what was carried)", NULL, NAMES_NONE},
    {"file", 0, OPT_STRING, offsetof(struct workspace_values, patch.file), "FILE",
     "export: write the patch to FILE (default: standard output)", NULL, NAMES_FILE},
    {"apply", 0, OPT_FLAG, offsetof(struct workspace_values, patch.apply), NULL,
     "export: apply the patch to the repository that we are in", NULL, NAMES_NONE},
    {"repository", 0, OPT_STRING, offsetof(struct workspace_values, patch.repository), "PATH",
     "export: with --apply, to the repository around PATH", NULL, NAMES_FILE},
    {"env", 'e', OPT_LIST, offsetof(struct workspace_values, patch.env), "NAME=VALUE",
     "export: environment variable of the guest's git; may be repeated", NULL, NAMES_NONE},
    {"user", 'u', OPT_STRING, offsetof(struct workspace_values, user), "USER",
     "whose it is in the guest (default root)", NULL, NAMES_NONE},
    WORKSPACE_OPTS(offsetof(struct workspace_values, workspace)),
    {.name = NULL},
};

const struct command vm_workspace_command = {
    "workspace",
    NULL,
    "push|export VM[:PATH] [FOLDER]",
    "carry a git repository into a VM, and its changes back as a patch",
    "push takes the repository around FOLDER (.) along, as vm run PATH does, and prints where it "
    "is.\n"
    "export prints what the guest has changed of it, committed or not, as a patch for git apply;\n"
    "nothing of the guest's index or history changes. Without PATH: the workspace in the user's "
    "home.",
    workspace_opts,
    sizeof(struct workspace_values),
    2,
    3,
    false,
    NAMES_NONE,
    vm_workspace,
};
