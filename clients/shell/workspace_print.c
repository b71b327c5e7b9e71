/* What is said of a workspace: what would be sent, and what is not; see workspace.h. */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "table.h"
#include "workspace.h"

static unsigned long long walked; /* nftw has no argument */

static int walk_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path;
    (void)at;
    if (type == FTW_F)
        walked += (unsigned long long)st->st_size;
    return 0;
}

static unsigned long long size_below(const char *folder)
{
    walked = 0;
    nftw(folder, walk_one, 16, FTW_PHYS);
    return walked;
}

static unsigned long long size_of(const char *folder, const char *path)
{
    char full[PATH_MAX];
    struct stat st;
    return snprintf(full, sizeof(full), "%s/%s", folder, path) < (int)sizeof(full) &&
                   lstat(full, &st) == 0
               ? (unsigned long long)st.st_size
               : 0;
}

/* The files are printed as they are found. */
struct listing {
    struct cli *cli;
    struct table table;
    bool json, first;
    unsigned long long files, bytes;
};

static void list_file(struct listing *l, const char *path, unsigned long long bytes)
{
    char size[FORMAT_BYTES];
    l->files++;
    l->bytes += bytes;
    if (l->json) {
        printf("%s\n    {\"path\": ", l->first ? "" : ",");
        cli_write_quoted(stdout, path);
        printf(", \"sizeBytes\": \"%llu\"}", bytes);
    } else if (l->cli->options.quiet) {
        cli_say(stdout, "%s", path);
    } else {
        table_cell(&l->table, "%s", format_size(size, bytes));
        table_cell(&l->table, "%s", path);
    }
    l->first = false;
}

static void list_set(struct listing *l, const struct path_set *set, const char *folder)
{
    for (size_t i = 0; i < set->n; i++)
        list_file(l, set->paths[i], size_of(folder, set->paths[i]));
}

/* Of files that are in the temporary folder, or in all of the work tree: walked like a part. */
static struct listing *walking;
static const struct workspace_part *walking_part;

static int list_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)at;
    const char *below = path + strlen(walking_part->from);
    below += *below == '/';
    if (*below && walking_part->wanted && !walking_part->wanted(walking_part->arg, below))
        return type == FTW_D ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
    if (type != FTW_D && type != FTW_DNR && (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)))
        list_file(walking, below, (unsigned long long)st->st_size);
    return FTW_CONTINUE;
}

static void list_part(struct listing *l, const struct workspace_part *part)
{
    walking = l;
    walking_part = part;
    nftw(part->from, list_one, 16, FTW_PHYS | FTW_ACTIONRETVAL);
}

static void list_parts(struct listing *l, struct workspace *w)
{
    char paths[WORKSPACE_PARTS_MAX][PATH_MAX];
    struct workspace_part parts[WORKSPACE_PARTS_MAX];
    size_t n = workspace_parts(w, parts, paths);
    unsigned long long git = 0;
    for (size_t i = 0; i < n; i++) {
        if (*parts[i].to)
            git += size_below(parts[i].from);
        else if (parts[i].from == w->repo.top && w->mode == WORKSPACE_OVERLAY)
            list_set(l, &w->kept, w->repo.top); /* in their order */
        else
            list_part(l, &parts[i]);
    }
    list_file(l, ".git/", git);
    l->files--;
}

int workspace_print(struct cli *cli, struct workspace *w, const char *place)
{
    bool table = cli_is_table(cli);
    struct listing l = {.cli = cli, .json = !table, .first = true};
    char size[FORMAT_BYTES];
    if (cli->options.format)
        return cli_usage(
            "--format is of messages, and what --dry-run prints is none; -o json has it");
    if (l.json) {
        const struct cli_pair head[] = {
            {"repository", w->repo.top}, {"commit", w->commit}, {"branch", w->branch},
            {"base", w->base},           {"place", place},      {NULL, NULL}};
        printf("{");
        for (const struct cli_pair *p = head; p->name; p++) {
            printf("\n  \"%s\": ", p->name);
            cli_write_quoted(stdout, p->value);
            printf(",");
        }
        printf("\n  \"files\": [");
    } else if (!cli->options.quiet) {
        table_init(&l.table, "SIZE|FILE");
    }
    list_parts(&l, w);
    if (l.json)
        printf("\n  ]\n}\n");
    else if (!cli->options.quiet) {
        if (cli_print_table(cli, &l.table) != 0)
            return EXIT_BANGER;
        cli_say(stdout, "%llu files, %s in all, would be sent to %s", l.files,
                format_size(size, l.bytes), place);
    }
    return cli_end_output(cli);
}

static void tell_paths(const struct path_set *set, const char *what, const char *why)
{
    if (set->n == 1)
        cli_say(stderr, "banger: %s %s%s", what, set->paths[0], why);
    else if (set->n > 1)
        cli_say(stderr, "banger: %s %s and %zu more%s", what, set->paths[0], set->n - 1, why);
}

void workspace_tell_omitted(struct cli *cli, const struct workspace *w)
{
    if (cli->options.quiet)
        return;
    if (w->mode != WORKSPACE_FULL)
        tell_paths(&w->filtered, w->lfs ? "git-lfs's" : "filtered",
                   w->lfs ? ": the pointers go along as they are in git's index, not the content "
                            "(--mode full takes that)"
                          : ": as in git's index (--mode full takes what it is here)");
    tell_paths(&w->submodules, "submodule", ": not carried; it is a repository of its own");
    tell_paths(&w->nested, "repository", ": not carried");
    tell_paths(&w->too_large, "untracked", ": larger than 64M, not carried (banger vm cp)");
}
