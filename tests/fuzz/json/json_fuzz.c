/* JSON to a message: any text, for the type with every kind of field and for some of the contract.
 * What is read is written and read again. The first byte chooses the type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "banger/json.h"
#include "banger/messages.h"
#include "types.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &banger__test__v1__types__descriptor,
        &banger__v1__vm__descriptor,
        &grpc__health__v1__health_list_response__descriptor,
    };
    struct banger_error error;
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    ProtobufCMessage *message =
        banger_message_from_json(type, (const char *)data + 1, size - 1, &error);
    char *text = message ? banger_message_to_json(message, 0, &error) : NULL;
    /* A time may be out of what can be written; all else goes back. */
    ProtobufCMessage *again =
        text ? banger_message_from_json(type, text, strlen(text), &error) : NULL;
    if (text && !again)
        abort();
    banger_message_free(again);
    free(text);
    banger_message_free(message);
    return 0;
}
