/* proto/sdp: what cameras write, and what we make of it. One behaviour a case. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/sdp/fmtp.h"
#include "proto/sdp/sdp.h"

/* As a well-behaved camera writes: video, audio, metadata. */
#define SETS "Z2QAH6zZQFAFuwEQAAADABAAAAMDIPFCmWA=,aOvjyyLA"
static const char GOOD[] =
    "v=0\r\n"
    "o=- 1109162014219182 1 IN IP4 192.168.1.64\r\n"
    "s=Media Presentation\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "t=0 0\r\n"
    "a=tool:camera 1.0\r\n"
    "a=control:rtsp://192.168.1.64/main/\r\n"
    "a=range:npt=now-\r\n"
    "m=video 0 RTP/AVP 96\r\n"
    "c=IN IP4 239.1.2.3/127\r\n"
    "b=AS:5000\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=" SETS "\r\n"
    "a=control:trackID=1\r\n"
    "a=recvonly\r\n"
    "m=audio 5004/2 RTP/AVP 8 97\r\n"
    "a=rtpmap:97 mpeg4-generic/16000/2\r\n"
    "a=fmtp:97 config=1408\r\n"
    "a=control:trackID=2\r\n"
    "a=sendonly\r\n"
    "m=application 0 RTP/AVP 107\r\n"
    "a=rtpmap:107 vnd.onvif.metadata/90000\r\n"
    "a=control:trackID=3\r\n";

static cm_sdp parse(const char *text)
{
    cm_sdp sdp;
    assert_int_equal(cm_sdp_parse(cm_slice_of(text), &sdp), CM_OK);
    return sdp;
}

static void assert_refused(const char *text)
{
    cm_sdp sdp = {.dropped_count = 77};
    assert_int_equal(cm_sdp_parse(cm_slice_of(text), &sdp), CM_REFUSE);
    assert_int_equal(sdp.dropped_count, 77); /* untouched */
}

static void the_session_of_a_good_description_is_read(void **state)
{
    (void)state;
    const cm_sdp sdp = parse(GOOD);
    assert_text(sdp.origin, "- 1109162014219182 1 IN IP4 192.168.1.64");
    assert_text(sdp.name, "Media Presentation");
    assert_text(sdp.tool, "camera 1.0");
    assert_text(sdp.connection, "0.0.0.0");
    assert_text(sdp.control, "rtsp://192.168.1.64/main/");
    assert_text(sdp.range, "npt=now-");
    assert_int_equal(sdp.direction, CM_SDP_DIRECTION_UNSAID);
    assert_int_equal(sdp.media_count, 3);
    assert_int_equal(sdp.dropped_count, 0);
}

static void the_medias_of_a_good_description_are_read(void **state)
{
    (void)state;
    const cm_sdp sdp = parse(GOOD);
    const cm_sdp_media *video = &sdp.medias[0];
    assert_int_equal(video->kind, CM_SDP_VIDEO);
    assert_int_equal(video->port, 0);
    assert_text(video->protocol, "RTP/AVP");
    assert_text(video->connection, "239.1.2.3");
    assert_text(video->control, "trackID=1");
    assert_int_equal(video->direction, CM_SDP_RECVONLY);
    assert_int_equal(video->payload_count, 1);
    assert_int_equal(video->payloads[0].type, 96);
    assert_text(video->payloads[0].encoding, "H264");
    assert_int_equal(video->payloads[0].clock_rate, 90000);
    assert_int_equal(video->payloads[0].channels, 1);
    const cm_sdp_media *audio = &sdp.medias[1];
    assert_int_equal(audio->kind, CM_SDP_AUDIO);
    assert_int_equal(audio->port, 5004);
    assert_int_equal(audio->payload_count, 2);
    assert_text(audio->payloads[0].encoding, "PCMA"); /* a static type, by RFC 3551 */
    assert_int_equal(audio->payloads[0].clock_rate, 8000);
    assert_text(audio->payloads[1].encoding, "mpeg4-generic");
    assert_int_equal(audio->payloads[1].channels, 2);
    assert_text(audio->payloads[1].fmtp, "config=1408");
    assert_int_equal(audio->direction, CM_SDP_SENDONLY);
    assert_int_equal(sdp.medias[2].kind, CM_SDP_APPLICATION);
    assert_text(sdp.medias[2].payloads[0].encoding, "vnd.onvif.metadata");
}

