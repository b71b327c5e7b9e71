/* What -p takes, and what it means. */
#include "tests/support/check.h"
#include "vm.h"

static void take(const char *word, const char *address, uint32_t host_port, uint32_t guest_port)
{
    const char *words[] = {word};
    struct opt_list list = {.items = words, .n = 1};
    struct publish_set *set = publish_set_new(&list);
    if (!CHECK(set && set->n == 1)) {
        fprintf(stderr, "%s\n", word);
        return;
    }
    CHECK_STR(set->list[0].address, address);
    CHECK_INT(set->list[0].host_port, host_port);
    CHECK_INT(set->list[0].guest_port, guest_port);
    publish_set_free(set);
}

static void test_taken(void)
{
    take("8080:80", "", 8080, 80);
    take("80", "", 0, 80);
    take(":80", "", 0, 80);
    take("0:80", "", 0, 80);
    take("8080:80/tcp", "", 8080, 80);
    take("0.0.0.0:8080:80", "0.0.0.0", 8080, 80);
    take("127.0.0.1::80", "127.0.0.1", 0, 80);
    take("[::1]:8080:80/tcp", "::1", 8080, 80);
    take("65535:65535", "", 65535, 65535);
    take("example.org:1:2", "example.org", 1, 2); /* the daemon knows what an address is */
}

static void test_refused(void)
{
    static const char *words[] = {
        "",         "0",     "8080:",  "8080:0",      "8080:65536",  "65536:80",
        "a:80",     "80:a",  "80 :80", "8080:80/udp", "8080:80/",    "::1:8080:80",
        ":8080:80", "-1:80", "+80",    "8080:000080", "[::1:8080:80"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct opt_list list = {.items = &words[i], .n = 1};
        struct publish_set *set = publish_set_new(&list);
        if (!CHECK(!set))
            fprintf(stderr, "\"%s\" is taken\n", words[i]);
        publish_set_free(set);
    }
}

static void test_none(void)
{
    const char *words[] = {"none", "80"};
    struct publish_set *set = publish_set_new(&(struct opt_list){.items = words, .n = 1});
    if (CHECK(set))
        CHECK_INT(set->n, 0);
    publish_set_free(set);
    CHECK(!publish_set_new(&(struct opt_list){.items = words, .n = 2}));
}

static void test_texts(void)
{
    char text[PUBLISH_TEXT_BYTES];
    Banger__V1__Publish m = BANGER__V1__PUBLISH__INIT;
    m.address = (char *)"::1";
    m.guest_port = 80;
    CHECK_STR(publish_text(&m, text), "[::1]:any->80");
    m.address = (char *)"127.0.0.1";
    m.host_port = 8080;
    CHECK_STR(publish_text(&m, text), "127.0.0.1:8080->80");
}

int main(void)
{
    RUN(test_taken);
    RUN(test_refused);
    RUN(test_none);
    RUN(test_texts);
    return check_end();
}
