/* Applies a guest's patch to a repository of ours; see workspace_export.h. What git refuses by
 * itself: paths that lead out of the work tree, through links, or into .git. */
#include <stdlib.h>
#include <string.h>

#include "repo.h"
#include "workspace_export.h"

static bool has_conflicts(const struct repo *repo)
{
    char line[REF_BYTES];
    return git_line(&repo->git, GIT_ARGS("ls-files", "--unmerged"), line, sizeof(line)) == 0 &&
           *line;
}

/* To files as they are; where it does not fit them, by a merge. */
static int apply(const struct repo *repo, const char *patch, size_t len)
{
    struct git_output out;
    int rc = git_run(&repo->git, GIT_ARGS("apply", "--whitespace=nowarn", "-"), patch, len, &out);
    git_output_done(&out);
    if (rc == 0)
        return 0; /* all of it, or nothing */
    rc = git_run(&repo->git, GIT_ARGS("apply", "--3way", "--whitespace=nowarn", "-"), patch, len,
                 &out);
    int status = rc == 0 ? 0 : EXIT_BANGER;
    if (status && has_conflicts(repo))
        cli_fail_with(status, "CONFLICTS",
                      "%.300s: applied, with conflicts that are marked in the files (git status)",
                      repo->top);
    else if (status)
        cli_fail_with(status, "DOES_NOT_APPLY", "%.300s: the patch does not apply: %s", repo->top,
                      out.errors ? out.errors : "");
    git_output_done(&out);
    return status;
}

int workspace_apply(struct cli *cli, const char *folder, const char *patch, size_t len)
{
    struct repo repo;
    char program[REF_BYTES];
    struct git_output out;
    if (repo_find(&repo, folder) != 0 || repo_check_settled(&repo) != 0 ||
        repo_program(&repo, program) != 0)
        return EXIT_BANGER;
    if (*program)
        return cli_fail_with(EXIT_BANGER, "RUNS_PROGRAMS",
                             "%.300s: its own configuration runs programs on files (%s), which "
                             "banger does not; use --file FILE, then git apply --3way FILE",
                             repo.top, program);
    int status = apply(&repo, patch, len);
    if (status == 0 && !cli->options.quiet &&
        git_run(&repo.git, GIT_ARGS("apply", "--stat", "-"), patch, len, &out) == 0) {
        cli_say(stdout, "%.*s", (int)(out.len > 0 ? out.len - 1 : 0), out.text);
        git_output_done(&out);
    }
    return status ? status : cli_end_output(cli);
}
