/* proto/h265 without its depacketizer: ITU-T H.265 7.3, Annex E; RFC 7798, 4.4.1 and 4.4.3. */
#include "h265_sets.h"

#include "bit_string.h"
#include "proto/h265/nal.h"
#include "proto/h265/packetize.h"
#include "proto/h265/parameter_sets.h"
#include "proto/h265/sps.h"

/* ---- NAL units ---- */

static void headers_are_read_or_refused(void **state)
{
    (void)state;
    cm_h265_nal_header header = {.layer_id = 9};
    assert_int_equal(cm_h265_nal_header_parse(BYTES(0x2b, 0x1b), &header), CM_OK);
    assert_int_equal(header.type, CM_H265_NAL_CRA);
    assert_int_equal(header.layer_id, 0x23);
    assert_int_equal(header.temporal_id, 2);
    const cm_slice BAD[] = {{0}, BYTES(0x40), BYTES(0xc0, 0x01), BYTES(0x40, 0x08)};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_h265_nal_header_parse(BAD[i], &header), CM_CLOSE);
    assert_int_equal(header.layer_id, 0x23);
}

static void types_slices_and_names_are_told_apart(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 64; type++) {
        const cm_slice nal = BYTES((uint8_t)(type << 1), 1, 0x80);
        assert_int_equal(cm_h265_nal_type_of(nal), type);
        const bool is_irap = type >= 16 && type <= 21;
        assert_int_equal(cm_h265_nal_is_irap(nal), is_irap);
        assert_int_equal(cm_h265_nal_is_slice(nal), is_irap || type <= 9);
        assert_int_equal(cm_h265_nal_is_rasl(nal), type == 8 || type == 9);
        assert_int_equal(cm_h265_nal_begins_picture(nal), is_irap || type <= 9);
        assert_non_null(cm_h265_nal_type_name((cm_h265_nal_type)type));
    }
    assert_int_equal(cm_h265_nal_type_of(BYTES(0x40)), CM_H265_NAL_NONE);
    assert_false(cm_h265_nal_is_slice((cm_slice){0}));
    assert_false(cm_h265_nal_begins_picture(BYTES(0x26, 1)));
    assert_false(cm_h265_nal_begins_picture(BYTES(0x26, 1, 0x7f)));
    assert_string_equal(cm_h265_nal_type_name(CM_H265_NAL_PACI), "PACI");
    assert_string_equal(cm_h265_nal_type_name((cm_h265_nal_type)22), "reserved");
    assert_string_equal(cm_h265_nal_type_name(CM_H265_NAL_NONE), "reserved");
}

/* ---- parameter sets as they are met ---- */

static cm_h265_sps parsed(cm_slice nal)
{
    cm_h265_sps sps;
    assert_int_equal(cm_h265_sps_parse(nal, &sps), CM_OK);
    return sps;
}

static void expect_codecs(const cm_h265_profile *profile, const char *text)
{
    char codecs[CM_H265_CODECS_SIZE];
    cm_h265_codecs(profile, codecs);
    assert_string_equal(codecs, text);
}

static void a_main_sps_says_size_rate_and_no_reordering(void **state)
{
    (void)state;
    const cm_h265_sps sps = parsed(SPS_MAIN);
    assert_int_equal(sps.width, 640);
    assert_int_equal(sps.height, 360);
    assert_int_equal(sps.chroma_format_idc, 1);
    assert_int_equal(sps.bit_depth_luma, 8);
    assert_int_equal(sps.max_sub_layers, 1);
    assert_true(sps.is_temporal_id_nested);
    assert_int_equal(sps.max_num_reorder, 0);
    assert_false(sps.is_field_sequence);
    assert_int_equal(cm_h265_frame_rate_milli(&sps.timing), 15000);
    assert_int_equal(sps.profile.profile_idc, 1);
    assert_int_equal(sps.profile.level_idc, 63);
    expect_codecs(&sps.profile, "hvc1.1.6.L63.90");
}

static void an_sps_is_cropped_and_read_past_its_hrd(void **state)
{
    (void)state;
    const cm_h265_sps sps = parsed(SPS_HD);
    assert_int_equal(sps.width, 1920);
    assert_int_equal(sps.height, 1080);
    assert_int_equal(sps.max_num_reorder, 2);
    assert_int_equal(cm_h265_frame_rate_milli(&sps.timing), 25000);
    expect_codecs(&sps.profile, "hvc1.1.6.L120.90");
}

static void other_formats_and_sub_layers_are_read(void **state)
{
    (void)state;
    cm_h265_sps sps = parsed(SPS_MAIN_10);
    assert_int_equal(sps.bit_depth_luma, 10);
    assert_int_equal(sps.bit_depth_chroma, 10);
    expect_codecs(&sps.profile, "hvc1.2.4.L60.90");
    sps = parsed(SPS_SUB_LAYERS);
    assert_int_equal(sps.max_sub_layers, 2);
    assert_int_equal(sps.width, 320);
    assert_int_equal(sps.height, 240);
    assert_int_equal(sps.max_num_reorder, 2);
    assert_true(sps.is_field_sequence);
    assert_true(sps.profile.is_high_tier);
    expect_codecs(&sps.profile, "hvc1.1.6.H123.40");
    sps = parsed(SPS_422);
    assert_int_equal(sps.chroma_format_idc, 2);
    assert_int_equal(sps.width, 322);
    assert_int_equal(sps.height, 242);
    sps = parsed(SPS_444);
    assert_int_equal(sps.chroma_format_idc, 3);
    assert_int_equal(sps.width, 322);
    assert_int_equal(sps.height, 242);
    expect_codecs(&sps.profile, "hvc1.4.10.L60.9E.8");
}

