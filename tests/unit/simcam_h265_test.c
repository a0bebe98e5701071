/* simcam's pictures of H.265: parameter sets and slices made by hand, what is refused of them, and
 * what stands in the headers of what is made. That a decoder agrees is for e2e/simcam_picture. */
#include "simcam_scenes.h"

#include "proto/h265/nal.h"
#include "simcam/cabac.h"
#include "simcam/picture.h"

#define assert_bits(slice, literal)                                                                \
    do {                                                                                           \
        uint8_t assert_bits_[64];                                                                  \
        const size_t assert_size_ = pack(literal, assert_bits_);                                   \
        assert_true((slice).size >= assert_size_);                                                 \
        assert_memory_equal((slice).bytes, assert_bits_, assert_size_);                            \
    } while (0)

#define ONES_24 "111111111111111111111111"

/* 640 x 320, 8 bits of order count. */
#define SPS_OF(height, min_block, tools)                                                           \
    "01000010 00000001 0000 000 1" ONES_24 ONES_24 ONES_24 ONES_24                                 \
    "1 010 0000000001010000001" height "0 1 1 00101 1 011 1 010" min_block "1 1 011 1 1" tools     \
    "1 0 0 0 0 0 1"
#define HEIGHT_320 "00000000101000001"
#define SPS        SPS_OF(HEIGHT_320, "010", "0 0 0 0")
#define PPS_OF(delta_qp, deblocking)                                                               \
    "01000100 00000001 1 1 0000000 1 1 1 0 0" delta_qp "1 1 000000 1" deblocking "1 0 0 1"
#define PPS      PPS_OF("0", "10100")
#define IDR_HEAD "00101000 00000001"
#define IDR_DATA "10110011 10000000"
#define IDR      IDR_HEAD "1 0 1 011 1 1" IDR_DATA
#define P_HEAD   "00000010 00000001"
#define REFS     "00000001 0 010 1 1 1"
#define P_OF(type, references)                                                                     \
    P_HEAD "1 1" type references "0 00101 1 1 0000" /* to a whole byte */ IDR_DATA
#define P P_OF("010", REFS)

typedef struct recipe {
    const char *sps;
    const char *pps;
    const char *idr;
    const char *p;
    uint16_t height;
    bool has_no_vps;
} recipe;

static const recipe GOOD = {.sps = SPS, .pps = PPS, .idr = IDR, .p = P, .height = 360};

static void put_packed(cm_writer *w, const char *bits, bool is_wide)
{
    uint8_t bytes[64];
    const size_t size = pack(bits, bytes);
    if (is_wide)
        cm_write_u32(w, (uint32_t)size);
    else
        cm_write_u16(w, (uint16_t)size);
    cm_write_slice(w, cm_slice_over(bytes, size));
}

static void put_picture(cm_writer *w, const char *bits, bool is_idr)
{
    uint8_t bytes[64];
    cm_write_u32(w, (uint32_t)pack(bits, bytes) + 4);
    cm_write_u8(w, is_idr ? CM_SCENE_FLAG_IDR : 0);
    put_packed(w, bits, true);
}

/* Two groups of two pictures. */
static cm_status parse(const recipe *r, cm_scene **out)
{
    uint8_t file[512];
    cm_writer w = cm_writer_over(file, sizeof file);
    cm_write_text(&w, CM_SCENE_MAGIC_H265);
    cm_write_u16(&w, 640);
    cm_write_u16(&w, r->height);
    cm_write_u16(&w, 20);
    cm_write_u16(&w, 2);
    cm_write_u32(&w, 4);
    put_packed(&w, r->has_no_vps ? "" : "01000000 00000001 11001100", false);
    put_packed(&w, r->sps, false);
    put_packed(&w, r->pps, false);
    for (size_t i = 0; i < 4; i++)
        put_picture(&w, i % 2 == 0 ? r->idr : r->p, i % 2 == 0);
    assert_false(w.failed);
    return cm_scene_parse(cm_writer_done(&w), out);
}

/* Block 120 of 920: ten bits. */
static void a_scene_moves_below_a_strip(void **state)
{
    (void)state;
    cm_scene *scene;
    cm_h265_scene_sets grown = {0};
    assert_int_equal(parse(&GOOD, &scene), CM_OK);
    assert_int_equal(scene->codec, CM_VIDEO_H265);
    assert_int_equal(scene->cell, 1);
    assert_int_equal(scene->vps.size, 3);
    assert_int_equal(cm_h265_scene_sps_parse(scene->sps, &grown), CM_OK);
    assert_int_equal(grown.width, 640);
    assert_int_equal(grown.height, 320 + 3 * 16);
    assert_int_equal(grown.log2_order_count, 8);
    assert_bits(scene->pictures[0].slice, IDR_HEAD "0 0 1 0001111000 011 1 1 000000" IDR_DATA);
    assert_bits(scene->pictures[1].slice,
                P_HEAD "0 1 0001111000 010" REFS "0 00101 1 1 00" IDR_DATA);
    assert_true(scene->pictures[2].is_idr);
    assert_false(scene->pictures[3].is_idr);
    cm_scene_destroy(scene);
}

