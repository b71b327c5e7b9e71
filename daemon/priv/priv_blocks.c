/* Reading the ruleset of others; see priv_blocks.h. iptables-legacy has tables of its own
 * (priv_legacy.h). */
#include "daemon/priv/priv_blocks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_legacy.h"
#include "daemon/priv/priv_nft.h"

static const char *text_at(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Its names go into commands: what is not made of these is nobody's that we know. */
static bool is_plain(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return *name && strspn(name, plain) == strlen(name) && strlen(name) < NFT_NAME_BYTES;
}

static bool is_of(json_t *part, json_t *chain)
{
    return strcmp(text_at(part, "family"), text_at(chain, "family")) == 0 &&
           strcmp(text_at(part, "table"), text_at(chain, "table")) == 0;
}

enum verdict { UNDECIDED, ACCEPTS, DROPS };
enum { VISITS_MAX = 1000 };

/* iptables-nft's comments narrow nothing, and its REJECT is one. */
static bool is_xt(json_t *statement, const char *type, const char *name)
{
    json_t *xt = json_object_get(statement, "xt");
    return xt && strcmp(text_at(xt, "type"), type) == 0 && strcmp(text_at(xt, "name"), name) == 0;
}

static bool is_taps(json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), "bg*") == 0;
}

/* Is it of all taps, or of all that IPv4 has? */
static bool is_of_guests(json_t *match)
{
    const char *key = text_at(json_object_get(json_object_get(match, "left"), "meta"), "key");
    json_t *each, *right = json_object_get(match, "right");
    size_t i;
    bool taps = is_taps(right);
    json_array_foreach(json_object_get(right, "set"), i, each) taps |= is_taps(each);
    return strcmp(text_at(match, "op"), "==") == 0 &&
           ((strcmp(key, "iifname") == 0 && taps) ||
            (strcmp(key, "nfproto") == 0 && strcmp(text_at(match, "right"), "ipv4") == 0));
}

/* Neither narrows nor decides, for what comes from a tap. */
static bool is_nothing(json_t *statement)
{
    json_t *match = json_object_get(statement, "match");
    return json_object_get(statement, "counter") || json_object_get(statement, "log") ||
           json_object_get(statement, "mangle") || is_xt(statement, "match", "comment") ||
           is_xt(statement, "target", "LOG") || (match && is_of_guests(match));
}

struct walk {
    json_t *list, *base; /* a chain of the table that is walked */
    unsigned visits;
};

static enum verdict walk_chain(struct walk *w, const char *name);

/* What a rule does with a guest's packet that nobody has named. *leaves: it ends the chain with it;
 * may_leave: packets like it may have left the chain before. */
static enum verdict walk_rule(struct walk *w, json_t *rule, bool *may_leave, bool *leaves)
{
    json_t *each, *to, *all = json_object_get(rule, "expr");
    size_t i;
    json_array_foreach(all, i, each)
    {
        enum verdict v = UNDECIDED;
        if (json_object_get(each, "accept"))
            return ACCEPTS;
        if (json_object_get(each, "drop") || json_object_get(each, "reject") ||
            is_xt(each, "target", "REJECT"))
            return *leaves = true, *may_leave ? UNDECIDED : DROPS;
        if ((to = json_object_get(each, "jump")) || (to = json_object_get(each, "goto")))
            v = walk_chain(w, text_at(to, "target"));
        if (v == DROPS && *may_leave)
            v = UNDECIDED;
        *leaves = json_object_get(each, "return") || json_object_get(each, "goto");
        if (v != UNDECIDED || *leaves)
            return v;
        if (!to && !is_nothing(each)) {
            each = json_array_get(all, json_array_size(all) - 1);
            *may_leave |= json_object_get(each, "return") != NULL;
            return UNDECIDED; /* it is for some packets alone */
        }
    }
    return UNDECIDED;
}

static enum verdict walk_chain(struct walk *w, const char *name)
{
    json_t *part;
    size_t i;
    bool may_leave = false, leaves = false;
    enum verdict verdict = UNDECIDED;
    if (++w->visits > VISITS_MAX)
        return UNDECIDED;
    json_array_foreach(w->list, i, part)
    {
        json_t *rule = json_object_get(part, "rule");
        if (!rule || !is_of(rule, w->base) || strcmp(text_at(rule, "chain"), name) != 0)
            continue;
        verdict = walk_rule(w, rule, &may_leave, &leaves);
        if (verdict != UNDECIDED || leaves)
            break;
    }
    return verdict;
}

/* Whether the chain drops what comes from taps and nobody has named. */
static bool blocks(json_t *list, json_t *chain, struct nft_block *b)
{
    struct walk w = {list, chain, 0};
    enum verdict verdict = walk_chain(&w, text_at(chain, "name"));
    *b = (struct nft_block){.input = strcmp(text_at(chain, "hook"), "input") == 0};
    snprintf(b->family, sizeof(b->family), "%s", text_at(chain, "family"));
    snprintf(b->table, sizeof(b->table), "%s", text_at(chain, "table"));
    snprintf(b->chain, sizeof(b->chain), "%s", text_at(chain, "name"));
    return verdict == DROPS ||
           (verdict == UNDECIDED && strcmp(text_at(chain, "policy"), "drop") == 0);
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
    json_t *part, *answer = nft_read_rules(err);
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
