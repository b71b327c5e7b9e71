/* What the tools for files have in common: options and messages; see tool_files.h. */
#include "agent/tool_files.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "agent/tool.h"

static const struct option long_options[] = {
    {"offset", required_argument, NULL, 'o'}, {"length", required_argument, NULL, 'l'},
    {"sha256", optional_argument, NULL, 's'}, {"mode", required_argument, NULL, 'm'},
    {"resume", required_argument, NULL, 'r'}, {"name", required_argument, NULL, 'n'},
    {"follow", no_argument, NULL, 'f'},       {"xattrs", no_argument, NULL, 'x'},
    {"devices", no_argument, NULL, 'd'},      {"portable", no_argument, NULL, 'p'},
    {"from", required_argument, NULL, 'F'},   {"owners", required_argument, NULL, 'O'},
    {"special", no_argument, NULL, 'S'},      {"recursive", no_argument, NULL, 'R'},
    {"or-parent", no_argument, NULL, 'P'},    {NULL, 0, NULL, 0},
};

static uint64_t number(const char *text, char **end, int base)
{
    errno = 0;
    uint64_t v = strtoull(text, end, base);
    if (errno != 0 || *end == text || *text == '-')
        tool_fail(EINVAL, "%.100s: no number", text);
    return v;
}

static uint64_t whole_number(const char *text, int base)
{
    char *end;
    uint64_t v = number(text, &end, base);
    if (*end != '\0')
        tool_fail(EINVAL, "%.100s: no number", text);
    return v;
}

static struct tar_place parse_place(const char *text)
{
    char *colon;
    uint64_t offset = number(text, &colon, 10);
    if (*colon != ':')
        tool_fail(EINVAL, "%.100s: no place in an archive", text);
    return (struct tar_place){offset, whole_number(colon + 1, 10)};
}

static void take_option(struct files_options *o, int letter)
{
    switch (letter) {
    case 'o':
        o->offset = whole_number(optarg, 10);
        break;
    case 'l':
        o->length = whole_number(optarg, 10);
        break;
    case 's':
        o->with_sha256 = true;
        o->sha256 = optarg;
        break;
    case 'm':
        o->mode = (int64_t)(whole_number(optarg, 8) & 07777);
        break;
    case 'r':
        o->resume = optarg;
        break;
    case 'n':
        o->name = optarg;
        break;
    case 'O':
        o->owners = optarg;
        break;
    case 'F':
        o->from = parse_place(optarg);
        break;
    default:
        tool_fail(EINVAL, "an option that this agent does not know");
    }
}

void files_parse(int argc, char **argv, struct files_options *o)
{
    *o = (struct files_options){.name = "", .mode = -1, .from.digest = TAR_DIGEST_START};
    bool *const flags[] = {
        ['f'] = &o->follow,  ['x'] = &o->xattrs,    ['d'] = &o->devices,  ['p'] = &o->portable,
        ['S'] = &o->special, ['R'] = &o->recursive, ['P'] = &o->or_parent};
    int c;
    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (c > 0 && (size_t)c < sizeof(flags) / sizeof(*flags) && flags[c])
            *flags[c] = true;
        else
            take_option(o, c);
    }
    if (optind + 1 != argc || argv[optind][0] == '\0')
        tool_fail(EINVAL, "one path is wanted");
    o->path = argv[optind];
}

size_t files_read(int fd, void *data, size_t len)
{
    for (;;) {
        ssize_t n = read(fd, data, len);
        if (n >= 0)
            return (size_t)n;
        if (errno != EINTR)
            tool_fail(errno, "cannot read: %s", strerror(errno));
    }
}

static bool read_all(uint8_t *data, size_t len)
{
    for (size_t got = 0; got < len;) {
        size_t n = files_read(STDIN_FILENO, data + got, len - got);
        if (n == 0 && got == 0)
            return false;
        if (n == 0)
            tool_fail(EPIPE, "a request that was cut off");
        got += n;
    }
    return true;
}

bool files_decode(const uint8_t *message, size_t len, PB(FileCall) * call)
{
    pb_istream_t in = pb_istream_from_buffer(message, len);
    *call = (PB(FileCall)){0};
    return pb_decode(&in, PB(FileCall_fields), call);
}

bool files_receive(PB(FileCall) * call)
{
    static uint8_t message[FILES_CALL_MAX_BYTES];
    uint8_t head[4];
    if (!read_all(head, sizeof(head)))
        return false;
    uint32_t len = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
                   (uint32_t)head[3] << 24;
    if (len > sizeof(message) || (len > 0 && !read_all(message, len)) ||
        !files_decode(message, len, call))
        tool_fail(EBADMSG, "a request that is none");
    return true;
}

void files_send(const PB(FileReply) * reply)
{
    static uint8_t message[4 + FILES_CALL_MAX_BYTES];
    pb_ostream_t out = pb_ostream_from_buffer(message + 4, sizeof(message) - 4);
    if (!pb_encode(&out, PB(FileReply_fields), reply))
        tool_fail(E2BIG, "an answer that does not fit");
    for (int i = 0; i < 4; i++)
        message[i] = (uint8_t)(out.bytes_written >> (8 * i));
    tool_write(STDOUT_FILENO, message, 4 + out.bytes_written);
}

static void copy_name(char to[TAR_OWNER_BYTES], const char *name)
{
    snprintf(to, TAR_OWNER_BYTES, "%s", name);
}

void files_fill_info(PB(FileInfo) * info, const char *path, const struct stat *st, int dir,
                     const char *path_at)
{
    static struct owners owners;
    *info = (PB(FileInfo)){
        .mode = st->st_mode,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .size = (uint64_t)st->st_size,
        .modified_s = st->st_mtim.tv_sec,
        .modified_ns = (uint32_t)st->st_mtim.tv_nsec,
        .inode = st->st_ino,
        .device = st->st_dev,
    };
    FILES_SET_BYTES(info->path, path);
    copy_name(info->owner, owners_name(&owners, OWNERS_USER, st->st_uid));
    copy_name(info->group, owners_name(&owners, OWNERS_GROUP, st->st_gid));
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(dir, path_at, (char *)info->link_target.bytes,
                               sizeof(info->link_target.bytes));
        info->link_target.size = n > 0 ? (pb_size_t)n : 0;
    }
}
