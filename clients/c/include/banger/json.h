/* Messages as text: protobuf's canonical JSON mapping
 * (https://protobuf.dev/programming-guides/json/), and the same tree as YAML. */
#ifndef BANGER_CLIENT_JSON_H
#define BANGER_CLIENT_JSON_H

#include "banger/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* lowerCamelCase names, 64-bit integers as strings, enum values by name, bytes in base64,
 * timestamps as RFC 3339, fields with their default left out, but for lists: an empty one is [], so
 * that readers can go through it; maps are objects. Fields in order of their numbers.
 * indent: spaces a level, 0 for one line. Returns text for free(), or NULL. */
char *banger_message_to_json(const ProtobufCMessage *message, int indent,
                             struct banger_error *error);
/* The same as a YAML document, ending in a newline. */
char *banger_message_to_yaml(const ProtobufCMessage *message, struct banger_error *error);

/* The other way: the message of that type which len bytes of JSON stand for, to be freed with
 * banger_message_free. Names as above or as in the .proto; 64-bit integers as numbers, too; null is
 * as if the field were not there. NULL with INVALID_ARGUMENT that names the place
 * ("spec.volumes[1].mount: …") for what is no JSON, has a name that the type has not, or a value
 * that does not fit. At most 16 MiB. */
ProtobufCMessage *banger_message_from_json(const ProtobufCMessageDescriptor *type, const char *text,
                                           size_t len, struct banger_error *error);

#ifdef __cplusplus
}
#endif

#endif
