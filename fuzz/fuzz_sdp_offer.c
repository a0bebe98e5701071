/* Offers of WebRTC: a refusal names a line and a reason; what is taken has all that a connection
 * needs; every answer fits its bound, and is read back with the same medias. */
#include <string.h>

#include "fuzz.h"
#include "proto/sdp/answer.h"

static const cm_sdp_want WANTS[] = {
    {.codec = CM_SDP_H264, .profile_level_id = 0x640028},
    {.codec = CM_SDP_H265, .profile = 1, .level = 120},
    {.codec = CM_SDP_OPUS},
    {.codec = CM_SDP_PCMU},
};

static void check_refusal(const cm_sdp_error *error, cm_slice text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.size; i++)
        lines += text.bytes[i] == '\n';
    CHECK(error->field != NULL && error->reason != NULL && error->line <= lines);
    uint8_t room[256];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_error_write(&w, error);
    CHECK(!w.failed);
}

static void check_media(const cm_sdp_offer_media *media)
{
    CHECK(media->format_count <= CM_SDP_OFFER_FORMAT_MAX);
    touch(media->kind_name);
    touch(media->protocol);
    touch(media->mid);
    for (size_t i = 0; i < media->format_count; i++) {
        touch(media->formats[i].payload.encoding);
        touch(media->formats[i].payload.fmtp);
    }
    const cm_rtp_extension_ids ids = cm_sdp_offer_extensions(media);
    CHECK(ids.mid <= 14 && ids.capture_time <= 14);
    CHECK(ids.playout_delay <= 14 && ids.transport_sequence <= 14);
    if (!media->is_usable)
        return;
    CHECK(!media->is_rejected && media->has_rtcp_mux);
    CHECK(media->transport.ufrag.size >= 4 && media->transport.pwd.size >= 22);
    CHECK(media->transport.fingerprint.size >= 32);
    CHECK(media->transport.setup != CM_SDP_SETUP_PASSIVE);
}

/* What we answer as an offer: it must not be passive then. */
static void make_active(uint8_t *text, size_t size)
{
    static const char FROM[] = "a=setup:passive\r\n";
    for (size_t i = 0; i + sizeof FROM - 1 <= size; i++)
        if (memcmp(text + i, FROM, sizeof FROM - 1) == 0)
            memcpy(text + i, "a=setup:actpass\r\n", sizeof FROM - 1);
}

static void check_answer(const cm_sdp_offer *offer)
{
    static cm_sdp_answer answer;
    static cm_sdp_offer back;
    static uint8_t room[CM_SDP_ANSWER_SIZE];
    const cm_sdp_terms terms = {
        .wants = WANTS, .want_count = CM_COUNT(WANTS), .may_send = true, .may_receive = true};
    cm_sdp_answer_init(&answer);
    answer.cname = CM_TEXT("cname");
    answer.transport = (cm_sdp_answer_transport){
        .ufrag = CM_TEXT("ours"),
        .pwd = CM_TEXT("0123456789012345678901"),
        .fingerprint = CM_TEXT("00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
                               "10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"),
        .is_complete = true};
    size_t accepted = 0;
    for (size_t i = 0; i < offer->media_count; i++) {
        if (accepted < 2 && cm_sdp_answer_accept(&answer, offer, i, &terms) == CM_OK)
            accepted++;
        answer.medias[i].ssrc = UINT32_MAX;
        answer.medias[i].rtx_ssrc = UINT32_MAX;
    }
    CHECK((cm_sdp_answer_peer(&answer, offer) != NULL) == (accepted > 0));
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_answer_write(&w, offer, &answer);
    CHECK(!w.failed);
    make_active(room, w.used);
    cm_sdp_error error;
    const cm_status status = cm_sdp_offer_parse(cm_writer_done(&w), &back, &error);
    CHECK(status == CM_OK || accepted == 0);
    CHECK(back.media_count == offer->media_count);
    for (size_t i = 0; status == CM_OK && i < offer->media_count; i++)
        CHECK(back.medias[i].is_rejected == !answer.medias[i].is_accepted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cm_sdp_offer offer;
    cm_sdp_error error = {0};
    const cm_slice text = cm_slice_over(data, size);
    if (cm_sdp_offer_parse(text, &offer, &error) != CM_OK) {
        check_refusal(&error, text);
        return 0;
    }
    CHECK(offer.media_count > 0 && offer.media_count <= CM_SDP_OFFER_MEDIA_MAX);
    for (size_t i = 0; i < offer.media_count; i++)
        check_media(&offer.medias[i]);
    for (size_t i = 0; i < offer.candidate_count; i++)
        touch(offer.candidates[i].candidate.address);
    check_answer(&offer);
    return 0;
}
