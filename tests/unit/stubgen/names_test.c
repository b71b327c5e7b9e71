/* Naming rules of the stub generator. */
#include "rpc/stubgen/names.h"

#include "tests/support/check.h"

static void test_protoc_c_rules(void)
{
    CHECK_STR(name_c_type(".banger.v1.GetVMHandlesRequest").text,
              "Banger__V1__GetVMHandlesRequest");
    CHECK_STR(name_c_type("banger.v1.Outer.inner_2D").text, "Banger__V1__Outer__Inner2D");
    CHECK_STR(name_c_symbol(".banger.v1.GetVMHandlesRequest").text,
              "banger__v1__get_vmhandles_request");
    CHECK_STR(name_c_symbol("banger.v1.Inner2D").text, "banger__v1__inner2_d");
    CHECK_STR(name_c_constant("banger.v1.Kind_x").text, "BANGER__V1__KIND_X");
    CHECK_STR(name_c_field("FooBar").text, "foobar");
    CHECK_STR(name_c_field("int").text, "int_");
    CHECK_STR(name_c_field("delete").text, "delete_");
    CHECK_STR(name_c_field("restrict").text, "restrict");
    CHECK_STR(name_c_oneof_case("which_One").text, "which__one_case");
    CHECK_STR(name_c_oneof_case("_opt").text, "_opt_case");
    CHECK(name_c_field_clashes("base"));
    CHECK(name_c_field_clashes("Linux"));
    CHECK(!name_c_field_clashes("int"));
    CHECK(!name_c_field_clashes("name"));
}

static void test_stub_rules(void)
{
    static const struct {
        const char *camel, *snake;
    } rows[] = {
        {"VMService", "vm_service"},
        {"CreateVM", "create_vm"},
        {"GetVMHandles", "get_vm_handles"},
        {"ListVMs", "list_vms"},
        {"ListVMsByName", "list_vms_by_name"},
        {"VMSession", "vm_session"},
        {"GuestSessionService", "guest_session_service"},
        {"Get2FA", "get2_fa"},
        {"HTTP2Ping", "http2_ping"},
        {"Attach", "attach"},
        {"attach_now", "attach_now"},
        {"Attach_Now", "attach_now"},
        {"ID", "id"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(name_snake(rows[i].camel).text, rows[i].snake);
    CHECK_STR(name_service("banger.v1", "VMService").text, "banger_v1_vm_service");
    CHECK_STR(name_service("", "VMService").text, "vm_service");
    CHECK_STR(name_guard("banger/v1/vm").text, "BANGER_V1_VM");
    CHECK_STR(name_handler("CreateVM").text, "create_vm");
    CHECK_STR(name_handler("Delete").text, "delete_");
}

/* Longer names than the generator accepts are cut, never written past. */
static void test_long_names(void)
{
    char s[4 * NAME_BYTES];
    memset(s, 'A', sizeof(s) - 1);
    s[sizeof(s) - 1] = '\0';
    CHECK_INT(strlen(name_c_type(s).text), NAME_BYTES - 1);
    CHECK_INT(strlen(name_snake(s).text), NAME_BYTES - 1);
    CHECK_INT(strlen(name_full(s, s).text), NAME_BYTES - 1);
    CHECK_INT(strlen(name_service(s, s).text), NAME_BYTES - 1);
}

int main(void)
{
    RUN(test_protoc_c_rules);
    RUN(test_stub_rules);
    RUN(test_long_names);
    return check_end();
}
