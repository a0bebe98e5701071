/*
 * delegate: the right to make ONE picture out of ONE frame, or one frame of sound out of another,
 * for a helper process that has no other right at all.
 *
 * A transform could launder a foreign picture into a valid seal. So a helper job carries a one-shot
 * lease (the key and place of exactly one sealed keyframe, taken from the lease of the viewer who
 * asked) and a one-shot sealer (the key of this camera's stills and one number, burnt at the
 * sealer). The helper opens the frame, seals its own output, and both checks are the same as
 * everywhere: a job that is mixed up with another's frame does not open, an answer mixed up with
 * another's does not open at the viewer.
 *
 * Of sound the same is done frame by frame, by the lease of one of those who listen: what is made
 * is a frame of CM_STREAM_SOUND_OPUS or _FLAC of the same camera, under a key of that stream. What
 * a decoder remembers between frames is the helper's to keep apart (helper/transcode.h).
 *
 * The delegation is a flat record of CM_DELEGATION_SIZE bytes that travels over the helper's socket
 * pair and is wiped on both sides.
 */
#pragma once

#include "base/writer.h"
#include "media/seal.h"

enum { CM_DELEGATION_SIZE = 256 };

/*
 * Server: writes a delegation for `frame` by the right of `lease`, output sealed as a still of
 * `stills`. CM_FOREIGN with *refusal: the lease does not admit that frame (stale, foreign camera …)
 * or the sealer is of another camera or epoch that is over. `*number_out` is the still's.
 */
cm_status cm_delegate(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                      cm_sealer *stills, cm_instant now, uint8_t out[CM_DELEGATION_SIZE],
                      uint64_t *number_out, cm_refusal *refusal);

/*
 * The same of a frame of CM_STREAM_SOUND, output sealed as a frame of `made`'s stream. The cursor
 * moves past the frame, whoever's lease it was: none is delegated twice.
 */
cm_status cm_delegate_sound(const cm_lease *lease, cm_cursor *cursor, const cm_frame *frame,
                            cm_sealer *made, cm_instant now, uint8_t out[CM_DELEGATION_SIZE],
                            uint64_t *number_out, cm_refusal *refusal);

/* What is sealed travels as: the head of the frame, then its data. Bounded by `max` of the buffer's
 * owner. */
size_t cm_frame_wire_size(const cm_frame *frame);
void cm_frame_write(cm_writer *w, const cm_frame *frame);
/* Reads what cm_frame_write wrote: a frame held by `loop_index`. CM_CLOSE: not one. Proves nothing:
 * that is the seal's task. */
cm_status cm_frame_read(cm_slice wire, unsigned loop_index, cm_frame **out);

/* ---- in the helper ---- */

typedef struct cm_delegated cm_delegated;

/* CM_CLOSE: not a delegation. The record may be wiped afterwards. */
cm_status cm_delegated_create(const uint8_t record[CM_DELEGATION_SIZE], cm_delegated **out);
void cm_delegated_destroy(cm_delegated *delegated); /* wipes; NULL is fine */
/* Whose frame it is for, and what is to be made of it: the stream of the output. */
const cm_camera_key *cm_delegated_camera(const cm_delegated *delegated);
cm_stream cm_delegated_stream(const cm_delegated *delegated);

/* Opens the one frame it is for: granules borrowed until destroy. CM_FOREIGN: it is another. */
cm_status cm_delegated_open(cm_delegated *delegated, const cm_frame *frame, cm_opened_frame *out);
/* Seals the output, once; a second call is CM_REFUSE. Capture and media time are those of the
 * opened frame. */
cm_status cm_delegated_seal(cm_delegated *delegated, cm_slice output, cm_frame **out);

typedef struct cm_made_sound {
    const cm_slice *granules; /* as media/sound.h says */
    size_t count;
    uint16_t duration_ms;
    bool is_discontinuity;
} cm_made_sound;

/* The same of sound. CM_REFUSE also of a delegation of pictures, as cm_delegated_seal() of sound.
 */
cm_status cm_delegated_seal_sound(cm_delegated *delegated, const cm_made_sound *sound,
                                  cm_frame **out);
