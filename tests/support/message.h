/* Protobuf messages with something in every field, by their descriptors. */
#ifndef BANGER_TESTS_MESSAGE_H
#define BANGER_TESTS_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* No field is at its default; of a oneof the first is set, of lists there is one element. Numbers
 * are 1, which is a value of every enum. protobuf_c_message_free_unpacked is due. */
ProtobufCMessage *message_new_filled(const ProtobufCMessageDescriptor *of);
/* Calls fn for each field at its default, within other messages too: "VMSpec.image". Of a oneof
 * for the oneof, if none is set. */
void message_each_missing(const ProtobufCMessage *m, void (*fn)(void *arg, const char *name),
                          void *arg);

#endif
