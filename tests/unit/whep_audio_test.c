/* api/whep_audio: what an offer's lines of audio ask for, and which way each goes in the answer. */
#include "unit.h"

#include <stdio.h>

#include "api/whep.h"

static cm_sdp_offer offer; /* both too large for the stack of every case */
static cm_sdp_answer answer;
static cm_whep_audio audio;
static char text[8192];

#define PRINT                                                                                      \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"                                             \
    "10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"
#define TRANSPORT_CC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define HEAD                                                                                       \
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1%s\r\n"                  \
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\n" COMMON
#define COMMON                                                                                     \
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd1234\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"           \
    "a=fingerprint:sha-256 " PRINT "\r\na=setup:actpass\r\na=rtcp-mux\r\n"                         \
    "a=extmap:4 " TRANSPORT_CC "\r\n"
/* As a browser has it, Opus first. */
#define AUDIO(mid, more)                                                                           \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8\r\na=mid:" mid "\r\n" more COMMON                       \
    "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=rtpmap:9 G722/8000\r\n"          \
    "a=rtpmap:0 PCMU/8000\r\na=rtcp-fb:0 transport-cc\r\na=rtpmap:8 PCMA/8000\r\n"
#define OPUS_ONLY(mid, more)                                                                       \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:" mid "\r\n" more COMMON                             \
    "a=rtpmap:111 opus/48000/2\r\n"
#define BOTH_WAYS "a=sendrecv\r\na=ssrc:4711 cname:x\r\n"
#define SENDS     "a=sendonly\r\na=ssrc:4711 cname:x\r\n"
#define RECEIVES  "a=recvonly\r\n"

static const cm_sound_format PCMU = {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 8000};
static const cm_sound_format PCMA = {.codec = CM_SOUND_PCMA, .channels = 1, .rate = 8000};
static const cm_sound_format OPUS = {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000};

/* The bundle names the lines that there are. */
static void write_offer(const char *lines)
{
    const int size =
        snprintf(text, sizeof text, HEAD "%s", strstr(lines, "a=mid:2") != NULL ? " 2" : "", lines);
    assert_in_range(size, 1, sizeof text - 1);
}

static void accept(const char *lines, const cm_sound_format *heard, bool may_speak)
{
    cm_sdp_error error;
    write_offer(lines);
    assert_int_equal(cm_sdp_offer_parse(cm_slice_of(text), &offer, &error), CM_OK);
    cm_sdp_answer_init(&answer);
    cm_whep_accept_audio(&offer, &(cm_whep_audio_terms){heard, may_speak}, &answer, &audio);
}

/* Direction and payload types of a line of the answer. */
static void assert_line(size_t line, cm_sdp_direction direction, const uint8_t *types, size_t count)
{
    const cm_sdp_answer_media *media = &answer.medias[line];
    assert_true(media->is_accepted);
    assert_int_equal(media->direction, direction);
    if (types == NULL)
        return;
    assert_int_equal(media->choice_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(media->choices[i].type, types[i]);
}
#define assert_goes(line, direction, ...)                                                          \
    assert_line(line, direction, (const uint8_t[]){__VA_ARGS__},                                   \
                sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- speech ---- */

static void who_may_is_heard_by_g711_first(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS), &OPUS, true);
    assert_goes(1, CM_SDP_SENDRECV, 0, 8, 111);
    assert_true(audio.has_sound && audio.sound_line == 1 && audio.sound_type == 111);
    assert_true(audio.has_speech && audio.speech.has_pcmu && audio.speech.has_pcma);
    assert_int_equal(audio.speech.pcmu_type, 0);
    assert_int_equal(audio.speech.pcma_type, 8);
    assert_int_equal(audio.speech.ssrc, 4711);
}

static void who_may_not_is_answered_as_one_who_listens(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS), &OPUS, false);
    assert_goes(1, CM_SDP_SENDONLY, 111);
    assert_true(audio.has_sound && !audio.has_speech);
    accept(AUDIO("1", SENDS), &OPUS, false);
    assert_line(1, CM_SDP_INACTIVE, NULL, 0);
    assert_false(audio.has_sound || audio.has_speech);
}

static void who_may_speak_and_not_hear_is_sent_nothing(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS), NULL, true);
    assert_goes(1, CM_SDP_RECVONLY, 0, 8);
    assert_true(!audio.has_sound && audio.has_speech);
}

