/* banger call: any method of the contract from a shell, against a daemon with the sim driver. */
#include "cli_shell.h"

#define B "\"$BANGER\" "

static void test_methods_are_listed(void)
{
    CHECK_INT(sh(B "call"), 0);
    CHECK_CONTAINS(out, "VMService/CreateVM ");
    CHECK_CONTAINS(out, "(not built)");
    CHECK_INT(sh(B "call -o json"), 0);
    CHECK_CONTAINS(out, "{\"method\": \"banger.v1.VMService/CreateVM\", \"request\": "
                        "\"banger.v1.CreateVMRequest\", \"response\": \"banger.v1.Operation\", "
                        "\"clientStreams\": false, \"serverStreams\": false, \"planned\": false, "
                        "\"role\": \"operator\"");
    CHECK_INT(sh(B "call --format {name}"), 125);
}

static void test_help_has_the_fields(void)
{
    CHECK_INT(sh(B "call CreateVM --help"), 0);
    CHECK_CONTAINS(out, "banger call VMService/CreateVM: Creates a VM");
    CHECK_CONTAINS(out, "Takes: banger.v1.CreateVMRequest");
    CHECK_CONTAINS(out, "  requestId ");
    CHECK_CONTAINS(out, "    memoryBytes ");
    CHECK_CONTAINS(out, "  NETWORK_MODE_USER\n");
    CHECK_CONTAINS(out, "Gives: banger.v1.Operation");
    CHECK_INT(sh(B "help call Attach"), 0);
    CHECK_CONTAINS(out, "Takes: any number of banger.v1.AttachRequest");
    CHECK_CONTAINS(out, "one of these");
    CHECK_INT(sh(B "call Nope --help"), 125);
    CHECK_CONTAINS(err, "no method \"Nope\"");
    CHECK_INT(sh(B "call --help"), 0);
    CHECK_CONTAINS(out, "[METHOD [JSON|-]]");
}

static void test_names_complete(void)
{
    CHECK_INT(sh(B "__complete call CreateV"), 0);
    CHECK_STR(out, "CreateVM\tCreates a VM and, unless start is false, boots it\n");
    CHECK_INT(sh(B "__complete call VMService/CreateV"), 0);
    CHECK_CONTAINS(out, "VMService/CreateVM\t");
    CHECK_INT(sh(B "__complete call \"\""), 0);
    CHECK_CONTAINS(out, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo\t");
    CHECK_CONTAINS(out, "\nListVMs\t");
    CHECK_INT(sh(B "__complete call CreateVM \"\""), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "__complete cal"), 0);
    CHECK_CONTAINS(out, "call\t");
}

static void test_errors_are_those_of_other_commands(void)
{
    CHECK_INT(sh(B "call GetVN"), 125);
    CHECK_CONTAINS(err, "did you mean \"GetVM\"?");
    CHECK_INT(sh(B "call ServerReflectionInfo"), 125);
    CHECK_CONTAINS(err, "2 methods");
    CHECK_INT(sh(B "call GetVM \"{\\\"vn\\\": 1}\""), 125);
    CHECK_CONTAINS(err, "call VMService/GetVM: vn: banger.v1.GetVMRequest has no such field");
    CHECK_INT(sh(B "call --errors json GetVM \"{\\\"vm\\\": \\\"nobody\\\"}\""), 125);
    CHECK_CONTAINS(err, "\"code\": \"NOT_FOUND\"");
    CHECK_CONTAINS(err, "\"reason\": \"VM_NOT_FOUND\"");
    CHECK_INT(sh(B "call --errors=json GetVM ["), 125);
    CHECK_CONTAINS(err, "\"code\": \"INVALID_ARGUMENT\"");
    CHECK_INT(sh(B "call ReadConsole \"{\\\"vm\\\": \\\"nobody\\\"}\""), 125);
    CHECK_CONTAINS(err, "nobody");
    CHECK_INT(sh(B "call GetSnapshot"), 125);
    CHECK_INT(sh(B "call GetVM {} {}"), 125);
    CHECK_INT(sh("echo 7 | " B "call Attach"), 125);
    CHECK_CONTAINS(err, "a JSON object is wanted");
    CHECK_INT(sh("printf \"{\\\"open\\\": {\" | " B "call Attach"), 125);
    CHECK_CONTAINS(err, "has no end");
    CHECK_INT(sh("echo \"{\\\"nope\\\": 1}\" | " B "call Attach -"), 125);
    CHECK_CONTAINS(err, "nope: banger.v1.AttachRequest has no such field");
}

