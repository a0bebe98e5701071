/* proto/sdp: what is chosen of an offer, what is answered, and fragments. One behaviour a case. */
#include "unit.h"

#include <stdio.h>

#include "proto/sdp/answer.h"
#include "proto/sdp/fragment.h"
#include "sdp_offers.h"

static cm_sdp_offer offer; /* both too large for the stack of every case */
static cm_sdp_answer answer;

static void parse(const char *text)
{
    cm_sdp_error error;
    assert_int_equal(cm_sdp_offer_parse(cm_slice_of(text), &offer, &error), CM_OK);
}

/* --- H.264 (RFC 6184 8.2.2) ------------------------------------------------------------------ */

/* A media that offers H.264 with these profile-level-ids, packetization-mode 1, types from 1 on. */
static cm_sdp_offer_media offering(const char *const *ids, const char *more)
{
    static char fmtps[8][128];
    cm_sdp_offer_media media = {0};
    for (size_t i = 0; ids[i] != NULL; i++) {
        (void)snprintf(fmtps[i], sizeof fmtps[i], "packetization-mode=1;profile-level-id=%s%s",
                       ids[i], more);
        media.formats[media.format_count++].payload =
            (cm_sdp_payload){.type = (uint8_t)(i + 1),
                             .encoding = CM_TEXT("h264"),
                             .clock_rate = 90000,
                             .channels = 1,
                             .fmtp = cm_slice_of(fmtps[i])};
    }
    return media;
}

static unsigned choose_h264(uint32_t ours, const char *const *ids)
{
    const cm_sdp_offer_media media = offering(ids, "");
    const cm_sdp_want want = {.codec = CM_SDP_H264, .profile_level_id = ours};
    cm_sdp_choice choice;
    return cm_sdp_choose(&media, &want, &choice) == CM_OK ? choice.type : 0;
}

#define IDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_profile_of_the_stream_is_taken(void **state)
{
    (void)state;
    assert_int_equal(choose_h264(0x42E01F, IDS("640c1f", "42001f", "42e01f", "4d001f")), 3);
    assert_int_equal(choose_h264(0x42001F, IDS("640c1f", "42e01f", "42001f", "4d001f")), 3);
    assert_int_equal(choose_h264(0x4D0029, IDS("42e01f", "64001f", "4d001f")), 3);
    assert_int_equal(choose_h264(0x640028, IDS("42e01f", "640c1f", "64001f")), 3);
    assert_int_equal(choose_h264(0x640C28, IDS("42e01f", "64001f", "640c1f")), 3);
    assert_int_equal(choose_h264(0x7A0028, IDS("6e001f", "f4001f", "7a001f")), 3);
}

/* RFC 6184 8.1, table 5: constraint flags make the same profile of different bytes. */
static void constraint_flags_decide_which_profile_it_is(void **state)
{
    (void)state;
    assert_int_equal(choose_h264(0x42C01F, IDS("42001f", "42e01f")), 2);
    assert_int_equal(choose_h264(0x42401F, IDS("42001f", "42e01f")), 2);
    assert_int_equal(choose_h264(0x4D801F, IDS("4d001f", "42e01f")), 2);
    assert_int_equal(choose_h264(0x58C01F, IDS("42001f", "42e01f")), 2);
    assert_int_equal(choose_h264(0x58801F, IDS("42e01f", "42001f")), 2);
    assert_int_equal(choose_h264(0x4D401F, IDS("42e01f", "4d001f")), 2);
}

static void without_it_the_nearest_that_includes_it_is_taken(void **state)
{
    (void)state;
    assert_int_equal(choose_h264(0x42E01F, IDS("64001f", "4d001f")), 2);
    assert_int_equal(choose_h264(0x42E01F, IDS("64001f", "42001f", "4d001f")), 2);
    assert_int_equal(choose_h264(0x4D001F, IDS("42e01f", "f4001f", "64001f")), 3);
    assert_int_equal(choose_h264(0x42001F, IDS("64001f", "58001f")), 2);
    assert_int_equal(choose_h264(0x6E001F, IDS("64001f", "7a001f")), 2);
}

static void without_that_the_nearest_is_taken(void **state)
{
    (void)state;
    assert_int_equal(choose_h264(0x640028, IDS("42001f", "42e01f", "4d001f")), 3);
    assert_int_equal(choose_h264(0x640028, IDS("42e01f")), 1); /* browsers play it all the same */
    assert_int_equal(choose_h264(0x42001F, IDS("64001f", "42e01f")), 2);
}

static void of_equals_the_one_of_a_high_enough_level_is_taken_or_the_first(void **state)
{
    (void)state;
    assert_int_equal(choose_h264(0x42E028, IDS("42e01f", "42e028", "42e034")), 2);
    assert_int_equal(choose_h264(0x42E028, IDS("42e01f", "42e01e")), 1);
    assert_int_equal(choose_h264(0x42E028, IDS("4d0034", "42e01f")), 2); /* the profile is first */
}

