/* libnftables; see priv_nft.h. */
#include "daemon/priv/priv_nft.h"

#include <errno.h>
#include <jansson.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_egress.h"
#include "daemon/priv/priv_pins.h"

/* The chain that tells which rules the table has: a change of them changes its name. */
#define RULES_OF "rules_4"

/* A guest's packet goes its way only from its own address (its tap has the route back), never to
 * link-local addresses, where clouds keep secrets, nor to another guest, and by its verdict: each
 * packet of a connection that it has begun, so that another verdict ends those that there are. The
 * host itself answers to what it began, and to a ping. */
static const char table_text[] =
    "add table inet banger\n"
    "add set inet banger taps { type ifname; }\n"
    "add map inet banger egress { type ifname : verdict; }\n" EGRESS_SET NAMES_SETS
    "add chain inet banger egress_all\n"
    "add chain inet banger egress_none\n"
    "add chain inet banger egress_list\n"
    "add chain inet banger egress_names\n"
    "add chain inet banger from_guest\n"
    "add chain inet banger to_guest\n"
    "add chain inet banger to_host\n" NAMES_CHAIN
    "add chain inet banger forward { type filter hook forward priority filter; policy accept; }\n"
    "add chain inet banger input { type filter hook input priority filter; policy accept; }\n"
    "add chain inet banger prerouting { type nat hook prerouting priority dstnat; }\n"
    "add chain inet banger postrouting { type nat hook postrouting priority srcnat; }\n"
    "flush table inet banger\n"
    "add rule inet banger egress_all accept\n"
    "add rule inet banger egress_none drop\n" EGRESS_RULE
    "add rule inet banger from_guest fib saddr . iif oif missing drop\n"
    "add rule inet banger from_guest ct direction reply ct state established,related accept\n"
    "add rule inet banger from_guest oifname @taps drop\n"
    "add rule inet banger from_guest ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, "
    "224.0.0.0/3 } drop\n"
    "add rule inet banger from_guest iifname vmap @egress\n"
    "add rule inet banger from_guest drop\n"
    "add rule inet banger to_guest ct state established,related accept\n"
    "add rule inet banger to_guest drop\n"
    "add rule inet banger to_host fib saddr . iif oif missing drop\n"
    "add rule inet banger to_host ct state established,related accept\n"
    "add rule inet banger to_host icmp type echo-request accept\n" NAMES_HOST_RULE
    "add rule inet banger to_host drop\n"
    "add rule inet banger forward iifname @taps jump from_guest\n"
    "add rule inet banger forward oifname @taps jump to_guest\n"
    "add rule inet banger input iifname @taps jump to_host\n" NAMES_RULES
    "add rule inet banger postrouting iifname @taps masquerade\n"
    "add chain inet banger " RULES_OF "\n";

static struct nft_ctx *context(struct err *err)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft || nft_ctx_buffer_output(nft) != 0 || nft_ctx_buffer_error(nft) != 0) {
        if (nft)
            nft_ctx_free(nft);
        err_sys(err, ENOMEM, "nftables");
        return NULL;
    }
    return nft;
}

/* The first line of what nft says is the error, the others draw where. */
static int failed(struct nft_ctx *nft, struct err *err)
{
    const char *said = nft_ctx_get_error_buffer(nft);
    if (!said || !*said)
        said = "it gives no reason";
    return err_set(err, ERR_PRECONDITION, "nftables: %.*s", (int)strcspn(said, "\n"), said);
}

int nft_run(const char *commands, struct err *err)
{
    struct nft_ctx *nft = context(err);
    if (!nft)
        return -1;
    int rc = nft_run_cmd_from_buffer(nft, commands) == 0 ? 0 : failed(nft, err);
    nft_ctx_free(nft);
    return rc;
}

int nft_table(struct err *err)
{
    int rc = nft_has_chain(RULES_OF, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return nft_run(table_text, err) < 0 ? err_wrap(err, "cannot make table inet banger") : 0;
}

/* Reading: {"nftables": [{metainfo}, {"set": {"elem": [{"elem": {"val": TAP, "comment":
 * LABEL}}]}}]} */

static json_t *read_as(const char *command, unsigned flags, struct err *err)
{
    struct nft_ctx *nft = context(err);
    json_t *answer = NULL;
    if (!nft)
        return NULL;
    nft_ctx_output_set_flags(nft, flags | NFT_CTX_OUTPUT_JSON);
    if (nft_run_cmd_from_buffer(nft, command) != 0)
        failed(nft, err);
    else if (!(answer = json_loads(nft_ctx_get_output_buffer(nft), 0, NULL)))
        err_set(err, ERR_INTERNAL, "nftables: what it lists is no JSON");
    nft_ctx_free(nft);
    return answer;
}

json_t *nft_read(const char *command, struct err *err)
{
    return read_as(command, 0, err);
}

json_t *nft_read_rules(struct err *err)
{
    return read_as("list ruleset", NFT_CTX_OUTPUT_TERSE, err);
}

json_t *nft_elements(const char *command, const char *what, json_t **answer, struct err *err)
{
    json_t *elements = NULL;
    size_t i;
    json_t *part;
    *answer = nft_read(command, err);
    json_array_foreach(json_object_get(*answer, "nftables"), i, part)
    {
        json_t *set = json_object_get(part, what);
        if (set)
            elements = json_object_get(set, "elem");
    }
    return elements;
}

static void text_of(json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

Banger__Priv__V1__Egress nft_egress_named(const char *chain)
{
    if (strcmp(chain, "egress_all") == 0)
        return BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
    if (strcmp(chain, "egress_none") == 0)
        return BANGER__PRIV__V1__EGRESS__EGRESS_NONE;
    if (strcmp(chain, "egress_list") == 0)
        return BANGER__PRIV__V1__EGRESS__EGRESS_LIST;
    if (strcmp(chain, "egress_names") == 0)
        return BANGER__PRIV__V1__EGRESS__EGRESS_NAMES;
    return BANGER__PRIV__V1__EGRESS__EGRESS_UNSPECIFIED;
}

int nft_each(void (*fn)(void *arg, const char *tap, const char *label), void *arg, struct err *err)
{
    json_t *answer = NULL, *element;
    size_t i;
    int rc = nft_has_chain("forward", err);
    if (rc <= 0)
        return rc;
    json_t *taps = nft_elements("list set inet banger taps", "set", &answer, err);
    json_array_foreach(taps, i, element)
    {
        json_t *body = json_object_get(element, "elem");
        char tap[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES];
        text_of(body, "val", tap, sizeof(tap));
        text_of(body, "comment", label, sizeof(label));
        if (tap[0])
            fn(arg, tap, label);
    }
    bool whole = answer != NULL;
    json_decref(answer);
    return whole ? 0 : err_wrap(err, "cannot list table inet banger");
}
