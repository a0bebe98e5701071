/*
 * g711: PCMU and PCMA in RTP (RFC 3551, 4.5.14; ITU-T G.711): eight bits a sample, at 8,000 Hz
 * unless SDP says otherwise, any whole number of samples a packet.
 *
 * Pure. Each packet stands for itself: there is nothing to put together, only to measure.
 */
#pragma once

#include "base/slice.h"

enum {
    CM_G711_CLOCK_RATE = 8000,     /* Hz, of the static payload types */
    CM_G711_PCMU_PAYLOAD_TYPE = 0, /* static (RFC 3551, 6) */
    CM_G711_PCMA_PAYLOAD_TYPE = 8, /* static */
    CM_G711_MAX_CHANNELS = 2,
};

typedef enum cm_g711_law {
    CM_G711_MU_LAW,
    CM_G711_A_LAW,
} cm_g711_law;

/* Of rtpmap's encoding, without case. CM_ABSENT if it is neither. */
cm_status cm_g711_law_of(cm_slice encoding, cm_g711_law *out);
/* "PCMU" or "PCMA". Static storage. */
const char *cm_g711_encoding(cm_g711_law law);

/*
 * Samples per channel in a payload: ticks of the RTP clock that it lasts. CM_CLOSE if it is empty
 * or has part of a sample of all channels. `channels` is 1 to CM_G711_MAX_CHANNELS.
 */
cm_status cm_g711_duration(cm_slice payload, uint8_t channels, uint32_t *samples);

/* One sample, 16 bits of which G.711 keeps the upper 14 (mu-law) or 13 (A-law). */
uint8_t cm_g711_encode(cm_g711_law law, int16_t sample);
int16_t cm_g711_decode(cm_g711_law law, uint8_t byte);
/* The same sample by the other law, as near as it has one; by its own law: as it is. */
uint8_t cm_g711_recode(cm_g711_law from, cm_g711_law to, uint8_t byte);

/* The byte that is silence: to fill what was lost. */
uint8_t cm_g711_silence(cm_g711_law law);
