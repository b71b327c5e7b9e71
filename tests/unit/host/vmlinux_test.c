/* daemon/host/vmlinux: kernels in and out of a bzImage, and everything that is none. */
#include "daemon/host/vmlinux.h"

#include <elf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

static void test_extracts_from_bzimage(void)
{
    struct err err = ERR_INIT;
    size_t kernel_len, image_len, out_len = 0;
    auto_free uint8_t *kernel = made_vmlinux(1, &kernel_len);
    auto_free uint8_t *image = made_bzimage(kernel, kernel_len, &image_len);
    auto_free uint8_t *out = NULL;
    if (!CHECK_INT(vmlinux_extract(image, image_len, &out, &out_len, &err), 0)) {
        fprintf(stderr, "%s\n", err.message);
        return;
    }
    CHECK_INT(out_len, kernel_len);
    CHECK(out_len == kernel_len && memcmp(out, kernel, kernel_len) == 0);
    CHECK_INT(vmlinux_check(out, out_len, &err), 0);
}

static void test_takes_elf_as_it_is(void)
{
    struct err err = ERR_INIT;
    size_t len, out_len = 0;
    auto_free uint8_t *kernel = made_vmlinux(1, &len);
    auto_free uint8_t *out = NULL;
    CHECK_INT(vmlinux_extract(kernel, len, &out, &out_len, &err), 0);
    CHECK_INT(out_len, len);
}

static void test_wrong_size_promised(void)
{
    struct err err = ERR_INIT;
    size_t kernel_len, len, out_len;
    auto_free uint8_t *kernel = made_vmlinux(1, &kernel_len);
    auto_free uint8_t *image = made_bzimage(kernel, kernel_len, &len);
    auto_free uint8_t *out = NULL;
    image[len - 4] ^= 1;
    CHECK_INT(vmlinux_extract(image, len, &out, &out_len, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_CONTAINS(err.message, "promises");
}

/* Cut at every length, and every byte of the headers turned over: an error or a right result. */
static void test_hostile_bzimage(void)
{
    size_t kernel_len, len, out_len;
    auto_free uint8_t *kernel = made_vmlinux(1, &kernel_len);
    auto_free uint8_t *image = made_bzimage(kernel, kernel_len, &len);
    for (size_t cut = 0; cut < len; cut++) {
        auto_free uint8_t *out = NULL;
        auto_free uint8_t *exact = malloc(cut + 1);
        memcpy(exact, image, cut);
        if (!CHECK_INT(vmlinux_extract(exact, cut, &out, &out_len, NULL), -1))
            return;
    }
    for (size_t at = 0x1f1; at < 0x250; at++) {
        auto_free uint8_t *out = NULL;
        image[at] ^= 0xff;
        (void)vmlinux_extract(image, len, &out, &out_len, NULL);
        image[at] ^= 0xff;
    }
}

static void test_hostile_elf(void)
{
    size_t len;
    struct err err = ERR_INIT;
    auto_free uint8_t *kernel = made_vmlinux(1, &len);
    for (size_t cut = 0; cut < len; cut += 1 + cut / 64) {
        auto_free uint8_t *exact = malloc(cut + 1);
        memcpy(exact, kernel, cut);
        CHECK_INT(vmlinux_check(exact, cut, NULL), -1);
    }
    for (size_t at = 0; at < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 20; at++)
        for (int bit = 0; bit < 8; bit++) {
            kernel[at] ^= (uint8_t)(1 << bit);
            (void)vmlinux_check(kernel, len, NULL);
            kernel[at] ^= (uint8_t)(1 << bit);
        }
    auto_free uint8_t *plain = made_vmlinux(0, &len);
    CHECK_INT(vmlinux_check(plain, len, &err), -1);
    CHECK_CONTAINS(err.message, "PVH");
}

static void test_release_from_the_banner(void)
{
    static const char text[] = "Linux version %s\0Linux version 6.1.0-40-cloud-amd64 (debian)\n";
    char out[32];
    CHECK(vmlinux_release((const uint8_t *)text, sizeof(text) - 1, out, sizeof(out)));
    CHECK_STR(out, "6.1.0-40-cloud-amd64");
    CHECK(!vmlinux_release((const uint8_t *)text, sizeof(text) - 1, out, 8));
    CHECK(!vmlinux_release((const uint8_t *)text, 20, out, sizeof(out)));
    CHECK(!vmlinux_release((const uint8_t *)"", 0, out, sizeof(out)));
}

int main(void)
{
    RUN(test_extracts_from_bzimage);
    RUN(test_takes_elf_as_it_is);
    RUN(test_wrong_size_promised);
    RUN(test_hostile_bzimage);
    RUN(test_hostile_elf);
    RUN(test_release_from_the_banner);
    return check_end();
}
