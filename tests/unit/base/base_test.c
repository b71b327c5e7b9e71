/* The base library: errors, buffers, maps, ids, files, frames. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/order.h"
#include "base/utf8.h"
#include "tests/support/check.h"

static void test_err_reads_from_what_failed_to_why(void)
{
    struct err e = ERR_INIT;
    CHECK_INT(err_sys(&e, ENOENT, "cannot open %s", "disk"), -1);
    err_tag(&e, "DISK_MISSING", "vm/%s", "box");
    err_wrap(&e, "cannot start VM %s", "box");
    CHECK_INT(e.code, ERR_NOT_FOUND);
    CHECK_INT(e.sys, ENOENT);
    CHECK_STR(e.message, "cannot start VM box: cannot open disk: No such file or directory");
    CHECK_STR(e.reason, "DISK_MISSING");
    CHECK_STR(e.resource, "vm/box");
    CHECK_STR(err_code_name(ERR_PRECONDITION), "FAILED_PRECONDITION");
    char huge[2000];
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    err_wrap(&e, "%s", huge);
    CHECK_INT(strlen(e.message), sizeof(e.message) - 1);
}

/* Texts of errors become proto strings: one cut within a character would spoil a whole answer. */
static void test_texts_are_tamed(void)
{
    static const struct {
        const char *text, *tame;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"\033[31m\n\t\177", "?[31m???"},
        {"\302\200\302\233x\302\237", "??x?"},                            /* C1, as UTF-8 … */
        {"\233x", "?x"},                                                  /* … and as a byte */
        {"\302\240\303\251\342\202\254", "\302\240\303\251\342\202\254"}, /* no controls */
        {"\302", "?"},
        {"a\302\033b", "a??b"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%s", rows[i].text);
        utf8_tame(text);
        CHECK_STR(text, rows[i].tame);
    }
}

static void test_err_texts_are_utf8(void)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_INVALID, "name \"%.3s\"", "éé");
    CHECK_STR(e.message, "name \"é?\"");
    char huge[2000];
    for (size_t i = 0; i + 1 < sizeof(huge); i++)
        huge[i] = i % 2 ? '\xa9' : '\xc3';
    huge[sizeof(huge) - 1] = '\0';
    for (const char *front = "abc"; *front; front++) {
        err_set(&e, ERR_INVALID, "%s%s", front, huge);
        CHECK_INT(utf8_prefix((uint8_t *)e.message, strlen(e.message)), strlen(e.message));
        err_sys(&e, ENOENT, "%s%s", front, huge);
        CHECK_INT(utf8_prefix((uint8_t *)e.message, strlen(e.message)), strlen(e.message));
        err_wrap(&e, "%s", front);
        CHECK_INT(utf8_prefix((uint8_t *)e.message, strlen(e.message)), strlen(e.message));
        err_tag(&e, "X", "%s%s", front, huge);
        CHECK_INT(utf8_prefix((uint8_t *)e.resource, strlen(e.resource)), strlen(e.resource));
    }
    char text[] = "\xff\xc3\xa9\xc3";
    utf8_mend(text);
    CHECK_STR(text, "?é?");
}

