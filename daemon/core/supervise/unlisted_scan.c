/* A look at the state folder, on a worker; see unlisted.h.
 *
 * Order: what a store lists again comes back from lost+found; VMs are judged before images, and
 * images before kernels, so that what is kept keeps what it refers to. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/supervise/unlisted.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/remove.h"
#include "daemon/store/record.h"
#include "daemon/vmm/vmm.h"

enum { SCAN_PATH_BYTES = PATH_BYTES + 160, ASIDE_TRIES = 100 };

static const char aside_folder[] = "lost+found";

static void scan_path(const struct unlisted_scan *s, const char *folder, char path[SCAN_PATH_BYTES])
{
    snprintf(path, SCAN_PATH_BYTES, "%.400s/%s", s->state_dir, folder);
}

/* Setting aside */

int unlisted_set_aside(const char *state_dir, struct unlisted *u, struct err *err)
{
    char from[SCAN_PATH_BYTES], to[SCAN_PATH_BYTES], when[24], name[128];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(to, sizeof(to), "%.400s/%s", state_dir, aside_folder);
    if (fs_make_dirs(to, 0700, err) < 0)
        return -1;
    snprintf(from, sizeof(from), "%.400s/%s", state_dir, u->folder);
    for (int i = 0; i < ASIDE_TRIES; i++) {
        char again[8] = "";
        if (i > 0)
            snprintf(again, sizeof(again), "-%d", i);
        snprintf(name, sizeof(name), "%s/%s-%s-%s%s", aside_folder, unlisted_kind_name(u->kind),
                 u->id, when, again);
        snprintf(to, sizeof(to), "%.400s/%s", state_dir, name);
        if (access(to, F_OK) == 0)
            continue;
        if (rename(from, to) < 0)
            return err_sys(err, errno, "cannot set %s aside", from);
        snprintf(u->folder, sizeof(u->folder), "%s", name);
        u->aside = true;
        return 0;
    }
    return err_set(err, ERR_LIMIT, "cannot set %s aside: too many of that name", from);
}

/* vm-ID-TIME to kind and id. */
static bool aside_parse(const char *name, enum unlisted_kind *kind, char id[ID_BYTES])
{
    for (int i = 0; i < N_UNLISTED_KINDS; i++) {
        const char *word = unlisted_kind_name((enum unlisted_kind)i);
        size_t n = strlen(word);
        if (strncmp(name, word, n) != 0 || name[n] != '-')
            continue;
        *kind = (enum unlisted_kind)i;
        snprintf(id, ID_BYTES, "%s", name + n + 1);
        return id_is_valid(id) && name[n + 1 + ID_CHARS] == '-';
    }
    return false;
}

/* Records and references */

static const char *const record_files[N_UNLISTED_KINDS] = {"vm.json", "image.json", "kernel.json"};

/* An image or a kernel is worth its row only with its files, as its record says them. */
static int scan_check_files(const char *path, enum unlisted_kind kind, const struct image *image,
                            struct err *err)
{
    static const char *const files[2][2] = {{"vmlinux", "initramfs.cpio"},
                                            {"root.raw", "root.qcow2"}};
    char file[SCAN_PATH_BYTES + 32];
    struct stat st;
    struct qcow2_info info = {.virtual_bytes = 0};
    bool raw = image->format == IMAGE_RAW;
    for (int i = 0; kind == UNLISTED_KERNEL && i < 2; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, files[0][i]);
        if (lstat(file, &st) < 0 || !S_ISREG(st.st_mode))
            return err_set(err, ERR_DATA_LOSS, "it has no %s", files[0][i]);
    }
    if (kind != UNLISTED_IMAGE)
        return 0;
    if (!raw && image->format != IMAGE_QCOW2)
        return err_set(err, ERR_INVALID, "its record has an unknown format");
    snprintf(file, sizeof(file), "%s/%s", path, files[1][raw ? 0 : 1]);
    if (lstat(file, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_DATA_LOSS, "it has no %s", files[1][raw ? 0 : 1]);
    if (!raw && qcow2_read(file, &info, err) < 0)
        return -1;
    if (info.virtual_bytes == 0)
        info.virtual_bytes = (uint64_t)st.st_size;
    if (info.virtual_bytes != image->virtual_bytes || (!raw && info.backing[0]))
        return err_set(err, ERR_DATA_LOSS, "its disk is not the one of its record");
    return 0;
}

