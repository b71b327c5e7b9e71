/* Answers of an API server that may say anything. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/vmm/firecracker_http.h"
#include "tests/support/check.h"

static struct firecracker_answer answer;
static struct err err;
static size_t used;

/* From memory of exactly that size, so that a sanitizer sees a byte read too much. */
static int parse(const char *text, size_t len)
{
    auto_free char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    err_clear(&err);
    answer = (struct firecracker_answer){.status = 0};
    int rc = firecracker_answer_parse(copy, len, &answer, &used, &err);
    if (rc == 1) /* where it was */
        answer.body = text + (answer.body - copy);
    return rc;
}

static const char whole[] = "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
                            "Content-Type: application/json\r\ncontent-LENGTH:\t 2 \r\n\r\n{}rest";

static void test_a_whole_answer(void)
{
    CHECK_INT(parse(whole, sizeof(whole) - 1), 1);
    CHECK_INT(answer.status, 200);
    CHECK_INT(answer.body_len, 2);
    CHECK(memcmp(answer.body, "{}", 2) == 0);
    CHECK_INT(used, sizeof(whole) - 1 - strlen("rest"));
    static const char bare[] = "HTTP/1.1 204\r\n\r\n";
    CHECK_INT(parse(bare, sizeof(bare) - 1), 1);
    CHECK_INT(answer.status, 204);
    CHECK_INT(answer.body_len, 0);
}

static void test_more_has_to_come_at_every_byte(void)
{
    for (size_t len = 0; len < sizeof(whole) - 1 - strlen("rest"); len++)
        CHECK_INT(parse(whole, len), 0);
}

static void test_what_is_no_answer(void)
{
    static const char *const wrong[] = {
        "HTTP/1.0 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (!CHECK_INT(parse(wrong[i], strlen(wrong[i])), -1))
            fprintf(stderr, "  %s\n", wrong[i]);
        CHECK_INT(err.code, ERR_INVALID);
    }
}

static void test_a_head_without_end(void)
{
    char text[FIRECRACKER_HEAD_BYTES + 1];
    memset(text, 'x', sizeof(text));
    memcpy(text, "HTTP/1.1 200 OK\r\na: ", 20);
    CHECK_INT(parse(text, FIRECRACKER_HEAD_BYTES - 1), 0);
    CHECK_INT(parse(text, FIRECRACKER_HEAD_BYTES), -1);
    CHECK_CONTAINS(err.message, "too long");
}

int main(void)
{
    RUN(test_a_whole_answer);
    RUN(test_more_has_to_come_at_every_byte);
    RUN(test_what_is_no_answer);
    RUN(test_a_head_without_end);
    return check_end();
}
