/* Published ports as a record keeps them. */
#include "daemon/model/vm_publish.h"

#include "base/err.h"
#include "tests/support/check.h"

static struct blob blob;
static struct vm_publish list[VM_PUBLISH_MAX];

static void write_one(const char *address, uint32_t host_port, uint32_t guest_port)
{
    struct vm_publish p = {.host_port = host_port, .guest_port = guest_port};
    snprintf(p.address, sizeof(p.address), "%s", address);
    CHECK_INT(vm_publish_write(&blob, &p, 1, NULL), 0);
}

static void test_there_and_back(void)
{
    static const char *const addresses[][2] = {{"", "127.0.0.1"},
                                               {"10.0.0.1", "10.0.0.1"},
                                               {"0:0:0:0:0:0:0:1", "::1"},
                                               {"::", "::"},
                                               {"no address", "no address"}};
    for (size_t i = 0; i < 5; i++) {
        write_one(addresses[i][0], 8080, 80);
        CHECK_INT(vm_publish_read(&blob, list), 1);
        CHECK_STR(list[0].address, addresses[i][1]);
        CHECK_INT(list[0].host_port, 8080);
        CHECK_INT(list[0].guest_port, 80);
    }
    CHECK_INT(vm_publish_write(&blob, list, 0, NULL), 0);
    CHECK_INT(vm_publish_read(&blob, list), 0);
    /* What no write makes: more than there may be, and an end that is cut off. */
    static const char many[] = "a:1:1\0a:1:2\0a:1:3\0a:1:4\0a:1:5\0a:1:6\0a:1:7\0a:1:8\0a:1:9\0"
                               "a:2:1\0a:2:2\0a:2:3\0a:2:4\0a:2:5\0a:2:6\0a:2:7\0a:2:8\0a:2:9";
    CHECK_INT(vm_publish_read(&(struct blob){(uint8_t *)many, sizeof(many)}, list), VM_PUBLISH_MAX);
    CHECK_INT(vm_publish_read(&(struct blob){(uint8_t *)many, 8}, list), 1);
}

static void test_bounds(void)
{
    static const struct {
        const char *address;
        uint32_t host_port, guest_port;
        int rc;
    } cases[] = {
        {"", 0, 1, 0},
        {"", 65535, 65535, 0},
        {"::1", 80, 80, 0},
        {"", 65536, 80, -1},
        {"", 80, 0, -1},
        {"", 80, 65536, -1},
        {"localhost", 80, 80, -1},
        {"127.0.0.1.2", 80, 80, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        write_one(cases[i].address, cases[i].host_port, cases[i].guest_port);
        if (!CHECK_INT(vm_publish_check(&blob, &err), cases[i].rc))
            fprintf(stderr, "case %zu\n", i);
        CHECK_STR(err.reason, cases[i].rc ? "INVALID_SPEC" : "");
    }
}

static void test_twice(void)
{
    static const struct {
        struct vm_publish a, b;
        bool collides, may;
    } cases[] = {
        {{"127.0.0.1", 80, 1}, {"127.0.0.1", 80, 2}, true, false},
        {{"127.0.0.1", 80, 1}, {"0.0.0.0", 80, 2}, true, false},
        {{"::", 80, 1}, {"::1", 80, 2}, true, false},
        {{"0.0.0.0", 80, 1}, {"::", 80, 2}, false, true},
        {{"127.0.0.1", 80, 1}, {"127.0.0.2", 80, 1}, false, true},
        {{"127.0.0.1", 0, 1}, {"127.0.0.1", 0, 2}, false, true},
        {{"127.0.0.1", 0, 1}, {"127.0.0.1", 0, 1}, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct vm_publish both[] = {cases[i].a, cases[i].b};
        CHECK_INT(vm_publish_collides(&both[0], &both[1]), cases[i].collides);
        CHECK_INT(vm_publish_collides(&both[1], &both[0]), cases[i].collides);
        CHECK_INT(vm_publish_write(&blob, both, 2, NULL), 0);
        if (!CHECK_INT(vm_publish_check(&blob, NULL), cases[i].may ? 0 : -1))
            fprintf(stderr, "case %zu\n", i);
    }
}

static void test_whose(void)
{
    CHECK(!vm_publish_is_wide(&(struct vm_publish){"127.0.0.1", 1024, 1}));
    CHECK(!vm_publish_is_wide(&(struct vm_publish){"127.9.9.9", 0, 1}));
    CHECK(!vm_publish_is_wide(&(struct vm_publish){"::1", 8080, 1}));
    CHECK(vm_publish_is_wide(&(struct vm_publish){"127.0.0.1", 1023, 1}));
    CHECK(vm_publish_is_wide(&(struct vm_publish){"0.0.0.0", 8080, 1}));
    CHECK(vm_publish_is_wide(&(struct vm_publish){"::", 8080, 1}));
    CHECK(vm_publish_is_wide(&(struct vm_publish){"::ffff:127.0.0.1", 8080, 1}));
    CHECK(vm_publish_is_wide(&(struct vm_publish){"192.0.2.1", 8080, 1}));
}

int main(void)
{
    RUN(test_there_and_back);
    RUN(test_bounds);
    RUN(test_twice);
    RUN(test_whose);
    free(blob.data);
    return check_end();
}