static void codecs_are_as_long_as_the_profile_makes_them(void **state)
{
    (void)state;
    cm_h265_profile profile = {.profile_space = 3,
                               .is_high_tier = true,
                               .profile_idc = 31,
                               .level_idc = 255,
                               .compatibility_flags = UINT32_MAX,
                               .constraint_flags = (UINT64_C(1) << 48) - 1};
    expect_codecs(&profile, "hvc1.C31.FFFFFFFF.H255.FF.FF.FF.FF.FF.FF");
    profile.constraint_flags = 0x90000000000a;
    expect_codecs(&profile, "hvc1.C31.FFFFFFFF.H255.90.0.0.0.0.A");
    profile = (cm_h265_profile){.profile_idc = 1, .level_idc = 93};
    expect_codecs(&profile, "hvc1.1.0.L93");
}

static void a_vps_says_sub_layers_and_profile(void **state)
{
    (void)state;
    cm_h265_vps vps;
    assert_int_equal(cm_h265_vps_parse(VPS_SUB_LAYERS, &vps), CM_OK);
    assert_int_equal(vps.id, 0);
    assert_int_equal(vps.max_sub_layers, 2);
    assert_int_equal(vps.profile.level_idc, 123);
    assert_int_equal(vps.timing.num_units_in_tick, 0);
    assert_int_equal(cm_h265_vps_parse(VPS_MAIN, &vps), CM_OK);
    assert_int_equal(vps.max_sub_layers, 1);
    assert_true(vps.is_temporal_id_nested);
}

static void every_truncation_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    const cm_slice WHOLE[] = {SPS_MAIN, SPS_HD, SPS_MAIN_10, SPS_SUB_LAYERS, SPS_422, SPS_444};
    for (size_t i = 0; i < CM_COUNT(WHOLE); i++) {
        for (size_t size = 0; size < WHOLE[i].size; size++) {
            cm_h265_sps sps = {.width = 7};
            assert_int_equal(cm_h265_sps_parse(cm_slice_part(WHOLE[i], 0, size), &sps), CM_CLOSE);
            assert_int_equal(sps.width, 7);
        }
    }
    const cm_slice vps_whole = VPS_MAIN;
    for (size_t size = 0; size + 1 < vps_whole.size; size++) {
        cm_h265_vps vps = {.id = 7};
        assert_int_equal(cm_h265_vps_parse(cm_slice_part(vps_whole, 0, size), &vps), CM_CLOSE);
        assert_int_equal(vps.id, 7);
    }
}

static void another_nal_or_layer_is_refused(void **state)
{
    (void)state;
    cm_h265_sps sps;
    cm_h265_vps vps;
    cm_h265_pps_ids ids;
    static uint8_t huge[CM_H265_MAX_PARAMETER_SET_BYTES + 1] = {0x42, 0x01, 0x01};
    assert_int_equal(cm_h265_sps_parse(PPS_MAIN, &sps), CM_REFUSE);
    assert_int_equal(cm_h265_vps_parse(SPS_MAIN, &vps), CM_REFUSE);
    assert_int_equal(cm_h265_pps_parse(VPS_MAIN, &ids), CM_REFUSE);
    assert_int_equal(cm_h265_pps_parse(BYTES(0x44, 0x09, 0xc1, 0x72), &ids), CM_REFUSE);
    assert_int_equal(cm_h265_pps_parse(BYTES(0xc4, 0x01, 0xc1, 0x72), &ids), CM_CLOSE);
    assert_int_equal(cm_h265_pps_parse(BYTES(0x44, 0x01), &ids), CM_CLOSE);
    assert_int_equal(cm_h265_sps_parse(cm_slice_over(huge, sizeof huge), &sps), CM_REFUSE);
    assert_int_equal(cm_h265_pps_parse(PPS_MAIN, &ids), CM_OK);
    assert_int_equal(ids.pps_id, 0);
    assert_int_equal(ids.sps_id, 0);
    /* ue(v) 64, 0 and ue(v) 0, 16 */
    assert_int_equal(cm_h265_pps_parse(BYTES(0x44, 0x01, 0x02, 0x0e), &ids), CM_REFUSE);
    assert_int_equal(cm_h265_pps_parse(BYTES(0x44, 0x01, 0x84, 0x60), &ids), CM_REFUSE);
}

/* ---- an SPS built bit by bit ---- */

/* What the cases below vary; all else is 0. A callback writes a part of its own instead. */
typedef struct sps_fields {
    uint32_t sub_layers_minus1, id, chroma, depth, poc_bits_minus4, buffering_minus1, reorder;
    uint32_t width, height; /* 64 unless said */
    uint32_t crop_right, crop_bottom;
    bool has_scaling, has_pcm;
    uint32_t long_term;
    void (*put_sets)(bit_string *s); /* num_short_term_ref_pic_sets and the sets */
    bool has_vui;
    uint32_t ticks, scale;
    bool has_hrd, is_low_delay;
    uint32_t cpb_count_minus1, segmentation;
    bool has_extension;
} sps_fields;

