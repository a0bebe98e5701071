/*
 * Cutting and putting together: NAL units made of the input come back byte for byte;
 * and granules made of the input break nothing.
 */
#include "fuzz.h"

#include "proto/h264/packetize.h"

enum { MAX_INPUT = 16384, MAX_NALS = 32, MAX_AVCC = MAX_INPUT + 4 * MAX_NALS };

/* The input as NAL units: 16-bit sizes, no empty one. */
static size_t read_nals(cm_reader *r, cm_slice nals[MAX_NALS])
{
    size_t count = 0;
    while (count < MAX_NALS && r->rest.size > 2) {
        const size_t want = cm_read_u16(r);
        const cm_slice nal = cm_read_slice(r, want < r->rest.size ? want : r->rest.size);
        if (nal.size > 0)
            nals[count++] = nal;
    }
    return count;
}

static void check_round_trip(const cm_slice *nals, size_t count, size_t max_bytes, uint8_t *avcc)
{
    cm_h264_packetizer p;
    if (cm_h264_packetizer_init(&p, nals, count, max_bytes) != CM_OK)
        return;
    cm_writer out = cm_writer_over(avcc, MAX_AVCC);
    cm_h264_reassembler a;
    cm_h264_reassembler_init(&a, &out);
    cm_h264_granule granule = {0};
    size_t granules = 0;
    size_t avcc_size = 0;
    while (cm_h264_packetizer_next(&p, &granule)) {
        uint8_t storage[2048];
        cm_writer w = cm_writer_over(storage, max_bytes);
        cm_h264_granule_write(&w, nals, &granule);
        CHECK(!w.failed);
        avcc_size += cm_h264_granule_avcc_size(cm_writer_done(&w));
        CHECK(cm_h264_reassembler_put(&a, cm_writer_done(&w)) == CM_OK);
        granules++;
    }
    CHECK(granule.is_last && granules == cm_h264_count_granules(nals, count, max_bytes));
    CHECK(cm_h264_reassembler_finish(&a) == CM_OK);
    CHECK(avcc_size == cm_h264_avcc_size(nals, count));
    cm_reader r = cm_reader_over(cm_writer_done(&out));
    for (size_t i = 0; i < count; i++) {
        cm_slice nal;
        CHECK(cm_h264_next_avcc(&r, &nal) && cm_slice_equal(nal, nals[i]));
    }
    CHECK(cm_reader_finish(&r) == CM_OK);
}

/* The same slices as granules of a stranger: refused, or as large as promised. */
static void check_hostile(const cm_slice *payloads, size_t count, uint8_t *avcc)
{
    cm_writer out = cm_writer_over(avcc, MAX_AVCC);
    cm_h264_reassembler a;
    cm_h264_reassembler_init(&a, &out);
    size_t avcc_size = 0;
    for (size_t i = 0; i < count; i++) {
        if (cm_h264_reassembler_put(&a, payloads[i]) != CM_OK)
            return;
        avcc_size += cm_h264_granule_avcc_size(payloads[i]);
        CHECK(cm_writer_done(&out).size == avcc_size);
    }
    if (cm_h264_reassembler_finish(&a) != CM_OK)
        return;
    cm_reader r = cm_reader_over(cm_writer_done(&out));
    cm_slice nal;
    while (cm_h264_next_avcc(&r, &nal))
        CHECK(nal.size > 0);
    CHECK(cm_reader_finish(&r) == CM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT)
        return 0;
    uint8_t *avcc = malloc(MAX_AVCC);
    if (avcc == NULL)
        return 0;
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    const size_t max_bytes = 8 + (size_t)cm_read_u16(&r) % 1500;
    cm_slice nals[MAX_NALS];
    const size_t count = read_nals(&r, nals);
    check_round_trip(nals, count, max_bytes, avcc);
    check_hostile(nals, count, avcc);
    free(avcc);
    return 0;
}
