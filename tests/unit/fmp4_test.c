/* proto/fmp4: ISO/IEC 14496-12 and -15. Golden bytes, and the reader against the writer. */
#include "h264_sets.h"
#include "h265_sets.h"

#include "proto/fmp4/fmp4.h"

static const cm_fmp4_part PART = {
    .frame_number = 0x100000007,
    .decode_time_90k = 0x123456789a,
    .duration_90k = 4500,
    .composition_offset_90k = -2,
    .capture_ntp = 0xe8f0102030405060,
    .sample_size = 3,
    .is_keyframe = true,
};

static void a_part_header_is_these_bytes(void **state)
{
    (void)state;
    static const uint8_t GOLDEN[] = {
        0,    0,    0,    32,   'p',  'r',  'f',  't',  1, 0, 0,    0, 0, 0, 0, 1, //
        0xe8, 0xf0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60,                            // ntp_timestamp
        0,    0,    0,    0x12, 0x34, 0x56, 0x78, 0x98,                            // media_time
        0,    0,    0,    104,  'm',  'o',  'o',  'f',                             //
        0,    0,    0,    16,   'm',  'f',  'h',  'd',  0, 0, 0,    0, 0, 0, 0, 7, //
        0,    0,    0,    80,   't',  'r',  'a',  'f',                             //
        0,    0,    0,    16,   't',  'f',  'h',  'd',  0, 2, 0,    0, 0, 0, 0, 1, //
        0,    0,    0,    20,   't',  'f',  'd',  't',  1, 0, 0,    0,             //
        0,    0,    0,    0x12, 0x34, 0x56, 0x78, 0x9a,                            //
        0,    0,    0,    36,   't',  'r',  'u',  'n',  1, 0, 0x0f, 1, 0, 0, 0, 1, //
        0,    0,    0,    112,  0,    0,    0x11, 0x94, 0, 0, 0,    3, 2, 0, 0, 0, //
        0xff, 0xff, 0xff, 0xfe,                                                    //
        0,    0,    0,    11,   'm',  'd',  'a',  't',
    };
    uint8_t storage[CM_FMP4_PART_HEADER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_fmp4_part_header_write(&w, &PART), CM_OK);
    assert_int_equal(sizeof GOLDEN, CM_FMP4_PART_HEADER_SIZE);
    assert_int_equal(cm_fmp4_part_header_size(), CM_FMP4_PART_HEADER_SIZE);
    assert_int_equal(cm_writer_done(&w).size, sizeof GOLDEN);
    assert_memory_equal(storage, GOLDEN, sizeof GOLDEN);
}

static void the_same_part_gives_the_same_bytes_wherever_it_is_written(void **state)
{
    (void)state;
    uint8_t first[CM_FMP4_PART_HEADER_SIZE];
    uint8_t second[100 + CM_FMP4_PART_HEADER_SIZE];
    cm_writer w = cm_writer_over(first, sizeof first);
    assert_int_equal(cm_fmp4_part_header_write(&w, &PART), CM_OK);
    w = cm_writer_over(second, sizeof second);
    cm_write_zeros(&w, 100); /* behind something else: offsets count from the moof */
    assert_int_equal(cm_fmp4_part_header_write(&w, &PART), CM_OK);
    assert_memory_equal(first, second + 100, sizeof first);
}

static void a_part_of_an_impossible_size_is_refused(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_PART_HEADER_SIZE];
    cm_fmp4_part part = PART;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    part.sample_size = 0;
    assert_int_equal(cm_fmp4_part_header_write(&w, &part), CM_REFUSE);
    part.sample_size = CM_FMP4_MAX_SAMPLE_BYTES + 1;
    assert_int_equal(cm_fmp4_part_header_write(&w, &part), CM_REFUSE);
    part.sample_size = CM_FMP4_MAX_SAMPLE_BYTES;
    assert_int_equal(cm_fmp4_part_header_write(&w, &part), CM_OK);
    for (size_t capacity = 0; capacity < sizeof storage; capacity++) {
        w = cm_writer_over(storage, capacity);
        assert_int_equal(cm_fmp4_part_header_write(&w, &PART), CM_FULL);
    }
}

