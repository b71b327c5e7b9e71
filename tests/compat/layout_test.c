/* The rule that the wire layout only grows, on small layouts. */
#include "tests/compat/layout.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "tests/support/check.h"

static const char before_text[] = "# a comment\n"
                                  "field banger.v1.VM 1 id string singular\n"
                                  "field banger.v1.VM 2 name string singular\n"
                                  "field banger.v1.VM 10 labels string repeated\n"
                                  "enum banger.v1.Role 0 ROLE_UNSPECIFIED\n"
                                  "rpc banger.v1.S.Get banger.v1.A returns stream banger.v1.B\n";

/* Compares with the text in which `from` is replaced by `to`. */
static struct layout_change compare(const char *from, const char *to, char **report)
{
    struct err err = ERR_INIT;
    struct layout before, now;
    layout_init(&before);
    layout_init(&now);
    const char *at = strstr(before_text, from);
    auto_free char *text = NULL;
    CHECK(at);
    int n =
        asprintf(&text, "%.*s%s%s", (int)(at - before_text), before_text, to, at + strlen(from));
    CHECK(n >= 0);
    CHECK_INT(layout_read_text(&before, before_text, &err), 0);
    CHECK_INT(before.n_lines, 5);
    CHECK_INT(layout_read_text(&now, text, &err), 0);
    size_t len;
    FILE *f = open_memstream(report, &len);
    struct layout_change change = layout_compare(&before, &now, f);
    fclose(f);
    layout_done(&before);
    layout_done(&now);
    return change;
}

static void check_change(const char *from, const char *to, size_t gone, size_t added,
                         const char *report_has)
{
    auto_free char *report = NULL;
    struct layout_change change = compare(from, to, &report);
    CHECK_INT(change.gone, gone);
    CHECK_INT(change.added, added);
    CHECK_CONTAINS(report, report_has);
}

static void test_same(void)
{
    check_change("# a comment\n", "", 0, 0, "");
    check_change("field banger.v1.VM 1 id string singular\n",
                 "\nfield banger.v1.VM 1 id string singular\n\n", 0, 0, "");
}

static void test_additions(void)
{
    check_change("enum ", "enum banger.v1.Role 1 ROLE_ANYONE\nenum ", 0, 1,
                 "new: enum banger.v1.Role 1 ROLE_ANYONE");
    check_change("# a comment\n", "field banger.v1.VM 9 x bytes optional\n", 0, 1, "new: field");
}

static void test_removals_and_changes(void)
{
    check_change("field banger.v1.VM 2 name string singular\n", "", 1, 0,
                 "gone: field banger.v1.VM 2 name string singular\n");
    check_change("2 name", "3 name", 1, 1, "gone: field banger.v1.VM 2 name");
    check_change("name string", "name bytes", 1, 1,
                 "gone: field banger.v1.VM 2 name string singular; now field banger.v1.VM 2 name "
                 "bytes singular\n");
    check_change("name string", "title string", 1, 1, "now field banger.v1.VM 2 title");
    check_change("labels string repeated", "labels string singular", 1, 1, "now field");
    check_change("ROLE_UNSPECIFIED", "ROLE_NONE", 1, 1, "now enum banger.v1.Role 0 ROLE_NONE");
    check_change("stream ", "", 1, 1, "now rpc banger.v1.S.Get banger.v1.A returns banger.v1.B");
    check_change(before_text, "", 5, 0, "gone: rpc");
}

