/*
 * seal: pictures are sealed where they enter and opened only under a lease (design: "The one
 * idea").
 *
 * cm_sealer: the right to seal objects of one kind of one stream of one camera under one epoch. Its
 * key is derived from the camera's epoch secret, camera, stream, kind and a random 128-bit
 * instance; its nonce is its own counter: frame number * 65,536 + granule number. Frame numbers
 * only rise: one is used once, also when sealing fails half-way. AES-128-GCM, tag 16 bytes.
 * cm_lease: the right to open: this viewer session, this camera, these streams and rights, from
 * then, until then, with the keys.
 *
 * Both are opaque; only grants makes them (media/seal_mint.h). Both check the page of minimum
 * epochs at each use. What is expected of an object (camera, stream, kind, epoch, instance,
 * position) comes from the lease and the cursor, never from the object itself.
 *
 * Associated data of a granule, 64 bytes, big-endian: 32 bytes BLAKE2b-256 of (camera key, stream,
 * kind, epoch, instance), then frame number 8, capture time 8, media time 8, flags 2, granule
 * number 2, granule count 2, duration 2.
 *
 * Threads: a sealer belongs to its source's loop, a lease to its viewer's loop; both may be made
 * elsewhere and handed over.
 */
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/writer.h"
#include "media/epoch.h"
#include "media/frame.h"
#include "media/kinds.h"

typedef struct cm_sealer cm_sealer;
typedef struct cm_lease cm_lease;

/* ---- sealing ---- */

/* One packet payload of a frame before it is sealed: `head` and `body` stand one after the other in
 * the granule. */
typedef struct cm_plain_granule {
    uint8_t head[CM_GRANULE_HEAD_MAX]; /* of a fragment: the codec's packetizer says */
    uint8_t head_size;                 /* 0: the body is the whole granule */
    cm_slice body;
} cm_plain_granule;

typedef struct cm_plain_frame {
    const cm_plain_granule *granules;
    size_t count;   /* 1 to CM_FRAME_GRANULES_MAX */
    uint16_t flags; /* CM_FRAME_* */
    uint16_t duration_ms;
    cm_wall captured;
    cm_media_time media_time;
} cm_plain_frame;

/*
 * CM_OK: *out is a frame with one hold by loop `loop_index`. CM_FOREIGN: the sealer's epoch is over
 * (take a newer one and seal again). CM_FULL: sizes beyond the bounds of media/frame.h. CM_BROKEN:
 * no memory, or the cipher failed.
 */
cm_status cm_seal_frame(cm_sealer *sealer, const cm_plain_frame *plain, unsigned loop_index,
                        cm_frame **out);
/* The next frame is number `number`, if that is not behind it already: so that the numbers of a
 * stream go on when its sealer changes. */
void cm_sealer_skip_to(cm_sealer *sealer, uint64_t number);
bool cm_sealer_is_current(const cm_sealer *sealer);
/* Its epoch has not begun: nobody has a lease that would open what it seals. */
bool cm_sealer_is_early(const cm_sealer *sealer);
uint64_t cm_sealer_epoch(const cm_sealer *sealer);
const cm_camera_key *cm_sealer_camera(const cm_sealer *sealer);
void cm_sealer_destroy(cm_sealer *sealer); /* wipes the key; NULL is fine */

/* ---- leases ---- */

const cm_camera_key *cm_lease_camera(const cm_lease *lease);
uint64_t cm_lease_epoch(const cm_lease *lease);
cm_instant cm_lease_until(const cm_lease *lease);
bool cm_lease_allows(const cm_lease *lease, cm_stream stream, cm_rights rights);
/* The same of a right that opens no stream. */
bool cm_lease_has(const cm_lease *lease, cm_rights rights);
/* Within its time, and its epoch is still current. */
bool cm_lease_is_live(const cm_lease *lease, cm_instant now);
void cm_lease_destroy(cm_lease *lease); /* wipes the keys; NULL is fine */
/* A second lease for the same viewer session, of one of its streams: the same time and rights, and
 * that stream's keys alone. CM_REFUSE: it does not allow the stream. CM_BROKEN without memory. */
cm_status cm_lease_narrow(const cm_lease *lease, cm_stream stream, cm_lease **out);

/* ---- opening ---- */

