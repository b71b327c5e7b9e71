/* Questions to a google.protobuf.FileDescriptorSet as protoc writes it.
 *
 * Nothing is unpacked: the set is some ten kilobytes, the questions are rare, and so each of them
 * walks the bytes. What comes back points into the set. */
#ifndef BANGER_RPC_REFLECTION_DESCRIPTORS_H
#define BANGER_RPC_REFLECTION_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum { DESCRIPTORS_MAX_FILES = 256 };

/* Not terminated. */
struct slice {
    const uint8_t *data;
    size_t len;
};

struct descriptors {
    struct slice files[DESCRIPTORS_MAX_FILES]; /* FileDescriptorProto each */
    size_t n_files;
};

/* The set is borrowed. -1: it is malformed, or has too many files. */
int descriptors_init(struct descriptors *d, const void *set, size_t len, struct err *err);

/* Index of the file, or -1. */
int descriptors_file_by_name(const struct descriptors *d, const char *name);
/* Full name of a service, method, message, field, enum or enum value. */
int descriptors_file_of_symbol(const struct descriptors *d, const char *symbol);
int descriptors_file_of_extension(const struct descriptors *d, const char *type, int32_t number);
/* Writes the numbers of at most n extensions of a message; returns how many there are. */
size_t descriptors_extensions(const struct descriptors *d, const char *type, int32_t *numbers,
                              size_t n);
/* The file and all it imports, each once, into to[DESCRIPTORS_MAX_FILES]; returns their number. */
size_t descriptors_closure(const struct descriptors *d, int file, struct slice *to);
/* Calls visit for each service with its full name, until that returns -1. */
int descriptors_each_service(const struct descriptors *d, int (*visit)(void *arg, const char *name),
                             void *arg);

#endif
