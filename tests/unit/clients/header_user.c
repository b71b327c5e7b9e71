/* Uses every public header, and nothing else of the tree: compiled as C99 and as C++. */
#include <banger/attach.h>
#include <banger/client.h>
#include <banger/contract.h>
#include <banger/forward.h>
#include <banger/json.h>
#include <banger/local.h>
#include <banger/methods.h>
#include <banger/operation.h>
#include <banger/remote.h>

int use(void);

int use(void)
{
    struct banger_error error;
    struct banger_frame frame;
    struct banger_client *client = banger_connect_local(NULL, &error);
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    struct banger_call *call = banger_call_new();
    banger_metadata_add(banger_call_metadata(call), "x-request-id", "1", &error);
    Banger__V1__VM *vm = banger_get_vm(client, &request, call, &error);
    banger_call_free(call);
    struct banger_attach *attach = banger_attach_open(client, "x", &error);
    int result = banger_attach_next(attach, -1, &frame, &error);
    banger_message_free(vm ? &vm->base : NULL);
    banger_attach_close(attach);
    banger_close(client);
    return result;
}
