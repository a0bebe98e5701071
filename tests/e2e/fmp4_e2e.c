/*
 * fmp4_e2e: an H.264 byte stream (Annex B) through the whole of proto/h264 and proto/fmp4, as a
 * program, for tests/e2e/fmp4.sh.
 *
 *   fmp4_e2e BYTES.h264 OUT.mp4 TICKS_PER_FRAME
 *
 * The stream is cut into access units, these into granules of 1,136 bytes, which go as RTP payloads
 * through the depacketizer; its units are cut again, put together as AVCC, and written as parts
 * behind an init segment. The stream has no B pictures, and a frame lasts TICKS_PER_FRAME.
 * Prints how many units and keyframes there were. Fails at anything that is not exact.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/fmp4/fmp4.h"
#include "proto/h264/depacketize.h"
#include "proto/h264/packetize.h"

enum { MAX_FILE = 64 * 1024 * 1024, MAX_UNIT_NALS = 64 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fmp4_e2e:%d: %s\n", __LINE__, #condition);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct muxer {
    FILE *out;
    cm_h264_depacketizer d;
    cm_buffer buffer;
    const cm_slice *sent; /* the unit on its way, without delimiters */
    size_t sent_count;
    uint32_t ticks;
    uint32_t keyframes;
    uint8_t *avcc;
} muxer;

static void write_out(muxer *m, cm_slice bytes)
{
    CHECK(fwrite(bytes.bytes, 1, bytes.size, m->out) == bytes.size);
}

static void write_init(muxer *m)
{
    cm_slice sets[CM_H264_MAX_PARAMETER_SETS];
    const size_t count = cm_h264_parameter_sets_list(&m->d.sets, sets);
    CHECK(count >= 2);
    const cm_fmp4_track track = {.sps = sets[0], .pps = sets + 1, .pps_count = count - 1};
    uint8_t storage[4096];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CHECK(cm_fmp4_init_write(&w, &track) == CM_OK);
    write_out(m, cm_writer_done(&w));
}

/* Granules to AVCC and back: the sealed store's way. */
static cm_slice through_granules(muxer *m, const cm_slice *nals, size_t count)
{
    cm_writer out = cm_writer_over(m->avcc, CM_H264_MAX_UNIT_BYTES);
    cm_h264_reassembler a;
    cm_h264_reassembler_init(&a, &out);
    cm_h264_packetizer p;
    cm_h264_granule granule;
    CHECK(cm_h264_packetizer_init(&p, nals, count, CM_H264_GRANULE_BYTES) == CM_OK);
    while (cm_h264_packetizer_next(&p, &granule)) {
        uint8_t payload[CM_H264_GRANULE_BYTES];
        cm_writer w = cm_writer_over(payload, sizeof payload);
        cm_h264_granule_write(&w, nals, &granule);
        CHECK(cm_h264_reassembler_put(&a, cm_writer_done(&w)) == CM_OK);
    }
    CHECK(cm_h264_reassembler_finish(&a) == CM_OK);
    return cm_writer_done(&out);
}

static void on_unit(void *context, const cm_h264_access_unit *unit)
{
    muxer *m = context;
    CHECK(unit->nal_count == m->sent_count && unit->nal_count <= MAX_UNIT_NALS);
    CHECK(!unit->lost_before);
    cm_slice nals[MAX_UNIT_NALS];
    for (size_t i = 0; i < unit->nal_count; i++) {
        nals[i] = cm_h264_access_unit_nal(unit, i);
        CHECK(cm_slice_equal(nals[i], m->sent[i]));
    }
    const cm_slice sample = through_granules(m, nals, unit->nal_count);
    const uint64_t number = m->d.units - 1;
    if (number == 0)
        write_init(m);
    m->keyframes += unit->is_keyframe;
    const cm_fmp4_part part = {
        .frame_number = number,
        .decode_time_90k = number * m->ticks,
        .duration_90k = m->ticks,
        .capture_ntp = cm_fmp4_ntp_of_unix_us(UINT64_C(1800000000000000) + number),
        .sample_size = (uint32_t)sample.size,
        .is_keyframe = unit->is_keyframe,
    };
    uint8_t header[CM_FMP4_PART_HEADER_SIZE];
    cm_writer w = cm_writer_over(header, sizeof header);
    CHECK(cm_fmp4_part_header_write(&w, &part) == CM_OK);
    write_out(m, cm_writer_done(&w));
    write_out(m, sample);
}

