/* The console log: base64 from qemu, order, the bound on disk. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/vmm/console.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"

static void check_decodes(const char *text, const char *want)
{
    uint8_t out[64];
    ssize_t n = console_decode_base64(text, strlen(text), out, sizeof(out) - 1);
    CHECK_INT(n, strlen(want));
    if (n >= 0) {
        out[n] = '\0';
        CHECK_STR((char *)out, want);
    }
}

static void test_base64(void)
{
    check_decodes("", "");
    check_decodes("Zg==", "f");
    check_decodes("Zm8=", "fo");
    check_decodes("Zm9v", "foo");
    check_decodes("Zm9vYmE=", "fooba");
    check_decodes("Pz8+Pj4/", "?\?>>>?");
    static const char *const broken[] = {
        "Z", "Zg", "Zg=", "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9\n"};
    uint8_t out[64];
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        CHECK_INT(console_decode_base64(broken[i], strlen(broken[i]), out, sizeof(out)), -1);
    CHECK_INT(console_decode_base64("Zm9v", 4, out, 2), -1);
}

static void console_turn(void *arg)
{
    loop_stop(arg);
}

/* More than two files' worth: the last lines are there, the disk is bounded, the order is kept. */
static void test_file_is_bounded(void)
{
    char dir[] = "/tmp/banger-console-XXXXXX", path[64], old[64], line[32];
    struct err err = ERR_INIT;
    struct stat st;
    if (!CHECK(mkdtemp(dir)))
        return;
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(old, sizeof(old), "%s/log.1", dir);
    struct loop *loop = loop_new(&err);
    struct workers *workers = workers_new(loop, "test", 1, 1024, &err);
    struct console c;
    console_init(&c, workers, path);
    static char block[65536];
    memset(block, '.', sizeof(block));
    for (int i = 0; i < 80; i++) {
        snprintf(line, sizeof(line), "line %02d\n", i);
        console_append(&c, line, strlen(line));
        console_append(&c, block, sizeof(block));
        while (c.job) { /* done: the loop has nothing else to wait for */
            loop_post(loop, console_turn, loop);
            loop_run(loop, &err);
        }
    }
    console_append(&c, "the end\n", 8);
    console_done(&c);
    workers_close(workers);
    loop_free(loop);
    CHECK(stat(path, &st) == 0 && st.st_size < 2 * CONSOLE_FILE_BYTES);
    CHECK(stat(old, &st) == 0 && st.st_size < 2 * CONSOLE_FILE_BYTES);
    auto_free char *text = NULL;
    if (CHECK_INT(fs_read(path, 4 << 20, &text, NULL, &err), 0))
        CHECK_CONTAINS(text, "the end");
    console_remove(path, &err);
    CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
    RUN(test_base64);
    RUN(test_file_is_bounded);
    return check_end();
}
