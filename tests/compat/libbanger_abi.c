/* Prints the structs that programs make of libbanger's: sizes, and where each field is. `reserved`
 * is left out: what it gives away comes as fields. */
#include <stddef.h>
#include <stdio.h>

#include <banger/attach.h>
#include <banger/error.h>
#include <banger/local.h>
#include <banger/remote.h>

#define SIZE(type) printf("size struct " #type " %zu\n", sizeof(struct type))
#define FIELD(type, field)                                                                         \
    printf("field struct " #type " " #field " at %zu, %zu bytes\n", offsetof(struct type, field),  \
           sizeof(((struct type *)NULL)->field))

int main(void)
{
    SIZE(banger_error);
    FIELD(banger_error, code);
    FIELD(banger_error, sys);
    FIELD(banger_error, reason);
    FIELD(banger_error, resource);
    FIELD(banger_error, stage);
    FIELD(banger_error, operation_id);
    FIELD(banger_error, message);
    SIZE(banger_frame);
    FIELD(banger_frame, kind);
    FIELD(banger_frame, stream);
    FIELD(banger_frame, offset);
    FIELD(banger_frame, end);
    FIELD(banger_frame, data);
    FIELD(banger_frame, len);
    FIELD(banger_frame, reason);
    FIELD(banger_frame, session);
    FIELD(banger_frame, exit);
    FIELD(banger_frame, closed);
    FIELD(banger_frame, writer);
    SIZE(banger_context);
    FIELD(banger_context, name);
    FIELD(banger_context, target);
    FIELD(banger_context, current);
    SIZE(banger_local_daemon);
    FIELD(banger_local_daemon, pid);
    FIELD(banger_local_daemon, ending);
    FIELD(banger_local_daemon, socket);
    FIELD(banger_local_daemon, version);
    return 0;
}