static void h264_without_fragments_is_not_taken(void **state)
{
    (void)state;
    cm_sdp_offer_media media = offering(IDS("42e01f", "42e01f"), "");
    media.formats[0].payload.fmtp = CM_TEXT("profile-level-id=42e01f");
    media.formats[1].payload.fmtp = CM_TEXT("profile-level-id=42e01f;packetization-mode=0");
    const cm_sdp_want want = {.codec = CM_SDP_H264, .profile_level_id = 0x42E01F};
    cm_sdp_choice choice = {.type = 77};
    assert_int_equal(cm_sdp_choose(&media, &want, &choice), CM_ABSENT);
    assert_int_equal(choice.type, 77); /* untouched */
}

static void other_rates_and_channels_are_not_ours(void **state)
{
    (void)state;
    cm_sdp_offer_media media = offering(IDS("42e01f"), "");
    const cm_sdp_want want = {.codec = CM_SDP_H264, .is_any = true};
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&media, &want, &choice), CM_OK);
    media.formats[0].payload.clock_rate = 8000;
    assert_int_equal(cm_sdp_choose(&media, &want, &choice), CM_ABSENT);
}

static void assert_h264_answer(const char *offered, const char *more, const cm_sdp_want *want,
                               const char *expected)
{
    const cm_sdp_offer_media media = offering(IDS(offered), more);
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&media, want, &choice), CM_OK);
    assert_text(cm_sdp_choice_fmtp(&choice), expected);
}

static void the_answer_has_the_offered_profile_and_the_level_that_is_allowed(void **state)
{
    (void)state;
    const cm_sdp_want high = {.codec = CM_SDP_H264, .profile_level_id = 0x42C028};
    const cm_sdp_want low = {.codec = CM_SDP_H264, .profile_level_id = 0x42C015};
    const cm_sdp_want any = {.codec = CM_SDP_H264, .is_any = true};
    assert_h264_answer("42e01f", ";level-asymmetry-allowed=1", &high,
                       "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e028");
    assert_h264_answer("42e01f", ";level-asymmetry-allowed=1", &low,
                       "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e015");
    assert_h264_answer("42e01f", "", &high, "packetization-mode=1;profile-level-id=42e01f");
    assert_h264_answer("42e01f", ";level-asymmetry-allowed=0", &low,
                       "packetization-mode=1;profile-level-id=42e015");
    assert_h264_answer("42e01f", ";level-asymmetry-allowed=1", &any,
                       "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
}

/* GStreamer's: an answer with a profile would be another format to it. */
static void a_profile_that_is_not_offered_is_not_answered(void **state)
{
    (void)state;
    parse(GSTREAMER);
    const cm_sdp_want want = {.codec = CM_SDP_H264, .profile_level_id = 0x64001F};
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&offer.medias[0], &want, &choice), CM_OK);
    assert_text(cm_sdp_choice_fmtp(&choice), "packetization-mode=1");
}

/* --- H.265, audio, feedback ------------------------------------------------------------------ */

static cm_sdp_choice chosen(size_t media, cm_sdp_want want)
{
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&offer.medias[media], &want, &choice), CM_OK);
    return choice;
}

/* RFC 7798 7.2.2 */
static void h265_is_chosen_by_profile(void **state)
{
    (void)state;
    parse(SAFARI);
    cm_sdp_choice choice =
        chosen(0, (cm_sdp_want){.codec = CM_SDP_H265, .profile = 1, .level = 123});
    assert_int_equal(choice.type, 100);
    assert_int_equal(choice.rtx_type, 101);
    assert_text(cm_sdp_choice_fmtp(&choice), "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST");
    choice = chosen(0, (cm_sdp_want){.codec = CM_SDP_H265, .profile = 2, .level = 60});
    assert_int_equal(choice.type, 102);
    assert_text(cm_sdp_choice_fmtp(&choice), "level-id=60;profile-id=2;tier-flag=0;tx-mode=SRST");
}

static void h265_in_several_streams_is_not_taken(void **state)
{
    (void)state;
    parse(SAFARI);
    for (size_t i = 0; i < offer.medias[0].format_count; i++)
        offer.medias[0].formats[i].payload.fmtp = CM_TEXT("tx-mode=MRST");
    const cm_sdp_want want = {.codec = CM_SDP_H265, .is_any = true};
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&offer.medias[0], &want, &choice), CM_ABSENT);
}

