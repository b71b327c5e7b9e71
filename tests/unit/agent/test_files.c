/* The tools for files, each run in a process of its own as the agent runs it, on folders of this
 * host. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "agent/tool.h"
#include "agent/tool_files.h"
#include "base/buf.h"
#include "tests/support/check.h"

static char root[64];

/* Two places, the second one with an offset. */
enum { PLACES_BYTES = (4 + 2) + (4 + 2 + 9) };

static bool shell(const char *command)
{
    char whole[2048];
    snprintf(whole, sizeof(whole), "cd %s && { %s\n}", root, command);
    return system(whole) == 0;
}

static const char *at(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, 128, "%s/%s", root, name);
    return path;
}

/* A file without a name that holds what is given. */
static int holds(const void *data, size_t len)
{
    char name[] = "/tmp/banger-files-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

struct result {
    int status;
    struct buf out;
    char err[512];
    size_t at; /* read of out */
};

static pid_t start(char **argv, int in, int out, int err)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        dup2(err, 2);
        _exit(tool_run(argc, argv));
    }
    return pid;
}

static struct result run(const void *input, size_t len, char **argv)
{
    struct result r = {0};
    int in = holds(input, len), out = holds("", 0), err = holds("", 0), status = 0;
    pid_t pid = start(argv, in, out, err);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    buf_init(&r.out, 16 << 20);
    lseek(out, 0, SEEK_SET);
    for (ssize_t n = 1; n > 0;) {
        n = read(out, buf_reserve(&r.out, 65536), 65536);
        buf_commit(&r.out, n > 0 ? (size_t)n : 0);
    }
    lseek(err, 0, SEEK_SET);
    ssize_t n = read(err, r.err, sizeof(r.err) - 1);
    r.err[n > 0 ? n : 0] = '\0';
    close(in);
    close(out);
    close(err);
    return r;
}

#define RUN_TOOL(input, len, ...) run(input, len, (char *[]){__VA_ARGS__, NULL})

/* The next message of the output; false: there is none. */
static bool next_reply(struct result *r, PB(FileReply) * reply)
{
    const uint8_t *data = buf_data(&r->out) + r->at;
    size_t left = buf_len(&r->out) - r->at;
    if (left < 4)
        return false;
    size_t len = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    if (len > left - 4)
        return false;
    r->at += 4 + len;
    pb_istream_t in = pb_istream_from_buffer(data + 4, len);
    memset(reply, 0, sizeof(*reply));
    return pb_decode(&in, PB(FileReply_fields), reply);
}

static PB(FileReply) reply;

/* One call, one answer, in reply. */
static void call(const PB(FileCall) * request)
{
    static uint8_t message[4 + FILES_CALL_MAX_BYTES];
    pb_ostream_t out = pb_ostream_from_buffer(message + 4, FILES_CALL_MAX_BYTES);
    CHECK(pb_encode(&out, PB(FileCall_fields), request));
    for (int i = 0; i < 4; i++)
        message[i] = (uint8_t)(out.bytes_written >> 8 * i);
    struct result r = RUN_TOOL(message, 4 + out.bytes_written, "files");
    CHECK_INT(r.status, 0);
    CHECK_STR(r.err, "");
    CHECK(next_reply(&r, &reply));
    buf_done(&r.out);
}

#define CALL(name)                                                                                 \
    {                                                                                              \
        .which_kind = PB_TAG(FileCall, name)                                                       \
    }
#define SET(field, text) FILES_SET_BYTES(field, text)

