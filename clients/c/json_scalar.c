/* See json_scalar.h. */
#include "json_scalar.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_signed(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
           type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_INT64 ||
           type == PROTOBUF_C_TYPE_SINT64 || type == PROTOBUF_C_TYPE_SFIXED64;
}

static bool is_wide(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 ||
           type == PROTOBUF_C_TYPE_SFIXED64 || type == PROTOBUF_C_TYPE_UINT64 ||
           type == PROTOBUF_C_TYPE_FIXED64;
}

const char *scalar_name(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_FLOAT || type == PROTOBUF_C_TYPE_DOUBLE)
        return "a number in its range";
    if (is_wide(type))
        return is_signed(type) ? "a 64-bit integer" : "an unsigned 64-bit integer";
    return is_signed(type) ? "a 32-bit integer" : "an unsigned 32-bit integer";
}

/* A double holds every integer up to here. */
static const double exact = 9007199254740992.0;

static bool real_to_integer(double real, bool *negative, uint64_t *size)
{
    if (!isfinite(real) || floor(real) != real || fabs(real) > exact)
        return false;
    *negative = real < 0;
    *size = (uint64_t)fabs(real);
    return true;
}

/* The whole text as a number of JSON's (RFC 8259, section 6), which strtod takes more than. */
static bool text_to_real(const char *text, double *real)
{
    char *end;
    const char *digits = text + (*text == '-');
    if (!isdigit((unsigned char)*digits) || digits[strspn(digits, "0123456789.eE+-")] != '\0')
        return false;
    *real = strtod(text, &end);
    return *end == '\0';
}

static bool text_to_integer(const char *text, bool *negative, uint64_t *size)
{
    double real;
    const char *digits = text + (*text == '-');
    if (!*digits || digits[strspn(digits, "0123456789")] != '\0')
        return text_to_real(text, &real) && real_to_integer(real, negative, size);
    errno = 0;
    *size = strtoull(digits, NULL, 10);
    *negative = *text == '-';
    return errno == 0;
}

bool scalar_integer(const json_t *value, ProtobufCType type, uint64_t *bits)
{
    bool negative = false;
    uint64_t size;
    if (json_is_integer(value)) {
        json_int_t v = json_integer_value(value);
        negative = v < 0;
        size = negative ? 0 - (uint64_t)v : (uint64_t)v;
    } else if (json_is_real(value)) {
        if (!real_to_integer(json_real_value(value), &negative, &size))
            return false;
    } else if (!json_is_string(value) ||
               !text_to_integer(json_string_value(value), &negative, &size)) {
        return false;
    }
    uint64_t most = is_wide(type) ? UINT64_MAX : UINT32_MAX;
    if (is_signed(type))
        most = (most >> 1) + negative;
    else if (negative)
        most = 0;
    *bits = negative ? 0 - size : size;
    return size <= most;
}

bool scalar_real(const json_t *value, double *real)
{
    if (json_is_number(value)) {
        *real = json_number_value(value);
        return true;
    }
    if (!json_is_string(value))
        return false;
    const char *text = json_string_value(value);
    if (strcmp(text, "NaN") == 0)
        *real = NAN;
    else if (strcmp(text, "Infinity") == 0)
        *real = INFINITY;
    else if (strcmp(text, "-Infinity") == 0)
        *real = -INFINITY;
    else
        return text_to_real(text, real) && isfinite(*real);
    return true;
}

/* "12" to 12, from min to max; moves on. */
static bool take_digits(const char **text, int n, int min, int max, int *value)
{
    *value = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)**text))
            return false;
        *value = *value * 10 + (*(*text)++ - '0');
    }
    return *value >= min && *value <= max;
}

static bool take(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

static bool take_fraction(const char **text, int32_t *nanos)
{
    int n = 0;
    *nanos = 0;
    if (!take(text, '.'))
        return true;
    for (; isdigit((unsigned char)**text) && n < 9; n++)
        *nanos = *nanos * 10 + (*(*text)++ - '0');
    for (int i = n; i < 9; i++)
        *nanos *= 10;
    return n > 0;
}

static bool take_offset(const char **text, int *seconds)
{
    int hours, minutes;
    *seconds = 0;
    if (take(text, 'Z'))
        return true;
    int sign = **text == '-' ? -1 : 1;
    if (!take(text, sign < 0 ? '-' : '+') || !take_digits(text, 2, 0, 23, &hours) ||
        !take(text, ':') || !take_digits(text, 2, 0, 59, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool scalar_time(const char *text, int64_t *seconds, int32_t *nanos)
{
    struct tm tm = {0};
    int year, month, day, offset;
    if (!take_digits(&text, 4, 1, 9999, &year) || !take(&text, '-') ||
        !take_digits(&text, 2, 1, 12, &month) || !take(&text, '-') ||
        !take_digits(&text, 2, 1, 31, &day) || !take(&text, 'T') ||
        !take_digits(&text, 2, 0, 23, &tm.tm_hour) || !take(&text, ':') ||
        !take_digits(&text, 2, 0, 59, &tm.tm_min) || !take(&text, ':') ||
        !take_digits(&text, 2, 0, 59, &tm.tm_sec) || !take_fraction(&text, nanos) ||
        !take_offset(&text, &offset) || *text)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    *seconds = timegm(&tm) - offset;
    /* February 30 has become March. */
    return tm.tm_mday == day && *seconds >= -62135596800 && *seconds <= 253402300799;
}
