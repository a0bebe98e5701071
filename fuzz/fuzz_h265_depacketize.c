/* A session of RTP payloads: flags, timestamp step, 16-bit size, payload; again and again. */
#include "fuzz.h"

#include "proto/h265/depacketize.h"

enum { MARK = 1, GAP = 2, RESTART = 4, MAX_UNIT = 64 * 1024 };

typedef struct session {
    cm_h265_depacketizer d;
    uint64_t units;
    bool must_be_keyframe; /* nothing decodable came before, or something was lost */
    bool began_at_cra;     /* no RASL picture may follow */
} session;

static void check_kind(session *s, const cm_h265_access_unit *unit, cm_h265_nal_type picture)
{
    CHECK(unit->is_keyframe == (picture >= CM_H265_NAL_BLA_W_LP && picture <= CM_H265_NAL_CRA));
    CHECK(unit->is_keyframe || !(s->must_be_keyframe || unit->lost_before));
    CHECK(!unit->is_rasl || !s->began_at_cra);
    if (unit->is_keyframe)
        s->began_at_cra = s->must_be_keyframe;
    s->must_be_keyframe = false;
}

static void check_unit(void *context, const cm_h265_access_unit *unit)
{
    session *s = context;
    CHECK(unit->nal_count > 0 && unit->nal_count <= CM_H265_MAX_NALS);
    CHECK(!unit->lost_before || s->units > 0);
    size_t end = 0;
    cm_h265_nal_type picture = CM_H265_NAL_NONE; /* of the first slice */
    for (size_t i = 0; i < unit->nal_count; i++) {
        CHECK(unit->nals[i].offset >= end);
        end = (size_t)unit->nals[i].offset + unit->nals[i].size;
        CHECK(end <= unit->bytes.size);
        const cm_slice nal = cm_h265_access_unit_nal(unit, i);
        touch(nal);
        cm_h265_nal_header header;
        CHECK(cm_h265_nal_header_parse(nal, &header) == CM_OK && header.layer_id == 0);
        CHECK(nal.size > CM_H265_NAL_HEADER_SIZE && nal.bytes[nal.size - 1] != 0);
        CHECK(cm_h264_find_start_code(nal, 0) == nal.size);
        if (picture != CM_H265_NAL_NONE || !cm_h265_nal_is_slice(nal))
            continue;
        CHECK(cm_h265_nal_begins_picture(nal));
        picture = header.type;
    }
    CHECK(picture != CM_H265_NAL_NONE);
    check_kind(s, unit, picture);
    s->units++;
}

static void put_packet(session *s, cm_reader *r, uint32_t *timestamp)
{
    const uint8_t flags = cm_read_u8(r);
    *timestamp += cm_read_u8(r);
    const size_t want = cm_read_u16(r);
    const cm_h265_rtp_payload packet = {
        .payload = cm_read_slice(r, want < r->rest.size ? want : r->rest.size),
        .timestamp = *timestamp,
        .marker = (flags & MARK) != 0,
        .gap_before = (flags & GAP) != 0,
    };
    if ((flags & RESTART) != 0)
        cm_h265_depacketizer_restart(&s->d);
    s->must_be_keyframe |= (flags & (RESTART | GAP)) != 0;
    const uint64_t units = s->units;
    const cm_status status = cm_h265_depacketizer_put(&s->d, &packet);
    CHECK(s->units - units <= 2 && s->units == s->d.units);
    CHECK(status == CM_OK || s->d.last_fault != CM_H265_FAULT_NONE);
    /* A unit of the same call may have come after the fault, and have been a keyframe. */
    s->must_be_keyframe |= status != CM_OK && s->units == units;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return 0;
    s->must_be_keyframe = true;
    cm_buffer buffer;
    cm_buffer_init(&buffer, MAX_UNIT);
    CHECK(cm_h265_depacketizer_init(&s->d, 0, &buffer, check_unit, s) == CM_OK);
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    uint32_t timestamp = UINT32_MAX - 3;
    while (r.rest.size > 0 && !r.failed) {
        put_packet(s, &r, &timestamp);
        CHECK(cm_buffer_data(&buffer).size <= MAX_UNIT);
    }
    cm_buffer_deinit(&buffer);
    free(s);
    return 0;
}
