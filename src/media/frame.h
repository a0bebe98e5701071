/*
 * frame: one access unit (or one still), sealed: what rings, queues and mailboxes hold. Immutable
 * once made.
 *
 * Layout: one allocation: this head in the clear, a table of granule sizes, then the sealed
 * granules (ciphertext and tag) one after the other. The head is authenticated with each granule,
 * so it cannot be changed or mixed up without the seal failing; nothing in it is a picture. Nobody
 * decides by it what he may see: see cm_cursor.
 *
 * Counting: one atomic count of the loops that hold the frame (and of messages on their way);
 * inside a loop holds are plain.
 */
#pragma once

#include <stdatomic.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/slice.h"
#include "media/kinds.h"

enum {
    CM_GRANULE_MAX =
        1136, /* bytes of a granule in the clear: fits IPv6's 1,280 with all that goes around it */
    CM_GRANULE_HEAD_MAX = 3, /* of a fragment: RFC 6184 5.8 has 2 bytes, RFC 7798 4.4.3 has 3 */
    CM_SEAL_TAG_SIZE = 16,
    CM_FRAME_GRANULES_MAX =
        8192, /* 8 MiB and more: an access unit larger than that is refused by ingest */
    CM_LOOPS_MAX = 16,
    CM_INSTANCE_SIZE = 16,
};

enum {
    CM_FRAME_KEYFRAME = 1,      /* decoding can begin here: IDR (H.265: IRAP) with its parameter
                                   sets; any sound */
    CM_FRAME_DISCONTINUITY = 2, /* something was lost before it, or the source connected anew */
    /*
     * A picture's granules are payloads of H.265 (RFC 7798); without it, of H.264 (RFC 6184). Each
     * picture says it anew, as a camera may change codec from one session to the next; like all
     * flags it is authenticated with every granule, so that nobody reads one codec as the other.
     */
    CM_FRAME_H265 = 4,
};

typedef struct cm_frame {
    /* What it says of itself. */
    cm_camera_key camera;
    cm_stream stream;
    cm_object kind;
    uint64_t epoch;
    uint8_t instance[CM_INSTANCE_SIZE];
    uint64_t number; /* of a stream's pictures: counts what the source was given, also over turns of
                        its keys and what it had to drop; of stills: counts what a sealer made */
    cm_wall captured;
    cm_media_time media_time;
    uint16_t flags;
    uint16_t count;       /* granules */
    uint16_t duration_ms; /* until the next picture, as well as the source can tell; generous */
    size_t size_bytes;    /* the whole allocation: what a ring's bound counts */
    /* Holds. */
    _Atomic uint32_t loops;       /* loops that hold it */
    uint32_t holds[CM_LOOPS_MAX]; /* each touched by its own loop only, or by the sender before the
                                     loop knows of it */
    uint8_t data[];               /* sizes (2 bytes each, big-endian), then granules */
} cm_frame;

/* Adds a hold by loop `loop_index`, on that loop. */
void cm_frame_hold(cm_frame *frame, unsigned loop_index);
/* The last hold of the last loop frees it. NULL is fine. */
void cm_frame_release(cm_frame *frame, unsigned loop_index);

/* On its way to another loop: cm_frame_send() before the message, cm_frame_receive() by the loop
 * that got it, which then has one hold. */
void cm_frame_send(cm_frame *frame);
void cm_frame_receive(cm_frame *frame, unsigned loop_index);
/* Instead of cm_frame_receive(), on any thread, when the message was not delivered. */
void cm_frame_unsend(cm_frame *frame);

/* Goes through the granules in order: the sealed bytes (ciphertext and tag) of each, borrowed;
 * empty after the last. */
typedef struct cm_frame_walk {
    cm_slice sizes; /* of the granules not walked yet */
    cm_slice rest;
} cm_frame_walk;
cm_frame_walk cm_frame_walk_begin(const cm_frame *frame);
cm_slice cm_frame_walk_next(cm_frame_walk *walk);
