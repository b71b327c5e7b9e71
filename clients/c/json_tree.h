/* Messages as a tree of jansson values, from which JSON and YAML are written, and names. Not
 * installed. */
#ifndef BANGER_CLIENT_JSON_TREE_H
#define BANGER_CLIENT_JSON_TREE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>

struct banger_error;

enum { JSON_NAME_BYTES = 128 };

/* snake_case -> lowerCamelCase, as protoc makes json_name. */
void json_name(char out[JSON_NAME_BYTES], const char *name);
/* A map<…>: of an entry type within type, as protoc makes it for one. */
bool json_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field);

/* New reference, or NULL. */
json_t *json_tree_of_message(const ProtobufCMessage *message, struct banger_error *error);
/* Text for free(), or NULL when out of memory. */
char *yaml_of_tree(const json_t *tree);

#endif
