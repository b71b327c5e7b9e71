/* Every kind of operation as something to interrupt; see subjects.h. */
#include "tests/fault/subjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/core/vm/vm_ops.h"
#include "tests/support/check.h"
#include "tests/support/host_objects.h"
#include "tests/unit/host/made.h"

#define KERNEL       "6.1.0-test"
#define TEXT(text)   ((char *)(uintptr_t)(text))
#define EGRESS(mode) BANGER__V1__EGRESS_MODE__EGRESS_MODE_##mode

static const struct subject subjects[] = {
    {"vm.create", SUBJECT_CREATE, 0, STEPS_GONE, {VM_STATE(RUNNING), VM_STATE(RUNNING)}, true},
    {"vm.stop",
     SUBJECT_VM,
     STEPS_STOP,
     VM_STATE(RUNNING),
     {VM_STATE(STOPPED), VM_STATE(STOPPED)},
     true},
    {"vm.start",
     SUBJECT_VM,
     STEPS_START,
     VM_STATE(STOPPED),
     {VM_STATE(RUNNING), VM_STATE(RUNNING)},
     true},
    {"vm.restart",
     SUBJECT_VM,
     STEPS_RESTART,
     VM_STATE(RUNNING),
     {VM_STATE(RUNNING), VM_STATE(RUNNING)},
     false},
    {"vm.pause",
     SUBJECT_VM,
     STEPS_PAUSE,
     VM_STATE(RUNNING),
     {VM_STATE(PAUSED), VM_STATE(PAUSED)},
     false},
    {"vm.resume",
     SUBJECT_VM,
     STEPS_RESUME,
     VM_STATE(PAUSED),
     {VM_STATE(RUNNING), VM_STATE(RUNNING)},
     false},
    {"vm.recover",
     SUBJECT_VM,
     STEPS_RECOVER,
     VM_STATE(RUNNING),
     {VM_STATE(RUNNING), VM_STATE(RUNNING)},
     false},
    {"vm.update",
     SUBJECT_UPDATE,
     0,
     VM_STATE(RUNNING),
     {VM_STATE(RUNNING), VM_STATE(RUNNING)},
     true},
    {"vm.kill",
     SUBJECT_VM,
     STEPS_KILL,
     VM_STATE(RUNNING),
     {VM_STATE(STOPPED), VM_STATE(FAILED)},
     false},
    {"vm.delete", SUBJECT_VM, STEPS_DELETE, VM_STATE(RUNNING), {STEPS_GONE, STEPS_GONE}, true},
    {"vm.prune", SUBJECT_PRUNE, 0, VM_STATE(STOPPED), {STEPS_GONE, STEPS_GONE}, false},
    {"kernel.import", SUBJECT_IMPORT_KERNEL, 0, STEPS_GONE, {STEPS_GONE, STEPS_GONE}, false},
    {"image.import", SUBJECT_IMPORT_IMAGE, 0, STEPS_GONE, {STEPS_GONE, STEPS_GONE}, false},
    /* The last: on qemu they remove the image and the kernel that VMs are made of. */
    {"kernel.pull", SUBJECT_PULL_KERNEL, 0, STEPS_GONE, {STEPS_GONE, STEPS_GONE}, false},
    {"image.build", SUBJECT_BUILD_IMAGE, 0, STEPS_GONE, {STEPS_GONE, STEPS_GONE}, false},
};

enum { IMAGE_BYTES = 512 << 20 }; /* the smallest */

enum { N_SUBJECTS = sizeof(subjects) / sizeof(subjects[0]) };

const struct subject *subjects_at(size_t i)
{
    return i < N_SUBJECTS ? &subjects[i] : NULL;
}

void subjects_check_complete(void)
{
    size_t n = 0;
    for (; core_operation_kinds[n]; n++) {
        bool found = false;
        for (size_t i = 0; i < N_SUBJECTS; i++)
            found |= strcmp(subjects[i].kind, core_operation_kinds[n]->name) == 0;
        if (!CHECK(found))
            fprintf(stderr, "  nothing interrupts %s: give it a row in subjects.c\n",
                    core_operation_kinds[n]->name);
    }
    CHECK_INT(N_SUBJECTS, n);
}

const struct operation_kind *subject_kind(const struct subjects *s, const struct subject *subject)
{
    for (size_t i = 0; core_operation_kinds[i]; i++)
        if (strcmp(core_operation_kinds[i]->name, subject->kind) == 0)
            return core_operation_kinds[i];
    harness_die(s->h, "the daemon has no operation %s", subject->kind);
}

