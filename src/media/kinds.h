/*
 * kinds: the few enumerations that every part of the media path shares.
 */
#pragma once

#include <stdint.h>

/* The streams of a camera. */
typedef enum cm_stream {
    CM_STREAM_MAIN = 0,
    CM_STREAM_SUB = 1,
} cm_stream;
enum { CM_STREAMS = 2 };

/* What a sealed object is. Part of every key and of the associated data. */
typedef enum cm_object {
    CM_OBJECT_FRAME = 0, /* an access unit, cut into granules */
    CM_OBJECT_STILL = 1, /* a JPEG made from a keyframe */
} cm_object;
enum { CM_OBJECTS = 2 };

/* What may be done with a camera; a set of bits. */
typedef uint32_t cm_rights;
enum { CM_RIGHT_VIEW = 1 };

/* Media time: ticks of 1/90,000 s on the server's own clock, rising over the life of a source. */
typedef int64_t cm_media_time;
