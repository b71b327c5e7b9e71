/* Kernel images; see vmlinux.h. Offsets are those of Documentation/arch/x86/boot.rst in Linux. */
#include "daemon/host/vmlinux.h"

#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/host/unpack.h"

enum {
    VMLINUX_MAX_BYTES = 512 << 20,
    SETUP_SECTS = 0x1f1,    /* u8, 512-byte sectors of real-mode code behind the first */
    SETUP_MAGIC = 0x202,    /* "HdrS" */
    SETUP_VERSION = 0x206,  /* u16 */
    PAYLOAD_OFFSET = 0x248, /* u32, from the protected-mode code */
    PAYLOAD_LENGTH = 0x24c, /* u32 */
    SETUP_END = 0x250,
    PROTOCOL_WITH_PAYLOAD = 0x0208,
    NOTE_PHYS32_ENTRY = 18,
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool is_elf(const uint8_t *image, size_t len)
{
    return len >= sizeof(Elf64_Ehdr) && memcmp(image, ELFMAG, SELFMAG) == 0;
}

/* Where the compressed kernel lies. It ends with its uncompressed size as a u32, which for gzip is
 * part of the format and for the others was put behind it. */
static int find_payload(const uint8_t *image, size_t len, const uint8_t **payload, size_t *bytes,
                        struct err *err)
{
    if (len < SETUP_END || memcmp(image + SETUP_MAGIC, "HdrS", 4) != 0)
        return err_set(err, ERR_INVALID, "neither a bzImage nor an ELF kernel");
    unsigned version = image[SETUP_VERSION] | (unsigned)image[SETUP_VERSION + 1] << 8;
    if (version < PROTOCOL_WITH_PAYLOAD)
        return err_set(err, ERR_INVALID, "boot protocol %u.%02u is too old (2.08 is needed)",
                       version >> 8, version & 0xff);
    size_t sectors = image[SETUP_SECTS] ? image[SETUP_SECTS] : 4;
    size_t start = (sectors + 1) * 512;
    size_t offset = get_u32(image + PAYLOAD_OFFSET), length = get_u32(image + PAYLOAD_LENGTH);
    if (start > len || offset > len - start || length > len - start - offset || length < 8)
        return err_set(err, ERR_INVALID, "the bzImage is cut short");
    *payload = image + start + offset;
    *bytes = length;
    return 0;
}

int vmlinux_extract(const uint8_t *image, size_t len, uint8_t **out, size_t *out_len,
                    struct err *err)
{
    if (is_elf(image, len)) {
        *out = malloc(len);
        if (!*out)
            return err_set(err, ERR_LIMIT, "out of memory copying the kernel");
        memcpy(*out, image, len);
        *out_len = len;
        return 0;
    }
    const uint8_t *payload;
    size_t bytes;
    if (find_payload(image, len, &payload, &bytes, err) < 0)
        return -1;
    bool gzip = payload[0] == 0x1f && payload[1] == 0x8b;
    uint32_t promised = get_u32(payload + bytes - 4);
    if (unpack_bytes(payload, gzip ? bytes : bytes - 4, VMLINUX_MAX_BYTES, out, out_len, err) < 0)
        return err_wrap(err, "cannot take the kernel out of the bzImage");
    if (*out_len == promised)
        return 0;
    free(*out);
    *out = NULL;
    return err_set(err, ERR_INVALID, "the bzImage promises %u bytes of kernel and holds %zu",
                   promised, *out_len);
}

/* True when the notes in this segment have the PVH entry. */
static bool notes_have_pvh(const uint8_t *notes, size_t len)
{
    while (len >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes, sizeof(note));
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
        size_t desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name > len - sizeof(note) || desc > len - sizeof(note) - name)
            return false;
        if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
            memcmp(notes + sizeof(note), "Xen", 4) == 0)
            return true;
        notes += sizeof(note) + name + desc;
        len -= sizeof(note) + name + desc;
    }
    return false;
}

int vmlinux_check(const uint8_t *elf, size_t len, struct err *err)
{
    Elf64_Ehdr head;
    if (!is_elf(elf, len))
        return err_set(err, ERR_INVALID, "not an ELF kernel");
    memcpy(&head, elf, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_machine != EM_X86_64 || head.e_phentsize != sizeof(Elf64_Phdr))
        return err_set(err, ERR_INVALID, "not an x86-64 ELF kernel");
    if (head.e_phoff > len || head.e_phnum > (len - head.e_phoff) / sizeof(Elf64_Phdr))
        return err_set(err, ERR_INVALID, "the ELF kernel's headers lie outside the file");
    bool pvh = false, loads = false;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, elf + head.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_offset > len || segment.p_filesz > len - segment.p_offset)
            return err_set(err, ERR_INVALID, "segment %u of the ELF kernel lies outside the file",
                           i);
        loads = loads || segment.p_type == PT_LOAD;
        if (segment.p_type == PT_NOTE)
            pvh = pvh || notes_have_pvh(elf + segment.p_offset, segment.p_filesz);
    }
    if (!loads || !pvh)
        return err_set(err, ERR_INVALID, "the kernel has no PVH entry point (CONFIG_PVH)");
    return 0;
}

bool vmlinux_release(const uint8_t *elf, size_t len, char *out, size_t size)
{
    static const char banner[] = "Linux version ";
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    const uint8_t *at = elf, *end = elf + len;
    /* The first hits may be format strings ("Linux version %s"): a release begins with a digit. */
    while ((at = memmem(at, (size_t)(end - at), banner, sizeof(banner) - 1))) {
        at += sizeof(banner) - 1;
        size_t n = 0;
        while (at + n < end && at[n] && strchr(allowed, at[n]))
            n++;
        if (n == 0 || n >= size || at[0] < '0' || at[0] > '9')
            continue;
        memcpy(out, at, n);
        out[n] = '\0';
        return true;
    }
    return false;
}
