/* simcam's pictures: bits, headers, strip, code, stamp, scene files. One behaviour a case. */
#include "simcam_scenes.h"

#include <stdlib.h>

#include "base/random.h"
#include "simcam/bit_writer.h"
#include "simcam/code.h"
#include "simcam/picture.h"
#include "simcam/scene_file.h"

#define assert_bits(slice, literal)                                                                \
    do {                                                                                           \
        uint8_t assert_bits_[64];                                                                  \
        const size_t assert_size_ = pack(literal, assert_bits_);                                   \
        assert_int_equal((slice).size, assert_size_);                                              \
        assert_memory_equal((slice).bytes, assert_bits_, assert_size_);                            \
    } while (0)

static void exp_golomb_codes_are_those_of_table_9_2(void **state)
{
    (void)state;
    uint8_t storage[32];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    for (uint32_t i = 0; i < 8; i++)
        cm_bit_write_ue(&w, i);
    cm_bit_write_se(&w, 2);
    cm_bit_write_se(&w, -2);
    cm_bit_write_trailing(&w);
    cm_slice out;
    assert_int_equal(cm_bit_writer_finish(&w, &out), CM_OK);
    assert_bits(out, "1 010 011 00100 00101 00110 00111 0001000 00100 00101 1");
}

static void exp_golomb_codes_round_trip(void **state)
{
    (void)state;
    static const uint32_t VALUES[] = {0, 1, 2, 254, 255, 256, 3599, 65534};
    uint8_t storage[128];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    for (size_t i = 0; i < CM_COUNT(VALUES); i++) {
        cm_bit_write_ue(&w, VALUES[i]);
        cm_bit_write_se(&w, -(int32_t)(VALUES[i] / 2));
    }
    cm_bit_write_trailing(&w);
    cm_slice out;
    assert_int_equal(cm_bit_writer_finish(&w, &out), CM_OK);
    cm_bits r = cm_bits_over(out);
    for (size_t i = 0; i < CM_COUNT(VALUES); i++) {
        assert_int_equal(cm_bits_read_ue(&r), VALUES[i]);
        assert_int_equal(cm_bits_read_se(&r), -(int32_t)(VALUES[i] / 2));
    }
    assert_false(r.failed);
}

static void a_full_bit_writer_says_so(void **state)
{
    (void)state;
    uint8_t storage[2];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    cm_bit_write(&w, 0xABCDEF, 24);
    cm_slice out;
    assert_int_equal(cm_bit_writer_finish(&w, &out), CM_FULL);
}

static void the_rest_is_copied_whatever_its_shift(void **state)
{
    (void)state;
    const cm_slice source = BYTES(0xA5, 0x3C, 0x00, 0xFF, 0x81, 0x40, 0x00);
    for (unsigned skip = 0; skip < 16; skip++)
        for (unsigned lead = 0; lead < 9; lead++) {
            uint8_t storage[32];
            cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
            cm_bit_write(&w, 0, lead);
            cm_bits r = cm_bits_over(source);
            (void)cm_bits_read(&r, skip);
            cm_bit_write_rest(&w, &r);
            cm_slice out;
            assert_int_equal(cm_bit_writer_finish(&w, &out), CM_OK);
            cm_bits copy = cm_bits_over(out);
            cm_bits original = cm_bits_over(source);
            assert_int_equal(cm_bits_read(&copy, lead), 0);
            (void)cm_bits_read(&original, skip);
            const unsigned bits = 42 - skip; /* the last 1 is bit 41 */
            assert_int_equal(out.size, (lead + bits + 7) / 8);
            for (unsigned i = 0; i < bits; i++)
                assert_int_equal(cm_bits_read(&copy, 1), cm_bits_read(&original, 1));
        }
}

static void nothing_but_zeros_has_no_rest(void **state)
{
    (void)state;
    uint8_t storage[8];
    cm_bit_writer w = cm_bit_writer_over(storage, sizeof storage);
    cm_bits r = cm_bits_over(BYTES(0x80, 0, 0));
    (void)cm_bits_read(&r, 1);
    cm_bit_write_rest(&w, &r);
    assert_true(r.failed);
}

static const cm_code A_CODE = {.camera = 0xBEEF, .counter = 0x01234567};

