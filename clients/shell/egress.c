/* Where a guest may connect to, from the words of --egress and --isolated. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

void egress_words_done(struct egress_words *e)
{
    free(e->text);
    free(e->allow);
}

/* All words as one, with commas; NULL: out of memory. */
static char *egress_join(const struct opt_list *words)
{
    size_t len = 1;
    for (size_t i = 0; i < words->n; i++)
        len += strlen(words->items[i]) + 1;
    char *text = malloc(len), *at = text;
    for (size_t i = 0; text && i < words->n; i++) {
        size_t n = strlen(words->items[i]);
        memcpy(at, words->items[i], n);
        at += n;
        *at++ = ',';
    }
    if (text)
        *at = '\0';
    return text;
}

static Banger__V1__EgressMode egress_mode(const char *word)
{
    if (strcmp(word, "all") == 0)
        return BANGER__V1__EGRESS_MODE__EGRESS_MODE_ALL;
    return strcmp(word, "none") == 0 ? BANGER__V1__EGRESS_MODE__EGRESS_MODE_NONE
                                     : BANGER__V1__EGRESS_MODE__EGRESS_MODE_LIST;
}

static int egress_split(struct egress_words *e)
{
    size_t n = 0;
    for (const char *c = e->text; *c; c++)
        n += *c == ',';
    e->allow = calloc(n, sizeof(*e->allow));
    if (!e->allow)
        return cli_usage("out of memory");
    char *rest = e->text;
    for (size_t i = 0; i < n; i++)
        e->allow[i] = strsep(&rest, ",");
    e->message.mode = egress_mode(e->allow[0]);
    for (size_t i = 1; i < n; i++)
        if (egress_mode(e->allow[i]) != BANGER__V1__EGRESS_MODE__EGRESS_MODE_LIST ||
            e->message.mode != BANGER__V1__EGRESS_MODE__EGRESS_MODE_LIST)
            return cli_usage("--egress: all and none go with nothing else");
    e->message.allow = e->allow;
    e->message.n_allow = e->message.mode == BANGER__V1__EGRESS_MODE__EGRESS_MODE_LIST ? n : 0;
    return 0;
}

int egress_words_init(struct egress_words *e, const struct opt_list *words, bool isolated)
{
    *e = (struct egress_words){.given = words->n > 0 || isolated};
    banger__v1__egress__init(&e->message);
    e->message.mode = BANGER__V1__EGRESS_MODE__EGRESS_MODE_NONE;
    if (words->n == 0)
        return 0;
    e->text = egress_join(words);
    if (!e->text)
        return cli_usage("out of memory");
    int status = egress_split(e);
    if (status == 0 && isolated && e->message.mode == BANGER__V1__EGRESS_MODE__EGRESS_MODE_ALL)
        status = cli_usage("--isolated: with --egress all it would not be");
    if (status != 0)
        egress_words_done(e);
    return status;
}
