/* proto/sdp: offers of WebRTC, as the peers we meet write them, and what is refused with which line
 * and reason. One behaviour a case. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/sdp/offer.h"
#include "sdp_offers.h"

static cm_sdp_offer parsed; /* too large for the stack of every case */

static const cm_sdp_offer *parse(const char *text)
{
    cm_sdp_error error = {0};
    const cm_status status = cm_sdp_offer_parse(cm_slice_of(text), &parsed, &error);
    if (status != CM_OK)
        print_error("line %zu: %s %s\n", error.line, error.field, error.reason);
    assert_int_equal(status, CM_OK);
    return &parsed;
}

static const cm_sdp_format *format(const cm_sdp_offer_media *media, uint8_t type)
{
    for (size_t i = 0; i < media->format_count; i++)
        if (media->formats[i].payload.type == type)
            return &media->formats[i];
    fail_msg("no payload type %u", type);
    return NULL;
}

/* --- peers ----------------------------------------------------------------------------------- */

static void chromes_whep_offer_is_read(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(CHROME_WHEP);
    assert_true(offer->has_bundle);
    assert_false(offer->is_ice_lite);
    assert_int_equal(offer->media_count, 2);
    const cm_sdp_offer_media *video = &offer->medias[0];
    assert_int_equal(video->line, 8);
    assert_int_equal(video->kind, CM_SDP_VIDEO);
    assert_text(video->kind_name, "video");
    assert_text(video->protocol, "UDP/TLS/RTP/SAVPF");
    assert_text(video->first_type, "96");
    assert_text(video->mid, "0");
    assert_int_equal(video->direction, CM_SDP_RECVONLY);
    assert_true(video->is_usable && video->is_bundled && !video->is_rejected);
    assert_true(video->has_rtcp_mux && video->has_reduced_size);
    assert_false(video->is_end_of_candidates);
    assert_int_equal(video->format_count, 15);
    assert_int_equal(video->extension_count, 6);
    assert_int_equal(offer->medias[1].kind, CM_SDP_AUDIO);
    assert_int_equal(offer->medias[1].direction, CM_SDP_RECVONLY);
    assert_true(offer->medias[1].is_usable);
}

static void chromes_transport_is_read(void **state)
{
    (void)state;
    const cm_sdp_transport *transport = &parse(CHROME_WHEP)->medias[0].transport;
    assert_text(transport->ufrag, "JV/H");
    assert_text(transport->pwd, "HpwToHk7VUwggpdgKAzS2JME");
    assert_true(transport->is_trickle);
    assert_int_equal(transport->setup, CM_SDP_SETUP_ACTPASS);
    assert_int_equal(transport->fingerprint.size, 32);
    assert_int_equal(transport->fingerprint.bytes[0], 0x6A);
    assert_int_equal(transport->fingerprint.bytes[31], 0xD4);
}

static void formats_have_their_parameters_and_feedback(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(CHROME_WHEP);
    const cm_sdp_format *h264 = format(&offer->medias[0], 108);
    assert_text(h264->payload.encoding, "H264");
    assert_int_equal(h264->payload.clock_rate, 90000);
    assert_text(h264->payload.fmtp,
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
    assert_int_equal(h264->feedback, CM_SDP_REMB | CM_SDP_TRANSPORT_CC | CM_SDP_CCM_FIR |
                                         CM_SDP_NACK | CM_SDP_NACK_PLI);
    assert_text(format(&offer->medias[0], 109)->payload.fmtp, "apt=108");
    assert_int_equal(format(&offer->medias[0], 109)->feedback, 0);
    const cm_sdp_offer_media *audio = &offer->medias[1];
    assert_int_equal(format(audio, 111)->payload.channels, 2);
    assert_int_equal(format(audio, 111)->payload.clock_rate, 48000);
    assert_int_equal(format(audio, 111)->feedback, CM_SDP_TRANSPORT_CC);
    assert_text(format(audio, 8)->payload.encoding, "PCMA");
}

static void a_static_type_needs_no_rtpmap(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nm=audio 9 RTP/SAVPF 0\r\na=rtcp-mux\r\n"
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " PRINT_A
        "\r\n");
    assert_text(offer->medias[0].formats[0].payload.encoding, "PCMU");
    assert_int_equal(offer->medias[0].direction, CM_SDP_SENDRECV); /* when unsaid */
    assert_true(offer->medias[0].is_usable);
}

