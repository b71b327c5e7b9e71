/* What an operation on images was asked for, in its row: JSON with the ids that it is going to
 * make, written down before there is anything ("makes": unlisted.h), and its own members. On the
 * loop's thread. */
#ifndef BANGER_DAEMON_CORE_IMAGE_IMAGE_PARAMS_H
#define BANGER_DAEMON_CORE_IMAGE_IMAGE_PARAMS_H

#include <jansson.h>
#include <stddef.h>

#include "base/id.h"
#include "daemon/core/operation/operation.h"

/* The caller's; NULL where the row has none. */
json_t *image_params_read(const struct operation_entry *op);
/* A text of theirs; "" where it is not there. */
void image_params_text(const json_t *params, const char *key, char *out, size_t size);
/* The id that it gives to what it makes of that type ("image", "kernel"), or NULL. */
const char *image_params_made(const json_t *params, const char *type, char id[ID_BYTES]);

#endif
