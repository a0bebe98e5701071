/* proto/aac: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1), its SDP (RFC 3640, 4.1) and its RTP
 * payloads (RFC 3640, 3.2 and 3.3.6). */
#include "unit.h"

#include "proto/aac/depacketize.h"

/* ---- AudioSpecificConfig ---- */

#define LC_16K_MONO   0x14, 0x08
#define LC_44K_STEREO 0x12, 0x10

static void expect_config(cm_slice bytes, cm_aac_config want, const char *codecs)
{
    cm_aac_config got;
    assert_int_equal(cm_aac_config_parse(bytes, &got), CM_OK);
    assert_int_equal(got.object_type, want.object_type);
    assert_int_equal(got.channels, want.channels);
    assert_int_equal(got.frame_samples, want.frame_samples);
    assert_int_equal(got.sample_rate, want.sample_rate);
    assert_int_equal(got.output_rate, want.output_rate);
    char text[CM_AAC_CODECS_SIZE];
    cm_aac_codecs(&got, text);
    assert_string_equal(text, codecs);
}

#define CONFIG(type, count, samples, rate, out)                                                    \
    ((cm_aac_config){.object_type = type,                                                          \
                     .channels = count,                                                            \
                     .frame_samples = samples,                                                     \
                     .sample_rate = rate,                                                          \
                     .output_rate = out})

static void configurations_of_cameras_are_read(void **state)
{
    (void)state;
    expect_config(BYTES(LC_16K_MONO), CONFIG(2, 1, 1024, 16000, 16000), "mp4a.40.2");
    expect_config(BYTES(LC_44K_STEREO), CONFIG(2, 2, 1024, 44100, 44100), "mp4a.40.2");
    expect_config(BYTES(0x15, 0x88), CONFIG(2, 1, 1024, 8000, 8000), "mp4a.40.2");
    /* "No SBR", said behind it. */
    expect_config(BYTES(LC_44K_STEREO, 0x56, 0xe5, 0), CONFIG(2, 2, 1024, 44100, 44100),
                  "mp4a.40.2");
    /* 7.1, 960 samples. */
    expect_config(BYTES(0x11, 0xbc), CONFIG(2, 8, 960, 48000, 48000), "mp4a.40.2");
    /* 16 kHz by its number. */
    expect_config(BYTES(0x17, 0x80, 0x1f, 0x40, 0x08), CONFIG(2, 1, 1024, 16000, 16000),
                  "mp4a.40.2");
}

static void sbr_and_ps_are_read_where_they_are_told(void **state)
{
    (void)state;
    /* In front: 5 or 29, core rate, channels, output rate, 2. */
    expect_config(BYTES(0x2b, 0x11, 0x88, 0x00), CONFIG(5, 2, 1024, 24000, 48000), "mp4a.40.5");
    expect_config(BYTES(0xeb, 0x09, 0x88, 0x00), CONFIG(29, 1, 1024, 24000, 48000), "mp4a.40.29");
    /* Behind: 0x2b7, 5, a flag, output rate; then 0x548 and a flag. */
    expect_config(BYTES(0x13, 0x10, 0x56, 0xe5, 0x98), CONFIG(5, 2, 1024, 24000, 48000),
                  "mp4a.40.5");
    expect_config(BYTES(0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80),
                  CONFIG(29, 1, 1024, 24000, 48000), "mp4a.40.29");
}

static void other_configurations_are_refused(void **state)
{
    (void)state;
    static uint8_t huge[CM_AAC_MAX_CONFIG_BYTES + 1] = {LC_16K_MONO};
    const cm_slice BAD[] = {
        BYTES(0x0c, 0x08),                   /* Main */
        BYTES(0xf8, 0xe8, 0x50, 0x00),       /* ELD, 39 by escape */
        BYTES(0x14, 0x00),                   /* channels in a program config element */
        BYTES(0x14, 0x40),                   /* 8: reserved */
        BYTES(0x16, 0x88),                   /* rate 13: reserved */
        BYTES(0x17, 0x00),                   /* rate 14: reserved */
        BYTES(0x17, 0x80, 0x00, 0x00, 0x08), /* 0 Hz */
        BYTES(0x17, 0x80, 0xbb, 0x80, 0x88), /* 96,001 Hz */
        BYTES(0x14, 0x0a, 0, 0),             /* depends on a core coder */
        BYTES(0x14, 0x09),                   /* extension flag */
        BYTES(0x2b, 0x12, 0x08, 0x00),       /* SBR to 44.1 kHz from 24 */
        BYTES(0x2b, 0x11, 0x84, 0x00),       /* SBR over Main */
        cm_slice_over(huge, sizeof huge),
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_aac_config config = {.channels = 77};
        assert_int_equal(cm_aac_config_parse(BAD[i], &config), CM_REFUSE);
        assert_int_equal(config.channels, 77);
    }
}