static void put_profile(bit_string *s, uint32_t sub_layers_minus1)
{
    put_bits(s, 0x01, 8);
    put_bits(s, 0x60000000, 32);
    put_bits(s, 0x900000000000, 48);
    put_bits(s, 93, 8);
    for (uint32_t i = 0; i < sub_layers_minus1; i++)
        put_bits(s, i % 2 == 0 ? 3 : 1, 2); /* profile and level, or level alone */
    for (uint32_t i = sub_layers_minus1; sub_layers_minus1 > 0 && i < 8; i++)
        put_bits(s, 0, 2);
    for (uint32_t i = 0; i < sub_layers_minus1; i++) {
        put_bits(s, UINT64_MAX, i % 2 == 0 ? 44 : 0);
        put_bits(s, UINT64_MAX, i % 2 == 0 ? 44 : 0);
        put_bits(s, 90, 8);
    }
}

static void put_format(bit_string *s, const sps_fields *f)
{
    put_ue(s, f->id);
    put_ue(s, f->chroma);
    if (f->chroma == 3)
        put_bits(s, 0, 1);
    put_ue(s, f->width > 0 ? f->width : 64);
    put_ue(s, f->height > 0 ? f->height : 64);
    put_bits(s, 1, 1);
    put_ue(s, 0);
    put_ue(s, f->crop_right);
    put_ue(s, 0);
    put_ue(s, f->crop_bottom);
    put_ue(s, f->depth);
    put_ue(s, f->depth);
}

static void put_scaling(bit_string *s)
{
    for (int size = 0; size < 4; size++) {
        for (int matrix = 0; matrix < (size == 3 ? 2 : 6); matrix++) {
            put_bits(s, matrix % 2, 1); /* every other list is there */
            if (matrix % 2 == 0) {
                put_ue(s, 0);
                continue;
            }
            if (size > 1)
                put_se(s, 8);
            for (int i = 0; i < (size == 0 ? 16 : 64); i++)
                put_se(s, 0);
        }
    }
}

static void put_tools(bit_string *s, const sps_fields *f)
{
    for (int i = 0; i < 6; i++)
        put_ue(s, 1);
    put_bits(s, f->has_scaling ? 3 : 0, f->has_scaling ? 2 : 1);
    if (f->has_scaling)
        put_scaling(s);
    put_bits(s, 3, 2);
    put_bits(s, f->has_pcm, 1);
    if (f->has_pcm) {
        put_bits(s, 0x77, 8);
        put_ue(s, 0);
        put_ue(s, 2);
        put_bits(s, 1, 1);
    }
}

static void put_hrd(bit_string *s, const sps_fields *f)
{
    put_bits(s, 3, 2); /* NAL and VCL */
    put_bits(s, 1, 1); /* of sub-pictures */
    put_bits(s, 0x7ffff, 19);
    put_bits(s, 0xff, 8);
    put_bits(s, 0xf, 4);
    put_bits(s, 0x7fff, 15);
    for (uint32_t i = 0; i <= f->sub_layers_minus1; i++) {
        put_bits(s, f->is_low_delay ? 0 : 1, f->is_low_delay ? 2 : 1); /* not fixed, or fixed */
        if (f->is_low_delay)
            put_bits(s, 1, 1);
        else
            put_ue(s, 0);
        if (!f->is_low_delay)
            put_ue(s, f->cpb_count_minus1);
        for (uint32_t cpb = 0; cpb < 2 * (f->cpb_count_minus1 + 1) && cpb < 80; cpb++) {
            for (int value = 0; value < 4; value++)
                put_ue(s, 1);
            put_bits(s, 1, 1);
        }
    }
}

static void put_vui(bit_string *s, const sps_fields *f)
{
    put_bits(s, 1, 1); /* aspect ratio, extended */
    put_bits(s, 255, 8);
    put_bits(s, 0x00010001, 32);
    put_bits(s, 3, 2);    /* overscan */
    put_bits(s, 0x37, 6); /* video signal with colours */
    put_bits(s, 0x010101, 24);
    put_bits(s, 1, 1); /* chroma location */
    put_ue(s, 1);
    put_ue(s, 1);
    put_bits(s, 0, 3);
    put_bits(s, 1, 1); /* default display window */
    for (int i = 0; i < 4; i++)
        put_ue(s, 9);
    put_bits(s, 1, 1);
    put_bits(s, f->ticks, 32);
    put_bits(s, f->scale, 32);
    put_bits(s, 1, 1);
    put_ue(s, 0);
    put_bits(s, f->has_hrd, 1);
    if (f->has_hrd)
        put_hrd(s, f);
    put_bits(s, 1, 1);
    put_bits(s, 0, 3);
    put_ue(s, f->segmentation);
    for (int i = 0; i < 4; i++)
        put_ue(s, 2);
}

