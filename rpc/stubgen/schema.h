/* The request seen as one schema: messages by full name, lines of source. Everything is borrowed
 * from the request, which must live longer. */
#ifndef BANGER_RPC_STUBGEN_SCHEMA_H
#define BANGER_RPC_STUBGEN_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"
#include "google/protobuf/compiler/plugin.pb-c.h"

/* Short names for protobuf-c's, which are typedefs themselves. */
typedef Google__Protobuf__FileDescriptorProto proto_file;
typedef Google__Protobuf__DescriptorProto proto_message;
typedef Google__Protobuf__FieldDescriptorProto proto_field;
typedef Google__Protobuf__EnumDescriptorProto proto_enum;
typedef Google__Protobuf__ServiceDescriptorProto proto_service;
typedef Google__Protobuf__MethodDescriptorProto proto_method;
typedef Google__Protobuf__Compiler__CodeGeneratorRequest proto_request;

/* Where in its file a thing stands: field numbers and indices from the file down, as
 * SourceCodeInfo.Location.path has it. */
enum { SCHEMA_PATH_MAX = 64 };

struct schema_path {
    int steps[SCHEMA_PATH_MAX];
    size_t n;
};

enum { VISIT_NEW, VISIT_OPEN, VISIT_DONE };

struct schema_message {
    char *full_name; /* owned; with the leading dot, as type names have it */
    const proto_file *file;
    const proto_message *proto;
    struct schema_path path;
    int visit; /* VISIT_*, for check.c's search */
};

struct schema {
    struct schema_message **messages; /* owned; in order of the files, parents first */
    size_t n_messages, cap;
    struct map by_name;
};

/* 0, or -1 when out of memory or nested deeper than SCHEMA_PATH_MAX. */
int schema_init(struct schema *s, const proto_request *request);
void schema_done(struct schema *s);
/* By type name with the leading dot; NULL for enums. */
struct schema_message *schema_find(const struct schema *s, const char *type_name);

struct schema_path schema_path_add(struct schema_path path, int field_number, size_t index);
/* Line from 1, of the thing or of what encloses it; 0 if the file has none. */
int schema_line(const proto_file *file, struct schema_path path);
bool schema_is_generated(const proto_request *request, const proto_file *file);
/* package is banger or banger.… */
bool schema_is_ours(const proto_file *file);

#endif
