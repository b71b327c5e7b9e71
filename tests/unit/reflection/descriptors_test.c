/* What descriptors.h finds in gen/banger.binpb, and in damaged copies of it. */
#include "rpc/reflection/descriptors.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/check.h"

enum { MAX_BYTES = 1 << 20 };

static uint8_t set[MAX_BYTES];
static size_t set_len;
static struct descriptors d;

static void read_set(void)
{
    FILE *f = fopen(DESCRIPTOR_FILE, "re");
    struct err err = ERR_INIT;
    CHECK(f != NULL);
    if (!f)
        exit(1);
    set_len = fread(set, 1, sizeof(set), f);
    fclose(f);
    CHECK_INT(descriptors_init(&d, set, set_len, &err), 0);
    CHECK(d.n_files > 10);
}

static void test_files(void)
{
    CHECK(descriptors_file_by_name(&d, "banger/v1/vm.proto") >= 0);
    CHECK(descriptors_file_by_name(&d, "google/protobuf/descriptor.proto") >= 0);
    CHECK_INT(descriptors_file_by_name(&d, "banger/v1/vm.prot"), -1);
    CHECK_INT(descriptors_file_by_name(&d, ""), -1);
}

static void test_symbols(void)
{
    static const struct {
        const char *symbol, *file;
    } known[] = {
        {"banger.v1.VMService", "banger/v1/vm.proto"},
        {"banger.v1.VMService.CreateVM", "banger/v1/vm.proto"},
        {"banger.v1.Role", "banger/v1/options.proto"},
        {"banger.v1.ROLE_ADMIN", "banger/v1/options.proto"},
        {"banger.v1.policy", "banger/v1/options.proto"},
        {"banger.v1.MethodPolicy.role", "banger/v1/options.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"},
        {"grpc.health.v1.HealthListResponse.StatusesEntry.key", "grpc/health/v1/health.proto"},
        {"grpc.reflection.v1.ServerReflectionRequest.message_request",
         "grpc/reflection/v1/reflection.proto"},
    };
    static const char *const unknown[] = {"",
                                          ".",
                                          "banger.v1",
                                          "banger.v1.",
                                          "banger.v1.VMService.",
                                          "banger.v1.VMService.CreateV",
                                          "banger.v1.VMServiceX",
                                          "VMService",
                                          "banger.v1.Role.ROLE_ADMIN",
                                          ".banger.v1.VMService"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!CHECK_INT(descriptors_file_of_symbol(&d, known[i].symbol),
                       descriptors_file_by_name(&d, known[i].file)))
            fprintf(stderr, "  %s\n", known[i].symbol);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        CHECK_INT(descriptors_file_of_symbol(&d, unknown[i]), -1);
}

static void test_extensions(void)
{
    int32_t numbers[2] = {0};
    CHECK_INT(descriptors_extensions(&d, "google.protobuf.MethodOptions", numbers, 2), 1);
    CHECK_INT(numbers[0], 50501);
    CHECK_INT(descriptors_extensions(&d, "google.protobuf.FileOptions", numbers, 2), 0);
    CHECK_INT(descriptors_file_of_extension(&d, "google.protobuf.MethodOptions", 50501),
              descriptors_file_by_name(&d, "banger/v1/options.proto"));
    CHECK_INT(descriptors_file_of_extension(&d, "google.protobuf.MethodOptions", 1), -1);
}

static void test_closure(void)
{
    struct slice files[DESCRIPTORS_MAX_FILES];
    int options = descriptors_file_by_name(&d, "banger/v1/options.proto");
    CHECK_INT(descriptors_closure(&d, options, files), 2); /* and descriptor.proto */
    CHECK(files[0].data == d.files[options].data);
    for (size_t i = 0; i < d.n_files; i++) {
        size_t n = descriptors_closure(&d, (int)i, files);
        CHECK(n >= 1 && n <= d.n_files);
    }
}

static int count_service(void *arg, const char *name)
{
    CHECK(strchr(name, '.') != NULL);
    return ++*(int *)arg == 3 ? -1 : 0;
}

static int see_health(void *arg, const char *name)
{
    if (strcmp(name, "grpc.health.v1.Health") == 0)
        ++*(int *)arg;
    return 0;
}

static void test_services(void)
{
    int n = 0, health = 0;
    CHECK_INT(descriptors_each_service(&d, count_service, &n), -1);
    CHECK_INT(n, 3);
    CHECK_INT(descriptors_each_service(&d, see_health, &health), 0);
    CHECK_INT(health, 1);
}

/* Cut or flipped anywhere: answers may differ, nothing is read outside (the sanitizer looks). */
static void test_damaged(void)
{
    static const char symbol[] = "banger.v1.VMService.CreateVM";
    struct slice files[DESCRIPTORS_MAX_FILES];
    struct err err;
    for (size_t at = 0; at < set_len; at += 97) {
        struct descriptors bad;
        uint8_t *copy = malloc(set_len);
        memcpy(copy, set, set_len);
        copy[at] ^= 0x5a;
        size_t len = at % 2 ? set_len : at;
        if (descriptors_init(&bad, copy, len, &err) == 0) {
            int file = descriptors_file_of_symbol(&bad, symbol);
            if (file >= 0)
                descriptors_closure(&bad, file, files);
        }
        free(copy);
    }
}

int main(void)
{
    RUN(read_set);
    RUN(test_files);
    RUN(test_symbols);
    RUN(test_extensions);
    RUN(test_closure);
    RUN(test_services);
    RUN(test_damaged);
    return check_end();
}
