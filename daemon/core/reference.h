/* What a user means by a reference: an id, a name, or the beginning of an id (or, for what has a
 * digest, of that), in this order of precedence. Who keeps the things offers those that the caller
 * may see (scope.h), each once; this decides, or tells what it may stand for.
 *
 *     struct reference r = {.ref = ref, .what = "VM", .kind = "vm", .not_found = "VM_NOT_FOUND"};
 *     for (...)
 *         reference_offer(&r, e, vm->id, vm->name, NULL);
 *     return reference_end(&r, err);
 */
#ifndef BANGER_DAEMON_CORE_REFERENCE_H
#define BANGER_DAEMON_CORE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum reference_match { REFERENCE_NONE, REFERENCE_PREFIX, REFERENCE_NAME, REFERENCE_ID };

struct reference {
    const char *ref;       /* borrowed, as all texts here */
    const char *what;      /* "VM": one, as texts call it; several have an "s" */
    const char *kind;      /* "vm": of the resource in errors */
    const char *not_found; /* the reason in errors */
    const char *hint;      /* behind "no VM box"; NULL: nothing */

    enum reference_match best;
    const void *found;
    size_t n, shown;      /* of the best kind of match; of those in candidates */
    char candidates[320]; /* "id (name), id (name)": a few, none cut */
};

/* Holds one thing against the reference; what has been found may come again. Who looks things up by
 * id and by name before offering all may stop as soon as n tells of something. name and digest may
 * be NULL or "". */
void reference_offer(struct reference *r, const void *thing, const char *id, const char *name,
                     const char *digest);
/* What is meant, or NULL with ERR_INVALID (AMBIGUOUS_REFERENCE, with candidates) or ERR_NOT_FOUND.
 * err may be NULL. */
void *reference_end(const struct reference *r, struct err *err);

#endif
