/* Archives of other tars, both ways, and archives that want out. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tree_rig.h"

static bool read_file(struct buf *to, const struct rig *rig, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", rig->root, name);
    buf_init(to, 64 << 20);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? 1 : -1;
    while (n > 0) {
        uint8_t *room = buf_reserve(to, 65536);
        n = room ? read(fd, room, 65536) : -1;
        if (n > 0)
            buf_commit(to, (size_t)n);
    }
    close(fd);
    return n == 0;
}

static bool write_file(const struct buf *from, const struct rig *rig, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", rig->root, name);
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(buf_data(from), 1, buf_len(from), f) == buf_len(from);
    return f && fclose(f) == 0 && ok;
}

/* Places of copies that an earlier version has begun go by it. */
static void a_digest_is_fnv_1a_however_many_zeros_there_are(void)
{
    uint8_t data[64];
    for (size_t zeros = 0; zeros <= 40; zeros++)
        for (size_t at = 0; at + zeros <= sizeof(data); at += 3) {
            uint64_t want = TAR_DIGEST_START;
            memset(data, 0x5a, sizeof(data));
            memset(data + at, 0, zeros);
            for (size_t i = 0; i < sizeof(data); i++)
                want = (want ^ data[i]) * UINT64_C(0x100000001b3);
            CHECK(tar_digest(TAR_DIGEST_START, data, sizeof(data)) == want);
        }
}

static void gnu_tar_reads_ours(void)
{
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    struct pack_options options = rig_pack;
    rig_init(&rig);
    rig_make_tree(&rig);
    options.times = TAR_PORTABLE;
    CHECK(rig_pack_all(&archive, rig.from, &options, &err));
    CHECK(write_file(&archive, &rig, "ours.tar"));
    CHECK(rig_run(&rig, "tar -C to -xpf ours.tar --delay-directory-restore --xattrs 2>tar-says || "
                        "{ cat tar-says; false; }"));
    rig_run(&rig,
            "touch -d '1965-01-01 00:00:00.5' to/empty"); /* a record of that time is not ours */
    CHECK(rig_same(rig.from, rig.to));
    buf_done(&archive);
    rig_done(&rig);
}

static void what_python_reads_of_ours_is_the_same(void)
{
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    rig_init(&rig);
    rig_make_tree(&rig);
    CHECK(rig_pack_all(&archive, rig.from, &rig_pack, &err));
    CHECK(write_file(&archive, &rig, "ours.tar"));
    CHECK(rig_run(
        &rig, "python3 -c 'import tarfile,os\n"
              "names={m.name for m in tarfile.open(\"ours.tar\", errors=\"surrogateescape\")}\n"
              "for d,ds,fs in os.walk(\"from\"):\n"
              "  for n in ds+fs: assert os.path.relpath(os.path.join(d,n),\"from\") in names, n'"));
    buf_done(&archive);
    rig_done(&rig);
}

/* As GNU tar writes them by itself, and with --format=pax: long names, holes. */
static void ours_reads_gnu_tar(void)
{
    static const char *const ways[] = {"--format=gnu", "--format=pax --sparse --xattrs",
                                       "--format=pax --sparse --sparse-version=1.0"};
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    rig_init(&rig);
    rig_make_tree(&rig);
    rig_run(&rig, "rm from/sparse; find from -exec touch -h -d '2020-02-02 02:02:02' {} +");
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        rig_run(&rig, "chmod -R u+rwx to; rm -rf to; mkdir to");
        CHECK(rig_run(&rig, "tar -C from --sort=name %s -cf theirs.tar .", ways[i]));
        CHECK(read_file(&archive, &rig, "theirs.tar"));
        CHECK(rig_unpack_all(&archive, rig.to, 10000, &rig_unpack, &err));
        CHECK_STR(err.message, "");
        CHECK(rig_run(
            &rig, "diff -r --no-dereference from to >diff 2>&1 || grep -av fifo diff >&2 || true"));
        CHECK(rig_run(&rig, "cd from && find . -printf '%%p %%y %%m %%l %%s %%T@\\n' | grep -av "
                            "'^[.] ' | sort >../a; cd ../to; "
                            "find . -printf '%%p %%y %%m %%l %%s %%T@\\n' | grep -av '^[.] ' | "
                            "sort >../b; diff ../a ../b >&2"));
        buf_done(&archive);
    }
    rig_done(&rig);
}

static void an_old_sparse_format_is_refused_with_what_to_do(void)
{
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    rig_init(&rig);
    CHECK(rig_run(&rig,
                  "truncate -s 1M from/hole; tar -C from --format=gnu --sparse -cf theirs.tar ."));
    CHECK(read_file(&archive, &rig, "theirs.tar"));
    CHECK(!rig_unpack_all(&archive, rig.to, 10000, &rig_unpack, &err));
    CHECK_INT(err.sys, EOPNOTSUPP);
    CHECK_CONTAINS(err.message, "--format=pax");
    buf_done(&archive);
    rig_done(&rig);
}

