/* Messages of the agent protocol; see codec.h. */
#include "agent/codec.h"

#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

bool codec_open(const uint8_t *payload, size_t len, struct codec_request *out)
{
    *out = (struct codec_request){0};
    pb_istream_t in = pb_istream_from_buffer(payload, len);
    while (in.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool eof;
        if (!pb_decode_tag(&in, &type, &tag, &eof))
            return eof;
        bool known = (tag >= PB_TAG(ToAgent, hello) && tag <= PB_TAG(ToAgent, set_clock)) ||
                     tag == PB_TAG(ToAgent, ack_output) || tag == PB_TAG(ToAgent, new_agent);
        if (type != PB_WT_STRING || !known) {
            if (!pb_skip_field(&in, type))
                return false;
            continue;
        }
        uint32_t n;
        if (!pb_decode_varint32(&in, &n) || n > in.bytes_left)
            return false;
        out->tag = tag;
        out->body = (struct slice){payload + (len - in.bytes_left), n};
        if (!pb_read(&in, NULL, n))
            return false;
    }
    return true;
}

bool codec_read(struct slice body, const pb_msgdesc_t *fields, void *message)
{
    pb_istream_t in = pb_istream_from_buffer(body.data, body.len);
    return pb_decode(&in, fields, message);
}

/* nanopb hands a callback a stream over the same buffer, whose state is the read position
 * (pb_istream_from_buffer). */
static bool note_slice(pb_istream_t *in, const pb_field_t *field, void **arg)
{
    (void)field;
    struct slice *s = *arg;
    *s = (struct slice){in->state, in->bytes_left};
    return pb_read(in, NULL, in->bytes_left);
}

/* pb_decode would reset the callbacks, so the fields are set to their defaults here instead. */
static bool read_over(struct slice body, const pb_msgdesc_t *fields, void *message)
{
    pb_istream_t in = pb_istream_from_buffer(body.data, body.len);
    return pb_decode_ex(&in, fields, message, PB_DECODE_NOINIT);
}

bool codec_read_start(struct slice body, struct codec_start *out)
{
    memset(out, 0, sizeof(*out));
    out->message.argv = (pb_callback_t){.funcs.decode = note_slice, .arg = &out->argv};
    out->message.env = (pb_callback_t){.funcs.decode = note_slice, .arg = &out->env};
    out->message.required_commands =
        (pb_callback_t){.funcs.decode = note_slice, .arg = &out->required_commands};
    out->message.rlimits = (pb_callback_t){.funcs.decode = note_slice, .arg = &out->rlimits};
    return read_over(body, PB(StartSession_fields), &out->message);
}

bool codec_read_stdin(struct slice body, struct codec_stdin *out)
{
    memset(out, 0, sizeof(*out));
    out->message.data = (pb_callback_t){.funcs.decode = note_slice, .arg = &out->data};
    return read_over(body, PB(Stdin_fields), &out->message);
}

bool codec_read_new_agent(struct slice body, struct codec_new_agent *out)
{
    memset(out, 0, sizeof(*out));
    out->message.data = (pb_callback_t){.funcs.decode = note_slice, .arg = &out->data};
    return read_over(body, PB(NewAgent_fields), &out->message);
}

size_t codec_write(const PB(FromAgent) * message, uint8_t *out, size_t cap)
{
    pb_ostream_t stream = pb_ostream_from_buffer(out, cap);
    return pb_encode(&stream, PB(FromAgent_fields), message) ? stream.bytes_written : 0;
}

size_t codec_write_data_head(uint32_t subscription, int stream, uint64_t offset, int64_t time_ns,
                             size_t data_len, uint8_t out[CODEC_DATA_HEAD_BYTES])
{
    uint8_t head[CODEC_DATA_HEAD_BYTES];
    pb_ostream_t inner = pb_ostream_from_buffer(head, sizeof(head));
    pb_encode_tag(&inner, PB_WT_VARINT, PB_TAG(Data, subscription));
    pb_encode_varint(&inner, subscription);
    pb_encode_tag(&inner, PB_WT_VARINT, PB_TAG(Data, stream));
    pb_encode_varint(&inner, (uint64_t)stream);
    pb_encode_tag(&inner, PB_WT_64BIT, PB_TAG(Data, offset));
    pb_encode_fixed64(&inner, &offset);
    if (time_ns) {
        pb_encode_tag(&inner, PB_WT_64BIT, PB_TAG(Data, time_ns));
        pb_encode_fixed64(&inner, &time_ns);
    }
    pb_encode_tag(&inner, PB_WT_STRING, PB_TAG(Data, data));
    pb_encode_varint(&inner, data_len);

    pb_ostream_t outer = pb_ostream_from_buffer(out, CODEC_DATA_HEAD_BYTES);
    pb_encode_tag(&outer, PB_WT_STRING, PB_TAG(FromAgent, data));
    pb_encode_varint(&outer, inner.bytes_written + data_len);
    pb_write(&outer, head, inner.bytes_written);
    return outer.bytes_written;
}

int codec_count_strings(struct slice s)
{
    if (s.len > 0 && s.data[s.len - 1] != '\0')
        return -1;
    int n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.data[i] == '\0';
    return n;
}
