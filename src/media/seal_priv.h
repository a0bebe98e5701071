/* seal_priv: what sealing, leases, opening and delegation share inside media/. */
#pragma once

#include "base/aead.h"
#include "media/seal_mint.h"

enum { CM_ASSOCIATED_SIZE = 64 };

/* Of all granules of a frame. */
typedef struct cm_granule_binding {
    uint8_t associated[CM_ASSOCIATED_SIZE]; /* with 0 as the granule's number */
    uint64_t number;
} cm_granule_binding;

/* `context` and `number` are what is expected; times, flags and counts are the frame's own word,
 * proved by the seal. */
cm_granule_binding cm_granule_binding_of(const uint8_t *context, uint64_t number,
                                         const cm_frame *frame);

/* Seals granule `index` in place: `bytes` has room for the tag behind `size`. */
cm_status cm_granule_seal(cm_aead *aead, const cm_granule_binding *binding, uint16_t index,
                          uint8_t *bytes, size_t size);
/* Opens it into `out` (sealed.size - 16 bytes). CM_FOREIGN: it is not that granule. */
cm_status cm_granule_open(cm_aead *aead, const cm_granule_binding *binding, uint16_t index,
                          cm_slice sealed, uint8_t *out);

struct cm_sealer {
    cm_seal_key key;
    const cm_epoch_slot *slot;
    uint64_t camera_tag;
    uint64_t next_number; /* burnt by every attempt */
    cm_aead *aead;        /* NULL until it seals: many only lend their key (media/delegate.h) */
};

/* cm_seal_frame without a look at the page: for a helper, which has none (its right is for one
 * frame). */
cm_status cm_seal_unchecked(cm_sealer *sealer, const cm_plain_frame *plain, unsigned loop_index,
                            cm_frame **out);

struct cm_lease {
    cm_lease_terms terms; /* terms.keys is not used: the keys follow */
    const cm_epoch_slot *slot;
    uint64_t camera_tag;
    cm_seal_key keys[]; /* terms.key_count of them, seldom more than two */
};

static inline size_t cm_lease_size(size_t key_count)
{
    return sizeof(cm_lease) + key_count * sizeof(cm_seal_key);
}

/* Moves it past a frame that was opened with `key`. */
void cm_cursor_advance(cm_cursor *cursor, const cm_seal_key *key, const cm_frame *frame);

/* The record of a delivery: under which of the lease's keys, and as which number. What is expected
 * of the frame when it is opened again is this, never what the frame says of itself. */
struct cm_delivered {
    uint8_t key_id[16];
    uint64_t number;
};

/*
 * Which of the lease's keys must have sealed what comes next for this cursor, judged by what the
 * frame says of itself only so far as to tell "the next one under the same key" from "the first
 * under a following key". CM_REFUSAL_NONE and *out, or why not.
 */
cm_refusal cm_lease_expect(const cm_lease *lease, const cm_cursor *cursor, const cm_frame *frame,
                           cm_instant now, const cm_seal_key **out);
/* The same for what was delivered before: the lease is live and still has that key, and the cursor
 * has passed it. A key that it has no longer is CM_REFUSAL_GAP: nothing is wrong. */
cm_refusal cm_lease_expect_again(const cm_lease *lease, const cm_cursor *cursor,
                                 const cm_delivered *delivered, const cm_frame *frame,
                                 cm_instant now, const cm_seal_key **out);

/*
 * Opens the granules that `viewer` wants of a frame that was delivered to it whole, once more: for
 * a packet that was lost. Its cursor stays where it is, and what `deliver` returns does not matter.
 * CM_REFUSAL_NONE: it was delivered.
 */
cm_refusal cm_fanout_open_again(cm_fanout *fanout, const cm_frame *frame,
                                const cm_delivered *delivered, cm_instant now,
                                const cm_fanout_viewer *viewer,
                                bool (*deliver)(void *owner, const cm_opened_frame *opened));