static void who_does_not_offer_it_is_not_asked(void **state)
{
    (void)state;
    accept(AUDIO("1", RECEIVES), &PCMU, true);
    assert_goes(1, CM_SDP_SENDONLY, 0);
    assert_true(audio.has_sound && !audio.has_speech);
}

static void without_a_direction_it_is_both(void **state)
{
    (void)state;
    accept(AUDIO("1", ""), &PCMU, true);
    assert_goes(1, CM_SDP_SENDRECV, 0, 8);
    assert_true(audio.has_sound && audio.has_speech && audio.speech.ssrc == 0);
}

static void sound_of_the_same_codec_is_listed_once(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS), &PCMA, true);
    assert_goes(1, CM_SDP_SENDRECV, 0, 8);
    assert_int_equal(audio.sound_type, 8); /* though the peer sends by 0 */
}

static void a_second_line_may_be_the_one_that_speaks(void **state)
{
    (void)state;
    accept(AUDIO("1", RECEIVES) AUDIO("2", SENDS), &OPUS, true);
    assert_goes(1, CM_SDP_SENDONLY, 111);
    assert_goes(2, CM_SDP_RECVONLY, 0, 8);
    assert_int_equal(audio.sound_line, 1);
}

static void only_one_line_speaks_and_one_is_heard(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS) AUDIO("2", BOTH_WAYS), &PCMU, true);
    assert_goes(1, CM_SDP_SENDRECV, 0, 8);
    assert_line(2, CM_SDP_INACTIVE, NULL, 0);
}

static void a_peer_without_g711_may_listen(void **state)
{
    (void)state;
    accept(OPUS_ONLY("1", BOTH_WAYS), &OPUS, true);
    assert_goes(1, CM_SDP_SENDONLY, 111);
    assert_false(audio.has_speech);
    accept(OPUS_ONLY("1", BOTH_WAYS), &PCMU, true);
    assert_line(1, CM_SDP_INACTIVE, NULL, 0);
}

/* Nobody reports on the numbers of what comes in. */
static void what_is_said_is_not_numbered(void **state)
{
    (void)state;
    accept(AUDIO("1", BOTH_WAYS), &OPUS, true);
    assert_int_equal(answer.medias[1].extensions.transport_sequence, 0);
    for (size_t i = 0; i < answer.medias[1].choice_count; i++)
        assert_int_equal(answer.medias[1].choices[i].feedback & CM_SDP_TRANSPORT_CC, 0);
    accept(AUDIO("1", BOTH_WAYS), &OPUS, false);
    assert_int_equal(answer.medias[1].extensions.transport_sequence, 4);
}

/* ---- what is asked for, before anything is parsed ---- */

static void assert_wishes(const char *lines, bool hears, bool speaks)
{
    write_offer(lines);
    const cm_whep_wishes wishes = cm_whep_read_wishes(cm_slice_of(text));
    assert_int_equal(wishes.hears, hears);
    assert_int_equal(wishes.speaks, speaks);
}

static void an_offer_says_what_it_wants(void **state)
{
    (void)state;
    assert_wishes("", false, false); /* its video receives: that is no wish of sound */
    assert_wishes(AUDIO("1", RECEIVES), true, false);
    assert_wishes(AUDIO("1", SENDS), false, true);
    assert_wishes(AUDIO("1", BOTH_WAYS), true, true);
    assert_wishes(AUDIO("1", ""), true, true);
    assert_wishes(AUDIO("1", "a=inactive\r\n"), false, false);
    assert_wishes(AUDIO("1", RECEIVES) AUDIO("2", SENDS), true, true);
    assert_wishes(AUDIO("1", RECEIVES) "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n", true,
                  false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_is_heard_by_g711_first),
        cmocka_unit_test(who_may_not_is_answered_as_one_who_listens),
        cmocka_unit_test(who_may_speak_and_not_hear_is_sent_nothing),
        cmocka_unit_test(who_does_not_offer_it_is_not_asked),
        cmocka_unit_test(without_a_direction_it_is_both),
        cmocka_unit_test(sound_of_the_same_codec_is_listed_once),
        cmocka_unit_test(a_second_line_may_be_the_one_that_speaks),
        cmocka_unit_test(only_one_line_speaks_and_one_is_heard),
        cmocka_unit_test(a_peer_without_g711_may_listen),
        cmocka_unit_test(what_is_said_is_not_numbered),
        cmocka_unit_test(an_offer_says_what_it_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
