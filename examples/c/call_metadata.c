/* Sends metadata with a call, and prints what came beside the answer.
 *
 *   call_metadata TARGET VM KEY=VALUE...
 *
 * Values of keys that end in "-bin" are bytes; they are printed in hexadecimal. */
#include <stdio.h>
#include <string.h>

#include <banger/methods.h>

static bool ends_in_bin(const char *key)
{
    size_t len = strlen(key);
    return len >= 4 && strcmp(key + len - 4, "-bin") == 0;
}

static int add(struct banger_metadata *metadata, char *pair, struct banger_error *error)
{
    char *value = strchr(pair, '=');
    if (!value)
        value = pair + strlen(pair);
    else
        *value++ = '\0';
    if (ends_in_bin(pair))
        return banger_metadata_add_bytes(metadata, pair, value, strlen(value), error);
    return banger_metadata_add(metadata, pair, value, error);
}

static void print(const char *kind, const struct banger_metadata *metadata)
{
    const char *key, *value;
    size_t len;
    for (size_t i = 0; banger_metadata_entry(metadata, i, &key, &value, &len); i++) {
        printf("%-7s %s: ", kind, key);
        if (!ends_in_bin(key))
            printf("%s", value);
        else
            for (size_t k = 0; k < len; k++)
                printf("%02x", (unsigned char)value[k]);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (argc < 3)
        return 2;
    struct banger_client *client = banger_connect(argv[1], &error);
    struct banger_call *call = banger_call_new();
    int status = client && call ? 0 : 1;
    for (int i = 3; i < argc && status == 0; i++)
        status = add(banger_call_metadata(call), argv[i], &error) < 0;
    if (status == 0) {
        Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
        request.vm = argv[2];
        Banger__V1__VM *vm = banger_get_vm(client, &request, call, &error);
        status = vm == NULL; /* an error has metadata as well */
        print("header", banger_call_headers(call));
        print("trailer", banger_call_trailers(call));
        banger_message_free(vm ? &vm->base : NULL);
    }
    if (status)
        fprintf(stderr, "%s\n", call ? error.message : "no memory");
    banger_call_free(call);
    banger_close(client);
    return status;
}