static void audio_is_chosen_by_name_and_rate(void **state)
{
    (void)state;
    parse(CHROME_WHEP);
    assert_int_equal(chosen(1, (cm_sdp_want){.codec = CM_SDP_PCMU}).type, 0);
    assert_int_equal(chosen(1, (cm_sdp_want){.codec = CM_SDP_PCMA}).type, 8);
    assert_int_equal(cm_sdp_choice_fmtp(&(cm_sdp_choice){0}).size, 0);
    const cm_sdp_choice opus = chosen(1, (cm_sdp_want){.codec = CM_SDP_OPUS, .is_stereo = true});
    assert_int_equal(opus.type, 111);
    assert_int_equal(opus.rtx_type, 0);
    assert_int_equal(opus.feedback, CM_SDP_TRANSPORT_CC);
    assert_text(cm_sdp_choice_fmtp(&opus), "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1");
    const cm_sdp_want video = {.codec = CM_SDP_H264, .is_any = true};
    cm_sdp_choice choice;
    assert_int_equal(cm_sdp_choose(&offer.medias[1], &video, &choice), CM_ABSENT);
}

static void remb_is_taken_only_without_transport_cc(void **state)
{
    (void)state;
    const cm_sdp_want want = {.codec = CM_SDP_H264, .is_any = true};
    parse(CHROME_WHEP);
    assert_int_equal(chosen(0, want).feedback,
                     CM_SDP_TRANSPORT_CC | CM_SDP_NACK | CM_SDP_NACK_PLI | CM_SDP_CCM_FIR);
    parse(AIORTC);
    assert_int_equal(chosen(0, want).feedback, CM_SDP_REMB | CM_SDP_NACK | CM_SDP_NACK_PLI);
}

static void retransmission_is_of_the_chosen_type_and_needs_nack(void **state)
{
    (void)state;
    parse(CHROME_WHEP);
    const cm_sdp_want want = {.codec = CM_SDP_H264, .profile_level_id = 0x4D001F};
    cm_sdp_choice choice = chosen(0, want);
    assert_int_equal(choice.type, 116);
    assert_int_equal(choice.rtx_type, 117);
    for (size_t i = 0; i < offer.medias[0].format_count; i++)
        offer.medias[0].formats[i].feedback &= (cm_sdp_feedback)~CM_SDP_NACK;
    choice = chosen(0, want);
    assert_int_equal(choice.rtx_type, 0);
}

/* --- answers --------------------------------------------------------------------------------- */

static const cm_sdp_candidate CANDIDATES[] = {
    {.foundation = {(const uint8_t *)"1", 1},
     .component = 1,
     .priority = 2130706431,
     .address = {(const uint8_t *)"192.0.2.1", 9},
     .port = 8443,
     .type = CM_SDP_HOST},
    {.foundation = {(const uint8_t *)"2", 1},
     .component = 1,
     .transport = CM_SDP_TCP_PASSIVE,
     .priority = 1671430143,
     .address = {(const uint8_t *)"192.0.2.1", 9},
     .port = 8443,
     .type = CM_SDP_HOST},
};

static void begin_answer(void)
{
    cm_sdp_answer_init(&answer);
    answer.session_id = 4611686018427387904;
    answer.cname = CM_TEXT("casement");
    answer.transport = (cm_sdp_answer_transport){.is_ice_lite = true,
                                                 .ufrag = CM_TEXT("OURS"),
                                                 .pwd = CM_TEXT("ourpasswordourpassword"),
                                                 .fingerprint = CM_TEXT(PRINT_B),
                                                 .candidate_count = CM_COUNT(CANDIDATES),
                                                 .candidates = CANDIDATES,
                                                 .is_complete = true};
}

static const cm_sdp_want VIDEO_WANTS[] = {{.codec = CM_SDP_H264, .profile_level_id = 0x640028},
                                          {.codec = CM_SDP_H265, .profile = 1, .level = 93}};
static const cm_sdp_want AUDIO_WANTS[] = {{.codec = CM_SDP_OPUS}};
static const cm_sdp_terms SEND_VIDEO = {.wants = VIDEO_WANTS, .want_count = 2, .may_send = true};
static const cm_sdp_terms SEND_AUDIO = {.wants = AUDIO_WANTS, .want_count = 1, .may_send = true};
static const cm_sdp_want ANY_WANTS[] = {{.codec = CM_SDP_H264, .is_any = true},
                                        {.codec = CM_SDP_OPUS, .is_any = true}};
static const cm_sdp_terms RECEIVE = {.wants = ANY_WANTS, .want_count = 2, .may_receive = true};

static cm_slice written(void)
{
    static uint8_t room[CM_SDP_ANSWER_SIZE];
    cm_writer w = cm_writer_over(room, sizeof room - 1);
    cm_sdp_answer_write(&w, &offer, &answer);
    cm_slice text;
    assert_int_equal(cm_writer_finish(&w, &text), CM_OK);
    room[text.size] = '\0'; /* for strstr */
    return text;
}

static void assert_says(cm_slice text, const char *part, bool is_said)
{
    if ((strstr((const char *)text.bytes, part) != NULL) != is_said)
        fail_msg("%s: '%s' in\n%s", is_said ? "missing" : "unwanted", part,
                 (const char *)text.bytes);
}