static void candidates_behind_names_and_of_tcp_are_read(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(CHROME_WHEP);
    assert_int_equal(offer->candidate_count, 2);
    const cm_sdp_candidate *name = &offer->candidates[0].candidate;
    assert_int_equal(offer->candidates[0].media, 0);
    assert_text(name->foundation, "3130763989");
    assert_int_equal(name->component, 1);
    assert_int_equal(name->transport, CM_SDP_UDP);
    assert_int_equal(name->priority, 2113937151);
    assert_text(name->address, "625eb072-daea-4349-920d-2b28de6dfc81.local");
    assert_true(name->is_name);
    assert_int_equal(name->port, 45521);
    assert_int_equal(name->type, CM_SDP_HOST);
    const cm_sdp_candidate *tcp = &offer->candidates[1].candidate;
    assert_int_equal(tcp->transport, CM_SDP_TCP_ACTIVE);
    assert_false(tcp->is_name);
    assert_int_equal(tcp->port, 9);
}

static void our_extensions_have_the_numbers_of_the_offer(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(CHROME_WHEP);
    const cm_rtp_extension_ids video = cm_sdp_offer_extensions(&offer->medias[0]);
    assert_int_equal(video.transport_sequence, 4);
    assert_int_equal(video.capture_time, 13);
    assert_int_equal(video.playout_delay, 5);
    assert_int_equal(video.mid, 9);
    const cm_rtp_extension_ids audio = cm_sdp_offer_extensions(&offer->medias[1]);
    assert_int_equal(audio.transport_sequence, 4);
    assert_int_equal(audio.capture_time, 0);
}

static void firefoxes_session_speaks_for_its_medias(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(FIREFOX);
    const cm_sdp_offer_media *video = &offer->medias[0];
    assert_true(video->is_usable && video->is_end_of_candidates);
    assert_int_equal(video->transport.fingerprint.size, 32);
    assert_true(video->transport.is_trickle);
    assert_text(video->transport.ufrag, "1a2b3c4d");
    /* a=rtcp-fb:* is for all */
    assert_int_equal(format(video, 126)->feedback,
                     CM_SDP_TRANSPORT_CC | CM_SDP_NACK | CM_SDP_NACK_PLI);
    /* and the parameters may stand before the encoding */
    assert_text(format(video, 97)->payload.encoding, "H264");
    assert_text(format(video, 97)->payload.fmtp,
                "profile-level-id=42e01f;level-asymmetry-allowed=1");
    assert_int_equal(cm_sdp_offer_extensions(video).playout_delay, 6);
}

static void firefoxes_candidates_of_all_types_are_read(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(FIREFOX);
    assert_int_equal(offer->candidate_count, 4);
    assert_int_equal(offer->candidates[1].candidate.type, CM_SDP_SERVER_REFLEXIVE);
    assert_text(offer->candidates[1].candidate.related_address, "192.168.1.5");
    assert_int_equal(offer->candidates[1].candidate.related_port, 53211);
    assert_int_equal(offer->candidates[2].candidate.type, CM_SDP_RELAYED);
    assert_int_equal(offer->candidates[3].candidate.component, 2);
}

/* RFC 8843 6: its port 0 rejects nothing, and its transport is the group's. */
static void a_bundle_only_media_is_usable_and_shares_the_transport(void **state)
{
    (void)state;
    const cm_sdp_offer_media *audio = &parse(FIREFOX)->medias[1];
    assert_true(audio->is_bundle_only && audio->is_usable && !audio->is_rejected);
    assert_text(audio->transport.ufrag, "1a2b3c4d");
    assert_int_equal(audio->transport.setup, CM_SDP_SETUP_ACTPASS);
    assert_int_equal(audio->transport.fingerprint.size, 32);
}