/* One access unit as RTP payloads. */
static void send_unit(muxer *m, const cm_slice *nals, size_t count, uint32_t timestamp)
{
    cm_h264_packetizer p;
    cm_h264_granule granule;
    m->sent = nals;
    m->sent_count = count;
    CHECK(cm_h264_packetizer_init(&p, nals, count, CM_H264_GRANULE_BYTES) == CM_OK);
    while (cm_h264_packetizer_next(&p, &granule)) {
        uint8_t payload[CM_H264_GRANULE_BYTES];
        cm_writer w = cm_writer_over(payload, sizeof payload);
        cm_h264_granule_write(&w, nals, &granule);
        const cm_h264_rtp_payload packet = {
            .payload = cm_writer_done(&w), .timestamp = timestamp, .marker = granule.is_last};
        CHECK(cm_h264_depacketizer_put(&m->d, &packet) == CM_OK);
    }
}

/* Cuts the byte stream before each NAL unit that begins a picture or precedes one (7.4.1.2.3). */
static void send_stream(muxer *m, cm_slice stream)
{
    cm_slice nals[MAX_UNIT_NALS];
    size_t count = 0;
    bool has_slice = false;
    uint32_t timestamp = UINT32_MAX - 10 * m->ticks; /* it wraps on the way */
    cm_slice nal;
    while (cm_h264_next_annex_b(&stream, &nal)) {
        if (cm_h264_nal_type_of(nal) == CM_H264_NAL_DELIMITER)
            continue;
        const bool begins = !cm_h264_nal_is_slice(nal) || cm_h264_nal_begins_picture(nal);
        if (has_slice && begins) {
            send_unit(m, nals, count, timestamp);
            timestamp += m->ticks;
            count = 0;
            has_slice = false;
        }
        CHECK(count < MAX_UNIT_NALS);
        nals[count++] = nal;
        has_slice |= cm_h264_nal_is_slice(nal);
    }
    CHECK(has_slice);
    send_unit(m, nals, count, timestamp);
}

static cm_slice read_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    CHECK(in != NULL);
    uint8_t *bytes = malloc(MAX_FILE);
    CHECK(bytes != NULL);
    const size_t size = fread(bytes, 1, MAX_FILE, in);
    CHECK(size > 0 && size < MAX_FILE);
    CHECK(fclose(in) == 0);
    return cm_slice_over(bytes, size);
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    static muxer m;
    uint64_t ticks;
    CHECK(cm_slice_to_u64(cm_slice_of(argv[3]), CM_FMP4_TIMESCALE, &ticks) == CM_OK && ticks > 0);
    m.ticks = (uint32_t)ticks;
    m.avcc = malloc(CM_H264_MAX_UNIT_BYTES);
    m.out = fopen(argv[2], "wb");
    CHECK(m.avcc != NULL && m.out != NULL);
    cm_buffer_init(&m.buffer, CM_H264_MAX_UNIT_BYTES);
    cm_h264_depacketizer_init(&m.d, &m.buffer, on_unit, &m);
    const cm_slice stream = read_file(argv[1]);
    send_stream(&m, stream);
    CHECK(fclose(m.out) == 0);
    CHECK(m.d.dropped_units == 0);
    char codecs[CM_H264_CODECS_SIZE];
    cm_h264_sps_codecs(&m.d.sets.parsed, codecs);
    printf("%llu units, %u keyframes, %s %ux%u\n", (unsigned long long)m.d.units, m.keyframes,
           codecs, m.d.sets.parsed.width, m.d.sets.parsed.height);
    cm_buffer_deinit(&m.buffer);
    free((void *)(uintptr_t)stream.bytes);
    free(m.avcc);
    return 0;
}
