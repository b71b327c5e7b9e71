/* The banger command against a real daemon with the sim driver: output, exit statuses, signals.
 * Each case is a line of shell, as a user would write it, with BANGER for the program. */
#include "cli_shell.h"

static void test_run(void)
{
    CHECK_INT(sh("\"$BANGER\" vm run --rm -- echo hello"), 0);
    CHECK_STR(out, "hello\n");
    CHECK_STR(err, "");
    CHECK_INT(sh("echo hi | \"$BANGER\" vm run --rm -- tr a-z A-Z"), 0);
    CHECK_STR(out, "HI\n");
    CHECK_INT(sh("\"$BANGER\" vm run --rm -- sh -c \"echo x >&2; exit 42\""), 42);
    CHECK_STR(err, "x\n");
    CHECK_INT(sh("echo \"echo from stdin; exit 3\" | \"$BANGER\" vm run --rm"), 3);
    CHECK_STR(out, "from stdin\n");
    CHECK_INT(sh("\"$BANGER\" vm list -q"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh("\"$BANGER\" vm run --name kept -- true"), 0);
    CHECK_INT(sh("\"$BANGER\" vm delete kept"), 0);
}

static void test_run_detached(void)
{
    CHECK_INT(sh("\"$BANGER\" vm run --name box -d -l tier=test"), 0);
    CHECK_STR(out, "box\n");
    CHECK_INT(sh("\"$BANGER\" vm list -l tier=test"), 0);
    CHECK_CONTAINS(out, "box");
    CHECK_CONTAINS(out, "running");
    CHECK_INT(sh("\"$BANGER\" vm show box -o json"), 0);
    CHECK_CONTAINS(out, "\"state\": \"VM_STATE_RUNNING\"");
    CHECK_INT(sh("\"$BANGER\" -o yaml vm show box"), 0);
    CHECK_CONTAINS(out, "name: box\n");
    CHECK_INT(sh("\"$BANGER\" vm run --name box -d"), 125);
    CHECK_CONTAINS(err, "box");
}

static void test_exit_statuses(void)
{
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sh -c \"kill -9 \\$\\$\""), 137);
    CHECK_INT(sh("\"$BANGER\" vm exec box -- no-such-command"), 127);
    CHECK_CONTAINS(err, "no-such-command");
    CHECK_INT(sh("\"$BANGER\" vm exec box -- /etc/passwd"), 126);
    CHECK_INT(sh("\"$BANGER\" vm exec nobox -- true"), 125);
    CHECK_CONTAINS(err, "banger vm list");
    CHECK_INT(sh("\"$BANGER\" vm exec --require no-such-command box -- true"), 127);
    CHECK_INT(sh("\"$BANGER\" session list -q"), 0);
    CHECK_STR(out, "");
}

static void test_environment(void)
{
    CHECK_INT(sh("OURS=a \"$BANGER\" vm exec -e OURS -e MINE=b -w /usr box "
                 "sh -c \"echo \\$OURS \\$MINE; pwd\""),
              0);
    CHECK_STR(out, "a b\n/usr\n");
    CHECK_INT(sh("\"$BANGER\" vm exec -e =x box true"), 125);
}