static void put_sps(bit_string *s, const sps_fields *f)
{
    put_bits(s, 0x4201, 16);
    put_bits(s, 5, 4);
    put_bits(s, f->sub_layers_minus1, 3);
    put_bits(s, 1, 1);
    put_profile(s, f->sub_layers_minus1);
    put_format(s, f);
    put_ue(s, f->poc_bits_minus4);
    put_bits(s, 1, 1);
    for (uint32_t i = 0; i <= f->sub_layers_minus1; i++) {
        put_ue(s, f->buffering_minus1);
        put_ue(s, i == f->sub_layers_minus1 ? f->reorder : 0);
        put_ue(s, 0);
    }
    put_tools(s, f);
    if (f->put_sets != NULL)
        f->put_sets(s);
    else
        put_ue(s, 0);
    put_bits(s, f->long_term > 0, 1);
    if (f->long_term > 0)
        put_ue(s, f->long_term);
    for (uint32_t i = 0; i < f->long_term; i++)
        put_bits(s, 1, f->poc_bits_minus4 + 5);
    put_bits(s, 3, 2);
    put_bits(s, f->has_vui, 1);
    if (f->has_vui)
        put_vui(s, f);
    put_bits(s, f->has_extension ? 2 : 1, f->has_extension ? 3 : 2); /* and the stop bit */
}

static cm_status parse_fields(const sps_fields *f, cm_h265_sps *out)
{
    bit_string s = {0};
    put_sps(&s, f);
    uint8_t escaped[512];
    cm_writer w = cm_writer_over(escaped, sizeof escaped);
    assert_int_equal(cm_h264_escape(bit_string_bytes(&s), &w), CM_OK);
    return cm_h265_sps_parse(cm_writer_done(&w), out);
}

#define assert_fields(status, ...)                                                                 \
    do {                                                                                           \
        const sps_fields fields_ = {__VA_ARGS__};                                                  \
        assert_int_equal(parse_fields(&fields_, &sps), status);                                    \
    } while (0)

/* The timing stands at the far end: read right only if everything before it was. */
#define assert_read_to_the_end(...)                                                                \
    do {                                                                                           \
        sps = (cm_h265_sps){0};                                                                    \
        assert_fields(CM_OK, .has_vui = true, .ticks = 1001, .scale = 30000, .segmentation = 77,   \
                      __VA_ARGS__);                                                                \
        assert_int_equal(cm_h265_frame_rate_milli(&sps.timing), 29970);                            \
        assert_int_equal(sps.min_spatial_segmentation_idc, 77);                                    \
    } while (0)

static void sizes_are_bounded_either_way(void **state)
{
    (void)state;
    cm_h265_sps sps;
    assert_fields(CM_OK, .width = 8192, .height = 8192);
    assert_int_equal(sps.width, 8192);
    assert_int_equal(sps.height, 8192);
    assert_int_equal(sps.vps_id, 5);
    assert_fields(CM_REFUSE, .width = 8193);
    assert_fields(CM_REFUSE, .height = 8193);
    assert_fields(CM_REFUSE, .width = UINT32_MAX - 1);
    assert_fields(CM_REFUSE, .height = UINT32_MAX - 1);
}

static void cropping_may_not_eat_the_picture(void **state)
{
    (void)state;
    cm_h265_sps sps;
    assert_fields(CM_OK, .chroma = 1, .crop_right = 31, .crop_bottom = 31);
    assert_int_equal(sps.width, 2);
    assert_int_equal(sps.height, 2);
    assert_fields(CM_REFUSE, .chroma = 1, .crop_right = 32);
    assert_fields(CM_REFUSE, .chroma = 1, .crop_bottom = 32);
    assert_fields(CM_REFUSE, .chroma = 1, .crop_right = UINT32_MAX - 1);
    assert_fields(CM_OK, .chroma = 2, .crop_right = 3, .crop_bottom = 3);
    assert_int_equal(sps.width, 58);
    assert_int_equal(sps.height, 61);
    assert_fields(CM_OK, .chroma = 0, .crop_right = 3, .crop_bottom = 3);
    assert_int_equal(sps.width, 61);
}

static void values_that_the_standard_reserves_are_refused(void **state)
{
    (void)state;
    cm_h265_sps sps;
    assert_fields(CM_OK, .id = 15, .depth = 7, .buffering_minus1 = 15, .reorder = 15);
    assert_int_equal(sps.id, 15);
    assert_int_equal(sps.bit_depth_luma, 15);
    assert_int_equal(sps.max_num_reorder, 15);
    assert_fields(CM_REFUSE, .id = 16);
    assert_fields(CM_REFUSE, .sub_layers_minus1 = 7);
    assert_fields(CM_REFUSE, .chroma = 4);
    assert_fields(CM_REFUSE, .depth = 8);
    assert_fields(CM_REFUSE, .poc_bits_minus4 = 13);
    assert_fields(CM_REFUSE, .buffering_minus1 = 16);
    assert_fields(CM_REFUSE, .buffering_minus1 = 1, .reorder = 2);
    assert_fields(CM_REFUSE, .long_term = 33);
    assert_fields(CM_REFUSE, .has_vui = true, .segmentation = 4096);
    assert_fields(CM_REFUSE, .has_vui = true, .has_hrd = true, .cpb_count_minus1 = 32);
}

