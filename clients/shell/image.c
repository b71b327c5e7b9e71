/* The image and kernel nouns. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nouns.h"
#include "table.h"

enum { PATH_BYTES = 4096 }; /* what realpath needs */

struct image_build_options {
    const char *suite, *format;
    struct opt_list packages;
    struct opt_number size;
};

static int image_print(struct cli *cli, const Banger__V1__Image *image)
{
    char a[FORMAT_BYTES];
    if (!cli_is_table(cli))
        return cli_print_message(cli, &image->base);
    if (cli->options.quiet) {
        puts(image->id);
        return cli_end_output(cli);
    }
    cli_print_field("Name:", "%s", image->name);
    cli_print_field("Id:", "%s", image->id);
    cli_print_field("System:", "%s", image->os);
    cli_print_field("Digest:", "%s", image->digest);
    cli_print_field("On disk:", "%s", format_size(a, image->file_bytes));
    cli_print_field("Virtual:", "%s", format_size(a, image->virtual_bytes));
    cli_print_field("Kernel:", "%s", image->kernel_id);
    cli_print_field("VMs:", "%u", image->vms);
    cli_print_field("Path:", "%s", image->path);
    if (image->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(image->created)));
    return cli_end_output(cli);
}

static int image_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__GetImageRequest request = BANGER__V1__GET_IMAGE_REQUEST__INIT;
        request.image = args->refs[i];
        Banger__V1__Image *image = banger_get_image(cli->client, &request, NULL, &error);
        int result =
            image ? image_print(cli, image) : cli_fail(&error, "show image %s", args->refs[i]);
        status = result ? result : status;
        FREE_MESSAGE(image);
    }
    return status;
}

/* Follows an operation that makes an image (NULL: it did not start) and shows the image. */
static int image_follow(struct cli *cli, const char *label, Banger__V1__Operation *op,
                        struct banger_error *error)
{
    Banger__V1__Operation *ended = op ? cli_follow(cli, label, op, error) : NULL;
    if (!ended)
        return cli_fail(error, "make %s", label);
    Banger__V1__GetImageRequest get = BANGER__V1__GET_IMAGE_REQUEST__INIT;
    get.image = (char *)resource_id(ended->result);
    Banger__V1__Image *image = banger_get_image(cli->client, &get, NULL, error);
    int status = image ? image_print(cli, image) : cli_fail(error, "show the new image");
    FREE_MESSAGE(image);
    FREE_MESSAGE(ended);
    return status;
}

static int image_build(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct image_build_options *o = values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__BuildImageRequest request = BANGER__V1__BUILD_IMAGE_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    if (args->n_refs > 0)
        request.name = args->refs[0];
    if (o->suite)
        request.suite = (char *)o->suite;
    request.packages = (char **)o->packages.items;
    request.n_packages = o->packages.n;
    request.size_bytes = o->size.value;
    if (o->format)
        request.format = o->format[0] == 'q' ? BANGER__V1__IMAGE_FORMAT__IMAGE_FORMAT_QCOW2
                                             : BANGER__V1__IMAGE_FORMAT__IMAGE_FORMAT_RAW;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = banger_build_image(cli->client, &request, NULL, &error);
    return image_follow(cli, args->n_refs > 0 ? args->refs[0] : "image", op, &error);
}

struct image_import_options {
    const char *kernel, *name;
};

/* The daemon reads the file: its path must be absolute there. */
static int image_import(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct image_import_options *o = values;
    char id[REQUEST_ID_BYTES], path[PATH_BYTES];
    if (!realpath(args->refs[0], path))
        return cli_usage("image import: %s: %s", args->refs[0], strerror(errno));
    Banger__V1__ImportImageRequest request = BANGER__V1__IMPORT_IMAGE_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.path = path;
    if (o->name)
        request.name = (char *)o->name;
    if (o->kernel)
        request.kernel = (char *)o->kernel;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = banger_import_image(cli->client, &request, NULL, &error);
    return image_follow(cli, args->refs[0], op, &error);
}

