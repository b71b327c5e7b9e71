/* JSON documents from a stream of text, wherever it is cut. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static const char text[] =
    " {}\n{\"a\": \"}{\\\"]\"}{\n \"b\": [{}, {\"c\": []}]\n}\t{\"d\": \"\\\\\"} \n";
static const char *const wanted[] = {"{}", "{\"a\": \"}{\\\"]\"}",
                                     "{\n \"b\": [{}, {\"c\": []}]\n}", "{\"d\": \"\\\\\"}"};

enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

static void take(struct call_input *in, size_t *n)
{
    const char *document;
    size_t len;
    while (call_input_next(in, &document, &len) == 1) {
        if (CHECK(*n < WANTED) && CHECK_INT(len, strlen(wanted[*n])))
            CHECK(memcmp(document, wanted[*n], len) == 0);
        ++*n;
    }
}

static void test_documents_are_found_however_they_are_cut(void)
{
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct call_input in = {.data = NULL};
        size_t n = 0;
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            size_t left = sizeof(text) - 1 - at;
            CHECK_INT(call_input_add(&in, text + at, left < piece ? left : piece), 0);
            take(&in, &n);
        }
        CHECK_INT(n, WANTED);
        CHECK(!call_input_is_broken(&in));
        call_input_done(&in);
    }
}

static int first_of(const char *given)
{
    struct call_input in = {.data = NULL};
    const char *document;
    size_t len;
    CHECK_INT(call_input_add(&in, given, strlen(given)), 0);
    int found = call_input_next(&in, &document, &len);
    if (found == 0)
        found = call_input_is_broken(&in) ? 2 : 0;
    call_input_done(&in);
    return found;
}

static void test_what_is_no_document(void)
{
    CHECK_INT(first_of(""), 0);
    CHECK_INT(first_of(" \n"), 0);
    CHECK_INT(first_of("[1]"), -1);
    CHECK_INT(first_of("7"), -1);
    CHECK_INT(first_of("}"), -1);
    CHECK_INT(first_of("{\"a\": \"}"), 2);
    CHECK_INT(first_of("{[}"), 2);
}

static void test_a_document_has_a_limit(void)
{
    struct call_input in = {.data = NULL};
    size_t len = 1 << 20;
    char *much = malloc(len);
    memset(much, ' ', len);
    much[0] = '{';
    int rv = 0;
    for (int i = 0; i < 20 && rv == 0; i++) {
        const char *document;
        size_t n;
        rv = call_input_add(&in, much, len);
        CHECK_INT(call_input_next(&in, &document, &n), 0);
    }
    CHECK_INT(rv, -1);
    free(much);
    call_input_done(&in);
}

static void test_names(void)
{
    const struct banger_method *method = call_find("GetVM");
    CHECK(method && method == call_find("VMService/GetVM"));
    CHECK(method == call_find("banger.v1.VMService/GetVM"));
    CHECK(method == call_find("/banger.v1.VMService/GetVM"));
    CHECK(call_find("Service/GetVM") == NULL);
    CHECK(call_find("") == NULL);
    for (size_t i = 0; (method = banger_method_at(i)); i++)
        CHECK(call_find(call_short_name(method)) == method);
}

int main(void)
{
    RUN(test_documents_are_found_however_they_are_cut);
    RUN(test_what_is_no_document);
    RUN(test_a_document_has_a_limit);
    RUN(test_names);
    return check_end();
}