static void everything_between_is_passed_over(void **state)
{
    (void)state;
    cm_h265_sps sps;
    assert_read_to_the_end(.chroma = 1);
    for (uint32_t minus1 = 0; minus1 < 7; minus1++) {
        assert_read_to_the_end(.sub_layers_minus1 = minus1, .buffering_minus1 = 2, .reorder = 2);
        assert_int_equal(sps.max_sub_layers, minus1 + 1);
        assert_int_equal(sps.max_num_reorder, 2);
    }
    assert_read_to_the_end(.chroma = 3, .has_scaling = true);
    assert_read_to_the_end(.has_pcm = true, .long_term = 32, .poc_bits_minus4 = 12);
    assert_read_to_the_end(.has_hrd = true, .cpb_count_minus1 = 31);
    assert_read_to_the_end(.has_hrd = true, .sub_layers_minus1 = 2);
    assert_read_to_the_end(.has_hrd = true, .is_low_delay = true);
    assert_read_to_the_end(.has_extension = true);
    /* Seven far sub-layers would come after the eighth pair of bits. */
    assert_int_equal(sps.profile.level_idc, 93);
}

/* 7.3.7: one set of `before` and `after` pictures, a step of 1 each. */
static void put_explicit_set(bit_string *s, uint32_t before, uint32_t after)
{
    put_ue(s, before);
    put_ue(s, after);
    for (uint32_t i = 0; i < before + after; i++) {
        put_ue(s, 0);
        put_bits(s, 1, 1);
    }
}

/* Predicted from the set before by `delta`; of its candidates those that `uses` names by bits. */
static void put_predicted_set(bit_string *s, int32_t delta, uint32_t candidates, uint32_t uses)
{
    put_bits(s, 1, 1);
    put_bits(s, delta < 0, 1);
    put_ue(s, (uint32_t)(delta < 0 ? -delta : delta) - 1);
    for (uint32_t i = 0; i < candidates; i++)
        put_bits(s, uses >> i & 1, (uses >> i & 1) != 0 ? 1 : 2);
}

static void put_chain(bit_string *s)
{
    put_ue(s, 4);
    put_explicit_set(s, 2, 1);        /* -1 -2 +1 */
    put_predicted_set(s, -1, 4, 0xf); /* +1 becomes 0 and falls out: -1 -2 -3 */
    put_predicted_set(s, 2, 4, 0xd);  /* without -2: -1, then +1 and +2 */
    put_predicted_set(s, 1, 4, 0xf);  /* -1 becomes 0: +1 +2 +3 */
}

static void put_full_sets(bit_string *s)
{
    put_ue(s, 2);
    put_explicit_set(s, 8, 8);
    put_predicted_set(s, -100, 17, 0xffff);
}

static void put_too_many_predicted(bit_string *s)
{
    put_ue(s, 2);
    put_explicit_set(s, 8, 8);
    put_predicted_set(s, -100, 17, 0x1ffff);
}

static void put_too_many_pictures(bit_string *s)
{
    put_ue(s, 1);
    put_explicit_set(s, 8, 9);
}

static void put_too_many_sets(bit_string *s)
{
    put_ue(s, 65);
}

static void put_too_far(bit_string *s)
{
    put_ue(s, 1);
    put_ue(s, 1);
    put_ue(s, 0);
    put_ue(s, 1 << 15);
    put_bits(s, 1, 1);
}

static void put_predicted_too_far(bit_string *s)
{
    put_ue(s, 2);
    put_explicit_set(s, 1, 0);
    put_predicted_set(s, -(1 << 15) - 1, 2, 3);
}

static void reference_sets_predicted_from_others_are_passed_over(void **state)
{
    (void)state;
    cm_h265_sps sps;
    assert_read_to_the_end(.put_sets = put_chain);
    assert_read_to_the_end(.put_sets = put_full_sets);
    assert_fields(CM_REFUSE, .put_sets = put_too_many_predicted);
    assert_fields(CM_REFUSE, .put_sets = put_too_many_pictures);
    assert_fields(CM_REFUSE, .put_sets = put_too_many_sets);
    assert_fields(CM_REFUSE, .put_sets = put_too_far);
    assert_fields(CM_REFUSE, .put_sets = put_predicted_too_far);
}

static void a_rate_that_makes_no_sense_is_none(void **state)
{
    (void)state;
    const cm_h265_timing NONE[] = {{0, 30}, {1, UINT32_MAX}, {1, 0}};
    for (size_t i = 0; i < CM_COUNT(NONE); i++)
        assert_int_equal(cm_h265_frame_rate_milli(&NONE[i]), 0);
    const cm_h265_timing film = {1001, 24000};
    assert_int_equal(cm_h265_frame_rate_milli(&film), 23976);
}

/* A VPS with one layer set of 3 layers, and timing; `id` 0 to 15. */
static cm_slice make_vps(uint8_t *storage, size_t capacity, uint8_t id, uint32_t layer_sets_minus1)
{
    bit_string s = {0};
    put_bits(&s, 0x4001, 16);
    put_bits(&s, id, 4);
    put_bits(&s, 3, 2);
    put_bits(&s, 0, 9);
    put_bits(&s, 1, 1);
    put_bits(&s, 0xffff, 16);
    put_profile(&s, 0);
    put_bits(&s, 1, 1);
    put_ue(&s, 4);
    put_ue(&s, 0);
    put_ue(&s, 0);
    put_bits(&s, 2, 6);
    put_ue(&s, layer_sets_minus1);
    put_bits(&s, 7, layer_sets_minus1 == 1 ? 3 : 0);
    put_bits(&s, 1, 1);
    put_bits(&s, 1, 32);
    put_bits(&s, 20, 32);
    put_bits(&s, 1, 8);
    cm_writer w = cm_writer_over(storage, capacity);
    assert_int_equal(cm_h264_escape(bit_string_bytes(&s), &w), CM_OK);
    return cm_writer_done(&w);
}

