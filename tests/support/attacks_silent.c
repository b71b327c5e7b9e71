/* What passes in silence; see attacks_silent.h. */
#include "tests/support/attacks_silent.h"

#include <string.h>

#define SERVICE "/banger.test.v1.EchoService/"
#define STREAM  SERVICE "ClientStream"

enum {
    FLOOD = 200000, /* frames */
    BLOCK_BYTES = 15000,
    STREAMS = 100,  /* open at once */
    OPEN_MAX = 256, /* more than servers here allow, or as many */
    NEWEST = 0xbe,  /* HPACK: the newest entry of the table */
};

void make_unknown_frames(struct raw *r)
{
    raw_begin(r);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_UNKNOWN, 0, 0, "", 0);
}

void make_padding(struct raw *r)
{
    raw_begin(r);
    raw_headers(r, 1, STREAM);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_DATA, RAW_PADDED, 1, "\1", 2);
}

void make_late_data(struct raw *r)
{
    raw_begin(r);
    raw_accept(r);
    raw_headers(r, 1, SERVICE "Unheard");
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_DATA, 0, 1, "x", 1);
}

/* Headers of a call that leave a value of len bytes in the table, as its newest entry. */
static void open_with_entry(struct raw *r, uint32_t stream, uint8_t len)
{
    uint8_t entry[200] = {0x40, 1, 'x', len}; /* with indexing, new name */
    memset(entry + 4, 'y', len);
    raw_headers_block(r, stream, STREAM, entry, 4U + len);
}

void make_trailer_bombs(struct raw *r)
{
    static uint8_t block[BLOCK_BYTES];
    raw_begin(r);
    raw_accept(r);
    memset(block, NEWEST, sizeof(block));
    for (uint32_t i = 0; i < 1000; i++) {
        open_with_entry(r, 2 * i + 1, 120);
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS | RAW_END_STREAM, 2 * i + 1, block,
                  sizeof(block));
    }
}

void make_many_fields(struct raw *r)
{
    uint8_t fields[450];
    raw_begin(r);
    raw_accept(r);
    open_with_entry(r, 1, 1);
    memset(fields, NEWEST, sizeof(fields));
    for (uint32_t i = 1; i < 4000; i++) {
        raw_headers_block(r, 2 * i + 1, SERVICE "Unheard", fields, sizeof(fields));
        raw_frame(r, RAW_DATA, RAW_END_STREAM, 2 * i + 1, "", 0);
    }
}

void make_late_headers(struct raw *r)
{
    static uint8_t block[BLOCK_BYTES];
    raw_begin(r);
    open_with_entry(r, 1, 120);
    raw_reset(r, 1);
    memset(block, NEWEST, sizeof(block));
    for (uint32_t i = 0; i < 200; i++)
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 1, block, sizeof(block));
}

/* Beyond what may be open, before our SETTINGS are taken note of: refused one by one. */
void make_refused_headers(struct raw *r)
{
    static uint8_t block[BLOCK_BYTES];
    raw_begin(r);
    open_with_entry(r, 1, 120);
    for (uint32_t i = 1; i < OPEN_MAX; i++)
        raw_headers(r, 2 * i + 1, STREAM);
    memset(block, NEWEST, sizeof(block));
    for (uint32_t i = OPEN_MAX; i < OPEN_MAX + 200; i++)
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 2 * i + 1, block, sizeof(block));
}

void make_window_settings(struct raw *r)
{
    raw_begin(r);
    raw_accept(r);
    for (uint32_t i = 0; i < STREAMS; i++)
        raw_headers(r, 2 * i + 1, STREAM);
    for (int i = 0; i < 2000; i++)
        raw_frame(r, RAW_SETTINGS, 0, 0, i % 2 ? "\0\4\0\0\xff\xff" : "\0\4\0\1\xff\xff", 6);
}