static void a_file_is_described(void)
{
    PB(FileCall) c = CALL(stat);
    CHECK(shell("printf hello >file; chmod 640 file; ln -s file link; touch -d '2001-02-03 "
                "04:05:06.5' file"));
    SET(c.kind.stat.path, at("file"));
    call(&c);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, info));
    CHECK_INT(reply.kind.info.mode, S_IFREG | 0640);
    CHECK_INT(reply.kind.info.size, 5);
    CHECK_INT(reply.kind.info.modified_ns, 500000000);
    SET(c.kind.stat.path, at("link"));
    call(&c);
    CHECK_INT(reply.kind.info.mode & S_IFMT, S_IFLNK);
    CHECK_INT(reply.kind.info.link_target.size, 4);
    c.kind.stat.follow = true;
    call(&c);
    CHECK_INT(reply.kind.info.mode & S_IFMT, S_IFREG);
    SET(c.kind.stat.path, at("none"));
    call(&c);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, error));
    CHECK_INT(reply.kind.error.sys, ENOENT);
}

static void a_folder_is_made_listed_and_removed(void)
{
    PB(FileCall) make = CALL(make_directory), list = CALL(list), take = CALL(remove);
    SET(make.kind.make_directory.path, at("a/b/c"));
    call(&make);
    CHECK_INT(reply.kind.error.sys, ENOENT);
    make.kind.make_directory.parents = true;
    make.kind.make_directory.mode = 0700 + 1;
    call(&make);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, info));
    CHECK_INT(reply.kind.info.mode, S_IFDIR | 0700);
    call(&make);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, info));
    CHECK(shell("touch a/b/one a/two; ln -s /etc a/out"));
    SET(list.kind.list.path, at("a"));
    list.kind.list.recursive = true;
    call(&list);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, info));
    CHECK_INT(reply.kind.info.path.size, strlen(at("a/b")));
    SET(take.kind.remove.path, at("a"));
    call(&take);
    CHECK_INT(reply.kind.error.sys, ENOTEMPTY);
    take.kind.remove.recursive = true;
    call(&take);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, done));
    CHECK(shell("test ! -e a && test -e /etc/passwd"));
    call(&take);
    CHECK_INT(reply.kind.error.sys, ENOENT);
    take.kind.remove.missing_is_fine = true;
    call(&take);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, done));
}

static void a_file_is_moved_and_changed(void)
{
    PB(FileCall)
    move = CALL(move), mode = CALL(chmod), own = CALL(chown), link = CALL(symlink),
    when = CALL(set_time);
    CHECK(shell("printf 1 >from; printf 2 >to"));
    SET(move.kind.move.from, at("from"));
    SET(move.kind.move.to, at("to"));
    call(&move);
    CHECK_INT(reply.kind.error.sys, EEXIST);
    move.kind.move.overwrite = true;
    call(&move);
    CHECK_INT(reply.which_kind, PB_TAG(FileReply, info));
    CHECK(shell("test ! -e from && test \"$(cat to)\" = 1"));
    SET(mode.kind.chmod.path, at("to"));
    mode.kind.chmod.mode = 04711;
    call(&mode);
    CHECK_INT(reply.kind.info.mode, S_IFREG | 04711);
    SET(own.kind.chown.path, at("to"));
    snprintf(own.kind.chown.owner, sizeof(own.kind.chown.owner), "nobody-of-that-name");
    call(&own);
    CHECK_INT(reply.kind.error.sys, ESRCH);
    snprintf(own.kind.chown.owner, sizeof(own.kind.chown.owner), "%u", geteuid());
    call(&own);
    CHECK_INT(reply.kind.info.uid, geteuid());
    SET(link.kind.symlink.path, at("new-link"));
    SET(link.kind.symlink.target, "nowhere");
    call(&link);
    CHECK_INT(reply.kind.info.link_target.size, 7);
    SET(when.kind.set_time.path, at("to"));
    when.kind.set_time.seconds = -5;
    when.kind.set_time.nanoseconds = 7;
    call(&when);
    CHECK_INT(reply.kind.info.modified_s, -5);
}

