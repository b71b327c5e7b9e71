/* Answers of Firecracker's API server. Each is found in what came so far whatever came behind it,
 * lies within it, and is not found before it is whole. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/vmm/firecracker_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool held)
{
    if (!held)
        abort();
}

static int parse(const char *data, size_t len, struct firecracker_answer *a, size_t *used)
{
    return firecracker_answer_parse(data, len, a, used, NULL);
}

/* A copy of its own, so that a byte too many is seen. */
static void check_alone(const char *data, size_t used, const struct firecracker_answer *whole)
{
    struct firecracker_answer a;
    size_t n = 0;
    auto_free char *alone = malloc(used);
    must(alone);
    memcpy(alone, data, used);
    must(parse(alone, used, &a, &n) == 1 && n == used && a.status == whole->status &&
         a.body_len == whole->body_len && memcmp(a.body, whole->body, a.body_len) == 0);
    must(parse(alone, used - 1, &a, &n) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *data = (const char *)bytes;
    struct firecracker_answer a;
    size_t used = 0;
    while (len > 0 && parse(data, len, &a, &used) == 1) {
        must(used > 0 && used <= len && used <= FIRECRACKER_ANSWER_BYTES);
        must(a.status >= 200 && a.status <= 599 && a.body >= data &&
             a.body + a.body_len == data + used);
        check_alone(data, used, &a);
        data += used;
        len -= used;
    }
    return 0;
}