/* What went to the log, as a string of the caller's; the log writes to stderr again. */
static char *log_written(int fd)
{
    off_t len = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    CHECK_INT(pread(fd, text, (size_t)len, 0), len);
    log_set_fd(STDERR_FILENO);
    close(fd);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void test_log_escapes_and_holds_back(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    log_set_fd(fd);
    log_warn("vm/\n1", "odd name \"%s\"", "a\x1b[2J\n");
    log_warn("vm/c1", "odd %s", "a\302\233b\233c\303\251\342\202\254\302");
    for (int i = 0; i < 1000; i++) {
        log_warn("vm/1", "the guest said %d", i);
        log_info("vm/2", "the guest said %s", i ? "more" : "something");
    }
    log_warn("vm/3", "the guest said %d", 5); /* others are heard */
    char *text = log_written(fd);
    CHECK_CONTAINS(text, "subject=\"vm/\\x0a1\" msg=\"odd name \\\"a\\x1b[2J\\x0a\\\"\"\n");
    CHECK_CONTAINS(text, "msg=\"odd a\\xc2\\x9bb\\x9bc\303\251\342\202\254\\xc2\"\n");
    CHECK_INT(count_of(text, "vm/1\""), LOG_BURST);
    CHECK_INT(count_of(text, "vm/2\""), LOG_BURST);
    CHECK_INT(count_of(text, "vm/3\""), 1);
    CHECK_INT(count_of(text, "\n"), 2 * LOG_BURST + 3);
    free(text);
}

static void test_buf_keeps_order_and_maximum(void)
{
    struct buf b;
    buf_init(&b, 1000);
    uint8_t expect = 0, next = 0;
    for (int round = 0; round < 2000; round++) {
        uint8_t piece[97];
        size_t n = (size_t)(round * 7 % 97);
        for (size_t i = 0; i < n; i++)
            piece[i] = next++;
        if (buf_append(&b, piece, n) < 0) {
            CHECK_INT(errno, ENOSPC);
            CHECK(n > buf_room(&b));
            next = (uint8_t)(next - n);
        }
        size_t take = (size_t)(round * 5 % 83);
        if (take > buf_len(&b))
            take = buf_len(&b);
        for (size_t i = 0; i < take; i++)
            if (buf_data(&b)[i] != expect++)
                CHECK(!"bytes out of order");
        buf_consume(&b, take);
    }
    buf_done(&b);
}

/* Vectors of RFC 9923; MACs and UUIDs of machines are made of it. */
static void test_hash_is_fnv_1a(void)
{
    CHECK(hash_text(HASH_START, "") == UINT64_C(0xcbf29ce484222325));
    CHECK(hash_text(HASH_START, "a") == UINT64_C(0xaf63dc4c8601ec8c));
    CHECK(hash_text(HASH_START, "foobar") == UINT64_C(0x85944171f73967e8));
    CHECK(hash_bytes(hash_byte(HASH_START, 'f'), "oobar", 5) == hash_text(HASH_START, "foobar"));
    CHECK(hash_text(HASH_START, "\xff") == hash_byte(HASH_START, 0xff));
}

static void test_map_against_a_plain_array(void)
{
    enum { KEYS = 500 };
    static char keys[KEYS][8];
    bool in[KEYS] = {false};
    struct map m;
    map_init(&m);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);
    for (int step = 0; step < 20000; step++) {
        int i = (int)((unsigned)step * 2654435761u % KEYS);
        if (in[i])
            CHECK(map_take(&m, keys[i]) == keys[i]);
        else
            CHECK_INT(map_put(&m, keys[i], keys[i]), 0);
        in[i] = !in[i];
    }
    size_t want = 0, got = 0, at = 0;
    for (int i = 0; i < KEYS; i++) {
        want += in[i];
        CHECK((map_find(&m, keys[i]) != NULL) == in[i]);
    }
    while (map_next(&m, &at))
        got++;
    CHECK_INT(got, want);
    CHECK_INT(m.len, want);
    map_done(&m);
}

/* Also with a clock that is set back now and then, and many things of one moment. */
static void test_order_against_a_plain_array(void)
{
    enum { THINGS = 300 };
    static char ids[THINGS][8];
    int64_t made[THINGS];
    bool in[THINGS] = {false};
    struct order o;
    order_init(&o);
    for (int i = 0; i < THINGS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%03d", i);
        made[i] = i % 50;
    }
    for (int step = 0; step < 5000; step++) {
        int i = (int)((unsigned)step * 2654435761u % THINGS);
        if (in[i])
            order_remove(&o, made[i], ids[i]);
        else
            CHECK_INT(order_add(&o, made[i], ids[i], ids[i]), 0);
        in[i] = !in[i];
    }
    size_t want = 0;
    for (int i = 0; i < THINGS; i++) {
        size_t older = 0, after = order_after(&o, made[i], ids[i]);
        want += in[i];
        for (int k = 0; k < THINGS; k++)
            older += in[k] && (made[k] < made[i] || (made[k] == made[i] && k < i));
        CHECK_INT(order_before(&o, made[i], ids[i]), older);
        CHECK_INT(after, older + in[i]);
        CHECK(!in[i] || order_at(&o, after - 1) == ids[i]);
    }
    CHECK_INT(o.n, want);
    CHECK(!order_at(&o, o.n));
    CHECK_INT(order_after(&o, INT64_MIN, ""), 0);
    order_remove(&o, 7, "not there");
    CHECK_INT(o.n, want);
    order_done(&o);
}

static void test_ids_and_names(void)
{
    char a[ID_BYTES], b[ID_BYTES];
    id_make(a);
    id_make(b);
    CHECK(id_is_valid(a) && id_is_valid(b) && strcmp(a, b) != 0);
    CHECK(id_is_prefix("0a") && !id_is_prefix("") && !id_is_prefix("i") && !id_is_prefix("A"));
    CHECK(name_is_valid("box-1") && name_is_valid("a"));
    CHECK(!name_is_valid("") && !name_is_valid("-a") && !name_is_valid("a-") &&
          !name_is_valid("A") && !name_is_valid("a.b") && !name_is_valid("a b"));
    char long_name[66];
    memset(long_name, 'a', sizeof(long_name));
    long_name[64] = '\0';
    CHECK(!name_is_valid(long_name));
    long_name[63] = '\0';
    CHECK(name_is_valid(long_name));
}

