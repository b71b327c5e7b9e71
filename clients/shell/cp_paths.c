/* Where vm cp copies to. The rules are docker's: what is copied gets the name that the destination
 * has, or its own in a folder that exists; "folder/." is what is in the folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cp.h"

bool cp_is_pipe(const struct cp_end *end)
{
    return !end->vm && strcmp(end->path, "-") == 0;
}

static const char *shown(const struct cp_end *end)
{
    return end->path;
}

static int look_here(const char *path, bool follow, enum cp_kind *kind)
{
    struct stat st;
    if ((follow ? stat(path, &st) : lstat(path, &st)) == 0)
        *kind = S_ISDIR(st.st_mode) ? CP_FOLDER : CP_FILE;
    else if (errno == ENOENT)
        *kind = CP_MISSING;
    else
        return cli_usage("%s: %s", path, strerror(errno));
    return 0;
}

static int look_there(struct cli *cli, const struct cp_plan *plan, const struct cp_end *end,
                      bool follow, enum cp_kind *kind)
{
    struct banger_error error;
    Banger__V1__StatFileRequest request = BANGER__V1__STAT_FILE_REQUEST__INIT;
    request.vm = end->vm;
    request.path = (char *)end->path;
    request.follow = follow;
    request.user = (char *)(plan->options->user ? plan->options->user : "");
    Banger__V1__FileInfo *info = banger_stat_file(cli->client, &request, NULL, &error);
    if (!info && strcmp(error.reason, "FILE_NOT_FOUND") != 0)
        return cli_fail(&error, "%s:%s", end->vm, end->path);
    *kind = !info                                                      ? CP_MISSING
            : info->type == BANGER__V1__FILE_TYPE__FILE_TYPE_DIRECTORY ? CP_FOLDER
                                                                       : CP_FILE;
    FREE_MESSAGE(info);
    return 0;
}

static int look(struct cli *cli, const struct cp_plan *plan, const struct cp_end *end, bool follow,
                enum cp_kind *kind)
{
    return end->vm ? look_there(cli, plan, end, follow, kind) : look_here(end->path, follow, kind);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* What is meant is what is in the folder. */
static bool is_content(const char *path)
{
    return strcmp(path, ".") == 0 || ends_with(path, "/.") || ends_with(path, "/..") ||
           strcmp(path, "..") == 0 || strspn(path, "/") == strlen(path);
}

/* The last part of a path, and what is before it. */
static int split(const char *path, char root[CP_PATH_BYTES], char name[256])
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    if (end - begin > 255 || end >= CP_PATH_BYTES)
        return cli_usage("%.200s: the name is too long", path);
    memcpy(name, path + begin, end - begin);
    name[end - begin] = '\0';
    if (root) {
        memcpy(root, path, begin);
        root[begin] = '\0';
        if (begin == 0)
            strcpy(root, ".");
    }
    return 0;
}

static int plan_new_name(struct cp_plan *plan, enum cp_kind to)
{
    const char *path = plan->to.path;
    if (to == CP_FILE && plan->kind == CP_FOLDER)
        return cli_usage("%s is no folder, and a folder cannot be copied to it", path);
    if (ends_with(path, "/") && (plan->kind == CP_FILE || to == CP_FILE))
        return cli_usage("%s is no folder", path);
    if (is_content(path))
        return cli_usage("%s: there is no such folder", path);
    return split(path, plan->root, plan->name);
}

static int copy_root(struct cp_plan *plan)
{
    if (strlen(plan->to.path) >= CP_PATH_BYTES)
        return cli_usage("%.200s: the name is too long", plan->to.path);
    strcpy(plan->root, plan->to.path);
    return 0;
}

int cp_plan_decide(struct cp_plan *plan, enum cp_kind to)
{
    bool content = is_content(plan->from.path);
    plan->asks = false;
    plan->name[0] = '\0';
    if (plan->into_folder && to != CP_FOLDER)
        return cli_usage("%s is no folder that exists: several go into one", plan->to.path);
    if (cp_is_pipe(&plan->to))
        return content ? 0 : split(plan->from.path, NULL, plan->name);
    if (cp_is_pipe(&plan->from) && to != CP_FOLDER)
        return cli_usage("%s: what comes from standard input goes into a folder that exists",
                         plan->to.path);
    if (to != CP_FOLDER)
        return plan_new_name(plan, to);
    int status = copy_root(plan);
    return status != 0 || content || cp_is_pipe(&plan->from)
               ? status
               : split(plan->from.path, NULL, plan->name);
}

int cp_plan_look(struct cli *cli, struct cp_plan *plan)
{
    enum cp_kind to = CP_FOLDER;
    int status = look(cli, plan, &plan->to, true, &to);
    return status != 0 ? status : cp_plan_decide(plan, to);
}

static int look_at_source(struct cli *cli, struct cp_plan *plan)
{
    const char *path = plan->from.path;
    bool follow = plan->options->follow || is_content(path) || ends_with(path, "/");
    int status = look(cli, plan, &plan->from, follow, &plan->kind);
    if (status == 0 && plan->kind == CP_MISSING)
        return cli_fail_with(EXIT_BANGER, "FILE_NOT_FOUND", "%s: there is no such file",
                             shown(&plan->from));
    return status;
}

/* Each look at a guest's file is a program that it runs: what the copy itself finds out is left to
 * it. A guest's source that is missing is an error of the copy, before anything is made. */
int cp_plan_paths(struct cli *cli, struct cp_plan *plan)
{
    enum cp_kind to = CP_FOLDER;
    int status = 0;
    plan->kind = CP_FOLDER;
    plan->asks = plan->to.vm != NULL;
    if (!plan->asks && !cp_is_pipe(&plan->to))
        status = look(cli, plan, &plan->to, true, &to);
    bool new_name =
        plan->asks || to == CP_FILE ||
        (to == CP_MISSING && (ends_with(plan->to.path, "/") || is_content(plan->to.path)));
    if (status == 0 && !cp_is_pipe(&plan->from) && (!plan->from.vm || new_name))
        status = look_at_source(cli, plan);
    if (status != 0)
        return status;
    return plan->asks ? copy_root(plan) : cp_plan_decide(plan, to);
}
