/* clients/shell/progress: when a line is due where no terminal is. */
#include "progress.h"

#include "tests/support/check.h"

static char stage[64], message[64];
static struct progress p;
static long long now = 1000000;

/* Prints stand for lines: how the operation is seen after ms more. */
static bool line_after(long long ms, const char *at, const char *says)
{
    Banger__V1__Operation operation = BANGER__V1__OPERATION__INIT;
    snprintf(stage, sizeof(stage), "%s", at);
    snprintf(message, sizeof(message), "%s", says);
    operation.stage = stage;
    operation.message = message;
    now += ms;
    return progress_is_due(&p, &operation, now);
}

static void begin(int how)
{
    p = (struct progress){.label = "build", .started_ms = now, .printed_ms = now};
    p.how = how;
}

static void test_a_short_operation_prints_nothing(void)
{
    begin(PROGRESS_LINES);
    CHECK(!line_after(0, "", ""));
    CHECK(!line_after(10, "disk", ""));
    CHECK(!line_after(500, "boot", ""));
    CHECK(!line_after(PROGRESS_QUIET_MS - 511, "agent", ""));
}

static void test_a_long_operation_prints_a_line_now_and_then(void)
{
    begin(PROGRESS_LINES);
    CHECK(line_after(PROGRESS_QUIET_MS, "kernel", "download"));
    CHECK(!line_after(PROGRESS_QUIET_MS, "kernel", "download")); /* nothing new */
    CHECK(line_after(1, "rootfs", "packages"));
    CHECK(line_after(1, "pack", "ext4")); /* a stage at once */
    CHECK(line_after(1, "rootfs", "packages"));
    CHECK(!line_after(PROGRESS_QUIET_MS - 1, "rootfs", "filesystem"));
    CHECK(line_after(1, "rootfs", "filesystem"));
}

static void test_every_stage_has_a_line_where_asked_for(void)
{
    begin(PROGRESS_STAGES);
    CHECK(line_after(0, "disk", ""));
    CHECK(!line_after(1, "disk", "half"));
    CHECK(line_after(1, "boot", ""));
}

static void test_a_terminal_and_none_have_no_lines(void)
{
    begin(PROGRESS_BAR);
    CHECK(!line_after(2LL * PROGRESS_QUIET_MS, "disk", ""));
    begin(PROGRESS_NONE);
    CHECK(!line_after(2LL * PROGRESS_QUIET_MS, "disk", ""));
}

int main(void)
{
    RUN(test_a_short_operation_prints_nothing);
    RUN(test_a_long_operation_prints_a_line_now_and_then);
    RUN(test_every_stage_has_a_line_where_asked_for);
    RUN(test_a_terminal_and_none_have_no_lines);
    return check_end();
}
