/* See tree_copy.h. */
#include "tree_copy.h"

#include "cp.h"
#include "stream.h"

static int run(struct cli *cli, const struct tree_copy *copy, struct cp_plan plan)
{
    const struct cp_options options = {.user = copy->user};
    plan.options = &options;
    plan.interrupt_fd = copy->signals->fd;
    banger_set_interrupt_fd(cli->client, copy->signals->fd);
    enum cp_result result = cp_copy(cli, &plan);
    banger_set_interrupt_fd(cli->client, -1);
    if (result == CP_INTERRUPTED)
        return 128 + stream_signals_take(copy->signals);
    return result == CP_ALL || (result == CP_NOT_ALL && copy->goes_on) ? 0 : EXIT_BANGER;
}

static int make_folder(struct cli *cli, const struct tree_copy *copy)
{
    struct banger_error error;
    Banger__V1__MakeDirectoryRequest request = BANGER__V1__MAKE_DIRECTORY_REQUEST__INIT;
    request.vm = (char *)copy->vm;
    request.path = (char *)copy->there;
    request.user = copy->user ? (char *)copy->user : request.user;
    request.parents = true;
    Banger__V1__FileInfo *info = banger_make_directory(cli->client, &request, NULL, &error);
    if (!info)
        return cli_fail(&error, "%s", copy->there);
    FREE_MESSAGE(info);
    return 0;
}

int tree_push(struct cli *cli, const struct tree_copy *copy)
{
    struct cp_plan plan = {.from = {.path = copy->here},
                           .to = {.vm = (char *)copy->vm, .path = copy->there},
                           .wanted = copy->wanted,
                           .arg = copy->arg};
    snprintf(plan.root, sizeof(plan.root), "%s", copy->there);
    int status = make_folder(cli, copy);
    return status ? status : run(cli, copy, plan);
}

int tree_pull(struct cli *cli, const struct tree_copy *copy)
{
    struct cp_plan plan = {.from = {.vm = (char *)copy->vm, .path = copy->there},
                           .to = {.path = copy->here}};
    snprintf(plan.root, sizeof(plan.root), "%s", copy->here);
    return run(cli, copy, plan);
}