/* Two parts of 3 and 5 bytes. Returns their bytes, in `storage`. */
static cm_slice two_parts(uint8_t storage[512], cm_fmp4_part parts[2])
{
    parts[0] = PART;
    parts[0].frame_number = 7;
    parts[1] = (cm_fmp4_part){.frame_number = UINT32_MAX,
                              .decode_time_90k = UINT64_MAX - 9,
                              .duration_90k = UINT32_MAX,
                              .composition_offset_90k = INT32_MAX,
                              .capture_ntp = 1,
                              .sample_size = 5};
    cm_writer w = cm_writer_over(storage, 512);
    assert_int_equal(cm_fmp4_part_header_write(&w, &parts[0]), CM_OK);
    cm_write_text(&w, "abc");
    assert_int_equal(cm_fmp4_part_header_write(&w, &parts[1]), CM_OK);
    cm_write_text(&w, "defgh");
    return cm_writer_done(&w);
}

static void assert_part_equal(const cm_fmp4_part *a, const cm_fmp4_part *b)
{
    assert_true(a->frame_number == b->frame_number);
    assert_true(a->decode_time_90k == b->decode_time_90k);
    assert_true(a->duration_90k == b->duration_90k);
    assert_int_equal(a->composition_offset_90k, b->composition_offset_90k);
    assert_true(a->capture_ntp == b->capture_ntp);
    assert_int_equal(a->sample_size, b->sample_size);
    assert_int_equal(a->is_keyframe, b->is_keyframe);
}

static void parts_are_read_as_they_were_written(void **state)
{
    (void)state;
    uint8_t storage[512];
    cm_fmp4_part parts[2];
    cm_slice rest = two_parts(storage, parts);
    cm_fmp4_part part;
    cm_slice sample;
    assert_int_equal(cm_fmp4_part_parse(&rest, &part, &sample), CM_OK);
    assert_part_equal(&part, &parts[0]);
    assert_text(sample, "abc");
    assert_int_equal(cm_fmp4_part_parse(&rest, &part, &sample), CM_OK);
    assert_part_equal(&part, &parts[1]);
    assert_text(sample, "defgh");
    assert_int_equal(rest.size, 0);
    assert_int_equal(cm_fmp4_part_parse(&rest, &part, &sample), CM_RETRY);
}

static void a_part_that_has_not_all_come_is_waited_for(void **state)
{
    (void)state;
    uint8_t storage[512];
    cm_fmp4_part parts[2];
    const cm_slice whole = two_parts(storage, parts);
    for (size_t size = 0; size < CM_FMP4_PART_HEADER_SIZE + 3; size++) {
        cm_slice rest = cm_slice_part(whole, 0, size);
        cm_fmp4_part part = {.duration_90k = 77};
        cm_slice sample = CM_TEXT("untouched");
        assert_int_equal(cm_fmp4_part_parse(&rest, &part, &sample), CM_RETRY);
        assert_int_equal(rest.size, size);
        assert_int_equal(part.duration_90k, 77);
        assert_text(sample, "untouched");
    }
}

/* The bytes of a part header that carry its fields; all others are fixed. */
static bool is_field(size_t offset)
{
    static const struct {
        size_t begin, size;
    } FIELDS[] = {{16, 8}, {52, 4}, {92, 8}, {120, 4}, {124, 4}, {132, 4}};
    for (size_t i = 0; i < CM_COUNT(FIELDS); i++) {
        if (offset >= FIELDS[i].begin && offset < FIELDS[i].begin + FIELDS[i].size)
            return true;
    }
    return false;
}

static void any_other_byte_changed_is_another_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_FMP4_PART_HEADER_SIZE; i++) {
        uint8_t storage[512];
        cm_fmp4_part parts[2];
        cm_slice rest = two_parts(storage, parts);
        storage[i] ^= 0x10;
        cm_fmp4_part part;
        cm_slice sample;
        const cm_status status = cm_fmp4_part_parse(&rest, &part, &sample);
        /* Presentation time is checked against decoding time and offset, so that of the fields
         * only what stands for itself can change. */
        const bool may_pass = is_field(i) && !(i >= 92 && i < 100) && !(i >= 124 && i < 128) &&
                              !(i >= 132 && i < 136);
        assert_int_equal(status, may_pass ? CM_OK : CM_CLOSE);
    }
}

/* ---- init segment ---- */

static cm_slice init_of(cm_slice sps, cm_slice pps, uint8_t *storage, size_t capacity)
{
    const cm_fmp4_track track = {.sps = sps, .pps = &pps, .pps_count = 1};
    assert_true(cm_fmp4_init_max_size(&track) <= capacity);
    cm_writer w = cm_writer_over(storage, capacity);
    assert_int_equal(cm_fmp4_init_write(&w, &track), CM_OK);
    assert_true(cm_writer_done(&w).size <= cm_fmp4_init_max_size(&track));
    return cm_writer_done(&w);
}

