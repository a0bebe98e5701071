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
    case CM_SOUND_OPUS:
        return "opus";
    }
    return "unknown";
}

static bool is_codec(unsigned number)
{
    return number == CM_SOUND_PCMU || number == CM_SOUND_PCMA || number == CM_SOUND_AAC ||
           number == CM_SOUND_OPUS;
}

static bool is_format(const cm_sound_format *format)
{
    return is_codec(format->codec) && format->channels >= 1 &&
           format->channels <= CM_SOUND_CHANNELS_MAX && format->rate >= 1 &&
           format->rate <= CM_SOUND_RATE_MAX && format->config_size <= CM_SOUND_CONFIG_MAX &&
           (format->config_size > 0) == (format->codec == CM_SOUND_AAC);
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