static void the_answer_to_chromes_whep_offer_is_this(void **state)
{
    (void)state;
    parse(CHROME_WHEP);
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    answer.medias[0].ssrc = 1000;
    answer.medias[0].rtx_ssrc = 1001;
    answer.medias[0].stream_id = CM_TEXT("door");
    answer.medias[0].track_id = CM_TEXT("main");
    assert_text(
        written(),
        "v=0\r\n"
        "o=- 4611686018427387904 1 IN IP4 0.0.0.0\r\n"
        "s=-\r\n"
        "t=0 0\r\n"
        "a=group:BUNDLE 0\r\n"
        "a=ice-lite\r\n"
        "a=ice-options:trickle\r\n"
        "a=msid-semantic:WMS *\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 41 42 49 50\r\n"
        "c=IN IP4 0.0.0.0\r\n"
        "a=mid:0\r\n"
        "a=ice-ufrag:OURS\r\n"
        "a=ice-pwd:ourpasswordourpassword\r\n"
        "a=fingerprint:sha-256 " PRINT_B "\r\n"
        "a=setup:passive\r\n"
        "a=sendonly\r\n"
        "a=rtcp-mux\r\n"
        "a=rtcp-rsize\r\n"
        "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:13 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n"
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
        "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "a=rtpmap:41 H264/90000\r\n"
        "a=fmtp:41 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f40028\r\n"
        "a=rtcp-fb:41 transport-cc\r\n"
        "a=rtcp-fb:41 ccm fir\r\n"
        "a=rtcp-fb:41 nack\r\n"
        "a=rtcp-fb:41 nack pli\r\n"
        "a=rtpmap:42 rtx/90000\r\n"
        "a=fmtp:42 apt=41\r\n"
        "a=rtpmap:49 H265/90000\r\n"
        "a=fmtp:49 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST\r\n"
        "a=rtcp-fb:49 transport-cc\r\n"
        "a=rtcp-fb:49 ccm fir\r\n"
        "a=rtcp-fb:49 nack\r\n"
        "a=rtcp-fb:49 nack pli\r\n"
        "a=rtpmap:50 rtx/90000\r\n"
        "a=fmtp:50 apt=49\r\n"
        "a=msid:door main\r\n"
        "a=ssrc-group:FID 1000 1001\r\n"
        "a=ssrc:1000 cname:casement\r\n"
        "a=ssrc:1001 cname:casement\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n"
        "a=candidate:2 1 tcp 1671430143 192.0.2.1 8443 typ host tcptype passive\r\n"
        "a=end-of-candidates\r\n"
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"
        "c=IN IP4 0.0.0.0\r\n"
        "a=mid:1\r\n"
        "a=inactive\r\n");
}

static void the_first_media_taken_has_the_transport_and_the_candidates(void **state)
{
    (void)state;
    parse(CHROME_WHIP);
    begin_answer();
    assert_null(cm_sdp_answer_peer(&answer, &offer));
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &RECEIVE), CM_ABSENT);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 1, &RECEIVE), CM_OK);
    /* RFC 8843 7.3.2: the data channel is out, and its credentials with it. */
    assert_text(cm_sdp_answer_peer(&answer, &offer)->ufrag, "7cRi");
    assert_int_equal(cm_sdp_answer_peer(&answer, &offer)->fingerprint.bytes[0], 0x6A);
    const cm_slice text = written();
    assert_says(text, "a=group:BUNDLE 1\r\n", true);
    assert_says(
        text,
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
        "a=inactive\r\nm=video 9 ",
        true);
    assert_says(text, "a=recvonly\r\n", true);
    assert_says(text, "a=ssrc:", false);
    assert_says(text, "a=msid:", false);
    assert_says(text, "a=rtcp-rsize", false); /* not offered */
}

static void both_medias_of_a_bundle_are_taken_with_one_set_of_candidates(void **state)
{
    (void)state;
    parse(FIREFOX);
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 1, &SEND_AUDIO), CM_OK);
    const cm_slice text = written();
    assert_says(text, "a=group:BUNDLE 0 1\r\n", true);
    assert_says(text, "m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n", true);
    const char *first = strstr((const char *)text.bytes, "a=end-of-candidates");
    assert_non_null(first);
    assert_null(strstr(first + 1, "a=end-of-candidates"));
    assert_true(first < strstr((const char *)text.bytes, "m=audio"));
}

/* Some peers give up when a line of theirs is rejected. */
static void a_line_may_be_taken_and_left_idle(void **state)
{
    (void)state;
    cm_sdp_terms terms = SEND_AUDIO;
    terms.may_send = terms.may_receive = false;
    terms.may_idle = true;
    parse(CHROME_WHEP);
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 1, &terms), CM_OK);
    assert_int_equal(answer.medias[1].direction, CM_SDP_INACTIVE);
    const cm_slice text = written();
    assert_says(text, "m=audio 9 ", true);
    assert_says(text, "a=inactive\r\n", true);
    assert_says(text, "m=audio 0 ", false);
}