/* The body of moov's box at the end of `path`, four characters a step. */
static cm_slice body_at(cm_slice in, const char *path, size_t skip)
{
    cm_fmp4_box box = {0};
    for (; *path != '\0'; path += 4) {
        const uint32_t type = CM_FMP4_TYPE(path[0], path[1], path[2], path[3]);
        assert_int_equal(cm_fmp4_find_box(in, type, &box), CM_OK);
        in = box.body;
    }
    return cm_slice_from(in, skip);
}

static cm_slice sample_entry(cm_slice init)
{
    return body_at(body_at(init, "moovtrakmdiaminfstblstsd", 8), "avc1", 0);
}

static void an_init_segment_says_the_size_and_the_timescale(void **state)
{
    (void)state;
    uint8_t storage[2048];
    const cm_slice init = init_of(SPS_HIGH, PPS_HIGH, storage, sizeof storage);
    assert_true(cm_slice_equal(cm_slice_part(init, 0, 24),
                               BYTES(0, 0, 0, 24, 'f', 't', 'y', 'p', 'i', 's', 'o', '6', 0, 0, 0,
                                     0, 'i', 's', 'o', '6', 'm', 'p', '4', '1')));
    cm_reader r = cm_reader_over(init);
    cm_fmp4_box box;
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_int_equal(box.type, CM_FMP4_TYPE('m', 'o', 'o', 'v'));
    assert_false(cm_fmp4_next_box(&r, &box));
    assert_int_equal(cm_reader_finish(&r), CM_OK);
    const cm_slice tkhd = body_at(init, "moovtraktkhd", 0);
    assert_int_equal(tkhd.size, 84);
    assert_true(cm_slice_equal(cm_slice_from(tkhd, 76), BYTES(7, 128, 0, 0, 4, 56, 0, 0)));
    assert_true(cm_slice_equal(cm_slice_part(body_at(init, "moovtrakmdiamdhd", 12), 0, 4),
                               BYTES(0, 1, 0x5f, 0x90)));
    assert_int_equal(body_at(init, "moovmvhd", 0).size, 100);
    assert_int_equal(body_at(init, "moovmvextrex", 0).size, 24);
    assert_true(
        cm_slice_equal(cm_slice_part(body_at(init, "moovtrakmdiahdlr", 8), 0, 4), CM_TEXT("vide")));
    const cm_slice entry = sample_entry(init);
    assert_true(cm_slice_equal(cm_slice_part(entry, 24, 4), BYTES(7, 128, 4, 56)));
    static const char *const TABLES[] = {"stts", "stsc", "stco", "stsz"};
    for (size_t i = 0; i < CM_COUNT(TABLES); i++) {
        const cm_slice table = body_at(body_at(init, "moovtrakmdiaminfstbl", 0), TABLES[i], 0);
        for (size_t k = 0; k < table.size; k++)
            assert_int_equal(table.bytes[k], 0);
    }
}

static void avcc_carries_the_sets_and_what_high_profiles_add(void **state)
{
    (void)state;
    uint8_t storage[2048];
    uint8_t want[256];
    cm_writer w = cm_writer_over(want, sizeof want);
    cm_write_slice(&w, BYTES(1, 0x42, 0xc0, 0x0c, 0xff, 0xe1, 0, 24));
    cm_write_slice(&w, SPS_BASELINE);
    cm_write_slice(&w, BYTES(1, 0, 5));
    cm_write_slice(&w, PPS_BASELINE);
    cm_slice init = init_of(SPS_BASELINE, PPS_BASELINE, storage, sizeof storage);
    assert_true(cm_slice_equal(body_at(cm_slice_from(sample_entry(init), 78), "avcC", 0),
                               cm_writer_done(&w)));
    w = cm_writer_over(want, sizeof want);
    cm_write_slice(&w, BYTES(1, 0x7a, 0, 0x16, 0xff, 0xe1, 0, 27));
    cm_write_slice(&w, SPS_HIGH_422);
    cm_write_slice(&w, BYTES(1, 0, 5));
    cm_write_slice(&w, PPS_HIGH);
    cm_write_slice(&w, BYTES(0xfe, 0xfa, 0xfa, 0)); /* 4:2:2, 10 bits */
    init = init_of(SPS_HIGH_422, PPS_HIGH, storage, sizeof storage);
    assert_true(cm_slice_equal(body_at(cm_slice_from(sample_entry(init), 78), "avcC", 0),
                               cm_writer_done(&w)));
}

