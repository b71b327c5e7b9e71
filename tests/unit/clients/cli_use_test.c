/* What programs and people expect of a command line: documents to read, lists to choose from, and
 * words that say what to type. */
#include "cli_shell.h"

#define B "\"$BANGER\" "

static void test_first_word_of_run_is_an_image(void)
{
    CHECK_INT(sh(B "vm run --rm cat /etc/passwd"), 125);
    CHECK_CONTAINS(err, "there is no image \"cat\"");
    CHECK_CONTAINS(err, "banger vm run -- cat");
    CHECK_INT(sh(B "vm run --rm ./job"), 125);
    CHECK_CONTAINS(err, "./job: No such file");
    CHECK_INT(sh("mkdir -p plain && cd plain && GIT_CEILING_DIRECTORIES=/ " B "vm run --rm ."),
              125);
    CHECK_CONTAINS(err, "in no git repository");
    CHECK_CONTAINS(err, "banger vm cp");
    CHECK_INT(sh(B "vm run --rm src/job"), 125);
    CHECK_CONTAINS(err, "a folder is taken along as ./DIR");
    CHECK_INT(sh(B "vm run --rm --workspace . ./job"), 125);
    CHECK_CONTAINS(err, "given twice");
    CHECK_INT(sh(B "vm run --rm --dry-run -- true"), 125);
    CHECK_CONTAINS(err, "options of a workspace");
    CHECK_INT(sh(B "vm run --rm --image a b"), 125);
    CHECK_CONTAINS(err, "given twice");
    CHECK_INT(sh(B "vm list -q"), 0);
    CHECK_STR(out, "");
}

static void test_a_vm_that_stays_is_told_of(void)
{
    CHECK_INT(sh(B "vm run --name stays -- true"), 0);
    CHECK_STR(out, "");
    CHECK_CONTAINS(err, "banger vm delete stays");
    CHECK_INT(sh(B "vm delete -q stays"), 0);
    CHECK_INT(sh(B "vm run -q --name stays -- true"), 0);
    CHECK_STR(err, "");
    CHECK_INT(sh(B "vm delete -q stays"), 0);
    CHECK_INT(sh(B "vm run --rm -- true"), 0);
    CHECK_STR(err, "");
}

static void test_an_empty_list_has_its_list(void)
{
    CHECK_INT(sh(B "vm list -o json"), 0);
    CHECK_STR(out, "{\n  \"vms\": []\n}\n");
    CHECK_INT(sh(B "vm list -o yaml"), 0);
    CHECK_STR(out, "vms: []\n");
    CHECK_INT(sh(B "session list -o json"), 0);
    CHECK_CONTAINS(out, "\"sessions\": []");
    CHECK_INT(sh(B "image list -o json"), 0);
    CHECK_CONTAINS(out, "\"images\": []");
}

static void test_dry_run_says_what_would_be(void)
{
    CHECK_INT(sh(B "vm create --dry-run --memory 1G --cpus 2 planned"), 0);
    CHECK_CONTAINS(out, "VM planned would be made");
    CHECK_CONTAINS(out, "2 CPUs, memory 1024 MiB");
    CHECK_INT(sh(B "vm create --dry-run -o json planned"), 0);
    CHECK_CONTAINS(out, "VM planned would be made");
    CHECK_INT(sh(B "vm list -q"), 0);
    CHECK_STR(out, "");
}

static void test_lists_are_chosen_from(void)
{
    CHECK_INT(sh(B "vm create -q --no-start one --label env=ci --label team=a && " B
                   "vm create -q --no-start two --label env=prod && " B
                   "vm create -q --no-start three"),
              0);
    CHECK_INT(sh(B "vm list --format \"{name} {runtime.state} {labels.env}\""), 0);
    CHECK_STR(out, "one stopped ci\ntwo stopped prod\nthree stopped \n");
    CHECK_INT(sh(B "vm list --format \"{{.Name}}\" --filter labels.env=ci"), 0);
    CHECK_STR(out, "one\n");
    CHECK_INT(sh(B "vm list --no-headers --columns name,labels,spec.cpus --filter name=t*"), 0);
    CHECK_STR(out, "two    env=prod  1\nthree  -         1\n");
    CHECK_INT(sh(B "vm list --format \"{name}\" --filter name!=two --filter state=stopped"), 0);
    CHECK_STR(out, "one\nthree\n");
    CHECK_INT(sh(B "vm list -n 1 --format \"{name}\""), 0);
    CHECK_STR(out, "three\n");
    CHECK_INT(sh(B "vm list -n 0 -o json"), 0);
    CHECK_STR(out, "{\n  \"vms\": []\n}\n");
    CHECK_INT(sh(B "vm list --since 1h --format \"{name}\""), 0);
    CHECK_STR(out, "one\ntwo\nthree\n");
    CHECK_INT(sh(B "vm list --since 2999-01-01 -q"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "vm list --filter nothing=x"), 125);
    CHECK_CONTAINS(err, "have no \"nothing\"");
    CHECK_INT(sh(B "vm list --format \"{nothing}\""), 125);
    CHECK_CONTAINS(err, "\"nothing\"");
    CHECK_INT(sh(B "vm list --since yesterday"), 125);
    CHECK_INT(sh(B "operation list -n 2 --format \"{kind}\""), 0);
    CHECK_STR(out, "vm.create\nvm.create\n");
    CHECK_INT(sh(B "operation list -n 0 -q"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "event list -n 0"), 0);
    CHECK_STR(out, "TIME  SEQ  KIND  RESOURCE  DETAIL\n");
    CHECK_INT(sh(B "event list -n 1 --no-headers | wc -l"), 0);
    CHECK_STR(out, "1\n");
    CHECK_INT(sh(B "image list --filter name=x -q && " B "kernel list --since 1d -q && " B
                   "host connections --filter role=owner -q >/dev/null && " B
                   "auth list --filter principal=x -q"),
              0);
    CHECK_INT(sh(B "vm show one --format \"{id} {name}\" | cut -d\" \" -f2"), 0);
    CHECK_STR(out, "one\n");
    CHECK_INT(sh(B "vm delete -q one two three"), 0);
}

