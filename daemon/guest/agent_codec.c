/* Messages of the agent protocol; see agent_codec.h. */
#include "daemon/guest/agent_codec.h"

#include <stdio.h>
#include <string.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "base/clock.h"
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
        if (tag >= PB_TAG(FromAgent, hello_reply) && tag <= PB_TAG(FromAgent, new_agent_refused)) {
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
        } else if (tag == PB_TAG(Data, time_ns) && type == PB_WT_64BIT) {
            ok = pb_decode_fixed64(&in, &out->time_ns);
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
    case PB_TAG(FromAgent, new_agent_refused):
        return PB(NewAgentRefused_fields);
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

enum { CUT_DRAIN_MS = 1 }; /* 0 would be the default */

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

size_t agent_codec_write_start(const char *id, const struct session_spec *spec, bool tool,
                               int64_t not_after_ns, uint8_t *out, size_t cap)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, start_session);
    PB(StartSession) *s = &m.kind.start_session;
    snprintf(s->session_id, sizeof(s->session_id), "%s", id);
    s->argv = blob_field(&spec->argv);
    s->env = blob_field(&spec->env);
    s->required_commands = blob_field(&spec->required_commands);
    s->rlimits = blob_field(&spec->rlimits);
    s->merge_stderr = spec->merge_stderr;
    s->nice = spec->nice;
    s->oom_score_adj = spec->oom_score_adj;
    s->clear_env = spec->clear_env;
    snprintf(s->cwd, sizeof(s->cwd), "%s", spec->cwd);
    snprintf(s->user, sizeof(s->user), "%s", spec->user);
    snprintf(s->group, sizeof(s->group), "%s", spec->group);
    s->stdin_mode = spec->stdin_mode == SESSION_STDIN_PIPE ? PB(StdinMode_STDIN_MODE_PIPE)
                                                           : PB(StdinMode_STDIN_MODE_NONE);
    s->spool_bytes = spec->spool_bytes;
    s->drain_ms = spec->drain_policy == DRAIN_CUT ? CUT_DRAIN_MS : spec->drain_ms;
    s->drain_until_closed = spec->drain_policy == DRAIN_UNTIL_CLOSED;
    s->tty = spec->tty;
    s->tool = tool;
    s->not_after_ns = (uint64_t)not_after_ns;
    s->rows = spec->rows;
    s->columns = spec->columns;
    s->umask = spec->umask;
    s->timeout_ms = spec->timeout_ms;
    if (output_is_held(spec->output_policy))
        s->hold_ms = spec->output_policy == OUTPUT_BLOCK ? AGENT_HOLD_FOREVER : AGENT_HOLD_MS;
    s->drop_acked = spec->output_policy == OUTPUT_HOLD_DROP_TAKEN;
    s->until_acked = spec->output_policy == OUTPUT_UNTIL_ACKNOWLEDGED;
    return agent_codec_write(&m, out, cap);
}

size_t agent_codec_write_new_agent(uint32_t size, uint32_t offset, const void *data, size_t len,
                                   uint8_t *out, size_t cap)
{
    const struct blob blob = {(uint8_t *)(uintptr_t)data, len};
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, new_agent);
    m.kind.new_agent.size = size;
    m.kind.new_agent.offset = offset;
    m.kind.new_agent.data = blob_field(&blob);
    return agent_codec_write(&m, out, cap);
}

size_t agent_codec_write_stdin_head(const char *session_id, uint64_t offset, uint64_t key,
                                    bool more, size_t data_len,
                                    uint8_t out[AGENT_CODEC_STDIN_HEAD_BYTES])
{
    uint8_t head[AGENT_CODEC_STDIN_HEAD_BYTES];
    pb_ostream_t inner = pb_ostream_from_buffer(head, sizeof(head));
    pb_ostream_t outer = pb_ostream_from_buffer(out, AGENT_CODEC_STDIN_HEAD_BYTES);
    bool ok = pb_encode_tag(&inner, PB_WT_STRING, PB_TAG(Stdin, session_id)) &&
              pb_encode_string(&inner, (const pb_byte_t *)session_id, strlen(session_id)) &&
              pb_encode_tag(&inner, PB_WT_64BIT, PB_TAG(Stdin, offset)) &&
              pb_encode_fixed64(&inner, &offset) &&
              (key == 0 || (pb_encode_tag(&inner, PB_WT_64BIT, PB_TAG(Stdin, key)) &&
                            pb_encode_fixed64(&inner, &key))) &&
              (!more || (pb_encode_tag(&inner, PB_WT_VARINT, PB_TAG(Stdin, more)) &&
                         pb_encode_varint(&inner, more))) &&
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

/* The host's clock counts; the guest's where the agent does not say how long ago it was. */
static int64_t agent_codec_host_time(uint64_t guest_ns, uint64_t ago_ns)
{
    int64_t now_ns = clock_real_ns();
    if (ago_ns)
        return ago_ns < (uint64_t)now_ns ? now_ns - (int64_t)ago_ns : 1;
    return guest_ns > INT64_MAX ? 0 : (int64_t)guest_ns;
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
        .tool = from->tool,
        .late_bytes = from->late_bytes,
        .started_ns = agent_codec_host_time(from->started_ns, from->started_ago_ns),
        .ended_ns = agent_codec_host_time(from->ended_ns, from->ended_ago_ns),
    };
    for (pb_size_t i = 0; i < from->stdin_runs_count; i++) {
        const PB(StdinRun) *run = &from->stdin_runs[i];
        if (run->key && run->from <= run->until)
            out->stdin_runs[out->n_stdin_runs++] =
                (struct agent_stdin_run){run->key, run->from, run->until, run->open};
    }
    memcpy(out->session_id, from->session_id, sizeof(out->session_id)); /* ends here: id_is_valid */
    out->state = (unsigned)from->state;
    agent_codec_text(out->failed_stage, sizeof(out->failed_stage), from->failed_stage);
    agent_codec_text(out->error, sizeof(out->error), from->error);
    return true;
}
