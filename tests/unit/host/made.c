/* Kernels and modules made by hand; see made.h. */
#include "tests/unit/host/made.h"

#include <elf.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"

static void *made_room(size_t len)
{
    void *room = calloc(1, len);
    if (!room)
        abort();
    return room;
}

/* Header | section headers (null, .modinfo, .shstrtab) | .modinfo | .shstrtab */
uint8_t *made_module(const char *depends, size_t *len)
{
    static const char names[] = "\0.modinfo\0.shstrtab";
    char info[512];
    size_t info_len =
        (size_t)snprintf(info, sizeof(info), "license=GPL%cdepends=%s%cname=x", 0, depends, 0) + 1;
    size_t info_at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr), names_at = info_at + info_len;
    *len = names_at + sizeof(names);
    uint8_t *elf = made_room(*len);
    Elf64_Ehdr head = {
        .e_ident = ELFMAG,
        .e_type = ET_REL,
        .e_machine = EM_X86_64,
        .e_shoff = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = 3,
        .e_shstrndx = 2,
    };
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    Elf64_Shdr sections[3] = {
        {.sh_type = SHT_NULL},
        {.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = info_at, .sh_size = info_len},
        {.sh_name = 10, .sh_type = SHT_STRTAB, .sh_offset = names_at, .sh_size = sizeof(names)},
    };
    memcpy(elf, &head, sizeof(head));
    memcpy(elf + sizeof(head), sections, sizeof(sections));
    memcpy(elf + info_at, info, info_len);
    memcpy(elf + names_at, names, sizeof(names));
    return elf;
}

uint8_t *made_vmlinux(int pvh, size_t *len)
{
    struct {
        Elf64_Nhdr head;
        char name[4];
        uint32_t entry;
    } note = {{4, 4, 18}, "Xen", 0x1000000};
    size_t notes_at = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr),
           code_at = notes_at + sizeof(note);
    *len = code_at + 4096;
    uint8_t *elf = made_room(*len);
    Elf64_Ehdr head = {
        .e_ident = ELFMAG,
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    Elf64_Phdr segments[2] = {
        {.p_type = PT_LOAD, .p_offset = code_at, .p_filesz = 4096, .p_memsz = 4096},
        {.p_type = pvh ? PT_NOTE : PT_NULL, .p_offset = notes_at, .p_filesz = sizeof(note)},
    };
    memcpy(elf, &head, sizeof(head));
    memcpy(elf + sizeof(head), segments, sizeof(segments));
    memcpy(elf + notes_at, &note, sizeof(note));
    for (size_t i = 0; i < 4096; i++)
        elf[code_at + i] = (uint8_t)(i * 7);
    return elf;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* One sector of boot code, one of setup, then: frame magic | block length | block | size. */
uint8_t *made_bzimage(const uint8_t *kernel, size_t kernel_len, size_t *len)
{
    size_t bound = (size_t)LZ4_compressBound((int)kernel_len), start = 1024;
    uint8_t *image = made_room(start + 8 + bound + 4);
    int block = LZ4_compress_default((const char *)kernel, (char *)image + start + 8,
                                     (int)kernel_len, (int)bound);
    if (block <= 0)
        abort();
    image[0x1f1] = 1;
    memcpy(image + 0x202, "HdrS", 4);
    image[0x206] = 0x0f;
    image[0x207] = 0x02;
    put_u32(image + 0x248, 0);
    put_u32(image + 0x24c, (uint32_t)(8 + block + 4));
    put_u32(image + start, 0x184c2102);
    put_u32(image + start + 4, (uint32_t)block);
    put_u32(image + start + 8 + block, (uint32_t)kernel_len);
    *len = start + 8 + (size_t)block + 4;
    return image;
}

static char made_path[] = "/tmp/banger-host-XXXXXX";

const char *made_folder(void)
{
    strcpy(made_path + sizeof(made_path) - 7, "XXXXXX");
    if (!mkdtemp(made_path))
        abort();
    return made_path;
}

void made_folder_done(void)
{
    fs_remove_tree(made_path, NULL);
}

void made_file(const char *folder, const char *name, const void *data, size_t len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        abort();
}

void made_modules(const char *folder)
{
    static const char builtin[] = "kernel/fs/ext4/ext4.ko\n";
    static const char *const names[] = {"virtio_ring", "virtio",         "virtio_mmio",
                                        "virtio_blk",  "virtio_console", "virtio_net"};
    static const char *const depends[] = {"",       "virtio_ring", "virtio",
                                          "virtio", "virtio",      "virtio"};
    if (fs_make_dirs(folder, 0755, NULL) < 0)
        abort();
    made_file(folder, "modules.builtin", builtin, sizeof(builtin) - 1);
    for (size_t i = 0; i < 6; i++) {
        char file[64];
        size_t len;
        auto_free uint8_t *module = made_module(depends[i], &len);
        snprintf(file, sizeof(file), "%s.ko", names[i]);
        made_file(folder, file, module, len);
    }
}
