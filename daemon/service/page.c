/* See page.h. */
#include "daemon/service/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/call.h"

enum { PAGE_USUAL = 100, PAGE_MOST = 1000, PAGE_LIST_FIELD = 1 };

int page_size(size_t *size, uint32_t asked, struct err *err)
{
    *size = asked ? asked : PAGE_USUAL;
    if (asked <= PAGE_MOST)
        return 0;
    return err_set(err, ERR_INVALID, "page_size is %u, at most %d is allowed", asked, PAGE_MOST);
}

int page_parse(struct page *page, uint32_t asked, const char *token, struct err *err)
{
    *page = (struct page){.after_ns = INT64_MIN};
    if (page_size(&page->size, asked, err) < 0)
        return -1;
    if (!*token)
        return 0;
    char *end = NULL;
    errno = 0;
    page->after_ns = strtoll(token, &end, 10);
    if (errno || end == token || *end != '.' || !id_is_prefix(end + 1))
        return err_set(err, ERR_INVALID, "page_token is not one that this server gave");
    snprintf(page->after_id, sizeof(page->after_id), "%s", end + 1);
    return 0;
}

bool page_is_first(const struct page *page)
{
    return !*page->after_id;
}

bool page_is_cut(struct page *page)
{
    if (page->n == 0 || (page->n < page->size && page->bytes <= PAGE_BYTES))
        return false;
    snprintf(page->next, sizeof(page->next), "%" PRId64 ".%s", page->last_ns, page->last_id);
    return true;
}

void page_add(struct page *page, struct rpc_call *call, int64_t created_ns, const char *id,
              const ProtobufCMessage *thing)
{
    page->n++;
    page->bytes += rpc_call_add(call, PAGE_LIST_FIELD, thing);
    page->last_ns = created_ns;
    page->last_id = id;
}

bool page_is_after(const struct page *page, int64_t created_ns, const char *id)
{
    return created_ns > page->after_ns ||
           (created_ns == page->after_ns && strcmp(id, page->after_id) > 0);
}
