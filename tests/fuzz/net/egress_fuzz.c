/* Lines of entries: what parses has one text, and a list of them comes to ranges in order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void take(struct egress_list *list, const char *text)
{
    char once[EGRESS_TEXT_BYTES], twice[EGRESS_TEXT_BYTES];
    struct egress_entry *e = &list->at[list->n], again;
    if (egress_entry_parse(text, e, NULL) < 0)
        return;
    egress_entry_text(e, once);
    if (!egress_entry_is_valid(e) || egress_entry_parse(once, &again, NULL) < 0)
        abort();
    egress_entry_text(&again, twice);
    if (strcmp(once, twice) != 0)
        abort();
    list->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct egress_ranges ranges;
    struct egress_list list = {0};
    char *text = malloc(len + 1), *rest = text;
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    for (char *line; list.n < EGRESS_ENTRIES_MAX && (line = strsep(&rest, "\n"));)
        take(&list, line);
    free(text);
    if (egress_compile(&list, &ranges, NULL) < 0)
        return 0;
    for (size_t i = 0; i < ranges.n; i++) {
        const struct egress_range *r = &ranges.at[i];
        if (r->first > r->last || r->port > r->port_last || egress_is_closed(r->first) ||
            egress_is_closed(r->last) || (i > 0 && r->first < ranges.at[i - 1].first))
            abort();
    }
    return 0;
}
