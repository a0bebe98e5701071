/*
 * film: a scene file to an Annex B byte stream, as one simulated camera would send it, for tests
 * that decode: film SCENE CAMERA PICTURES FIRST_COUNTER NAME > out.h264
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "simcam/picture.h"

static cm_status read_file(const char *path, cm_buffer *out)
{
    FILE *file = fopen(path, "rb");
    CM_ENSURE(file != NULL, CM_ABSENT);
    cm_status status = CM_OK;
    for (size_t got = 1; got > 0 && status == CM_OK;) {
        uint8_t *room;
        status = cm_buffer_room(out, 65536, &room);
        if (status == CM_OK) {
            got = fread(room, 1, 65536, file);
            cm_buffer_commit(out, got);
        }
    }
    fclose(file);
    return status;
}

static cm_status put_picture(const cm_picture *picture)
{
    static const uint8_t START[] = {0, 0, 0, 1};
    for (size_t i = 0; i < picture->count; i++) {
        const cm_slice unit = picture->units[i];
        CM_ENSURE(fwrite(START, 1, sizeof START, stdout) == sizeof START, CM_BROKEN);
        CM_ENSURE(fwrite(unit.bytes, 1, unit.size, stdout) == unit.size, CM_BROKEN);
    }
    return CM_OK;
}

static cm_status run(char **arguments, cm_scene **scene, cm_buffer *file, cm_darkroom **room)
{
    CM_TRY(read_file(arguments[1], file));
    CM_TRY(cm_scene_parse(cm_buffer_data(file), scene));
    CM_TRY(cm_darkroom_create((*scene)->cell, room));
    const uint16_t camera = (uint16_t)atoi(arguments[2]);
    const uint32_t pictures = (uint32_t)atoi(arguments[3]);
    const uint32_t first = (uint32_t)strtoul(arguments[4], NULL, 10);
    cm_strip before = {0};
    for (uint32_t i = 0; i < pictures; i++) {
        const cm_stamp stamp = {.code = {.camera = camera, .counter = first + i},
                                .captured = {.us = 1000000LL * i}};
        char clock[16];
        const uint32_t second = i / (*scene)->fps + 86390;
        snprintf(clock, sizeof clock, "%02u:%02u:%02u", second / 3600 % 24, second / 60 % 60,
                 second % 60);
        const cm_strip now = cm_strip_of(stamp.code, cm_slice_of(arguments[5]), cm_slice_of(clock));
        cm_picture picture;
        CM_TRY(cm_picture_write(*room, *scene, i, stamp, &now, &before, &picture));
        CM_TRY(put_picture(&picture));
        before = now;
    }
    return fflush(stdout) == 0 ? CM_OK : CM_BROKEN;
}

int main(int count, char **arguments)
{
    if (count != 6) {
        fprintf(stderr, "usage: film SCENE CAMERA PICTURES FIRST_COUNTER NAME\n");
        return 2;
    }
    cm_scene *scene = NULL;
    cm_darkroom *room = NULL;
    cm_buffer file;
    cm_buffer_init(&file, 64u << 20);
    const cm_status status = run(arguments, &scene, &file, &room);
    cm_scene_destroy(scene);
    cm_darkroom_destroy(room);
    cm_buffer_deinit(&file);
    if (status != CM_OK)
        fprintf(stderr, "film: %s\n", cm_status_name(status));
    return status == CM_OK ? 0 : 1;
}
