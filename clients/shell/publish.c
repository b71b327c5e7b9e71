/* Published ports: "8080:80" words as messages, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { PORT_MAX = 65535 };

void publish_set_free(struct publish_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++) {
        if (set->list[i].address != protobuf_c_empty_string)
            free(set->list[i].address);
    }
    free(set->pointers);
    free(set->list);
    free(set);
}

/* A port: decimal digits and no more; -1. "" is 0 where that may be. */
static long publish_port(const char *text, size_t len, bool any)
{
    long port = 0;
    if (len == 0 || len > 5 || strspn(text, "0123456789") < len)
        return len == 0 && any ? 0 : -1;
    for (size_t i = 0; i < len; i++)
        port = port * 10 + (text[i] - '0');
    return port <= PORT_MAX && (port > 0 || any) ? port : -1;
}

/* [HOST_IP:]HOST_PORT:GUEST_PORT[/tcp], with IPv6 in brackets; GUEST_PORT alone. */
static bool publish_parse(const char *word, Banger__V1__Publish *m)
{
    const char *slash = strchr(word, '/'), *end = slash ? slash : word + strlen(word);
    const char *at = word, *host = NULL;
    size_t host_len = 0;
    if (slash && strcmp(slash, "/tcp") != 0)
        return false;
    const char *guest = memrchr(at, ':', (size_t)(end - at));
    if (guest) {
        const char *colon = memrchr(at, ':', (size_t)(guest - at));
        if (colon) {
            host = at;
            host_len = (size_t)(colon - at);
            at = colon + 1;
        }
    }
    long host_port = guest ? publish_port(at, (size_t)(guest - at), true) : 0;
    at = guest ? guest + 1 : at;
    long guest_port = publish_port(at, (size_t)(end - at), false);
    if (host_port < 0 || guest_port < 0 || (host && host_len == 0))
        return false;
    if (host && host[0] == '[' && host[host_len - 1] == ']')
        host++, host_len -= 2;
    else if (host && memchr(host, ':', host_len))
        return false; /* where it ends is anybody's guess */
    m->host_port = (uint32_t)host_port;
    m->guest_port = (uint32_t)guest_port;
    if (host && !(m->address = strndup(host, host_len)))
        m->address = (char *)protobuf_c_empty_string;
    return true;
}

struct publish_set *publish_set_new(const struct opt_list *words)
{
    struct publish_set *set = calloc(1, sizeof(*set));
    if (!set || !(set->list = calloc(words->n + 1, sizeof(*set->list))) ||
        !(set->pointers = calloc(words->n + 1, sizeof(*set->pointers)))) {
        publish_set_free(set);
        cli_usage("out of memory");
        return NULL;
    }
    if (words->n == 1 && strcmp(words->items[0], "none") == 0)
        return set;
    for (size_t i = 0; i < words->n; i++) {
        Banger__V1__Publish *m = &set->list[set->n];
        banger__v1__publish__init(m);
        set->pointers[set->n++] = m;
        if (publish_parse(words->items[i], m))
            continue;
        cli_usage("--publish: \"%.60s\" is not [ADDRESS:][PORT:]GUEST_PORT, such as 8080:80 or "
                  "0.0.0.0:8080:80; TCP is what can be published",
                  words->items[i]);
        publish_set_free(set);
        return NULL;
    }
    return set;
}

const char *publish_text(const Banger__V1__Publish *m, char text[PUBLISH_TEXT_BYTES])
{
    bool v6 = strchr(m->address, ':') != NULL;
    char port[16] = "any";
    if (m->host_port)
        snprintf(port, sizeof(port), "%u", m->host_port);
    snprintf(text, PUBLISH_TEXT_BYTES, "%s%.50s%s:%s->%u", v6 ? "[" : "", m->address, v6 ? "]" : "",
             port, m->guest_port);
    return text;
}
