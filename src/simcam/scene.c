#include "simcam/scene.h"

#include <stdlib.h>

#include "base/reader.h"
#include "simcam/code.h"
#include "simcam/scene_file.h"
#include "simcam/strip.h"

/* What a scene keeps beside itself. */
typedef struct scene_memory {
    cm_scene *scene;
    cm_buffer bytes; /* parameter sets and slices, one after the other */
} scene_memory;

typedef struct header {
    cm_video_codec codec;
    uint16_t width;
    uint16_t height;
    uint16_t fps;
    uint16_t gop;
    uint32_t pictures;
    cm_slice vps; // of H.265
    cm_slice sps;
    cm_slice pps;
} header;

static cm_status read_header(cm_reader *r, header *out)
{
    const cm_slice magic = cm_read_slice(r, CM_SCENE_MAGIC_SIZE);
    header h = {.width = cm_read_u16(r)};
    h.height = cm_read_u16(r);
    h.fps = cm_read_u16(r);
    h.gop = cm_read_u16(r);
    h.pictures = cm_read_u32(r);
    h.codec = cm_slice_equal(magic, CM_TEXT(CM_SCENE_MAGIC_H265)) ? CM_VIDEO_H265 : CM_VIDEO_H264;
    if (h.codec == CM_VIDEO_H265)
        h.vps = cm_read_slice(r, cm_read_u16(r));
    else
        CM_ENSURE(cm_slice_equal(magic, CM_TEXT(CM_SCENE_MAGIC)), CM_REFUSE);
    h.sps = cm_read_slice(r, cm_read_u16(r));
    h.pps = cm_read_slice(r, cm_read_u16(r));
    CM_ENSURE(!r->failed && h.vps.size <= CM_SCENE_PARAMETERS_SIZE_MAX, CM_REFUSE);
    CM_ENSURE(h.codec == CM_VIDEO_H264 || h.vps.size > 0, CM_REFUSE);
    CM_ENSURE(h.fps > 0 && h.gop > 0 && h.pictures > 0, CM_REFUSE);
    CM_ENSURE(h.pictures <= CM_SCENE_PICTURES_MAX && h.pictures % (2u * h.gop) == 0, CM_REFUSE);
    *out = h;
    return CM_OK;
}

/* Level of H.264 Table A-1 by macroblocks a picture and a second; 4.0 bounds what a strip is for.
 */
static uint8_t level_for(uint32_t mbs, uint32_t fps)
{
    static const struct {
        uint32_t picture;
        uint32_t second;
        uint8_t level;
    } LEVELS[] = {{396, 11880, 20},  {792, 19800, 21},   {1620, 20250, 22},
                  {1620, 40500, 30}, {3600, 108000, 31}, {5120, 216000, 32}};
    for (size_t i = 0; i < CM_COUNT(LEVELS); i++)
        if (mbs <= LEVELS[i].picture && mbs * fps <= LEVELS[i].second)
            return LEVELS[i].level;
    return 40;
}

/* Adds `bytes` to the memory. They are found again by their size and order once it stands still. */
static cm_status keep(scene_memory *m, cm_slice bytes, cm_slice *out)
{
    CM_TRY(cm_buffer_add(&m->bytes, bytes));
    *out = (cm_slice){.size = bytes.size};
    return CM_OK;
}

/* ---- H.264 ---- */

