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
