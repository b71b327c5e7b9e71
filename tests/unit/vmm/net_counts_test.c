/* Frames counted as they pass, however their stream is cut: daemon/vmm/net/net_counts.h. */
#include "daemon/vmm/net/net_counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/vmm/usage.h"
#include "tests/support/check.h"

/* Two frames of 5 and 300 bytes, an empty one between them, and a head alone. */
static size_t fill(uint8_t *data)
{
    size_t n = 0;
    static const uint32_t frames[] = {5, 0, 300};
    for (size_t i = 0; i < 3; i++) {
        for (int shift = 24; shift >= 0; shift -= 8)
            data[n++] = (uint8_t)(frames[i] >> shift);
        memset(data + n, 0xff, frames[i]);
        n += frames[i];
    }
    memset(data + n, 0, 3);
    return n + 3;
}

static void test_any_cut_counts_the_same(void)
{
    uint8_t data[512];
    size_t len = fill(data);
    for (size_t step = 1; step <= len; step++) {
        struct net_tally t = {0};
        uint64_t bytes = 0;
        for (size_t at = 0; at < len; at += step)
            bytes += net_tally(&t, data + at, len - at < step ? len - at : step);
        CHECK_INT(bytes, 305);
        CHECK_INT(t.left, 0);
        CHECK_INT(t.head_at, 3);
    }
}

static void test_they_are_read_while_they_grow_and_begin_anew(void)
{
    char dir[] = "/tmp/banger-counts-XXXXXX", path[64];
    struct err err = ERR_INIT;
    struct vmm_usage usage;
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/" NET_COUNTS_FILE, dir);
    struct net_counts *counts = net_counts_make(path, &err);
    CHECK(counts);
    if (!counts)
        return;
    counts->from_guest += 7;
    counts->to_guest += (uint64_t)1 << 40;
    vmm_usage_look(getpid(), "", dir, &usage);
    CHECK_INT(usage.sent_bytes, 7);
    CHECK_INT(usage.received_bytes, (int64_t)1 << 40);
    CHECK(net_counts_make(path, &err));
    vmm_usage_look(getpid(), "", dir, &usage);
    CHECK_INT(usage.sent_bytes, 0);
    CHECK(usage.rss_bytes > 0);
    CHECK_INT(fs_write_atomic(path, "short", 5, 0600, &err), 0);
    vmm_usage_look(getpid(), "", dir, &usage);
    CHECK_INT(usage.received_bytes, 0);
    unlink(path);
    vmm_usage_look(getpid(), "", dir, &usage);
    CHECK_INT(usage.received_bytes, 0);
    rmdir(dir);
}

static void test_a_path_that_cannot_be_is_said(void)
{
    struct err err = ERR_INIT;
    CHECK(!net_counts_make("/nowhere/" NET_COUNTS_FILE, &err));
    CHECK_CONTAINS(err.message, "/nowhere/" NET_COUNTS_FILE);
}

int main(void)
{
    RUN(test_any_cut_counts_the_same);
    RUN(test_they_are_read_while_they_grow_and_begin_anew);
    RUN(test_a_path_that_cannot_be_is_said);
    return check_end();
}
