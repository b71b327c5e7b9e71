/* Walks a FileDescriptorSet; see descriptors.h. Field numbers are descriptor.proto's. */
#include "rpc/reflection/descriptors.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/pbwire.h"

enum { SET_FILE = 1 };
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7,
};
enum {
    NAME = 1, /* of every kind of thing */
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_EXTENSION = 6,
    MESSAGE_ONEOF = 8,
    ENUM_VALUE = 2,
    SERVICE_METHOD = 2,
    FIELD_EXTENDEE = 2,
    FIELD_NUMBER = 3,
};
enum { MAX_DEPTH = 32, MAX_NAME_BYTES = 256 };

static struct slice slice_of(const struct pb_field *f)
{
    return (struct slice){f->data, f->len};
}

static bool slice_is(struct slice s, const char *text, size_t len)
{
    return s.len == len && memcmp(s.data, text, len) == 0;
}

/* First field of that number with a length; empty without one. */
static struct slice slice_field(struct slice of, uint32_t id)
{
    struct pb_reader r = {of.data, of.data + of.len};
    for (struct pb_field f; pb_next(&r, &f);)
        if (f.id == id && f.wire_type == PB_LEN)
            return slice_of(&f);
    return (struct slice){of.data, 0};
}

static uint64_t slice_number(struct slice of, uint32_t id)
{
    struct pb_reader r = {of.data, of.data + of.len};
    uint64_t value = 0;
    for (struct pb_field f; pb_next(&r, &f);)
        if (f.id == id && f.wire_type == PB_VARINT)
            pb_varint(f.data, f.data + f.len, &value);
    return value;
}

int descriptors_init(struct descriptors *d, const void *set, size_t len, struct err *err)
{
    struct pb_reader r = {set, (const uint8_t *)set + len};
    d->n_files = 0;
    for (struct pb_field f; pb_next(&r, &f);) {
        if (f.id != SET_FILE || f.wire_type != PB_LEN)
            continue;
        if (d->n_files == DESCRIPTORS_MAX_FILES)
            return err_set(err, ERR_LIMIT, "more than %d .proto files", DESCRIPTORS_MAX_FILES);
        d->files[d->n_files++] = slice_of(&f);
    }
    return r.at ? 0 : err_set(err, ERR_INVALID, "malformed descriptor set");
}

static int file_by_name(const struct descriptors *d, const char *name, size_t len)
{
    for (size_t i = 0; i < d->n_files; i++)
        if (slice_is(slice_field(d->files[i], FILE_NAME), name, len))
            return (int)i;
    return -1;
}

int descriptors_file_by_name(const struct descriptors *d, const char *name)
{
    return file_by_name(d, name, strlen(name));
}

/* What is left of a dotted name behind the thing's own; NULL when it is another's, "" when it is
 * the thing itself. */
static const char *name_behind(struct slice thing, const char *name)
{
    struct slice own = slice_field(thing, NAME);
    if (own.len == 0 || strncmp(name, (const char *)own.data, own.len) != 0)
        return NULL;
    name += own.len;
    if (*name == '.' && name[1])
        return name + 1;
    return *name == '\0' ? name : NULL;
}

static bool names_member(struct slice of, uint32_t member, const char *name)
{
    struct pb_reader r = {of.data, of.data + of.len};
    for (struct pb_field f; pb_next(&r, &f);) {
        const char *behind =
            f.id == member && f.wire_type == PB_LEN ? name_behind(slice_of(&f), name) : NULL;
        if (behind && !*behind)
            return true;
    }
    return false;
}

static bool message_has(struct slice message, const char *name, int depth)
{
    struct pb_reader r = {message.data, message.data + message.len};
    for (struct pb_field f; depth < MAX_DEPTH && pb_next(&r, &f);) {
        if (f.wire_type != PB_LEN || f.id == NAME)
            continue;
        struct slice inner = slice_of(&f);
        const char *behind = NULL;
        if (f.id == MESSAGE_FIELD || f.id == MESSAGE_NESTED || f.id == MESSAGE_ENUM ||
            f.id == MESSAGE_EXTENSION || f.id == MESSAGE_ONEOF)
            behind = name_behind(inner, name);
        if (behind && !*behind)
            return true;
        if (behind && f.id == MESSAGE_NESTED && message_has(inner, behind, depth + 1))
            return true;
        /* Values of an enum are its siblings. */
        if (f.id == MESSAGE_ENUM && names_member(inner, ENUM_VALUE, name))
            return true;
    }
    return false;
}

