/* Output files: what was appended is read back; what a disk may have made of one is read up to
 * where it makes sense. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/session/output_file.h"
#include "tests/support/check.h"

static char folder[64];
static const char id[] = "0123456789abcdef";

static int create(void)
{
    struct err err = ERR_INIT;
    int fd = output_file_create(folder, id, &err);
    CHECK(fd >= 0);
    return fd;
}

static void append_at(int fd, int stream, uint64_t offset, int64_t time_ns, const char *text)
{
    struct err err = ERR_INIT;
    CHECK_INT(output_file_append(fd, stream, offset, time_ns, text, (uint32_t)strlen(text), &err),
              0);
}

static void append(int fd, int stream, uint64_t offset, const char *text)
{
    append_at(fd, stream, offset, 0, text);
}

static struct output_file reopen(void)
{
    struct err err = ERR_INIT;
    struct output_file f;
    CHECK_INT(output_file_open(&f, folder, id, &err), 0);
    return f;
}

static void check_bounds(const struct output_file *f, int stream, uint64_t first, uint64_t end)
{
    uint64_t got_first, got_end;
    output_file_bounds(f, stream, &got_first, &got_end);
    CHECK_INT(got_first, first);
    CHECK_INT(got_end, end);
}

static void test_pieces_of_both_streams_are_read_back(void)
{
    struct err err = ERR_INIT;
    int fd = create();
    append(fd, 0, 100, "hello ");
    append(fd, 1, 0, "oops");
    append(fd, 0, 106, "world");
    append(fd, 0, 1000, "later");
    close(fd);
    struct output_file f = reopen();
    CHECK_INT(f.n, 4);
    check_bounds(&f, 0, 100, 1005);
    check_bounds(&f, 1, 0, 4);
    char text[8] = "";
    CHECK_INT(output_file_read(&f, &f.pieces[2], 1, text, 4, &err), 0);
    CHECK_STR(text, "orld");
    output_file_close(&f);
}

static void test_what_was_read_since_begins_with_the_piece_of_that_time(void)
{
    int fd = create();
    append_at(fd, 0, 10, 1000, "one");
    append_at(fd, 1, 0, 1500, "other");
    append_at(fd, 0, 13, 2000, "two");
    append(fd, 0, 16, "whenever");
    append_at(fd, 0, 24, 3000, "three");
    close(fd);
    struct output_file f = reopen();
    CHECK_INT(output_file_since(&f, 0, 0), 10);
    CHECK_INT(output_file_since(&f, 0, 1999), 10);
    CHECK_INT(output_file_since(&f, 0, 2000), 13);
    CHECK_INT(output_file_since(&f, 0, 2999), 13);
    CHECK_INT(output_file_since(&f, 0, INT64_MAX), 24);
    CHECK_INT(output_file_since(&f, 1, 1), 0);
    output_file_close(&f);
}

static void test_a_piece_of_a_time_that_cannot_be_is_the_end(void)
{
    int fd = create();
    append_at(fd, 0, 0, 1000, "good");
    append_at(fd, 0, 4, INT64_MIN, "bad");
    append_at(fd, 0, 7, 2000, "behind it");
    close(fd);
    struct output_file f = reopen();
    CHECK_INT(f.n, 1);
    check_bounds(&f, 0, 0, 4);
    output_file_close(&f);
}

static void test_one_that_was_cut_off_is_good_up_to_its_last_whole_piece(void)
{
    int fd = create();
    append(fd, 0, 0, "whole");
    append(fd, 0, 5, "half");
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t cut = size - 1; cut > size - 28; cut--) {
        CHECK_INT(ftruncate(fd, cut), 0);
        struct output_file f = reopen();
        CHECK_INT(f.n, 1);
        check_bounds(&f, 0, 0, 5);
        output_file_close(&f);
    }
    close(fd);
}

/* Every byte of a file is turned over: no piece may lie outside of it, go back or wrap. */
static void test_what_cannot_have_been_written_ends_it(void)
{
    char path[96];
    int fd = create();
    append(fd, 0, 0, "first");
    append(fd, 1, 7, "second");
    close(fd);
    snprintf(path, sizeof(path), "%s/%s", folder, id);
    fd = open(path, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at++) {
        unsigned char was, now;
        CHECK_INT(pread(fd, &was, 1, at), 1);
        for (int bit = 0; bit < 8; bit++) {
            now = was ^ (unsigned char)(1 << bit);
            CHECK_INT(pwrite(fd, &now, 1, at), 1);
            struct output_file f = reopen();
            uint64_t end[2] = {0};
            for (size_t i = 0; i < f.n; i++) {
                const struct output_piece *p = &f.pieces[i];
                CHECK(p->at + p->len <= (uint64_t)size);
                CHECK(p->offset >= end[p->stream]);
                CHECK(p->offset + p->len > p->offset);
                end[p->stream] = p->offset + p->len;
            }
            output_file_close(&f);
        }
        CHECK_INT(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
}

static void test_the_last_lines_are_found_over_pieces(void)
{
    int fd = create();
    append(fd, 0, 10, "one\ntw");
    append(fd, 1, 0, "x\ny\n");
    append(fd, 0, 16, "o\nthree\nfo");
    append(fd, 0, 26, "ur\n");
    close(fd);
    struct output_file f = reopen();
    CHECK_INT(output_file_tail(&f, 0, 0), 29);
    CHECK_INT(output_file_tail(&f, 0, 1), 24);
    CHECK_INT(output_file_tail(&f, 0, 2), 18);
    CHECK_INT(output_file_tail(&f, 0, 3), 14);
    CHECK_INT(output_file_tail(&f, 0, 4), 10);
    CHECK_INT(output_file_tail(&f, 0, 99), 10);
    output_file_close(&f);
}

static void test_one_that_is_not_there_is_not_found(void)
{
    struct err err = ERR_INIT;
    struct output_file f;
    output_file_remove(folder, id);
    CHECK_INT(output_file_open(&f, folder, id, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    output_file_close(&f);
}

static void make_old(const char *name, int age_s, size_t bytes)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/%s", folder, name);
    int fd = open(file, O_CREAT | O_WRONLY, 0600);
    CHECK_INT(ftruncate(fd, (off_t)bytes), 0);
    struct timespec at[2] = {{.tv_sec = 1000000 - age_s}, {.tv_sec = 1000000 - age_s}};
    CHECK_INT(futimens(fd, at), 0);
    close(fd);
}

static bool is_there(const char *name)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/%s", folder, name);
    return access(file, F_OK) == 0;
}

static void test_the_oldest_make_room(void)
{
    make_old("aaaaaaaaaaaaaaaa", 30, 400);
    make_old("bbbbbbbbbbbbbbbb", 10, 400);
    make_old("cccccccccccccccc", 20, 400);
    make_old("a-strangers-file", 99, 400);
    CHECK_INT(output_folder_make_room(folder, 100, 1300), 100);
    CHECK(is_there("aaaaaaaaaaaaaaaa"));
    CHECK_INT(output_folder_make_room(folder, 500, 1300), 500);
    CHECK(!is_there("aaaaaaaaaaaaaaaa"));
    CHECK(is_there("bbbbbbbbbbbbbbbb"));
    CHECK_INT(output_folder_make_room(folder, 5000, 1300), 1300);
    CHECK(!is_there("bbbbbbbbbbbbbbbb"));
    CHECK(is_there("a-strangers-file"));
}

int main(void)
{
    snprintf(folder, sizeof(folder), "/tmp/output_file.XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    RUN(test_pieces_of_both_streams_are_read_back);
    RUN(test_what_was_read_since_begins_with_the_piece_of_that_time);
    RUN(test_a_piece_of_a_time_that_cannot_be_is_the_end);
    RUN(test_one_that_was_cut_off_is_good_up_to_its_last_whole_piece);
    RUN(test_what_cannot_have_been_written_ends_it);
    RUN(test_the_last_lines_are_found_over_pieces);
    RUN(test_one_that_is_not_there_is_not_found);
    RUN(test_the_oldest_make_room);
    fs_remove_tree(folder, NULL);
    return check_end();
}
