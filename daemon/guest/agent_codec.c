/* Messages of the agent protocol; see agent_codec.h. */
#include "daemon/guest/agent_codec.h"

#include <stdio.h>
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "daemon/guest/agent_client.h"
#include "daemon/model/model.h"

/* Reading */

struct slice {
    const uint8_t *data;
    size_t len;
};

/* Takes the length-delimited field that the stream is at, in place. nanopb's buffer streams keep
 * the read position in `state` (pb_istream_from_buffer). */
static bool take_slice(pb_istream_t *in, struct slice *out)
{
    uint32_t n;
    if (!pb_decode_varint32(in, &n) || n > in->bytes_left)
        return false;
    *out = (struct slice){in->state, n};
    return pb_read(in, NULL, n);
}

/* The last inner message of a known kind wins, as in any protobuf oneof. */
static bool open_outer(const uint8_t *payload, size_t len, uint32_t *kind, struct slice *body)
{
    pb_istream_t in = pb_istream_from_buffer(payload, len);
    *kind = 0;
    while (in.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool eof;
        if (!pb_decode_tag(&in, &type, &tag, &eof))
            return eof;
        if (type != PB_WT_STRING) {
            if (!pb_skip_field(&in, type))
                return false;
            continue;
        }
        struct slice s = {0};
        if (!take_slice(&in, &s))
            return false;
        if (tag >= PB_TAG(FromAgent, hello_reply) && tag <= PB_TAG(FromAgent, shutting_down)) {
            *kind = tag;
            *body = s;
        }
    }
    return true;
}

static bool read_data(struct slice body, struct agent_data *out)
{
    pb_istream_t in = pb_istream_from_buffer(body.data, body.len);
    *out = (struct agent_data){0};
    while (in.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool eof, ok;
        struct slice s = {0};
        if (!pb_decode_tag(&in, &type, &tag, &eof))
            return eof;
        if (tag == PB_TAG(Data, subscription) && type == PB_WT_VARINT) {
            ok = pb_decode_varint32(&in, &out->subscription);
        } else if (tag == PB_TAG(Data, stream) && type == PB_WT_VARINT) {
            ok = pb_decode_varint32(&in, &out->stream);
        } else if (tag == PB_TAG(Data, offset) && type == PB_WT_64BIT) {
            ok = pb_decode_fixed64(&in, &out->offset);
        } else if (tag == PB_TAG(Data, data) && type == PB_WT_STRING) {
            ok = take_slice(&in, &s);
            out->data = s.data;
            out->len = s.len;
        } else {
            ok = pb_skip_field(&in, type);
        }
        if (!ok)
            return false;
    }
    return true;
}

static const pb_msgdesc_t *fields_of(uint32_t kind)
{
    switch (kind) {
    case PB_TAG(FromAgent, hello_reply):
        return PB(HelloReply_fields);
    case PB_TAG(FromAgent, synced):
        return PB(Synced_fields);
    case PB_TAG(FromAgent, configured):
        return PB(Configured_fields);
    case PB_TAG(FromAgent, session_status):
        return PB(SessionStatus_fields);
    case PB_TAG(FromAgent, stdin_ack):
        return PB(StdinAck_fields);
    case PB_TAG(FromAgent, subscribed):
        return PB(Subscribed_fields);
    case PB_TAG(FromAgent, gap):
        return PB(Gap_fields);
    case PB_TAG(FromAgent, stream_end):
        return PB(StreamEnd_fields);
    case PB_TAG(FromAgent, subscription_end):
        return PB(SubscriptionEnd_fields);
    case PB_TAG(FromAgent, pong):
        return PB(Pong_fields);
    case PB_TAG(FromAgent, session_deleted):
        return PB(SessionDeleted_fields);
    case PB_TAG(FromAgent, shutting_down):
        return PB(ShuttingDown_fields);
    default:
        return NULL;
    }
}

bool agent_codec_read(const uint8_t *payload, size_t len, struct agent_message *out)
{
    struct slice body = {0};
    if (!open_outer(payload, len, &out->tag, &body))
        return false;
    if (out->tag == PB_TAG(FromAgent, data))
        return read_data(body, &out->data);
    const pb_msgdesc_t *fields = fields_of(out->tag);
    if (!fields)
        return true;
    pb_istream_t in = pb_istream_from_buffer(body.data, body.len);
    /* Every member of the union begins where it does. */
    return pb_decode(&in, fields, &out->hello_reply);
}

/* Writing */

size_t agent_codec_write(const PB(ToAgent) * message, uint8_t *out, size_t cap)
{
    pb_ostream_t stream = pb_ostream_from_buffer(out, cap);
    return pb_encode(&stream, PB(ToAgent_fields), message) ? stream.bytes_written : 0;
}

static bool write_blob(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const struct blob *blob = *arg;
    if (blob->len == 0)
        return true;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, blob->data, blob->len);
}

static pb_callback_t blob_field(const struct blob *blob)
{
    return (pb_callback_t){.funcs.encode = write_blob, .arg = (void *)(uintptr_t)blob};
}