static void what_is_no_request_ends_the_tool(void)
{
    static const char *const bad[] = {"x", "\xff\xff\xff\xff", "\x02\0\0\0\x0a\xff",
                                      "\x05\0\0\0ab"};
    static const size_t lens[] = {1, 4, 6, 6};
    for (size_t i = 0; i < 4; i++) {
        struct result r = RUN_TOOL(bad[i], lens[i], "files");
        CHECK_INT(r.status, TOOL_FAILED);
        CHECK(strlen(r.err) > 2 && strchr(r.err, '\n') == r.err + strlen(r.err) - 1);
        buf_done(&r.out);
    }
}

/* printf 3456 | sha256sum */
#define SHA256_OF_3456                                                                             \
    "\xce\xaa\x28\xbb\xa4\xca\xba\x68\x7d\xc3\x1b\x1b\xbe\x79\xec\xa3\xc7\x0c\x33\xf8\x71\xf1\xce" \
    "\x8f\x52\x8c\xf9\xab\x5c\xfd\x76\xdd"

static void content_is_read_from_where_it_is_wanted(void)
{
    CHECK(shell("printf 0123456789 >digits"));
    struct result r = RUN_TOOL("", 0, "read", "--offset", "3", "--length", "4", "--sha256", "--",
                               (char *)at("digits"));
    CHECK_INT(r.status, 0);
    CHECK(next_reply(&r, &reply));
    CHECK_INT(reply.kind.info.size, 10);
    CHECK_INT(buf_len(&r.out) - r.at, 4 + 32);
    CHECK(memcmp(buf_data(&r.out) + r.at, "3456", 4) == 0);
    CHECK(memcmp(buf_data(&r.out) + r.at + 4, SHA256_OF_3456, 32) == 0);
    buf_done(&r.out);
    r = RUN_TOOL("", 0, "read", "--offset", "11", "--", (char *)at("digits"));
    CHECK_INT(r.status, TOOL_FAILED);
    CHECK_INT(atoi(r.err), ERANGE);
    buf_done(&r.out);
    r = RUN_TOOL("", 0, "read", "--", root);
    CHECK_INT(atoi(r.err), EISDIR);
    buf_done(&r.out);
    CHECK(shell("mkfifo pipe"));
    r = RUN_TOOL("", 0, "read", "--", (char *)at("pipe"));
    CHECK_INT(atoi(r.err), EINVAL);
    buf_done(&r.out);
}

/* printf hello | sha256sum */
#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void a_file_is_written_whole_or_not_at_all(void)
{
    CHECK(shell("printf old >file; chmod 604 file; ln -s file other"));
    struct result r =
        RUN_TOOL("hello", 5, "write", "--sha256=" HELLO_SHA256, "--", (char *)at("file"));
    CHECK_INT(r.status, 0);
    CHECK_STR(r.err, "");
    CHECK(next_reply(&r, &reply));
    CHECK_INT(reply.kind.place.offset, 0);
    CHECK(shell("test \"$(cat file)\" = hello && test $(stat -c %a file) = 604"));
    buf_done(&r.out);
    r = RUN_TOOL("hallo", 5, "write", "--sha256=" HELLO_SHA256, "--", (char *)at("file"));
    CHECK_INT(atoi(r.err), EBADMSG);
    CHECK(shell("test \"$(cat file)\" = hello && ! ls -A | grep -q part"));
    buf_done(&r.out);
    r = RUN_TOOL("hallo", 5, "write", "--mode", "600", "--", (char *)at("other"));
    CHECK_INT(r.status, 0);
    CHECK(
        shell("test \"$(cat file)\" = hello && test ! -L other && test $(stat -c %a other) = 600"));
    buf_done(&r.out);
    r = RUN_TOOL("hallo", 5, "write", "--", (char *)at("none/file"));
    CHECK_INT(atoi(r.err), ENOENT);
    buf_done(&r.out);
}

