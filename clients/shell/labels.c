/* Labels from "key=value" words. */
#include <stdlib.h>

#include "vm.h"

void label_set_free(struct label_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++) {
        free(set->list[i]->key); /* value is in the same block */
        free(set->list[i]);
    }
    free(set->list);
    free(set);
}

struct label_set *label_set_new(const char *option, const struct opt_list *words)
{
    struct label_set *set = calloc(1, sizeof(*set));
    if (!set || !(set->list = calloc(words->n + 1, sizeof(*set->list)))) {
        free(set);
        cli_usage("out of memory");
        return NULL;
    }
    for (size_t i = 0; i < words->n; i++) {
        Banger__V1__Label *label = malloc(sizeof(*label));
        char *value, *key = label ? split_pair(words->items[i], &value) : NULL;
        if (!key) {
            free(label);
            label_set_free(set);
            cli_usage("%s: \"%.60s\" is not KEY=VALUE", option, words->items[i]);
            return NULL;
        }
        banger__v1__label__init(label);
        label->key = key;
        label->value = value;
        set->list[set->n++] = label;
    }
    return set;
}
