/* Trees packed and unpacked: the same afterwards, in pieces, cut off and gone on with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tree_rig.h"

static void a_copied_tree_is_the_same(void)
{
    static const size_t pieces[] = {1 << 20, 4096, 513, 512, 511, 100};
    struct rig rig;
    struct buf archive;
    struct err err = ERR_INIT;
    rig_init(&rig);
    rig_make_tree(&rig);
    for (int times = TAR_COMPACT; times <= TAR_PORTABLE; times++) {
        struct pack_options options = rig_pack;
        options.times = (enum tar_times)times;
        CHECK(rig_pack_all(&archive, rig.from, &options, &err));
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
            CHECK(rig_unpack_all(&archive, rig.to, pieces[i], &rig_unpack, &err));
            CHECK(times == TAR_PORTABLE || rig_same(rig.from, rig.to));
        }
        buf_done(&archive);
    }
    CHECK_STR(err.message, "");
    struct stat st = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/sparse", rig.to);
    CHECK(stat(path, &st) == 0 && st.st_size == (5LL << 30) + 3);
    CHECK(st.st_blocks < 1024); /* still holes */
    rig_done(&rig);
}

/* Packs from a place, and unpacks limit bytes of that; the place that came of it. */
static struct tar_place copy_part(const struct rig *rig, struct tar_place place, size_t limit,
                                  size_t piece, bool *ended, struct err *err)
{
    struct pack_options from = rig_pack;
    struct unpack_options to = rig_unpack;
    uint8_t data[8192];
    from.from = to.from = place;
    struct pack *p = pack_open(rig->from, &from, err);
    struct unpack *u = unpack_open(rig->to, &to, err);
    ssize_t n = 1;
    while (p && u && n > 0 && limit > 0) {
        n = pack_read(p, data, piece < limit ? piece : limit, err);
        if (n > 0 && unpack_write(u, data, (size_t)n, err) < 0)
            n = -1;
        limit -= n > 0 ? (size_t)n : 0;
    }
    *ended = n == 0 && unpack_end(u, err) == 0;
    place = u ? unpack_place(u) : place;
    unpack_close(u, true);
    pack_close(p);
    return place;
}

/* Whatever the byte is that a copy is cut off at. */
static void a_copy_that_is_cut_off_goes_on(void)
{
    static const size_t limits[] = {700, 1024, 1536, 5000, 70001};
    struct rig rig;
    struct err err = ERR_INIT;
    rig_init(&rig);
    rig_make_tree(&rig);
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        struct tar_place place = {0, TAR_DIGEST_START};
        bool ended = false;
        int n = 0;
        size_t limit = limits[i];
        rig_run(&rig, "chmod -R u+rwx to; rm -rf to; mkdir to");
        for (; !ended && n < 5000 && err.code == ERR_NONE; n++) {
            struct tar_place next = copy_part(&rig, place, limit, 300 + i, &ended, &err);
            /* Headers that are sent again take their part of the limit. */
            limit = next.offset == place.offset ? limit + 512 : limits[i];
            place = next;
        }
        CHECK(ended);
        CHECK(n > 2);
        CHECK_STR(err.message, "");
        CHECK(rig_same(rig.from, rig.to));
    }
    rig_done(&rig);
}

static void a_tree_that_changed_is_not_gone_on_with(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    bool ended;
    rig_init(&rig);
    rig_make_tree(&rig);
    struct tar_place start = {0, TAR_DIGEST_START};
    struct tar_place place = copy_part(&rig, start, 90000, 512, &ended, &err);
    CHECK(place.offset > 80000);
    CHECK(rig_run(&rig, "touch from/-rf"));
    copy_part(&rig, place, 1 << 20, 512, &ended, &err);
    CHECK(!ended);
    CHECK_INT(err.sys, ESTALE);
    rig_done(&rig);
}

