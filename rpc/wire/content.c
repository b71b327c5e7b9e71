/* Content types; see content.h. */
#include "rpc/wire/content.h"

#include <string.h>
#include <strings.h>

/* Takes text off the front, if it is there. */
static bool content_take(const char **at, size_t *left, const char *text, size_t len)
{
    if (*left < len || strncasecmp(*at, text, len) != 0)
        return false;
    *at += len;
    *left -= len;
    return true;
}

bool content_is_grpc(const char *type, size_t len)
{
    static const char grpc[] = "application/grpc", proto[] = "+proto";
    if (len == sizeof(grpc) - 1 && memcmp(type, grpc, len) == 0) /* what nearly all send */
        return true;
    if (!content_take(&type, &len, grpc, sizeof(grpc) - 1))
        return false;
    (void)content_take(&type, &len, proto, sizeof(proto) - 1);
    while (len > 0 && (*type == ' ' || *type == '\t')) {
        type++;
        len--;
    }
    return len == 0 || *type == ';';
}
