/* JSON to messages and back: every kind of field, every message of the contract, and texts that are
 * none. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "banger/contract.rpc.h"
#include "banger/json.h"
#include "clients/c/json_scalar.h"
#include "clients/c/json_tree.h"
#include "grpc/health/v1/health.pb-c.h"
#include "tests/support/check.h"
#include "types.pb-c.h"

static struct banger_error error;

static ProtobufCMessage *read_text(const ProtobufCMessageDescriptor *type, const char *text)
{
    error = (struct banger_error){.code = BANGER_OK};
    return banger_message_from_json(type, text, strlen(text), &error);
}

/* Read and written again it is want. */
static void check_same(const ProtobufCMessageDescriptor *type, const char *text, const char *want)
{
    ProtobufCMessage *m = read_text(type, text);
    char *again = m ? banger_message_to_json(m, 0, &error) : NULL;
    json_t *got = again ? json_loads(again, 0, NULL) : NULL, *wanted = json_loads(want, 0, NULL);
    if (!CHECK(got && json_equal(got, wanted)))
        fprintf(stderr, "  %s\n  became %s\n  %s\n", text, again ? again : "nothing",
                error.message);
    json_decref(got);
    json_decref(wanted);
    free(again);
    banger_message_free(m);
}

#define TYPES &banger__test__v1__types__descriptor
/* What is written of lists and maps that are empty. */
#define EMPTY                                                                                      \
    "\"int32s\": [], \"sint64s\": [], \"fixed32s\": [], \"doubles\": [], \"flags\": [], "          \
    "\"colours\": [], \"loose\": [], \"texts\": [], \"blobs\": [], \"types\": [], \"map\": {}"

static void check_field(const char *text, const char *want)
{
    char given[512], wanted[1024];
    snprintf(given, sizeof(given), "{%s}", text);
    snprintf(wanted, sizeof(wanted), "{%s%s" EMPTY "}", want, *want ? ", " : "");
    check_same(TYPES, given, wanted);
}