static void chromes_whip_offer_says_what_it_sends(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(CHROME_WHIP);
    assert_int_equal(offer->medias[0].kind, CM_SDP_APPLICATION);
    assert_text(offer->medias[0].first_type, "webrtc-datachannel");
    assert_false(offer->medias[0].is_usable);
    const cm_sdp_offer_media *video = &offer->medias[1];
    assert_true(video->is_usable);
    assert_int_equal(video->direction, CM_SDP_SENDONLY);
    assert_text(video->transport.ufrag, "7cRi"); /* its own */
    assert_text(video->stream_id, "6f879840-e42b-449e-8efa-df2f5c8f65ee");
    assert_text(video->track_id, "03ad982a-0aea-4a08-a721-69919672af95");
    assert_int_equal(video->ssrc_count, 2);
    assert_text(video->ssrcs[1].cname, "cMPym6jminCEe+yJ");
    uint32_t ssrc;
    uint32_t rtx_ssrc;
    cm_sdp_offer_ssrcs(video, &ssrc, &rtx_ssrc);
    assert_int_equal(ssrc, 569897409);
    assert_int_equal(rtx_ssrc, 3662904737);
}

static void safaris_offer_is_read(void **state)
{
    (void)state;
    const cm_sdp_offer_media *video = &parse(SAFARI)->medias[0];
    assert_true(video->is_usable);
    assert_text(format(video, 102)->payload.encoding, "H265");
    assert_text(format(video, 102)->payload.fmtp,
                "level-id=93;profile-id=2;tier-flag=0;tx-mode=SRST");
    assert_int_equal(cm_sdp_offer_extensions(video).transport_sequence, 12);
}

/* RFC 8122 5 */
static void of_several_fingerprints_the_strongest_is_kept(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(AIORTC);
    const cm_sdp_fingerprint *print = &offer->medias[0].transport.fingerprint;
    assert_int_equal(print->size, 64);
    assert_int_equal(print->bytes[0], 0x6A);
    assert_int_equal(print->bytes[63], 0x1F);
    assert_false(offer->medias[0].transport.is_trickle);
    assert_false(offer->candidates[1].candidate.is_name); /* 2001:db8::10 */
    uint32_t ssrc;
    uint32_t rtx_ssrc;
    cm_sdp_offer_ssrcs(&offer->medias[0], &ssrc, &rtx_ssrc);
    assert_int_equal(ssrc, 123456);
    assert_int_equal(rtx_ssrc, 654321);
}

static void gstreamers_offer_is_read(void **state)
{
    (void)state;
    const cm_sdp_offer_media *video = &parse(GSTREAMER)->medias[0];
    assert_true(video->is_usable);
    assert_text(video->mid, "video0");
    assert_int_equal(video->extension_count, 0);
    assert_int_equal(cm_sdp_offer_extensions(video).mid, 0);
    uint32_t ssrc;
    uint32_t rtx_ssrc;
    cm_sdp_offer_ssrcs(video, &ssrc, &rtx_ssrc);
    assert_int_equal(ssrc, 0);
}

static void obss_offer_with_bare_line_feeds_is_read(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(OBS);
    assert_true(offer->medias[0].is_usable && offer->medias[1].is_usable);
    assert_text(offer->medias[1].transport.ufrag, "obsX");
    assert_int_equal(offer->medias[1].transport.setup, CM_SDP_SETUP_ACTPASS);
    assert_int_equal(offer->candidates[0].media, 1);
    assert_text(offer->medias[1].track_id, "video");
}

/* --- what is usable -------------------------------------------------------------------------- */

#define HEAD "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define ICE  "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
#define DTLS "a=fingerprint:sha-256 " PRINT_A "\r\na=setup:actpass\r\n"
#define VIDEO                                                                                      \
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 H264/90000\r\n"                                 \
    "a=fmtp:96 packetization-mode=1\r\na=rtcp-mux\r\n"
#define GOOD HEAD ICE DTLS VIDEO

static void without_a_group_only_the_first_media_has_a_transport(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(GOOD "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n");
    assert_true(offer->medias[0].is_usable);
    assert_false(offer->medias[1].is_usable);
}

static void a_media_outside_of_the_group_is_not_usable(void **state)
{
    (void)state;
    const cm_sdp_offer *offer =
        parse(HEAD ICE DTLS "a=group:BUNDLE b\r\n" VIDEO "a=mid:a\r\n" VIDEO "a=mid:b\r\n");
    assert_false(offer->medias[0].is_usable);
    assert_true(offer->medias[1].is_usable);
}