/* A kernel as Debian packs it: boot/vmlinuz-VERSION and lib/modules/VERSION, and the package. */
static void make_kernel(struct subjects *s)
{
    static const char control[] = "Package: linux-image-" KERNEL "-cloud-amd64\nVersion: 1\n"
                                  "Architecture: amd64\nMaintainer: nobody\nDescription: none\n";
    char path[160], command[256];
    size_t kernel_len, len;
    auto_free uint8_t *kernel = made_vmlinux(1, &kernel_len);
    auto_free uint8_t *image = made_bzimage(kernel, kernel_len, &len);
    snprintf(s->kernel, sizeof(s->kernel), "%s/kernel", s->h->dir);
    snprintf(path, sizeof(path), "%s/DEBIAN", s->kernel);
    fs_make_dirs(path, 0755, NULL);
    made_file(path, "control", control, sizeof(control) - 1);
    snprintf(path, sizeof(path), "%s/boot", s->kernel);
    fs_make_dirs(path, 0755, NULL);
    made_file(path, "vmlinuz-" KERNEL, image, len);
    snprintf(path, sizeof(path), "%s/lib/modules/" KERNEL, s->kernel);
    made_modules(path);
    snprintf(path, sizeof(path), "%s/kernel.deb", s->h->dir);
    snprintf(command, sizeof(command), "dpkg-deb --build -Znone %s %s >/dev/null", s->kernel, path);
    if (system(command) != 0)
        harness_die(s->h, "cannot make a kernel's package");
    setenv("TEST_PACKAGE", path, 1);
}

void subjects_init(struct subjects *s, struct harness *h)
{
    char command[160], path[4096];
    const char *own = getenv("PATH");
    *s = (struct subjects){.h = h};
    snprintf(s->file, sizeof(s->file), "%s/import.ext4", h->dir);
    snprintf(command, sizeof(command), "mke2fs -q -t ext4 %s 8M", s->file);
    if (system(command) != 0)
        harness_die(h, "cannot make a file system to import");
    make_kernel(s);
    snprintf(path, sizeof(path), "%s:%s", BANGER_TEST_DISTRIBUTION, own ? own : "");
    setenv("PATH", path, 1);
}

void subjects_add_neighbour(struct subjects *s)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(s->h);
    struct steps_create how = {.name = "neighbour"};
    if (steps_create_vm(client, s->h, &how, s->neighbour, &error) < 0)
        harness_die(s->h, "no neighbour: %s", error.message);
    s->neighbour_pid = steps_vm_pid(client, s->neighbour);
    banger_close(client);
}

static void set_stage(struct subjects *s, struct banger_client *client, int want)
{
    struct banger_error error = {0};
    int state = s->box[0] ? steps_vm_state(s->h, client, s->box) : STEPS_GONE;
    int rc = 0;
    if (state == want)
        return;
    if (state == STEPS_GONE) {
        struct steps_create how = {.stopped = want == VM_STATE(STOPPED), .stop_hook = "true"};
        rc = steps_create_vm(client, s->h, &how, s->box, &error);
    } else if (want == STEPS_GONE) {
        rc = steps_do(client, STEPS_DELETE, s->box, &error);
        s->box[0] = '\0';
    } else if (want == VM_STATE(STOPPED)) {
        rc = steps_do(client, STEPS_STOP, s->box, &error);
    } else if (state != VM_STATE(RUNNING)) {
        rc = steps_do(client, state == VM_STATE(PAUSED) ? STEPS_RESUME : STEPS_START, s->box,
                      &error);
    }
    if (rc == 0 && want == VM_STATE(PAUSED))
        rc = steps_do(client, STEPS_PAUSE, s->box, &error);
    if (rc < 0)
        harness_die(s->h, "cannot bring VM %s from state %d to %d: %s", s->box, state, want,
                    error.message);
}

