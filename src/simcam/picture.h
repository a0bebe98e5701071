/*
 * picture: one access unit of a simulated camera, put together: parameter sets (before an IDR
 * picture), stamp, strip, and the scene's slice, which is shared and never copied.
 */
#pragma once

#include "simcam/scene.h"
#include "simcam/stamp.h"
#include "simcam/strip.h"

enum { CM_PICTURE_UNITS = 6 };

typedef struct cm_picture {
    cm_video_codec codec;
    cm_slice units[CM_PICTURE_UNITS]; /* NAL units in order, without start codes or lengths */
    size_t count;
    bool is_idr;
} cm_picture;

/* Where stamp and strip are written: one per loop is enough, as each picture is sent or copied
 * before the next is made. */
typedef struct cm_darkroom cm_darkroom;
cm_status cm_darkroom_create(unsigned cell_max, cm_darkroom **out);
void cm_darkroom_destroy(cm_darkroom *room);

/*
 * The scene's picture `index` (modulo its length) with this strip and stamp. `before` is the strip
 * of the picture before, and is not looked at for an IDR picture. *out borrows from scene and room
 * until the next call. CM_FULL if the room is for smaller pictures.
 */
cm_status cm_picture_write(cm_darkroom *room, const cm_scene *scene, uint32_t index, cm_stamp stamp,
                           const cm_strip *now, const cm_strip *before, cm_picture *out);