static void hvcc_carries_profile_format_and_sets(void **state)
{
    (void)state;
    uint8_t storage[2048];
    uint8_t want[512];
    const cm_slice pps = PPS_MAIN;
    const cm_fmp4_track track = {
        .vps = VPS_SUB_LAYERS, .sps = SPS_SUB_LAYERS, .pps = &pps, .pps_count = 1};
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_fmp4_init_write(&w, &track), CM_OK);
    assert_true(cm_writer_done(&w).size <= cm_fmp4_init_max_size(&track));
    const cm_slice entry =
        body_at(body_at(cm_writer_done(&w), "moovtrakmdiaminfstblstsd", 8), "hvc1", 0);
    assert_true(cm_slice_equal(cm_slice_part(entry, 24, 4), BYTES(1, 64, 0, 240)));
    w = cm_writer_over(want, sizeof want);
    cm_write_slice(&w, BYTES(1, 0x21, 0x60, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 123, 0xf0, 0, 0xfc, 0xfd,
                             0xf8, 0xf8, 0, 0, 0x13, 3, 0xa0, 0, 1, 0, 28));
    cm_write_slice(&w, VPS_SUB_LAYERS);
    cm_write_slice(&w, BYTES(0xa1, 0, 1, 0, 46));
    cm_write_slice(&w, SPS_SUB_LAYERS);
    cm_write_slice(&w, BYTES(0xa2, 0, 1, 0, 7));
    cm_write_slice(&w, PPS_MAIN);
    assert_true(cm_slice_equal(body_at(cm_slice_from(entry, 78), "hvcC", 0), cm_writer_done(&w)));
}

static void an_init_segment_without_good_sets_is_refused(void **state)
{
    (void)state;
    uint8_t storage[2048];
    const cm_slice pps[] = {PPS_BASELINE, BYTES(0x68, 0xa8) /* for SPS 1 */};
    const cm_slice bad_pps = BYTES(0x68, 0);
    const cm_slice pps_main = PPS_MAIN;
    const cm_slice other_pps = BYTES(0x44, 1, 0xa9, 0x72); /* for SPS 1 */
    uint8_t vps_bytes[64];
    const cm_slice main_vps = VPS_MAIN;
    cm_slice_copy(main_vps, vps_bytes, sizeof vps_bytes);
    vps_bytes[2] |= 0x70; /* VPS 7 */
    const cm_slice other_vps = cm_slice_over(vps_bytes, main_vps.size);
    const struct {
        cm_fmp4_track track;
        cm_status status;
    } CASES[] = {
        {{.sps = SPS_BASELINE, .pps = pps, .pps_count = 1}, CM_OK},
        {{.sps = SPS_BASELINE, .pps = pps, .pps_count = 0}, CM_REFUSE},
        {{.sps = SPS_BASELINE, .pps = pps, .pps_count = CM_FMP4_MAX_PPS + 1}, CM_REFUSE},
        {{.sps = SPS_BASELINE, .pps = pps, .pps_count = 2}, CM_REFUSE},
        {{.sps = SPS_BASELINE, .pps = &bad_pps, .pps_count = 1}, CM_CLOSE},
        {{.sps = PPS_BASELINE, .pps = pps, .pps_count = 1}, CM_REFUSE},
        {{.sps = cm_slice_part(SPS_BASELINE, 0, 9), .pps = pps, .pps_count = 1}, CM_CLOSE},
        {{.vps = VPS_MAIN, .sps = SPS_MAIN, .pps = &pps_main, .pps_count = 1}, CM_OK},
        {{.vps = SPS_MAIN, .sps = SPS_MAIN, .pps = &pps_main, .pps_count = 1}, CM_REFUSE},
        {{.vps = other_vps, .sps = SPS_MAIN, .pps = &pps_main, .pps_count = 1}, CM_REFUSE},
        {{.vps = VPS_MAIN, .sps = SPS_BASELINE, .pps = &pps_main, .pps_count = 1}, CM_REFUSE},
        {{.vps = VPS_MAIN, .sps = SPS_MAIN, .pps = pps, .pps_count = 1}, CM_REFUSE},
        {{.vps = VPS_MAIN, .sps = SPS_MAIN, .pps = &other_pps, .pps_count = 1}, CM_REFUSE},
        {{.sps = SPS_MAIN, .pps = &pps_main, .pps_count = 1}, CM_REFUSE},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        assert_int_equal(cm_fmp4_init_write(&w, &CASES[i].track), CASES[i].status);
        if (CASES[i].status != CM_OK)
            assert_int_equal(cm_writer_done(&w).size, 0);
    }
    const cm_slice whole = init_of(SPS_BASELINE, PPS_BASELINE, storage, sizeof storage);
    for (size_t capacity = 0; capacity < whole.size; capacity++) {
        cm_writer w = cm_writer_over(storage, capacity);
        assert_int_equal(cm_fmp4_init_write(&w, &CASES[0].track), CM_FULL);
    }
}

