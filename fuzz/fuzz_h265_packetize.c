/*
 * Cutting and putting together: NAL units made of the input come back byte for byte;
 * and the same bytes as granules of a stranger break nothing.
 */
#include "fuzz.h"

#include "proto/h265/packetize.h"

enum { MAX_INPUT = 16384, MAX_NALS = 32, MAX_OUT = MAX_INPUT + 4 * MAX_NALS };

typedef struct input {
    cm_slice nals[MAX_NALS];
    size_t count;
    size_t max_bytes;
} input;

static void cut_and_join(const input *in, uint8_t *storage)
{
    cm_h265_packetizer p;
    if (cm_h265_packetizer_init(&p, in->nals, in->count, in->max_bytes) != CM_OK)
        return;
    cm_writer out = cm_writer_over(storage, MAX_OUT);
    cm_h265_reassembler a;
    cm_h265_reassembler_init(&a, &out);
    cm_h265_granule granule = {0};
    size_t granules = 0;
    size_t promised = 0;
    for (; cm_h265_packetizer_next(&p, &granule); granules++) {
        uint8_t payload[2048];
        cm_writer w = cm_writer_over(payload, in->max_bytes);
        cm_h265_granule_write(&w, in->nals, &granule);
        CHECK(!w.failed);
        promised += cm_h265_granule_avcc_size(cm_writer_done(&w));
        CHECK(cm_h265_reassembler_put(&a, cm_writer_done(&w)) == CM_OK);
    }
    CHECK(granule.is_last);
    CHECK(granules == cm_h265_count_granules(in->nals, in->count, in->max_bytes));
    CHECK(cm_h265_reassembler_finish(&a) == CM_OK && promised == cm_writer_done(&out).size);
    cm_reader r = cm_reader_over(cm_writer_done(&out));
    cm_slice nal;
    for (size_t i = 0; i < in->count; i++)
        CHECK(cm_h264_next_avcc(&r, &nal) && cm_slice_equal(nal, in->nals[i]));
    CHECK(cm_reader_finish(&r) == CM_OK);
}

/* Refused, or as large as promised and well framed. */
static void join_hostile(const input *in, uint8_t *storage)
{
    cm_writer out = cm_writer_over(storage, MAX_OUT);
    cm_h265_reassembler a;
    cm_h265_reassembler_init(&a, &out);
    size_t promised = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (cm_h265_reassembler_put(&a, in->nals[i]) != CM_OK)
            return;
        promised += cm_h265_granule_avcc_size(in->nals[i]);
        CHECK(cm_writer_done(&out).size == promised);
    }
    if (cm_h265_reassembler_finish(&a) != CM_OK)
        return;
    cm_reader r = cm_reader_over(cm_writer_done(&out));
    cm_slice nal;
    while (cm_h264_next_avcc(&r, &nal))
        CHECK(nal.size >= CM_H265_NAL_HEADER_SIZE);
    CHECK(cm_reader_finish(&r) == CM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *storage = size <= MAX_INPUT ? malloc(MAX_OUT) : NULL;
    if (storage == NULL)
        return 0;
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    input in = {.max_bytes = 8 + (size_t)cm_read_u16(&r) % 1500};
    while (in.count < MAX_NALS && r.rest.size > 2) {
        const size_t want = cm_read_u16(&r);
        in.nals[in.count++] = cm_read_slice(&r, want < r.rest.size ? want : r.rest.size);
    }
    cut_and_join(&in, storage);
    join_hostile(&in, storage);
    free(storage);
    return 0;
}