/* Fills name and record, or why; adds what it refers to. */
static void scan_read_record(struct unlisted_scan *s, struct unlisted *u)
{
    char path[SCAN_PATH_BYTES];
    size_t len;
    struct err err = ERR_INIT;
    auto_free struct vm *vm = calloc(1, sizeof(*vm));
    struct image image = {.id = ""};
    struct kernel kernel = {.id = ""};
    const char *id = "", *name = "";
    scan_path(s, u->folder, path);
    size_t n = strlen(path);
    snprintf(path + n, sizeof(path) - n, "/%s", record_files[u->kind]);
    if (!vm || fs_read_own(path, RECORD_MAX_BYTES, &u->record, &len, &err) < 0) {
        snprintf(u->why, sizeof(u->why), "%s",
                 err.code == ERR_NOT_FOUND ? "its folder has no record of it" : err.message);
        return;
    }
    int rc = -1;
    if (u->kind == UNLISTED_VM && (rc = record_read_vm(u->record, len, vm, &err)) == 0) {
        id = vm->id;
        name = vm->name;
    } else if (u->kind == UNLISTED_IMAGE &&
               (rc = record_read_image(u->record, len, &image, &err)) == 0) {
        id = image.id;
        name = image.name;
    } else if (u->kind == UNLISTED_KERNEL &&
               (rc = record_read_kernel(u->record, len, &kernel, &err)) == 0) {
        id = kernel.id;
        name = kernel.name;
    }
    vm_done(vm); /* its labels are not needed */
    if (rc == 0 && strcmp(id, u->id) != 0)
        rc = err_set(&err, ERR_INVALID, "the record in its folder is another's");
    scan_path(s, u->folder, path);
    if (rc == 0)
        rc = scan_check_files(path, u->kind, &image, &err);
    if (rc < 0) {
        snprintf(u->why, sizeof(u->why), "%.150s", err.message);
        free(u->record);
        u->record = NULL;
        return;
    }
    snprintf(u->name, sizeof(u->name), "%s", name);
    u->cpus = vm->spec.cpus;
    u->memory_bytes = vm->spec.memory_bytes;
    if (vm->spec.image_id[0])
        snprintf(u->image_id, sizeof(u->image_id), "%s", vm->spec.image_id);
    snprintf(u->kernel_id, sizeof(u->kernel_id), "%s",
             u->kind == UNLISTED_VM ? vm->spec.kernel_id : image.kernel_id);
    name_set_add(&s->wanted, "image", u->image_id);
    name_set_add(&s->wanted, "kernel", u->kernel_id);
}

/* The image below a VM's disk stays, whoever has the VM: …/images/ID/… by its header. */
static void scan_want_backing(struct unlisted_scan *s, struct unlisted *u)
{
    static const char images[] = "/images/";
    char path[SCAN_PATH_BYTES];
    struct qcow2_info info;
    scan_path(s, u->folder, path);
    size_t n = strlen(path);
    snprintf(path + n, sizeof(path) - n, "/system.qcow2");
    if (qcow2_read(path, &info, NULL) < 0)
        return;
    for (const char *at = info.backing; (at = strstr(at, images)); at++) {
        char id[ID_BYTES];
        snprintf(id, sizeof(id), "%s", at + sizeof(images) - 1);
        if (!id_is_valid(id))
            continue;
        snprintf(u->image_id, sizeof(u->image_id), "%s", id);
        name_set_add(&s->wanted, "image", id);
    }
}

static void scan_find_process(const struct unlisted_scan *s, struct unlisted *u)
{
    for (size_t i = 0; u->kind == UNLISTED_VM && i < s->n_live; i++)
        if (strcmp(s->live[i].vm_id, u->id) == 0) {
            u->driver = s->live[i].driver;
            u->pid = s->live[i].pid;
        }
}

static struct unlisted *scan_new(enum unlisted_kind kind, const char *id, const char *folder)
{
    struct unlisted *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->kind = kind;
    snprintf(u->id, sizeof(u->id), "%s", id);
    snprintf(u->folder, sizeof(u->folder), "%s", folder);
    return u;
}

/* Judging */

static void scan_remove(const struct unlisted_scan *s, const char *folder)
{
    char path[SCAN_PATH_BYTES];
    struct err err = ERR_INIT;
    scan_path(s, folder, path);
    if (host_remove_tree(path, &err) < 0)
        log_err(LOG_LEVEL_WARN, path, &err, "cannot remove a leftover");
    else
        log_info(path, "removed: it was deleted, or what made it was cut off");
}

static void scan_tell(struct unlisted_scan *s, const struct unlisted *u)
{
    struct unlisted *copy = scan_new(u->kind, u->id, u->folder);
    if (copy)
        list_add_tail(&s->told, &copy->link);
}