/* A build begins with its kernel only where there is none. */
static void remove_images(const struct subjects *s, struct banger_client *client)
{
    struct banger_error error = {0};
    Banger__V1__ListImagesRequest list_images = BANGER__V1__LIST_IMAGES_REQUEST__INIT;
    Banger__V1__ListKernelsRequest list_kernels = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    Banger__V1__ListImagesResponse *i = banger_list_images(client, &list_images, NULL, NULL);
    Banger__V1__ListKernelsResponse *k = banger_list_kernels(client, &list_kernels, NULL, NULL);
    for (size_t n = 0; i && n < i->n_images; n++) {
        Banger__V1__DeleteImageRequest request = BANGER__V1__DELETE_IMAGE_REQUEST__INIT;
        request.image = i->images[n]->id;
        Banger__V1__Empty *empty = banger_delete_image(client, &request, NULL, &error);
        banger_message_free(empty ? &empty->base : NULL);
    }
    for (size_t n = 0; k && n < k->n_kernels; n++) {
        Banger__V1__DeleteKernelRequest request = BANGER__V1__DELETE_KERNEL_REQUEST__INIT;
        request.kernel = k->kernels[n]->id;
        Banger__V1__Empty *empty = banger_delete_kernel(client, &request, NULL, &error);
        banger_message_free(empty ? &empty->base : NULL);
    }
    if (!i || !k || error.code)
        harness_die(s->h, "cannot remove images and kernels: %s", error.message);
    banger_message_free(&i->base);
    banger_message_free(&k->base);
}

/* Beginnings */

/* Where there are rules they change too, between all and a list, whoever was asked last. */
static bool has_list(const char *request_id)
{
    return request_id[strlen(request_id) - 1] % 2 == 0;
}

static Banger__V1__Operation *begin_update(const struct subjects *s, struct banger_client *client,
                                           const char *request_id, struct banger_error *error)
{
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    static const char *const allow[] = {"192.0.2.0/24:80/tcp", "198.51.100.7"};
    Banger__V1__Egress egress = BANGER__V1__EGRESS__INIT;
    Banger__V1__UpdateVMRequest request = BANGER__V1__UPDATE_VMREQUEST__INIT;
    label.key = TEXT("case");
    label.value = TEXT(request_id);
    request.vm = TEXT(s->box);
    request.request_id = TEXT(request_id);
    request.n_set_labels = 1;
    request.set_labels = labels;
    egress.mode = has_list(request_id) ? EGRESS(LIST) : EGRESS(ALL);
    egress.n_allow = has_list(request_id) ? 2 : 0;
    egress.allow = (char **)(uintptr_t)allow;
    request.egress = s->h->tap && s->h->boots ? &egress : NULL;
    return banger_update_vm(client, &request, NULL, error);
}

static Banger__V1__Operation *begin_kernel(const struct subjects *s, struct banger_client *client,
                                           const char *request_id, struct banger_error *error)
{
    char vmlinuz[128], modules[128];
    Banger__V1__ImportKernelRequest request = BANGER__V1__IMPORT_KERNEL_REQUEST__INIT;
    snprintf(vmlinuz, sizeof(vmlinuz), "%s/boot/vmlinuz-" KERNEL, s->kernel);
    snprintf(modules, sizeof(modules), "%s/lib/modules/" KERNEL, s->kernel);
    request.request_id = TEXT(request_id);
    request.kernel_path = vmlinuz;
    request.modules_path = modules;
    return banger_import_kernel(client, &request, NULL, error);
}

static Banger__V1__Operation *begin_pull(struct banger_client *client, const char *request_id,
                                         struct banger_error *error)
{
    Banger__V1__PullKernelRequest request = BANGER__V1__PULL_KERNEL_REQUEST__INIT;
    request.request_id = TEXT(request_id);
    return banger_pull_kernel(client, &request, NULL, error);
}

static Banger__V1__Operation *begin_build(struct banger_client *client, const char *request_id,
                                          struct banger_error *error)
{
    Banger__V1__BuildImageRequest request = BANGER__V1__BUILD_IMAGE_REQUEST__INIT;
    request.request_id = TEXT(request_id);
    request.name = TEXT(request_id);
    request.size_bytes = IMAGE_BYTES;
    return banger_build_image(client, &request, NULL, error);
}

static Banger__V1__Operation *begin_image(const struct subjects *s, struct banger_client *client,
                                          const char *request_id, struct banger_error *error)
{
    Banger__V1__ImportImageRequest request = BANGER__V1__IMPORT_IMAGE_REQUEST__INIT;
    request.request_id = TEXT(request_id);
    request.path = TEXT(s->file);
    request.name = TEXT(request_id);
    return banger_import_image(client, &request, NULL, error);
}

