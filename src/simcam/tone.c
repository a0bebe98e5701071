#include "simcam/tone.h"

#include <math.h>

enum {
    FIRST_HZ = 400,
    STEP_HZ = 50,
    QUIET = 2600, /* of 32,767: about -22 dB */
    LOUD = 9000,
};

unsigned cm_tone_of(uint16_t code)
{
    return code % CM_TONES;
}

unsigned cm_tone_hz(unsigned tone)
{
    return FIRST_HZ + STEP_HZ * tone;
}

int16_t cm_tone_sample(unsigned tone, uint32_t index, uint32_t rate)
{
    const bool is_beep = (uint64_t)index * 1000 < (uint64_t)rate * CM_TONE_BEEP_MS;
    const unsigned hz = is_beep ? CM_TONE_BEEP_HZ : cm_tone_hz(tone);
    /* The cycle it stands in, exactly: the last sample of a second leads over to its first. */
    const double turn = (double)((uint64_t)index * hz % rate) / rate;
    return (int16_t)lround(sin(turn * 2 * M_PI) * (is_beep ? LOUD : QUIET));
}