static void timing_of_a_vps_is_found_behind_its_layers(void **state)
{
    (void)state;
    uint8_t storage[100];
    cm_h265_vps vps;
    const cm_slice nal = make_vps(storage, sizeof storage, 3, 1);
    assert_int_equal(cm_h265_vps_parse(nal, &vps), CM_OK);
    assert_int_equal(vps.id, 3);
    assert_int_equal(cm_h265_frame_rate_milli(&vps.timing), 20000);
    assert_int_equal(cm_h265_vps_parse(make_vps(storage, sizeof storage, 3, 1024), &vps),
                     CM_REFUSE);
}

/* ---- the store ---- */

static void a_change_of_parameter_sets_is_told_once(void **state)
{
    (void)state;
    cm_h265_parameter_sets sets;
    cm_slice list[CM_H265_MAX_PARAMETER_SETS];
    cm_h265_parameter_sets_init(&sets);
    assert_int_equal(cm_h265_parameter_sets_frame_rate_milli(&sets), 0);
    const cm_slice three[] = {PPS_MAIN, SPS_MAIN, VPS_MAIN};
    for (size_t i = 0; i < CM_COUNT(three); i++) {
        assert_false(cm_h265_parameter_sets_is_complete(&sets));
        assert_int_equal(cm_h265_parameter_sets_put(&sets, three[i]), CM_OK);
        assert_int_equal(sets.generation, i + 1);
    }
    for (size_t i = 0; i < CM_COUNT(three); i++)
        assert_int_equal(cm_h265_parameter_sets_put(&sets, three[i]), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x26, 1, 0x80)), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x42, 0x09, 1)), CM_OK); /* layer 1 */
    assert_int_equal(sets.generation, 3);
    assert_int_equal(cm_h265_parameter_sets_list(&sets, list), 3);
    for (size_t i = 0; i < CM_COUNT(three); i++)
        assert_true(cm_slice_equal(list[2 - i], three[i]));
    assert_int_equal(cm_h265_parameter_sets_frame_rate_milli(&sets), 15000);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, SPS_HD), CM_OK);
    assert_int_equal(sets.generation, 4);
    assert_int_equal(sets.parsed.width, 1920);
}

static void bad_parameter_sets_change_nothing(void **state)
{
    (void)state;
    static uint8_t huge[CM_H265_MAX_PARAMETER_SET_BYTES + 1] = {0x44, 0x01, 0xff};
    cm_h265_parameter_sets sets;
    cm_h265_parameter_sets_init(&sets);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, VPS_MAIN), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, SPS_MAIN), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, PPS_MAIN), CM_OK);
    const cm_h265_parameter_sets before = sets;
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x40, 0x01, 0x0c)), CM_CLOSE);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x42, 0x01, 0x01)), CM_CLOSE);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x44, 0x01)), CM_CLOSE);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, BYTES(0x42, 0x00, 0x01)), CM_CLOSE);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, cm_slice_over(huge, sizeof huge)), CM_FULL);
    assert_memory_equal(&sets, &before, sizeof sets);
}

static void picture_parameter_sets_are_kept_by_id_up_to_a_bound(void **state)
{
    (void)state;
    cm_h265_parameter_sets sets;
    cm_slice list[CM_H265_MAX_PARAMETER_SETS];
    cm_h265_parameter_sets_init(&sets);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, VPS_MAIN), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, SPS_MAIN), CM_OK);
    for (uint32_t id = 0; id <= CM_H265_MAX_PPS; id++) {
        bit_string s = {0};
        put_bits(&s, 0x4401, 16);
        put_ue(&s, id);
        put_ue(&s, 0);
        put_bits(&s, 3, 2);
        assert_int_equal(cm_h265_parameter_sets_put(&sets, bit_string_bytes(&s)),
                         id < CM_H265_MAX_PPS ? CM_OK : CM_FULL);
    }
    assert_int_equal(cm_h265_parameter_sets_list(&sets, list), CM_H265_MAX_PARAMETER_SETS);
    assert_int_equal(sets.generation, 10);
}

