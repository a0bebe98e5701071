#include "proto/aac/format.h"

#include "base/text.h"
#include "proto/sdp/fmtp.h"

const char *cm_aac_fault_name(cm_aac_fault fault)
{
    static const char *const NAMES[CM_AAC_FAULT_COUNT] = {
        [CM_AAC_FAULT_NONE] = "none",
        [CM_AAC_FAULT_LATM] = "mp4a-latm",
        [CM_AAC_FAULT_ENCODING] = "encoding",
        [CM_AAC_FAULT_MODE] = "mode",
        [CM_AAC_FAULT_HEADERS] = "headers",
        [CM_AAC_FAULT_CONFIG] = "config",
        [CM_AAC_FAULT_CLOCK] = "clock",
        [CM_AAC_FAULT_LOSS] = "loss",
        [CM_AAC_FAULT_TRUNCATED] = "truncated",
        [CM_AAC_FAULT_SIZES] = "sizes",
        [CM_AAC_FAULT_INTERLEAVED] = "interleaved",
        [CM_AAC_FAULT_UNFINISHED] = "unfinished",
    };
    return fault < CM_AAC_FAULT_COUNT ? NAMES[fault] : "unknown";
}

/* RFC 3640, 4.1: 0 is what a length means that is not said. */
static bool has_length(cm_slice fmtp, cm_slice name, uint64_t wanted)
{
    cm_slice value;
    uint64_t length = 0;
    if (cm_sdp_fmtp_find(fmtp, name, &value) && cm_slice_to_u64(value, 32, &length) != CM_OK)
        return false;
    return length == wanted;
}

/* RFC 3640, 3.3.6: these lengths and no others. */
static bool has_hbr_headers(cm_slice fmtp)
{
    static const struct {
        const char *name;
        uint64_t length;
    } FIELDS[] = {
        {"sizelength", 13},           {"indexlength", 3},
        {"indexdeltalength", 3},      {"ctsdeltalength", 0},
        {"dtsdeltalength", 0},        {"randomaccessindication", 0},
        {"streamstateindication", 0}, {"auxiliarydatasizelength", 0},
    };
    for (size_t i = 0; i < CM_COUNT(FIELDS); i++)
        if (!has_length(fmtp, cm_slice_of(FIELDS[i].name), FIELDS[i].length))
            return false;
    return true;
}

static cm_status read_config(cm_slice fmtp, cm_aac_format *format)
{
    cm_slice hex;
    CM_ENSURE(cm_sdp_fmtp_find(fmtp, CM_TEXT("config"), &hex), CM_REFUSE);
    /* Quotes are against the grammar, but sent. */
    if (hex.size >= 2 && hex.bytes[0] == '"' && hex.bytes[hex.size - 1] == '"')
        hex = cm_slice_part(hex, 1, hex.size - 2);
    const size_t size = hex.size / 2;
    CM_ENSURE(size <= sizeof format->config_bytes, CM_REFUSE);
    CM_TRY(cm_text_from_hex(hex, format->config_bytes, size));
    CM_TRY(cm_aac_config_parse(cm_slice_over(format->config_bytes, size), &format->config));
    format->config_size = (uint8_t)size;
    return CM_OK;
}

static cm_aac_fault read_format(cm_slice encoding, cm_slice fmtp, cm_aac_format *format)
{
    if (cm_slice_equal_nocase(encoding, CM_TEXT("MP4A-LATM")))
        return CM_AAC_FAULT_LATM;
    if (!cm_slice_equal_nocase(encoding, CM_TEXT("mpeg4-generic")))
        return CM_AAC_FAULT_ENCODING;
    cm_slice mode;
    if (!cm_sdp_fmtp_find(fmtp, CM_TEXT("mode"), &mode) ||
        !cm_slice_equal_nocase(mode, CM_TEXT("AAC-hbr")))
        return CM_AAC_FAULT_MODE;
    if (!has_hbr_headers(fmtp))
        return CM_AAC_FAULT_HEADERS;
    if (read_config(fmtp, format) != CM_OK)
        return CM_AAC_FAULT_CONFIG;
    /* With SBR the clock is that of the output, as a rule (RFC 3640, 3.3.6). */
    const uint64_t ticks = (uint64_t)format->config.frame_samples * format->clock_rate;
    if (ticks == 0 || ticks % format->config.sample_rate != 0 ||
        ticks / format->config.sample_rate > UINT16_MAX)
        return CM_AAC_FAULT_CLOCK;
    format->frame_ticks = (uint32_t)(ticks / format->config.sample_rate);
    return CM_AAC_FAULT_NONE;
}

cm_status cm_aac_format_parse(cm_slice encoding, uint32_t clock_rate, cm_slice fmtp,
                              cm_aac_format *out, cm_aac_fault *fault)
{
    cm_aac_format format = {.clock_rate = clock_rate};
    *fault = read_format(encoding, fmtp, &format);
    CM_ENSURE(*fault == CM_AAC_FAULT_NONE, CM_REFUSE);
    *out = format;
    return CM_OK;
}

cm_status cm_aac_format_write(cm_writer *w, const cm_aac_format *format)
{
    char hex[CM_HEX_SIZE(CM_AAC_MAX_CONFIG_BYTES)];
    CM_TRY(
        cm_text_to_hex(cm_slice_over(format->config_bytes, format->config_size), hex, sizeof hex));
    cm_write_text(w, "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
                     "indexdeltalength=3;config=");
    cm_write_text(w, hex);
    return w->failed ? CM_FULL : CM_OK;
}