static void every_truncation_gives_no_more_than_the_whole(void **state)
{
    (void)state;
    const cm_sdp whole = parse(GOOD);
    for (size_t size = 0; size < strlen(GOOD); size++) {
        cm_sdp sdp;
        /* in memory of exactly that size, for the sanitizer to watch */
        uint8_t *copy = malloc(size > 0 ? size : 1);
        if (size > 0)
            memcpy(copy, GOOD, size);
        const cm_status status = cm_sdp_parse(cm_slice_over(copy, size), &sdp);
        if (status == CM_OK)
            assert_true(sdp.media_count >= 1 && sdp.media_count <= whole.media_count);
        else
            assert_true(size < (size_t)(strstr(GOOD, "RTP/AVP 96") - GOOD) + 9);
        free(copy);
    }
}

/* --- quirks ---------------------------------------------------------------------------------- */

#define VIDEO "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"

static void a_second_session_name_is_ignored(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("v=0\r\ns=one\r\ns=two\r\n" VIDEO);
    assert_text(sdp.name, "one");
}

static void a_bad_connection_line_says_nothing(void **state)
{
    (void)state;
    static const char *const BAD[] = {"c=IN", "c=IN 1.2.3.4", "c=IN c=IN",     "IN c=IN",
                                      "c=",   "c=IN IP4",     "c=IN IP4 /127", "c=ATM NSAP 47"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        char text[128];
        snprintf(text, sizeof text, "v=0\r\n%s\r\n" VIDEO "%s\r\n", BAD[i], BAD[i]);
        const cm_sdp sdp = parse(text);
        assert_int_equal(sdp.connection.size, 0);
        assert_int_equal(sdp.medias[0].connection.size, 0);
    }
}

static void a_good_connection_behind_a_bad_one_counts(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("v=0\r\nc=IN\r\nc=IN IP6 ff15::101/3\r\n" VIDEO);
    assert_text(sdp.connection, "ff15::101");
}

static void an_origin_without_address_is_kept_as_it_is(void **state)
{
    (void)state;
    assert_text(parse("v=0\r\no=- 0 0\r\ns=-\r\n" VIDEO).origin, "- 0 0");
}

static void a_time_that_is_no_time_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(parse("v=0\r\nt=now-\r\n" VIDEO).media_count, 1);
}

static void a_missing_version_is_no_matter(void **state)
{
    (void)state;
    assert_int_equal(parse("s=x\r\n" VIDEO).media_count, 1);
    assert_int_equal(parse(VIDEO).media_count, 1);
}

static void a_missing_last_newline_is_no_matter(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("v=0\r\n" VIDEO "a=control:track1");
    assert_text(sdp.medias[0].control, "track1");
}

static void lines_may_end_in_lf_alone_and_stand_apart(void **state)
{
    (void)state;
    const cm_sdp sdp =
        parse("v=0\n\n  s= x \n\nm=video  0  RTP/AVP  96 \na=rtpmap: 96  H264/90000\n");
    assert_text(sdp.name, "x");
    assert_text(sdp.medias[0].payloads[0].encoding, "H264");
}

static void an_unknown_media_is_dropped_with_all_its_lines(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("v=0\r\na=control:*\r\n"
                             "m=tp-link 0 RTP/AVP smart\r\na=control:bad\r\na=sendonly\r\n" VIDEO
                             "a=control:good\r\nm=text 0 RTP/AVP 98\r\na=control:bad\r\n");
    assert_int_equal(sdp.media_count, 1);
    assert_int_equal(sdp.dropped_count, 2);
    assert_text(sdp.medias[0].control, "good");
    assert_text(sdp.control, "*");
    assert_int_equal(sdp.direction, CM_SDP_DIRECTION_UNSAID);
}

static void a_media_that_makes_no_sense_is_dropped_never_the_session(void **state)
{
    (void)state;
    static const char *const BAD[] = {"m=audio",
                                      "m=audio 0",
                                      "m=audio 0 RTP/AVP",
                                      "m=audio 0 RTP/AVP x",
                                      "m=audio 0 RTP/AVP 128",
                                      "m=audio -1 RTP/AVP 8",
                                      "m=audio 65536 RTP/AVP 8",
                                      "m=audio 0 UDP 8",
                                      "m=",
                                      "m=application 0 TCP/DTLS/SCTP webrtc-datachannel"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        char text[200];
        snprintf(text, sizeof text, "v=0\r\n%s\r\na=rtpmap:96 X/1\r\n" VIDEO, BAD[i]);
        const cm_sdp sdp = parse(text);
        assert_int_equal(sdp.media_count, 1);
        assert_int_equal(sdp.dropped_count, 1);
        assert_text(sdp.medias[0].payloads[0].encoding, "H264");
    }
}

