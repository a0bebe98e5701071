/* A scene file and a picture made of it; the same bytes as a stamp and as a wish for trouble. */
#include "fuzz.h"

#include "simcam/picture.h"
#include "simcam/trouble.h"

enum { CELL_MAX = 4 };

static void make_pictures(const cm_scene *scene)
{
    cm_darkroom *room;
    CHECK(cm_darkroom_create(CELL_MAX, &room) == CM_OK);
    const cm_stamp stamp = {.code = {.camera = 7, .counter = 8}};
    const cm_strip before = cm_strip_of(stamp.code, CM_TEXT("Door"), CM_TEXT("12:00:00"));
    const cm_strip now = cm_strip_of(stamp.code, CM_TEXT("Garden"), CM_TEXT("12:00:01"));
    for (uint32_t i = 0; i < 4; i++) {
        cm_picture picture;
        CHECK(cm_picture_write(room, scene, i, stamp, &now, &before, &picture) == CM_OK);
        const size_t sets = scene->codec == CM_VIDEO_H265 ? 3 : 2;
        CHECK(picture.count == 3 + (picture.is_idr ? sets : 0));
    }
    cm_darkroom_destroy(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cm_slice bytes = cm_slice_over(data, size);
    cm_scene *scene;
    if (cm_scene_parse(bytes, &scene) == CM_OK) {
        make_pictures(scene);
        cm_scene_destroy(scene);
    }
    cm_stamp stamp;
    if (cm_stamp_parse(bytes, &stamp) == CM_OK) {
        uint8_t storage[CM_STAMP_SIZE_MAX];
        cm_writer w = cm_writer_over(storage, sizeof storage);
        cm_stamp_write(CM_VIDEO_H265, stamp, &w);
        CHECK(!w.failed);
    }
    cm_trouble_wish wish;
    if (cm_trouble_parse(bytes, &wish) == CM_OK)
        CHECK(wish.kind < CM_TROUBLE_COUNT && wish.camera <= 65535);
    return 0;
}
