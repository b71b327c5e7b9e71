/* Standard streams that are closed or full, and signals that come twice. */
#include "cli_shell.h"

static void test_closed_streams_are_not_taken_for_others(void)
{
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sh -c \"cat; echo in\" <&-"), 0);
    CHECK_STR(out, "in\n");
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sh -c \"cat; echo x >&2; exit 3\" <&- >&- 2>&-"), 125);
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sh -c \"exit 3\" <&- >&- 2>&-"), 3);
    CHECK_INT(sh("\"$BANGER\" vm exec box -- echo x >&-"), 125);
    CHECK_CONTAINS(err, "standard output");
    CHECK_INT(sh("\"$BANGER\" vm list >&-"), 125);
    /* A signal still ends it. */
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sleep 1000 <&- >&- 2>&- & pid=$!; "
                 "until \"$BANGER\" session list -q | grep -q .; do :; done; "
                 "kill -TERM $pid; wait $pid"),
              143);
}

/* The first descriptors of a program begun without any: none of them is a socket or an epoll set.
 */
static void closed(const char *program, const char *arguments, const char *ready)
{
    char line[2048];
    snprintf(line, sizeof(line),
             "rm -f ready; \"%s\" %s <&- >&- 2>&- & pid=$!; until [ -S %s ] || ! kill -0 $pid; do "
             ":; done; "
             "for fd in 0 1 2; do readlink /proc/$pid/fd/$fd; done; kill $pid; wait $pid",
             program, arguments, ready);
    (void)sh(line);
    CHECK_STR(out, "/dev/null\n/dev/null\n/dev/null\n");
}

static void test_daemon_and_agent_begin_with_open_streams(void)
{
    closed(BANGER_TEST_DAEMON_FILE, "--state-dir \"$PWD/other\" --socket \"$PWD/other.sock\"",
           "other.sock");
    closed(BANGER_TEST_SIM_AGENT_FILE, "--no-system --listen \"$PWD/agent.sock\"", "agent.sock");
}

static void test_full_disk_ends_banger_and_the_command(void)
{
    CHECK_INT(sh("\"$BANGER\" vm exec box -- yes >/dev/full"), 125);
    CHECK_CONTAINS(err, "No space left on device");
    CHECK_INT(sh("\"$BANGER\" session list -q"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh("\"$BANGER\" vm exec box -- sh -c \"yes >&2\" 2>/dev/full"), 125);
    CHECK_INT(sh("\"$BANGER\" session list -q"), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh("\"$BANGER\" session start box --name s -- echo word >/dev/null && "
                 "\"$BANGER\" session wait s && \"$BANGER\" session logs s >/dev/full"),
              125);
    CHECK_CONTAINS(err, "No space left on device");
    CHECK_INT(sh("\"$BANGER\" session delete s"), 0);
}

/* The command takes no notice of either. */
static void test_second_terminate_ends_banger(void)
{
    CHECK_INT(sh("rm -f pipe; mkfifo pipe; "
                 "\"$BANGER\" vm exec box -- sh -c \"trap : TERM; echo ready; "
                 "while :; do sleep 0.05; echo on; done\" >pipe & exec 3<pipe; read word <&3; "
                 "kill -TERM $!; read word <&3; kill -TERM $!; cat <&3 >/dev/null; wait $!"),
              143);
    CHECK_INT(sh("\"$BANGER\" session list -q"), 0);
    CHECK_STR(out, "");
}

/* The daemon is stopped: nothing of it can be waited for, and the program ends all the same. */
static void test_second_terminate_ends_banger_beside_a_daemon_that_hangs(void)
{
    CHECK_INT(sh("rm -f pipe; mkfifo pipe; "
                 "\"$BANGER\" vm exec box -- sh -c \"echo ready; sleep 1000\" >pipe & "
                 "exec 3<pipe; read word <&3; kill -STOP $DAEMON; kill -TERM $!; "
                 "until grep -q ShdPnd:.0000000000000000 /proc/$!/status; do :; done; "
                 "kill -TERM $!; cat <&3 >/dev/null; wait $!; "
                 "status=$?; kill -CONT $DAEMON; exit $status"),
              143);
    CHECK_INT(sh("for id in $(\"$BANGER\" session list -q); do \"$BANGER\" session delete --force "
                 "$id; done"),
              0);
}

static void test_a_daemon_that_hangs_is_told_of_soon(void)
{
    char line[512];
    snprintf(line, sizeof(line),
             "kill -STOP $DAEMON; BANGER_STATE_DIR=%s timeout 6 \"$BANGER\" daemon status; "
             "status=$?; kill -CONT $DAEMON; exit $status",
             h.state);
    CHECK_INT(sh(line), 4);
    CHECK_CONTAINS(out, "runs and does not answer");
    CHECK_INT(sh("\"$BANGER\" daemon status"), 0);
    CHECK_INT(sh("BANGER_SOCKET=$PWD/nowhere.sock \"$BANGER\" daemon status -o json"), 3);
    CHECK_CONTAINS(out, "\"state\": \"not running\"");
    CHECK_INT(sh("BANGER_SOCKET=$PWD/nowhere.sock \"$BANGER\" daemon stop"), 0);
    CHECK_INT(sh("\"$BANGER\" daemon status"), 0);
}

/* Killed while its VM boots, or runs: nobody is left to delete it but the daemon. */
static void test_the_vm_of_a_killed_run_is_deleted(void)
{
    CHECK_INT(sh("\"$BANGER\" vm run --rm --lease 1s --name killed -- sleep 1000 & pid=$!; "
                 "until \"$BANGER\" session list killed -q 2>/dev/null | grep -q .; do :; done; "
                 "kill -KILL $pid; \"$BANGER\" vm wait --until deleted killed --timeout 60"),
              0);
    CHECK_INT(sh("\"$BANGER\" vm run --rm --lease 1s --name booting -- sleep 1000 & pid=$!; "
                 "until \"$BANGER\" vm show booting -q >/dev/null 2>&1; do :; done; "
                 "kill -KILL $pid; \"$BANGER\" vm wait --until deleted booting --timeout 60"),
              0);
    CHECK_INT(sh("\"$BANGER\" event list -n 1000 | grep -c vm.abandoned"), 0);
    CHECK_STR(out, "2\n");
}

/* Longer than its lease. */
static void test_the_vm_of_a_run_that_lives_is_not(void)
{
    CHECK_INT(sh("\"$BANGER\" vm run --rm --lease 1s -- sh -c \"sleep 3; echo ready; exit 7\""), 7);
    CHECK_STR(err, "");
    CHECK_STR(out, "ready\n");
    CHECK_INT(sh("\"$BANGER\" vm list -q | wc -l"), 0);
    CHECK_STR(out, "1\n");
}

int main(void)
{
    char pid[16];
    cli_shell_open(BANGER_TEST_CLI);
    h.stops_it = true;
    snprintf(pid, sizeof(pid), "%d", (int)h.daemon);
    setenv("DAEMON", pid, 1);
    CHECK_INT(sh("\"$BANGER\" vm run --name box -d"), 0);
    RUN(test_closed_streams_are_not_taken_for_others);
    RUN(test_daemon_and_agent_begin_with_open_streams);
    RUN(test_full_disk_ends_banger_and_the_command);
    RUN(test_second_terminate_ends_banger);
    RUN(test_second_terminate_ends_banger_beside_a_daemon_that_hangs);
    RUN(test_a_daemon_that_hangs_is_told_of_soon);
    RUN(test_the_vm_of_a_killed_run_is_deleted);
    RUN(test_the_vm_of_a_run_that_lives_is_not);
    return cli_shell_end();
}