/* More than a page of operations and events: a page has 200. */
static void test_more_than_a_page_is_listed(void)
{
    CHECK_INT(sh("for i in $(seq 1 110); do " B "vm create -q --no-start n$i >/dev/null && " B
                 "vm delete -q n$i >/dev/null || exit 1; done"),
              0);
    CHECK_INT(sh(B "operation list -n 215 -q | sort -u | wc -l"), 0);
    CHECK_STR(out, "215\n");
    CHECK_INT(sh(B "event list -n 500 --no-headers | sort -u | wc -l"), 0);
    CHECK_STR(out, "500\n");
}

static void test_everything_has_a_document(void)
{
    CHECK_INT(sh(B "version -o json"), 0);
    CHECK_CONTAINS(out, "{\n  \"version\": \"");
    CHECK_INT(sh("BANGER_CONFIG_DIR=$PWD/c " B "context list -o json"), 0);
    CHECK_STR(out, "{\n  \"contexts\": []\n}\n");
    CHECK_INT(sh(B "daemon start -o json"), 0);
    CHECK_CONTAINS(out, "\"state\": \"running\"");
    CHECK_INT(sh(B "vm run --name box -d"), 0);
    CHECK_INT(sh(B "session start box --name s --no-stdin -- echo word && " B "session wait s"), 0);
    CHECK_INT(sh(B "session logs s -o json"), 0);
    CHECK_CONTAINS(out, "{\"stream\": 1, \"data\": \"d29yZAo=\"}\n");
    CHECK_INT(sh(B "session delete s -o json"), 0);
    CHECK_STR(out, "{\n  \"session\": \"s\",\n  \"result\": \"deleted\"\n}\n");
    CHECK_INT(sh(B "auth audit -o json | head -n 1 | grep -c \"^{.*}$\""), 0);
    CHECK_INT(sh(B "auth audit -n 1 -o json | wc -l"), 0);
    CHECK_STR(out, "1\n");
    CHECK_INT(sh(B "auth audit --since 2999-01-01 -o json"), 0);
    CHECK_STR(out, "");
}

static void test_errors_can_be_read_by_programs(void)
{
    CHECK_INT(sh(B "--errors json vm show nobody"), 125);
    CHECK_CONTAINS(err, "{\"error\": {\"code\": \"NOT_FOUND\", \"message\": \"show nobody: ");
    CHECK_CONTAINS(err, "\"reason\": \"VM_NOT_FOUND\"");
    CHECK_CONTAINS(err, "\"status\": 125}}\n");
    CHECK_INT(sh(B "vm list --frob --errors=json"), 125);
    CHECK_CONTAINS(err, "{\"error\": {\"code\": \"INVALID_ARGUMENT\"");
    CHECK_INT(sh(B "--errors json vm exec box no-such-command"), 127);
    CHECK_CONTAINS(err, "\"status\": 127}}");
}

static void test_wrong_places_and_users_are_usage(void)
{
    CHECK_INT(sh(B "vm exec -w /no/such/folder box true"), 125);
    CHECK_CONTAINS(err, "--cwd: /no/such/folder: No such file or directory");
    CHECK_INT(sh(B "vm exec -u nobody-of-that-name box true"), 125);
    CHECK_CONTAINS(err, "--user nobody-of-that-name: ");
}

