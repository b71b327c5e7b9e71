/* Writing elements, and reading them as libnftables has them: {"elem": {"val": {"concat": [TAP,
 * ADDRESSES, PROTOCOL, PORTS]}, "comment": LABEL}}; see priv_egress.h. */
#include "daemon/priv/priv_egress.h"

#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_nft.h"

static void put_addresses(FILE *out, const struct egress_range *r)
{
    char first[16], last[16];
    priv_address_text(r->first, first);
    priv_address_text(r->last, last);
    fputs(first, out);
    if (r->first != r->last)
        fprintf(out, "-%s", last);
}

void egress_add(FILE *out, const char *tap, const char *label, const struct egress_ranges *ranges)
{
    for (size_t i = 0; i < ranges->n; i++) {
        const struct egress_range *r = &ranges->at[i];
        unsigned last_protocol = r->protocol ? r->protocol : UINT8_MAX;
        fprintf(out, "add element inet banger listed { \"%s\" . ", tap);
        put_addresses(out, r);
        fprintf(out, " . %u-%u . %u", r->protocol, last_protocol, r->port);
        if (r->port != r->port_last)
            fprintf(out, "-%u", r->port_last);
        fprintf(out, " comment \"%s\" }\n", label);
    }
}

void egress_put_part(FILE *out, const json_t *part)
{
    const json_t *range = json_object_get(part, "range"), *prefix = json_object_get(part, "prefix");
    if (json_is_integer(part))
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(part));
    else if (json_is_string(part))
        fputs(json_string_value(part), out);
    else if (range) {
        egress_put_part(out, json_array_get(range, 0));
        fputc('-', out);
        egress_put_part(out, json_array_get(range, 1));
    } else if (prefix) {
        egress_put_part(out, json_object_get(prefix, "addr"));
        fputc('/', out);
        egress_put_part(out, json_object_get(prefix, "len"));
    }
}

struct walk {
    void (*fn)(void *arg, const json_t *key, const char *label);
    void *arg;
};

static int walk_set(const struct walk *w, struct err *err)
{
    json_t *answer, *element;
    size_t i;
    int rc = nft_has_chain("egress_list", err);
    if (rc <= 0)
        return rc;
    json_t *elements = nft_elements("list set inet banger listed", "set", &answer, err);
    json_array_foreach(elements, i, element)
    {
        const json_t *body = json_object_get(element, "elem");
        const json_t *key = json_object_get(json_object_get(body, "val"), "concat");
        const char *label = json_string_value(json_object_get(body, "comment"));
        if (json_is_string(json_array_get(key, 0)))
            w->fn(w->arg, key, label ? label : "");
    }
    rc = answer ? 0 : err_wrap(err, "cannot list table inet banger");
    json_decref(answer);
    return rc;
}

struct ending {
    FILE *out;
    const struct priv_owner *owner;
    const char *tap;
};

static void end_one(void *arg, const json_t *key, const char *label)
{
    const struct ending *e = arg;
    char vm_id[ID_BYTES];
    if (strcmp(json_string_value(json_array_get(key, 0)), e->tap) != 0 ||
        !priv_label_read(e->owner, label, vm_id))
        return;
    fprintf(e->out, "delete element inet banger listed { \"%s\"", e->tap);
    for (size_t i = 1; i < json_array_size(key); i++) {
        fputs(" . ", e->out);
        egress_put_part(e->out, json_array_get(key, i));
    }
    fputs(" }\n", e->out);
}

int egress_end(FILE *out, const struct priv_owner *owner, const char *tap, struct err *err)
{
    struct ending e = {out, owner, tap};
    return walk_set(&(struct walk){end_one, &e}, err);
}

struct each {
    void (*fn)(void *arg, const char *tap, const char *label);
    void *arg;
};

static void each_one(void *arg, const json_t *key, const char *label)
{
    const struct each *e = arg;
    e->fn(e->arg, json_string_value(json_array_get(key, 0)), label);
}

int egress_each(void (*fn)(void *arg, const char *tap, const char *label), void *arg,
                struct err *err)
{
    struct each e = {fn, arg};
    return walk_set(&(struct walk){each_one, &e}, err);
}