static void sets_that_do_not_belong_together_are_not_complete(void **state)
{
    (void)state;
    uint8_t storage[100];
    cm_h265_parameter_sets sets;
    cm_h265_parameter_sets_init(&sets);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, VPS_MAIN), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, PPS_MAIN), CM_OK);
    bit_string s = {0};
    put_sps(&s, &(sps_fields){.id = 0}); /* of VPS 5 */
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_h264_escape(bit_string_bytes(&s), &w), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, cm_writer_done(&w)), CM_OK);
    assert_false(cm_h265_parameter_sets_is_complete(&sets));
    uint8_t vps[100];
    assert_int_equal(cm_h265_parameter_sets_put(&sets, make_vps(vps, sizeof vps, 5, 0)), CM_OK);
    assert_true(cm_h265_parameter_sets_is_complete(&sets));
    assert_int_equal(cm_h265_parameter_sets_frame_rate_milli(&sets), 20000); /* the VPS's */
    s = (bit_string){0};
    put_sps(&s, &(sps_fields){.id = 1}); /* another id: the PPS is forgotten */
    w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_h264_escape(bit_string_bytes(&s), &w), CM_OK);
    assert_int_equal(cm_h265_parameter_sets_put(&sets, cm_writer_done(&w)), CM_OK);
    assert_false(cm_h265_parameter_sets_is_complete(&sets));
    assert_int_equal(sets.pps[0].size, 0);
}

/* ---- granules ---- */

/* NAL units of a size each, whose bytes say where they are from. */
static void fill(cm_slice *nals, const size_t *sizes, size_t count, uint8_t *bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < count; at += sizes[i++]) {
        for (size_t k = 0; k < sizes[i]; k++)
            bytes[at + k] = (uint8_t)(at + k + (at + k) / 251);
        bytes[at] = (uint8_t)(i % 48 << 1 | i % 2);
        bytes[at + 1] = (uint8_t)(i % 31 << 3 | (1 + i % 7));
        nals[i] = cm_slice_over(bytes + at, sizes[i]);
    }
}

static void cut_and_join(const cm_slice *nals, size_t count, size_t max)
{
    static uint8_t joined[40000];
    cm_h265_packetizer p;
    assert_int_equal(cm_h265_packetizer_init(&p, nals, count, max), CM_OK);
    cm_writer out = cm_writer_over(joined, sizeof joined);
    cm_h265_reassembler a;
    cm_h265_reassembler_init(&a, &out);
    cm_h265_granule g = {0};
    size_t granules = 0;
    size_t avcc_size = 0;
    while (cm_h265_packetizer_next(&p, &g)) {
        uint8_t storage[CM_H265_GRANULE_BYTES];
        cm_writer w = cm_writer_over(storage, max);
        cm_h265_granule_write(&w, nals, &g);
        assert_false(w.failed);
        avcc_size += cm_h265_granule_avcc_size(cm_writer_done(&w));
        assert_int_equal(cm_h265_reassembler_put(&a, cm_writer_done(&w)), CM_OK);
        granules++;
        assert_int_equal(g.is_last, granules == cm_h265_count_granules(nals, count, max));
    }
    assert_true(g.is_last);
    assert_int_equal(cm_h265_reassembler_finish(&a), CM_OK);
    assert_int_equal(cm_writer_done(&out).size, avcc_size);
    cm_reader r = cm_reader_over(cm_writer_done(&out));
    cm_slice nal;
    for (size_t i = 0; i < count; i++) {
        assert_true(cm_h264_next_avcc(&r, &nal));
        assert_true(cm_slice_equal(nal, nals[i]));
    }
    assert_int_equal(cm_reader_finish(&r), CM_OK);
}

static void cutting_and_joining_are_inverse_around_every_border(void **state)
{
    (void)state;
    static uint8_t bytes[40000];
    cm_slice nals[6];
    for (size_t max = CM_H265_MIN_GRANULE_BYTES; max <= CM_H265_GRANULE_BYTES; max += 160) {
        for (size_t off = 0; off < 8; off++) {
            const size_t room = max - CM_H265_FRAGMENT_HEADER_SIZE;
            const size_t sizes[] = {2,           max - 3 + off,      2 * room - 2 + off,
                                    2 + off / 2, 5 * room - 2 + off, 3};
            fill(nals, sizes, CM_COUNT(nals), bytes);
            cut_and_join(nals, CM_COUNT(nals), max);
        }
    }
}

static void a_fragment_carries_header_start_and_end(void **state)
{
    (void)state;
    static uint8_t bytes[32] = {0x2b, 0x1a}; /* CRA of layer 35 */
    const cm_slice nal = cm_slice_over(bytes, sizeof bytes);
    static const uint8_t HEADERS[][3] = {
        {0x63, 0x1a, 0x95}, {0x63, 0x1a, 0x15}, {0x63, 0x1a, 0x55}};
    cm_h265_packetizer p;
    assert_int_equal(cm_h265_packetizer_init(&p, &nal, 1, 16), CM_OK);
    cm_h265_granule g;
    for (size_t i = 0; i < CM_COUNT(HEADERS); i++) {
        assert_true(cm_h265_packetizer_next(&p, &g));
        assert_memory_equal(g.header, HEADERS[i], 3);
        assert_int_equal(g.offset, 2 + 10 * i);
        assert_int_equal(g.size, 10);
    }
    assert_false(cm_h265_packetizer_next(&p, &g));
}