static void test_last_lines(void)
{
    CHECK_INT(sh(B "session start box --name s --no-stdin -- seq 1 2000 && " B "session wait s"),
              0);
    CHECK_INT(sh(B "session logs s -n 0"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "session logs s -n 2"), 0);
    CHECK_STR(out, "1999\n2000\n");
    CHECK_INT(sh(B "session attach s --tail 0"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "session attach s --tail 2"), 0);
    CHECK_STR(out, "1999\n2000\n");
    CHECK_INT(sh(B "session logs s --tail 2"), 0);
    CHECK_STR(out, "1999\n2000\n");
    CHECK_INT(sh(B "session logs s --tail-bytes 5"), 0);
    CHECK_STR(out, "2000\n");
    CHECK_INT(sh(B "session logs s --grep '^19+$'"), 0);
    CHECK_STR(out, "19\n199\n1999\n");
    CHECK_INT(sh(B "session logs s --tail 3 --grep 0 --invert-match"), 0);
    CHECK_STR(out, "1998\n1999\n");
    CHECK_INT(sh(B "session logs s --grep nothing"), 1);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "session logs s --since 1h --until 2001-01-01"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh(B "session logs s -n 1 --since 1h --timestamps"), 0);
    CHECK_CONTAINS(out, "Z 2000\n");
    CHECK_INT(sh(B "session logs s --since tomorrow"), 125);
    CHECK_CONTAINS(err, "--since: \"tomorrow\"");
    CHECK_INT(sh(B "session logs s --grep '[' "), 125);
    CHECK_INT(sh(B "session logs s --grep x -o json"), 125);
    CHECK_INT(sh(B "session logs s --ignore-case"), 125);
    CHECK_INT(sh(B "session delete s"), 0);
    CHECK_INT(sh(B "vm logs box -n 0"), 0);
    CHECK_STR(out, "");
}

static void test_waiting_for_sessions(void)
{
    CHECK_INT(sh(B "session start box --name slow -- sleep 1000 && " B
                   "session start box --name five --no-stdin -- sh -c \"exit 5\" && " B
                   "session start box --name none --no-stdin -- true"),
              0);
    CHECK_INT(sh(B "session wait five none"), 5);
    CHECK_INT(sh(B "session wait --any slow five"), 5);
    CHECK_STR(out, "five\n");
    CHECK_INT(
        sh("timeout 60 " B "session wait --any slow & " B "session kill slow >/dev/null; wait $!"),
        137);
    CHECK_INT(sh(B "session wait --any nothing five"), 125);
    CHECK_INT(sh(B "session wait --any --all five"), 125);
    CHECK_INT(sh(B "session delete slow five none"), 0);
}

static void test_habits(void)
{
    CHECK_INT(sh(B "ps"), 0);
    CHECK_CONTAINS(out, "box");
    CHECK_INT(sh(B "images && " B "info"), 0);
    CHECK_INT(sh(B "exec -i box echo hi"), 0);
    CHECK_STR(out, "hi\n");
    CHECK_INT(sh(B "exec -it box stty size"), 0); /* its terminal, where we have none */
    CHECK_STR(out, "24 80\r\n");
    CHECK_INT(sh(B "run -v /a:/b -- true"), 125);
    CHECK_CONTAINS(err, "there is no -v: ");
    CHECK_INT(sh(B "run --rm -p 0:80 -- true"), 0);
    CHECK_INT(sh(B "vm delete -f box"), 125);
    CHECK_CONTAINS(err, "-f is --follow, which does not belong here; did you mean --force?");
}

static void test_waiting_for_a_vm(void)
{
    CHECK_INT(sh(B "vm wait box --timeout 20"), 0);
    CHECK_STR(out, "box\n");
    CHECK_INT(sh(B "vm wait box --until stopped --timeout 0.1"), 125);
    CHECK_CONTAINS(err, "in time");
    CHECK_INT(sh(B "vm wait box --until stopped & " B "vm stop -q box; wait $!"), 0);
    CHECK_INT(sh(B "vm wait box & " B "vm start -q box; wait $!"), 0);
    CHECK_INT(sh(B "vm stats box"), 0);
    CHECK_CONTAINS(out, "NAME  CPU");
    CHECK_INT(sh(B "vm stats --no-headers | grep -c ^box"), 0);
    CHECK_INT(sh(B "vm stats -f --interval 0.1 -o json | head -n 3 | grep -c \"\\\"vmName\\\": "
                   "\\\"box\\\"\""),
              0);
    CHECK_STR(out, "3\n");
    CHECK_INT(sh(B "vm wait box --until deleted & " B "vm delete -q box; wait $!"), 0);
    CHECK_INT(sh(B "vm wait nobody"), 125);
}

int main(void)
{
    cli_shell_open(BANGER_TEST_CLI);
    RUN(test_an_empty_list_has_its_list);
    RUN(test_first_word_of_run_is_an_image);
    RUN(test_a_vm_that_stays_is_told_of);
    RUN(test_dry_run_says_what_would_be);
    RUN(test_lists_are_chosen_from);
    RUN(test_everything_has_a_document);
    RUN(test_errors_can_be_read_by_programs);
    RUN(test_wrong_places_and_users_are_usage);
    RUN(test_last_lines);
    RUN(test_waiting_for_sessions);
    RUN(test_habits);
    RUN(test_waiting_for_a_vm);
    RUN(test_more_than_a_page_is_listed);
    return cli_shell_end();
}
