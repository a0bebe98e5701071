#include "proto/aac/config.h"

#include "base/bits.h"

enum {
    ESCAPED_TYPE = 31,
    ESCAPED_RATE = 15,
    MIN_RATE = 7350,
    MAX_RATE = 96000,
    SYNC_SBR = 0x2b7,
    SYNC_PS = 0x548,
    SYNC_BITS = 11,
    LONG_FRAME = 1024,
    SHORT_FRAME = 960,
};

/* Table 1.18: samplingFrequencyIndex. */
static const uint32_t RATES[] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                 22050, 16000, 12000, 11025, 8000,  7350};
/* Table 1.19: channelConfiguration; 0 says that a program config element tells. */
static const uint8_t CHANNELS[] = {0, 1, 2, 3, 4, 5, 6, 8};

static uint32_t read_object_type(cm_bits *b)
{
    const uint32_t type = cm_bits_read(b, 5);
    return type == ESCAPED_TYPE ? 32 + cm_bits_read(b, 6) : type;
}

/* 0 when the index is reserved. */
static uint32_t read_rate(cm_bits *b)
{
    const uint32_t index = cm_bits_read(b, 4);
    if (index < CM_COUNT(RATES))
        return RATES[index];
    return index == ESCAPED_RATE ? cm_bits_read(b, 24) : 0;
}

/* 4.4.1, GASpecificConfig of AAC-LC. */
static cm_status read_frame_length(cm_bits *b, cm_aac_config *config)
{
    config->frame_samples = cm_bits_read_flag(b) ? SHORT_FRAME : LONG_FRAME;
    const bool depends_on_core = cm_bits_read_flag(b);
    const bool has_extension = cm_bits_read_flag(b);
    CM_ENSURE(!depends_on_core && !has_extension, CM_REFUSE);
    return CM_OK;
}

/* What may follow for decoders that know of it: SBR, then PS, each behind a mark. */
static void read_trailer(cm_bits *b, cm_aac_config *config)
{
    if (cm_bits_left(b) < 16 || cm_bits_read(b, SYNC_BITS) != SYNC_SBR ||
        read_object_type(b) != CM_AAC_SBR || !cm_bits_read_flag(b))
        return;
    config->object_type = CM_AAC_SBR;
    config->output_rate = read_rate(b);
    if (cm_bits_left(b) >= 12 && cm_bits_read(b, SYNC_BITS) == SYNC_PS && cm_bits_read_flag(b))
        config->object_type = CM_AAC_PS;
}

static bool is_rate(uint32_t rate)
{
    return rate >= MIN_RATE && rate <= MAX_RATE;
}

/* SBR doubles the rate, or keeps it (4.6.18.2.5). */
static bool is_sound(const cm_aac_config *config)
{
    const bool is_kept = config->output_rate == config->sample_rate;
    const bool is_doubled = config->output_rate == 2 * config->sample_rate;
    switch (config->object_type) {
    case CM_AAC_LC:
        return is_rate(config->sample_rate) && is_kept;
    case CM_AAC_SBR:
    case CM_AAC_PS:
        return is_rate(config->sample_rate) && is_rate(config->output_rate) &&
               (is_kept || is_doubled);
    default:
        return false;
    }
}

static cm_status read_config(cm_bits *b, cm_aac_config *config)
{
    uint32_t type = read_object_type(b);
    config->sample_rate = config->output_rate = read_rate(b);
    const uint32_t channels = cm_bits_read(b, 4);
    CM_ENSURE(channels > 0 && channels < CM_COUNT(CHANNELS), CM_REFUSE);
    config->channels = CHANNELS[channels];
    config->object_type = CM_AAC_LC;
    const bool is_extended = type == CM_AAC_SBR || type == CM_AAC_PS;
    if (is_extended) {
        config->object_type = (uint8_t)type;
        config->output_rate = read_rate(b);
        type = read_object_type(b);
    }
    CM_ENSURE(type == CM_AAC_LC, CM_REFUSE);
    CM_TRY(read_frame_length(b, config));
    if (!is_extended)
        read_trailer(b, config);
    CM_ENSURE(is_sound(config), CM_REFUSE);
    return CM_OK;
}

cm_status cm_aac_config_parse(cm_slice bytes, cm_aac_config *out)
{
    CM_ENSURE(bytes.size <= CM_AAC_MAX_CONFIG_BYTES, CM_REFUSE);
    cm_bits b = cm_bits_over(bytes);
    cm_aac_config config = {0};
    const cm_status status = read_config(&b, &config);
    /* A value out of bounds may itself be what a read past the end yields. */
    CM_TRY(cm_bits_status(&b));
    CM_TRY(status);
    *out = config;
    return CM_OK;
}

/* ---- the other way ---- */

/* Bits on their way to whole bytes. */
typedef struct bit_writer {
    cm_writer *w;
    uint32_t held; /* the lowest `count` bits */
    unsigned count;
} bit_writer;

static void put_bits(bit_writer *b, uint32_t value, unsigned count)
{
    for (unsigned i = count; i-- > 0;) {
        b->held = b->held << 1 | (value >> i & 1);
        if (++b->count == 8) {
            cm_write_u8(b->w, (uint8_t)b->held);
            b->count = 0;
        }
    }
}

static void put_rate(bit_writer *b, uint32_t rate)
{
    uint32_t index = 0;
    while (index < CM_COUNT(RATES) && RATES[index] != rate)
        index++;
    if (index < CM_COUNT(RATES)) {
        put_bits(b, index, 4);
        return;
    }
    put_bits(b, ESCAPED_RATE, 4);
    put_bits(b, rate, 24);
}

cm_status cm_aac_config_write(cm_writer *w, const cm_aac_config *config)
{
    const cm_slice all = cm_slice_over(CHANNELS, sizeof CHANNELS);
    const size_t channels = cm_slice_find(all, config->channels);
    CM_ENSURE(channels > 0 && channels < all.size, CM_REFUSE);
    CM_ENSURE(config->frame_samples == LONG_FRAME || config->frame_samples == SHORT_FRAME,
              CM_REFUSE);
    CM_ENSURE(is_sound(config), CM_REFUSE);
    bit_writer b = {.w = w};
    put_bits(&b, config->object_type, 5);
    put_rate(&b, config->sample_rate);
    put_bits(&b, (uint32_t)channels, 4);
    if (config->object_type != CM_AAC_LC) {
        put_rate(&b, config->output_rate);
        put_bits(&b, CM_AAC_LC, 5);
    }
    put_bits(&b, config->frame_samples == SHORT_FRAME, 1);
    put_bits(&b, 0, 2);
    while (b.count > 0)
        put_bits(&b, 0, 1);
    return w->failed ? CM_FULL : CM_OK;
}

void cm_aac_codecs(const cm_aac_config *config, char out[CM_AAC_CODECS_SIZE])
{
    cm_writer w = cm_writer_over(out, CM_AAC_CODECS_SIZE);
    cm_write_format(&w, "mp4a.40.%u", (unsigned)config->object_type);
    cm_write_u8(&w, 0);
}