size_t agent_codec_write_start(const struct session *session, uint8_t *out, size_t cap)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, start_session);
    PB(StartSession) *s = &m.kind.start_session;
    snprintf(s->session_id, sizeof(s->session_id), "%s", session->id);
    s->argv = blob_field(&session->argv);
    s->env = blob_field(&session->env);
    s->required_commands = blob_field(&session->required_commands);
    s->clear_env = session->clear_env;
    snprintf(s->cwd, sizeof(s->cwd), "%s", session->cwd);
    snprintf(s->user, sizeof(s->user), "%s", session->user);
    snprintf(s->group, sizeof(s->group), "%s", session->group);
    s->stdin_mode = session->stdin_mode == SESSION_STDIN_PIPE ? PB(StdinMode_STDIN_MODE_PIPE)
                                                              : PB(StdinMode_STDIN_MODE_NONE);
    s->spool_bytes = session->spool_bytes;
    s->drain_ms = session->drain_ms;
    s->tty = session->tty;
    s->rows = session->rows;
    s->columns = session->columns;
    s->umask = session->umask;
    s->timeout_ms = session->timeout_ms;
    s->hold_ms = session->hold_output ? AGENT_HOLD_MS : 0;
    return agent_codec_write(&m, out, cap);
}

size_t agent_codec_write_stdin_head(const char *session_id, uint64_t offset, size_t data_len,
                                    uint8_t out[AGENT_CODEC_STDIN_HEAD_BYTES])
{
    uint8_t head[AGENT_CODEC_STDIN_HEAD_BYTES];
    pb_ostream_t inner = pb_ostream_from_buffer(head, sizeof(head));
    pb_ostream_t outer = pb_ostream_from_buffer(out, AGENT_CODEC_STDIN_HEAD_BYTES);
    bool ok = pb_encode_tag(&inner, PB_WT_STRING, PB_TAG(Stdin, session_id)) &&
              pb_encode_string(&inner, (const pb_byte_t *)session_id, strlen(session_id)) &&
              pb_encode_tag(&inner, PB_WT_64BIT, PB_TAG(Stdin, offset)) &&
              pb_encode_fixed64(&inner, &offset) &&
              pb_encode_tag(&inner, PB_WT_STRING, PB_TAG(Stdin, data)) &&
              pb_encode_varint(&inner, data_len) &&
              pb_encode_tag(&outer, PB_WT_STRING, PB_TAG(ToAgent, stdin)) &&
              pb_encode_varint(&outer, inner.bytes_written + data_len) &&
              pb_write(&outer, head, inner.bytes_written);
    return ok ? outer.bytes_written : 0;
}

/* What a guest says */

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), or 0. The NUL at the end stops it. */
static size_t sequence_length(const unsigned char *s)
{
    static const struct {
        unsigned char first, last, second_min, second_max, len;
    } kinds[] = {
        {0x20, 0x7e, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (s[0] < kinds[i].first || s[0] > kinds[i].last)
            continue;
        if (kinds[i].len > 1 && (s[1] < kinds[i].second_min || s[1] > kinds[i].second_max))
            return 0;
        for (size_t n = 2; n < kinds[i].len; n++)
            if (s[n] < 0x80 || s[n] > 0xbf)
                return 0;
        return kinds[i].len;
    }
    return 0;
}

void agent_codec_text(char *out, size_t cap, const char *text)
{
    size_t at = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = sequence_length(s);
        if (at + (n ? n : 1) >= cap)
            break;
        if (n == 0) {
            out[at++] = '?';
            s++;
        }
        for (; n > 0; n--)
            out[at++] = (char)*s++;
    }
    out[at] = '\0';
}

bool agent_codec_status(const PB(SessionStatus) * from, struct agent_session_status *out)
{
    if (!id_is_valid(from->session_id) || (int)from->state < AGENT_SESSION_RUNNING ||
        (int)from->state > AGENT_SESSION_UNKNOWN)
        return false;
    *out = (struct agent_session_status){
        .pid = from->pid,
        .exit_code = from->exit_code,
        .signo = from->signo,
        .oom = from->oom,
        .timed_out = from->timed_out,
        .failed_errno = from->failed_errno,
        .stdout_total = from->stdout_total,
        .stderr_total = from->stderr_total,
        .stdout_ended = from->stdout_ended,
        .stderr_ended = from->stderr_ended,
        .stdin_acked = from->stdin_acked,
        .stdin_closed = from->stdin_closed,
        .stdin_received = from->stdin_received,
        .stdin_eof = from->stdin_eof,
        .left = from->left,
        .late_bytes = from->late_bytes,
        .started_ns = from->started_ns > INT64_MAX ? 0 : (int64_t)from->started_ns,
        .ended_ns = from->ended_ns > INT64_MAX ? 0 : (int64_t)from->ended_ns,
    };
    memcpy(out->session_id, from->session_id, sizeof(out->session_id)); /* ends here: id_is_valid */
    out->state = (unsigned)from->state;
    agent_codec_text(out->failed_stage, sizeof(out->failed_stage), from->failed_stage);
    agent_codec_text(out->error, sizeof(out->error), from->error);
    return true;
}