static int image_print_list(struct cli *cli, const Banger__V1__ListImagesResponse *list,
                            struct table *t)
{
    for (size_t i = 0; i < list->n_images; i++) {
        const Banger__V1__Image *image = list->images[i];
        char a[FORMAT_BYTES], b[FORMAT_BYTES], age[FORMAT_BYTES];
        if (cli->options.quiet) {
            puts(image->id);
            continue;
        }
        table_cell(t, "%s", image->id);
        table_cell(t, "%s", image->name);
        table_cell(t, "%s", image->os);
        table_cell(t, "%s", format_size(a, image->file_bytes));
        table_cell(t, "%s", format_size(b, image->virtual_bytes));
        table_cell(t, "%u", image->vms);
        table_cell(t, "%s", format_age(age, timestamp_seconds(image->created)));
    }
    return 0;
}

/* A page a document: images are few, and a page holds 100. */
static int image_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    struct table t;
    table_init(&t, "ID|NAME|SYSTEM|DISK|VIRTUAL|VMS|CREATED");
    Banger__V1__ListImagesRequest request = BANGER__V1__LIST_IMAGES_REQUEST__INIT;
    request.page_size = 1000;
    Banger__V1__ListImagesResponse *list = banger_list_images(cli->client, &request, NULL, &error);
    int status = list ? 0 : cli_fail(&error, "list images");
    bool text = cli_is_table(cli) || cli->options.quiet;
    if (list)
        status = text ? image_print_list(cli, list, &t) : cli_print_message(cli, &list->base);
    FREE_MESSAGE(list);
    if (status == 0 && cli_is_table(cli) && !cli->options.quiet)
        return cli_print_table(&t);
    table_done(&t);
    return status ? status : cli_end_output(cli);
}

static int image_delete(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__DeleteImageRequest request = BANGER__V1__DELETE_IMAGE_REQUEST__INIT;
        request.image = args->refs[i];
        Banger__V1__Empty *empty = banger_delete_image(cli->client, &request, NULL, &error);
        if (!empty)
            status = cli_fail(&error, "delete image %s", args->refs[i]);
        else
            puts(args->refs[i]);
        FREE_MESSAGE(empty);
    }
    return status ? status : cli_end_output(cli);
}

/* ---- kernels ---- */

static int kernel_print(struct cli *cli, const Banger__V1__Kernel *kernel)
{
    char a[FORMAT_BYTES];
    if (!cli_is_table(cli))
        return cli_print_message(cli, &kernel->base);
    cli_print_field("Name:", "%s", kernel->name);
    cli_print_field("Id:", "%s", kernel->id);
    cli_print_field("Version:", "%s", kernel->version);
    cli_print_field("Digest:", "%s", kernel->digest);
    if (kernel->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(kernel->created)));
    return cli_end_output(cli);
}

static int kernel_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__GetKernelRequest request = BANGER__V1__GET_KERNEL_REQUEST__INIT;
        request.kernel = args->refs[i];
        Banger__V1__Kernel *kernel = banger_get_kernel(cli->client, &request, NULL, &error);
        int result =
            kernel ? kernel_print(cli, kernel) : cli_fail(&error, "show kernel %s", args->refs[i]);
        status = result ? result : status;
        FREE_MESSAGE(kernel);
    }
    return status;
}

static int kernel_follow(struct cli *cli, const char *label, Banger__V1__Operation *op,
                         struct banger_error *error)
{
    Banger__V1__Operation *ended = op ? cli_follow(cli, label, op, error) : NULL;
    if (!ended)
        return cli_fail(error, "make %s", label);
    Banger__V1__GetKernelRequest get = BANGER__V1__GET_KERNEL_REQUEST__INIT;
    get.kernel = (char *)resource_id(ended->result);
    Banger__V1__Kernel *kernel = banger_get_kernel(cli->client, &get, NULL, error);
    int status = kernel ? kernel_print(cli, kernel) : cli_fail(error, "show the new kernel");
    FREE_MESSAGE(kernel);
    FREE_MESSAGE(ended);
    return status;
}

struct kernel_import_options {
    const char *modules, *name;
};

static int kernel_import(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct kernel_import_options *o = values;
    char id[REQUEST_ID_BYTES], path[PATH_BYTES], modules[PATH_BYTES];
    if (!realpath(args->refs[0], path))
        return cli_usage("kernel import: %s: %s", args->refs[0], strerror(errno));
    if (o->modules && !realpath(o->modules, modules))
        return cli_usage("kernel import: %s: %s", o->modules, strerror(errno));
    Banger__V1__ImportKernelRequest request = BANGER__V1__IMPORT_KERNEL_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.kernel_path = path;
    if (o->modules)
        request.modules_path = modules;
    if (o->name)
        request.name = (char *)o->name;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__Operation *op = banger_import_kernel(cli->client, &request, NULL, &error);
    return kernel_follow(cli, args->refs[0], op, &error);
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
    return kernel_follow(cli, args->n_refs > 0 ? args->refs[0] : "kernel", op, &error);
}

