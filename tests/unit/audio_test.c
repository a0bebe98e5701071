/* proto/g711 (RFC 3551, 4.5.14) and proto/opus (RFC 6716, 3; RFC 7587, 4). AAC: aac_test.c. */
#include "unit.h"

#include "base/writer.h"
#include "proto/g711/g711.h"
#include "proto/opus/opus.h"

/* ---- G.711 ---- */

static void laws_are_known_by_their_names(void **state)
{
    (void)state;
    cm_g711_law law;
    assert_int_equal(cm_g711_law_of(CM_TEXT("pcmu"), &law), CM_OK);
    assert_int_equal(law, CM_G711_MU_LAW);
    assert_int_equal(cm_g711_silence(law), 0xff);
    assert_int_equal(cm_g711_law_of(CM_TEXT("PCMA"), &law), CM_OK);
    assert_int_equal(law, CM_G711_A_LAW);
    assert_int_equal(cm_g711_silence(law), 0xd5);
    assert_int_equal(cm_g711_law_of(CM_TEXT("PCM"), &law), CM_ABSENT);
    assert_int_equal(cm_g711_law_of((cm_slice){0}, &law), CM_ABSENT);
    assert_int_equal(law, CM_G711_A_LAW);
}

/* ITU-T G.711 tables 1 and 2: ends, zero, and the first and last of some segments. */
static void samples_are_encoded_as_the_tables_say(void **state)
{
    (void)state;
    static const struct {
        int16_t sample;
        uint8_t mu, a;
    } ROWS[] = {
        {0, 0xff, 0xd5},    {-1, 0x7e, 0x55},     {32767, 0x80, 0xaa}, {-32768, 0x00, 0x2a},
        {1000, 0xce, 0xfa}, {-1000, 0x4e, 0x7a},  {100, 0xf2, 0xd3},   {-100, 0x72, 0x53},
        {8031, 0xa0, 0x8a}, {-20000, 0x0c, 0x26},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        assert_int_equal(cm_g711_encode(CM_G711_MU_LAW, ROWS[i].sample), ROWS[i].mu);
        assert_int_equal(cm_g711_encode(CM_G711_A_LAW, ROWS[i].sample), ROWS[i].a);
    }
}

static void every_byte_comes_back(void **state)
{
    (void)state;
    for (int law = CM_G711_MU_LAW; law <= CM_G711_A_LAW; law++) {
        for (int byte = 0; byte < 256; byte++) {
            const int16_t sample = cm_g711_decode((cm_g711_law)law, (uint8_t)byte);
            /* The negative zero of mu-law is the positive one. */
            const int expected = law == CM_G711_MU_LAW && byte == 0x7f ? 0xff : byte;
            assert_int_equal(cm_g711_encode((cm_g711_law)law, sample), expected);
        }
        for (int sample = INT16_MIN; sample <= INT16_MAX; sample++) {
            const uint8_t byte = cm_g711_encode((cm_g711_law)law, (int16_t)sample);
            const int error = cm_g711_decode((cm_g711_law)law, byte) - sample;
            assert_in_range(error + 1100, 0, 2200);
            assert_true(sample > 600 || sample < -600 || (error <= 36 && error >= -36));
        }
    }
}

/* Near enough: their steps are not of one size. */
static void the_laws_are_recoded_into_each_other(void **state)
{
    (void)state;
    for (int from = CM_G711_MU_LAW; from <= CM_G711_A_LAW; from++) {
        const cm_g711_law law = (cm_g711_law)from;
        const cm_g711_law other = law == CM_G711_MU_LAW ? CM_G711_A_LAW : CM_G711_MU_LAW;
        for (int byte = 0; byte < 256; byte++) {
            const int was = cm_g711_decode(law, (uint8_t)byte);
            const uint8_t recoded = cm_g711_recode(law, other, (uint8_t)byte);
            const int is = cm_g711_decode(other, recoded);
            const int most = 16 + (was < 0 ? -was : was) / 32;
            assert_in_range(is - was + most, 0, 2 * most);
            assert_int_equal(cm_g711_recode(law, law, (uint8_t)byte), byte);
        }
    }
}

