/* What every kind of host object must do, run over all there are; and sets of them as wholes. A
 * kind that is in the table and has no rig here fails. */
#include "daemon/host/object.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/run.h"
#include "daemon/host/scope.h"
#include "daemon/priv/priv_call.h"
#include "daemon/priv/priv_cow.h"
#include "tests/support/check.h"
#include "tests/support/object_fault.h"
#include "tests/support/systemd/bus.h"

#define MIB ((uint64_t)1 << 20)

static const char vm_id[] = "0123456789abcdef", other_id[] = "fedcba9876543210";
static char state[64], raw_image[96], qcow2_image[96];

/* This file system may share no blocks: what the kernel does where it can is done here by a copy.
 */
static bool shares_blocks;

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if (request != FICLONE)
        return (int)syscall(SYS_ioctl, fd, request, arg);
    char block[4096];
    ssize_t n = 0;
    for (off_t at = 0; shares_blocks && (n = pread((int)(intptr_t)arg, block, 4096, at)) > 0;
         at += n)
        if (pwrite(fd, block, (size_t)n, at) != n)
            return -1;
    if (shares_blocks)
        return (int)n;
    errno = EOPNOTSUPP;
    return -1;
}

/* Scopes are systemd's here, a stand-in's; scope_test has the rest of them. */
static const char *no_systemd; /* why not */
/* Taps are the kernel's, in a network namespace of this test's; priv_test has the rest of them. */
static const char *no_taps;
/* Disks of device-mapper's are the host's own, so of the test host; tests/testhost/dm_test.sh has
 * the rest of them. */
static const char *no_disks;

/* What a kind is made of, once for each role. */
static const struct rig {
    const char *kind;
    enum object_role role;
    uint64_t bytes;
    bool of_image;
    bool grows;
    bool cancels;       /* where it is told to before it begins */
    bool no_file;       /* its name is that of something else */
    const char **lacks; /* why it cannot be had here; NULL there: it can */
} rigs[] = {
    {.kind = "folder", .role = OBJECT_FOLDER},
    {.kind = "overlay",
     .role = OBJECT_SYSTEM_DISK,
     .bytes = 8 * MIB,
     .of_image = true,
     .grows = true},
    {.kind = "copy",
     .role = OBJECT_SYSTEM_DISK,
     .bytes = 8 * MIB,
     .of_image = true,
     .grows = true,
     .cancels = true},
    {.kind = "reflink",
     .role = OBJECT_SYSTEM_DISK,
     .bytes = 8 * MIB,
     .of_image = true,
     .grows = true},
    {.kind = "empty", .role = OBJECT_SYSTEM_DISK, .bytes = 8 * MIB, .grows = true},
    {.kind = "empty", .role = OBJECT_WORK_DISK, .bytes = 8 * MIB, .grows = true},
    {.kind = "ssh_key", .role = OBJECT_SSH_KEY},
    {.kind = "scope", .role = OBJECT_SCOPE, .no_file = true, .lacks = &no_systemd},
    {.kind = "tap", .role = OBJECT_TAP, .no_file = true, .lacks = &no_taps},
    {.kind = "rules", .role = OBJECT_TAP_RULES, .no_file = true, .lacks = &no_taps},
    {.kind = "cow", .role = OBJECT_COW, .bytes = 8 * MIB, .of_image = true},
    {.kind = "dm",
     .role = OBJECT_SYSTEM_DISK,
     .bytes = 8 * MIB,
     .of_image = true,
     .no_file = true,
     .lacks = &no_disks},
    {.kind = "work", .role = OBJECT_WORK_DISK, .bytes = 8 * MIB, .cancels = true},
};

enum { RIGS = sizeof(rigs) / sizeof(rigs[0]) };

static bool is_left_out(const struct rig *r)
{
    return r->lacks && *r->lacks;
}

static bool is_file(const struct rig *r)
{
    return r->role != OBJECT_FOLDER && !r->no_file;
}