static void what_cannot_be_taken_stays_rejected(void **state)
{
    (void)state;
    parse(CHROME_WHEP);
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 1, &SEND_VIDEO), CM_ABSENT);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &RECEIVE), CM_REFUSE);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 2, &SEND_VIDEO), CM_ABSENT);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, SIZE_MAX, &SEND_VIDEO), CM_ABSENT);
    const cm_slice text = written();
    assert_says(text, "a=group:BUNDLE\r\n", true);
    assert_says(text, "a=candidate", false);
    assert_says(text, "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", true);
}

static void the_direction_is_what_both_may_do(void **state)
{
    (void)state;
    static const struct {
        cm_sdp_direction theirs;
        bool may_send;
        bool may_receive;
        cm_sdp_direction ours; // CM_SDP_INACTIVE: refused
    } CASES[] = {
        {CM_SDP_SENDRECV, true, true, CM_SDP_SENDRECV},
        {CM_SDP_SENDRECV, true, false, CM_SDP_SENDONLY},
        {CM_SDP_SENDRECV, false, true, CM_SDP_RECVONLY},
        {CM_SDP_SENDONLY, true, true, CM_SDP_RECVONLY},
        {CM_SDP_SENDONLY, true, false, CM_SDP_INACTIVE},
        {CM_SDP_RECVONLY, true, true, CM_SDP_SENDONLY},
        {CM_SDP_RECVONLY, false, true, CM_SDP_INACTIVE},
        {CM_SDP_INACTIVE, true, true, CM_SDP_INACTIVE},
    };
    parse(CHROME_WHEP);
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        offer.medias[1].direction = CASES[i].theirs;
        begin_answer();
        cm_sdp_terms terms = SEND_AUDIO;
        terms.may_send = CASES[i].may_send;
        terms.may_receive = CASES[i].may_receive;
        const cm_status status = cm_sdp_answer_accept(&answer, &offer, 1, &terms);
        assert_int_equal(status, CASES[i].ours == CM_SDP_INACTIVE ? CM_REFUSE : CM_OK);
        if (status == CM_OK)
            assert_int_equal(answer.medias[1].direction, CASES[i].ours);
        else
            assert_false(answer.medias[1].is_accepted);
    }
}

static void numbers_nobody_reports_on_are_not_negotiated(void **state)
{
    (void)state;
    parse(CHROME_WHEP);
    for (size_t i = 0; i < offer.medias[0].format_count; i++)
        offer.medias[0].formats[i].feedback = CM_SDP_NACK;
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    assert_int_equal(answer.medias[0].extensions.transport_sequence, 0);
    assert_int_equal(answer.medias[0].extensions.mid, 9);
}

static void two_streams_of_one_format_list_it_once(void **state)
{
    (void)state;
    parse(GSTREAMER);
    begin_answer();
    static const cm_sdp_want MAIN_AND_SUB[] = {
        {.codec = CM_SDP_H264, .profile_level_id = 0x640028},
        {.codec = CM_SDP_H264, .profile_level_id = 0x42E01E}};
    const cm_sdp_terms terms = {.wants = MAIN_AND_SUB, .want_count = 2, .may_send = true};
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &terms), CM_OK);
    assert_int_equal(answer.medias[0].choice_count, 1);
    assert_says(written(), "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n", true);
}

/* An answer is a description as an offer is: what we write, we can read. */
static void answers_to_all_peers_are_read_as_written(void **state)
{
    (void)state;
    static const char *const OFFERS[] = {CHROME_WHEP, CHROME_WHIP, FIREFOX, SAFARI,
                                         AIORTC,      GSTREAMER,   OBS};
    static cm_sdp_offer back;
    for (size_t i = 0; i < CM_COUNT(OFFERS); i++) {
        parse(OFFERS[i]);
        begin_answer();
        cm_sdp_terms terms = RECEIVE;
        terms.may_send = true;
        for (size_t m = 0; m < offer.media_count; m++)
            (void)cm_sdp_answer_accept(&answer, &offer, m, &terms);
        /* As an offer it must not be passive. */
        char *text = (char *)(uintptr_t)written().bytes;
        for (char *at = text; (at = strstr(at, "setup:passive")) != NULL;)
            memcpy(at, "setup:actpass", strlen("setup:actpass"));
        cm_sdp_error error = {0};
        if (cm_sdp_offer_parse(cm_slice_of(text), &back, &error) != CM_OK)
            fail_msg("line %zu: %s %s in\n%s", error.line, error.field, error.reason, text);
        assert_true(back.is_ice_lite && back.media_count == offer.media_count);
        for (size_t m = 0; m < offer.media_count; m++) {
            assert_int_equal(back.medias[m].is_rejected, !answer.medias[m].is_accepted);
            assert_true(cm_slice_equal(back.medias[m].mid, offer.medias[m].mid));
        }
        assert_int_equal(back.candidate_count, CM_COUNT(CANDIDATES));
    }
}

