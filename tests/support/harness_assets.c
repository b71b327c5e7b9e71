/* Kernel and image for VMs of tests, through the same calls a user makes. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/methods.h"
#include "banger/operation.h"
#include "tests/support/harness.h"

static const char *asset(const struct harness *h, json_t *all, const char *of, const char *what)
{
    const char *text = json_string_value(json_object_get(json_object_get(all, of), what));
    if (!text)
        harness_die(h, "assets.json says nothing of %s %s", of, what);
    return text;
}

static void await_import(const struct harness *h, struct banger_client *client,
                         Banger__V1__Operation *begun, struct banger_error *error)
{
    Banger__V1__Operation *ended =
        begun ? banger_operation_follow(client, begun->id, HARNESS_OP_MS, NULL, NULL, error) : NULL;
    if (!ended || banger_operation_error(ended, error) < 0)
        harness_die(h, "cannot import test assets: %s", error->message);
    banger_message_free(&begun->base);
    banger_message_free(&ended->base);
}

void harness_import_assets(struct harness *h)
{
    struct banger_error error;
    char path[PATH_MAX], modules[PATH_MAX];
    snprintf(path, sizeof(path), "%s/assets.json", getenv("BANGER_TEST_ASSETS"));
    json_t *all = json_load_file(path, 0, NULL);
    if (!all)
        harness_die(h, "cannot read %s", path);
    struct banger_client *client = harness_connect(h);

    Banger__V1__ImportKernelRequest kernel = BANGER__V1__IMPORT_KERNEL_REQUEST__INIT;
    kernel.kernel_path = (char *)(uintptr_t)asset(h, all, "kernel", "vmlinux");
    snprintf(modules, sizeof(modules), "%.*s/modules",
             (int)(strrchr(kernel.kernel_path, '/') - kernel.kernel_path), kernel.kernel_path);
    kernel.modules_path = modules;
    await_import(h, client, banger_import_kernel(client, &kernel, NULL, &error), &error);

    Banger__V1__ImportImageRequest image = BANGER__V1__IMPORT_IMAGE_REQUEST__INIT;
    image.path = (char *)(uintptr_t)asset(h, all, "image", "path");
    image.name = (char *)(uintptr_t) "debian-bookworm";
    await_import(h, client, banger_import_image(client, &image, NULL, &error), &error);
    json_decref(all);
    banger_close(client);
}
