/* Kernel modules in load order; see module.h. */
#include "daemon/host/module.h"

#include <elf.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/map.h"
#include "daemon/host/unpack.h"

enum {
    MODULE_MAX_BYTES = 64 << 20,
    MODULE_MAX_DEPTH = 16,
    MODULE_MAX_FILES = 20000,
    MODULE_BUILTIN_MAX_BYTES = 4 << 20,
    MODULE_DEPENDS_BYTES = 1024,
};

const struct module_want module_guest_wants[] = {
    {"virtio_ring", true}, {"virtio", true},         {"virtio_mmio", true},
    {"virtio_blk", true},  {"virtio_console", true}, {"virtio_net", true},
    {"ext4", true},        {"vsock", false},         {"vmw_vsock_virtio_transport", false},
};
const size_t module_guest_wants_n = sizeof(module_guest_wants) / sizeof(module_guest_wants[0]);

/* What a folder holds: name -> path, and the names built into the kernel. */
struct module_index {
    struct map files; /* key and value are one block: name NUL path NUL */
    char *builtin;    /* content of modules.builtin, or NULL */
};

/* "virtio-rng.ko.xz" -> "virtio_rng"; false for what is no module. */
static bool module_name_of_file(const char *file, char name[64])
{
    const char *end = strstr(file, ".ko");
    if (!end || (end[3] != '\0' && end[3] != '.') || end == file || end - file >= 64)
        return false;
    for (const char *p = file; p < end; p++)
        name[p - file] = *p == '-' ? '_' : *p;
    name[end - file] = '\0';
    return true;
}

static int module_index_add(struct module_index *index, const char *name, const char *path)
{
    size_t n = strlen(name) + 1, p = strlen(path) + 1;
    char *block = malloc(n + p);
    if (!block)
        return -1;
    memcpy(block, name, n);
    memcpy(block + n, path, p);
    free(map_take(&index->files, name));
    if (map_put(&index->files, block, block) == 0)
        return 0;
    free(block);
    return -1;
}

static void module_index_done(struct module_index *index)
{
    size_t at = 0;
    for (void *block; (block = map_next(&index->files, &at));)
        free(block);
    map_done(&index->files);
    free(index->builtin);
}

static int module_index_visit(struct module_index *index, const FTSENT *file, struct err *err)
{
    char name[64];
    if (file->fts_info != FTS_F)
        return 0;
    if (strcmp(file->fts_name, "modules.builtin") == 0 && !index->builtin)
        return fs_read(file->fts_path, MODULE_BUILTIN_MAX_BYTES, &index->builtin, NULL, err);
    if (!module_name_of_file(file->fts_name, name))
        return 0;
    if (index->files.len >= MODULE_MAX_FILES)
        return err_set(err, ERR_LIMIT, "more than %d modules", MODULE_MAX_FILES);
    if (module_index_add(index, name, file->fts_path) < 0)
        return err_set(err, ERR_LIMIT, "out of memory listing modules");
    return 0;
}

static int module_index_fill(struct module_index *index, const char *folder, struct err *err)
{
    char *roots[] = {(char *)folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    if (!walk)
        return err_sys(err, errno, "cannot list %s", folder);
    int rc = 0;
    for (FTSENT *file; rc == 0 && (file = fts_read(walk));) {
        if (file->fts_info == FTS_NSOK)
            file->fts_info = FTS_F;
        rc = module_index_visit(index, file, err);
    }
    fts_close(walk);
    if (rc == 0 && index->files.len == 0)
        return err_set(err, ERR_NOT_FOUND, "there are no kernel modules in %s", folder);
    return rc;
}

/* modules.builtin has lines such as kernel/fs/ext4/ext4.ko. */
static bool module_is_builtin(const struct module_index *index, const char *want)
{
    for (const char *at = index->builtin; at && *at;) {
        size_t len = strcspn(at, "\n");
        char file[256], name[64];
        const char *slash = memrchr(at, '/', len);
        const char *last = slash ? slash + 1 : at;
        size_t n = len - (size_t)(last - at);
        if (n < sizeof(file)) {
            memcpy(file, last, n);
            file[n] = '\0';
            if (module_name_of_file(file, name) && strcmp(name, want) == 0)
                return true;
        }
        at += len + (at[len] == '\n');
    }
    return false;
}

/* One section header, checked against the file. */
static bool module_section(const uint8_t *elf, size_t len, const Elf64_Ehdr *head, unsigned i,
                           Elf64_Shdr *section)
{
    if (i >= head->e_shnum || head->e_shentsize != sizeof(*section) || head->e_shoff > len ||
        (len - head->e_shoff) / sizeof(*section) <= i)
        return false;
    memcpy(section, elf + head->e_shoff + i * sizeof(*section), sizeof(*section));
    return section->sh_type == SHT_NOBITS ||
           (section->sh_offset <= len && section->sh_size <= len - section->sh_offset);
}

/* Looks through NUL-separated key=value strings. */
static int module_find_depends(const char *info, size_t len, char *depends, size_t depends_bytes,
                               struct err *err)
{
    static const char key[] = "depends=";
    depends[0] = '\0';
    for (size_t at = 0; at < len;) {
        size_t n = strnlen(info + at, len - at);
        if (n >= sizeof(key) - 1 && memcmp(info + at, key, sizeof(key) - 1) == 0) {
            n -= sizeof(key) - 1;
            if (n >= depends_bytes)
                return err_set(err, ERR_LIMIT, "the list of dependencies is too long");
            memcpy(depends, info + at + sizeof(key) - 1, n);
            depends[n] = '\0';
            return 0;
        }
        at += n + 1;
    }
    return 0;
}

int module_read_depends(const uint8_t *elf, size_t len, char *depends, size_t depends_bytes,
                        struct err *err)
{
    Elf64_Ehdr head;
    Elf64_Shdr names, section;
    if (len < sizeof(head) || memcmp(elf, ELFMAG, SELFMAG) != 0)
        return err_set(err, ERR_INVALID, "not an ELF module");
    memcpy(&head, elf, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64)
        return err_set(err, ERR_INVALID, "not an x86-64 module");
    if (!module_section(elf, len, &head, head.e_shstrndx, &names) || names.sh_type != SHT_STRTAB)
        return err_set(err, ERR_INVALID, "the module's section names lie outside the file");
    for (unsigned i = 0; i < head.e_shnum; i++) {
        if (!module_section(elf, len, &head, i, &section))
            return err_set(err, ERR_INVALID, "section %u lies outside the file", i);
        if (section.sh_name >= names.sh_size || section.sh_type == SHT_NOBITS)
            continue;
        const char *name = (const char *)elf + names.sh_offset + section.sh_name;
        size_t room = names.sh_size - section.sh_name;
        if (room >= sizeof(".modinfo") && memcmp(name, ".modinfo", sizeof(".modinfo")) == 0)
            return module_find_depends((const char *)elf + section.sh_offset, section.sh_size,
                                       depends, depends_bytes, err);
    }
    return err_set(err, ERR_INVALID, "the module has no .modinfo section");
}

static bool module_set_has(const struct module_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->at[i].name, name) == 0)
            return true;
    return false;
}