static void every_truncation_of_a_configuration_is_seen(void **state)
{
    (void)state;
    const cm_slice WHOLE[] = {BYTES(LC_16K_MONO), BYTES(0x2b, 0x11, 0x88, 0x00),
                              BYTES(0x17, 0x80, 0x1f, 0x40, 0x08)};
    for (size_t i = 0; i < CM_COUNT(WHOLE); i++) {
        for (size_t size = 0; size < WHOLE[i].size; size++) {
            cm_aac_config config;
            assert_int_equal(cm_aac_config_parse(cm_slice_part(WHOLE[i], 0, size), &config),
                             CM_CLOSE);
        }
    }
}

static void a_configuration_comes_back_as_it_was_written(void **state)
{
    (void)state;
    static const uint32_t RATES[] = {96000, 48000, 16000, 8000, 7350, 22222};
    static const uint8_t TYPES[] = {CM_AAC_LC, CM_AAC_SBR, CM_AAC_PS};
    static const uint8_t CHANNELS[] = {1, 2, 6, 8};
    for (size_t i = 0; i < 6 * 3 * 4 * 2; i++) {
        cm_aac_config config = CONFIG(TYPES[i % 3], CHANNELS[i / 3 % 4], i % 2 ? 1024 : 960,
                                      RATES[i / 12 % 6], RATES[i / 12 % 6]);
        if (config.object_type != CM_AAC_LC && config.sample_rate <= 48000)
            config.output_rate *= 2;
        uint8_t storage[16];
        cm_writer w = cm_writer_over(storage, sizeof storage);
        assert_int_equal(cm_aac_config_write(&w, &config), CM_OK);
        cm_aac_config back;
        assert_int_equal(cm_aac_config_parse(cm_writer_done(&w), &back), CM_OK);
        assert_memory_equal(&back, &config, sizeof back);
    }
}

static void a_configuration_that_no_bytes_say_is_not_written(void **state)
{
    (void)state;
    const cm_aac_config BAD[] = {CONFIG(2, 0, 1024, 16000, 16000), CONFIG(2, 7, 1024, 16000, 16000),
                                 CONFIG(2, 1, 1000, 16000, 16000), CONFIG(2, 1, 1024, 7349, 7349),
                                 CONFIG(2, 1, 1024, 16000, 32000), CONFIG(1, 1, 1024, 16000, 16000),
                                 CONFIG(5, 1, 1024, 96000, 192000)};
    uint8_t storage[2];
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_writer w = cm_writer_over(storage, sizeof storage);
        assert_int_equal(cm_aac_config_write(&w, &BAD[i]), CM_REFUSE);
    }
    const cm_aac_config good = CONFIG(2, 1, 1024, 16000, 16000);
    cm_writer w = cm_writer_over(storage, 1);
    assert_int_equal(cm_aac_config_write(&w, &good), CM_FULL);
    w = cm_writer_over(storage, 2);
    assert_int_equal(cm_aac_config_write(&w, &good), CM_OK);
    assert_true(cm_slice_equal(cm_writer_done(&w), BYTES(LC_16K_MONO)));
}

/* ---- SDP ---- */

#define HBR "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"