static void without_any_media_it_is_refused(void **state)
{
    (void)state;
    assert_refused("");
    assert_refused("v=0\r\ns=x\r\n");
    assert_refused("m=tp-link 0 RTP/AVP 1\r\n");
    assert_refused("<html>404</html>");
}

static void more_than_64_kib_is_refused(void **state)
{
    (void)state;
    static char text[CM_SDP_SIZE_MAX + 2];
    memset(text, '\n', sizeof text - 1);
    memcpy(text, VIDEO, sizeof VIDEO - 1);
    assert_refused(text);
    text[CM_SDP_SIZE_MAX] = '\0';
    assert_int_equal(parse(text).media_count, 1);
}

static void more_medias_than_eight_are_dropped(void **state)
{
    (void)state;
    char text[1024] = "v=0\r\n";
    for (int i = 0; i < 11; i++)
        strcat(text, VIDEO);
    const cm_sdp sdp = parse(text);
    assert_int_equal(sdp.media_count, CM_SDP_MEDIA_MAX);
    assert_int_equal(sdp.dropped_count, 3);
}

static void more_payloads_than_sixteen_are_ignored_and_doubles_are_one(void **state)
{
    (void)state;
    cm_sdp sdp = parse("m=audio 0 RTP/AVP 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\r\n");
    assert_int_equal(sdp.medias[0].payload_count, CM_SDP_PAYLOAD_MAX);
    sdp = parse("m=audio 0 RTP/AVP 8 8 x 0 8\r\n");
    assert_int_equal(sdp.medias[0].payload_count, 2);
}

static void an_fmtp_under_another_media_finds_its_own(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("v=0\r\na=fmtp:97 early=1\r\n" VIDEO
                             "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n"
                             "a=fmtp:96 packetization-mode=1\r\n");
    assert_text(sdp.medias[0].payloads[0].fmtp, "packetization-mode=1");
    assert_text(sdp.medias[1].payloads[0].fmtp, "early=1");
}

static void an_fmtp_of_its_own_media_wins_over_a_stray_one(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("m=audio 0 RTP/AVP 8\r\na=fmtp:96 stray=1\r\n" VIDEO
                             "a=fmtp:96 own=1\r\na=fmtp:96 again=1\r\n");
    assert_text(sdp.medias[1].payloads[0].fmtp, "own=1");
    assert_int_equal(sdp.medias[0].payloads[0].fmtp.size, 0);
}

static void an_fmtp_of_a_dropped_media_goes_with_it(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("m=odd 0 RTP/AVP 96\r\na=fmtp:96 odd=1\r\n" VIDEO);
    assert_int_equal(sdp.medias[0].payloads[0].fmtp.size, 0);
}

static void an_fmtp_of_another_payload_type_is_taken_for_the_only_one(void **state)
{
    (void)state;
    /* Hikvision: rtpmap 104, fmtp 96 of nobody */
    const cm_sdp sdp = parse("m=audio 0 RTP/AVP 104\r\na=rtpmap:104 mpeg4-generic/16000/1\r\n"
                             "a=fmtp:105 config=1408\r\n");
    assert_text(sdp.medias[0].payloads[0].fmtp, "config=1408");
    const cm_sdp two = parse("m=audio 0 RTP/AVP 104 8\r\na=fmtp:105 config=1408\r\n");
    assert_int_equal(two.medias[0].payloads[0].fmtp.size, 0); /* a guess would be too bold */
}

static void duplicate_mids_and_unknown_attributes_are_ignored(void **state)
{
    (void)state;
    const cm_sdp sdp = parse(VIDEO "a=mid:0\r\na=x-dimensions:1280,720\r\nm=audio 0 RTP/AVP 8\r\n"
                                   "a=mid:0\r\na=:\r\na=\r\n");
    assert_int_equal(sdp.media_count, 2);
}

static void opus_is_48000_and_two_whatever_it_says(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("m=audio 0 RTP/AVP 111\r\na=rtpmap:111 OPUS/8000/1\r\n");
    assert_int_equal(sdp.medias[0].payloads[0].clock_rate, 48000);
    assert_int_equal(sdp.medias[0].payloads[0].channels, 2);
}

