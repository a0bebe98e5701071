#include "simcam/sound_loop.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/writer.h"

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

/* ---- a file ---- */

enum { SECOND = 1000000 };

typedef struct file_head {
    uint8_t codec;
    uint32_t clock_rate;
    uint16_t frame_ticks;
    uint16_t frames;
    cm_slice config;
} file_head;

static cm_status read_head(cm_reader *r, file_head *out)
{
    const cm_slice magic = cm_read_slice(r, CM_SOUND_FILE_MAGIC_SIZE);
    file_head h = {.codec = cm_read_u8(r)};
    h.clock_rate = cm_read_u32(r);
    h.frame_ticks = cm_read_u16(r);
    h.frames = cm_read_u16(r);
    h.config = cm_read_slice(r, cm_read_u8(r));
    CM_ENSURE(!r->failed, CM_CLOSE);
    CM_ENSURE(cm_slice_equal(magic, CM_TEXT(CM_SOUND_FILE_MAGIC)), CM_REFUSE);
    CM_ENSURE(h.codec <= CM_SOUND_FILE_OPUS && h.config.size <= CM_SOUND_FILE_CONFIG_MAX,
              CM_REFUSE);
    CM_ENSURE(h.frames > 0 && h.frames <= CM_SOUND_FILE_FRAMES_MAX, CM_REFUSE);
    /* A moment names a frame: frames of whole microseconds, loops of whole seconds. */
    CM_ENSURE(h.clock_rate > 0 && h.frame_ticks > 0 && h.frame_ticks <= h.clock_rate, CM_REFUSE);
    const uint64_t frame_us = (uint64_t)h.frame_ticks * SECOND / h.clock_rate;
    CM_ENSURE((uint64_t)h.frame_ticks * SECOND % h.clock_rate == 0, CM_REFUSE);
    CM_ENSURE(frame_us * h.frames % SECOND == 0, CM_REFUSE);
    *out = h;
    return CM_OK;
}

/* The frames' bytes one after the other, found by their sizes. */
static cm_status read_loop(cm_reader *r, const file_head *h, cm_sound_loop *loop)
{
    const cm_reader begin = *r;
    size_t size = 0;
    for (uint16_t i = 0; i < h->frames; i++) {
        const cm_slice frame = cm_read_slice(r, cm_read_u16(r));
        CM_ENSURE(!r->failed, CM_CLOSE);
        CM_ENSURE(frame.size > 0 && frame.size <= CM_SOUND_FILE_FRAME_MAX, CM_REFUSE);
        size += frame.size;
    }
    CM_TRY(make_room(loop, h->frames, size));
    loop->frame_ticks = h->frame_ticks;
    loop->frame_us = (uint32_t)((uint64_t)h->frame_ticks * SECOND / h->clock_rate);
    cm_writer w = cm_writer_over(loop->bytes, size);
    cm_reader again = begin;
    for (uint16_t i = 0; i < h->frames; i++) {
        const cm_slice frame = cm_read_slice(&again, cm_read_u16(&again));
        loop->frames[i] = cm_slice_over(&loop->bytes[w.used], frame.size);
        cm_write_slice(&w, frame);
    }
    return CM_OK;
}

static cm_status read_set(cm_reader *r, cm_sound_set *set)
{
    file_head h;
    CM_TRY(read_head(r, &h));
    set->codec = h.codec;
    set->clock_rate = h.clock_rate;
    set->config_size = (uint8_t)h.config.size;
    cm_slice_copy(h.config, set->config, sizeof set->config);
    for (size_t tone = 0; tone < CM_TONES; tone++)
        CM_TRY(read_loop(r, &h, &set->loops[tone]));
    return cm_reader_finish(r);
}

cm_status cm_sound_set_parse(cm_slice file, cm_sound_set **out)
{
    cm_reader r = cm_reader_over(file);
    cm_sound_set *set = calloc(1, sizeof *set);
    CM_ENSURE(set != NULL, CM_BROKEN);
    const cm_status status = read_set(&r, set);
    if (status != CM_OK) {
        cm_sound_set_destroy(set);
        return status;
    }
    *out = set;
    return CM_OK;
}

void cm_sound_set_destroy(cm_sound_set *set)
{
    if (set == NULL)
        return;
    for (size_t tone = 0; tone < CM_TONES; tone++)
        cm_sound_loop_deinit(&set->loops[tone]);
    free(set);
}
