/* Fields of messages by name: what --format and --filter speak of. A name is a path of field names
 * with points between, as -o json has them ("runtime.state"), in any case; labels are reached by
 * their key ("labels.env"). */
#ifndef BANGER_SHELL_FIELDS_H
#define BANGER_SHELL_FIELDS_H

#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

/* Writes the field as text: enums as words, times as RFC 3339, messages as JSON, lists with commas.
 * Nothing for what is not set. -1: messages of the type have no such field. */
int fields_write(FILE *out, const ProtobufCMessage *message, const char *path, size_t len);
/* The template with each {PATH} replaced, \n and \t too, and a newline at its end. -1: as above, of
 * which *wrong is the path's beginning and *wrong_len its length. */
int fields_format(FILE *out, const ProtobufCMessage *message, const char *format,
                  const char **wrong, size_t *wrong_len);

#endif