static void a_line_break_in_what_we_are_given_fails_the_writer(void **state)
{
    (void)state;
    parse(GSTREAMER);
    begin_answer();
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    answer.medias[0].stream_id = CM_TEXT("a\r\na=x");
    answer.medias[0].track_id = CM_TEXT("b");
    static uint8_t room[CM_SDP_ANSWER_SIZE];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_answer_write(&w, &offer, &answer);
    assert_true(w.failed);
}

/* The longest words that an offer may have, in as many m-lines as it may have. */
static void every_answer_fits_the_size_that_is_said(void **state)
{
    (void)state;
    static char text[CM_SDP_SIZE_MAX];
    static const char WORD[] = "a23456789b23456789c23456789d23456789e23456789f23456789g234567890";
    const char *end = strstr(CHROME_WHEP, "a=group");
    size_t size =
        (size_t)snprintf(text, sizeof text, "%.*sa=group:BUNDLE 0 1%s", (int)(end - CHROME_WHEP),
                         CHROME_WHEP, strstr(CHROME_WHEP, "\r\na=extmap-allow"));
    for (unsigned i = 2; i < CM_SDP_OFFER_MEDIA_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "m=%s 9 %s %s\r\na=mid:%.60s%u\r\n", WORD, WORD, WORD, WORD, i);
    parse(text);
    assert_int_equal(offer.media_count, CM_SDP_OFFER_MEDIA_MAX);
    begin_answer();
    static cm_sdp_candidate many[16];
    for (size_t i = 0; i < CM_COUNT(many); i++) {
        many[i] = CANDIDATES[1];
        many[i].address = CM_TEXT("2001:0db8:0000:0000:0000:0000:0000:0000");
        many[i].type = CM_SDP_SERVER_REFLEXIVE;
    }
    answer.transport.candidates = many;
    answer.transport.candidate_count = CM_COUNT(many);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 0, &SEND_VIDEO), CM_OK);
    assert_int_equal(cm_sdp_answer_accept(&answer, &offer, 1, &SEND_AUDIO), CM_OK);
    answer.medias[0].ssrc = answer.medias[0].rtx_ssrc = UINT32_MAX;
    assert_true(written().size < CM_SDP_ANSWER_SIZE);
}

/* --- fragments (RFC 8840, RFC 9725) ---------------------------------------------------------- */

static const char TRICKLE[] = "a=ice-ufrag:JV/H\r\n"
                              "a=ice-pwd:HpwToHk7VUwggpdgKAzS2JME\r\n"
                              "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                              "a=mid:0\r\n"
                              "a=candidate:1 1 udp 2113937151 192.0.2.7 45521 typ host\r\n"
                              "a=candidate:2 1 udp 1 x.local 45522 typ host ufrag JV/H\r\n"
                              "a=end-of-candidates\r\n";

static cm_sdp_fragment parse_fragment(const char *text)
{
    cm_sdp_fragment fragment;
    cm_sdp_error error;
    assert_int_equal(cm_sdp_fragment_parse(cm_slice_of(text), &fragment, &error), CM_OK);
    return fragment;
}

static void a_fragment_is_read(void **state)
{
    (void)state;
    const cm_sdp_fragment fragment = parse_fragment(TRICKLE);
    assert_text(fragment.ufrag, "JV/H");
    assert_text(fragment.pwd, "HpwToHk7VUwggpdgKAzS2JME");
    assert_text(fragment.mid, "0");
    assert_text(fragment.media_line, "video 9 UDP/TLS/RTP/SAVPF 96");
    assert_true(fragment.is_end_of_candidates);
    assert_int_equal(fragment.candidate_count, 2);
    assert_text(fragment.candidates[0].address, "192.0.2.7");
    assert_true(fragment.candidates[1].is_name);
    assert_false(cm_sdp_fragment_is_restart(&fragment, CM_TEXT("JV/H")));
    assert_true(cm_sdp_fragment_is_restart(&fragment, CM_TEXT("older")));
}

static void credentials_of_each_media_are_one_if_they_are_the_same(void **state)
{
    (void)state;
    const cm_sdp_fragment fragment =
        parse_fragment("a=group:BUNDLE 0 1\na=ice-options:trickle\n"
                       "m=audio 9 RTP/AVP 0\na=mid:0\na=ice-ufrag:abcd\n"
                       "a=ice-pwd:0123456789012345678901\n"
                       "m=video 9 RTP/AVP 0\na=mid:1\na=ice-ufrag:abcd\n"
                       "a=ice-pwd:0123456789012345678901\n");
    assert_text(fragment.mid, "0");
    assert_int_equal(fragment.candidate_count, 0);
}

static void a_fragment_without_credentials_is_no_restart(void **state)
{
    (void)state;
    const cm_sdp_fragment fragment = parse_fragment("a=end-of-candidates\r\n");
    assert_false(cm_sdp_fragment_is_restart(&fragment, CM_TEXT("JV/H")));
}