static void a_payload_lasts_as_many_ticks_as_it_has_samples(void **state)
{
    (void)state;
    static const uint8_t bytes[1600];
    uint32_t samples = 7;
    for (size_t size = 1; size <= sizeof bytes; size += 13) {
        assert_int_equal(cm_g711_duration(cm_slice_over(bytes, size), 1, &samples), CM_OK);
        assert_int_equal(samples, size);
    }
    assert_int_equal(cm_g711_duration(cm_slice_over(bytes, 320), 2, &samples), CM_OK);
    assert_int_equal(samples, 160);
    assert_int_equal(cm_g711_duration(cm_slice_over(bytes, 321), 2, &samples), CM_CLOSE);
    assert_int_equal(cm_g711_duration((cm_slice){0}, 1, &samples), CM_CLOSE);
    assert_int_equal(samples, 160);
}

/* ---- Opus ---- */

static cm_opus_packet parsed(cm_slice payload)
{
    cm_opus_packet packet;
    assert_int_equal(cm_opus_packet_parse(payload, &packet), CM_OK);
    return packet;
}

/* RFC 6716 table 2, in tenths of a millisecond. */
static void every_configuration_has_its_mode_and_frame_size(void **state)
{
    (void)state;
    static const uint16_t TENTHS[32] = {100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400,
                                        600, 100, 200, 100, 200, 25,  50,  100, 200, 25,  50,
                                        100, 200, 25,  50,  100, 200, 25,  50,  100, 200};
    for (uint8_t i = 0; i < 32; i++) {
        const cm_opus_packet packet = parsed(BYTES((uint8_t)(i << 3), 1));
        assert_int_equal(packet.configuration, i);
        assert_int_equal(packet.mode, i < 12   ? CM_OPUS_SILK
                                      : i < 16 ? CM_OPUS_HYBRID
                                               : CM_OPUS_CELT);
        assert_int_equal(packet.frame_ticks, TENTHS[i] * 48 / 10);
        assert_int_equal(packet.ticks, packet.frame_ticks);
        assert_int_equal(packet.frame_count, 1);
        assert_false(packet.is_stereo);
        assert_true(parsed(BYTES((uint8_t)(i << 3 | 4), 1)).is_stereo);
    }
}

static void frames_are_found_in_every_way_of_packing(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t size;
        size_t frames;
        uint8_t sizes[4]; /* and the first byte of each is 10, 20, ... */
    } CASES[] = {
        {{0x08}, 1, 1, {0}},                  /* one, not sent */
        {{0x08, 10, 1}, 3, 1, {2}},           /* code 0 */
        {{0x09, 10, 1, 20, 2}, 5, 2, {2, 2}}, /* code 1 */
        {{0x09}, 1, 2, {0, 0}},
        {{0x0a, 2, 10, 1, 20}, 5, 2, {2, 1}}, /* code 2 */
        {{0x0a, 0, 20}, 3, 2, {0, 1}},
        {{0x0b, 3, 10, 20, 30}, 5, 3, {1, 1, 1}},             /* code 3, equal */
        {{0x0b, 0x83, 1, 2, 10, 20, 2, 30}, 8, 3, {1, 2, 1}}, /* sized */
        {{0x0b, 0x42, 3, 10, 20, 0, 0, 0}, 8, 2, {1, 1}},     /* padded */
        {{0x0b, 0xc2, 2, 1, 10, 20, 2, 0, 0}, 9, 2, {1, 2}},  /* sized and padded */
        {{0x0b, 0x41, 0, 10}, 4, 1, {1}},                     /* padded with nothing */
        {{0x0b, 0x81, 10}, 3, 1, {1}},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        const cm_opus_packet packet = parsed(cm_slice_over(CASES[i].bytes, CASES[i].size));
        assert_int_equal(packet.frame_count, CASES[i].frames);
        assert_int_equal(packet.ticks, 960 * CASES[i].frames);
        for (size_t k = 0; k < CASES[i].frames; k++) {
            assert_int_equal(packet.frames[k].size, CASES[i].sizes[k]);
            if (packet.frames[k].size > 0)
                assert_int_equal(packet.frames[k].bytes[0], 10 * (k + 1));
        }
    }
}

