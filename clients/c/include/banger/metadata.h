/* What travels beside a call's messages: keys with values, in order, a key as often as one likes.
 * Part of libbanger; see banger/client.h.
 *
 *   banger_metadata_add(banger_call_metadata(call), "x-request-id", "4711", &error);
 *   ...
 *   const char *by = banger_metadata_find(banger_call_trailers(call), "served-by", 0, NULL);
 *
 * It belongs to the client, call, attach or stream that it was asked of, and goes with that.
 *
 * Keys have a-z, 0-9, "_", "-" and ".", no capitals. Where one ends in "-bin" its values are any
 * bytes; else they are printable ASCII, whose blanks at both ends do not count. Keys of HTTP's and
 * of gRPC's own ("grpc-…") are refused. A call takes 32 entries, and as many bytes as its server
 * says (banger's: 16 KiB, headers of HTTP's included). */
#ifndef BANGER_CLIENT_METADATA_H
#define BANGER_CLIENT_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "banger/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_metadata;

/* Adds a value, which is copied, behind those that the key has. INVALID_ARGUMENT says what is wrong
 * with it; RESOURCE_EXHAUSTED: no memory, or too much. */
int banger_metadata_add(struct banger_metadata *metadata, const char *key, const char *value,
                        struct banger_error *error);
/* The same for a key that ends in "-bin". */
int banger_metadata_add_bytes(struct banger_metadata *metadata, const char *key, const void *value,
                              size_t len, struct banger_error *error);
/* Takes the key away with all of its values; NULL: all there is. */
void banger_metadata_remove(struct banger_metadata *metadata, const char *key);

/* Reading. NULL for the metadata is an empty one. Keys and values are borrowed until it changes;
 * behind a value is a NUL that its length does not count. */

/* How many entries there are. */
size_t banger_metadata_count(const struct banger_metadata *metadata);
/* Entry number i, from 0 on: false when there are no so many. len may be NULL.
 *
 *   for (size_t i = 0; banger_metadata_entry(metadata, i, &key, &value, &len); i++) */
bool banger_metadata_entry(const struct banger_metadata *metadata, size_t i, const char **key,
                           const char **value, size_t *len);
/* Value number i, from 0 on, of a key; NULL: it has no so many. len may be NULL. */
const char *banger_metadata_find(const struct banger_metadata *metadata, const char *key, size_t i,
                                 size_t *len);

#ifdef __cplusplus
}
#endif

#endif
