/* Pages of lists: things in order of creation; a token says after which one the page begins. A page
 * ends when it is full, or so large that one more thing might not fit what clients take.
 *
 * Things are packed as they are put on the page: thousands are never there as messages. */
#ifndef BANGER_DAEMON_SERVICE_PAGE_H
#define BANGER_DAEMON_SERVICE_PAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct rpc_call;

enum {
    PAGE_BYTES = 3 << 20, /* gRPC's libraries take 4 MiB by default */
    PAGE_TOKEN_BYTES = 48,
};

struct page {
    size_t size;
    size_t n, bytes;  /* what is on it so far */
    int64_t after_ns; /* INT64_MIN: the first page */
    char after_id[ID_BYTES];
    int64_t last_ns; /* of the latest thing on it */
    const char *last_id;
    char next[PAGE_TOKEN_BYTES]; /* the answer's next_page_token; "" until page_is_cut says so */
};

/* How many a page may have: what was asked for, 1 to 1000; 0 stands for 100. */
int page_size(size_t *size, uint32_t asked, struct err *err);
int page_parse(struct page *page, uint32_t asked, const char *token, struct err *err);
bool page_is_first(const struct page *page);
/* Asked when there is one more thing: true where it does not go on this page any more, and
 * page->next leads to it. */
bool page_is_cut(struct page *page);
/* Packs it as an element of the answer's field 1, which is the list in every List… response. The
 * answer that follows has the other fields alone. The id is borrowed until page_is_cut. */
void page_add(struct page *page, struct rpc_call *call, int64_t created_ns, const char *id,
              const ProtobufCMessage *thing);
/* For what has no order of its own to find it in (base/order.h). */
bool page_is_after(const struct page *page, int64_t created_ns, const char *id);

#endif