/* A file that is being written when the tool is killed goes on where it was. */
static void a_write_that_is_cut_off_goes_on(void)
{
    int in[2], out[2];
    char *argv[] = {"write", "--resume", "t", "--sha256=" HELLO_SHA256, "--", (char *)at("resumed"),
                    NULL};
    if (pipe(in) < 0 || pipe(out) < 0)
        abort();
    pid_t pid = start(argv, in[0], out[1], 2);
    close(in[0]);
    close(out[1]);
    CHECK(write(in[1], "hel", 3) == 3);
    uint8_t seen[256];
    for (size_t n = 0; n < PLACES_BYTES;) { /* both places: of the beginning, and behind "hel" */
        ssize_t got = read(out[0], seen + n, sizeof(seen) - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(in[1]);
    close(out[0]);
    CHECK(shell("test ! -e resumed"));
    struct result r = run("lo", 2, argv);
    CHECK(next_reply(&r, &reply));
    CHECK_INT(reply.kind.place.offset, 3);
    CHECK_INT(r.status, 0);
    CHECK_STR(r.err, "");
    CHECK(shell("test \"$(cat resumed)\" = hello"));
    buf_done(&r.out);
}

static void a_tree_goes_out_and_comes_in(void)
{
    CHECK(shell("mkdir -p tree/sub into; printf 1 >tree/one; ln -s one tree/link; head -c 600000 "
                "/dev/urandom >tree/sub/two"));
    struct result out = RUN_TOOL("", 0, "tar-out", "--name", "new", "--", (char *)at("tree"));
    CHECK_INT(out.status, 0);
    struct result in =
        RUN_TOOL(buf_data(&out.out), buf_len(&out.out), "tar-in", "--", (char *)at("into"));
    CHECK_INT(in.status, 0);
    CHECK_STR(in.err, "");
    uint64_t last = 0, files = 0;
    int n = 0;
    bool done = false;
    for (; next_reply(&in, &reply); n++) {
        done = reply.which_kind == PB_TAG(FileReply, done);
        CHECK(done || reply.kind.place.offset >= last);
        if (!done) {
            last = reply.kind.place.offset;
            files = reply.kind.place.files;
        }
    }
    CHECK(done && n >= 4);
    CHECK_INT(last, buf_len(&out.out) - 1024);
    CHECK_INT(files, 5);
    CHECK(shell("diff -r --no-dereference tree into/new"));
    buf_done(&in.out);
    in = RUN_TOOL(buf_data(&out.out), 5000, "tar-in", "--", (char *)at("into"));
    CHECK_INT(atoi(in.err), ENODATA);
    buf_done(&in.out);
    buf_done(&out.out);
}

/* A copy's rules are its client's: he is told what the path is, before he sends anything. */
static void a_tree_comes_into_the_folder_that_its_path_is_in(void)
{
    static const struct {
        const char *path, *made;
        bool in_parent, exists;
    } cases[] = {
        {"beside/folder", "beside/folder/new/one", false, false},
        {"beside/link-to-folder", "beside/folder/new/one", false, false},
        {"beside/missing", "beside/new/one", true, false},
        {"beside/missing//", "beside/new/one", true, false},
        {"beside/file", "beside/new/one", true, true},
        {"beside/dangling", "beside/new/one", true, false},
    };
    CHECK(shell("mkdir -p small beside/folder; printf 1 >small/one; printf 2 >beside/file; ln -s "
                "folder beside/link-to-folder; ln -s nowhere beside/dangling"));
    struct result out = RUN_TOOL("", 0, "tar-out", "--name", "new", "--", (char *)at("small"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct result in = RUN_TOOL(buf_data(&out.out), buf_len(&out.out), "tar-in", "--or-parent",
                                    "--", (char *)at(cases[i].path));
        CHECK_INT(in.status, 0);
        CHECK_STR(in.err, "");
        CHECK(next_reply(&in, &reply) && reply.which_kind == PB_TAG(FileReply, place));
        CHECK_INT(reply.kind.place.in_parent, cases[i].in_parent);
        CHECK_INT(reply.kind.place.exists, cases[i].exists);
        CHECK(next_reply(&in, &reply) && !reply.kind.place.in_parent);
        CHECK(access(at(cases[i].made), F_OK) == 0);
        CHECK(shell("rm -r beside/new beside/folder/new 2>/dev/null; test ! -e beside/missing"));
        buf_done(&in.out);
    }
    struct result in = RUN_TOOL(buf_data(&out.out), buf_len(&out.out), "tar-in", "--or-parent",
                                "--", (char *)at("beside/file/x"));
    CHECK_INT(atoi(in.err), ENOTDIR);
    buf_done(&in.out);
    in = RUN_TOOL(buf_data(&out.out), buf_len(&out.out), "tar-in", "--", (char *)at("beside/no"));
    CHECK_INT(atoi(in.err), ENOENT);
    buf_done(&in.out);
    buf_done(&out.out);
}

/* Reads replies of a tool that runs on, until one is of that kind; false at a deadline. */
static bool wait_event(int fd, struct result *r, PB(FileEventKind) kind, const char *path)
{
    for (;;) {
        while (next_reply(r, &reply)) {
            const PB(FileEvent) *e = &reply.kind.event;
            if (e->kind == kind && e->path.size == strlen(path) &&
                memcmp(e->path.bytes, path, strlen(path)) == 0)
                return true;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 10000) <= 0)
            return false;
        ssize_t n = read(fd, buf_reserve(&r->out, 4096), 4096);
        if (n <= 0)
            return false;
        buf_commit(&r->out, (size_t)n);
    }
}

#define EVENT(KIND, path)                                                                          \
    CHECK(wait_event(out[0], &r, PB(FileEventKind_FILE_EVENT_KIND_##KIND), path))

static void what_happens_in_a_folder_is_told(void)
{
    int in[2], out[2], status;
    CHECK(shell("mkdir -p watched/sub"));
    char *argv[] = {"watch", "--recursive", "--", (char *)at("watched"), NULL};
    if (pipe(in) < 0 || pipe(out) < 0)
        abort();
    pid_t pid = start(argv, in[0], out[1], 2);
    close(out[1]);
    struct result r = {0};
    buf_init(&r.out, 1 << 20);
    EVENT(READY, "");
    CHECK(shell("printf x >watched/file; mkdir watched/new; printf y >watched/sub/deep"));
    EVENT(CREATED, "file");
    EVENT(CHANGED, "file");
    EVENT(CREATED, "new");
    EVENT(CHANGED, "sub/deep");
    CHECK(shell("mv watched/sub watched/new/moved; printf z >watched/new/moved/deep"));
    EVENT(MOVED, "sub");
    CHECK_INT(reply.kind.event.to.size, strlen("new/moved"));
    EVENT(CHANGED, "new/moved/deep");
    CHECK(shell("chmod 600 watched/file; rm watched/file; mv watched/new ."));
    EVENT(ATTRIBUTES, "file");
    EVENT(REMOVED, "file");
    CHECK(shell("touch watched/last"));
    EVENT(REMOVED, "new");
    CHECK(shell("rm -r watched"));
    EVENT(GONE, "");
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    buf_done(&r.out);
    close(in[1]);
    close(in[0]);
    close(out[0]);
}

int main(void)
{
    snprintf(root, sizeof(root), "/tmp/banger-files-XXXXXX");
    if (!mkdtemp(root))
        return 1;
    umask(022);
    RUN(a_file_is_described);
    RUN(a_folder_is_made_listed_and_removed);
    RUN(a_file_is_moved_and_changed);
    RUN(what_is_no_request_ends_the_tool);
    RUN(content_is_read_from_where_it_is_wanted);
    RUN(a_file_is_written_whole_or_not_at_all);
    RUN(a_write_that_is_cut_off_goes_on);
    RUN(a_tree_goes_out_and_comes_in);
    RUN(a_tree_comes_into_the_folder_that_its_path_is_in);
    RUN(what_happens_in_a_folder_is_told);
    shell("rm -rf \"$PWD\"");
    return check_end();
}