/* ---- audio beside the video ---- */

/* Written in no more room than it needs. */
static cm_slice init_with_audio(cm_slice config, uint8_t *storage, size_t capacity)
{
    const cm_slice pps = PPS_BASELINE;
    const cm_fmp4_track track = {
        .sps = SPS_BASELINE, .pps = &pps, .pps_count = 1, .audio_config = config};
    const size_t max = cm_fmp4_init_max_size(&track);
    assert_true(max <= capacity);
    cm_writer w = cm_writer_over(storage, 0);
    for (size_t room = 1; cm_fmp4_init_write(&w, &track) != CM_OK; room++) {
        assert_true(w.failed && room <= max);
        w = cm_writer_over(storage, room);
    }
    return cm_writer_done(&w);
}

/* The body of the second box of `type` directly in `body`. */
static cm_slice second_body(cm_slice body, const char *type)
{
    cm_reader r = cm_reader_over(body);
    cm_fmp4_box box = {0};
    for (int seen = 0; seen < 2;) {
        assert_true(cm_fmp4_next_box(&r, &box));
        seen += box.type == CM_FMP4_TYPE(type[0], type[1], type[2], type[3]);
    }
    return box.body;
}

static void an_audio_track_stands_beside_the_video(void **state)
{
    (void)state;
    uint8_t storage[2560];
    const cm_slice init = init_with_audio(BYTES(0x14, 0x08), storage, sizeof storage);
    const cm_slice moov = body_at(init, "moov", 0);
    const cm_slice trak = second_body(moov, "trak");
    const cm_slice tkhd = body_at(trak, "tkhd", 0);
    assert_int_equal(tkhd.size, 84);
    assert_true(cm_slice_equal(cm_slice_part(tkhd, 12, 4), BYTES(0, 0, 0, 2)));
    assert_true(cm_slice_equal(cm_slice_part(tkhd, 36, 2), BYTES(1, 0)));
    assert_true(cm_slice_equal(cm_slice_part(body_at(trak, "mdiamdhd", 12), 0, 4),
                               BYTES(0, 0, 0x3e, 0x80)));
    assert_true(cm_slice_equal(cm_slice_part(body_at(trak, "mdiahdlr", 8), 0, 4), CM_TEXT("soun")));
    assert_int_equal(body_at(trak, "mdiaminfsmhd", 0).size, 8);
    const cm_slice entry = body_at(body_at(trak, "mdiaminfstblstsd", 8), "mp4a", 0);
    assert_true(cm_slice_equal(cm_slice_part(entry, 0, 28),
                               BYTES(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 0,
                                     0, 0, 0, 0x3e, 0x80, 0, 0)));
    assert_true(cm_slice_equal(body_at(cm_slice_from(entry, 28), "esds", 4),
                               BYTES(3, 25, 0, 0, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 5, 2, 0x14, 0x08, 6, 1, 2)));
    /* Both tracks have their defaults, and the next is the third. */
    assert_true(cm_slice_equal(cm_slice_part(second_body(body_at(moov, "mvex", 0), "trex"), 4, 4),
                               BYTES(0, 0, 0, 2)));
    assert_true(cm_slice_equal(body_at(moov, "mvhd", 96), BYTES(0, 0, 0, 3)));
    /* The video's track is as it is without. */
    uint8_t alone[2048];
    const cm_slice video = init_of(SPS_BASELINE, PPS_BASELINE, alone, sizeof alone);
    assert_true(cm_slice_equal(body_at(init, "moovtrak", 0), body_at(video, "moovtrak", 0)));
    assert_true(cm_slice_equal(body_at(video, "moovmvhd", 96), BYTES(0, 0, 0, 2)));
}

static void the_output_rate_counts_and_a_bad_configuration_is_refused(void **state)
{
    (void)state;
    uint8_t storage[2560];
    /* SBR to 48 kHz; and 96 kHz, which 16 bits do not hold. */
    cm_slice init = init_with_audio(BYTES(0x2b, 0x11, 0x88, 0), storage, sizeof storage);
    cm_slice trak = second_body(body_at(init, "moov", 0), "trak");
    assert_true(cm_slice_equal(cm_slice_part(body_at(trak, "mdiamdhd", 12), 0, 4),
                               BYTES(0, 0, 0xbb, 0x80)));
    init = init_with_audio(BYTES(0x10, 0x10), storage, sizeof storage);
    trak = second_body(body_at(init, "moov", 0), "trak");
    const cm_slice entry = body_at(body_at(trak, "mdiaminfstblstsd", 8), "mp4a", 24);
    assert_true(cm_slice_equal(cm_slice_part(entry, 0, 4), BYTES(0, 0, 0, 0)));
    const cm_slice pps = PPS_BASELINE;
    cm_fmp4_track track = {
        .sps = SPS_BASELINE, .pps = &pps, .pps_count = 1, .audio_config = BYTES(0x14)};
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_fmp4_init_write(&w, &track), CM_CLOSE);
    track.audio_config = BYTES(0x0c, 0x08); /* AAC Main */
    assert_int_equal(cm_fmp4_init_write(&w, &track), CM_REFUSE);
    assert_int_equal(cm_writer_done(&w).size, 0);
}