static void code_cells_are_laid_out_as_documented(void **state)
{
    (void)state;
    const cm_code_cells cells = cm_code_write((cm_code){.camera = 0x8001, .counter = 0x00010002});
    char text[CM_CODE_CELLS + 1] = {0};
    for (size_t i = 0; i < CM_CODE_CELLS; i++)
        text[i] = cells.is_light[i] ? '1' : '0';
    assert_memory_equal(text,
                        "10100110"
                        "1000000000000001"
                        "0000000000000001"
                        "0000000000000010",
                        56);
    assert_string_equal(text + 72, "01011001");
}

static void any_flipped_cell_is_refused(void **state)
{
    (void)state;
    cm_code out;
    for (size_t i = 0; i < CM_CODE_CELLS; i++) {
        cm_code_cells cells = cm_code_write(A_CODE);
        assert_int_equal(cm_code_parse(&cells, &out), CM_OK);
        assert_int_equal(out.camera, A_CODE.camera);
        assert_int_equal(out.counter, A_CODE.counter);
        cells.is_light[i] = !cells.is_light[i];
        assert_int_equal(cm_code_parse(&cells, &out), CM_REFUSE);
    }
}

/* A picture with the code painted on gray, with noise. */
static void paint_code(cm_code code, unsigned width, unsigned height, unsigned noise, uint8_t *out)
{
    const cm_code_cells cells = cm_code_write(code);
    cm_random random = cm_random_seeded(width);
    for (unsigned i = 0; i < width * height; i++) {
        const unsigned column = i % width * CM_CODE_COLUMNS / width;
        const unsigned row = i / width * CM_CODE_COLUMNS / width;
        int luma = 90;
        if (row < CM_CODE_ROWS)
            luma = cells.is_light[row * CM_CODE_COLUMNS + column] ? CM_CODE_LIGHT : CM_CODE_DARK;
        luma += noise > 0 ? (int)cm_random_below(&random, 2 * noise + 1) - (int)noise : 0;
        out[i] = (uint8_t)(luma < 0 ? 0 : luma);
    }
}

static cm_status read_painted(unsigned width, unsigned height, uint8_t *pixels, cm_code *out)
{
    return cm_code_read(&(cm_code_picture){.luma = cm_slice_over(pixels, (size_t)width * height),
                                           .width = width,
                                           .height = height,
                                           .stride = width},
                        out);
}

static void a_code_is_read_at_many_sizes_and_through_noise(void **state)
{
    (void)state;
    static const unsigned WIDTHS[] = {160, 320, 333, 640, 700, 1280, 1920};
    uint8_t *pixels = malloc(1920 * 1080);
    for (size_t i = 0; i < CM_COUNT(WIDTHS); i++) {
        const unsigned height = WIDTHS[i] * 9 / 16;
        cm_code out;
        paint_code(A_CODE, WIDTHS[i], height, 20, pixels);
        assert_int_equal(read_painted(WIDTHS[i], height, pixels, &out), CM_OK);
        assert_int_equal(out.camera, A_CODE.camera);
        assert_int_equal(out.counter, A_CODE.counter);
    }
    free(pixels);
}

static void a_picture_without_a_sure_code_has_none(void **state)
{
    (void)state;
    uint8_t *pixels = malloc(640 * 360);
    cm_code out;
    memset(pixels, 90, 640 * 360);
    assert_int_equal(read_painted(640, 360, pixels, &out), CM_ABSENT);
    cm_random random = cm_random_seeded(7);
    for (int i = 0; i < 200; i++) {
        cm_random_fill(&random, pixels, 640 * 360 / 10);
        assert_int_equal(read_painted(640, 360, pixels, &out), CM_ABSENT);
    }
    paint_code(A_CODE, 640, 360, 0, pixels);
    for (unsigned i = 0; i < 640 * 16; i++) /* one cell of the first row between dark and light */
        if (i % 640 / 16 == 20)
            pixels[i] = (CM_CODE_DARK + CM_CODE_LIGHT) / 2;
    assert_int_equal(read_painted(640, 360, pixels, &out), CM_ABSENT);
    assert_int_equal(read_painted(64, 36, pixels, &out), CM_ABSENT);
    assert_int_equal(read_painted(640, 30, pixels, &out), CM_ABSENT); /* lower than a strip */
    free(pixels);
}

static void strips_fit_only_widths_of_whole_macroblocks(void **state)
{
    (void)state;
    assert_int_equal(cm_code_cell_macroblocks(640), 1);
    assert_int_equal(cm_code_cell_macroblocks(1280), 2);
    assert_int_equal(cm_code_cell_macroblocks(1024), 0);
}