static void medias_that_are_rejected_or_strange_are_kept_but_not_usable(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(HEAD ICE DTLS "a=group:BUNDLE c\r\n"
                                                    "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"
                                                    "m=text 9 UDP/TLS/RTP/SAVPF 98\r\n"
                                                    "m=video 9 RTP/AVP 96\r\n" VIDEO "a=mid:c\r\n");
    assert_int_equal(offer->media_count, 4);
    assert_true(offer->medias[0].is_rejected);
    assert_int_equal(offer->medias[1].kind, CM_SDP_OTHER);
    assert_text(offer->medias[1].kind_name, "text");
    for (size_t i = 0; i < 3; i++)
        assert_false(offer->medias[i].is_usable);
    assert_true(offer->medias[3].is_usable);
}

static void what_is_unknown_or_of_another_place_is_passed_over(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(
        HEAD
        "a=cryptex\r\na=mid:x\r\na=rtpmap:nonsense\r\nb=AS:500\r\nk=clear:no\r\n" ICE DTLS VIDEO
        "a=cryptex\r\na=ice-lite\r\na=group:nonsense\r\na=candidate:1 1 sctp 1 h 1 "
        "typ host\r\na=candidate:1 1 udp 1 h 1 typ teleport\r\n"
        "a=rtpmap:7 AV1/90000\r\na=fmtp:7 x=1\r\na=rtcp-fb:7 nack\r\n"
        "a=rtcp-fb:96 nack rpsi\r\na=fingerprint:md5 00:11\r\n"
        "a=extmap:4100 urn:x\r\na=ssrc-group:SIM 1 2 3\r\n\r\n\r\n");
    assert_false(offer->is_ice_lite);
    assert_int_equal(offer->candidate_count, 0);
    assert_int_equal(offer->medias[0].format_count, 1);
    assert_int_equal(offer->medias[0].formats[0].feedback, 0);
    assert_int_equal(offer->medias[0].extension_count, 0);
    assert_int_equal(offer->medias[0].group_count, 0);
}

static void extensions_of_the_two_byte_form_and_inactive_ones_are_not_ours(void **state)
{
    (void)state;
    const cm_sdp_offer *offer = parse(GOOD "a=extmap:15 " CM_SDP_EXT_TRANSPORT_CC
                                           "\r\na=extmap:2/inactive " CM_SDP_EXT_PLAYOUT_DELAY
                                           "\r\na=extmap:14 " CM_SDP_EXT_CAPTURE_TIME
                                           "\r\na=extmap:3 " CM_SDP_EXT_MID "\r\n");
    const cm_rtp_extension_ids ids = cm_sdp_offer_extensions(&offer->medias[0]);
    assert_int_equal(ids.transport_sequence, 0);
    assert_int_equal(ids.playout_delay, 0);
    assert_int_equal(ids.capture_time, 14);
    assert_int_equal(ids.mid, 0); /* this m-line has none */
}

/* --- what is refused ------------------------------------------------------------------------- */

static void assert_refused(const char *text, size_t line, const char *field, const char *part)
{
    cm_sdp_error error = {0};
    const cm_status status = cm_sdp_offer_parse(cm_slice_of(text), &parsed, &error);
    if (status != CM_REFUSE || error.line != line || strcmp(error.field, field) != 0 ||
        strstr(error.reason, part) == NULL)
        fail_msg("%s\nstatus %d, line %zu: '%s' %s\nexpected line %zu: '%s' ..%s..", text,
                 (int)status, error.line, error.field != NULL ? error.field : "-",
                 error.reason != NULL ? error.reason : "-", line, field, part);
}

static void a_text_that_is_no_description_is_refused(void **state)
{
    (void)state;
    assert_refused("", 0, "", "is empty");
    assert_refused(" \r\n\r\n", 0, "", "is empty");
    assert_refused("<html>", 1, "", "begins with a letter");
    assert_refused("{\"sdp\":\"v=0\"}", 1, "", "begins with a letter");
    assert_refused("o=- 1 1 IN IP4 0.0.0.0\r\n", 1, "v=", "is missing");
    assert_refused("v=1\r\n", 1, "v=", "another version");
    assert_refused("v=0\r\ns=-\r\n", 2, "o=", "is missing");
    assert_refused("v=0\r\no=- 1 1 IN IP4\r\n", 2, "o=", "six words");
    assert_refused("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nt=0 0\r\n", 3, "s=", "is missing");
    assert_refused(HEAD "\r\nm=video\r\n", 5, "", "begins with a letter");
    assert_refused(HEAD "v=0\r\n", 5, "", "letter means nothing");
    assert_refused(HEAD "y=0\r\n", 5, "", "letter means nothing");
    assert_refused(HEAD "a=x\001y\r\n", 5, "", "control character");
    assert_refused(HEAD "a=x\ry\r\n", 5, "", "control character");
    assert_refused(HEAD, 0, "", "no video or audio");
}