static void what_is_missing_of_a_file_is_not_made_up(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    bool ended;
    rig_init(&rig);
    CHECK(rig_run(&rig, "head -c 100000 /dev/urandom >from/file"));
    struct tar_place start = {0, TAR_DIGEST_START};
    struct tar_place place = copy_part(&rig, start, 50000, 512, &ended, &err);
    CHECK(rig_run(&rig, "rm to/.banger-*.part"));
    copy_part(&rig, place, 1 << 20, 512, &ended, &err);
    CHECK(!ended);
    CHECK_INT(err.sys, ESTALE);
    CHECK(!rig_run(&rig, "test -e to/file"));
    rig_done(&rig);
}

static void a_file_appears_when_it_is_whole(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    bool ended;
    rig_init(&rig);
    CHECK(rig_run(&rig, "head -c 100000 /dev/urandom >from/file; printf old >to/file"));
    struct tar_place start = {0, TAR_DIGEST_START};
    copy_part(&rig, start, 50000, 512, &ended, &err);
    CHECK(rig_run(&rig, "test \"$(cat to/file)\" = old"));
    copy_part(&rig, start, 1 << 20, 512, &ended, &err);
    CHECK(ended);
    CHECK(rig_run(&rig, "cmp from/file to/file && test \"$(ls -A to)\" = file"));
    rig_done(&rig);
}

/* Nor is there anything of it under a part's name: it is sent once more. */
static void nothing_of_a_small_file_is_there_before_it_is_whole(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    bool ended;
    rig_init(&rig);
    CHECK(rig_run(&rig, "mkdir from/d && head -c 50000 /dev/urandom >from/d/small && touch -d "
                        "2001-02-03 from/d/small && chmod 640 from/d/small"));
    struct tar_place start = {0, TAR_DIGEST_START};
    struct tar_place place = copy_part(&rig, start, 40000, 512, &ended, &err);
    CHECK_INT(place.offset, 2 * TAR_BLOCK_BYTES); /* a folder, and a file without its content */
    CHECK(rig_run(&rig, "test -d to/d && test -z \"$(ls -A to/d)\""));
    copy_part(&rig, place, 1 << 20, 512, &ended, &err);
    CHECK(ended);
    CHECK_STR(err.message, "");
    CHECK(rig_same(rig.from, rig.to));
    rig_done(&rig);
}

/* Where there is a name already it is taken in one go, in a folder that the archive makes too. */
static void a_name_that_comes_twice_is_the_last(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    struct buf archive;
    rig_init(&rig);
    CHECK(rig_run(&rig, "mkdir from/d && printf old >from/d/x && tar -C from -cf x.tar d && printf "
                        "new >from/d/x && printf y >from/d/y && tar -C from -rf x.tar d/x d/y"));
    buf_init(&archive, 1 << 20);
    char path[128];
    snprintf(path, sizeof(path), "%s/x.tar", rig.root);
    FILE *f = fopen(path, "r");
    uint8_t *room = buf_reserve(&archive, 64 * 1024);
    buf_commit(&archive, f && room ? fread(room, 1, 64 * 1024, f) : 0);
    if (f)
        fclose(f);
    CHECK(rig_unpack_all(&archive, rig.to, 1000, &rig_unpack, &err));
    CHECK_STR(err.message, "");
    CHECK(rig_run(&rig, "test \"$(cat to/d/x to/d/y)\" = newy && test \"$(ls -A to/d | xargs)\" = "
                        "'x y'"));
    buf_done(&archive);
    rig_done(&rig);
}

/* Files without a name are linked by their names in /proc then. */
static void who_is_not_root_copies_too(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    struct buf archive;
    if (geteuid() != 0) {
        printf("skipped: to become another user takes root\n");
        return;
    }
    rig_init(&rig);
    CHECK(rig_run(&rig, "mkdir from/d && printf x >from/d/x && printf y >from/d/y && chmod 640 "
                        "from/d/y && chmod 777 . to"));
    CHECK(rig_pack_all(&archive, rig.from, &rig_pack, &err));
    CHECK(seteuid(65534) == 0);
    struct unpack_options options = rig_unpack;
    options.owners = TREE_OWNERS_NONE;
    bool ok = rig_unpack_all(&archive, rig.to, 512, &options, &err);
    CHECK(seteuid(0) == 0);
    CHECK(ok);
    CHECK_STR(err.message, "");
    CHECK(rig_run(&rig,
                  "test \"$(cat to/d/x to/d/y)\" = xy && test \"$(stat -c %%u,%%a to/d/y)\" = "
                  "65534,640 && test \"$(ls -A to/d | xargs)\" = 'x y'"));
    buf_done(&archive);
    rig_done(&rig);
}