static void a_stamp_round_trips_and_nothing_else_is_one(void **state)
{
    (void)state;
    const cm_stamp stamp = {.code = {.camera = 0, .counter = 0}, .captured = {.us = 1}};
    uint8_t storage[CM_STAMP_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_stamp_write(CM_VIDEO_H264, stamp, &w); /* zeros: emulation prevention is needed */
    cm_slice nal;
    assert_int_equal(cm_writer_finish(&w, &nal), CM_OK);
    cm_stamp back;
    assert_int_equal(cm_stamp_parse(nal, &back), CM_OK);
    assert_true(back.code.camera == 0 && back.code.counter == 0 && back.captured.us == 1);
    for (size_t i = 0; i + 1 < nal.size; i++)
        assert_int_equal(cm_stamp_parse(cm_slice_part(nal, 0, i), &back), CM_ABSENT);
    for (size_t i = 0; i < 19; i++) { /* type, sizes, UUID */
        storage[i] ^= 0x04;
        assert_int_equal(cm_stamp_parse(nal, &back), CM_ABSENT);
        storage[i] ^= 0x04;
    }
}

static cm_parameters parse_parameters(uint8_t *sps, cm_slice *sps_nal)
{
    uint8_t pps[16];
    *sps_nal = cm_slice_over(sps, pack(SPS_BITS, sps));
    cm_parameters p;
    assert_int_equal(cm_sps_parse(*sps_nal, &p.sps), CM_OK);
    assert_int_equal(cm_pps_parse(cm_slice_over(pps, pack(PPS_BITS, pps)), &p.pps), CM_OK);
    return p;
}

static void parameter_sets_are_read(void **state)
{
    (void)state;
    uint8_t sps[32];
    cm_slice nal;
    const cm_parameters p = parse_parameters(sps, &nal);
    assert_int_equal(p.sps.width_mbs, 40);
    assert_int_equal(p.sps.height_mbs, 20);
    assert_int_equal(p.sps.log2_max_frame_num, 4);
    assert_int_equal(p.sps.level_idc, 22);
    assert_int_equal(p.pps.pic_init_qp, 23);
}

static void an_sps_grows_by_the_strip_and_keeps_the_rest(void **state)
{
    (void)state;
    uint8_t sps[32];
    cm_slice nal;
    (void)parse_parameters(sps, &nal);
    uint8_t storage[64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_sps_rewrite(nal, 3, 31, &w), CM_OK);
    const cm_slice grown = cm_writer_done(&w);
    assert_bits(grown, "01100111 01000010 11000000 00011111 1 1 011 010 0"
                       "00000101000 000010111 1 1 0 0 1");
    w = cm_writer_over(storage, 8);
    assert_int_equal(cm_sps_rewrite(nal, 3, 31, &w), CM_FULL);
}

static void a_cabac_pps_and_a_main_profile_sps_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[32];
    cm_parameters p;
    size_t size = pack("01101000 1 1 1 0 1 1 1 000 00111 1 00101 1 0 0 1", bytes);
    assert_int_equal(cm_pps_parse(cm_slice_over(bytes, size), &p.pps), CM_REFUSE);
    size = pack(SPS_BITS, bytes);
    bytes[1] = 77;
    assert_int_equal(cm_sps_parse(cm_slice_over(bytes, size), &p.sps), CM_REFUSE);
    assert_int_equal(cm_sps_parse(cm_slice_over(bytes, 5), &p.sps), CM_REFUSE);
    assert_int_equal(cm_sps_parse((cm_slice){0}, &p.sps), CM_REFUSE);
}

/* A P slice at macroblock 0 with frame_num 5, QP 25, undeblocked, and some data. */
static const char P_SLICE[] = "01000001 1 00110 1 0101 0 0 0 00100 010 1011001110001111 1";
static const char P_SLICE_MOVED[] =
    "01000001 0000001111001 00110 1 0101 0 0 0 00100 010 1011001110001111 1";