static cm_status keep_grown_sps(scene_memory *m, const header *h)
{
    cm_scene *scene = m->scene;
    const cm_sps *sps = &scene->parameters.sps;
    const unsigned strip = cm_strip_rows(scene->cell);
    const uint32_t rows = (h->height + CM_CODE_MACROBLOCK - 1u) / CM_CODE_MACROBLOCK;
    CM_ENSURE(sps->width_mbs * CM_CODE_MACROBLOCK == h->width, CM_REFUSE);
    CM_ENSURE(sps->height_mbs + strip == rows, CM_REFUSE);
    uint8_t storage[CM_SCENE_PARAMETERS_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CM_TRY(cm_sps_rewrite(h->sps, strip, level_for(rows * sps->width_mbs, h->fps), &w));
    return keep(m, cm_writer_done(&w), &scene->sps);
}

static cm_status read_h264_sets(scene_memory *m, const header *h)
{
    CM_TRY(cm_sps_parse(h->sps, &m->scene->parameters.sps));
    CM_TRY(cm_pps_parse(h->pps, &m->scene->parameters.pps));
    CM_TRY(keep_grown_sps(m, h));
    return keep(m, h->pps, &m->scene->pps);
}

static cm_status move_h264(scene_memory *m, cm_slice slice, size_t index)
{
    cm_scene *scene = m->scene;
    cm_scene_picture *picture = &scene->pictures[index];
    const uint32_t mbs = (uint32_t)cm_strip_rows(scene->cell) * scene->parameters.sps.width_mbs;
    CM_TRY(cm_slice_move(slice, mbs, &scene->parameters, &m->bytes, &picture->header));
    picture->is_idr = picture->header.is_idr;
    CM_ENSURE(picture->header.first_mb_in_slice == mbs, CM_REFUSE);
    /* 7.4.3: of two IDR pictures that follow each other idr_pic_id differs, also over the seam. */
    CM_ENSURE(!picture->is_idr || picture->header.idr_pic_id % 2 == index / scene->gop % 2,
              CM_REFUSE);
    return CM_OK;
}

/* ---- H.265 ---- */

static cm_status read_h265_sets(scene_memory *m, const header *h)
{
    cm_scene *scene = m->scene;
    const unsigned strip = cm_strip_rows(scene->cell);
    CM_TRY(cm_h265_scene_sps_parse(h->sps, &scene->h265));
    CM_TRY(cm_h265_scene_pps_parse(h->pps, &scene->h265));
    CM_ENSURE(scene->h265.width == h->width, CM_REFUSE);
    CM_ENSURE(scene->h265.height / CM_CODE_MACROBLOCK + strip ==
                  (h->height + CM_CODE_MACROBLOCK - 1u) / CM_CODE_MACROBLOCK,
              CM_REFUSE);
    CM_TRY(keep(m, h->vps, &scene->vps));
    const size_t before = cm_buffer_data(&m->bytes).size;
    CM_TRY(cm_h265_sps_grow(h->sps, strip, &m->bytes));
    scene->sps.size = cm_buffer_data(&m->bytes).size - before;
    return keep(m, h->pps, &scene->pps);
}

static cm_status move_h265(scene_memory *m, cm_slice slice, size_t index)
{
    cm_scene_picture *picture = &m->scene->pictures[index];
    CM_TRY(cm_h265_slice_move(slice, cm_strip_rows(m->scene->cell), &m->scene->h265, &m->bytes,
                              &picture->h265));
    picture->is_idr = picture->h265.is_idr;
    return CM_OK;
}

/* ---- either ---- */

static cm_status read_sets(scene_memory *m, const header *h)
{
    const unsigned cell = cm_code_cell_macroblocks(h->width);
    CM_ENSURE(cell > 0 && cell <= 4, CM_REFUSE);
    m->scene->cell = (uint8_t)cell;
    return h->codec == CM_VIDEO_H265 ? read_h265_sets(m, h) : read_h264_sets(m, h);
}

static cm_status read_picture(cm_reader *r, scene_memory *m, size_t index)
{
    const uint32_t size = cm_read_u32(r);
    const bool is_idr = (cm_read_u8(r) & CM_SCENE_FLAG_IDR) != 0;
    CM_ENSURE(size <= CM_SCENE_PICTURE_SIZE_MAX, CM_REFUSE);
    cm_reader units = cm_reader_sub(r, size);
    const cm_slice slice = cm_read_slice(&units, cm_read_u32(&units));
    CM_ENSURE(cm_reader_finish(&units) == CM_OK, CM_REFUSE); /* one slice a picture */
    cm_scene_picture *picture = &m->scene->pictures[index];
    const size_t before = cm_buffer_data(&m->bytes).size;
    CM_TRY(m->scene->codec == CM_VIDEO_H265 ? move_h265(m, slice, index)
                                            : move_h264(m, slice, index));
    picture->slice.size = cm_buffer_data(&m->bytes).size - before;
    CM_ENSURE(picture->is_idr == is_idr && is_idr == (index % m->scene->gop == 0), CM_REFUSE);
    return CM_OK;
}

/* The memory has stopped moving: the slices' places are known now. */
static void settle(scene_memory *m)
{
    cm_scene *scene = m->scene;
    cm_reader r = cm_reader_over(cm_buffer_data(&m->bytes));
    scene->vps = cm_read_slice(&r, scene->vps.size);
    scene->sps = cm_read_slice(&r, scene->sps.size);
    scene->pps = cm_read_slice(&r, scene->pps.size);
    for (size_t i = 0; i < scene->picture_count; i++)
        scene->pictures[i].slice = cm_read_slice(&r, scene->pictures[i].slice.size);
}

static void deinit_memory(scene_memory *m)
{
    if (m->scene != NULL)
        cm_font_destroy(m->scene->font);
    free(m->scene);
    cm_buffer_deinit(&m->bytes);
}

cm_status cm_scene_parse(cm_slice file, cm_scene **out)
{
    CM_AUTO(deinit_memory) scene_memory m = {0};
    cm_buffer_init(&m.bytes, CM_SCENE_FILE_SIZE_MAX);
    cm_reader r = cm_reader_over(file);
    header h;
    CM_TRY(read_header(&r, &h));
    m.scene = calloc(1, sizeof *m.scene + h.pictures * sizeof m.scene->pictures[0]);
    CM_ENSURE(m.scene != NULL, CM_FULL);
    cm_scene *scene = m.scene;
    scene->codec = h.codec;
    scene->width = h.width;
    scene->height = h.height;
    scene->fps = h.fps;
    scene->gop = h.gop;
    scene->picture_count = h.pictures;
    CM_TRY(read_sets(&m, &h));
    for (size_t i = 0; i < h.pictures; i++)
        CM_TRY(read_picture(&r, &m, i));
    CM_ENSURE(cm_reader_finish(&r) == CM_OK, CM_REFUSE);
    CM_TRY(cm_font_create(scene->cell, &scene->font));
    settle(&m);
    scene->memory = m.bytes;
    m.bytes = (cm_buffer){0};
    *out = CM_TAKE(m.scene);
    return CM_OK;
}

void cm_scene_destroy(cm_scene *scene)
{
    if (scene == NULL)
        return;
    scene_memory m = {.scene = scene, .bytes = scene->memory};
    deinit_memory(&m);
}