/*
 * Where a viewer session stands in a stream of objects: which of its lease's keys (in the order in
 * which epochs turned) and which number comes next. Moves forward; back only by cm_cursor_rewind,
 * and not beyond the newest keyframe that was opened at it.
 */
typedef struct cm_cursor {
    cm_stream stream;
    cm_object kind;
    bool has_begun;
    uint8_t key_id[16]; /* of the key last opened with */
    uint64_t epoch;
    uint64_t next; /* the next frame's number, under that key or a later one */
    /* The newest keyframe opened: where cm_cursor_rewind goes. */
    bool has_keyframe;
    uint8_t keyframe_id[16];
    uint64_t keyframe_epoch;
    uint64_t keyframe;
} cm_cursor;

cm_cursor cm_cursor_begin(cm_stream stream, cm_object kind);
/* Back to the newest keyframe that was opened at this cursor: it comes next, and what followed it
 * once more. Nothing older does. False: none was opened. */
bool cm_cursor_rewind(cm_cursor *cursor);

/* Why an open was refused; counted per cause and camera, audited. */
typedef enum cm_refusal {
    CM_REFUSAL_NONE,
    CM_REFUSAL_STALE,   /* the lease is over, by time or by epoch: ask for another */
    CM_REFUSAL_RIGHT,   /* the lease does not allow this stream */
    CM_REFUSAL_FOREIGN, /* the frame says it is of another camera, stream or kind */
    CM_REFUSAL_KEY,     /* none of the lease's keys that may come now is the frame's */
    CM_REFUSAL_REPLAY,  /* older than what this cursor has seen; opened again: not older */
    CM_REFUSAL_GAP,     /* not the next one, and not a keyframe */
    CM_REFUSAL_SEAL,    /* the seal does not fit: changed bytes, or another frame's */
    CM_REFUSALS,
} cm_refusal;
const char *cm_refusal_name(cm_refusal refusal);
/* Foreign, key, replay, gap at a place where none may be, seal: the server is wrong somewhere, and
 * an alarm is due. */
bool cm_refusal_is_alarm(cm_refusal refusal);

/* A frame while it is open: only inside the callback that gets it; wiped afterwards. */
typedef struct cm_opened_frame {
    uint64_t pass;            /* another number for each time something is opened */
    const cm_frame *frame;    /* flags, times, number */
    const cm_slice *granules; /* plain; those that nobody wanted are empty */
    size_t count;             /* of the frame's granules, whichever are open */
    /*
     * Room of the pass for what is made of the frame once, for all its viewers; it holds as many
     * bytes as the frame does sealed, and is wiped like the granules. NULL outside of a pass.
     */
    cm_writer *work;
} cm_opened_frame;

/* That one frame was opened for one viewer session: what lets that very frame, and no other, be
 * opened for it again. Made where frames are opened, and nowhere else (media/seal_priv.h). */
typedef struct cm_delivered cm_delivered;

/* One viewer session in a pass of cm_fanout_open. */
typedef struct cm_fanout_viewer {
    const cm_lease *lease;
    cm_cursor *cursor; /* moved past the frame when `deliver` said so */
    void *owner;
    /* The granules that it wants: from `first` to before `end`; 0: to the last. A pass opens what
     * any of its viewers wants. */
    uint16_t first;
    uint16_t end;
    cm_delivered *delivered; /* out, before `deliver`; NULL: not asked for */
    cm_refusal refusal;      /* out: why this viewer got nothing */
    bool is_served;          /* private to the pass */
} cm_fanout_viewer;

/* Opens frames, one pass at a time; a scratch and keyed contexts. One a loop. */
typedef struct cm_fanout cm_fanout;
cm_status cm_fanout_create(cm_fanout **out);
void cm_fanout_destroy(cm_fanout *fanout);

/*
 * Opens `frame` once, for those of the viewers whose own lease admits it at their own cursor:
 * deliver() is called with the opened frame and each of them in turn. deliver() returns true when
 * the viewer has taken the whole frame (its cursor moves on), false when it must be opened again
 * for it (a blocked write). The scratch is wiped before this returns. `refusal` tells for the
 * others.
 */
void cm_fanout_open(cm_fanout *fanout, const cm_frame *frame, cm_instant now,
                    cm_fanout_viewer *viewers, size_t count,
                    bool (*deliver)(void *owner, const cm_opened_frame *opened));