/* One that shrinks is filled with zeros, the rest is copied, and it is told. */
static void a_file_that_shrinks_is_told(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    uint8_t data[1024];
    rig_init(&rig);
    CHECK(rig_run(&rig, "head -c 100000 /dev/urandom >from/file; printf z >from/z"));
    struct pack *p = pack_open(rig.from, &rig_pack, &err);
    struct unpack *u = unpack_open(rig.to, &rig_unpack, &err);
    bool first = true;
    for (ssize_t n = 1; p && u && n > 0; first = false) {
        n = pack_read(p, data, sizeof(data), &err);
        CHECK(n >= 0 && unpack_write(u, data, (size_t)n, &err) == 0);
        if (first)
            CHECK(rig_run(&rig, "truncate -s 5000 from/file"));
    }
    CHECK(unpack_end(u, &err) == 0);
    CHECK_INT(pack_trouble(p)->count, 1);
    CHECK_CONTAINS(pack_trouble(p)->first.message, "file");
    CHECK(rig_run(&rig, "test $(stat -c %%s to/file) = 100000 && test \"$(cat to/z)\" = z"));
    pack_close(p);
    unpack_close(u, false);
    rig_done(&rig);
}

static void devices_and_pseudo_files_are_told_or_left(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    struct buf archive;
    struct pack_options options = {.name = "null"};
    rig_init(&rig);
    CHECK(!rig_pack_all(&archive, "/dev/null", &options, &err));
    CHECK_INT(err.sys, EPERM);
    CHECK_CONTAINS(err.message, "device");
    buf_done(&archive);
    rig_done(&rig);
}

static void a_single_file_and_links_at_the_top(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    struct buf archive;
    char path[128];
    struct pack_options options = {.name = "new"};
    rig_init(&rig);
    CHECK(rig_run(&rig, "printf hi >from/file; ln -s file from/link"));
    snprintf(path, sizeof(path), "%s/link", rig.from);
    CHECK(rig_pack_all(&archive, path, &options, &err));
    CHECK(rig_unpack_all(&archive, rig.to, 512, &rig_unpack, &err));
    CHECK(rig_run(&rig, "test \"$(readlink to/new)\" = file"));
    buf_done(&archive);
    options.follow = true;
    CHECK(rig_pack_all(&archive, path, &options, &err));
    CHECK(rig_unpack_all(&archive, rig.to, 512, &rig_unpack, &err));
    CHECK(rig_run(&rig, "test ! -L to/new && test \"$(cat to/new)\" = hi"));
    buf_done(&archive);
    options.name = "";
    CHECK(!rig_pack_all(&archive, path, &options, &err));
    CHECK_INT(err.sys, ENOTDIR);
    buf_done(&archive);
    rig_done(&rig);
}

int main(void)
{
    RUN(a_copied_tree_is_the_same);
    RUN(a_copy_that_is_cut_off_goes_on);
    RUN(a_tree_that_changed_is_not_gone_on_with);
    RUN(what_is_missing_of_a_file_is_not_made_up);
    RUN(a_file_appears_when_it_is_whole);
    RUN(nothing_of_a_small_file_is_there_before_it_is_whole);
    RUN(a_name_that_comes_twice_is_the_last);
    RUN(who_is_not_root_copies_too);
    RUN(a_file_that_shrinks_is_told);
    RUN(devices_and_pseudo_files_are_told_or_left);
    RUN(a_single_file_and_links_at_the_top);
    return check_end();
}