static void set_up(struct object *o, const struct rig *r)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(object_init(o, r->kind, state, vm_id, r->role, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    o->bytes = r->bytes;
    o->address = 10u << 24 | 213u << 16 | 2;
    o->egress = EGRESS_LIST; /* with elements in each place that rules have them in */
    o->allow.n = 2;
    if (egress_entry_parse("0.0.0.0/0:443/tcp", &o->allow.at[0], NULL) < 0 ||
        egress_entry_parse("10.1.0.0/16:53-60", &o->allow.at[1], NULL) < 0)
        abort();
    if (r->of_image)
        snprintf(o->source, sizeof(o->source), "%s", raw_image);
    o->source_format = r->of_image ? IMAGE_RAW : 0;
    if (strcmp(r->kind, "dm") == 0 && !is_left_out(r)) { /* with the file that cow would make */
        snprintf(o->cow, sizeof(o->cow), "%s/changes", state);
        auto_fd int fd = open(o->cow, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        CHECK_INT(ftruncate(fd, (off_t)priv_cow_bytes(4 * MIB, r->bytes)), 0);
    }
}

static void temp_of(const struct object *o, char temp[VM_PATH_BYTES + 8])
{
    snprintf(temp, VM_PATH_BYTES + 8, "%s.new", o->name);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static enum err_code find(const struct object *o)
{
    struct err err = ERR_INIT;
    o->kind->find(o, &err);
    return err.code;
}

static enum err_code make(const struct object *o)
{
    struct err err = ERR_INIT;
    if (o->kind->make(o, -1, &err) < 0)
        fprintf(stderr, "     (%s)\n", err.message);
    return err.code;
}

static enum err_code remove_it(const struct object *o)
{
    struct err err = ERR_INIT;
    o->kind->remove(o, &err);
    return err.code;
}

static void make_folder(const char *id)
{
    char path[128];
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), "%s/vms/%s", state, id);
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
}

static void remove_folders(void)
{
    char path[128];
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), "%s/vms", state);
    CHECK_INT(fs_remove_tree(path, &err), 0);
}

static void write_file(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    CHECK_INT(fs_write_scratch(path, text, strlen(text), 0600, &err), 0);
}

/* Every kind */

static void test_every_kind_and_role_has_a_rig(void)
{
    const struct object_kind *kind;
    for (size_t i = 0; (kind = object_kind_at(i)); i++) {
        unsigned roles = 0;
        CHECK(object_find_kind(kind->name) == kind);
        for (size_t k = 0; k < RIGS; k++)
            roles |= strcmp(rigs[k].kind, kind->name) == 0 ? 1u << rigs[k].role : 0;
        if (!CHECK_INT(roles, kind->roles))
            fprintf(stderr, "the kind of host object \"%s\" has no rig in object_test\n",
                    kind->name);
    }
    CHECK(object_find_kind("tapestry") == NULL);
}

/* Whoever writes one has to say so in OBJECT_KINDS. */
static void test_every_kind_that_is_written_is_listed(void)
{
    glob_t sources;
    size_t listed = 0, found = 0;
    if (!CHECK_INT(glob(SOURCE_DIR "/daemon/host/object_*.c", 0, NULL, &sources), 0))
        return;
    while (object_kind_at(listed))
        listed++;
    for (size_t i = 0; i < sources.gl_pathc; i++) {
        char line[256], name[sizeof(line)];
        FILE *file = fopen(sources.gl_pathv[i], "re");
        while (file && fgets(line, sizeof(line), file)) {
            if (sscanf(line, "const struct object_kind object_%255[a-z0-9_] = {", name) != 1)
                continue;
            found++;
            if (!CHECK(object_find_kind(name) != NULL))
                fprintf(stderr,
                        "%s has a kind %s, OBJECT_KINDS (daemon/host/object.h) does not list it\n",
                        sources.gl_pathv[i], name);
        }
        if (CHECK(file != NULL))
            fclose(file);
    }
    CHECK_INT(found, listed);
    globfree(&sources);
}