static void m_lines_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    assert_refused(HEAD "m=video 9 UDP/TLS/RTP/SAVPF\r\n", 5, "m=", "is not: kind, port");
    assert_refused(HEAD "m=video nine UDP/TLS/RTP/SAVPF 96\r\n", 5, "m=", "a port");
    assert_refused(HEAD "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", 5, "m=", "a port");
    assert_refused(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96 128\r\n", 5, "m=", "payload type");
    assert_refused(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96 x\r\n", 5, "m=", "payload type");
    assert_refused(HEAD
                   "m=video 9 a23456789b23456789c23456789d23456789e23456789f23456789g23456789h1 96"
                   "\r\n",
                   5, "m=", "more than 64 characters");
}

static void attributes_that_make_no_sense_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *field;
        const char *part;
    } CASES[] = {
        {"a=ice-ufrag:abc", "a=ice-ufrag", "4 to 256"},
        {"a=ice-ufrag:ab cd", "a=ice-ufrag", "4 to 256"},
        {"a=ice-pwd:012345678901234567890", "a=ice-pwd", "22 to 256"},
        {"a=ice-pwd:0123456789012345678901-", "a=ice-pwd", "22 to 256"},
        {"a=fingerprint:sha-256", "a=fingerprint", "an algorithm and its bytes"},
        {"a=fingerprint:sha-512 00:01", "a=fingerprint", "as many bytes"},
        {"a=fingerprint:sha-512 " PRINT_A ":" PRINT_B ":00", "a=fingerprint", "as many bytes"},
        {"a=fingerprint:sha-384 " PRINT_A ":xy", "a=fingerprint", "as many bytes"},
        {"a=setup:holdconn", "a=setup", "none of"},
        {"a=mid:", "a=mid", "1 to 64"},
        {"a=mid:a b", "a=mid", "1 to 64"},
        {"a=mid:a23456789b23456789c23456789d23456789e23456789f23456789g23456789h1", "a=mid",
         "1 to 64"},
        {"a=msid:", "a=msid", "name a stream"},
        {"a=ssrc:x cname:y", "a=ssrc", "32 bits"},
        {"a=ssrc:4294967296 cname:y", "a=ssrc", "32 bits"},
        {"a=ssrc-group:FID 1 x", "a=ssrc-group", "32 bits"},
        {"a=rtpmap:x H264/90000", "a=rtpmap", "payload type"},
        {"a=rtpmap:96", "a=rtpmap", "an encoding"},
        {"a=rtpmap:96 H264", "a=rtpmap", "an encoding"},
        {"a=rtpmap:96 H264/0", "a=rtpmap", "an encoding"},
        {"a=rtpmap:96 opus/48000/0", "a=rtpmap", "channels"},
        {"a=rtpmap:96 opus/48000/two", "a=rtpmap", "channels"},
        {"a=fmtp:128 x=1", "a=fmtp", "payload type"},
        {"a=fmtp:96", "a=fmtp", "no parameters"},
        {"a=rtcp-fb:x nack", "a=rtcp-fb", "payload type"},
        {"a=extmap:0 urn:x", "a=extmap", "an id"},
        {"a=extmap:256 urn:x", "a=extmap", "an id"},
        {"a=extmap:x urn:x", "a=extmap", "an id"},
        {"a=extmap:1/up urn:x", "a=extmap", "a direction"},
        {"a=extmap:1", "a=extmap", "no URI"},
        {"a=candidate:", "a=candidate", "foundation"},
        {"a=candidate:a23456789b23456789c23456789d23456 1 udp 1 h 1 typ host", "a=candidate",
         "foundation"},
        {"a=candidate:1 0 udp 1 h 1 typ host", "a=candidate", "component"},
        {"a=candidate:1 1", "a=candidate", "transport"},
        {"a=candidate:1 1 udp x h 1 typ host", "a=candidate", "priority"},
        {"a=candidate:1 1 udp 1", "a=candidate", "address"},
        {"a=candidate:1 1 udp 1 h 65536 typ host", "a=candidate", "port"},
        {"a=candidate:1 1 udp 1 h 1 type host", "a=candidate", "typ"},
        {"a=candidate:1 1 udp 1 h 1 typ", "a=candidate", "typ"},
        {"a=candidate:1 1 udp 1 h 1 typ srflx raddr x rport y", "a=candidate", "rport"},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        char text[2048];
        (void)snprintf(text, sizeof text, "%s%s\r\na=later:1\r\n", GOOD, CASES[i].line);
        assert_refused(text, 13, CASES[i].field, CASES[i].part);
    }
    (void)parse(GOOD "a=later:1\r\n"); /* it is their line that did it */
}

