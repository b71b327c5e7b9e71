/* Opening what lies below the state folder: only plain files of ours, at once, whatever is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"

enum { STRANGER = 4242, HANG_S = 20 };

static char dir[64] = "/tmp/banger-fs-XXXXXX", path[128];

static void refused(const char *what, enum err_code code)
{
    char *text = NULL;
    int before = check_failures;
    struct err err = ERR_INIT;
    CHECK_INT(fs_read_own(path, 100, &text, NULL, &err), -1);
    CHECK_INT(err.code, code);
    CHECK_CONTAINS(err.message, path);
    static const int flags[] = {O_RDONLY, O_RDWR, O_WRONLY | O_APPEND | O_CREAT};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        auto_fd int fd = fs_open_own(path, flags[i], 0600, &err);
        CHECK_INT(fd, -1);
        CHECK_INT(err.code, code);
    }
    CHECK_INT(fs_check_own(path, &err), -1);
    CHECK_INT(err.code, code);
    if (check_failures > before)
        fprintf(stderr, "(with %s)\n", what);
    free(text);
    remove(path);
}

/* A FIFO would hold whoever opens it until someone opens the other end. */
static void test_what_is_no_plain_file_is_refused_at_once(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char target[128];
    alarm(HANG_S);
    CHECK_INT(mkfifo(path, 0600), 0);
    refused("a FIFO", ERR_PRECONDITION);
    CHECK_INT(mkdir(path, 0700), 0);
    refused("a folder", ERR_PRECONDITION);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    refused("a socket", ERR_PRECONDITION);
    snprintf(target, sizeof(target), "%s/target", dir);
    CHECK_INT(fs_write_atomic(target, "x", 1, 0600, NULL), 0);
    CHECK_INT(symlink(target, path), 0);
    refused("a link to a plain file", ERR_PRECONDITION);
    CHECK_INT(symlink("/nonexistent/x", path), 0);
    refused("a link to nothing", ERR_PRECONDITION);
    if (mknod(path, S_IFCHR | 0600, 0x501) == 0) /* tty, which nobody has here */
        refused("a device", ERR_PRECONDITION);
    alarm(0);
}

static void test_files_of_others_are_refused(void)
{
    CHECK_INT(fs_write_atomic(path, "x", 1, 0644, NULL), 0);
    if (chown(path, STRANGER, STRANGER) == 0)
        refused("another's file", ERR_DENIED);
    remove(path);
}

static void test_size_is_bounded(void)
{
    char *text = NULL;
    struct err err = ERR_INIT;
    auto_fd int fd = fs_open_own(path, O_RDWR | O_CREAT, 0600, &err);
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, (off_t)1 << 40), 0);
    CHECK_INT(fs_read_own(path, 4096, &text, NULL, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_INT(ftruncate(fd, 0), 0);
    CHECK_INT(fs_read_own(path, 4096, &text, NULL, &err), 0);
    CHECK_STR(text, "");
    free(text);
    remove(path);
    CHECK_INT(fs_read_own(path, 4096, &text, NULL, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_INT(fs_check_own(path, &err), 0);
}

static void test_only_the_same_content_is_there(void)
{
    CHECK(!fs_has(path, "abc", 3));
    CHECK_INT(fs_write_scratch(path, "abc", 3, 0600, NULL), 0);
    CHECK(fs_has(path, "abc", 3));
    CHECK(!fs_has(path, "abd", 3) && !fs_has(path, "ab", 2) && !fs_has(path, "abc", 4));
    CHECK_INT(fs_write_scratch(path, "", 0, 0600, NULL), 0);
    CHECK(fs_has(path, "", 0) && !fs_has(path, "a", 1));
    remove(path);
}

static int folder_is(mode_t mode, bool shared, struct err *err)
{
    CHECK_INT(chmod(path, mode), 0);
    return fs_check_folder(path, shared, err);
}

static void test_folders_that_others_write_to_are_refused(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(mkdir(path, 0700), 0);
    CHECK_INT(folder_is(0755, false, &err), 0);
    CHECK_INT(folder_is(0770, false, &err), -1);
    CHECK_INT(err.code, ERR_DENIED);
    CHECK_CONTAINS(err.message, "its group");
    CHECK_INT(folder_is(0702, false, &err), -1);
    CHECK_CONTAINS(err.message, "everyone");
    CHECK_INT(folder_is(0720, true, &err), -1);
    CHECK_INT(folder_is(01777, false, &err), -1);
    CHECK_INT(folder_is(01777, true, &err), 0);
    CHECK_INT(chmod(path, 0755), 0);
    if (chown(path, STRANGER, STRANGER) == 0) {
        CHECK_INT(fs_check_folder(path, false, &err), -1);
        CHECK_INT(err.code, ERR_DENIED);
        CHECK_INT(fs_check_folder(path, true, &err), -1);
        CHECK_CONTAINS(err.message, "belongs to user 4242");
    }
    CHECK_INT(rmdir(path), 0);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/it", dir);
    RUN(test_what_is_no_plain_file_is_refused_at_once);
    RUN(test_files_of_others_are_refused);
    RUN(test_size_is_bounded);
    RUN(test_only_the_same_content_is_there);
    RUN(test_folders_that_others_write_to_are_refused);
    fs_remove_tree(dir, NULL);
    return check_end();
}
