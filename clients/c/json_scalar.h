/* Single values of protobuf's JSON mapping, read. Not installed. All are exact: what does not fit
 * the type, or has anything behind it, is none. */
#ifndef BANGER_CLIENT_JSON_SCALAR_H
#define BANGER_CLIENT_JSON_SCALAR_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* A number, or a text of one, in the range of an integer type; *bits: its two's complement. */
bool scalar_integer(const json_t *value, ProtobufCType type, uint64_t *bits);
/* A number, a text of one, "NaN", "Infinity" or "-Infinity". */
bool scalar_real(const json_t *value, double *real);
/* RFC 3339 with any offset, years 1 to 9999. */
bool scalar_time(const char *text, int64_t *seconds, int32_t *nanos);
/* What a type is called in errors: "a 32-bit integer". */
const char *scalar_name(ProtobufCType type);

#endif
