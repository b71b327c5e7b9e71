/* Reading the ruleset of others; see priv_blocks.h. iptables-legacy has tables of its own
 * (priv_legacy.h). */
#include "daemon/priv/priv_blocks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_legacy.h"
#include "daemon/priv/priv_nft.h"

static const char user_chain[] = "DOCKER-USER";

static const char *text_at(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Its names go into commands: what is not made of these is nobody's that we know. */
static bool is_plain(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return *name && strspn(name, plain) == strlen(name) && strlen(name) < NFT_NAME_BYTES;
}

static bool is_of(json_t *part, json_t *chain)
{
    return strcmp(text_at(part, "family"), text_at(chain, "family")) == 0 &&
           strcmp(text_at(part, "table"), text_at(chain, "table")) == 0;
}

enum verdict { UNDECIDED, ACCEPTS, DROPS };

/* iptables-nft's comments narrow nothing, and its REJECT is one. */
static bool is_xt(json_t *statement, const char *type, const char *name)
{
    json_t *xt = json_object_get(statement, "xt");
    return xt && strcmp(text_at(xt, "type"), type) == 0 && strcmp(text_at(xt, "name"), name) == 0;
}

static bool is_of_taps(json_t *statement)
{
    json_t *match = json_object_get(statement, "match");
    json_t *meta = json_object_get(json_object_get(match, "left"), "meta");
    return meta && strcmp(text_at(meta, "key"), "iifname") == 0 &&
           strcmp(text_at(match, "op"), "==") == 0 && strcmp(text_at(match, "right"), "bg*") == 0;
}

/* For a packet of a guest that nobody has named: what a rule for all says, or one (*of_taps) that
 * lets all taps through. */
static enum verdict verdict_of(json_t *rule, bool *of_taps)
{
    json_t *each, *all = json_object_get(rule, "expr");
    size_t i;
    bool narrow = false;
    enum verdict verdict = UNDECIDED;
    *of_taps = false;
    json_array_foreach(all, i, each)
    {
        if (json_object_get(each, "drop") || json_object_get(each, "reject") ||
            is_xt(each, "target", "REJECT"))
            verdict = DROPS;
        else if (json_object_get(each, "accept"))
            verdict = ACCEPTS;
        else if (is_of_taps(each))
            *of_taps = true;
        else if (!json_object_get(each, "counter") && !is_xt(each, "match", "comment"))
            narrow = true;
    }
    if (*of_taps)
        return verdict == ACCEPTS ? ACCEPTS : UNDECIDED;
    return narrow ? UNDECIDED : verdict;
}

static bool has_hook(json_t *list, json_t *rule)
{
    json_t *part;
    size_t i;
    json_array_foreach(list, i, part)
    {
        json_t *chain = json_object_get(part, "chain");
        if (chain && is_of(chain, rule) &&
            strcmp(text_at(chain, "name"), text_at(rule, "chain")) == 0)
            return json_object_get(chain, "hook");
    }
    return false;
}

/* Whether the chain drops what it does not know, and lets no taps through; nor does another of its
 * table that one can jump to. */
static bool blocks(json_t *list, json_t *chain, struct nft_block *b)
{
    json_t *part;
    size_t i;
    bool of_taps, elsewhere = false;
    enum verdict verdict = UNDECIDED;
    *b = (struct nft_block){.input = strcmp(text_at(chain, "hook"), "input") == 0};
    snprintf(b->family, sizeof(b->family), "%s", text_at(chain, "family"));
    snprintf(b->table, sizeof(b->table), "%s", text_at(chain, "table"));
    snprintf(b->chain, sizeof(b->chain), "%s", text_at(chain, "name"));
    snprintf(b->open_at, sizeof(b->open_at), "%s", b->chain);
    json_array_foreach(list, i, part)
    {
        json_t *rule = json_object_get(part, "rule"), *other = json_object_get(part, "chain");
        if (other && !b->input && is_of(other, chain) &&
            strcmp(text_at(other, "name"), user_chain) == 0)
            snprintf(b->open_at, sizeof(b->open_at), "%s", user_chain);
        if (!rule || !is_of(rule, chain))
            continue;
        enum verdict here = verdict_of(rule, &of_taps);
        if (strcmp(text_at(rule, "chain"), b->chain) != 0)
            elsewhere |= here == ACCEPTS && of_taps && !has_hook(list, rule);
        else if (verdict == UNDECIDED)
            verdict = here;
    }
    if (verdict == UNDECIDED && strcmp(text_at(chain, "policy"), "drop") == 0)
        verdict = DROPS;
    return verdict == DROPS && !elsewhere;
}

static bool is_others(json_t *chain)
{
    const char *family = text_at(chain, "family"), *table = text_at(chain, "table"),
               *hook = text_at(chain, "hook");
    return (strcmp(hook, "forward") == 0 || strcmp(hook, "input") == 0) &&
           (strcmp(family, "ip") == 0 || strcmp(family, "inet") == 0) &&
           strcmp(table, "banger") != 0 && is_plain(table) && is_plain(text_at(chain, "name"));
}

int nft_find_blocks(struct nft_block found[PRIV_BLOCKS_MAX], size_t *n, struct err *err)
{
    json_t *part, *answer = nft_read("list ruleset", err);
    json_t *list = json_object_get(answer, "nftables");
    size_t i;
    *n = 0;
    if (!answer)
        return -1;
    json_array_foreach(list, i, part)
    {
        json_t *chain = json_object_get(part, "chain");
        if (*n < PRIV_BLOCKS_MAX && chain && is_others(chain) && blocks(list, chain, &found[*n]))
            ++*n;
    }
    json_decref(answer);
    return 0;
}

int priv_check_forward(bool names, struct err *err)
{
    struct nft_block found[PRIV_BLOCKS_MAX];
    char chains[160] = "";
    size_t n, len = 0;
    if (nft_find_blocks(found, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n && len < sizeof(chains); i++)
        if (names || !found[i].input)
            len +=
                (size_t)snprintf(chains + len, sizeof(chains) - len, "%s%s %s %s", len ? ", " : "",
                                 found[i].family, found[i].table, found[i].chain);
    if (legacy_drops(false) && len < sizeof(chains))
        len += (size_t)snprintf(chains + len, sizeof(chains) - len, "%sFORWARD of iptables-legacy",
                                len ? ", " : "");
    if (names && legacy_drops(true) && len < sizeof(chains))
        len += (size_t)snprintf(chains + len, sizeof(chains) - len, "%sINPUT of iptables-legacy",
                                len ? ", " : "");
    if (len == 0)
        return 0;
    err_set(err, ERR_PRECONDITION, "another's firewall drops what guests with taps send: chain %s",
            chains);
    return err_tag(err, "FORWARD_DROPPED", NULL);
}
