/* A call of FileService: one RPC over one tool in the guest (agent/tool_files.h).
 *
 * Out: what the tool writes is sent at once; its bytes are granted again when the RPC stream takes
 * more. In: a chunk that the tool does not take yet is the only one that is kept; until it is gone
 * nothing is read from the client. When either end goes the other does. */
#ifndef BANGER_DAEMON_SERVICE_FILE_CALL_H
#define BANGER_DAEMON_SERVICE_FILE_CALL_H

#include "banger/agent/v1/file.pb.h"
#include "banger/v1/file.pb-c.h"
#include "base/buf.h"
#include "daemon/core/session/guest_tool.h"
#include "rpc/event/loop.h"

#define FILE_PB(message)         banger_agent_v1_##message
#define FILE_TAG(message, field) banger_agent_v1_##message##_##field##_tag

enum {
    FILE_MESSAGE_MAX_BYTES = 10 * 1024, /* of a tool's messages */
    FILE_PATH_BYTES = 4096,
    FILE_CHUNK_MAX_BYTES = 256 * 1024, /* a client's */
    FILE_OPEN_WITHIN_MS = 10 * 1000,
    FILE_SHA256_BYTES = 32,
};

struct core;
struct err;
struct file_call;
struct rpc_call;

/* What the methods differ in. */
struct file_kind {
    /* A message of the tool's. */
    void (*reply)(struct file_call *f, const FILE_PB(FileReply) * reply);
    /* What follows once file_call_raw was called. */
    void (*raw)(struct file_call *f, const uint8_t *data, size_t len);
    /* The tool has done what it was to: the last word to the client. NULL: there has to have been
     * one. */
    void (*ended)(struct file_call *f);
    /* A message of the client's; where it streams. -1 with err. */
    int (*message)(struct file_call *f, const ProtobufCMessage *message, struct err *err);
};

struct file_call {
    struct core *core;
    struct rpc_call *call; /* counted */
    const struct file_kind *kind;
    struct guest_tool *tool;    /* NULL: not run yet, or over */
    struct timer late;          /* while there is no Open */
    char path[FILE_PATH_BYTES]; /* for errors */
    struct buf in;              /* of the tool's, not whole yet */
    struct buf out;             /* a request for it */
    bool raw, over, client_done, finished, began;
    uint32_t owed_bytes;
    uint64_t offset;                  /* of the content that goes by */
    ProtobufCMessage *waiting;        /* owned: a client's message with a chunk */
    const ProtobufCBinaryData *chunk; /* of it */
    size_t chunk_at;
    bool with_sha256;
    uint8_t held[FILE_SHA256_BYTES]; /* the last bytes, which may be the digest */
    size_t n_held;
};

/* NULL: the call was finished. */
struct file_call *file_call_new(struct core *core, struct rpc_call *call,
                                const struct file_kind *kind);
/* A request that is one message: looks for its VM, and runs the tool. argv is without options that
 * the request does not ask for. */
struct file_args {
    const char *argv[GUEST_TOOL_ARGS];
    size_t n;
    char numbers[3][48];
};
void file_args_add(struct file_args *a, const char *arg);
/* NULL or "": nothing is added. */
void file_args_add_value(struct file_args *a, const char *option, const char *value);
/* Runs it, after "--" and the path; -1 with err. request: sent to it first, may be NULL. */
int file_call_run(struct file_call *f, const char *vm, const char *user, const char *path,
                  struct file_args *args, const FILE_PB(FileCall) * request, struct err *err);
/* The same, ends the call where that fails. */
void file_call_start(struct file_call *f, const char *vm, const char *user, const char *path,
                     struct file_args *args, const FILE_PB(FileCall) * request);
/* Ends the call for what is wrong with its request; that there is no such VM goes before. */
void file_call_refuse(struct file_call *f, const char *vm, const struct err *err);
/* From now on what the tool writes is no message. */
void file_call_raw(struct file_call *f);
/* The client's chunk goes to the tool; message is taken from the call. */
int file_call_give(struct file_call *f, const ProtobufCBinaryData *chunk, struct err *err);
/* The tool can take what the client sends. */
void file_call_begin(struct file_call *f);
/* Ends the call; NULL: it went well. */
void file_call_end(struct file_call *f, const struct err *err);
/* For what could not be sent. */
void file_call_full(struct file_call *f);
/* A client's stream that waits for Open. */
void file_call_expect(struct file_call *f);

/* What the tool says of a file, as the client is told it. */
struct file_view {
    Banger__V1__FileInfo info;
    Google__Protobuf__Timestamp modified;
    char path[FILE_PATH_BYTES + 1], link[FILE_PATH_BYTES + 1], owner[64], group[64];
};
void file_view_fill(struct file_view *v, const FILE_PB(FileInfo) * info);
/* Bytes of a guest as text: valid UTF-8. */
void file_view_text(char to[FILE_PATH_BYTES + 1], const uint8_t *bytes, size_t len);
/* A path for a nanopb field; -1 with err: too long. */
#define FILE_SET_PATH(field, text, err) file_set_path((field).bytes, &(field).size, (text), (err))
int file_set_path(uint8_t *bytes, uint16_t *size, const char *text, struct err *err);

/* file_content.c, file_tree.c: handlers of the service. */
void file_service_read(void *self, struct rpc_call *call,
                       const Banger__V1__ReadFileRequest *request);
void file_service_write(void *self, struct rpc_call *call);
void file_service_pull(void *self, struct rpc_call *call,
                       const Banger__V1__PullTreeRequest *request);
void file_service_push(void *self, struct rpc_call *call);
void file_service_watch(void *self, struct rpc_call *call,
                        const Banger__V1__WatchFilesRequest *request);

#endif