static void fragments_that_make_no_sense_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line;
        const char *field;
        const char *part;
    } CASES[] = {
        {"", 0, "", "is empty"},
        {"a=mid:0\r\n", 0, "", "neither candidates nor credentials"},
        {"hello", 1, "", "begins with a letter"},
        {"y=1", 1, "", "letter means nothing"},
        {"a=ice-ufrag:abc\r\n", 1, "a=ice-ufrag", "4 to 256"},
        {"a=mid:0\r\na=ice-pwd:short\r\n", 2, "a=ice-pwd", "22 to 256"},
        {"a=ice-ufrag:abcd\r\n", 1, "", "come together"},
        {"a=mid:0\r\na=ice-pwd:0123456789012345678901\r\n", 2, "", "come together"},
        {"a=ice-ufrag:abcd\r\na=ice-ufrag:abce\r\n", 2, "a=ice-ufrag", "differs"},
        {"a=ice-pwd:0123456789012345678901\na=ice-pwd:0123456789012345678902", 2, "a=ice-pwd",
         "differs"},
        {"m=\r\n", 1, "m=", "1 to 256"},
        {"m=audio 9 RTP/AVP 0\r\na=mid:a b\r\n", 2, "a=mid", "1 to 64"},
        {"a=candidate:1 1 udp 1 h x typ host\r\n", 1, "a=candidate", "port"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_sdp_fragment fragment;
        cm_sdp_error error = {0};
        assert_int_equal(cm_sdp_fragment_parse(cm_slice_of(CASES[i].text), &fragment, &error),
                         CM_REFUSE);
        assert_int_equal(error.line, CASES[i].line);
        assert_string_equal(error.field, CASES[i].field);
        assert_non_null(strstr(error.reason, CASES[i].part));
    }
}

static void the_bounds_of_a_fragment_are_those_that_are_named(void **state)
{
    (void)state;
    static char text[CM_SDP_SIZE_MAX];
    size_t size = 0;
    for (unsigned i = 0; i < CM_SDP_FRAGMENT_CANDIDATE_MAX + 5; i++)
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "a=candidate:1 1 udp 1 192.0.2.1 %u typ host\n", i);
    assert_int_equal(parse_fragment(text).candidate_count, CM_SDP_FRAGMENT_CANDIDATE_MAX);
    size = 0;
    for (unsigned i = 0; i <= CM_SDP_OFFER_MEDIA_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "m=x\n");
    cm_sdp_fragment fragment;
    cm_sdp_error error;
    assert_int_equal(cm_sdp_fragment_parse(cm_slice_of(text), &fragment, &error), CM_REFUSE);
    assert_int_equal(error.line, CM_SDP_OFFER_MEDIA_MAX + 1);
    memset(text, 'x', 300);
    memcpy(text, "m=", 2);
    text[300] = '\0';
    assert_int_equal(cm_sdp_fragment_parse(cm_slice_of(text), &fragment, &error), CM_REFUSE);
}

static void the_answer_to_a_restart_has_our_fresh_credentials(void **state)
{
    (void)state;
    const cm_sdp_fragment request = parse_fragment(TRICKLE);
    begin_answer();
    static uint8_t room[4096];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_fragment_write(&w, &request, &answer.transport);
    assert_text(cm_writer_done(&w),
                "a=ice-lite\r\n"
                "a=ice-options:trickle\r\n"
                "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                "a=mid:0\r\n"
                "a=ice-ufrag:OURS\r\n"
                "a=ice-pwd:ourpasswordourpassword\r\n"
                "a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n"
                "a=candidate:2 1 tcp 1671430143 192.0.2.1 8443 typ host tcptype passive\r\n"
                "a=end-of-candidates\r\n");
}

static void a_restart_without_an_m_line_gets_one_that_says_nothing(void **state)
{
    (void)state;
    const cm_sdp_fragment request =
        parse_fragment("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n");
    begin_answer();
    static uint8_t room[4096];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_fragment_write(&w, &request, &answer.transport);
    const cm_slice text = cm_writer_done(&w);
    assert_true(cm_slice_starts(
        text, CM_TEXT("a=ice-lite\r\na=ice-options:trickle\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:"
                      "OURS\r\n")));
    cm_sdp_fragment back;
    cm_sdp_error error;
    assert_int_equal(cm_sdp_fragment_parse(text, &back, &error), CM_OK);
    assert_text(back.ufrag, "OURS");
    assert_int_equal(back.candidate_count, CM_COUNT(CANDIDATES));
    assert_int_equal(back.candidates[1].transport, CM_SDP_TCP_PASSIVE);
}

/* --- candidates ------------------------------------------------------------------------------ */