static void the_format_of_a_camera_is_read(void **state)
{
    (void)state;
    static const char *const FMTP[] = {
        "streamtype=5;profile-level-id=1;" HBR "config=1408",
        "profile-level-id=15; mode=aac-HBR; sizeLength=13; indexLength=3; indexDeltaLength=3; "
        "CONFIG=\"1408\"; ctsDeltaLength=0",
    };
    for (size_t i = 0; i < CM_COUNT(FMTP); i++) {
        cm_aac_format format;
        cm_aac_fault fault;
        assert_int_equal(cm_aac_format_parse(CM_TEXT("MPEG4-GENERIC"), 16000, cm_slice_of(FMTP[i]),
                                             &format, &fault),
                         CM_OK);
        assert_int_equal(fault, CM_AAC_FAULT_NONE);
        assert_int_equal(format.config.sample_rate, 16000);
        assert_int_equal(format.frame_ticks, 1024);
        assert_true(cm_slice_equal(cm_slice_over(format.config_bytes, format.config_size),
                                   BYTES(LC_16K_MONO)));
    }
}

static void what_is_not_served_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *encoding, *fmtp, *name;
        uint32_t clock;
    } BAD[] = {
        {"MP4A-LATM", "cpresent=0;config=400024203fc0", "mp4a-latm", 16000},
        {"mp4a-latm", "", "mp4a-latm", 16000},
        {"opus", HBR "config=1408", "encoding", 16000},
        {"mpeg4-generic", "", "mode", 16000},
        {"mpeg4-generic", "mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2;config=1408",
         "mode", 16000},
        {"mpeg4-generic", "mode=AAC-hbr;config=1408", "headers", 16000},
        {"mpeg4-generic", "mode=AAC-hbr;sizelength=13;indexlength=3;config=1408", "headers", 16000},
        {"mpeg4-generic", "mode=AAC-hbr;sizelength=x;indexlength=3;indexdeltalength=3;config=1408",
         "headers", 16000},
        {"mpeg4-generic", HBR "config=1408;ctsdeltalength=16", "headers", 16000},
        {"mpeg4-generic", HBR "config=1408;auxiliaryDataSizeLength=4", "headers", 16000},
        {"mpeg4-generic", HBR, "config", 16000},
        {"mpeg4-generic", HBR "config=140", "config", 16000},
        {"mpeg4-generic", HBR "config=", "config", 16000},
        {"mpeg4-generic", HBR "config=\"", "config", 16000},
        {"mpeg4-generic", HBR "config=zz08", "config", 16000},
        {"mpeg4-generic", HBR "config=0c08", "config", 16000},
        {"mpeg4-generic", HBR "config=1408", "clock", 0},
        {"mpeg4-generic", HBR "config=1408", "clock", 44100},
        {"mpeg4-generic", HBR "config=1408", "clock", 2000000000},
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        cm_aac_format format = {.clock_rate = 77};
        cm_aac_fault fault;
        assert_int_equal(cm_aac_format_parse(cm_slice_of(BAD[i].encoding), BAD[i].clock,
                                             cm_slice_of(BAD[i].fmtp), &format, &fault),
                         CM_REFUSE);
        assert_string_equal(cm_aac_fault_name(fault), BAD[i].name);
        assert_int_equal(format.clock_rate, 77);
    }
}

static void a_frame_under_sbr_lasts_twice_the_samples(void **state)
{
    (void)state;
    cm_aac_format format;
    cm_aac_fault fault;
    const cm_slice fmtp = CM_TEXT(HBR "config=2b118800");
    assert_int_equal(cm_aac_format_parse(CM_TEXT("mpeg4-generic"), 48000, fmtp, &format, &fault),
                     CM_OK);
    assert_int_equal(format.frame_ticks, 2048);
}

static void a_format_comes_back_as_it_was_written(void **state)
{
    (void)state;
    cm_aac_format format = {.config_bytes = {LC_16K_MONO}, .config_size = 2};
    char storage[200];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    assert_int_equal(cm_aac_format_write(&w, &format), CM_OK);
    cm_aac_format back;
    cm_aac_fault fault;
    assert_int_equal(
        cm_aac_format_parse(CM_TEXT("mpeg4-generic"), 16000, cm_writer_done(&w), &back, &fault),
        CM_OK);
    assert_int_equal(back.config.channels, 1);
    w = cm_writer_over(storage, 20);
    assert_int_equal(cm_aac_format_write(&w, &format), CM_FULL);
}