static void what_no_connection_could_be_made_of_is_refused(void **state)
{
    (void)state;
    assert_refused(HEAD DTLS VIDEO, 7, "a=ice-ufrag", "is missing");
    assert_refused(HEAD DTLS "a=ice-ufrag:abcd\r\n" VIDEO, 8, "a=ice-pwd", "is missing");
    assert_refused(HEAD ICE "a=setup:actpass\r\n" VIDEO, 8, "a=fingerprint", "is missing");
    assert_refused(HEAD ICE "a=fingerprint:sha-1 00:01\r\n" VIDEO, 8, "a=fingerprint",
                   "is missing");
    assert_refused(HEAD ICE DTLS VIDEO "a=setup:passive\r\n", 9, "a=setup", "but so are we");
    assert_refused(HEAD ICE DTLS "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", 9, "a=rtcp-mux",
                   "is missing");
    assert_refused(HEAD ICE DTLS "m=video 9 RTP/AVP 96\r\na=rtcp-mux\r\n", 0, "",
                   "no video or audio");
    assert_refused(HEAD ICE DTLS "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", 0, "",
                   "no video or audio");
    assert_refused(HEAD ICE DTLS "a=group:BUNDLE a b\r\n" VIDEO "a=mid:a\r\n", 9, "a=group",
                   "no m-line has");
    assert_refused(GOOD "a=mid:a\r\n" VIDEO "a=mid:a\r\n", 18, "a=mid", "another m-line");
}

static void the_bounds_are_those_that_are_named(void **state)
{
    (void)state;
    static char text[CM_SDP_SIZE_MAX + 16];
    size_t size = (size_t)snprintf(text, sizeof text, "%s", HEAD ICE DTLS);
    for (size_t i = 0; i < CM_SDP_OFFER_MEDIA_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s", VIDEO);
    assert_int_equal(parse(text)->media_count, CM_SDP_OFFER_MEDIA_MAX);
    (void)snprintf(text + size, sizeof text - size, "m=video 0 RTP/AVP 1\r\n");
    assert_refused(text, 8 + 4 * CM_SDP_OFFER_MEDIA_MAX + 1, "m=", "17th");

    size = (size_t)snprintf(text, sizeof text, "%sm=video 9 UDP/TLS/RTP/SAVPF", HEAD ICE DTLS);
    for (size_t i = 0; i < CM_SDP_OFFER_FORMAT_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, " %zu 63", i);
    (void)snprintf(text + size, sizeof text - size, "\r\na=rtcp-mux\r\n");
    assert_int_equal(parse(text)->medias[0].format_count, CM_SDP_OFFER_FORMAT_MAX);
    (void)snprintf(text + size, sizeof text - size, " 64\r\na=rtcp-mux\r\n");
    assert_refused(text, 9, "m=", "more than 64");

    memset(text, ' ', sizeof text);
    memcpy(text, GOOD, strlen(GOOD));
    cm_sdp_error error;
    assert_int_equal(cm_sdp_offer_parse(cm_slice_over(text, CM_SDP_SIZE_MAX), &parsed, &error),
                     CM_OK);
    assert_int_equal(cm_sdp_offer_parse(cm_slice_over(text, CM_SDP_SIZE_MAX + 1), &parsed, &error),
                     CM_REFUSE);
    assert_int_equal(error.line, 0);
}

static void lists_that_go_on_too_long_are_cut(void **state)
{
    (void)state;
    static char text[CM_SDP_SIZE_MAX];
    size_t size = (size_t)snprintf(text, sizeof text, "%s", GOOD);
    for (unsigned i = 1; i <= 80; i++)
        size +=
            (size_t)snprintf(text + size, sizeof text - size,
                             "a=candidate:1 1 udp 1 192.0.2.1 %u typ host\r\na=ssrc:%u cname:x\r\n"
                             "a=extmap:%u urn:%u\r\na=ssrc-group:FID %u %u\r\n",
                             i, i, i, i, i, i);
    const cm_sdp_offer *offer = parse(text);
    assert_int_equal(offer->candidate_count, CM_SDP_OFFER_CANDIDATE_MAX);
    assert_int_equal(offer->medias[0].ssrc_count, CM_SDP_OFFER_SSRC_MAX);
    assert_int_equal(offer->medias[0].extension_count, CM_SDP_OFFER_EXTENSION_MAX);
    assert_int_equal(offer->medias[0].group_count, CM_SDP_OFFER_GROUP_MAX);
}

static void every_truncation_is_read_or_refused_within_its_bytes(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(FIREFOX); size++) {
        uint8_t *copy = malloc(size > 0 ? size : 1); /* of exactly that size, for the sanitizer */
        assert_non_null(copy);
        memcpy(copy, FIREFOX, size);
        cm_sdp_error error = {0};
        if (cm_sdp_offer_parse(cm_slice_over(copy, size), &parsed, &error) != CM_OK)
            assert_non_null(error.reason);
        free(copy);
    }
}