static void a_video_without_clock_rate_runs_at_90000(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("m=video 0 RTP/AVP 96 97\r\na=rtpmap:96 H264\r\na=rtpmap:97 H265/x\r\n"
                             "m=audio 0 RTP/AVP 98\r\na=rtpmap:98 L16\r\n");
    assert_int_equal(sdp.medias[0].payloads[0].clock_rate, 90000);
    assert_int_equal(sdp.medias[0].payloads[1].clock_rate, 90000);
    assert_int_equal(sdp.medias[1].payloads[0].clock_rate, 0);
}

static void a_direction_of_the_session_is_that_of_its_medias(void **state)
{
    (void)state;
    const cm_sdp sdp = parse("a=sendonly\r\n" VIDEO "m=audio 0 RTP/AVP 0\r\na=inactive\r\n");
    assert_int_equal(sdp.medias[0].direction, CM_SDP_SENDONLY);
    assert_int_equal(sdp.medias[1].direction, CM_SDP_INACTIVE);
}

/* --- writing --------------------------------------------------------------------------------- */

static void an_answer_is_written_as_text(void **state)
{
    (void)state;
    const cm_sdp sdp = {
        .control = CM_TEXT("*"),
        .media_count = 1,
        .medias = {{.kind = CM_SDP_VIDEO,
                    .protocol = CM_TEXT("RTP/AVP"),
                    .control = CM_TEXT("trackID=0"),
                    .payload_count = 1,
                    .payloads = {{.type = 96,
                                  .encoding = CM_TEXT("H264"),
                                  .clock_rate = 90000,
                                  .fmtp = CM_TEXT("packetization-mode=1")}}}},
    };
    char storage[512];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_sdp_write(&w, &sdp);
    assert_text(cm_writer_done(&w),
                "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                "a=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                "a=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n");
}

static void what_was_parsed_is_parsed_again_after_writing(void **state)
{
    (void)state;
    const cm_sdp sdp = parse(GOOD);
    char first[2048];
    char second[2048];
    cm_writer w = cm_writer_over(first, sizeof first);
    cm_sdp_write(&w, &sdp);
    cm_sdp back;
    assert_int_equal(cm_sdp_parse(cm_writer_done(&w), &back), CM_OK);
    assert_int_equal(back.media_count, 3);
    assert_true(cm_slice_equal(back.origin, sdp.origin));
    assert_true(cm_slice_equal(back.tool, sdp.tool));
    assert_true(cm_slice_equal(back.medias[0].connection, sdp.medias[0].connection));
    assert_true(cm_slice_equal(back.medias[0].payloads[0].fmtp, sdp.medias[0].payloads[0].fmtp));
    assert_int_equal(back.medias[1].payloads[1].channels, 2);
    assert_int_equal(back.medias[1].direction, CM_SDP_SENDONLY);
    cm_writer again = cm_writer_over(second, sizeof second);
    cm_sdp_write(&again, &back);
    assert_true(cm_slice_equal(cm_writer_done(&w), cm_writer_done(&again)));
}

static void text_with_a_line_break_fails_the_writer(void **state)
{
    (void)state;
    cm_sdp sdp = parse(GOOD);
    char storage[2048];
    cm_slice *const fields[] = {&sdp.name,
                                &sdp.origin,
                                &sdp.control,
                                &sdp.medias[0].control,
                                &sdp.medias[0].protocol,
                                &sdp.medias[0].connection,
                                &sdp.medias[0].payloads[0].encoding,
                                &sdp.medias[0].payloads[0].fmtp};
    for (size_t i = 0; i < CM_COUNT(fields); i++) {
        const cm_slice saved = *fields[i];
        *fields[i] = i % 2 ? CM_TEXT("x\ny") : CM_TEXT("x\ry");
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_sdp_write(&w, &sdp);
        assert_true(w.failed);
        *fields[i] = saved;
    }
}

/* --- format parameters ----------------------------------------------------------------------- */