static void candidates_of_all_kinds_are_read_as_written(void **state)
{
    (void)state;
    for (unsigned type = CM_SDP_HOST; type <= CM_SDP_RELAYED; type++) {
        for (unsigned transport = CM_SDP_UDP; transport <= CM_SDP_TCP_SIMULTANEOUS; transport++) {
            const cm_sdp_candidate candidate = {.foundation = CM_TEXT("a+/9"),
                                                .component = 256,
                                                .transport = (cm_sdp_candidate_transport)transport,
                                                .priority = UINT32_MAX,
                                                .address = CM_TEXT("2001:db8::1"),
                                                .port = 65535,
                                                .type = (cm_sdp_candidate_type)type};
            uint8_t room[256];
            cm_writer w = cm_writer_over(room, sizeof room);
            cm_sdp_candidate_write(&w, &candidate);
            cm_sdp_candidate back;
            const char *reason;
            const cm_slice value =
                cm_slice_trim(cm_slice_from(cm_writer_done(&w), strlen("a=candidate:")));
            assert_int_equal(cm_sdp_candidate_parse(value, &back, &reason), CM_OK);
            assert_int_equal(back.type, type);
            assert_int_equal(back.transport, transport);
            assert_int_equal(back.component, 256);
            assert_int_equal(back.priority, UINT32_MAX);
            assert_int_equal(back.port, 65535);
            assert_text(back.address, "2001:db8::1");
            assert_false(back.is_name);
            if (type == CM_SDP_HOST)
                assert_int_equal(back.related_address.size, 0);
            else
                assert_text(back.related_address, "::"); /* RFC 8839 5.1: it must say one */
        }
    }
}

static void addresses_and_names_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool is_name;
    } CASES[] = {{"192.0.2.1", false}, {"::1", false},      {"fe80::abcd", false},
                 {"x.local", true},    {"abcdef", true},    {"fe80::1%eth0", true},
                 {"a.b.c.de", false},  {"host-1.org", true}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        char text[64];
        cm_sdp_candidate candidate;
        const char *reason;
        (void)snprintf(text, sizeof text, "1 1 udp 1 %s 1 typ host", CASES[i].address);
        assert_int_equal(cm_sdp_candidate_parse(cm_slice_of(text), &candidate, &reason), CM_OK);
        assert_int_equal(candidate.is_name, CASES[i].is_name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profile_of_the_stream_is_taken),
        cmocka_unit_test(constraint_flags_decide_which_profile_it_is),
        cmocka_unit_test(without_it_the_nearest_that_includes_it_is_taken),
        cmocka_unit_test(without_that_the_nearest_is_taken),
        cmocka_unit_test(of_equals_the_one_of_a_high_enough_level_is_taken_or_the_first),
        cmocka_unit_test(h264_without_fragments_is_not_taken),
        cmocka_unit_test(other_rates_and_channels_are_not_ours),
        cmocka_unit_test(the_answer_has_the_offered_profile_and_the_level_that_is_allowed),
        cmocka_unit_test(a_profile_that_is_not_offered_is_not_answered),
        cmocka_unit_test(h265_is_chosen_by_profile),
        cmocka_unit_test(h265_in_several_streams_is_not_taken),
        cmocka_unit_test(audio_is_chosen_by_name_and_rate),
        cmocka_unit_test(remb_is_taken_only_without_transport_cc),
        cmocka_unit_test(retransmission_is_of_the_chosen_type_and_needs_nack),
        cmocka_unit_test(the_answer_to_chromes_whep_offer_is_this),
        cmocka_unit_test(the_first_media_taken_has_the_transport_and_the_candidates),
        cmocka_unit_test(both_medias_of_a_bundle_are_taken_with_one_set_of_candidates),
        cmocka_unit_test(what_cannot_be_taken_stays_rejected),
        cmocka_unit_test(a_line_may_be_taken_and_left_idle),
        cmocka_unit_test(the_direction_is_what_both_may_do),
        cmocka_unit_test(numbers_nobody_reports_on_are_not_negotiated),
        cmocka_unit_test(two_streams_of_one_format_list_it_once),
        cmocka_unit_test(answers_to_all_peers_are_read_as_written),
        cmocka_unit_test(a_line_break_in_what_we_are_given_fails_the_writer),
        cmocka_unit_test(every_answer_fits_the_size_that_is_said),
        cmocka_unit_test(a_fragment_is_read),
        cmocka_unit_test(credentials_of_each_media_are_one_if_they_are_the_same),
        cmocka_unit_test(a_fragment_without_credentials_is_no_restart),
        cmocka_unit_test(fragments_that_make_no_sense_are_refused_with_their_line),
        cmocka_unit_test(the_bounds_of_a_fragment_are_those_that_are_named),
        cmocka_unit_test(the_answer_to_a_restart_has_our_fresh_credentials),
        cmocka_unit_test(a_restart_without_an_m_line_gets_one_that_says_nothing),
        cmocka_unit_test(candidates_of_all_kinds_are_read_as_written),
        cmocka_unit_test(addresses_and_names_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