static void an_error_is_told_in_words(void **state)
{
    (void)state;
    uint8_t room[128];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_sdp_error_write(&w, &(cm_sdp_error){12, "a=fingerprint", "is missing"});
    assert_text(cm_writer_done(&w), "line 12: a=fingerprint is missing");
    w = cm_writer_over(room, sizeof room);
    cm_sdp_error_write(&w, &(cm_sdp_error){0, "", "the description is empty"});
    assert_text(cm_writer_done(&w), "the description is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromes_whep_offer_is_read),
        cmocka_unit_test(chromes_transport_is_read),
        cmocka_unit_test(formats_have_their_parameters_and_feedback),
        cmocka_unit_test(a_static_type_needs_no_rtpmap),
        cmocka_unit_test(candidates_behind_names_and_of_tcp_are_read),
        cmocka_unit_test(our_extensions_have_the_numbers_of_the_offer),
        cmocka_unit_test(firefoxes_session_speaks_for_its_medias),
        cmocka_unit_test(firefoxes_candidates_of_all_types_are_read),
        cmocka_unit_test(a_bundle_only_media_is_usable_and_shares_the_transport),
        cmocka_unit_test(chromes_whip_offer_says_what_it_sends),
        cmocka_unit_test(safaris_offer_is_read),
        cmocka_unit_test(of_several_fingerprints_the_strongest_is_kept),
        cmocka_unit_test(gstreamers_offer_is_read),
        cmocka_unit_test(obss_offer_with_bare_line_feeds_is_read),
        cmocka_unit_test(without_a_group_only_the_first_media_has_a_transport),
        cmocka_unit_test(a_media_outside_of_the_group_is_not_usable),
        cmocka_unit_test(medias_that_are_rejected_or_strange_are_kept_but_not_usable),
        cmocka_unit_test(what_is_unknown_or_of_another_place_is_passed_over),
        cmocka_unit_test(extensions_of_the_two_byte_form_and_inactive_ones_are_not_ours),
        cmocka_unit_test(a_text_that_is_no_description_is_refused),
        cmocka_unit_test(m_lines_that_make_no_sense_are_refused),
        cmocka_unit_test(attributes_that_make_no_sense_are_refused_with_their_line),
        cmocka_unit_test(what_no_connection_could_be_made_of_is_refused),
        cmocka_unit_test(the_bounds_are_those_that_are_named),
        cmocka_unit_test(lists_that_go_on_too_long_are_cut),
        cmocka_unit_test(every_truncation_is_read_or_refused_within_its_bytes),
        cmocka_unit_test(an_error_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
