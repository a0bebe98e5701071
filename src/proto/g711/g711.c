#include "proto/g711/g711.h"

#include <assert.h>

enum {
    MU_LAW_SILENCE = 0xff, /* G.711 table 2: 0, with all bits inverted */
    A_LAW_SILENCE = 0xd5,  /* G.711 table 1: 1, the smallest there is, with even bits inverted */
};

const char *cm_g711_encoding(cm_g711_law law)
{
    return law == CM_G711_MU_LAW ? "PCMU" : "PCMA";
}

cm_status cm_g711_law_of(cm_slice encoding, cm_g711_law *out)
{
    static const cm_g711_law LAWS[] = {CM_G711_MU_LAW, CM_G711_A_LAW};
    for (size_t i = 0; i < CM_COUNT(LAWS); i++) {
        if (!cm_slice_equal_nocase(encoding, cm_slice_of(cm_g711_encoding(LAWS[i]))))
            continue;
        *out = LAWS[i];
        return CM_OK;
    }
    return CM_ABSENT;
}

cm_status cm_g711_duration(cm_slice payload, uint8_t channels, uint32_t *samples)
{
    assert(channels >= 1 && channels <= CM_G711_MAX_CHANNELS);
    CM_ENSURE(payload.size > 0 && payload.size <= UINT32_MAX, CM_CLOSE);
    CM_ENSURE(payload.size % channels == 0, CM_CLOSE);
    *samples = (uint32_t)(payload.size / channels);
    return CM_OK;
}

uint8_t cm_g711_silence(cm_g711_law law)
{
    return law == CM_G711_MU_LAW ? MU_LAW_SILENCE : A_LAW_SILENCE;
}

/* Both laws: a sign, three bits of segment, four of place in it; segments double in width. */
enum {
    SIGN = 0x80,
    PLACES = 16,
    SEGMENTS = 8,
    MU_LAW_BIAS = 33,    /* of 14 bits: makes the segments' ends powers of two */
    MU_LAW_MAX = 8158,   /* of 14 bits */
    A_LAW_INVERT = 0x55, /* even bits, as sent */
};

static unsigned segment_of(unsigned magnitude, unsigned first_end)
{
    unsigned segment = 0;
    while (segment < SEGMENTS - 1 && magnitude >= first_end << segment)
        segment++;
    return segment;
}

static uint8_t encode_mu_law(int sample)
{
    const unsigned sign = sample < 0 ? 0 : SIGN; /* inverted, as all bits are */
    unsigned magnitude = (unsigned)(sample < 0 ? -(sample >> 2) : sample >> 2);
    magnitude = (magnitude < MU_LAW_MAX ? magnitude : MU_LAW_MAX) + MU_LAW_BIAS;
    const unsigned segment = segment_of(magnitude, 64);
    const unsigned place = magnitude >> (segment + 1) & (PLACES - 1);
    return (uint8_t)(sign | (~(segment << 4 | place) & 0x7f));
}

static uint8_t encode_a_law(int sample)
{
    const unsigned sign = sample < 0 ? 0 : SIGN;
    const unsigned magnitude = (unsigned)(sample < 0 ? ~sample : sample) >> 3; /* of 12 bits */
    const unsigned segment = segment_of(magnitude, 32);
    const unsigned place = magnitude >> (segment > 0 ? segment : 1) & (PLACES - 1);
    return (uint8_t)((sign | segment << 4 | place) ^ A_LAW_INVERT);
}

uint8_t cm_g711_encode(cm_g711_law law, int16_t sample)
{
    return law == CM_G711_MU_LAW ? encode_mu_law(sample) : encode_a_law(sample);
}

static int decode_mu_law(unsigned byte)
{
    const unsigned bits = ~byte;
    const unsigned segment = bits >> 4 & 7;
    const int magnitude = (int)(((bits & (PLACES - 1)) * 2 + MU_LAW_BIAS) << segment) - MU_LAW_BIAS;
    return (byte & SIGN) != 0 ? magnitude * 4 : -magnitude * 4;
}

static int decode_a_law(unsigned byte)
{
    const unsigned bits = byte ^ A_LAW_INVERT;
    const unsigned segment = bits >> 4 & 7;
    const unsigned place = (bits & (PLACES - 1)) * 2 + 1;
    const int magnitude = (int)(segment > 0 ? (place + 32) << (segment - 1) : place);
    return (bits & SIGN) != 0 ? magnitude * 8 : -magnitude * 8;
}

int16_t cm_g711_decode(cm_g711_law law, uint8_t byte)
{
    return (int16_t)(law == CM_G711_MU_LAW ? decode_mu_law(byte) : decode_a_law(byte));
}

uint8_t cm_g711_recode(cm_g711_law from, cm_g711_law to, uint8_t byte)
{
    return from == to ? byte : cm_g711_encode(to, cm_g711_decode(from, byte));
}
