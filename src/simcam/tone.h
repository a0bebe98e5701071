/*
 * tone: what a simulated camera sounds like: a quiet tone that tells cameras apart, and louder at
 * the beginning of each second a short beep, the same of all, by which sound is put beside the
 * clock on the picture.
 *
 * Pure; shared by simcam and casement-helper.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    CM_TONES = 32,
    CM_TONE_BEEP_HZ = 2500,
    CM_TONE_BEEP_MS = 60,
};

/* Of a camera's block code: neighbours differ. 0 to CM_TONES - 1. */
unsigned cm_tone_of(uint16_t code);
/* 400 to 1,950 Hz, whole cycles in a second. */
unsigned cm_tone_hz(unsigned tone);
/* Sample `index` of a second that has `rate` of them. */
int16_t cm_tone_sample(unsigned tone, uint32_t index, uint32_t rate);
