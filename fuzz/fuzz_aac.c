/* A line of format parameters, a configuration and a session of RTP payloads (flags, timestamp
 * step, 16-bit size, payload), of one byte string. */
#include "fuzz.h"

#include "base/reader.h"
#include "proto/aac/depacketize.h"

enum { MARK = 1, GAP = 2, RESTART = 4, FRAME_TICKS = 1024 };

typedef struct session {
    cm_aac_depacketizer d;
    uint64_t units;
    bool must_be_marked; /* something was lost since the last unit */
} session;

static void check_unit(void *context, const cm_aac_access_unit *unit)
{
    session *s = context;
    CHECK(unit->bytes.size > 0 && unit->bytes.size <= CM_AAC_MAX_UNIT_BYTES);
    CHECK(unit->lost_before || !s->must_be_marked || s->units == 0);
    touch(unit->bytes);
    s->must_be_marked = false;
    s->units++;
}

static void check_config(const cm_aac_config *config)
{
    uint8_t storage[CM_AAC_MAX_CONFIG_BYTES];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CHECK(cm_aac_config_write(&w, config) == CM_OK);
    cm_aac_config back;
    CHECK(cm_aac_config_parse(cm_writer_done(&w), &back) == CM_OK);
    CHECK(back.object_type == config->object_type && back.channels == config->channels);
    CHECK(back.sample_rate == config->sample_rate && back.output_rate == config->output_rate);
    CHECK(back.frame_samples == config->frame_samples);
    char codecs[CM_AAC_CODECS_SIZE];
    cm_aac_codecs(config, codecs);
}

static void parse_formats(cm_slice input)
{
    cm_aac_config config;
    if (cm_aac_config_parse(cm_slice_part(input, 0, CM_AAC_MAX_CONFIG_BYTES), &config) == CM_OK)
        check_config(&config);
    cm_aac_format format;
    cm_aac_fault fault;
    const cm_status status =
        cm_aac_format_parse(CM_TEXT("mpeg4-generic"), 48000, input, &format, &fault);
    CHECK((status == CM_OK) == (fault == CM_AAC_FAULT_NONE));
    if (status != CM_OK)
        return;
    CHECK(format.frame_ticks > 0 && format.config_size <= CM_AAC_MAX_CONFIG_BYTES);
    check_config(&format.config);
}

static void put_packet(session *s, cm_reader *r, uint32_t *timestamp)
{
    const uint8_t flags = cm_read_u8(r);
    *timestamp += cm_read_u8(r);
    const size_t want = cm_read_u16(r);
    const cm_aac_rtp_payload packet = {
        .payload = cm_read_slice(r, want < r->rest.size ? want : r->rest.size),
        .timestamp = *timestamp,
        .marker = (flags & MARK) != 0,
        .gap_before = (flags & GAP) != 0,
    };
    if ((flags & RESTART) != 0)
        cm_aac_depacketizer_restart(&s->d);
    s->must_be_marked |= (flags & (RESTART | GAP)) != 0;
    const uint64_t units = s->units;
    const cm_status status = cm_aac_depacketizer_put(&s->d, &packet);
    CHECK(s->units == s->d.units && s->units - units <= packet.payload.size);
    CHECK(status == CM_OK || s->d.last_fault != CM_AAC_FAULT_NONE);
    s->must_be_marked |= status != CM_OK && s->units == units;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cm_slice input = cm_slice_over(data, size);
    parse_formats(input);
    session s = {0};
    cm_buffer buffer;
    cm_buffer_init(&buffer, CM_AAC_MAX_UNIT_BYTES);
    cm_aac_depacketizer_init(&s.d, FRAME_TICKS, &buffer, check_unit, &s);
    cm_reader r = cm_reader_over(input);
    uint32_t timestamp = UINT32_MAX - 3;
    while (r.rest.size > 0 && !r.failed)
        put_packet(&s, &r, &timestamp);
    cm_buffer_deinit(&buffer);
    return 0;
}