static void test_files(void)
{
    char dir[] = "/tmp/banger-base-XXXXXX", path[128], *text = NULL;
    size_t len = 0;
    struct err err = ERR_INIT;
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    snprintf(path, sizeof(path), "%s/a/b/c", dir);
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    snprintf(path, sizeof(path), "%s/a/file", dir);
    CHECK_INT(fs_write_atomic(path, "hello", 5, 0600, &err), 0);
    CHECK_INT(fs_read(path, 5, &text, &len, &err), 0);
    CHECK_STR(text, "hello");
    CHECK_INT(len, 5);
    free(text);
    CHECK_INT(fs_read(path, 4, &text, &len, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    char outside[64], link_path[128];
    snprintf(outside, sizeof(outside), "%s-outside", dir);
    CHECK_INT(mkdir(outside, 0700), 0);
    snprintf(link_path, sizeof(link_path), "%s/a/link", dir);
    CHECK_INT(symlink(outside, link_path), 0);
    CHECK_INT(fs_remove_tree(dir, &err), 0);
    CHECK(access(dir, F_OK) < 0);
    CHECK_INT(rmdir(outside), 0);
    CHECK_INT(fs_remove_tree(dir, &err), 0);
}

/* A folder that takes no changes keeps what is in it, also from root. */
static void set_immutable(const char *path, bool immutable)
{
    char command[160];
    snprintf(command, sizeof(command), "chattr %ci '%s' 2>/dev/null", immutable ? '+' : '-', path);
    if (geteuid() != 0)
        chmod(path, immutable ? 0500 : 0700);
    else if (system(command) != 0)
        printf("this file system has no immutable folders\n");
}

static void test_remove_tree_goes_on_past_what_stays(void)
{
    char dir[] = "/tmp/banger-base-XXXXXX", path[128];
    struct err err = ERR_INIT;
    static const char *const files[] = {"a/1", "m/1", "m/2", "z/1"};
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%c", dir, files[i][0]);
        CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        CHECK_INT(fs_write_atomic(path, "x", 1, 0600, &err), 0);
    }
    snprintf(path, sizeof(path), "%s/m", dir);
    set_immutable(path, true);
    int removed = fs_remove_tree(dir, &err);
    bool kept = access(dir, F_OK) == 0;
    CHECK_INT(removed, kept ? -1 : 0);
    if (kept)
        CHECK_CONTAINS(err.message, "/m/");
    snprintf(path, sizeof(path), "%s/a", dir);
    CHECK(access(path, F_OK) < 0);
    snprintf(path, sizeof(path), "%s/z", dir);
    CHECK(access(path, F_OK) < 0);
    snprintf(path, sizeof(path), "%s/m", dir);
    set_immutable(path, false);
    CHECK_INT(fs_remove_tree(dir, &err), 0);
}

static size_t put_frame(uint8_t *out, const char *payload, uint32_t len, uint32_t sequence)
{
    frame_put_header(out, len, sequence);
    memcpy(out + FRAME_HEADER_BYTES, payload, len);
    frame_put_trailer(out + FRAME_HEADER_BYTES + len, sequence);
    return FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES;
}

/* A frame cut anywhere, a preamble, then a good frame: only the good one is found, whatever the
 * cut. */
static void test_frame_after_any_cut(void)
{
    static uint8_t wire[2 * FRAME_MAX_BYTES];
    const char *cut_payload = "BGR1 payload that even holds the magic BGR1";
    uint32_t cut_len = (uint32_t)strlen(cut_payload);
    size_t whole = FRAME_HEADER_BYTES + cut_len + FRAME_TRAILER_BYTES;
    for (size_t keep = 0; keep < whole; keep++) {
        memset(wire, 0, sizeof(wire));
        put_frame(wire, cut_payload, cut_len, 41);
        memset(wire + keep, 0, whole - keep);
        size_t len = keep + FRAME_PREAMBLE_BYTES;
        len += put_frame(wire + len, "hello", 5, 0);
        size_t at = 0, used = 0;
        struct frame f = {0};
        enum frame_found found;
        int rounds = 0;
        while ((found = frame_find(wire + at, len - at, &f, &used)) == FRAME_GARBAGE &&
               rounds++ < 1000)
            at += used;
        CHECK_INT(found, FRAME_WHOLE);
        CHECK(f.len == 5 && memcmp(f.payload, "hello", 5) == 0);
        CHECK_INT(f.sequence, 0);
    }
}

static void test_frame_trickled(void)
{
    uint8_t wire[64];
    size_t len = put_frame(wire, "abc", 3, 9), used;
    struct frame f;
    for (size_t n = 0; n < len; n++) {
        CHECK_INT(frame_find(wire, n, &f, &used), FRAME_MORE);
        CHECK_INT(used, 0);
    }
    CHECK_INT(frame_find(wire, len, &f, &used), FRAME_WHOLE);
    CHECK_INT(used, len);
    CHECK_INT(f.sequence, 9);
}

int main(void)
{
    RUN(test_err_reads_from_what_failed_to_why);
    RUN(test_err_texts_are_utf8);
    RUN(test_texts_are_tamed);
    RUN(test_log_escapes_and_holds_back);
    RUN(test_buf_keeps_order_and_maximum);
    RUN(test_hash_is_fnv_1a);
    RUN(test_map_against_a_plain_array);
    RUN(test_order_against_a_plain_array);
    RUN(test_ids_and_names);
    RUN(test_files);
    RUN(test_remove_tree_goes_on_past_what_stays);
    RUN(test_frame_after_any_cut);
    RUN(test_frame_trickled);
    return check_end();
}