static void what_cannot_be_cut_is_refused(void **state)
{
    (void)state;
    cm_h265_packetizer p;
    const cm_slice good = BYTES(0x26, 1, 2);
    const cm_slice BAD[] = {{0}, BYTES(0x26), BYTES(0x26, 0, 2), BYTES(0xa6, 1, 2)};
    assert_int_equal(cm_h265_packetizer_init(&p, &good, 0, 100), CM_REFUSE);
    assert_int_equal(cm_h265_packetizer_init(&p, &good, 1, 15), CM_REFUSE);
    assert_int_equal(cm_h265_packetizer_init(&p, &good, 1, 65536), CM_REFUSE);
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_h265_packetizer_init(&p, &BAD[i], 1, 100), CM_REFUSE);
    for (unsigned type = 0; type < 64; type++)
        assert_int_equal(cm_h265_packetizer_init(&p, &BYTES((uint8_t)(type << 1), 1), 1, 100),
                         type < 48 ? CM_OK : CM_REFUSE);
}

/* Puts payloads until one fails; the status of that one, or of finish. */
static cm_status reassemble(const cm_slice *payloads, size_t count, size_t capacity)
{
    uint8_t storage[256];
    cm_writer w = cm_writer_over(storage, capacity);
    cm_h265_reassembler a;
    cm_h265_reassembler_init(&a, &w);
    for (size_t i = 0; i < count; i++)
        CM_TRY(cm_h265_reassembler_put(&a, payloads[i]));
    return cm_h265_reassembler_finish(&a);
}

static void granules_out_of_order_are_refused(void **state)
{
    (void)state;
    const cm_slice start = BYTES(0x62, 1, 0x93, 1);
    const cm_slice middle = BYTES(0x62, 1, 0x13, 2);
    const cm_slice end = BYTES(0x62, 1, 0x53, 3);
    const cm_slice single = BYTES(0x02, 1, 4);
    const struct {
        cm_slice payloads[3];
        size_t count;
        cm_status status;
    } CASES[] = {
        {{start, middle, end}, 3, CM_OK},
        {{single, start, end}, 3, CM_OK},
        {{start, end, single}, 3, CM_OK},
        {{start}, 1, CM_CLOSE},
        {{middle, end}, 2, CM_CLOSE},
        {{end}, 1, CM_CLOSE},
        {{start, start, end}, 3, CM_CLOSE},
        {{start, single, end}, 3, CM_CLOSE},
        {{start, BYTES(0x62, 1, 0x41, 3)}, 2, CM_CLOSE}, /* of another type */
        {{start, BYTES(0x62, 2, 0x53, 3)}, 2, CM_CLOSE}, /* of another sub-layer */
        {{start, BYTES(0x62, 1, 0x53)}, 2, CM_CLOSE},    /* without a body */
        {{start, BYTES(0x62, 1)}, 2, CM_CLOSE},          /* cut short */
        {{BYTES(0x62, 1, 0xd3, 3)}, 1, CM_CLOSE},        /* start and end at once */
        {{BYTES(0x62, 1, 0xb0, 3), end}, 2, CM_CLOSE},   /* of a packet's type */
        {{BYTES(0x62, 0, 0x93, 3), end}, 2, CM_CLOSE},   /* no sound header */
        {{BYTES(0x60, 1, 0, 2, 0x02, 1)}, 1, CM_CLOSE},  /* an aggregate */
        {{BYTES(0x02)}, 1, CM_CLOSE},
        {{{0}}, 1, CM_CLOSE},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++)
        assert_int_equal(reassemble(CASES[i].payloads, CASES[i].count, 256), CASES[i].status);
    const cm_slice whole[] = {single, start, middle, end};
    for (size_t capacity = 0; capacity < 7 + 9; capacity++)
        assert_int_equal(reassemble(whole, 4, capacity), CM_FULL);
    assert_int_equal(reassemble(whole, 4, 7 + 9), CM_OK);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(headers_are_read_or_refused),
        cmocka_unit_test(types_slices_and_names_are_told_apart),
        cmocka_unit_test(a_main_sps_says_size_rate_and_no_reordering),
        cmocka_unit_test(an_sps_is_cropped_and_read_past_its_hrd),
        cmocka_unit_test(other_formats_and_sub_layers_are_read),
        cmocka_unit_test(codecs_are_as_long_as_the_profile_makes_them),
        cmocka_unit_test(a_vps_says_sub_layers_and_profile),
        cmocka_unit_test(every_truncation_is_refused_and_writes_nothing),
        cmocka_unit_test(another_nal_or_layer_is_refused),
        cmocka_unit_test(sizes_are_bounded_either_way),
        cmocka_unit_test(cropping_may_not_eat_the_picture),
        cmocka_unit_test(values_that_the_standard_reserves_are_refused),
        cmocka_unit_test(everything_between_is_passed_over),
        cmocka_unit_test(reference_sets_predicted_from_others_are_passed_over),
        cmocka_unit_test(a_rate_that_makes_no_sense_is_none),
        cmocka_unit_test(timing_of_a_vps_is_found_behind_its_layers),
        cmocka_unit_test(a_change_of_parameter_sets_is_told_once),
        cmocka_unit_test(bad_parameter_sets_change_nothing),
        cmocka_unit_test(picture_parameter_sets_are_kept_by_id_up_to_a_bound),
        cmocka_unit_test(sets_that_do_not_belong_together_are_not_complete),
        cmocka_unit_test(cutting_and_joining_are_inverse_around_every_border),
        cmocka_unit_test(a_fragment_carries_header_start_and_end),
        cmocka_unit_test(what_cannot_be_cut_is_refused),
        cmocka_unit_test(granules_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
