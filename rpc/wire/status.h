/* struct err <-> the status trailers: grpc-status, grpc-message, grpc-status-details-bin.
 *
 * Details are a google.rpc.Status with one banger.v1.ErrorInfo as google.protobuf.Any; these few
 * fields are written and read by hand, so that rpc/ needs no generated code. */
#ifndef BANGER_RPC_WIRE_STATUS_H
#define BANGER_RPC_WIRE_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum {
    STATUS_MESSAGE_BYTES = 3 * 512, /* every byte of err.message escaped */
    STATUS_PROTO_BYTES = 1024,      /* google.rpc.Status of any struct err */
    STATUS_DETAILS_BYTES = 1024 / 3 * 4 + 4,
};

struct status_text {
    char code[4];
    size_t code_len;
    char message[STATUS_MESSAGE_BYTES];
    size_t message_len;
    char details[STATUS_DETAILS_BYTES];
    size_t details_len;
};

/* Fills the values of the three trailers. */
void status_format(struct status_text *t, const struct err *e);
/* Code from grpc-status; ERR_UNKNOWN for what is no code. */
void status_parse_code(struct err *e, const char *text, size_t len);
/* Message from grpc-message; a bad escape stays as it is, text is cut to fit. */
void status_parse_message(struct err *e, const char *text, size_t len);
/* Reason, resource and stage from the decoded grpc-status-details-bin; nonsense is ignored. */
void status_parse_details(struct err *e, const uint8_t *data, size_t len);
/* What the gRPC spec makes of an HTTP status without a grpc-status (http-grpc-status-mapping.md).
 */
void status_of_http(struct err *e, int http_status);
/* What it makes of an RST_STREAM error code (PROTOCOL-HTTP2.md, "Errors"). */
void status_of_reset(struct err *e, uint32_t error_code);

#endif