static void test_a_name_follows_from_id_and_role(void)
{
    struct err err = ERR_INIT;
    char far[PATH_BYTES];
    memset(far, 'x', sizeof(far));
    far[0] = '/';
    far[VM_PATH_BYTES - 1] = '\0';
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o, again, other;
        set_up(&o, &rigs[i]);
        set_up(&again, &rigs[i]);
        CHECK_STR(o.name, again.name);
        if (!rigs[i].no_file)
            CHECK_CONTAINS(o.name, state);
        CHECK_INT(object_init(&other, rigs[i].kind, state, other_id, rigs[i].role, &err), 0);
        CHECK(strcmp(o.name, other.name) != 0);
        CHECK_INT(object_init(&other, rigs[i].kind, far, vm_id, rigs[i].role, &err), -1);
        CHECK_INT(err.code, ERR_PRECONDITION);
        for (size_t k = 0; k < i; k++) {
            if (is_left_out(&rigs[k]))
                continue;
            set_up(&other, &rigs[k]);
            CHECK(strcmp(o.name, other.name) != 0);
        }
    }
    struct object wrong;
    CHECK_INT(object_init(&wrong, "work", state, vm_id, OBJECT_SYSTEM_DISK, &err), -1);
}

static void test_made_found_kept_and_removed(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        struct stat first, second;
        set_up(&o, &rigs[i]);
        if (rigs[i].role != OBJECT_FOLDER)
            make_folder(vm_id);
        CHECK_INT(find(&o), ERR_NOT_FOUND);
        CHECK_INT(make(&o), ERR_NONE);
        CHECK_INT(find(&o), ERR_NONE);
        CHECK(rigs[i].no_file || stat(o.name, &first) == 0);
        CHECK_INT(make(&o), ERR_NONE);
        CHECK_INT(find(&o), ERR_NONE);
        if (!rigs[i].no_file) {
            CHECK_INT(stat(o.name, &second), 0);
            CHECK_INT(second.st_ino, first.st_ino);
            CHECK_INT(second.st_mtim.tv_nsec, first.st_mtim.tv_nsec);
        }
        CHECK_INT(remove_it(&o), ERR_NONE);
        CHECK_INT(find(&o), ERR_NOT_FOUND);
        CHECK_INT(remove_it(&o), ERR_NONE);
        remove_folders();
    }
}

static void test_what_a_crash_left_is_replaced_and_goes_with_it(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        char temp[VM_PATH_BYTES + 8];
        set_up(&o, &rigs[i]);
        if (!is_file(&rigs[i]))
            continue;
        make_folder(vm_id);
        temp_of(&o, temp);
        write_file(temp, "half");
        CHECK_INT(find(&o), ERR_NOT_FOUND);
        CHECK_INT(make(&o), ERR_NONE);
        CHECK(!exists(temp));
        write_file(temp, "half");
        CHECK_INT(remove_it(&o), ERR_NONE);
        CHECK(!exists(temp));
        remove_folders();
    }
}

/* No folder to make it in, no image, told to end: the error says what, and nothing is left. */
static void test_one_that_fails_leaves_nothing(void)
{
    auto_fd int told = eventfd(1, EFD_CLOEXEC);
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        struct err err = ERR_INIT;
        char temp[VM_PATH_BYTES + 8];
        set_up(&o, &rigs[i]);
        temp_of(&o, temp);
        if (!is_file(&rigs[i]))
            continue;
        CHECK_INT(o.kind->make(&o, -1, &err), -1);
        CHECK(strlen(err.message) > 0);
        CHECK(!exists(o.name));
        make_folder(vm_id);
        if (rigs[i].of_image) {
            snprintf(o.source, sizeof(o.source), "%s/gone.raw", state);
            CHECK_INT(o.kind->make(&o, -1, &err), -1);
            CHECK_CONTAINS(err.message, "gone.raw");
            CHECK(!exists(o.name) && !exists(temp));
            snprintf(o.source, sizeof(o.source), "%s", raw_image);
        }
        if (rigs[i].cancels) {
            CHECK_INT(o.kind->make(&o, told, &err), -1);
            CHECK(err.code == ERR_CANCELLED || err.code == ERR_ABORTED);
            CHECK(!exists(o.name) && !exists(temp));
        }
        CHECK_INT(make(&o), ERR_NONE);
        remove_folders();
    }
}