/* Takes u. */
static void scan_judge(struct unlisted_scan *s, struct unlisted *u)
{
    const char *kind = unlisted_kind_name(u->kind);
    bool wanted = name_set_has(&s->wanted, kind, u->id);
    char path[SCAN_PATH_BYTES];
    struct err err = ERR_INIT;
    scan_find_process(s, u);
    scan_path(s, u->folder, path);
    bool act = !s->look_only && !u->driver;
    if (act && !wanted && name_set_has(&s->gone, kind, u->id)) {
        scan_remove(s, u->folder);
        unlisted_free(u);
        return;
    }
    if (act && rmdir(path) == 0) { /* there was nothing in it */
        unlisted_free(u);
        return;
    }
    if (u->kind == UNLISTED_VM)
        scan_want_backing(s, u);
    scan_read_record(s, u);
    if (act && !wanted && !u->record) {
        if (unlisted_set_aside(s->state_dir, u, &err) < 0)
            log_err(LOG_LEVEL_ERROR, path, &err, "nothing knows of it");
        else
            scan_tell(s, u);
    }
    list_add_tail(&s->found, &u->link);
}

static void scan_folder(struct unlisted_scan *s, enum unlisted_kind kind)
{
    char path[SCAN_PATH_BYTES];
    scan_path(s, unlisted_kind_folder(kind), path);
    auto_dir DIR *dir = opendir(path);
    if (!dir) {
        if (errno != ENOENT)
            log_warn(path, "cannot look for what no record knows: %s", strerror(errno));
        return;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        char folder[64];
        if (!id_is_valid(d->d_name))
            continue;
        snprintf(folder, sizeof(folder), "%s/%.16s", unlisted_kind_folder(kind), d->d_name);
        if (name_set_has(&s->known, unlisted_kind_name(kind), d->d_name))
            continue;
        struct unlisted *u = scan_new(kind, d->d_name, folder);
        if (u)
            scan_judge(s, u);
    }
}

/* A process whose folder is gone is told of all the same. */
static void scan_homeless(struct unlisted_scan *s)
{
    for (size_t i = 0; i < s->n_live; i++) {
        char folder[64], path[SCAN_PATH_BYTES];
        snprintf(folder, sizeof(folder), "vms/%.16s", s->live[i].vm_id);
        scan_path(s, folder, path);
        struct unlisted *u =
            access(path, F_OK) < 0 ? scan_new(UNLISTED_VM, s->live[i].vm_id, folder) : NULL;
        if (!u)
            continue;
        scan_find_process(s, u);
        snprintf(u->why, sizeof(u->why), "its folder is gone");
        list_add_tail(&s->found, &u->link);
    }
}

/* lost+found: back where a row lists it and its place is free; else it is told of. */
static void scan_aside(struct unlisted_scan *s)
{
    char path[SCAN_PATH_BYTES];
    scan_path(s, aside_folder, path);
    auto_dir DIR *dir = opendir(path);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        enum unlisted_kind kind;
        char id[ID_BYTES], folder[128], home[64], from[SCAN_PATH_BYTES], to[SCAN_PATH_BYTES];
        if (!aside_parse(d->d_name, &kind, id))
            continue;
        snprintf(folder, sizeof(folder), "%s/%.100s", aside_folder, d->d_name);
        snprintf(home, sizeof(home), "%s/%s", unlisted_kind_folder(kind), id);
        scan_path(s, folder, from);
        scan_path(s, home, to);
        if (name_set_has(&s->known, unlisted_kind_name(kind), id) && access(to, F_OK) < 0 &&
            rename(from, to) == 0) {
            log_warn(to, "taken back from %s: the store lists it", from);
            continue;
        }
        struct unlisted *u = scan_new(kind, id, folder);
        if (!u)
            continue;
        if (kind == UNLISTED_VM)
            scan_want_backing(s, u);
        u->aside = true;
        snprintf(u->why, sizeof(u->why), "it was set aside");
        list_add_tail(&s->found, &u->link);
    }
}

void unlisted_scan_run(struct unlisted_scan *s)
{
    scan_aside(s);
    scan_homeless(s);
    for (int kind = 0; kind < N_UNLISTED_KINDS; kind++) {
        char path[SCAN_PATH_BYTES];
        struct err err = ERR_INIT;
        scan_path(s, unlisted_kind_folder((enum unlisted_kind)kind), path);
        if (!s->look_only && host_remove_leftovers(path, &err) < 0 && err.code != ERR_NOT_FOUND)
            log_err(LOG_LEVEL_WARN, path, &err, "cannot remove leftovers");
        scan_folder(s, (enum unlisted_kind)kind);
    }
}