static cm_sdp_h264 parse_h264(const char *fmtp)
{
    static uint8_t storage[CM_SDP_SETS_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_sdp_h264 h264;
    cm_sdp_h264_parse(cm_slice_of(fmtp), &w, &h264);
    return h264;
}

static void a_parameter_is_found_by_its_whole_name_without_case(void **state)
{
    (void)state;
    cm_slice value;
    const cm_slice fmtp = CM_TEXT("xmode=2; Mode = 1 ;flag;sets=a==,b=");
    assert_true(cm_sdp_fmtp_find(fmtp, CM_TEXT("mode"), &value));
    assert_text(value, "1");
    assert_true(cm_sdp_fmtp_find(fmtp, CM_TEXT("sets"), &value));
    assert_text(value, "a==,b=");
    assert_true(cm_sdp_fmtp_find(fmtp, CM_TEXT("flag"), &value));
    assert_int_equal(value.size, 0);
    assert_false(cm_sdp_fmtp_find(fmtp, CM_TEXT("mod"), &value));
}

static void the_parameters_of_h264_are_read(void **state)
{
    (void)state;
    const cm_sdp_h264 h264 =
        parse_h264("packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=" SETS);
    assert_int_equal(h264.packetization_mode, 1);
    assert_true(h264.has_profile_level_id);
    assert_int_equal(h264.profile_level_id, 0x64001F);
    assert_int_equal(h264.set_count, 2);
    assert_int_equal(h264.sets[0].bytes[0], 0x67);
    assert_int_equal(h264.sets[0].size, 26);
    assert_int_equal(h264.sets[1].bytes[0], 0x68);
}

static void what_h264_does_not_say_is_unsaid(void **state)
{
    (void)state;
    const cm_sdp_h264 h264 =
        parse_h264("packetization-mode=7;profile-level-id=64001;sprop-parameter-sets=");
    assert_int_equal(h264.packetization_mode, 0);
    assert_false(h264.has_profile_level_id);
    assert_int_equal(h264.set_count, 0);
}

static void base64_without_or_with_wrong_padding_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse_h264("sprop-parameter-sets=Z2QAHw,aOvjyyLA==").set_count, 2);
    assert_int_equal(parse_h264("sprop-parameter-sets= Z2QAHw== , aOvjyyLA").set_count, 2);
}

static void parameter_sets_in_annex_b_are_cut_apart(void **state)
{
    (void)state;
    /* 00 00 00 01 67 64 00 1f 00 00 00 01 68 eb e3 00 00 */
    const cm_sdp_h264 h264 = parse_h264("sprop-parameter-sets=AAAAAWdkAB8AAAABaOvjAAA=");
    assert_int_equal(h264.set_count, 2);
    assert_int_equal(h264.sets[0].size, 4);
    assert_memory_equal(h264.sets[0].bytes, "\x67\x64\x00\x1f", 4);
    assert_int_equal(h264.sets[1].size, 3);
    assert_memory_equal(h264.sets[1].bytes, "\x68\xeb\xe3", 3);
}

static void what_is_no_parameter_set_is_left_out(void **state)
{
    (void)state;
    /* an IDR slice (65 88), a forbidden bit (e7 64), one byte (67), not base64, then a PPS */
    const cm_sdp_h264 h264 = parse_h264("sprop-parameter-sets=ZYg=,52Q=,Zw==,!!,,aOvj");
    assert_int_equal(h264.set_count, 1);
    assert_int_equal(h264.sets[0].bytes[0], 0x68);
}

static void more_sets_than_eight_and_what_does_not_fit_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(
        parse_h264("sprop-parameter-sets=aOvj,aOvj,aOvj,aOvj,aOvj,aOvj,aOvj,aOvj,aOvj").set_count,
        CM_SDP_SET_MAX);
    uint8_t storage[5];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_sdp_h264 h264;
    cm_sdp_h264_parse(CM_TEXT("sprop-parameter-sets=Z2QAHw==,aOvj"), &w, &h264);
    assert_int_equal(h264.set_count, 1);
    assert_false(w.failed);
}

/* As x265 has them, and one PPS more; what is of the wrong type or of another layer is left out. */
static void the_parameters_of_h265_are_read_and_written(void **state)
{
    (void)state;
    uint8_t storage[CM_SDP_SETS_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_sdp_h265 h265;
    cm_sdp_h265_parse(CM_TEXT("profile-id=1; sprop-sps=QgEB; sprop-vps=QAEM;"
                              "sprop-pps=RAHB,RQHB,RAHC,JgGv;tx-mode=SRST"),
                      &w, &h265);
    assert_int_equal(h265.max_don_diff, 0);
    assert_int_equal(h265.set_count, 4);
    assert_memory_equal(h265.sets[0].bytes, "\x40\x01\x0c", 3);
    assert_memory_equal(h265.sets[3].bytes, "\x44\x01\xc2", 3);
    char text[256];
    w = cm_writer_over(text, sizeof text);
    cm_sdp_h265_write(&w, &h265);
    assert_text(cm_writer_done(&w), "sprop-vps=QAEM;sprop-sps=QgEB;sprop-pps=RAHB,RAHC");
}

static void decoding_order_numbers_are_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *fmtp;
        uint32_t diff;
    } CASES[] = {{"", 0},
                 {"sprop-max-don-diff=0", 0},
                 {"sprop-max-don-diff=12", 12},
                 {"sprop-max-don-diff=many", UINT32_MAX}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_writer none = cm_writer_over(NULL, 0);
        cm_sdp_h265 h265;
        cm_sdp_h265_parse(cm_slice_of(CASES[i].fmtp), &none, &h265);
        assert_int_equal(h265.max_don_diff, CASES[i].diff);
    }
}

