/*
 * ear: whose sound is this? Takes frames of G.711 (mu-law) of simulated cameras, of 40 ms each, in
 * which every camera's tone turns whole times (simcam/tone.h), so that one frame alone tells it.
 * The beep at the beginning of a second, and silence, tell nothing and are passed over.
 *
 * A sound is foreign when it is of another camera than `wanted`, or when there may be none at all.
 */
#pragma once

#include "base/slice.h"

typedef struct ear {
    uint16_t wanted;
    bool may_hear;
    uint64_t *heard; /* counts frames whose tone was told, */
    uint64_t *foreign;
} ear;

void ear_listen(ear *e, cm_slice frame);
