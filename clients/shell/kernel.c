/* The kernel noun. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "nouns.h"
#include "show.h"

enum { PATH_BYTES = 4096 }; /* what realpath needs */

static ProtobufCMessage *kernel_get(struct cli *cli, const char *ref, struct banger_error *error)
{
    Banger__V1__GetKernelRequest request = BANGER__V1__GET_KERNEL_REQUEST__INIT;
    request.kernel = (char *)ref;
    Banger__V1__Kernel *kernel = banger_get_kernel(cli->client, &request, NULL, error);
    return kernel ? &kernel->base : NULL;
}

static void kernel_describe(const ProtobufCMessage *message)
{
    const Banger__V1__Kernel *kernel = (const Banger__V1__Kernel *)message;
    char a[FORMAT_BYTES];
    cli_print_field("Name:", "%s", kernel->name);
    cli_print_field("Id:", "%s", kernel->id);
    cli_print_field("Version:", "%s", kernel->version);
    cli_print_field("Digest:", "%s", kernel->digest);
    cli_print_field("Initrd:", "%s", kernel->own_initrd ? "its own" : "");
    if (kernel->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(kernel->created)));
}

static const struct show show = {"kernel", kernel_get, kernel_describe};

static int kernel_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return show_each(cli, &show, args);
}

struct kernel_import_options {
    const char *modules, *initrd, *name;
};

static int kernel_import(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct kernel_import_options *o = values;
    char id[REQUEST_ID_BYTES], path[PATH_BYTES], modules[PATH_BYTES], initrd[PATH_BYTES];
    if (!realpath(args->refs[0], path))
        return cli_usage("kernel import: %s: %s", args->refs[0], strerror(errno));
    if (o->modules && !realpath(o->modules, modules))
        return cli_usage("kernel import: %s: %s", o->modules, strerror(errno));
    if (o->initrd && !realpath(o->initrd, initrd))
        return cli_usage("kernel import: %s: %s", o->initrd, strerror(errno));
    Banger__V1__ImportKernelRequest request = BANGER__V1__IMPORT_KERNEL_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.kernel_path = path;
    if (o->modules)
        request.modules_path = modules;
    if (o->initrd)
        request.initrd_path = initrd;
    if (o->name)
        request.name = (char *)o->name;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = banger_import_kernel(cli->client, &request, NULL, &error);
    return show_made(cli, &show, args->refs[0], op, &error);
}

static int kernel_pull(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__PullKernelRequest request = BANGER__V1__PULL_KERNEL_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    if (args->n_refs > 0)
        request.package = args->refs[0];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = banger_pull_kernel(cli->client, &request, NULL, &error);
    return show_made(cli, &show, args->n_refs > 0 ? args->refs[0] : "kernel", op, &error);
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"NAME", NULL, "name", false},
    {"VERSION", NULL, "version", false},
    {"DIGEST", NULL, "digest", true},
    {"CREATED", list_cell_created, "created", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "kernels",
    .method = "/banger.v1.KernelService/ListKernels",
    .items = "kernels",
    .id = "id",
    .time = "created",
    .columns = columns,
};

static int kernel_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListKernelsRequest request = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    return list_run(cli, &view, &request.base, values);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

static const struct opt kernel_import_opts[] = {
    {"name", 0, OPT_STRING, offsetof(struct kernel_import_options, name), "NAME",
     "name of the kernel", NULL, NAMES_NONE},
    {"modules", 0, OPT_STRING, offsetof(struct kernel_import_options, modules), "DIR",
     "its modules, such as /lib/modules/VERSION", NULL, NAMES_FILE},
    {"initrd", 0, OPT_STRING, offsetof(struct kernel_import_options, initrd), "FILE",
     "its own initrd: guests boot their own way and are reached over SSH", NULL, NAMES_FILE},
    {.name = NULL},
};

static const struct command kernel_rows[] = {
    {"list", "ls", "", "list kernels", NULL, list_opts, sizeof(struct list_options), 0, 0, false,
     NAMES_NONE, kernel_list},
    {"show", "inspect", "KERNEL...", "describe kernels", NULL, NULL, 0, 1, -1, false, NAMES_KERNEL,
     kernel_show},
    {"pull", NULL, "[PACKAGE]", "fetch the distribution's kernel", NULL, NULL, 0, 0, 1, false,
     NAMES_NONE, kernel_pull},
    {"import", NULL, "FILE", "take a kernel from a file", NULL, kernel_import_opts,
     sizeof(struct kernel_import_options), 1, 1, false, NAMES_FILE, kernel_import},
};
static const struct command *const kernel_commands[] = {&kernel_rows[2], &kernel_rows[3],
                                                        &kernel_rows[0], &kernel_rows[1], NULL};
const struct noun kernel_noun = {"kernel", "kernels that VMs boot", kernel_commands};
