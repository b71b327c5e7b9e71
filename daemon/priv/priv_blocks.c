/* Reading the ruleset of others; see priv_blocks.h. iptables-legacy has tables of its own
 * (priv_legacy.h). */
#include "daemon/priv/priv_blocks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_legacy.h"
#include "daemon/priv/priv_nft.h"

static const char user_chain[] = "DOCKER-USER", comment[] = "banger";

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

/* A drop or reject of all that comes to it, as firewalld ends its chain with. */
static bool drops_all(json_t *rule)
{
    json_t *each, *all = json_object_get(rule, "expr");
    size_t i;
    bool drops = false;
    json_array_foreach(all, i, each)
    {
        if (json_object_get(each, "drop") || json_object_get(each, "reject"))
            drops = true;
        else if (!json_object_get(each, "counter"))
            return false;
    }
    return drops;
}

/* Whether the chain drops what it does not know, and has no exception of ours. */
static bool blocks(json_t *list, json_t *chain, struct nft_block *b)
{
    json_t *part, *last = NULL;
    size_t i;
    bool excepted = false;
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
        bool here = strcmp(text_at(rule, "chain"), b->chain) == 0;
        if (here)
            last = rule;
        excepted |= (here || strcmp(text_at(rule, "chain"), b->open_at) == 0) &&
                    strcmp(text_at(rule, "comment"), comment) == 0;
    }
    return !excepted &&
           (strcmp(text_at(chain, "policy"), "drop") == 0 || (last && drops_all(last)));
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
    if (legacy_drops_forward() && len < sizeof(chains))
        len += (size_t)snprintf(chains + len, sizeof(chains) - len, "%sFORWARD of iptables-legacy",
                                len ? ", " : "");
    if (len == 0)
        return 0;
    err_set(err, ERR_PRECONDITION, "another's firewall drops what guests with taps send: chain %s",
            chains);
    return err_tag(err, "FORWARD_DROPPED", NULL);
}