/* One entry, unpacked over what prepare has made. */
static void unpack_one(const struct tar_entry *entry, const char *prepare, int want_sys)
{
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    static const uint8_t end[TAR_END_BYTES];
    rig_init(&rig);
    CHECK(rig_run(&rig, "printf secret >outside; mkdir elsewhere; %s", prepare));
    buf_init(&archive, 1 << 20);
    CHECK(tar_put_entry(&archive, entry, TAR_COMPACT, &err) == 0);
    buf_append(&archive, "evil", entry->body_bytes);
    buf_append(&archive, end, tar_padding(entry->body_bytes));
    buf_append(&archive, end, sizeof(end));
    rig_unpack_all(&archive, rig.to, 4096, &rig_unpack, &err);
    if (err.sys != want_sys)
        fprintf(stderr, "%s with \"%s\": %s\n", entry->path, prepare, err.message);
    CHECK_INT(err.sys, want_sys);
    CHECK(rig_run(&rig, "test \"$(cat outside)\" = secret && test -z \"$(ls -A elsewhere)\" && "
                        "test \"$(stat -c %%a outside)\" = 644"));
    buf_done(&archive);
    rig_done(&rig);
}

static void nothing_leads_out(void)
{
    struct tar_entry e = {.type = TAR_FILE, .link = "", .mode = 0777, .size = 4, .body_bytes = 4};
    e.path = "../outside";
    unpack_one(&e, "true", EINVAL);
    e.path = "a/../../outside";
    unpack_one(&e, "true", EINVAL);
    e.path = "/outside"; /* below the root, as everything */
    unpack_one(&e, "true", 0);
    e.path = "link/new";
    unpack_one(&e, "ln -s ../elsewhere to/link", ELOOP);
    e.path = "a/link/deep/new";
    unpack_one(&e, "mkdir to/a && ln -s ../../elsewhere to/a/link", ELOOP);
    e.path = "file"; /* a link is replaced, not written through */
    unpack_one(&e, "ln -s ../outside to/file", 0);
    unpack_one(&e, "ln outside to/file", 0);
    unpack_one(&e, "mkdir to/file", EISDIR);
    unpack_one(&e, "mkfifo to/file", 0);
    e.path = "file/below";
    unpack_one(&e, "printf x >to/file", ENOTDIR);
}

static void folders_and_links_lead_nowhere_else(void)
{
    struct tar_entry e = {.type = TAR_DIRECTORY, .path = "link", .link = "", .mode = 0700};
    unpack_one(&e, "ln -s ../elsewhere to/link", ELOOP);
    e.type = TAR_HARDLINK;
    e.path = "name";
    e.link = "../outside";
    unpack_one(&e, "true", EINVAL);
    e.link = "link/outside";
    unpack_one(&e, "ln -s .. to/link", ELOOP);
    e.link = "missing";
    unpack_one(&e, "true", ENOENT);
    e.type = TAR_CHAR_DEVICE;
    e.link = "";
    unpack_one(&e, "true", EPERM);
}

static void what_is_no_archive_is_refused(void)
{
    static const char *const makes[] = {
        "head -c 10000 /dev/urandom >bad",
        "tar -C from -cf - . | head -c 1000 >bad",
        "tar -C from -cf - . | tr a b >bad",
        "printf '' >bad",
    };
    struct rig rig;
    struct buf archive;
    rig_init(&rig);
    rig_make_tree(&rig);
    CHECK(rig_run(&rig, "rm from/sparse"));
    for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
        struct err err = ERR_INIT;
        CHECK(rig_run(&rig, "%s", makes[i]));
        CHECK(read_file(&archive, &rig, "bad"));
        CHECK(!rig_unpack_all(&archive, rig.to, 100, &rig_unpack, &err));
        CHECK(err.sys == EILSEQ || err.sys == ENODATA || err.sys == EOPNOTSUPP);
        buf_done(&archive);
    }
    rig_done(&rig);
}

int main(void)
{
    RUN(a_digest_is_fnv_1a_however_many_zeros_there_are);
    RUN(gnu_tar_reads_ours);
    RUN(what_python_reads_of_ours_is_the_same);
    RUN(ours_reads_gnu_tar);
    RUN(an_old_sparse_format_is_refused_with_what_to_do);
    RUN(nothing_leads_out);
    RUN(folders_and_links_lead_nowhere_else);
    RUN(what_is_no_archive_is_refused);
    return check_end();
}