static void a_slice_moves_down_by_its_first_macroblock_only(void **state)
{
    (void)state;
    uint8_t sps[32];
    cm_slice nal;
    const cm_parameters p = parse_parameters(sps, &nal);
    uint8_t slice[32];
    const size_t size = pack(P_SLICE, slice);
    cm_buffer out;
    cm_buffer_init(&out, 4096);
    cm_slice_header h;
    assert_int_equal(cm_slice_move(cm_slice_over(slice, size), 120, &p, &out, &h), CM_OK);
    assert_bits(cm_buffer_data(&out), P_SLICE_MOVED);
    assert_true(h.first_mb_in_slice == 120 && h.frame_num == 5 && h.qp == 25);
    assert_true(!h.is_intra && !h.is_idr && !h.is_deblocked && h.nal_ref_idc == 2);
    cm_buffer_deinit(&out);
}

static void slices_that_a_strip_would_disturb_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "01000001 1 00110 1 0101 0 0 0 00100 1 1 1 1011 1",   /* deblocked */
        "01000001 1 00111 1 0101 0 0 0 00100 010 1011 1",     /* slice_type B */
        "01000001 1 00110 1 0101 1 010 0 0 00100 010 1011 1", /* two references */
        "01000001 1 00110 1 0101 0 1 0 00100 010 1011 1",     /* reordered references */
        "01000101 1 00110 1 0101 1 0 0 0 00100 010 1011 1",   /* P in an IDR picture */
        "01000001 1 00110 1 0101 0 0 0 0000001000000 010 1",  /* QP out of range */
        "01000110 1 00110 1 0101 0 0 0 00100 010 1011 1",     /* no slice at all */
        "01000001 0000000000000001000000000000000 00110 1 0101 0 0 0 00100 010 1011 1", /* far off
                                                                                         */
        "01000001 1 0011",
    };
    uint8_t sps[32];
    cm_slice nal;
    const cm_parameters p = parse_parameters(sps, &nal);
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        uint8_t slice[32];
        const size_t size = pack(BAD[i], slice);
        cm_buffer out;
        cm_buffer_init(&out, 4096);
        cm_slice_header h;
        assert_int_equal(cm_slice_move(cm_slice_over(slice, size), 120, &p, &out, &h), CM_REFUSE);
        cm_buffer_deinit(&out);
    }
}

static const cm_pps PPS = {.pic_init_qp = 26, .has_deblocking_control = true};
static const cm_slice_header P_HEADER = {
    .first_mb_in_slice = 120, .frame_num = 3, .nal_ref_idc = 2, .log2_frame_num = 4, .qp = 30};

static cm_slice write_strip(const cm_strip *now, const cm_strip *before, const cm_slice_header *h,
                            unsigned cell, uint8_t *storage, size_t size)
{
    cm_font *font;
    assert_int_equal(cm_font_create(cell, &font), CM_OK);
    uint8_t *scratch = malloc(size);
    cm_bit_writer bits = cm_bit_writer_over(scratch, size);
    cm_writer out = cm_writer_over(storage, size);
    assert_int_equal(cm_strip_write(now, before, font, h, &PPS, &bits, &out), CM_OK);
    free(scratch);
    cm_font_destroy(font);
    return cm_writer_done(&out);
}

static void a_strip_that_did_not_change_is_one_run_of_skips(void **state)
{
    (void)state;
    const cm_strip strip = cm_strip_of(A_CODE, CM_TEXT("Door"), CM_TEXT("12:00:00"));
    uint8_t storage[4096];
    const cm_slice nal = write_strip(&strip, &strip, &P_HEADER, 1, storage, sizeof storage);
    /* header: first_mb 0, P, frame_num 3, qp delta 20, no deblocking; mb_skip_run 120 */
    assert_bits(nal, "01000001 1 00110 1 0011 00 0 00000101000 010 0000001111001 1");
}

static void a_changed_cell_is_one_coefficient(void **state)
{
    (void)state;
    cm_strip before = cm_strip_of(A_CODE, CM_TEXT(""), CM_TEXT(""));
    memset(before.code.is_light, 0, sizeof before.code.is_light);
    cm_strip now = before;
    now.code.is_light[1] = true;
    uint8_t storage[4096];
    cm_slice nal = write_strip(&now, &before, &P_HEADER, 1, storage, sizeof storage);
    /* skip 1; I_16x16 with DC prediction (3 + 5), chroma DC, no QP change; one coefficient, no
     * trailing one, level 8 (code 12 after the bias: prefix of 12 zeros), total_zeros 0 */
    assert_bits(nal, "01000001 1 00110 1 0011 00 0 00000101000 010 "
                     "010 0001001 1 1 000101 0000000000001 1 0000001110111 1");
    /* The one below reads its neighbours: left dark, above light, so 16 x 2 over their mean. */
    now.code.is_light[41] = true;
    nal = write_strip(&now, &before, &P_HEADER, 1, storage, sizeof storage);
    assert_bits(nal, "01000001 1 00110 1 0011 00 0 00000101000 010 "
                     "010 0001001 1 1 000101 0000000000001 1 "
                     "00000101000 0001001 1 1 000101 00001 1 000000 1001111 1");
}

