/* Messages as a tree of jansson values, from which JSON and YAML are written. Not installed. */
#ifndef BANGER_CLIENT_JSON_TREE_H
#define BANGER_CLIENT_JSON_TREE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

struct banger_error;

/* New reference, or NULL. */
json_t *json_tree_of_message(const ProtobufCMessage *message, struct banger_error *error);
/* Text for free(), or NULL when out of memory. */
char *yaml_of_tree(const json_t *tree);

#endif