static void test_bytes(void)
{
    CHECK_INT(sh("head -c 5000000 /dev/urandom >in; \"$BANGER\" vm exec box -- cat <in | cmp - in"),
              0);
    CHECK_INT(sh("\"$BANGER\" vm exec --no-stdin box -- cat <in"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh("\"$BANGER\" vm exec box -- yes | head -n 1"), 0);
    CHECK_STR(out, "y\n");
    CHECK_STR(err, "");
    CHECK_INT(sh("\"$BANGER\" session list -q"), 0);
    CHECK_STR(out, "");
}

static void test_signals(void)
{
    CHECK_INT(
        sh("mkfifo pipe; \"$BANGER\" vm exec box -- sh -c \"trap \\\"echo got; exit 7\\\" INT; "
           "echo ready; while :; do sleep 0.05; done\" >pipe & exec 3<pipe; read word <&3; "
           "kill -INT $!; cat <&3; wait $!"),
        7);
    CHECK_STR(out, "got\n");
    /* The second is sent when the first has come through: two that wait to be taken are one. */
    CHECK_INT(
        sh("\"$BANGER\" vm exec box -- sh -c \"trap \\\"echo got\\\" INT; echo ready; "
           "while :; do sleep 0.05; done\" >pipe & exec 3<pipe; read word <&3; "
           "kill -INT $!; read word <&3; echo $word; kill -INT $!; cat <&3 >/dev/null; wait $!"),
        130);
    CHECK_STR(out, "got\n");
}

static void test_sessions(void)
{
    CHECK_INT(
        sh("\"$BANGER\" session start box --name s -- sh -c \"read x; echo got \\$x; exit 5\""), 0);
    CHECK_STR(out, "s\n");
    CHECK_INT(sh("\"$BANGER\" session list"), 0);
    CHECK_CONTAINS(out, "running");
    CHECK_INT(sh("echo word | \"$BANGER\" session send s --eof"), 0);
    CHECK_INT(sh("\"$BANGER\" session wait s"), 5);
    CHECK_INT(sh("\"$BANGER\" session logs s"), 0);
    CHECK_STR(out, "got word\n");
    CHECK_INT(sh("\"$BANGER\" session attach s"), 5);
    CHECK_STR(out, "got word\n");
    CHECK_INT(sh("\"$BANGER\" session attach s --tail-bytes 5"), 5);
    CHECK_STR(out, "word\n");
    CHECK_INT(sh("\"$BANGER\" session show s"), 0);
    CHECK_CONTAINS(out, "exited 5");
    CHECK_INT(sh("\"$BANGER\" session delete s"), 0);
    CHECK_INT(sh("\"$BANGER\" session start box --name t -- sleep 1000"), 0);
    CHECK_INT(sh("\"$BANGER\" session delete t"), 125);
    CHECK_CONTAINS(err, "--force");
    CHECK_INT(sh("\"$BANGER\" session signal t TERM && \"$BANGER\" session wait t"), 143);
    CHECK_INT(sh("\"$BANGER\" session delete t"), 0);
}

static void test_states(void)
{
    CHECK_INT(sh("\"$BANGER\" vm health box"), 0);
    CHECK_INT(sh("\"$BANGER\" vm handles box -o json"), 0);
    CHECK_CONTAINS(out, "\"pid\"");
    CHECK_INT(sh("\"$BANGER\" vm stop box nobox"), 125);
    CHECK_STR(out, "box\n");
    CHECK_CONTAINS(err, "nobox");
    CHECK_INT(sh("\"$BANGER\" vm health box"), 1);
    CHECK_INT(sh("\"$BANGER\" vm start --progress=plain box"), 0);
    CHECK_CONTAINS(err, "box: ");
    CHECK_INT(sh("\"$BANGER\" vm restart box && \"$BANGER\" vm kill box"), 0);
    CHECK_INT(sh("\"$BANGER\" operation list -n 1"), 0);
    CHECK_CONTAINS(out, "vm.kill");
    CHECK_INT(sh("\"$BANGER\" event list | grep -c vm.state"), 0);
}

static void test_bad_usage(void)
{
    CHECK_INT(sh("\"$BANGER\" vm rum"), 125);
    CHECK_CONTAINS(err, "did you mean \"vm run\"");
    CHECK_INT(sh("\"$BANGER\" exec"), 125);
    CHECK_CONTAINS(err, "vm exec needs VM");
    CHECK_INT(sh("\"$BANGER\" vm run --memory lots"), 125);
    CHECK_CONTAINS(err, "512M");
    CHECK_INT(sh("\"$BANGER\" vm start"), 125);
    CHECK_CONTAINS(err, "VM...");
    CHECK_INT(sh("\"$BANGER\" vm list extra"), 125);
    CHECK_INT(sh("\"$BANGER\" -o xml vm list"), 125);
    CHECK_CONTAINS(err, "table|json|yaml");
    CHECK_INT(sh("\"$BANGER\" vm create --cpus 1000 big"), 125);
    CHECK_INT(sh("\"$BANGER\" --socket /nowhere/s vm list"), 125);
    CHECK_CONTAINS(err, "/nowhere/s");
    CHECK_INT(sh("\"$BANGER\" vm show box >/dev/full"), 125);
}

static void test_completion(void)
{
    CHECK_INT(sh("\"$BANGER\" __complete vm stop b"), 0);
    CHECK_STR(out, "box\tstopped\n");
    CHECK_INT(sh("\"$BANGER\" __complete vm run --net \"\""), 0);
    CHECK_STR(out, "user\t\ntap\t\nnone\t\n");
    CHECK_INT(sh("\"$BANGER\" __complete vm exec --cw"), 0);
    CHECK_CONTAINS(out, "--cwd\t");
    CHECK_INT(sh("\"$BANGER\" completion bash | bash -n"), 0);
}

int main(void)
{
    cli_shell_open(BANGER_TEST_CLI);
    RUN(test_run);
    RUN(test_run_detached);
    RUN(test_exit_statuses);
    RUN(test_environment);
    RUN(test_bytes);
    RUN(test_signals);
    RUN(test_sessions);
    RUN(test_states);
    RUN(test_bad_usage);
    RUN(test_completion);
    return cli_shell_end();
}