/* 7.4.7.1: order count and references are the same in all slices of a picture. */
static void a_strip_is_the_first_slice_of_its_picture(void **state)
{
    (void)state;
    cm_scene *scene;
    cm_darkroom *room;
    cm_picture picture;
    assert_int_equal(parse(&GOOD, &scene), CM_OK);
    assert_int_equal(cm_darkroom_create(scene->cell, &room), CM_OK);
    const cm_stamp stamp = {.code = {.camera = 7, .counter = 8}, .captured = {.us = 9}};
    const cm_strip strip = cm_strip_of(stamp.code, CM_TEXT("Door"), CM_TEXT("12:00:00"));
    cm_stamp back;
    assert_int_equal(cm_picture_write(room, scene, 0, stamp, &strip, &strip, &picture), CM_OK);
    assert_int_equal(picture.count, 6);
    assert_true(picture.is_idr);
    assert_int_equal(cm_h265_nal_type_of(picture.units[0]), CM_H265_NAL_VPS);
    assert_int_equal(cm_h265_nal_type_of(picture.units[3]), CM_H265_NAL_SEI_PREFIX);
    assert_int_equal(cm_stamp_parse(picture.units[3], &back), CM_OK);
    assert_int_equal(back.code.counter, 8);
    assert_bits(picture.units[4], IDR_HEAD "1 0 1 011 00100 1 0000");
    assert_int_equal(cm_picture_write(room, scene, 1, stamp, &strip, &strip, &picture), CM_OK);
    assert_int_equal(picture.count, 3);
    assert_bits(picture.units[1], P_HEAD "1 1 011" REFS "00100 1 000000");
    assert_in_range(picture.units[1].size, 50, 200); /* intra, and small all the same */
    cm_darkroom_destroy(room);
    cm_scene_destroy(scene);
}

static void what_a_strip_cannot_stand_above_is_refused(void **state)
{
    (void)state;
    static const recipe BAD[] = {
        {SPS_OF("00000000101000010", "010", "0 0 0 0"), PPS, IDR, P, 360, false}, /* 321 lines */
        {SPS_OF(HEIGHT_320, "1", "0 0 0 0"), PPS, IDR, P, 360, false},            /* blocks of 8 */
        {SPS_OF(HEIGHT_320, "010", "0 0 1 0"), PPS, IDR, P, 360, false},          /* SAO */
        {SPS_OF(HEIGHT_320, "010", "0 0 0 1"), PPS, IDR, P, 360, false},          /* PCM */
        {SPS, PPS_OF("1", "10100"), IDR, P, 360, false},                          /* QP by block */
        {SPS, PPS_OF("0", "10000"), IDR, P, 360, false},                          /* deblocked */
        {SPS, PPS, IDR_HEAD "0 0 1 011 1 1" IDR_DATA, P, 360, false},     /* not the first slice */
        {SPS, PPS, IDR_HEAD "1 0 1 010 1 1" IDR_DATA, P, 360, false},     /* P, in an IDR picture */
        {SPS, PPS, IDR_HEAD "1 0 1 011 1 0" IDR_DATA, P, 360, false},     /* no alignment */
        {SPS, PPS, IDR, P_OF("1 00", REFS), 360, false},                  /* B */
        {SPS, PPS, IDR, P_OF("010", "00000001 1 010 1 1 1"), 360, false}, /* a set of the SPS */
        {SPS, PPS, P, P, 360, false}, /* no IDR where one is due */
        {SPS, PPS, IDR, IDR, 360, false},
        {SPS, PPS, IDR, P, 400, false}, /* another height than was encoded */
        {SPS, PPS, IDR, P, 360, true},
        {PPS, PPS, IDR, P, 360, false},
        {SPS, SPS, IDR, P, 360, false},
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_scene *scene = NULL;
        if (parse(&BAD[i], &scene) != CM_REFUSE)
            fail_msg("bad scene %zu was taken", i);
        assert_null(scene);
    }
}

/* 9.3.2.2 by hand: slope and offset of 184 and 63 at QP 28. */
static void contexts_begin_as_their_initial_values_say(void **state)
{
    (void)state;
    cm_cabac_context c = cm_cabac_context_of(184, 28); /* 17 + 48 = 65 */
    assert_int_equal(c.state, 1);
    assert_int_equal(c.mps, 1);
    c = cm_cabac_context_of(63, 28); /* -53 + 104 = 51 */
    assert_int_equal(c.state, 63 - 51);
    assert_int_equal(c.mps, 0);
}

/* A terminating bin alone: 510 less 2, and the stop bit behind it. */
static void a_slice_ends_with_its_stop_bit(void **state)
{
    (void)state;
    uint8_t storage[8];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    cm_cabac c = cm_cabac_over(&w);
    cm_cabac_write_terminate(&c, true);
    cm_slice out;
    assert_int_equal(cm_bit_writer_finish(&w, &out), CM_OK);
    assert_true(out.size > 0 && out.bytes[out.size - 1] != 0);
    cm_bits r = cm_bits_over(out);
    /* 9.3.4.3.5: a decoder's nine bits are at or above the range less 2. */
    assert_true(cm_bits_read(&r, 9) >= 508 || out.size == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scene_moves_below_a_strip),
        cmocka_unit_test(a_strip_is_the_first_slice_of_its_picture),
        cmocka_unit_test(what_a_strip_cannot_stand_above_is_refused),
        cmocka_unit_test(contexts_begin_as_their_initial_values_say),
        cmocka_unit_test(a_slice_ends_with_its_stop_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