static void every_fault_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CM_AAC_FAULT_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(cm_aac_fault_name((cm_aac_fault)i),
                                    cm_aac_fault_name((cm_aac_fault)k));
    assert_string_equal(cm_aac_fault_name(CM_AAC_FAULT_COUNT), "unknown");
}

/* ---- payloads: packets in, a short text of the units out: timestamp, '!' after a loss, size,
 * first byte ---- */

typedef struct rig {
    cm_aac_depacketizer d;
    cm_buffer buffer;
    char text[1024];
    cm_writer log;
} rig;

static void note_unit(void *context, const cm_aac_access_unit *unit)
{
    rig *g = context;
    cm_write_format(&g->log, "%s%u%s:%zu.%02x", cm_writer_done(&g->log).size > 0 ? " " : "",
                    (unsigned)unit->timestamp, unit->lost_before ? "!" : "", unit->bytes.size,
                    (unsigned)unit->bytes.bytes[0]);
}

static rig *make_rig(void)
{
    static rig g;
    g = (rig){0};
    g.log = cm_writer_over(g.text, sizeof g.text);
    cm_buffer_init(&g.buffer, CM_AAC_MAX_UNIT_BYTES);
    cm_aac_depacketizer_init(&g.d, 1024, &g.buffer, note_unit, &g);
    return &g;
}

static void end_rig(rig *g, const char *units)
{
    assert_text(cm_writer_done(&g->log), units);
    cm_buffer_deinit(&g->buffer);
}

enum { MARK = 1, GAP = 2 };

static cm_status put(rig *g, uint32_t timestamp, int flags, cm_slice payload)
{
    return cm_aac_depacketizer_put(&g->d, &(cm_aac_rtp_payload){.payload = payload,
                                                                .timestamp = timestamp,
                                                                .marker = (flags & MARK) != 0,
                                                                .gap_before = (flags & GAP) != 0});
}

#define PUT(timestamp, flags, ...)                                                                 \
    assert_int_equal(put(g, timestamp, flags, BYTES(__VA_ARGS__)), CM_OK)
#define ONE(size) 0, 16, 0, (size) << 3 /* the header of one unit below 32 bytes */

static void units_alone_and_together_are_taken_apart(void **state)
{
    (void)state;
    rig *g = make_rig();
    PUT(UINT32_MAX - 1023, MARK, ONE(3), 0xa1, 2, 3);
    PUT(0, MARK, 0, 48, 0, 1 << 3, 0, 2 << 3, 0, 1 << 3, 0xb1, 0xb2, 2, 0xb3);
    PUT(3072, 0, ONE(1), 0xc1); /* without the marker it should have */
    end_rig(g, "4294966272:3.a1 0:1.b1 1024:2.b2 2048:1.b3 3072:1.c1");
    assert_int_equal(g->d.units, 5);
}

static void a_unit_in_fragments_is_joined(void **state)
{
    (void)state;
    rig *g = make_rig();
    PUT(5, 0, ONE(6), 0xa1, 2, 3);
    PUT(5, 0, ONE(6), 4);
    assert_text(cm_writer_done(&g->log), "");
    PUT(5, MARK, ONE(6), 5, 6);
    PUT(1029, MARK, ONE(1), 0xa2);
    end_rig(g, "5:6.a1 1029:1.a2");
}

static void a_loss_costs_only_what_was_lost(void **state)
{
    (void)state;
    rig *g = make_rig();
    PUT(1, MARK, ONE(1), 0xa1);
    PUT(3, MARK | GAP, ONE(1), 0xa3);
    PUT(4, 0, ONE(6), 0xa4, 2, 3);
    PUT(4, MARK | GAP, ONE(6), 6); /* its middle is lost */
    PUT(5, MARK, ONE(1), 0xa5);
    PUT(6, MARK | GAP, ONE(6), 5, 6); /* its start is lost */
    PUT(7, MARK, ONE(1), 0xa7);
    PUT(8, 0, ONE(6), 0xa8, 2, 3);
    PUT(9, MARK | GAP, ONE(1), 0xa9); /* the end of the one before is lost */
    PUT(10, 0, ONE(6), 0xaa, 2, 3);
    PUT(11, MARK | GAP, ONE(6), 5, 6); /* an end and a start are lost */
    PUT(12, MARK, ONE(1), 0xac);
    end_rig(g, "1:1.a1 3!:1.a3 5!:1.a5 7!:1.a7 9!:1.a9 12!:1.ac");
    assert_int_equal(g->d.faults[CM_AAC_FAULT_LOSS], 5);
    assert_int_equal(g->d.faults[CM_AAC_FAULT_UNFINISHED], 0);
    assert_int_equal(g->d.last_fault, CM_AAC_FAULT_NONE);
}

