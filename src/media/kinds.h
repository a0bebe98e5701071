/*
 * kinds: the few enumerations that every part of the media path shares.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The streams of a camera: pictures of two sizes, what is heard there (media/sound.h), and that
 * made over for players that don't take it as it comes (egress/transcode). */
typedef enum cm_stream {
    CM_STREAM_MAIN = 0,
    CM_STREAM_SUB = 1,
    CM_STREAM_SOUND = 2,
    CM_STREAM_SOUND_OPUS = 3,
    CM_STREAM_SOUND_FLAC = 4,
} cm_stream;
enum {
    CM_PICTURE_STREAMS = 2, /* main and sub: what has addresses, widths and stills */
    CM_STREAMS = 5,
};

static inline bool cm_stream_is_sound(cm_stream stream)
{
    return stream >= CM_STREAM_SOUND;
}

/* Sealed by the helper that made it, from CM_STREAM_SOUND. */
static inline bool cm_stream_is_made(cm_stream stream)
{
    return stream > CM_STREAM_SOUND;
}

/* What a sealed object is. Part of every key and of the associated data. */
typedef enum cm_object {
    CM_OBJECT_FRAME = 0, /* an access unit, cut into granules */
    CM_OBJECT_STILL = 1, /* a JPEG made from a keyframe */
} cm_object;
enum { CM_OBJECTS = 2 };

/* Of sound there are no stills. */
static inline bool cm_stream_has(cm_stream stream, cm_object kind)
{
    return !cm_stream_is_sound(stream) || kind == CM_OBJECT_FRAME;
}

/* What may be done with a camera; a set of bits. */
typedef uint32_t cm_rights;
enum {
    CM_RIGHT_VIEW = 1,
    CM_RIGHT_LISTEN = 2,
    CM_RIGHT_TALK = 4,
    CM_RIGHT_PUBLISH = 8,  /* bring it its pictures */
    CM_RIGHT_MOVE = 16,    /* turn and zoom it */
    CM_RIGHT_HISTORY = 32, /* what was recorded */
    CM_RIGHT_EXPORT = 64,  /* take recordings away as files */
};

/* Without this right a stream does not open: who may see does not hear by that. */
static inline cm_rights cm_right_to(cm_stream stream)
{
    return cm_stream_is_sound(stream) ? CM_RIGHT_LISTEN : CM_RIGHT_VIEW;
}

/* The streams that these rights open; bits 1 << cm_stream. */
static inline uint32_t cm_streams_within(cm_rights rights)
{
    uint32_t streams = 0;
    for (unsigned stream = 0; stream < CM_STREAMS; stream++)
        streams |= (rights & cm_right_to((cm_stream)stream)) != 0 ? UINT32_C(1) << stream : 0;
    return streams;
}

/* Media time: ticks of 1/90,000 s on the server's own clock, rising over the life of a source. */
typedef int64_t cm_media_time;
