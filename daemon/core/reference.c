/* See reference.h. */
#include "daemon/core/reference.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"

enum { CANDIDATES_SHOWN = 5, DIGEST_PREFIX_MIN = sizeof("sha256:") - 1 + 12 };

static enum reference_match reference_match(const char *ref, const char *id, const char *name,
                                            const char *digest)
{
    size_t n = strlen(ref);
    if (strcmp(ref, id) == 0)
        return REFERENCE_ID;
    if (name && *ref && strcmp(ref, name) == 0)
        return REFERENCE_NAME;
    bool begins = (id_is_prefix(ref) && strncmp(ref, id, n) == 0) ||
                  (digest && n >= DIGEST_PREFIX_MIN && strncmp(ref, digest, n) == 0);
    return begins ? REFERENCE_PREFIX : REFERENCE_NONE;
}

static void reference_add(struct reference *r, const char *id, const char *name)
{
    char one[96];
    size_t used = strlen(r->candidates);
    bool named = name && *name;
    snprintf(one, sizeof(one), "%s%s%s%s%s", used ? ", " : "", id, named ? " (" : "",
             named ? name : "", named ? ")" : "");
    if (r->shown == CANDIDATES_SHOWN || used + strlen(one) >= sizeof(r->candidates))
        return;
    memcpy(r->candidates + used, one, strlen(one) + 1);
    r->shown++;
}

void reference_offer(struct reference *r, const void *thing, const char *id, const char *name,
                     const char *digest)
{
    enum reference_match match = reference_match(r->ref, id, name, digest);
    if (match == REFERENCE_NONE || match < r->best || thing == r->found)
        return;
    if (match > r->best) {
        r->best = match;
        r->found = thing;
        r->n = r->shown = 0;
        r->candidates[0] = '\0';
    }
    r->n++;
    reference_add(r, id, name);
}

void *reference_end(const struct reference *r, struct err *err)
{
    if (r->n == 1)
        return (void *)r->found;
    if (r->n > 1) {
        err_set(err, ERR_INVALID, "%.64s stands for %zu %ss: %s%s; give %s", r->ref, r->n, r->what,
                r->candidates, r->shown < r->n ? ", …" : "",
                r->best == REFERENCE_NAME ? "the id" : "more of it");
        err_tag(err, "AMBIGUOUS_REFERENCE", "%s/%.64s", r->kind, r->ref);
    } else {
        err_set(err, ERR_NOT_FOUND, "no %s %.80s%s", r->what, r->ref, r->hint ? r->hint : "");
        err_tag(err, r->not_found, "%s/%.64s", r->kind, r->ref);
    }
    return NULL;
}