static void test_what_is_no_plain_file_is_left_alone(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        struct err err = ERR_INIT;
        char aim[128], text[16] = "";
        set_up(&o, &rigs[i]);
        if (rigs[i].no_file)
            continue;
        snprintf(aim, sizeof(aim), "%s/aim", state);
        write_file(aim, "precious");
        if (rigs[i].role == OBJECT_FOLDER) {
            snprintf(o.name, sizeof(o.name), "%s", aim);
        } else {
            make_folder(vm_id);
            CHECK_INT(symlink(aim, o.name), 0);
        }
        CHECK_INT(find(&o), ERR_PRECONDITION);
        CHECK_INT(o.kind->make(&o, -1, &err), -1);
        auto_fd int fd = open(aim, O_RDONLY | O_CLOEXEC);
        CHECK_INT(read(fd, text, sizeof(text) - 1), 8);
        CHECK_STR(text, "precious");
        remove_folders();
    }
}

/* Sizes */

static void test_disks_grow_and_never_shrink(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        struct err err = ERR_INIT;
        struct qcow2_info info;
        struct stat st;
        uint64_t bytes;
        set_up(&o, &rigs[i]);
        if (!rigs[i].grows)
            continue;
        make_folder(vm_id);
        if (rigs[i].of_image) {
            o.bytes = 2 * MIB; /* the image has 4 */
            CHECK_INT(o.kind->make(&o, -1, &err), -1);
            CHECK_INT(err.code, ERR_INVALID);
            CHECK(!exists(o.name));
            o.bytes = 0;
            CHECK_INT(make(&o), ERR_NONE);
            CHECK_INT(qcow2_virtual_size(o.name, o.kind->format == IMAGE_RAW, &bytes, &err), 0);
            CHECK_INT(bytes, 4 * MIB);
        }
        o.bytes = 8 * MIB;
        CHECK_INT(make(&o), ERR_NONE);
        o.bytes = 12 * MIB;
        CHECK_INT(make(&o), ERR_NONE);
        CHECK_INT(qcow2_virtual_size(o.name, o.kind->format == IMAGE_RAW, &bytes, &err), 0);
        CHECK_INT(bytes, 12 * MIB);
        CHECK_INT(qcow2_read(o.name, &info, NULL), o.kind->format == IMAGE_QCOW2 ? 0 : -1);
        o.bytes = 8 * MIB;
        CHECK_INT(o.kind->make(&o, -1, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
        CHECK_INT(stat(o.name, &st), 0);
        if (o.kind != &object_reflink) /* ours above copies all */
            CHECK(st.st_blocks * 512 < 2 * (off_t)MIB);
        remove_folders();
    }
}

static void test_a_work_disk_keeps_its_size_and_has_a_file_system(void)
{
    struct object o;
    struct err err = ERR_INIT;
    uint8_t magic[2];
    set_up(&o, &rigs[RIGS - 1]);
    make_folder(vm_id);
    CHECK_INT(make(&o), ERR_NONE);
    auto_fd int fd = open(o.name, O_RDONLY | O_CLOEXEC);
    CHECK_INT(pread(fd, magic, 2, 1024 + 56), 2); /* ext4's superblock */
    CHECK(magic[0] == 0x53 && magic[1] == 0xef);
    o.bytes = 12 * MIB;
    CHECK_INT(o.kind->make(&o, -1, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
    o.bytes = MIB;
    CHECK_INT(o.kind->make(&o, -1, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    remove_folders();
}

/* Content */

static void check_content(const struct object *o)
{
    char text[8] = "";
    auto_fd int fd = open(o->name, O_RDONLY | O_CLOEXEC);
    CHECK_INT(pread(fd, text, 7, 3 * MIB), 7);
    CHECK_STR(text, "content");
}

static void test_a_copy_is_its_image_whatever_format_that_has(void)
{
    static const struct {
        const char *kind;
        bool qcow2;
    } cases[] = {{"copy", false}, {"copy", true}, {"reflink", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct object o;
        struct err err = ERR_INIT;
        uint64_t bytes = 0;
        CHECK_INT(object_init(&o, cases[i].kind, state, vm_id, OBJECT_SYSTEM_DISK, &err), 0);
        snprintf(o.source, sizeof(o.source), "%s", cases[i].qcow2 ? qcow2_image : raw_image);
        o.source_format = cases[i].qcow2 ? IMAGE_QCOW2 : IMAGE_RAW;
        make_folder(vm_id);
        CHECK_INT(make(&o), ERR_NONE);
        check_content(&o);
        CHECK_INT(qcow2_virtual_size(o.name, true, &bytes, &err), 0);
        CHECK_INT(bytes, 4 * MIB);
        remove_folders();
    }
}

static void test_a_reflink_says_where_there_are_none(void)
{
    struct object o;
    struct err err = ERR_INIT;
    char temp[VM_PATH_BYTES + 8];
    set_up(&o, &rigs[3]);
    make_folder(vm_id);
    CHECK_INT(o.kind->probe(state, &err), 0);
    shares_blocks = false;
    CHECK_INT(o.kind->probe(state, &err), -1);
    CHECK_STR(err.reason, "STORAGE_UNAVAILABLE");
    CHECK_INT(o.kind->make(&o, -1, &err), -1);
    CHECK_CONTAINS(err.message, "shares no blocks");
    CHECK_STR(err.reason, "STORAGE_UNAVAILABLE");
    temp_of(&o, temp);
    CHECK(!exists(o.name) && !exists(temp));
    shares_blocks = true;
    o.source_format = IMAGE_QCOW2;
    CHECK_INT(o.kind->make(&o, -1, &err), -1);
    CHECK_CONTAINS(err.message, "not raw");
    CHECK(!exists(o.name) && !exists(temp));
    remove_folders();
}

/* Lists */

struct listed {
    int n, n_partial;
    struct object_found last;
};

static void on_found(void *arg, const struct object_found *f)
{
    struct listed *l = arg;
    l->n += !f->partial;
    l->n_partial += f->partial;
    l->last = *f;
}

static struct listed list(const struct object_kind *kind)
{
    struct listed l = {.n = 0};
    struct err err = ERR_INIT;
    if (!CHECK_INT(kind->list(state, on_found, &l, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    return l;
}

static void test_all_of_a_kind_are_listed_with_their_VM(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        char temp[VM_PATH_BYTES + 8];
        set_up(&o, &rigs[i]);
        CHECK_INT(list(o.kind).n, 0);
        make_folder(vm_id);
        CHECK_INT(make(&o), ERR_NONE);
        struct listed l = list(o.kind);
        CHECK_INT(l.n, 1);
        CHECK_INT(l.n_partial, 0);
        CHECK_STR(l.last.vm_id, vm_id);
        CHECK_STR(l.last.name, o.name);
        CHECK_INT(l.last.role, o.role);
        CHECK(l.last.kind == o.kind);
        temp_of(&o, temp);
        if (is_file(&rigs[i])) {
            write_file(temp, "half");
            l = list(o.kind);
            CHECK_INT(l.n, 1);
            CHECK_INT(l.n_partial, 1);
        }
        /* No other kind takes it for its own. */
        const struct object_kind *kind;
        for (size_t k = 0; (kind = object_kind_at(k)); k++)
            if (kind != o.kind && kind != &object_folder)
                CHECK_INT(list(kind).n + list(kind).n_partial, 0);
        CHECK_INT(remove_it(&o), ERR_NONE);
        CHECK_INT(list(o.kind).n, 0);
        remove_folders();
    }
}

static void test_a_strangers_file_is_never_listed(void)
{
    for (size_t i = 0; i < RIGS; i++) {
        if (is_left_out(&rigs[i]))
            continue;
        struct object o;
        char path[VM_PATH_BYTES + 16], folder[128];
        set_up(&o, &rigs[i]);
        if (!is_file(&rigs[i]))
            continue;
        make_folder(vm_id);
        make_folder("0123456789ABCDEF"); /* no id of ours */
        make_folder("mine");
        const char *file = strrchr(o.name, '/') + 1;
        snprintf(path, sizeof(path), "%s.bak", o.name);
        write_file(path, "x");
        snprintf(path, sizeof(path), "%s/vms/%s/my-%s", state, vm_id, file);
        write_file(path, "x");
        snprintf(path, sizeof(path), "%s/vms/mine/%s", state, file);
        write_file(path, "x");
        snprintf(path, sizeof(path), "%s/vms/0123456789ABCDEF/%s", state, file);
        write_file(path, "x");
        snprintf(path, sizeof(path), "%s/vms/%s", state, file);
        write_file(path, "x");
        CHECK_INT(list(o.kind).n + list(o.kind).n_partial, 0);
        CHECK_INT(symlink("/etc/passwd", o.name), 0);
        CHECK_INT(list(o.kind).n, 0);
        CHECK_INT(unlink(o.name), 0);
        CHECK_INT(mkdir(o.name, 0700), 0);
        CHECK_INT(list(o.kind).n, 0);
        CHECK_INT(rmdir(o.name), 0);
        /* A folder elsewhere, by a link. */
        snprintf(folder, sizeof(folder), "%s/vms/%s", state, other_id);
        snprintf(path, sizeof(path), "%s/vms/mine", state);
        CHECK_INT(symlink(path, folder), 0);
        CHECK_INT(list(o.kind).n, 0);
        if (geteuid() == 0) { /* another's */
            write_file(o.name, "x");
            CHECK_INT(chown(o.name, 12345, 12345), 0);
            CHECK_INT(list(o.kind).n, 0);
        }
        remove_folders();
    }
}

/* Sets */

static size_t set_of_three(struct object o[3])
{
    set_up(&o[0], &rigs[0]);
    set_up(&o[1], &rigs[4]);
    set_up(&o[2], &rigs[RIGS - 1]);
    return 3;
}

static void test_a_set_is_made_in_order_and_removed_in_reverse(void)
{
    struct object o[3];
    struct err err = ERR_INIT;
    size_t n = set_of_three(o);
    CHECK_INT(objects_make(o, n, false, -1, &err), 0);
    CHECK(objects_find_missing(o, n) == NULL);
    CHECK_INT(objects_make(o, n, true, -1, &err), 0);
    CHECK_INT(objects_remove(o, n, &err), 0);
    CHECK(objects_find_missing(o, n) == &o[0]);
    CHECK_INT(objects_remove(o, n, &err), 0);
}

static void test_a_disk_that_is_gone_is_not_made_again(void)
{
    struct object o[3];
    size_t n = set_of_three(o);
    for (size_t i = 1; i < n; i++) {
        struct err err = ERR_INIT;
        CHECK_INT(objects_make(o, n, false, -1, &err), 0);
        CHECK_INT(unlink(o[i].name), 0);
        CHECK(objects_find_missing(o, n) == &o[i]);
        CHECK_INT(objects_make(o, n, true, -1, &err), -1);
        CHECK_INT(err.code, ERR_DATA_LOSS);
        CHECK_STR(err.reason, "DISK_MISSING");
        CHECK_CONTAINS(err.message, o[i].name);
        CHECK(!exists(o[i].name));
        /* Nor is anything else made. */
        CHECK_INT(objects_remove(o, n, &err), 0);
        CHECK_INT(objects_make(o, n, true, -1, &err), -1);
        CHECK(!exists(o[0].name));
    }
}

/* Each member of a set fails at each call: what was made is taken back, the error names it, and the
 * next try works. */
static void test_a_set_fails_at_every_point(void)
{
    struct object o[3];
    for (size_t i = 0; i < 3; i++)
        for (int at = 0; at < OBJECT_FAULT_HANG; at++) {
            struct err err = ERR_INIT;
            size_t n = set_of_three(o);
            bool making = at == OBJECT_FAULT_MAKE || at == OBJECT_FAULT_MADE;
            object_fault_set(o[i].kind->name, at, ERR_LIMIT, 1);
            n = set_of_three(o);
            CHECK_INT(objects_make(o, n, false, -1, &err), making ? -1 : 0);
            if (making) {
                CHECK_INT(err.code, ERR_LIMIT);
                CHECK_CONTAINS(err.message, object_role_name(o[i].role));
                CHECK_CONTAINS(err.message, "injected");
            }
            if (at == OBJECT_FAULT_FIND) { /* not known: neither made anew nor told as gone */
                bool kept = o[i].kind->keeps_data;
                CHECK_INT(objects_make(o, n, true, -1, &err), kept ? -1 : 0);
                CHECK(strcmp(err.reason, "DISK_MISSING") != 0);
                if (!kept)
                    CHECK(objects_find_missing(o, n) == NULL);
            }
            bool removing = at == OBJECT_FAULT_REMOVE || at == OBJECT_FAULT_REMOVED;
            CHECK_INT(objects_remove(o, n, &err), removing ? -1 : 0);
            if (removing)
                CHECK_CONTAINS(err.message, object_role_name(o[i].role));
            CHECK_INT(object_fault_met(), 1);
            CHECK_INT(objects_remove(o, n, &err), 0);
            CHECK(!exists(o[0].name));
            CHECK_INT(objects_make(o, n, false, -1, &err), 0);
            CHECK_INT(objects_remove(o, n, &err), 0);
            object_fault_clear();
        }
}

static void make_images(void)
{
    struct err err = ERR_INIT;
    snprintf(raw_image, sizeof(raw_image), "%s/image.raw", state);
    snprintf(qcow2_image, sizeof(qcow2_image), "%s/image.qcow2", state);
    auto_fd int fd = open(raw_image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, 4 * MIB), 0);
    CHECK_INT(pwrite(fd, "content", 7, 3 * MIB), 7);
    const char *argv[] = {"qemu-img", "convert", "-q",      "-f",        "raw",
                          "-O",       "qcow2",   raw_image, qcow2_image, NULL};
    CHECK_INT(run_checked(argv, 30000, -1, &err), 0);
}

int main(void)
{
    strcpy(state, "/tmp/banger-object-XXXXXX");
    if (!run_finds("qemu-img") || !run_finds("mke2fs"))
        return check_skip("no qemu-img (qemu-utils), or no mke2fs (e2fsprogs)");
    if (!mkdtemp(state))
        return EXIT_FAILURE;
    make_images();
    shares_blocks = true;
    struct systemd_bus bus;
    no_systemd = systemd_bus_lacks();
    if (!no_systemd) {
        CHECK(systemd_bus_open(&bus, NULL));
        host_scope_choose("systemd");
    } else {
        printf("     scopes left out: %s\n", no_systemd);
    }
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
        printf("     taps left out: %s\n", no_taps = "it needs root and /dev/net/tun");
    CHECK_INT(priv_use(
                  &(struct priv_config){
                      .state_dir = state, .socket = "", .pool = PRIV_POOL, .program = PRIV_FILE},
                  NULL),
              0);
    if (geteuid() != 0 || object_dm.probe(state, NULL) < 0)
        printf("     disks of device-mapper left out: %s\n", no_disks = "it needs root and them");
    RUN(test_every_kind_that_is_written_is_listed);
    RUN(test_every_kind_and_role_has_a_rig);
    RUN(test_a_name_follows_from_id_and_role);
    RUN(test_made_found_kept_and_removed);
    RUN(test_what_a_crash_left_is_replaced_and_goes_with_it);
    RUN(test_one_that_fails_leaves_nothing);
    RUN(test_what_is_no_plain_file_is_left_alone);
    RUN(test_disks_grow_and_never_shrink);
    RUN(test_a_work_disk_keeps_its_size_and_has_a_file_system);
    RUN(test_a_copy_is_its_image_whatever_format_that_has);
    RUN(test_a_reflink_says_where_there_are_none);
    RUN(test_all_of_a_kind_are_listed_with_their_VM);
    RUN(test_a_strangers_file_is_never_listed);
    RUN(test_a_set_is_made_in_order_and_removed_in_reverse);
    RUN(test_a_disk_that_is_gone_is_not_made_again);
    RUN(test_a_set_fails_at_every_point);
    priv_end();
    if (!no_systemd)
        systemd_bus_close(&bus);
    fs_remove_tree(state, NULL);
    return check_end();
}