static void test_single_fields(void)
{
    static const char *const same[] = {
        "\"int32\": -2147483648",
        "\"int32\": 2147483647",
        "\"uint32\": 4294967295",
        "\"sint32\": -2147483648",
        "\"fixed32\": 4294967295",
        "\"sfixed32\": -2147483648",
        "\"int64\": \"-9223372036854775808\"",
        "\"int64\": \"9223372036854775807\"",
        "\"uint64\": \"18446744073709551615\"",
        "\"sint64\": \"-9223372036854775808\"",
        "\"sint64\": \"9223372036854775807\"",
        "\"fixed64\": \"18446744073709551615\"",
        "\"sfixed64\": \"-9223372036854775808\"",
        "\"flag\": true",
        "\"small\": 0.5",
        "\"large\": 1e300",
        "\"large\": \"NaN\"",
        "\"large\": \"Infinity\"",
        "\"small\": \"-Infinity\"",
        "\"colour\": \"COLOUR_RED\"",
        "\"colour\": 77",
        "\"colour\": -1",
        "\"blob\": \"//4AAQ==\"",
        "\"number\": \"0\"",
        "\"text\": \"\"",
        "\"text\": \"q\\\"\\n\\u00e4\\ud83d\\ude00\"",
        "\"data\": \"\"",
        "\"yes\": false",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        check_field(same[i], same[i]);
}

static void test_other_ways_to_write_them(void)
{
    check_field("\"int32\": \"12\"", "\"int32\": 12");
    check_field("\"int32\": 1.0", "\"int32\": 1");
    check_field("\"int32\": 1e3", "\"int32\": 1000");
    check_field("\"int32\": \"-1.2e1\"", "\"int32\": -12");
    check_field("\"int64\": 5", "\"int64\": \"5\"");
    check_field("\"large\": \"2.5\"", "\"large\": 2.5");
    check_field("\"large\": 2", "\"large\": 2.0");
    check_field("\"colour\": 1", "\"colour\": \"COLOUR_RED\"");
    check_field("\"blob\": \"__4AAQ\"", "\"blob\": \"//4AAQ==\"");
    check_field("\"int32\": 0, \"text\": null, \"types\": null, \"flag\": false", "");
    check_field("\"number\": null, \"yes\": true", "\"yes\": true");
}

static void test_lists_maps_and_messages(void)
{
    check_same(
        TYPES,
        "{\"int32s\": [1, -2], \"sint64s\": [-1, \"2\"], \"fixed32s\": [3], \"doubles\": [0.5, "
        "\"NaN\"], \"flags\": [true, false], \"colours\": [\"COLOUR_RED\", 5], \"loose\": "
        "[\"18446744073709551615\"], \"texts\": [\"\", \"a\"], \"blobs\": [\"\", \"Zg==\"], "
        "\"types\": [{}, {\"int32\": 1}], \"map\": {\"\": 0, \"a\": 4294967295}, \"nested\": "
        "{\"text\": \"x\"}}",
        "{\"int32s\": [1, -2], \"sint64s\": [\"-1\", \"2\"], \"fixed32s\": [3], \"doubles\": "
        "[0.5, \"NaN\"], \"flags\": [true, false], \"colours\": [\"COLOUR_RED\", 5], \"loose\": "
        "[\"18446744073709551615\"], \"texts\": [\"\", \"a\"], \"blobs\": [\"\", \"Zg==\"], "
        "\"types\": [{" EMPTY "}, {\"int32\": 1, " EMPTY "}], \"map\": {\"\": 0, \"a\": "
        "4294967295}, \"nested\": {\"text\": \"x\", " EMPTY "}}");
    check_same(&grpc__health__v1__health_list_response__descriptor,
               "{\"statuses\": {\"a\": {\"status\": \"SERVING\"}, \"b\": {}}}",
               "{\"statuses\": {\"a\": {\"status\": \"SERVING\"}, \"b\": {}}}");
}

static void check_refused(const char *text, const char *where)
{
    ProtobufCMessage *m = read_text(TYPES, text);
    CHECK(m == NULL);
    CHECK_INT(error.code, BANGER_INVALID_ARGUMENT);
    if (!CHECK_CONTAINS(error.message, where))
        fprintf(stderr, "  (%.200s)\n", text);
    banger_message_free(m);
}

static void test_what_does_not_fit_is_named(void)
{
    static const struct {
        const char *text, *where;
    } rows[] = {
        {"", "no JSON: line 1"},
        {"{", "no JSON: line 1"},
        {"{} {}", "no JSON: line 1"},
        {"{\"int32\": 1,}", "no JSON"},
        {"{\"text\": \"\xff\"}", "no JSON"},
        {"{\"text\": \"a\\u0000\"}", "no JSON"},
        {"{\"text\": \"\\ud800\"}", "no JSON"},
        {"{\"int64\": 18446744073709551616}", "no JSON"},
        {"[]", "a list is not an object"},
        {"null", "null is not an object"},
        {"7", "a number is not an object"},
        {"{\"nope\": 1}", "nope: banger.test.v1.Types has no such field"},
        {"{\"nested\": {\"types\": [{}, {\"nope\": 1}]}}", "nested.types[1].nope: "},
        {"{\"int32\": 1, \"int32\": 2}", "no JSON"},
        {"{\"number\": 1, \"text\": \"a\"}", "text: given twice, or beside another of its oneof"},
        {"{\"int32\": 2147483648}", "int32: a number is not a 32-bit integer"},
        {"{\"int32\": -2147483649}", "int32: "},
        {"{\"int32\": 1.5}", "int32: "},
        {"{\"int32\": 1e10}", "int32: "},
        {"{\"int32\": true}", "int32: a boolean is not"},
        {"{\"int32\": \"\"}", "int32: a text is not"},
        {"{\"int32\": \"-\"}", "int32: "},
        {"{\"int32\": \" 1\"}", "int32: "},
        {"{\"int32\": \"+1\"}", "int32: "},
        {"{\"int32\": \"0x1\"}", "int32: "},
        {"{\"int32\": \"1z\"}", "int32: "},
        {"{\"uint32\": -1}", "uint32: a number is not an unsigned 32-bit integer"},
        {"{\"uint32\": 4294967296}", "uint32: "},
        {"{\"uint64\": \"-1\"}", "uint64: "},
        {"{\"uint64\": \"18446744073709551616\"}", "uint64: "},
        {"{\"uint64\": 1e300}", "uint64: "},
        {"{\"sfixed64\": \"9223372036854775808\"}", "sfixed64: "},
        {"{\"sint64\": \"-9223372036854775809\"}", "sint64: "},
        {"{\"small\": 1e39}", "small: "},
        {"{\"large\": \"inf\"}", "large: "},
        {"{\"large\": \"nan\"}", "large: "},
        {"{\"large\": \"1e999\"}", "large: "},
        {"{\"large\": \"\"}", "large: "},
        {"{\"flag\": 1}", "flag: a number is not true or false"},
        {"{\"flag\": \"true\"}", "flag: "},
        {"{\"colour\": \"RED\"}", "colour: \"RED\" is no banger.test.v1.Colour"},
        {"{\"colour\": 2147483648}", "colour: "},
        {"{\"colour\": 1.0}", "colour: "},
        {"{\"blob\": \"a\"}", "blob: the text is not base64"},
        {"{\"blob\": \"Zg=\"}", "blob: "},
        {"{\"blob\": \"Zg===\"}", "blob: "},
        {"{\"blob\": \"=\"}", "blob: "},
        {"{\"blob\": \"Z g\"}", "blob: "},
        {"{\"blob\": [1]}", "blob: a list is not bytes"},
        {"{\"text\": 1}", "text: a number is not a text"},
        {"{\"texts\": \"a\"}", "texts: a text is not a list"},
        {"{\"texts\": [\"a\", null]}", "texts[1]: null is not a text"},
        {"{\"texts\": {\"0\": \"a\"}}", "texts: an object is not a list"},
        {"{\"map\": []}", "map: a list is not an object"},
        {"{\"map\": {\"k\": -1}}", "map.k: a number is not"},
        {"{\"map\": {\"k\": null}}", "map.k: null is not"},
        {"{\"nested\": []}", "nested: a list is not an object"},
        {"{\"types\": [7]}", "types[0]: a number is not an object"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(rows[i].text, rows[i].where);
    check_refused("{\"no_such_\\u001b[31mfield\": 1}", "no such field");
}

/* n times open, inner, n times close. */
static char *nest(size_t n, const char *open, const char *inner, const char *close)
{
    size_t o = strlen(open), c = strlen(close), i = strlen(inner);
    char *text = malloc(n * (o + c) + i + 1), *at = text;
    for (size_t k = 0; k < n; k++, at += o)
        memcpy(at, open, o);
    memcpy(at, inner, i);
    at += i;
    for (size_t k = 0; k < n; k++, at += c)
        memcpy(at, close, c);
    *at = '\0';
    return text;
}

static void test_depth_and_size_have_limits(void)
{
    char *text = nest(20, "{\"nested\": ", "{}", "}");
    ProtobufCMessage *m = read_text(TYPES, text);
    CHECK(m != NULL);
    banger_message_free(m);
    free(text);
    static const size_t depths[] = {33, 40, 2000, 100000};
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        text = nest(depths[i], "{\"nested\": ", "{}", "}");
        check_refused(text, depths[i] < 2000 ? "more than 32 levels deep" : "");
        free(text);
        text = nest(depths[i], "{\"types\": [", "{}", "]}");
        check_refused(text, "");
        free(text);
        text = nest(depths[i], "[", "", "]");
        check_refused(text, "");
        free(text);
    }
    size_t len = 17u << 20;
    text = malloc(len + 1);
    memset(text, ' ', len);
    text[len] = '\0';
    check_refused(text, "more than 16 MiB");
    free(text);
}

static void check_time(const char *text, bool known, int64_t seconds, int32_t nanos)
{
    int64_t got_seconds = 0;
    int32_t got_nanos = 0;
    bool got = scalar_time(text, &got_seconds, &got_nanos);
    if (!CHECK_INT(got, known))
        fprintf(stderr, "  (%s)\n", text);
    if (got && known) {
        CHECK_INT(got_seconds, seconds);
        CHECK_INT(got_nanos, nanos);
    }
}

static void test_times(void)
{
    check_time("1970-01-01T00:00:00Z", true, 0, 0);
    check_time("2023-11-14T22:13:20.005Z", true, 1700000000, 5000000);
    check_time("2023-11-14T23:13:20+01:00", true, 1700000000, 0);
    check_time("2023-11-14T21:43:20.000000001-00:30", true, 1700000000, 1);
    check_time("0001-01-01T00:00:00Z", true, -62135596800, 0);
    check_time("9999-12-31T23:59:59.999999999Z", true, 253402300799, 999999999);
    check_time("2024-02-29T00:00:00Z", true, 1709164800, 0);
    static const char *const wrong[] = {
        "",
        "now",
        "2024-02-29",
        "2024-02-29T12:00:00",
        "2024-02-29t12:00:00Z",
        "2024-02-29T12:00:00Z ",
        "2023-02-29T12:00:00Z",
        "2024-13-01T12:00:00Z",
        "2024-00-01T12:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567890Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+0100",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "-001-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        check_time(wrong[i], false, 0, 0);
}

/* ---- every message of the contract, filled ---- */

static json_t *sample_of(const ProtobufCMessageDescriptor *type, unsigned variant, unsigned depth);

static json_t *sample_value(const ProtobufCFieldDescriptor *field, unsigned variant, unsigned depth)
{
    const ProtobufCEnumDescriptor *e = field->descriptor;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_string("-1234567890123");
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_string("12345678901234567890");
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(0.5);
    case PROTOBUF_C_TYPE_BOOL:
        return json_true();
    case PROTOBUF_C_TYPE_ENUM:
        return json_string(e->values[e->n_values - 1].name);
    case PROTOBUF_C_TYPE_STRING:
        return json_string("\xc3\xa4\"\\");
    case PROTOBUF_C_TYPE_BYTES:
        return json_string("AP8B");
    case PROTOBUF_C_TYPE_MESSAGE:
        return sample_of(field->descriptor, variant, depth + 1);
    default:
        return json_integer(2147483647);
    }
}

static json_t *sample_field(const ProtobufCMessageDescriptor *type,
                            const ProtobufCFieldDescriptor *field, unsigned variant, unsigned depth)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return sample_value(field, variant, depth);
    json_t *list;
    if (json_is_map(type, field)) {
        const ProtobufCMessageDescriptor *entry = field->descriptor;
        list = json_object();
        json_object_set_new(list, "7", sample_value(&entry->fields[1], variant, depth));
        return list;
    }
    list = json_array();
    json_array_append_new(list, sample_value(field, variant, depth));
    json_array_append_new(list, sample_value(field, variant + 1, depth));
    return list;
}

/* Of a oneof, the member that the variant says. */
static bool is_chosen(const ProtobufCMessageDescriptor *type, unsigned i, unsigned variant)
{
    unsigned members = 0, mine = 0;
    if (!(type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return true;
    for (unsigned k = 0; k < type->n_fields; k++)
        if (type->fields[k].flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
            type->fields[k].quantifier_offset == type->fields[i].quantifier_offset) {
            mine = k == i ? members : mine;
            members++;
        }
    return variant % members == mine;
}

static json_t *sample_of(const ProtobufCMessageDescriptor *type, unsigned variant, unsigned depth)
{
    if (strcmp(type->name, "google.protobuf.Timestamp") == 0)
        return json_string("2024-02-29T12:00:00.500Z");
    json_t *object = json_object();
    for (unsigned i = 0; i < type->n_fields && depth < 12; i++) {
        char name[JSON_NAME_BYTES];
        json_name(name, type->fields[i].name);
        if (is_chosen(type, i, variant))
            json_object_set_new(object, name, sample_field(type, &type->fields[i], variant, depth));
    }
    return object;
}

static size_t n_samples;

static void check_sample(const ProtobufCMessageDescriptor *type)
{
    for (unsigned variant = 0; variant < 8; variant++) {
        json_t *sample = sample_of(type, variant, 0);
        char *text = json_dumps(sample, 0);
        ProtobufCMessage *m = read_text(type, text);
        char *again = m ? banger_message_to_json(m, 0, &error) : NULL;
        json_t *got = again ? json_loads(again, 0, NULL) : NULL;
        if (!CHECK(got && json_equal(got, sample)))
            fprintf(stderr, "  %s: %s\n  %s\n  %s\n", type->name, error.message, text,
                    again ? again : "");
        n_samples++;
        json_decref(got);
        json_decref(sample);
        free(again);
        free(text);
        banger_message_free(m);
    }
}

static void test_every_message_of_the_contract_goes_both_ways(void)
{
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            check_sample(contract_services[s]->methods[i].request);
            check_sample(contract_services[s]->methods[i].response);
        }
    CHECK(n_samples > 1000);
}

int main(void)
{
    RUN(test_single_fields);
    RUN(test_other_ways_to_write_them);
    RUN(test_lists_maps_and_messages);
    RUN(test_what_does_not_fit_is_named);
    RUN(test_depth_and_size_have_limits);
    RUN(test_times);
    RUN(test_every_message_of_the_contract_goes_both_ways);
    return check_end();
}
