#include "simcam/sound_loop.h"

#include <stdlib.h>

#include "simcam/tone.h"

enum {
    G711_FRAME_MS = 40,
    G711_FRAME = CM_G711_CLOCK_RATE / 1000 * G711_FRAME_MS, /* bytes and ticks */
    G711_FRAMES = 1000 / G711_FRAME_MS,
};

/* Room for `count` frames of `size` bytes in all. */
static cm_status make_room(cm_sound_loop *loop, size_t count, size_t size)
{
    loop->frames = calloc(count, sizeof *loop->frames);
    loop->bytes = malloc(size);
    if (loop->frames == NULL || loop->bytes == NULL) {
        cm_sound_loop_deinit(loop);
        return CM_BROKEN;
    }
    loop->frame_count = count;
    return CM_OK;
}

cm_status cm_sound_loop_g711(cm_g711_law law, unsigned tone, cm_sound_loop *out)
{
    cm_sound_loop loop = {.frame_ticks = G711_FRAME, .frame_us = G711_FRAME_MS * 1000};
    CM_TRY(make_room(&loop, G711_FRAMES, CM_G711_CLOCK_RATE));
    for (uint32_t i = 0; i < CM_G711_CLOCK_RATE; i++)
        loop.bytes[i] = cm_g711_encode(law, cm_tone_sample(tone, i, CM_G711_CLOCK_RATE));
    for (size_t i = 0; i < G711_FRAMES; i++)
        loop.frames[i] = cm_slice_over(&loop.bytes[i * G711_FRAME], G711_FRAME);
    *out = loop;
    return CM_OK;
}

void cm_sound_loop_deinit(cm_sound_loop *loop)
{
    free(loop->frames);
    free(loop->bytes);
    *loop = (cm_sound_loop){0};
}

cm_slice cm_sound_loop_frame(const cm_sound_loop *loop, uint64_t number)
{
    return loop->frames[number % loop->frame_count];
}
