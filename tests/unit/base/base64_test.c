/* Base 64: every length, both alphabets, padding, and never a byte more than there is room for. */
#include "base/base64.h"

#include <string.h>

#include "tests/support/check.h"

static ssize_t decode(const char *text, uint8_t out[64], size_t size)
{
    return base64_decode(out, size, text, strlen(text));
}

static void check_decodes(const char *text, const char *want)
{
    uint8_t out[64];
    ssize_t n = decode(text, out, strlen(want));
    CHECK_INT(n, strlen(want));
    if (n >= 0) {
        out[n] = '\0';
        CHECK_STR((char *)out, want);
    }
    if (*want)
        CHECK_INT(decode(text, out, strlen(want) - 1), -1);
}

static void test_what_is_written_is_read(void)
{
    uint8_t data[300], back[300];
    char text[404];
    for (size_t n = 0; n < sizeof(data); n++) {
        data[n] = (uint8_t)(n * 77 + 3);
        size_t len = base64_encoded_bytes(n);
        base64_encode(text, data, n);
        CHECK_INT(base64_decode(back, n, text, len), n);
        CHECK(memcmp(back, data, n) == 0);
        CHECK(n <= base64_decoded_bytes(len));
    }
}

static void test_padding_and_both_alphabets_are_read(void)
{
    check_decodes("", "");
    check_decodes("Zg==", "f");
    check_decodes("Zg", "f");
    check_decodes("Zm8=", "fo");
    check_decodes("Zm8", "fo");
    check_decodes("Zm9v", "foo");
    check_decodes("Zm9vYmE=", "fooba");
    check_decodes("Pz8+Pj4/", "?\?>>>?");
    check_decodes("Pz8-Pj4_", "?\?>>>?");
}

static void test_anything_else_is_refused(void)
{
    static const char *const broken[] = {
        "Z", "Zg=", "====", "Z===", "Zg===", "Zg==Zg==", "Zm 9", "Zm9\n", "=", "Zh=="};
    uint8_t out[64];
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        CHECK_INT(decode(broken[i], out, sizeof(out)), -1);
}

int main(void)
{
    RUN(test_what_is_written_is_read);
    RUN(test_padding_and_both_alphabets_are_read);
    RUN(test_anything_else_is_refused);
    return check_end();
}