static void packets_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    const cm_slice BAD[] = {
        {0},                           /* R1 */
        BYTES(0x09, 1),                /* R3: an odd rest */
        BYTES(0x0a),                   /* R4: no size */
        BYTES(0x0a, 3, 1, 2),          /* a frame past the end */
        BYTES(0x0a, 252, 1),           /* half a size */
        BYTES(0x0b),                   /* no count */
        BYTES(0x0b, 0),                /* R5: no frame */
        BYTES(0x0b, 7),                /* 140 ms */
        BYTES(0x03, 13),               /* 130 ms */
        BYTES(0x83, 49),               /* 122.5 ms */
        BYTES(0x0b, 0x3f),             /* 63 frames */
        BYTES(0x0b, 2, 1, 2, 3),       /* R6: parts that are not equal */
        BYTES(0x0b, 0x41),             /* no padding size */
        BYTES(0x0b, 0x41, 1),          /* R7: padding past the end */
        BYTES(0x0b, 0x41, 255, 255),   /* padding without end */
        BYTES(0x0b, 0x83, 1, 2, 1, 2), /* sizes past the end */
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_opus_packet packet = {.frame_count = 77};
        assert_int_equal(cm_opus_packet_parse(BAD[i], &packet), CM_CLOSE);
        assert_int_equal(packet.frame_count, 77);
    }
}

static void the_longest_packets_pass(void **state)
{
    (void)state;
    assert_int_equal(parsed(BYTES(0x83, 48)).ticks, CM_OPUS_MAX_PACKET_TICKS);
    assert_int_equal(parsed(BYTES(0x1b, 2)).ticks, CM_OPUS_MAX_PACKET_TICKS);
    static uint8_t bytes[2 * CM_OPUS_MAX_FRAME_BYTES + 600];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u8(&w, 0x08);
    cm_write_zeros(&w, CM_OPUS_MAX_FRAME_BYTES + 1);
    const cm_slice one = cm_writer_done(&w);
    cm_opus_packet packet;
    assert_int_equal(cm_opus_packet_parse(one, &packet), CM_CLOSE); /* R2 */
    packet = parsed(cm_slice_part(one, 0, one.size - 1));
    assert_int_equal(packet.frames[0].size, CM_OPUS_MAX_FRAME_BYTES);
    /* A size of two bytes, 255 + 4 * 255; and padding of 254 + 46 bytes. */
    w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u16(&w, 0x0bc2);
    cm_write_u16(&w, 0xff2e);
    cm_write_u16(&w, 0xffff);
    cm_write_zeros(&w, CM_OPUS_MAX_FRAME_BYTES + 9 + 300);
    packet = parsed(cm_writer_done(&w));
    assert_int_equal(packet.frames[0].size, CM_OPUS_MAX_FRAME_BYTES);
    assert_int_equal(packet.frames[1].size, 9);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(laws_are_known_by_their_names),
        cmocka_unit_test(samples_are_encoded_as_the_tables_say),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(the_laws_are_recoded_into_each_other),
        cmocka_unit_test(a_payload_lasts_as_many_ticks_as_it_has_samples),
        cmocka_unit_test(every_configuration_has_its_mode_and_frame_size),
        cmocka_unit_test(frames_are_found_in_every_way_of_packing),
        cmocka_unit_test(packets_that_break_a_rule_are_refused),
        cmocka_unit_test(the_longest_packets_pass),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