static void changed_letters_only_are_sent_raw(void **state)
{
    (void)state;
    const cm_strip before = cm_strip_of(A_CODE, CM_TEXT("Door"), CM_TEXT("12:00:08"));
    const cm_strip now = cm_strip_of(A_CODE, CM_TEXT("Door"), CM_TEXT("12:00:09"));
    const size_t size = cm_strip_size_max(2);
    uint8_t *storage = malloc(size);
    const cm_slice nal = write_strip(&now, &before, &P_HEADER, 2, storage, size);
    assert_in_range(nal.size, 2 * 384, 2 * 384 + 24); /* one letter: two macroblocks */
    free(storage);
}

static void an_intra_strip_says_everything_and_fits(void **state)
{
    (void)state;
    const cm_slice_header header = {
        .is_idr = true, .is_intra = true, .nal_ref_idc = 3, .log2_frame_num = 4, .idr_pic_id = 1};
    char name[CM_STRIP_COLUMNS + 1];
    memset(name, 'W', CM_STRIP_COLUMNS);
    name[CM_STRIP_COLUMNS] = '\0';
    for (unsigned cell = 1; cell <= 4; cell++) {
        const cm_strip strip = cm_strip_of(A_CODE, cm_slice_of(name), CM_TEXT("12:00:00"));
        const size_t size = cm_strip_size_max(cell);
        uint8_t *storage = malloc(size);
        const cm_slice nal = write_strip(&strip, NULL, &header, cell, storage, size);
        assert_int_equal(nal.bytes[0], 0x65);
        free(storage);
    }
}

static void letters_leave_their_right_and_bottom_edges_free(void **state)
{
    (void)state;
    for (unsigned scale = 1; scale <= 4; scale++) {
        cm_font *font;
        assert_int_equal(cm_font_create(scale, &font), CM_OK);
        unsigned inked = 0;
        for (unsigned glyph = 0; glyph < 256; glyph++) {
            for (unsigned y = 0; y < 16 * scale; y++) {
                assert_int_equal(cm_font_ink(font, (uint8_t)glyph, 8 * scale - 1, y), 0);
                for (unsigned x = 0; x < 8 * scale; x++)
                    inked += cm_font_ink(font, (uint8_t)glyph, x, y) > 128;
            }
            for (unsigned x = 0; x < 8 * scale; x++)
                assert_int_equal(cm_font_ink(font, (uint8_t)glyph, x, 16 * scale - 1), 0);
        }
        assert_true(inked > 80 * 10);
        cm_font_destroy(font);
    }
    cm_font *font;
    assert_int_equal(cm_font_create(0, &font), CM_REFUSE);
    assert_int_equal(cm_font_create(9, &font), CM_REFUSE);
}

static void names_are_cut_before_the_clock(void **state)
{
    (void)state;
    uint8_t glyphs[8];
    assert_int_equal(cm_font_glyphs(CM_TEXT("Caff\xC3\xA8"), glyphs, 8), 5);
    uint8_t plain[8];
    assert_int_equal(cm_font_glyphs(CM_TEXT("Caffe"), plain, 8), 5);
    assert_memory_equal(glyphs, plain, 5);
    assert_int_equal(cm_font_glyphs(CM_TEXT("\xE0\xA4\x98\xFF\xC3"), glyphs, 8), 3);
    assert_true(glyphs[0] == glyphs[1] && glyphs[0] == glyphs[2] && glyphs[0] != CM_FONT_SPACE);
    char name[100];
    memset(name, 'M', sizeof name);
    const cm_strip strip =
        cm_strip_of(A_CODE, cm_slice_over(name, sizeof name), CM_TEXT("12:34:56"));
    assert_int_equal(strip.glyphs[0], CM_FONT_SPACE);
    assert_int_equal(strip.glyphs[68], 'M' - ' ');
    assert_int_equal(strip.glyphs[69], CM_FONT_SPACE);
    assert_int_equal(strip.glyphs[70], CM_FONT_SPACE);
    assert_int_equal(strip.glyphs[71], '1' - ' ');
    assert_int_equal(strip.glyphs[79], CM_FONT_SPACE);
}