/* Lines as they come from a descriptor set: each kind of label, nested things, a stream. */
static void test_lines_of_a_set(void)
{
    Google__Protobuf__FieldDescriptorProto plain = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT;
    plain.name = "name";
    plain.has_number = plain.has_type = plain.has_label = 1;
    plain.number = 2;
    plain.type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
    plain.label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL;
    Google__Protobuf__FieldDescriptorProto one = plain, many = plain, optional = plain;
    one.name = "one";
    one.number = 3;
    one.has_oneof_index = 1;
    many.name = "many";
    many.number = 10;
    many.type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE;
    many.type_name = ".banger.v1.VM.Inner";
    many.label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    optional.name = "maybe";
    optional.number = 4;
    optional.has_oneof_index = 1;
    optional.oneof_index = 1;
    optional.has_proto3_optional = optional.proto3_optional = 1;
    Google__Protobuf__FieldDescriptorProto *fields[] = {&many, &one, &plain, &optional};
    Google__Protobuf__OneofDescriptorProto kind = GOOGLE__PROTOBUF__ONEOF_DESCRIPTOR_PROTO__INIT;
    kind.name = "kind";
    Google__Protobuf__OneofDescriptorProto synthetic = kind;
    synthetic.name = "_maybe";
    Google__Protobuf__OneofDescriptorProto *oneofs[] = {&kind, &synthetic};
    Google__Protobuf__EnumValueDescriptorProto value =
        GOOGLE__PROTOBUF__ENUM_VALUE_DESCRIPTOR_PROTO__INIT;
    value.name = "RED";
    value.has_number = 1;
    Google__Protobuf__EnumValueDescriptorProto *values[] = {&value};
    Google__Protobuf__EnumDescriptorProto colour = GOOGLE__PROTOBUF__ENUM_DESCRIPTOR_PROTO__INIT;
    colour.name = "Colour";
    colour.n_value = 1;
    colour.value = values;
    Google__Protobuf__EnumDescriptorProto *enums[] = {&colour};
    Google__Protobuf__DescriptorProto vm = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
    vm.name = "VM";
    vm.n_field = 4;
    vm.field = fields;
    vm.n_oneof_decl = 2;
    vm.oneof_decl = oneofs;
    vm.n_enum_type = 1;
    vm.enum_type = enums;
    Google__Protobuf__DescriptorProto *messages[] = {&vm};
    Google__Protobuf__MethodDescriptorProto method =
        GOOGLE__PROTOBUF__METHOD_DESCRIPTOR_PROTO__INIT;
    method.name = "Watch";
    method.input_type = method.output_type = ".banger.v1.VM";
    method.has_server_streaming = method.server_streaming = 1;
    Google__Protobuf__MethodDescriptorProto *methods[] = {&method};
    Google__Protobuf__ServiceDescriptorProto service =
        GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT;
    service.name = "S";
    service.n_method = 1;
    service.method = methods;
    Google__Protobuf__ServiceDescriptorProto *services[] = {&service};
    Google__Protobuf__FileDescriptorProto ours = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    ours.package = "banger.v1";
    ours.n_message_type = 1;
    ours.message_type = messages;
    ours.n_service = 1;
    ours.service = services;
    Google__Protobuf__FileDescriptorProto foreign = ours;
    foreign.package = "bangers.v1";
    Google__Protobuf__FileDescriptorProto *files[] = {&ours, &foreign};
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    set.n_file = 2;
    set.file = files;

    size_t len = google__protobuf__file_descriptor_set__get_packed_size(&set);
    auto_free uint8_t *bytes = malloc(len);
    google__protobuf__file_descriptor_set__pack(&set, bytes);
    struct err err = ERR_INIT;
    struct layout l;
    layout_init(&l);
    CHECK_INT(layout_read_set(&l, bytes, len, &err), 0);
    static const char *const want[] = {
        "enum banger.v1.VM.Colour 0 RED",
        "field banger.v1.VM 2 name string singular",
        "field banger.v1.VM 3 one string oneof(kind)",
        "field banger.v1.VM 4 maybe string optional",
        "field banger.v1.VM 10 many banger.v1.VM.Inner repeated",
        "rpc banger.v1.S.Watch banger.v1.VM returns stream banger.v1.VM",
    };
    if (CHECK_INT(l.n_lines, sizeof(want) / sizeof(want[0])))
        for (size_t i = 0; i < l.n_lines; i++)
            CHECK_STR(l.lines[i], want[i]);
    layout_done(&l);
    CHECK_INT(layout_read_set(&l, (const uint8_t *)"\xff\xff", 2, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    layout_done(&l);
}

int main(void)
{
    RUN(test_same);
    RUN(test_additions);
    RUN(test_removals_and_changes);
    RUN(test_lines_of_a_set);
    return check_end();
}