static void test_answers_can_be_told_how_to_look(void)
{
    CHECK_INT(sh(B "call ListVMs"), 0);
    CHECK_STR(out, "{\n  \"vms\": []\n}\n");
    CHECK_INT(sh(B "call ListVMs -o yaml"), 0);
    CHECK_STR(out, "vms: []\n");
    CHECK_INT(sh(B "call GetHost --format {draining}"), 0);
    CHECK_INT(sh(B "call Health/List"), 0);
    CHECK_CONTAINS(out, "\"banger.v1.VMService\": {\n      \"status\": \"SERVING\"\n");
    CHECK_INT(sh("echo {} | " B "call Health/Check -"), 0);
    CHECK_CONTAINS(out, "SERVING");
    CHECK_INT(sh(B "call --timeout 100ms WatchEvents"), 125);
    CHECK_CONTAINS(err, "call EventService/WatchEvents");
}

/* A VM, a command in it and what that wrote, by nothing but calls. */
static void test_a_session_by_calls_alone(void)
{
    CHECK_INT(sh("echo \"{\\\"name\\\": \\\"box\\\", \\\"spec\\\": {\\\"cpus\\\": 2, "
                 "\\\"memory_bytes\\\": 268435456}}\" | " B "call CreateVM - --format {id} >op"),
              0);
    CHECK_INT(sh(B "call WaitOperation \"{\\\"operation\\\": \\\"$(cat op)\\\"}\""), 0);
    CHECK_CONTAINS(out, "\"state\": \"OPERATION_STATE_SUCCEEDED\"");
    CHECK_INT(
        sh(B "call GetVM \"{\\\"vm\\\": \\\"box\\\"}\" --format \"{spec.cpus} {runtime.state}\""),
        0);
    CHECK_CONTAINS(out, "2 ");
    CHECK_INT(
        sh(B "call StartSession \"{\\\"vm\\\": \\\"box\\\", \\\"name\\\": \\\"said\\\", "
             "\\\"spec\\\": {\\\"argv\\\": [\\\"echo\\\", \\\"hello\\\"]}}\" --format {id} >id"),
        0);
    CHECK_INT(sh(B "call WaitSession \"{\\\"session\\\": \\\"$(cat id)\\\"}\""), 0);
    CHECK_CONTAINS(out, "\"code\": 0");
    CHECK_INT(sh(B "call ReadLogs \"{\\\"session\\\": \\\"said\\\", \\\"vm\\\": \\\"box\\\"}\""),
              0);
    CHECK_CONTAINS(out, "\"stream\": 1");
    CHECK_CONTAINS(out, "\"data\": \"aGVsbG8K\"}\n"); /* a document a line */
}

/* Both ways: what is written to stdin while output comes. */
static void test_an_attach_by_documents(void)
{
    CHECK_INT(sh(B "call StartSession \"{\\\"vm\\\": \\\"box\\\", \\\"spec\\\": {\\\"argv\\\": "
                   "[\\\"tr\\\", \\\"a-z\\\", \\\"A-Z\\\"], \\\"stdinMode\\\": "
                   "\\\"STDIN_MODE_PIPE\\\"}}\" --format {id} >id"),
              0);
    CHECK_INT(sh("{ printf \"{\\\"open\\\": {\\\"session\\\": \\\"%s\\\", \\\"role\\\": "
                 "\\\"ATTACH_ROLE_WRITER\\\"}}\" $(cat id); "
                 "printf \"{\\\"stdinData\\\": {\\n \\\"data\\\": \\\"aGk=\\\"}}\"; "
                 "echo \"{\\\"stdinEof\\\": {}}\"; } | " B "call Attach"),
              0);
    CHECK_CONTAINS(out, "{\"opened\": ");
    CHECK_CONTAINS(out, "\"data\": \"SEk=\"");
    CHECK_CONTAINS(out, "{\"exit\": {\"exit\": {\"code\": 0}");
    CHECK_INT(sh(B "call Attach \"{\\\"open\\\": {\\\"session\\\": \\\"$(cat id)\\\"}}\""), 0);
    CHECK_CONTAINS(out, "\"data\": \"SEk=\"");
    CHECK_INT(sh(B "vm delete -q --force box"), 0);
}

int main(void)
{
    cli_shell_open(BANGER_TEST_CLI);
    RUN(test_methods_are_listed);
    RUN(test_help_has_the_fields);
    RUN(test_names_complete);
    RUN(test_errors_are_those_of_other_commands);
    RUN(test_answers_can_be_told_how_to_look);
    RUN(test_a_session_by_calls_alone);
    RUN(test_an_attach_by_documents);
    return cli_shell_end();
}
