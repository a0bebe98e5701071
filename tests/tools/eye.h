/*
 * eye: whose pictures are these? Takes the bytes of one response as they come (a fragmented MP4
 * film or a JPEG), or the access units of a WebRTC session, and says for each picture by its stamp,
 * and for some by the code in the decoded pixels, which simulated camera made it and whether it
 * came in its order.
 *
 * A picture is foreign when it is of another camera than `wanted` (0: every picture is, for one who
 * may see none), and old when its counter is not above the one before. It is missed when the server
 * had it and did not give it to this viewer: the server numbers the pictures of a stream, and says
 * the number with each (mfhd). What the camera left out, as it was not let run, is no miss.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"
#include "proto/video/depacketize.h"

typedef struct eye_report {
    uint64_t pictures; /* samples of a film, or stills */
    uint64_t foreign;  /* by stamp or code */
    uint64_t old;      /* shown before, or older than one shown before */
    uint64_t again;    /* groups of a session that began again */
    uint64_t missed;   /* of a film: the server had them, between two that came */
    uint64_t left_out; /* of a film: by its counter the camera made them; the server had them not */
    uint64_t decoded;  /* whose code was read from the pixels */
    uint64_t unreadable;    /* decoded, but no code could be read */
    uint64_t unstamped;     /* of a film, without a stamp */
    uint64_t heard;         /* frames of sound (tests/tools/ear.h), */
    uint64_t foreign_heard; /* and those of them that are foreign */
    uint64_t broken;        /* places where it is no film or no JPEG any more */
    uint64_t bytes;
} eye_report;

void eye_add_report(eye_report *sum, const eye_report *more);

enum { EYE_ABSENT_MAX = 256 };

typedef struct eye {
    uint16_t wanted;
    bool is_still;
    bool is_broken; /* nothing more is looked at */
    cm_buffer bytes;
    bool has_number;
    uint32_t number; /* the server's, of the last picture; of a session the camera's counter */
    uint32_t step; /* from the number before it; 0: unknown, as it is the first or of a source made
                      anew */
    bool has_last;
    uint32_t last;        /* the camera's counter */
    cm_video_codec codec; /* of the film */
    uint8_t sets[512];    /* its parameter sets, as a byte stream */
    size_t sets_size;
    /* Of a session. */
    uint32_t keyframes;              /* so far */
    bool has_gone_back;              /* with the last picture */
    uint32_t absent[EYE_ABSENT_MAX]; /* counters left out, that nobody else has had so far */
    size_t absent_count;
    eye_report report;
} eye;

void eye_open(eye *e, uint16_t wanted, bool is_still);
void eye_close(eye *e);
void eye_look(eye *e, cm_slice bytes);
/*
 * A picture of a WebRTC session. There a group may begin again, for a decoder that lost its place:
 * a keyframe at or before the last picture is old only if what follows is neither a keyframe nor
 * the picture after it. A counter that is left out is missed if another viewer of this program had
 * that picture, as eye_settle() finds out; else the camera left it out. What is left out between
 * the first keyframe and the second is no miss: the rest of a cached group. A picture that has lost
 * its first packet, and its stamp with it, is passed over, and order begins anew.
 */
void eye_look_at_unit(eye *e, const cm_video_unit *unit);
void eye_settle(eye *e);
/* The response is whole: a still is judged. */
void eye_end(eye *e);

/* Of how many keyframes one is decoded (films); 0: none. Every still is. */
void eye_decode_one_of(unsigned count);