static void h264_written_is_h264_read(void **state)
{
    (void)state;
    const cm_sdp_h264 h264 = {.packetization_mode = 1,
                              .has_profile_level_id = true,
                              .profile_level_id = 0x42e01f,
                              .set_count = 2,
                              .sets = {BYTES(0x67, 0x42, 0xe0, 0x1f), BYTES(0x68, 0xce, 0x3c)}};
    char text[256];
    cm_writer w = cm_writer_over(text, sizeof text - 1);
    cm_sdp_h264_write(&w, &h264);
    assert_text(cm_writer_done(&w), "packetization-mode=1;profile-level-id=42e01f;"
                                    "sprop-parameter-sets=Z0LgHw==,aM48");
    text[w.used] = '\0';
    const cm_sdp_h264 back = parse_h264(text);
    assert_int_equal(back.set_count, 2);
    assert_true(cm_slice_equal(back.sets[0], h264.sets[0]));
    assert_true(cm_slice_equal(back.sets[1], h264.sets[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_session_of_a_good_description_is_read),
        cmocka_unit_test(the_medias_of_a_good_description_are_read),
        cmocka_unit_test(every_truncation_gives_no_more_than_the_whole),
        cmocka_unit_test(a_second_session_name_is_ignored),
        cmocka_unit_test(a_bad_connection_line_says_nothing),
        cmocka_unit_test(a_good_connection_behind_a_bad_one_counts),
        cmocka_unit_test(an_origin_without_address_is_kept_as_it_is),
        cmocka_unit_test(a_time_that_is_no_time_is_ignored),
        cmocka_unit_test(a_missing_version_is_no_matter),
        cmocka_unit_test(a_missing_last_newline_is_no_matter),
        cmocka_unit_test(lines_may_end_in_lf_alone_and_stand_apart),
        cmocka_unit_test(an_unknown_media_is_dropped_with_all_its_lines),
        cmocka_unit_test(a_media_that_makes_no_sense_is_dropped_never_the_session),
        cmocka_unit_test(without_any_media_it_is_refused),
        cmocka_unit_test(more_than_64_kib_is_refused),
        cmocka_unit_test(more_medias_than_eight_are_dropped),
        cmocka_unit_test(more_payloads_than_sixteen_are_ignored_and_doubles_are_one),
        cmocka_unit_test(an_fmtp_under_another_media_finds_its_own),
        cmocka_unit_test(an_fmtp_of_its_own_media_wins_over_a_stray_one),
        cmocka_unit_test(an_fmtp_of_a_dropped_media_goes_with_it),
        cmocka_unit_test(an_fmtp_of_another_payload_type_is_taken_for_the_only_one),
        cmocka_unit_test(duplicate_mids_and_unknown_attributes_are_ignored),
        cmocka_unit_test(opus_is_48000_and_two_whatever_it_says),
        cmocka_unit_test(a_video_without_clock_rate_runs_at_90000),
        cmocka_unit_test(a_direction_of_the_session_is_that_of_its_medias),
        cmocka_unit_test(an_answer_is_written_as_text),
        cmocka_unit_test(what_was_parsed_is_parsed_again_after_writing),
        cmocka_unit_test(text_with_a_line_break_fails_the_writer),
        cmocka_unit_test(a_parameter_is_found_by_its_whole_name_without_case),
        cmocka_unit_test(the_parameters_of_h264_are_read),
        cmocka_unit_test(what_h264_does_not_say_is_unsaid),
        cmocka_unit_test(base64_without_or_with_wrong_padding_is_read),
        cmocka_unit_test(parameter_sets_in_annex_b_are_cut_apart),
        cmocka_unit_test(what_is_no_parameter_set_is_left_out),
        cmocka_unit_test(more_sets_than_eight_and_what_does_not_fit_are_left_out),
        cmocka_unit_test(h264_written_is_h264_read),
        cmocka_unit_test(the_parameters_of_h265_are_read_and_written),
        cmocka_unit_test(decoding_order_numbers_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
