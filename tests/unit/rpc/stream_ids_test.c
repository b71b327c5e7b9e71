/* Which frames of forgotten streams break the protocol. */
#include "rpc/wire/stream_ids.h"

#include <nghttp2/nghttp2.h>

#include "tests/support/check.h"

#define HEADERS(ids, id) stream_ids_check(ids, id, NGHTTP2_HEADERS)
#define DATA(ids, id)    stream_ids_check(ids, id, NGHTTP2_DATA)

static void test_ids(void)
{
    struct stream_ids ids = {0};
    CHECK_INT(HEADERS(&ids, 1), NGHTTP2_NO_ERROR);
    CHECK_INT(HEADERS(&ids, 3), NGHTTP2_NO_ERROR);
    CHECK_INT(HEADERS(&ids, 9), NGHTTP2_NO_ERROR);
    /* 5 and 7 can no longer begin; 1 and 3 may be trailers that were under way. */
    CHECK_INT(HEADERS(&ids, 5), NGHTTP2_PROTOCOL_ERROR);
    CHECK_INT(HEADERS(&ids, 7), NGHTTP2_PROTOCOL_ERROR);
    CHECK_INT(HEADERS(&ids, 1), NGHTTP2_NO_ERROR);
    CHECK_INT(HEADERS(&ids, 9), NGHTTP2_NO_ERROR);
    CHECK_INT(DATA(&ids, 3), NGHTTP2_NO_ERROR);
    CHECK_INT(DATA(&ids, 11), NGHTTP2_NO_ERROR); /* nghttp2 sees that it is idle */
    CHECK_INT(HEADERS(&ids, INT32_MAX), NGHTTP2_NO_ERROR);
}

static void test_ended(void)
{
    struct stream_ids ids = {0};
    for (int32_t id = 1; id < 2 * STREAM_IDS_KEPT; id += 2) {
        CHECK_INT(HEADERS(&ids, id), NGHTTP2_NO_ERROR);
        stream_ids_ended(&ids, id);
    }
    CHECK_INT(HEADERS(&ids, 1), NGHTTP2_STREAM_CLOSED);
    CHECK_INT(DATA(&ids, 3), NGHTTP2_STREAM_CLOSED);
    stream_ids_ended(&ids, 101); /* the oldest is forgotten */
    CHECK_INT(HEADERS(&ids, 1), NGHTTP2_NO_ERROR);
    CHECK_INT(DATA(&ids, 3), NGHTTP2_STREAM_CLOSED);
}

static void test_others(void)
{
    struct stream_ids ids = {0};
    CHECK_INT(stream_ids_check(&ids, 0, NGHTTP2_PRIORITY), NGHTTP2_PROTOCOL_ERROR);
    CHECK_INT(stream_ids_check(&ids, 7, NGHTTP2_PRIORITY), NGHTTP2_NO_ERROR);
    CHECK_INT(HEADERS(&ids, 0), NGHTTP2_NO_ERROR); /* nghttp2's business, like even ids */
    CHECK_INT(HEADERS(&ids, 8), NGHTTP2_NO_ERROR);
}

int main(void)
{
    RUN(test_ids);
    RUN(test_ended);
    RUN(test_others);
    return check_end();
}