static cm_status write_aac_init(cm_writer *w, cm_slice config)
{
    const cm_fmp4_sound sound = {.codec = CM_FMP4_AAC, .config = config};
    return cm_fmp4_sound_init_write(w, &sound);
}

static void sound_has_a_movie_of_its_own(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_SOUND_INIT_MAX], beside[2560];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(write_aac_init(&w, BYTES(0x14, 0x08)), CM_OK);
    const cm_slice moov = body_at(cm_writer_done(&w), "moov", 0);
    const cm_slice both = init_with_audio(BYTES(0x14, 0x08), beside, sizeof beside);
    /* One track, the one that else stands beside the video, and its defaults. */
    assert_true(
        cm_slice_equal(body_at(moov, "trak", 0), second_body(body_at(both, "moov", 0), "trak")));
    assert_int_equal(body_at(moov, "mvex", 0).size, 32);
    assert_true(
        cm_slice_equal(cm_slice_part(body_at(moov, "mvextrex", 4), 0, 4), BYTES(0, 0, 0, 2)));
    assert_true(cm_slice_equal(body_at(moov, "mvhd", 96), BYTES(0, 0, 0, 3)));
    const size_t size = cm_writer_done(&w).size;
    for (size_t room = 0; room < size; room++) {
        w = cm_writer_over(storage, room);
        assert_int_equal(write_aac_init(&w, BYTES(0x14, 0x08)), CM_FULL);
    }
    w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(write_aac_init(&w, BYTES(0x14)), CM_CLOSE);
    assert_int_equal(write_aac_init(&w, BYTES(0x0c, 0x08)), CM_REFUSE);
}

static cm_slice sound_entry(const cm_fmp4_sound *sound, const char *type, uint8_t *storage)
{
    cm_writer w = cm_writer_over(storage, CM_FMP4_SOUND_INIT_MAX);
    assert_int_equal(cm_fmp4_sound_init_write(&w, sound), CM_OK);
    const cm_slice trak = body_at(body_at(cm_writer_done(&w), "moov", 0), "trak", 0);
    return body_at(body_at(trak, "mdiaminfstblstsd", 8), type, 0);
}

static void opus_is_told_by_its_own_box(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_SOUND_INIT_MAX];
    cm_fmp4_sound sound = {.codec = CM_FMP4_OPUS, .channels = 2, .rate = 48000};
    const cm_slice entry = sound_entry(&sound, "Opus", storage);
    assert_true(cm_slice_equal(cm_slice_part(entry, 16, 12),
                               BYTES(0, 2, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0)));
    assert_true(
        cm_slice_equal(cm_slice_from(entry, 28), BYTES(0, 0, 0, 19, 'd', 'O', 'p', 's', 0, 2, 0, 0,
                                                       0, 0, 0xbb, 0x80, 0, 0, 0)));
    cm_writer w = cm_writer_over(storage, sizeof storage);
    sound.channels = 3;
    assert_int_equal(cm_fmp4_sound_init_write(&w, &sound), CM_REFUSE);
    sound = (cm_fmp4_sound){.codec = CM_FMP4_OPUS, .channels = 1, .rate = 16000};
    assert_int_equal(cm_fmp4_sound_init_write(&w, &sound), CM_REFUSE);
    sound.config = BYTES(0x14, 0x08);
    assert_int_equal(cm_fmp4_sound_init_write(&w, &sound), CM_CLOSE);
}

static void flac_is_told_by_its_streaminfo(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_SOUND_INIT_MAX];
    uint8_t info[CM_FMP4_STREAMINFO_SIZE];
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)i;
    cm_fmp4_sound sound = {.codec = CM_FMP4_FLAC,
                           .channels = 1,
                           .rate = 8000,
                           .config = cm_slice_over(info, sizeof info)};
    const cm_slice entry = sound_entry(&sound, "fLaC", storage);
    const cm_slice box = body_at(cm_slice_from(entry, 28), "dfLa", 0);
    assert_true(cm_slice_equal(cm_slice_part(box, 0, 8), BYTES(0, 0, 0, 0, 0x80, 0, 0, 34)));
    assert_true(cm_slice_equal(cm_slice_from(box, 8), sound.config));
    cm_writer w = cm_writer_over(storage, sizeof storage);
    sound.config.size--;
    assert_int_equal(cm_fmp4_sound_init_write(&w, &sound), CM_CLOSE);
    sound.config.size++;
    sound.channels = 0;
    assert_int_equal(cm_fmp4_sound_init_write(&w, &sound), CM_REFUSE);
}

