/* ImageService: root filesystems. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "banger/v1/image.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_import.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"

enum { PACKAGES_MAX = 256 };

static void reply_image(struct core *core, struct rpc_call *call, const struct image *image,
                        void (*reply)(struct rpc_call *, const Banger__V1__Image *))
{
    struct image_view view;
    image_view_fill(&view, image, image_vm_count(core, image->id));
    reply(call, &view.image);
}

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__V1__GetImageRequest *request)
{
    struct err err = ERR_INIT;
    const struct image *image = image_find(self, request->image, &err);
    if (image)
        reply_image(self, call, image, banger_v1_image_service_get_image_reply);
    else
        rpc_call_finish(call, &err);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListImagesRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    for (const struct image *i = NULL; (i = image_next(core, i));) {
        if (!page_is_after(&page, i->created_ns, i->id))
            continue;
        if (page_is_cut(&page))
            break;
        struct image_view view;
        image_view_fill(&view, i, image_vm_count(core, i->id));
        page_add(&page, call, i->created_ns, i->id, &view.image.base);
    }
    Banger__V1__ListImagesResponse response = BANGER__V1__LIST_IMAGES_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_image_service_list_images_reply(call, &response);
}

/* A package name as Debian Policy 5.6.1 has it; anything else could be an option of a tool. */
static bool package_is_valid(const char *name)
{
    size_t n = strlen(name);
    return n >= 2 && n <= 128 && name[0] != '-' && name[0] != '+' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == n;
}

static int check_build(const Banger__V1__BuildImageRequest *request, struct err *err)
{
    if (request->n_packages > PACKAGES_MAX)
        return err_set(err, ERR_INVALID, "%zu packages, at most %d are allowed",
                       request->n_packages, PACKAGES_MAX);
    for (size_t i = 0; i < request->n_packages; i++)
        if (!package_is_valid(request->packages[i]))
            return err_set(err, ERR_INVALID, "\"%.100s\" is not the name of a package",
                           request->packages[i]);
    size_t n = strlen(request->suite);
    if (n >= 64 || strspn(request->suite, "abcdefghijklmnopqrstuvwxyz") != n)
        return err_set(err, ERR_INVALID, "\"%.60s\" is not the name of a suite", request->suite);
    if (request->size_bytes &&
        (request->size_bytes < UINT64_C(512) << 20 || request->size_bytes > UINT64_C(16) << 40))
        return err_set(err, ERR_INVALID, "size_bytes must be from 512 MiB to 16 TiB");
    if (request->format != BANGER__V1__IMAGE_FORMAT__IMAGE_FORMAT_UNSPECIFIED &&
        request->format != BANGER__V1__IMAGE_FORMAT__IMAGE_FORMAT_RAW)
        return err_set(err, ERR_UNIMPLEMENTED, "images are built as raw files only");
    return 0;
}

static void handle_build(void *self, struct rpc_call *call,
                         const Banger__V1__BuildImageRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct image_build_request build = {.size_bytes = request->size_bytes, .format = IMAGE_RAW};
    const char *packages[PACKAGES_MAX + 1] = {NULL};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        check_build(request, &err) < 0 ||
        request_copy(build.name, sizeof(build.name), request->name, "name", &err) < 0 ||
        request_copy(build.suite, sizeof(build.suite), request->suite, "suite", &err) < 0 ||
        (*build.name && vm_name_check(build.name, &err) < 0)) {
        rpc_call_finish(call, &err);
        return;
    }
    for (size_t i = 0; i < request->n_packages; i++)
        packages[i] = request->packages[i];
    build.packages = packages;
    service_reply_operation(call, image_ask_build(self, &build, &meta, &err), &err);
}

static void handle_import(void *self, struct rpc_call *call,
                          const Banger__V1__ImportImageRequest *request)
{
    struct err err = ERR_INIT;
    struct request_meta meta;
    struct image_import_request import = {.path = request->path, .kernel = request->kernel};
    if (request_meta_fill(&meta, self, call, &request->base, request->request_id, &err) < 0 ||
        request_copy(import.name, sizeof(import.name), request->name, "name", &err) < 0 ||
        vm_name_check(import.name, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    service_reply_operation(call, image_ask_import(self, &import, &meta, &err), &err);
}

struct tag_call {
    struct core *core;
    struct rpc_call *call; /* a reference */
};

static void tag_done(void *arg, const struct image *image, const struct err *err)
{
    struct tag_call *t = arg;
    if (image)
        reply_image(t->core, t->call, image, banger_v1_image_service_tag_image_reply);
    else
        rpc_call_finish(t->call, err);
    rpc_call_unref(t->call);
    free(t);
}

static void handle_tag(void *self, struct rpc_call *call,
                       const Banger__V1__TagImageRequest *request)
{
    struct err err = ERR_INIT;
    struct tag_call *t = malloc(sizeof(*t));
    if (!t) {
        service_out_of_memory(call);
        return;
    }
    *t = (struct tag_call){self, rpc_call_ref(call)};
    if (vm_name_check(request->name, &err) == 0 &&
        image_tag(self, request->image, request->name, tag_done, t, &err) == 0)
        return;
    rpc_call_finish(call, &err);
    rpc_call_unref(call);
    free(t);
}

static void handle_delete(void *self, struct rpc_call *call,
                          const Banger__V1__DeleteImageRequest *request)
{
    struct err err = ERR_INIT;
    if (image_delete(self, request->image, service_reply_empty, rpc_call_ref(call), &err) < 0) {
        rpc_call_finish(call, &err);
        rpc_call_unref(call);
    }
}

int image_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_image_service_handlers handlers = {
        .build_image = handle_build,
        .import_image = handle_import,
        .tag_image = handle_tag,
        .get_image = handle_get,
        .list_images = handle_list,
        .delete_image = handle_delete,
    };
    return banger_v1_image_service_register(server, &handlers, core, err);
}
