#include "simcam/picture.h"

#include <stdlib.h>

#include "simcam/h265_strip.h"

struct cm_darkroom {
    size_t size; /* of each half */
    uint8_t stamp[CM_STAMP_SIZE_MAX];
    uint8_t bytes[]; /* the strip's RBSP, then its NAL unit */
};

cm_status cm_darkroom_create(unsigned cell_max, cm_darkroom **out)
{
    const size_t size = cm_strip_size_max(cell_max);
    cm_darkroom *room = malloc(sizeof *room + 2 * size);
    CM_ENSURE(room != NULL, CM_FULL);
    room->size = size;
    *out = room;
    return CM_OK;
}

void cm_darkroom_destroy(cm_darkroom *room)
{
    free(room);
}

static cm_status write_strip(cm_darkroom *room, const cm_scene *scene,
                             const cm_scene_picture *picture, const cm_strip *now,
                             const cm_strip *before, cm_slice *out)
{
    cm_bit_writer scratch = cm_bit_writer_over(room->bytes, room->size);
    cm_writer unit = cm_writer_over(&room->bytes[room->size], room->size);
    if (scene->codec == CM_VIDEO_H265)
        CM_TRY(cm_h265_strip_write(now, scene->cell, picture->slice, &picture->h265, &scene->h265,
                                   &scratch, &unit));
    else
        CM_TRY(cm_strip_write(now, picture->header.is_intra ? NULL : before, scene->font,
                              &picture->header, &scene->parameters.pps, &scratch, &unit));
    return cm_writer_finish(&unit, out);
}

cm_status cm_picture_write(cm_darkroom *room, const cm_scene *scene, uint32_t index, cm_stamp stamp,
                           const cm_strip *now, const cm_strip *before, cm_picture *out)
{
    const cm_scene_picture *picture = &scene->pictures[index % scene->picture_count];
    cm_slice strip;
    CM_TRY(write_strip(room, scene, picture, now, before, &strip));
    cm_writer sei = cm_writer_over(room->stamp, sizeof room->stamp);
    cm_stamp_write(scene->codec, stamp, &sei);
    cm_picture made = {.codec = scene->codec, .is_idr = picture->is_idr};
    if (made.is_idr) {
        if (scene->codec == CM_VIDEO_H265)
            made.units[made.count++] = scene->vps;
        made.units[made.count++] = scene->sps;
        made.units[made.count++] = scene->pps;
    }
    CM_TRY(cm_writer_finish(&sei, &made.units[made.count++]));
    made.units[made.count++] = strip;
    made.units[made.count++] = picture->slice;
    *out = made;
    return CM_OK;
}