static const cm_fmp4_audio_part AUDIO_PART = {.sequence_number = 0x81020304,
                                              .decode_time = 0x123456789abcdef0,
                                              .capture_ntp = 0xed5f2c3a80000001,
                                              .duration = 1024,
                                              .sample_size = 3};

static void audio_parts_are_read_as_they_were_written(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_AUDIO_PART_HEADER_SIZE + 3];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_fmp4_audio_part_header_write(&w, &AUDIO_PART), CM_OK);
    assert_int_equal(cm_writer_done(&w).size, CM_FMP4_AUDIO_PART_HEADER_SIZE);
    cm_write_text(&w, "abc");
    const cm_slice whole = cm_writer_done(&w);
    cm_fmp4_audio_part back = {.duration = 77};
    cm_slice sample;
    for (size_t size = 0; size < whole.size; size++) {
        cm_slice rest = cm_slice_part(whole, 0, size);
        assert_int_equal(cm_fmp4_audio_part_parse(&rest, &back, &sample), CM_RETRY);
        assert_int_equal(rest.size, size);
        assert_int_equal(back.duration, 77);
    }
    cm_slice rest = whole;
    assert_int_equal(cm_fmp4_audio_part_parse(&rest, &back, &sample), CM_OK);
    assert_int_equal(back.sequence_number, AUDIO_PART.sequence_number);
    assert_true(back.decode_time == AUDIO_PART.decode_time);
    assert_true(back.capture_ntp == AUDIO_PART.capture_ntp);
    assert_int_equal(back.duration, AUDIO_PART.duration);
    assert_int_equal(back.sample_size, AUDIO_PART.sample_size);
    assert_text(sample, "abc");
    assert_int_equal(rest.size, 0);
}

static void audio_parts_of_another_shape_or_size_are_refused(void **state)
{
    (void)state;
    uint8_t storage[CM_FMP4_AUDIO_PART_HEADER_SIZE + 3] = {0};
    cm_writer w = cm_writer_over(storage, CM_FMP4_AUDIO_PART_HEADER_SIZE - 1);
    assert_int_equal(cm_fmp4_audio_part_header_write(&w, &AUDIO_PART), CM_FULL);
    w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_fmp4_audio_part_header_write(&w, &AUDIO_PART), CM_OK);
    assert_int_equal(storage[15], CM_FMP4_AUDIO_TRACK_ID); /* prft's */
    assert_int_equal(storage[79], CM_FMP4_AUDIO_TRACK_ID); /* tfhd's */
    storage[79] = CM_FMP4_TRACK_ID;
    cm_slice rest = cm_slice_over(storage, sizeof storage);
    cm_fmp4_audio_part part;
    cm_slice sample;
    assert_int_equal(cm_fmp4_audio_part_parse(&rest, &part, &sample), CM_CLOSE);
    part = AUDIO_PART;
    part.sample_size = 0;
    assert_int_equal(cm_fmp4_audio_part_header_write(&w, &part), CM_REFUSE);
    part.sample_size = CM_FMP4_MAX_SAMPLE_BYTES + 1;
    assert_int_equal(cm_fmp4_audio_part_header_write(&w, &part), CM_REFUSE);
}

/* ---- boxes and times ---- */

static void boxes_of_every_size_form_are_read(void **state)
{
    (void)state;
    cm_reader r =
        cm_reader_over(BYTES(0, 0, 0, 9, 'f', 'r', 'e', 'e', 1, 0, 0, 0, 1, 'm', 'd', 'a', 't', 0,
                             0, 0, 0, 0, 0, 0, 18, 2, 3, 0, 0, 0, 0, 's', 'k', 'i', 'p', 4, 5, 6));
    cm_fmp4_box box;
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_true(cm_slice_equal(box.body, BYTES(1)));
    assert_int_equal(box.whole.size, 9);
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_true(cm_slice_equal(box.body, BYTES(2, 3)));
    assert_int_equal(box.whole.size, 18);
    assert_true(cm_fmp4_next_box(&r, &box));
    assert_int_equal(box.type, CM_FMP4_TYPE('s', 'k', 'i', 'p'));
    assert_true(cm_slice_equal(box.body, BYTES(4, 5, 6)));
    assert_false(cm_fmp4_next_box(&r, &box));
    assert_int_equal(cm_reader_finish(&r), CM_OK);
}

