/* The image noun. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "nouns.h"
#include "show.h"

enum { PATH_BYTES = 4096 }; /* what realpath needs */

struct image_build_options {
    const char *suite, *format;
    struct opt_list packages;
    struct opt_number size;
};

static ProtobufCMessage *image_get(struct cli *cli, const char *ref, struct banger_error *error)
{
    Banger__V1__GetImageRequest request = BANGER__V1__GET_IMAGE_REQUEST__INIT;
    request.image = (char *)ref;
    Banger__V1__Image *image = banger_get_image(cli->client, &request, NULL, error);
    return image ? &image->base : NULL;
}

static void image_describe(const ProtobufCMessage *message)
{
    const Banger__V1__Image *image = (const Banger__V1__Image *)message;
    char a[FORMAT_BYTES];
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
}

static const struct show show = {"image", image_get, image_describe};

static int image_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return show_each(cli, &show, args);
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
    return show_made(cli, &show, args->n_refs > 0 ? args->refs[0] : "image", op, &error);
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
    return show_made(cli, &show, args->refs[0], op, &error);
}

static void cell_disk(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__Image *)item)->file_bytes));
}

static void cell_virtual(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, ((const Banger__V1__Image *)item)->virtual_bytes));
}

static const struct list_column image_columns[] = {
    {"ID", NULL, "id", false},
    {"NAME", NULL, "name", false},
    {"SYSTEM", NULL, "os", false},
    {"DISK", cell_disk, "file_bytes", false},
    {"VIRTUAL", cell_virtual, "virtual_bytes", false},
    {"KERNEL", NULL, "kernel_id", true},
    {"DIGEST", NULL, "digest", true},
    {"VMS", NULL, "vms", false},
    {"CREATED", list_cell_created, "created", false},
    {.head = NULL},
};

static const struct list_view image_view = {
    .what = "images",
    .method = "/banger.v1.ImageService/ListImages",
    .items = "images",
    .id = "id",
    .time = "created",
    .columns = image_columns,
};

static int image_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListImagesRequest request = BANGER__V1__LIST_IMAGES_REQUEST__INIT;
    return list_run(cli, &image_view, &request.base, values);
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
        else if (cli_print_done(cli, "image", args->refs[i], "deleted") != 0)
            status = EXIT_BANGER;
        FREE_MESSAGE(empty);
    }
    return status ? status : cli_end_output(cli);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

static const struct opt build_opts[] = {
    {"suite", 0, OPT_STRING, offsetof(struct image_build_options, suite), "SUITE",
     "Debian suite (default bookworm)", NULL, NAMES_NONE},
    {"package", 0, OPT_LIST, offsetof(struct image_build_options, packages), "PACKAGE",
     "add a package; may be repeated", NULL, NAMES_NONE},
    {"size", 0, OPT_SIZE, offsetof(struct image_build_options, size), "SIZE",
     "virtual size (default 2G)", NULL, NAMES_NONE},
    {"disk-format", 0, OPT_STRING, offsetof(struct image_build_options, format), "FORMAT",
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

static const struct command image_rows[] = {
    {"build", NULL, "[NAME]", "build a root filesystem from a distribution's packages",
     "Without arguments it builds the default image, debian-bookworm.", build_opts,
     sizeof(struct image_build_options), 0, 1, false, NAMES_NONE, image_build},
    {"list", "ls", "", "list images", NULL, list_opts, sizeof(struct list_options), 0, 0, false,
     NAMES_NONE, image_list},
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
