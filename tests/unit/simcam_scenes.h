/* Scenes for tests of the simulated camera: tiny ones, made by hand. */
#pragma once

#include "unit.h"

#include "simcam/scene.h"
#include "simcam/scene_file.h"

/* "0101…" as bytes, padded with zeros. */
static inline size_t pack(const char *bits, uint8_t *out)
{
    size_t count = 0;
    for (; *bits != '\0'; bits++) {
        if (*bits == ' ')
            continue;
        if (count % 8 == 0)
            out[count / 8] = 0;
        out[count / 8] = (uint8_t)(out[count / 8] | (*bits == '1') << (7 - count % 8));
        count++;
    }
    return (count + 7) / 8;
}

/* Parameter sets as x264 writes them, by hand: 640 pixels wide, 20 rows. */
static const char SPS_BITS[] = "01100111 01000010 11000000 00010110" /* baseline, level 2.2 */
                               "1 1 011 010 0" /* id 0, log2_frame_num 4, type 2, 1 ref */
                               "00000101000 000010100 1 1 0 0 1"; /* 40 x 20, frames, no more */
static const char PPS_BITS[] = "01101000 1 1 0 0 1 1 1 000 00111 1 00101 1 0 0 1";

/* A scene file of two groups of one picture; what is wrong with it is up to the caller. */
typedef struct scene_recipe {
    const char *magic;
    uint16_t width;
    uint16_t gop;
    uint8_t last_flags;
    bool is_idr_pic_id_stuck;
    bool has_tail;
    uint8_t last_cut;
} scene_recipe;

static const char IDR_0[] = "01100101 1 0001000 1 0000 1 0 0 00100 010 1011001110001111 1";
static const char IDR_1[] = "01100101 1 0001000 1 0000 010 0 0 00100 010 1011001110001111 1";

static inline cm_status parse_scene(scene_recipe recipe, cm_scene **out)
{
    uint8_t sps[32];
    uint8_t pps[32];
    uint8_t file[512];
    const size_t sps_size = pack(SPS_BITS, sps);
    const size_t pps_size = pack(PPS_BITS, pps);
    cm_writer w = cm_writer_over(file, sizeof file);
    cm_write_text(&w, recipe.magic);
    cm_write_u16(&w, recipe.width);
    cm_write_u16(&w, 360);
    cm_write_u16(&w, 20);
    cm_write_u16(&w, recipe.gop);
    cm_write_u32(&w, 2);
    cm_write_u16(&w, (uint16_t)sps_size);
    cm_write_slice(&w, cm_slice_over(sps, sps_size));
    cm_write_u16(&w, (uint16_t)pps_size);
    cm_write_slice(&w, cm_slice_over(pps, pps_size));
    for (unsigned i = 0; i < 2; i++) {
        uint8_t slice[32];
        const size_t size = pack(i == 1 && !recipe.is_idr_pic_id_stuck ? IDR_1 : IDR_0, slice);
        cm_write_u32(&w, (uint32_t)size + 4);
        cm_write_u8(&w, i == 0 ? CM_SCENE_FLAG_IDR : recipe.last_flags);
        cm_write_u32(&w, (uint32_t)size);
        cm_write_slice(&w, cm_slice_over(slice, size));
    }
    if (recipe.has_tail)
        cm_write_u8(&w, 0);
    cm_slice whole = cm_writer_done(&w);
    whole.size -= recipe.last_cut;
    return cm_scene_parse(whole, out);
}

static const scene_recipe GOOD_SCENE = {
    .magic = CM_SCENE_MAGIC, .width = 640, .gop = 1, .last_flags = CM_SCENE_FLAG_IDR};
