/* SDP: what parses is written, and what was written parses to what is written the same again; the
 * H.264 and H.265 parameters of every payload likewise. */
#include "fuzz.h"
#include "proto/sdp/fmtp.h"
#include "proto/sdp/sdp.h"

static void check_h264(cm_slice fmtp)
{
    uint8_t sets[CM_SDP_SETS_SIZE];
    uint8_t sets_again[CM_SDP_SETS_SIZE];
    static uint8_t text[2 * CM_SDP_SETS_SIZE];
    cm_writer storage = cm_writer_over(sets, sizeof sets);
    cm_sdp_h264 h264;
    cm_sdp_h264_parse(fmtp, &storage, &h264);
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_slice written;
    cm_sdp_h264_write(&w, &h264);
    CHECK(cm_writer_finish(&w, &written) == CM_OK);
    storage = cm_writer_over(sets_again, sizeof sets_again);
    cm_sdp_h264 back;
    cm_sdp_h264_parse(written, &storage, &back);
    CHECK(back.packetization_mode == h264.packetization_mode);
    CHECK(back.profile_level_id == h264.profile_level_id);
    CHECK(back.set_count == h264.set_count);
    for (size_t i = 0; i < back.set_count; i++)
        CHECK(cm_slice_equal(back.sets[i], h264.sets[i]));
}

static void check_h265(cm_slice fmtp)
{
    uint8_t sets[CM_SDP_SETS_SIZE];
    static uint8_t texts[2][2 * CM_SDP_SETS_SIZE];
    cm_slice written[2];
    for (size_t i = 0; i < CM_COUNT(texts); i++) {
        cm_writer storage = cm_writer_over(sets, sizeof sets);
        cm_writer w = cm_writer_over(texts[i], sizeof texts[i]);
        cm_sdp_h265 h265;
        cm_sdp_h265_parse(fmtp, &storage, &h265);
        cm_sdp_h265_write(&w, &h265);
        CHECK(cm_writer_finish(&w, &written[i]) == CM_OK);
        fmtp = written[i];
    }
    CHECK(cm_slice_equal(written[0], written[1]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t first_text[1 << 20];
    static uint8_t second_text[1 << 20];
    cm_sdp sdp;
    cm_sdp back;
    if (cm_sdp_parse(cm_slice_over(data, size), &sdp) != CM_OK)
        return 0;
    CHECK(sdp.media_count > 0 && sdp.media_count <= CM_SDP_MEDIA_MAX);
    for (size_t m = 0; m < sdp.media_count; m++) {
        CHECK(sdp.medias[m].payload_count > 0);
        for (size_t p = 0; p < sdp.medias[m].payload_count; p++) {
            check_h264(sdp.medias[m].payloads[p].fmtp);
            check_h265(sdp.medias[m].payloads[p].fmtp);
        }
    }
    cm_writer first = cm_writer_over(first_text, sizeof first_text);
    cm_writer second = cm_writer_over(second_text, sizeof second_text);
    cm_sdp_write(&first, &sdp);
    cm_slice text;
    if (cm_writer_finish(&first, &text) != CM_OK || text.size > CM_SDP_SIZE_MAX)
        return 0; /* a lone CR within a line, which no line of ours may hold */
    CHECK(cm_sdp_parse(text, &back) == CM_OK);
    CHECK(back.media_count == sdp.media_count);
    cm_sdp_write(&second, &back);
    CHECK(cm_slice_equal(cm_writer_done(&first), cm_writer_done(&second)));
    return 0;
}