/* An image is imported beside its kernel. */
static void have_kernel(const struct subjects *s, struct banger_client *client)
{
    struct banger_error error = {0};
    Banger__V1__ListKernelsRequest list = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    Banger__V1__ListKernelsResponse *k = banger_list_kernels(client, &list, NULL, &error);
    Banger__V1__Operation *op =
        k && k->n_kernels == 0 ? begin_kernel(s, client, "kernel", &error) : NULL;
    if (!k || (k->n_kernels == 0 && (!op || steps_finish(client, op, &error) < 0)))
        harness_die(s->h, "no kernel: %s", error.message);
    banger_message_free(&k->base);
}

void subject_prepare(struct subjects *s, struct banger_client *client,
                     const struct subject *subject)
{
    set_stage(s, client, subject->from);
    if (subject->what == SUBJECT_BUILD_IMAGE)
        remove_images(s, client);
    if (subject->what == SUBJECT_IMPORT_IMAGE)
        have_kernel(s, client);
}

Banger__V1__Operation *subject_begin(struct subjects *s, struct banger_client *client,
                                     const struct subject *subject, const char *request_id,
                                     struct banger_error *error)
{
    struct steps_create how = {.request_id = request_id};
    Banger__V1__PruneVMsRequest prune = BANGER__V1__PRUNE_VMS_REQUEST__INIT;
    Banger__V1__Operation *op = NULL;
    prune.request_id = TEXT(request_id);
    switch (subject->what) {
    case SUBJECT_VM:
        return steps_begin(client, subject->verb, s->box, request_id, error);
    case SUBJECT_CREATE:
        op = steps_begin_create(client, s->h, &how, error);
        if (op)
            snprintf(s->box, sizeof(s->box), "%s", op->resource + strlen("vm/"));
        return op;
    case SUBJECT_UPDATE:
        return begin_update(s, client, request_id, error);
    case SUBJECT_PRUNE:
        return banger_prune_vms(client, &prune, NULL, error);
    case SUBJECT_IMPORT_IMAGE:
        return begin_image(s, client, request_id, error);
    case SUBJECT_IMPORT_KERNEL:
        return begin_kernel(s, client, request_id, error);
    case SUBJECT_PULL_KERNEL:
        return begin_pull(client, request_id, error);
    case SUBJECT_BUILD_IMAGE:
        return begin_build(client, request_id, error);
    }
    harness_die(s->h, "%s cannot be begun here", subject->kind);
}

/* Truth */

static void check_no_operation_is_left(struct banger_client *client)
{
    Banger__V1__ListOperationsRequest list = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    list.active_only = true;
    Banger__V1__ListOperationsResponse *all = banger_list_operations(client, &list, NULL, NULL);
    if (CHECK(all) && !CHECK_INT(all->n_operations, 0))
        for (size_t i = 0; i < all->n_operations; i++)
            fprintf(stderr, "  %s %s, state %d, stage %s, by \"%s\": %s\n",
                    all->operations[i]->kind, all->operations[i]->resource,
                    all->operations[i]->state, all->operations[i]->stage,
                    all->operations[i]->principal, all->operations[i]->message);
    banger_message_free(all ? &all->base : NULL);
}

/* Each image and kernel that is listed has its folder, and each folder its row. */
static size_t check_folders(const struct subjects *s, struct banger_client *client)
{
    Banger__V1__ListImagesRequest images = BANGER__V1__LIST_IMAGES_REQUEST__INIT;
    Banger__V1__ListKernelsRequest kernels = BANGER__V1__LIST_KERNELS_REQUEST__INIT;
    Banger__V1__ListImagesResponse *i = banger_list_images(client, &images, NULL, NULL);
    Banger__V1__ListKernelsResponse *k = banger_list_kernels(client, &kernels, NULL, NULL);
    size_t n = i && k ? i->n_images + k->n_kernels : 0;
    if (CHECK(i && k)) {
        static const char *const folders[] = {"images", "kernels"};
        size_t listed[] = {i->n_images, k->n_kernels};
        for (int f = 0; f < 2; f++) {
            char path[96];
            size_t there = 0;
            snprintf(path, sizeof(path), "%s/%s", s->h->state, folders[f]);
            char *files = harness_list(path);
            for (char *line = files; line && *line; line = strchr(line, '\n') + 1)
                there += strcspn(line, "/\n") == strcspn(line, "\n");
            CHECK_INT(there, listed[f]);
            CHECK_INT(harness_rows(s->h, folders[f]), listed[f]);
            free(files);
        }
    }
    banger_message_free(i ? &i->base : NULL);
    banger_message_free(k ? &k->base : NULL);
    return n;
}

