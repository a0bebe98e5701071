#include "ear.h"

#include <math.h>

#include "proto/g711/g711.h"
#include "simcam/tone.h"

enum { SAMPLES = 320 }; /* 40 ms at 8,000 Hz */

static const double SHARE = 0.6; /* of the energy, that a tone has at least */

/* The energy at `hz`, by correlation with sine and cosine. */
static double energy_at(const double samples[SAMPLES], double hz)
{
    double sine = 0, cosine = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double angle = 2 * M_PI * hz * i / CM_G711_CLOCK_RATE;
        sine += samples[i] * sin(angle);
        cosine += samples[i] * cos(angle);
    }
    return (sine * sine + cosine * cosine) * 2 / SAMPLES;
}

/* CM_TONES: none stands out. */
static unsigned tone_of(cm_slice frame)
{
    double samples[SAMPLES];
    double whole = 0, loudest = 0;
    unsigned found = CM_TONES;
    for (int i = 0; i < SAMPLES; i++) {
        samples[i] = cm_g711_decode(CM_G711_MU_LAW, frame.bytes[i]);
        whole += samples[i] * samples[i];
    }
    for (unsigned tone = 0; tone < CM_TONES; tone++) {
        const double energy = energy_at(samples, cm_tone_hz(tone));
        if (energy > loudest) {
            loudest = energy;
            found = tone;
        }
    }
    return loudest > whole * SHARE && whole > SAMPLES * 100.0 ? found : CM_TONES;
}

void ear_listen(ear *e, cm_slice frame)
{
    const unsigned tone = frame.size == SAMPLES ? tone_of(frame) : CM_TONES;
    if (tone == CM_TONES)
        return;
    ++*e->heard;
    if (!e->may_hear || tone != cm_tone_of(e->wanted))
        ++*e->foreign;
}