static void a_box_whose_size_lies_is_seen(void **state)
{
    (void)state;
    const cm_slice BAD[] = {
        BYTES(0),
        BYTES(0, 0, 0, 8, 'f', 'r', 'e'),
        BYTES(0, 0, 0, 9, 'f', 'r', 'e', 'e'),
        BYTES(0, 0, 0, 7, 'f', 'r', 'e', 'e'),
        BYTES(0, 0, 0, 2, 'f', 'r', 'e', 'e'),
        BYTES(0xff, 0xff, 0xff, 0xff, 'f', 'r', 'e', 'e'),
        BYTES(0, 0, 0, 1, 'f', 'r', 'e', 'e', 0, 0, 0, 0, 0, 0, 0, 15),
        BYTES(0, 0, 0, 1, 'f', 'r', 'e', 'e', 0, 0, 0, 0, 0, 0, 0, 17),
        BYTES(0, 0, 0, 1, 'f', 'r', 'e', 'e', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
        BYTES(0, 0, 0, 1, 'f', 'r', 'e', 'e', 0, 0, 0, 0, 0, 0, 0),
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_reader r = cm_reader_over(BAD[i]);
        cm_fmp4_box box = {.type = 5};
        assert_false(cm_fmp4_next_box(&r, &box));
        assert_true(r.failed);
        assert_int_equal(box.type, 5);
        assert_int_equal(cm_fmp4_find_box(BAD[i], CM_FMP4_TYPE('m', 'o', 'o', 'v'), &box),
                         CM_CLOSE);
    }
    cm_fmp4_box box;
    assert_int_equal(cm_fmp4_find_box(BYTES(0, 0, 0, 8, 'f', 'r', 'e', 'e'),
                                      CM_FMP4_TYPE('m', 'o', 'o', 'v'), &box),
                     CM_ABSENT);
}

static void times_go_to_ntp_and_back(void **state)
{
    (void)state;
    assert_true(cm_fmp4_ntp_of_unix_us(0) == UINT64_C(2208988800) << 32);
    assert_true(cm_fmp4_ntp_of_unix_us(500000) == (UINT64_C(2208988800) << 32 | 0x80000000));
    /* RFC 5905 6: era 1 begins on 7 February 2036. */
    assert_true(cm_fmp4_ntp_of_unix_us(UINT64_C(2085978496000000)) == 0);
    for (uint64_t us = 1; us < UINT64_C(4294967296000000); us = us * 3 + 999999)
        assert_true(cm_fmp4_unix_us_of_ntp(cm_fmp4_ntp_of_unix_us(us)) == us);
    for (uint64_t us = UINT64_C(1800000000000000); us < UINT64_C(1800000001000000); us += 997)
        assert_true(cm_fmp4_unix_us_of_ntp(cm_fmp4_ntp_of_unix_us(us)) == us);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_part_header_is_these_bytes),
        cmocka_unit_test(the_same_part_gives_the_same_bytes_wherever_it_is_written),
        cmocka_unit_test(a_part_of_an_impossible_size_is_refused),
        cmocka_unit_test(parts_are_read_as_they_were_written),
        cmocka_unit_test(a_part_that_has_not_all_come_is_waited_for),
        cmocka_unit_test(any_other_byte_changed_is_another_shape),
        cmocka_unit_test(an_init_segment_says_the_size_and_the_timescale),
        cmocka_unit_test(avcc_carries_the_sets_and_what_high_profiles_add),
        cmocka_unit_test(hvcc_carries_profile_format_and_sets),
        cmocka_unit_test(an_init_segment_without_good_sets_is_refused),
        cmocka_unit_test(an_audio_track_stands_beside_the_video),
        cmocka_unit_test(the_output_rate_counts_and_a_bad_configuration_is_refused),
        cmocka_unit_test(sound_has_a_movie_of_its_own),
        cmocka_unit_test(opus_is_told_by_its_own_box),
        cmocka_unit_test(flac_is_told_by_its_streaminfo),
        cmocka_unit_test(audio_parts_are_read_as_they_were_written),
        cmocka_unit_test(audio_parts_of_another_shape_or_size_are_refused),
        cmocka_unit_test(boxes_of_every_size_form_are_read),
        cmocka_unit_test(a_box_whose_size_lies_is_seen),
        cmocka_unit_test(times_go_to_ntp_and_back),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