/* What the record says of its egress is what the kernel has. */
static void check_egress(const struct subjects *s, struct banger_client *client)
{
    struct host_objects o;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = TEXT(s->box);
    Banger__V1__VM *vm = banger_get_vm(client, &request, NULL, NULL);
    host_objects_count(s->h, &o);
    if (CHECK(vm && vm->spec && vm->spec->egress))
        CHECK_INT(o.listed > 0, vm->spec->egress->mode == EGRESS(LIST));
    banger_message_free(vm ? &vm->base : NULL);
}

/* What is there is the neighbour's, which is as it was. */
static void check_nobody_elses(const struct subjects *s, struct banger_client *client)
{
    char *files = harness_files(s->h);
    for (char *line = files; line && *line; line = strchr(line, '\n') + 1)
        if (!CHECK(s->neighbour[0] && strncmp(line, "vms/", 4) == 0 &&
                   strncmp(line + 4, s->neighbour, strlen(s->neighbour)) == 0))
            fprintf(stderr, "  %.*s\n", (int)strcspn(line, "\n"), line);
    free(files);
    if (!s->neighbour[0])
        return;
    CHECK_INT(steps_vm_pid(client, s->neighbour), s->neighbour_pid);
    CHECK(harness_alive(s->neighbour_pid));
}

static void check_vm(struct subjects *s, struct banger_client *client, int state)
{
    bool lives = state == VM_STATE(RUNNING) || state == VM_STATE(PAUSED);
    CHECK(lives || state == VM_STATE(STOPPED) || state == VM_STATE(FAILED) || state == STEPS_GONE);
    bool has_passt = strcmp(s->h->driver, "qemu") == 0 && !s->h->tap; /* and banger-net */
    size_t of_machine = !s->h->boots ? 2 : has_passt ? 3 : 1;         /* 2: keeper and agent */
    const size_t beside = s->neighbour[0] ? 1 : 0, vms = beside + (state == STEPS_GONE ? 0 : 1);
    CHECK(harness_processes_settle(s->h, (beside + lives) * of_machine, 10000));
    CHECK_INT(state != STEPS_GONE && harness_alive(steps_vm_pid(client, s->box)), lives);
    CHECK_INT(harness_rows(s->h, "vms"), vms);
    CHECK(host_objects_are_of(s->h, vms));
    if (state != STEPS_GONE && s->h->tap)
        check_egress(s, client);
    if (state == STEPS_GONE) {
        check_nobody_elses(s, client);
        s->box[0] = '\0';
    } else if (state == VM_STATE(RUNNING)) {
        static const char *const argv[] = {"sh", "-c", "exit 23", NULL};
        CHECK_INT(steps_run(client, s->h, s->box, argv, NULL, 0, NULL, 0), 23);
    }
}

void subject_check_outcome(struct subjects *s, const struct subject *subject,
                           const char *request_id, bool may_fail)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(s->h);
    Banger__V1__Operation *op = subject_begin(s, client, subject, request_id, &error);
    int rc = -1;
    if (op)
        rc = steps_finish(client, op, &error);
    else /* deleted before anybody wrote down who asked; anything else is wrong */
        CHECK(subject->what == SUBJECT_VM && subject->verb == STEPS_DELETE &&
              error.code == BANGER_NOT_FOUND);
    int state = s->box[0] ? steps_vm_state(s->h, client, s->box) : STEPS_GONE;
    if (rc == 0)
        CHECK(state == subject->to[0] || state == subject->to[1]);
    else if (op && !may_fail)
        printf("     %s %s: %s\n", subject->kind, request_id, error.message);
    check_no_operation_is_left(client);
    check_vm(s, client, state);
    check_folders(s, client);
    banger_close(client);
}

void subjects_check_nothing_left(struct subjects *s)
{
    struct banger_client *client = harness_connect(s->h);
    struct banger_error error = {0};
    set_stage(s, client, STEPS_GONE);
    check_nobody_elses(s, client);
    if (s->neighbour[0])
        CHECK_INT(steps_do(client, STEPS_DELETE, s->neighbour, &error), 0);
    s->neighbour[0] = '\0';
    CHECK_INT(steps_count_vms(s->h, client), 0);
    CHECK(harness_processes_settle(s->h, 0, 10000));
    check_nobody_elses(s, client);
    CHECK(host_objects_are_of(s->h, 0));
    CHECK_INT(harness_rows(s->h, "vms"), 0);
    CHECK_INT(harness_rows(s->h, "sessions"), 0);
    check_folders(s, client);
    banger_close(client);
}
