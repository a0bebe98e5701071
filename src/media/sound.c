#include "media/sound.h"

#include <string.h>

#include "base/reader.h"

const char *cm_sound_codec_name(cm_sound_codec codec)
{
    switch (codec) {
    case CM_SOUND_PCMU:
        return "pcmu";
    case CM_SOUND_PCMA:
        return "pcma";
    case CM_SOUND_AAC:
        return "aac";
    case CM_SOUND_FLAC:
        return "flac";
    case CM_SOUND_OPUS:
        return "opus";
    }
    return "unknown";
}

static bool is_codec(unsigned number)
{
    return number == CM_SOUND_PCMU || number == CM_SOUND_PCMA || number == CM_SOUND_AAC ||
           number == CM_SOUND_FLAC || number == CM_SOUND_OPUS;
}

static bool has_its_config(const cm_sound_format *format)
{
    if (format->codec == CM_SOUND_AAC)
        return format->config_size > 0 && format->config_size <= CM_SOUND_CONFIG_MAX;
    return format->config_size == (format->codec == CM_SOUND_FLAC ? CM_SOUND_STREAMINFO_SIZE : 0);
}

static bool is_format(const cm_sound_format *format)
{
    return is_codec(format->codec) && format->channels >= 1 &&
           format->channels <= CM_SOUND_CHANNELS_MAX && format->rate >= 1 &&
           format->rate <= CM_SOUND_RATE_MAX && has_its_config(format);
}

static cm_slice config_of(const cm_sound_format *format)
{
    return cm_slice_over(format->config, format->config_size);
}

bool cm_sound_format_equal(const cm_sound_format *a, const cm_sound_format *b)
{
    return a->codec == b->codec && a->channels == b->channels && a->rate == b->rate &&
           cm_slice_equal(config_of(a), config_of(b));
}

bool cm_sound_may_become(const cm_sound_format *format, cm_stream made)
{
    enum { RATE_MIN = 7000, FLAC_RATE_MAX = 24000, PIECES_A_SECOND = 1000 / CM_SOUND_MADE_MS };
    const bool is_g711 = (format->codec == CM_SOUND_PCMU || format->codec == CM_SOUND_PCMA) &&
                         format->channels == 1 && format->rate >= RATE_MIN;
    if (made == CM_STREAM_SOUND_OPUS)
        return is_g711 || format->codec == CM_SOUND_AAC;
    return made == CM_STREAM_SOUND_FLAC && is_g711 && format->rate <= FLAC_RATE_MAX &&
           format->rate % PIECES_A_SECOND == 0;
}

cm_status cm_sound_format_write(cm_writer *w, const cm_sound_format *format)
{
    CM_ENSURE(is_format(format), CM_REFUSE);
    cm_write_u8(w, (uint8_t)format->codec);
    cm_write_u8(w, format->channels);
    cm_write_u32(w, format->rate);
    cm_write_u8(w, format->config_size);
    cm_write_slice(w, config_of(format));
    return w->failed ? CM_FULL : CM_OK;
}

cm_status cm_sound_format_read(cm_slice granule, cm_sound_format *out)
{
    cm_reader r = cm_reader_over(granule);
    const uint8_t codec = cm_read_u8(&r);
    cm_sound_format format = {.channels = cm_read_u8(&r)};
    format.rate = cm_read_u32(&r);
    format.config_size = cm_read_u8(&r);
    const cm_slice config = cm_read_slice(&r, format.config_size);
    CM_TRY(cm_reader_finish(&r));
    CM_ENSURE(is_codec(codec) && config.size <= sizeof format.config, CM_REFUSE);
    format.codec = (cm_sound_codec)codec;
    for (size_t i = 0; i < config.size; i++)
        format.config[i] = config.bytes[i];
    CM_ENSURE(is_format(&format), CM_REFUSE);
    *out = format;
    return CM_OK;
}