static bool file_has(struct slice file, const char *symbol)
{
    struct slice package = slice_field(file, FILE_PACKAGE);
    if (package.len > 0) {
        if (strncmp(symbol, (const char *)package.data, package.len) != 0 ||
            symbol[package.len] != '.')
            return false;
        symbol += package.len + 1;
    }
    struct pb_reader r = {file.data, file.data + file.len};
    for (struct pb_field f; pb_next(&r, &f);) {
        if (f.wire_type != PB_LEN || f.id < FILE_MESSAGE || f.id > FILE_EXTENSION)
            continue;
        struct slice thing = slice_of(&f);
        const char *behind = name_behind(thing, symbol);
        if (behind && !*behind)
            return true;
        if ((behind && f.id == FILE_MESSAGE && message_has(thing, behind, 0)) ||
            (behind && f.id == FILE_SERVICE && names_member(thing, SERVICE_METHOD, behind)) ||
            (f.id == FILE_ENUM && names_member(thing, ENUM_VALUE, symbol)))
            return true;
    }
    return false;
}

int descriptors_file_of_symbol(const struct descriptors *d, const char *symbol)
{
    for (size_t i = 0; i < d->n_files; i++)
        if (file_has(d->files[i], symbol))
            return (int)i;
    return -1;
}

/* The extensions of one type within a file: their numbers, as far as there is room. */
struct search {
    const char *type; /* without a leading dot */
    int32_t *numbers;
    size_t n, room;
};

static void search_add(struct search *s, struct slice field)
{
    struct slice of = slice_field(field, FIELD_EXTENDEE);
    if (of.len < 1 || of.data[0] != '.' ||
        !slice_is((struct slice){of.data + 1, of.len - 1}, s->type, strlen(s->type)))
        return;
    if (s->n < s->room)
        s->numbers[s->n] = (int32_t)slice_number(field, FIELD_NUMBER);
    s->n++;
}

/* Of a file or a message, which number their parts differently. */
static void search_in(struct search *s, struct slice in, bool file, int depth)
{
    const uint32_t extension = file ? FILE_EXTENSION : MESSAGE_EXTENSION;
    const uint32_t message = file ? FILE_MESSAGE : MESSAGE_NESTED;
    struct pb_reader r = {in.data, in.data + in.len};
    for (struct pb_field f; depth < MAX_DEPTH && pb_next(&r, &f);) {
        if (f.id == extension && f.wire_type == PB_LEN)
            search_add(s, slice_of(&f));
        else if (f.id == message && f.wire_type == PB_LEN)
            search_in(s, slice_of(&f), false, depth + 1);
    }
}

size_t descriptors_extensions(const struct descriptors *d, const char *type, int32_t *numbers,
                              size_t n)
{
    struct search s = {.type = type, .numbers = numbers, .room = n};
    for (size_t i = 0; i < d->n_files; i++)
        search_in(&s, d->files[i], true, 0);
    return s.n;
}

int descriptors_file_of_extension(const struct descriptors *d, const char *type, int32_t number)
{
    for (size_t i = 0; i < d->n_files; i++) {
        int32_t numbers[64];
        struct search s = {.type = type, .numbers = numbers, .room = 64};
        search_in(&s, d->files[i], true, 0);
        for (size_t k = 0; k < s.n && k < s.room; k++)
            if (numbers[k] == number)
                return (int)i;
    }
    return -1;
}

size_t descriptors_closure(const struct descriptors *d, int file, struct slice *to)
{
    bool seen[DESCRIPTORS_MAX_FILES] = {false};
    size_t n = 0;
    to[n++] = d->files[file];
    seen[file] = true;
    for (size_t done = 0; done < n; done++) {
        struct pb_reader r = {to[done].data, to[done].data + to[done].len};
        for (struct pb_field f; pb_next(&r, &f);) {
            if (f.id != FILE_DEPENDENCY || f.wire_type != PB_LEN)
                continue;
            int i = file_by_name(d, (const char *)f.data, f.len);
            if (i < 0 || seen[i])
                continue;
            seen[i] = true;
            to[n++] = d->files[i];
        }
    }
    return n;
}

int descriptors_each_service(const struct descriptors *d, int (*visit)(void *arg, const char *name),
                             void *arg)
{
    for (size_t i = 0; i < d->n_files; i++) {
        struct slice package = slice_field(d->files[i], FILE_PACKAGE);
        struct pb_reader r = {d->files[i].data, d->files[i].data + d->files[i].len};
        for (struct pb_field f; pb_next(&r, &f);) {
            if (f.id != FILE_SERVICE || f.wire_type != PB_LEN)
                continue;
            struct slice own = slice_field(slice_of(&f), NAME);
            char name[MAX_NAME_BYTES];
            int len = snprintf(name, sizeof(name), "%.*s%s%.*s", (int)package.len,
                               (const char *)package.data, package.len ? "." : "", (int)own.len,
                               (const char *)own.data);
            if (len > 0 && (size_t)len < sizeof(name) && visit(arg, name) < 0)
                return -1;
        }
    }
    return 0;
}