static void a_scene_file_becomes_a_scene_with_room_for_a_strip(void **state)
{
    (void)state;
    cm_scene *scene;
    assert_int_equal(parse_scene(GOOD_SCENE, &scene), CM_OK);
    assert_int_equal(scene->cell, 1);
    assert_int_equal(scene->picture_count, 2);
    assert_int_equal(scene->pictures[1].header.first_mb_in_slice, 120);
    assert_int_equal(scene->pictures[1].header.idr_pic_id, 1);
    cm_sps sps;
    assert_int_equal(cm_sps_parse(scene->sps, &sps), CM_OK);
    assert_int_equal(sps.height_mbs, 23);
    assert_int_equal(sps.level_idc, 22);

    cm_darkroom *room;
    assert_int_equal(cm_darkroom_create(1, &room), CM_OK);
    const cm_strip strip = cm_strip_of(A_CODE, CM_TEXT("Door"), CM_TEXT("12:00:00"));
    cm_picture picture;
    assert_int_equal(
        cm_picture_write(room, scene, 3, (cm_stamp){.code = A_CODE}, &strip, &strip, &picture),
        CM_OK);
    assert_int_equal(picture.count, 5);
    static const uint8_t TYPES[] = {7, 8, 6, 5, 5};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(picture.units[i].bytes[0] & 0x1F, TYPES[i]);
    assert_ptr_equal(picture.units[4].bytes, scene->pictures[1].slice.bytes);
    cm_darkroom_destroy(room);
    cm_scene_destroy(scene);
}

static void a_scene_file_with_anything_wrong_is_refused(void **state)
{
    (void)state;
    cm_scene *scene;
    scene_recipe r = GOOD_SCENE;
    r.magic = "cmscene2";
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    r.width = 1280; /* not what the SPS says */
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    r.gop = 2; /* the groups are not even */
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    r.last_flags = 0;
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    r.is_idr_pic_id_stuck = true;
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    r.has_tail = true;
    assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    r = GOOD_SCENE;
    for (r.last_cut = 1; r.last_cut < 60; r.last_cut++)
        assert_int_equal(parse_scene(r, &scene), CM_REFUSE);
    assert_int_equal(cm_scene_parse((cm_slice){0}, &scene), CM_REFUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_golomb_codes_are_those_of_table_9_2),
        cmocka_unit_test(exp_golomb_codes_round_trip),
        cmocka_unit_test(a_full_bit_writer_says_so),
        cmocka_unit_test(the_rest_is_copied_whatever_its_shift),
        cmocka_unit_test(nothing_but_zeros_has_no_rest),
        cmocka_unit_test(code_cells_are_laid_out_as_documented),
        cmocka_unit_test(any_flipped_cell_is_refused),
        cmocka_unit_test(a_code_is_read_at_many_sizes_and_through_noise),
        cmocka_unit_test(a_picture_without_a_sure_code_has_none),
        cmocka_unit_test(strips_fit_only_widths_of_whole_macroblocks),
        cmocka_unit_test(a_stamp_round_trips_and_nothing_else_is_one),
        cmocka_unit_test(parameter_sets_are_read),
        cmocka_unit_test(an_sps_grows_by_the_strip_and_keeps_the_rest),
        cmocka_unit_test(a_cabac_pps_and_a_main_profile_sps_are_refused),
        cmocka_unit_test(a_slice_moves_down_by_its_first_macroblock_only),
        cmocka_unit_test(slices_that_a_strip_would_disturb_are_refused),
        cmocka_unit_test(a_strip_that_did_not_change_is_one_run_of_skips),
        cmocka_unit_test(a_changed_cell_is_one_coefficient),
        cmocka_unit_test(changed_letters_only_are_sent_raw),
        cmocka_unit_test(an_intra_strip_says_everything_and_fits),
        cmocka_unit_test(letters_leave_their_right_and_bottom_edges_free),
        cmocka_unit_test(names_are_cut_before_the_clock),
        cmocka_unit_test(a_scene_file_becomes_a_scene_with_room_for_a_strip),
        cmocka_unit_test(a_scene_file_with_anything_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
