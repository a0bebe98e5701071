/*
 * lane: the sound of one camera made over: AAC or G.711 in, Opus or FLAC out, in pieces of
 * CM_SOUND_MADE_MS.
 *
 * Holds a decoder, a resampler, an encoder and what did not fill a piece yet: sound of the frames
 * before. So a lane is of one camera for life, and of one stream; whose it is its owner looks after
 * (helper/transcode.c). What came in and what came out is wiped; what the codecs keep is freed with
 * them.
 *
 * Of Opus: 48 kHz, mono or stereo (more channels are mixed down), lookahead 6.5 ms. Of FLAC: the
 * rate and channel that came, and nothing is lost.
 *
 * One thread. Nothing here opens a file or starts a thread.
 */
#pragma once

#include "media/delegate.h"

typedef struct cm_lane cm_lane;

/* `made`: CM_STREAM_SOUND_OPUS or _FLAC. CM_BROKEN without memory. */
cm_status cm_lane_create(cm_stream made, cm_lane **out);
void cm_lane_destroy(cm_lane *lane); /* NULL is fine */

/*
 * The next frame of CM_STREAM_SOUND. CM_OK: *out is what it filled, borrowed until cm_lane_wipe().
 * CM_ABSENT: nothing is full yet. CM_BROKEN: it is no sound, or none that can be made over: the
 * lane goes on with the next, as after a gap.
 */
cm_status cm_lane_put(cm_lane *lane, const cm_opened_frame *opened, cm_made_sound *out);
/* Forgets what came out last, whether anything did or not. */
void cm_lane_wipe(cm_lane *lane);