static int module_add(struct module_index *index, const char *name, bool required, int depth,
                      struct module_set *set, struct err *err);

static int module_add_depends(struct module_index *index, char *depends, int depth,
                              struct module_set *set, struct err *err)
{
    char *rest = NULL;
    for (char *name = strtok_r(depends, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        char plain[64];
        if (strlen(name) >= sizeof(plain))
            return err_set(err, ERR_LIMIT, "a module's name is too long: %.80s", name);
        strcpy(plain, name);
        for (char *p = plain; *p; p++)
            *p = *p == '-' ? '_' : *p;
        if (module_add(index, plain, true, depth + 1, set, err) < 0)
            return -1;
    }
    return 0;
}

/* Depth first: a module is appended behind all that it depends on. */
static int module_add(struct module_index *index, const char *name, bool required, int depth,
                      struct module_set *set, struct err *err)
{
    if (module_set_has(set, name))
        return 0;
    const char *block = map_find(&index->files, name);
    if (!block) {
        if (!required || module_is_builtin(index, name))
            return 0;
        return err_set(err, ERR_NOT_FOUND, "the kernel has no module %s, which guests need", name);
    }
    if (depth > MODULE_MAX_DEPTH)
        return err_set(err, ERR_INVALID, "the dependencies of module %s go in circles", name);
    auto_free uint8_t *content = NULL;
    size_t len;
    char depends[MODULE_DEPENDS_BYTES];
    const char *path = block + strlen(block) + 1;
    if (unpack_file(path, MODULE_MAX_BYTES, &content, &len, err) < 0)
        return -1;
    if (module_read_depends(content, len, depends, sizeof(depends), err) < 0)
        return err_wrap(err, "%s", path);
    if (module_add_depends(index, depends, depth, set, err) < 0)
        return -1;
    if (set->n >= MODULE_SET_MAX)
        return err_set(err, ERR_LIMIT, "more than %d modules are needed", MODULE_SET_MAX);
    struct module *m = &set->at[set->n++];
    snprintf(m->name, sizeof(m->name), "%s", name);
    m->content = take_ptr(&content);
    m->len = len;
    return 0;
}

int module_collect(const char *folder, const struct module_want *wants, size_t n_wants,
                   struct module_set *set, struct err *err)
{
    struct module_index index = {.builtin = NULL};
    map_init(&index.files);
    set->n = 0;
    set->builtin = NULL;
    int rc = module_index_fill(&index, folder, err);
    for (size_t i = 0; i < n_wants && rc == 0; i++)
        rc = module_add(&index, wants[i].name, wants[i].required, 0, set, err);
    if (rc == 0) {
        set->builtin = index.builtin ? take_ptr(&index.builtin) : strdup("");
        if (!set->builtin)
            rc = err_set(err, ERR_LIMIT, "out of memory listing modules");
    }
    module_index_done(&index);
    return rc;
}

void module_set_done(struct module_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->at[i].content);
    set->n = 0;
    free(set->builtin);
    set->builtin = NULL;
}