static void a_restart_forgets_fragments(void **state)
{
    (void)state;
    rig *g = make_rig();
    PUT(1, MARK, ONE(1), 0xa1);
    PUT(2, 0, ONE(4), 0xa2, 2);
    cm_aac_depacketizer_restart(&g->d);
    PUT(2, 0, ONE(4), 0xb2, 2);
    PUT(2, MARK, ONE(4), 3, 4);
    end_rig(g, "1:1.a1 2!:4.b2");
}

static void malformed_payloads_are_named_and_hand_out_nothing(void **state)
{
    (void)state;
    const struct {
        cm_status status;
        cm_aac_fault fault;
        cm_slice payload;
    } BAD[] = {
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, {0}},
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(0)},
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(0, 0, 1)},              /* no header */
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(0, 16, 0)},             /* half a header */
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(0, 15, 0, 8, 1)},       /* of 15 bits */
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(ONE(1))},               /* no data */
        {CM_CLOSE, CM_AAC_FAULT_TRUNCATED, BYTES(0xff, 0xf0, 0, 8, 1)},  /* headers past the end */
        {CM_CLOSE, CM_AAC_FAULT_SIZES, BYTES(ONE(1), 1, 2)},             /* too much */
        {CM_CLOSE, CM_AAC_FAULT_SIZES, BYTES(ONE(0), 1)},                /* an empty unit */
        {CM_CLOSE, CM_AAC_FAULT_SIZES, BYTES(0, 32, 0, 8, 0, 16, 1, 2)}, /* too little */
        {CM_CLOSE, CM_AAC_FAULT_SIZES, BYTES(0, 32, 0, 8, 0, 8, 1, 2, 3)}, /* too much */
        {CM_CLOSE, CM_AAC_FAULT_UNFINISHED, BYTES(ONE(5), 1)},             /* the marker says all */
        {CM_REFUSE, CM_AAC_FAULT_INTERLEAVED, BYTES(0, 16, 0, 9, 1)},      /* index 1 */
        {CM_REFUSE, CM_AAC_FAULT_INTERLEAVED, BYTES(0, 32, 0, 8, 0, 9, 1, 2)}, /* delta 1 */
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig();
        PUT(1, MARK, ONE(1), 0xa1);
        assert_int_equal(put(g, 2, MARK, BAD[i].payload), BAD[i].status);
        assert_int_equal(g->d.last_fault, BAD[i].fault);
        assert_int_equal(g->d.faults[BAD[i].fault], 1);
        PUT(3, MARK, ONE(1), 0xa3);
        end_rig(g, "1:1.a1 3!:1.a3");
    }
}

static void fragments_that_do_not_fit_cost_the_unit(void **state)
{
    (void)state;
    const struct {
        cm_aac_fault fault;
        uint32_t timestamp;
        const char *units;
        cm_slice second;
    } BAD[] = {
        {CM_AAC_FAULT_SIZES, 2, "1:1.a1 3!:1.a3", BYTES(ONE(5), 4)},          /* of another size */
        {CM_AAC_FAULT_SIZES, 2, "1:1.a1 3!:1.a3", BYTES(ONE(6), 4, 5, 6, 7)}, /* beyond it */
        {CM_AAC_FAULT_UNFINISHED, 2, "1:1.a1 3!:1.a3", BYTES(ONE(1), 0xb1)},  /* a whole one */
        {CM_AAC_FAULT_UNFINISHED, 2, "1:1.a1 3!:1.a3", BYTES(ONE(6), 4)},     /* short */
        {CM_AAC_FAULT_UNFINISHED, 9, "1:1.a1 9!:1.b1 3:1.a3", BYTES(ONE(1), 0xb1)}, /* the next */
    };
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        rig *g = make_rig();
        PUT(1, MARK, ONE(1), 0xa1);
        PUT(2, 0, ONE(6), 0xa2, 2, 3);
        assert_int_equal(put(g, BAD[i].timestamp, MARK, BAD[i].second), CM_CLOSE);
        assert_int_equal(g->d.last_fault, BAD[i].fault);
        PUT(3, MARK, ONE(1), 0xa3);
        end_rig(g, BAD[i].units);
    }
}