static int kernel_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__ListKernelsRequest request = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    request.page_size = 1000;
    Banger__V1__ListKernelsResponse *list =
        banger_list_kernels(cli->client, &request, NULL, &error);
    if (!list)
        return cli_fail(&error, "list kernels");
    int status = 0;
    struct table t;
    table_init(&t, "ID|NAME|VERSION|CREATED");
    for (size_t i = 0; i < list->n_kernels; i++) {
        const Banger__V1__Kernel *kernel = list->kernels[i];
        char age[FORMAT_BYTES];
        if (cli->options.quiet)
            puts(kernel->id);
        table_cell(&t, "%s", kernel->id);
        table_cell(&t, "%s", kernel->name);
        table_cell(&t, "%s", kernel->version);
        table_cell(&t, "%s", format_age(age, timestamp_seconds(kernel->created)));
    }
    if (!cli_is_table(cli) && !cli->options.quiet)
        status = cli_print_message(cli, &list->base);
    FREE_MESSAGE(list);
    if (cli_is_table(cli) && !cli->options.quiet)
        return cli_print_table(&t);
    table_done(&t);
    return status ? status : cli_end_output(cli);
}

static const struct opt build_opts[] = {
    {"suite", 0, OPT_STRING, offsetof(struct image_build_options, suite), "SUITE",
     "Debian suite (default bookworm)", NULL, NAMES_NONE},
    {"package", 'p', OPT_LIST, offsetof(struct image_build_options, packages), "PACKAGE",
     "add a package; may be repeated", NULL, NAMES_NONE},
    {"size", 0, OPT_SIZE, offsetof(struct image_build_options, size), "SIZE",
     "virtual size (default 2G)", NULL, NAMES_NONE},
    {"format", 0, OPT_STRING, offsetof(struct image_build_options, format), "FORMAT",
     "raw (default) or qcow2", "raw|qcow2", NAMES_NONE},
    {.name = NULL},
};

static const struct opt image_import_opts[] = {
    {"name", 0, OPT_STRING, offsetof(struct image_import_options, name), "NAME",
     "name of the image", NULL, NAMES_NONE},
    {"kernel", 0, OPT_STRING, offsetof(struct image_import_options, kernel), "KERNEL",
     "kernel it boots with (default: the default one)", NULL, NAMES_KERNEL},
    {.name = NULL},
};

static const struct opt kernel_import_opts[] = {
    {"name", 0, OPT_STRING, offsetof(struct kernel_import_options, name), "NAME",
     "name of the kernel", NULL, NAMES_NONE},
    {"modules", 0, OPT_STRING, offsetof(struct kernel_import_options, modules), "DIR",
     "its modules, such as /lib/modules/VERSION", NULL, NAMES_FILE},
    {.name = NULL},
};

static const struct command image_rows[] = {
    {"build", NULL, "[NAME]", "build a root filesystem from a distribution's packages",
     "Without arguments it builds the default image, debian-bookworm.", build_opts,
     sizeof(struct image_build_options), 0, 1, false, NAMES_NONE, image_build},
    {"list", "ls", "", "list images", NULL, NULL, 0, 0, 0, false, NAMES_NONE, image_list},
    {"show", "inspect", "IMAGE...", "describe images", NULL, NULL, 0, 1, -1, false, NAMES_IMAGE,
     image_show},
    {"delete", "rm", "IMAGE...", "delete images that no VM uses", NULL, NULL, 0, 1, -1, false,
     NAMES_IMAGE, image_delete},
    {"import", NULL, "FILE", "make an image of a root filesystem's file", NULL, image_import_opts,
     sizeof(struct image_import_options), 1, 1, false, NAMES_FILE, image_import},
};
static const struct command *const image_commands[] = {
    &image_rows[0], &image_rows[4], &image_rows[1], &image_rows[2], &image_rows[3], NULL};
const struct noun image_noun = {"image", "root filesystems", image_commands};

static const struct command kernel_rows[] = {
    {"list", "ls", "", "list kernels", NULL, NULL, 0, 0, 0, false, NAMES_NONE, kernel_list},
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
