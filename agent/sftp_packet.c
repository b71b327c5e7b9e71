/* Packets of SFTP: what is in them; see sftp.h. */
#include "agent/sftp.h"

#include <string.h>

enum { HEAD_BYTES = 4 };

static const uint8_t *sftp_take(struct sftp_packet *p, size_t n)
{
    if (p->wrong || n > p->len - p->at) {
        p->wrong = true;
        return NULL;
    }
    p->at += n;
    return p->data + p->at - n;
}

uint32_t sftp_get_u32(struct sftp_packet *p)
{
    const uint8_t *b = sftp_take(p, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

uint64_t sftp_get_u64(struct sftp_packet *p)
{
    uint64_t high = sftp_get_u32(p);
    return high << 32 | sftp_get_u32(p);
}

const uint8_t *sftp_get_bytes(struct sftp_packet *p, uint32_t *len)
{
    *len = sftp_get_u32(p);
    const uint8_t *b = sftp_take(p, *len);
    if (!b)
        *len = 0;
    return b;
}

void sftp_get_path(struct sftp_packet *p, char path[PATH_MAX])
{
    uint32_t len;
    const uint8_t *b = sftp_get_bytes(p, &len);
    p->wrong |= len >= PATH_MAX || (len > 0 && memchr(b, '\0', len));
    if (p->wrong)
        len = 0;
    if (len > 0)
        memcpy(path, b, len);
    path[len] = '\0';
    if (!p->wrong && len == 0)
        memcpy(path, ".", 2);
}

void sftp_get_attrs(struct sftp_packet *p, struct sftp_attrs *a)
{
    *a = (struct sftp_attrs){.has = sftp_get_u32(p)};
    if (a->has & SFTP_HAS_SIZE)
        a->size = sftp_get_u64(p);
    if (a->has & SFTP_HAS_OWNER) {
        a->uid = sftp_get_u32(p);
        a->gid = sftp_get_u32(p);
    }
    if (a->has & SFTP_HAS_MODE)
        a->mode = sftp_get_u32(p);
    if (a->has & SFTP_HAS_TIMES) {
        a->accessed = sftp_get_u32(p);
        a->modified = sftp_get_u32(p);
    }
    uint32_t pairs = a->has & SFTP_HAS_EXTENDED ? sftp_get_u32(p) : 0, len;
    for (uint32_t i = 0; i < 2 * (uint64_t)pairs && !p->wrong; i++)
        sftp_get_bytes(p, &len);
}

static uint8_t *sftp_room(struct sftp_packet *p, size_t n)
{
    if (p->wrong || n > sizeof(p->data) - p->len) {
        p->wrong = true;
        return NULL;
    }
    p->len += n;
    return p->data + p->len - n;
}

void sftp_put_u32(struct sftp_packet *p, uint32_t value)
{
    uint8_t *b = sftp_room(p, 4);
    for (int i = 0; b && i < 4; i++)
        b[i] = (uint8_t)(value >> (24 - 8 * i));
}

void sftp_put_u64(struct sftp_packet *p, uint64_t value)
{
    sftp_put_u32(p, (uint32_t)(value >> 32));
    sftp_put_u32(p, (uint32_t)value);
}

void sftp_put_bytes(struct sftp_packet *p, const void *data, size_t len)
{
    sftp_put_u32(p, (uint32_t)len);
    uint8_t *b = sftp_room(p, len);
    if (b && len > 0)
        memcpy(b, data, len);
}

void sftp_put_text(struct sftp_packet *p, const char *text)
{
    sftp_put_bytes(p, text, strlen(text));
}

void sftp_put_attrs(struct sftp_packet *p, const struct stat *st)
{
    sftp_put_u32(p, SFTP_HAS_SIZE | SFTP_HAS_OWNER | SFTP_HAS_MODE | SFTP_HAS_TIMES);
    sftp_put_u64(p, (uint64_t)st->st_size);
    sftp_put_u32(p, st->st_uid);
    sftp_put_u32(p, st->st_gid);
    sftp_put_u32(p, st->st_mode);
    sftp_put_u32(p, (uint32_t)st->st_atime);
    sftp_put_u32(p, (uint32_t)st->st_mtime);
}

/* Its length is filled in when it is sent. */
void sftp_begin(struct sftp_packet *p, enum sftp_type type, uint32_t id)
{
    p->len = HEAD_BYTES;
    p->wrong = false;
    uint8_t *b = sftp_room(p, 1);
    *b = (uint8_t)type;
    sftp_put_u32(p, id);
}