static void the_largest_unit_passes_and_what_is_written_comes_back(void **state)
{
    (void)state;
    static uint8_t payload[CM_AAC_HEADERS_SIZE + CM_AAC_MAX_UNIT_BYTES];
    static const size_t SIZES[] = {1, 31, 32, 1000, CM_AAC_MAX_UNIT_BYTES};
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        rig *g = make_rig();
        cm_writer w = cm_writer_over(payload, sizeof payload);
        assert_int_equal(cm_aac_write_headers(&w, SIZES[i]), CM_OK);
        assert_int_equal(cm_writer_done(&w).size, CM_AAC_HEADERS_SIZE);
        cm_write_zeros(&w, SIZES[i]);
        const cm_slice whole = cm_writer_done(&w);
        assert_int_equal(put(g, 1, MARK, whole), CM_OK);
        assert_int_equal(g->d.units, 1);
        /* The same unit in two fragments. */
        const size_t half = CM_AAC_HEADERS_SIZE + SIZES[i] / 2;
        if (SIZES[i] > 1)
            assert_int_equal(put(g, 2, 0, cm_slice_part(whole, 0, half)), CM_OK);
        uint8_t rest[CM_AAC_HEADERS_SIZE + CM_AAC_MAX_UNIT_BYTES];
        w = cm_writer_over(rest, sizeof rest);
        assert_int_equal(cm_aac_write_headers(&w, SIZES[i]), CM_OK);
        cm_write_slice(&w, cm_slice_from(whole, half));
        assert_int_equal(put(g, 2, MARK, cm_writer_done(&w)), CM_OK);
        assert_int_equal(g->d.units, 2);
        cm_buffer_deinit(&g->buffer);
    }
    cm_writer w = cm_writer_over(payload, 3);
    assert_int_equal(cm_aac_write_headers(&w, 0), CM_REFUSE);
    assert_int_equal(cm_aac_write_headers(&w, CM_AAC_MAX_UNIT_BYTES + 1), CM_REFUSE);
    assert_int_equal(cm_aac_write_headers(&w, 1), CM_FULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(configurations_of_cameras_are_read),
        cmocka_unit_test(sbr_and_ps_are_read_where_they_are_told),
        cmocka_unit_test(other_configurations_are_refused),
        cmocka_unit_test(every_truncation_of_a_configuration_is_seen),
        cmocka_unit_test(a_configuration_comes_back_as_it_was_written),
        cmocka_unit_test(a_configuration_that_no_bytes_say_is_not_written),
        cmocka_unit_test(the_format_of_a_camera_is_read),
        cmocka_unit_test(what_is_not_served_is_refused_by_name),
        cmocka_unit_test(a_frame_under_sbr_lasts_twice_the_samples),
        cmocka_unit_test(a_format_comes_back_as_it_was_written),
        cmocka_unit_test(every_fault_has_a_name_of_its_own),
        cmocka_unit_test(units_alone_and_together_are_taken_apart),
        cmocka_unit_test(a_unit_in_fragments_is_joined),
        cmocka_unit_test(a_loss_costs_only_what_was_lost),
        cmocka_unit_test(a_restart_forgets_fragments),
        cmocka_unit_test(malformed_payloads_are_named_and_hand_out_nothing),
        cmocka_unit_test(fragments_that_do_not_fit_cost_the_unit),
        cmocka_unit_test(the_largest_unit_passes_and_what_is_written_comes_back),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
