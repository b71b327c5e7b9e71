/* Ends of connections, as words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

static bool relay_port_parse(uint16_t *port, const char *text, size_t len, bool any)
{
    unsigned long value = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX && (value > 0 || any);
}

bool relay_end_parse(struct relay_end *end, const char *text, size_t len, bool any)
{
    *end = (struct relay_end){.port = 0};
    if (len > 1 && (text[0] == '/' || text[0] == '@')) {
        if (len >= sizeof(end->path))
            return false;
        memcpy(end->path, text, len);
        return true;
    }
    const char *colon = memrchr(text, ':', len);
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    const char *host = text, *port = colon ? colon + 1 : text;
    if (!relay_port_parse(&end->port, port, len - (size_t)(port - text), any))
        return false;
    if (host_len > 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    } else if (memchr(host, ':', host_len)) {
        return false; /* an IPv6 address without brackets */
    }
    if (host_len >= sizeof(end->host) || (colon && host_len == 0))
        return false;
    memcpy(end->host, host, host_len);
    return true;
}

const char *relay_end_text(char out[RELAY_END_BYTES], const struct relay_end *end)
{
    bool v6 = strchr(end->host, ':') != NULL;
    if (end->path[0])
        snprintf(out, RELAY_END_BYTES, "%s", end->path);
    else if (!end->host[0])
        snprintf(out, RELAY_END_BYTES, "%u", end->port);
    else
        snprintf(out, RELAY_END_BYTES, "%s%s%s:%u", v6 ? "[" : "", end->host, v6 ? "]" : "",
                 end->port);
    return out;
}
