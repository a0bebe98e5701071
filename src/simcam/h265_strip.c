#include "simcam/h265_strip.h"

#include <assert.h>
#include <string.h>

#include "proto/h264/nal.h"
#include "proto/h265/nal.h"
#include "simcam/cabac.h"

enum {
    BLOCK = CM_CODE_MACROBLOCK,
    WIDTH_MAX = 2560,
    NOTHING = 128, /* what is predicted where there is no neighbour (8.4.4.2.2) */

    /*
     * At this quantizer one level of the DC coefficient moves every pixel of a 16 x 16 block by
     * exactly 1: 8.6.4.2 with m 16, levelScale[28 % 6] 64 << 4 and bdShift 7 gives 128 a level, of
     * which 8.6.4.2's two passes leave (64 * 128 + 64) >> 7 = 64, then (64 * 64 + 2048) >> 12 = 1.
     */
    QP = 28,
};

/* Contexts that the slice uses, each with its initValue for initType 0 (tables 9-5 to 9-37). */
typedef enum variable {
    PART_MODE,
    PREV_INTRA_LUMA_PRED,
    INTRA_CHROMA_PRED,
    CBF_CHROMA, /* at depth 0 */
    CBF_LUMA,   /* at depth 0 */
    LAST_X,     /* first bin of a 16 x 16 luma block's prefix */
    LAST_Y,
    GREATER_1, /* of the only coefficient */
    GREATER_2,
    VARIABLES,
} variable;

static const uint8_t INIT_VALUES[VARIABLES] = {
    [PART_MODE] = 184,        [PREV_INTRA_LUMA_PRED] = 184,
    [INTRA_CHROMA_PRED] = 63, [CBF_CHROMA] = 94,
    [CBF_LUMA] = 141,         [LAST_X] = 125,
    [LAST_Y] = 125,           [GREATER_1] = 92,
    [GREATER_2] = 138,
};

/* A slice being written. */
typedef struct h265_strip {
    const cm_strip *strip;
    unsigned cell;
    unsigned width; /* in blocks */
    cm_cabac cabac;
    cm_cabac_context contexts[VARIABLES];
    uint8_t above[WIDTH_MAX]; /* bottom line of the row of blocks above */
    uint8_t left[BLOCK];      /* right column of the block to the left */
} h265_strip;

static void put(h265_strip *s, variable v, bool bin)
{
    cm_cabac_write(&s->cabac, &s->contexts[v], bin);
}

static int luma_of(const h265_strip *s, unsigned x, unsigned y)
{
    const unsigned row = y / s->cell;
    if (row >= CM_CODE_ROWS)
        return CM_CODE_DARK;
    return s->strip->code.is_light[row * CM_CODE_COLUMNS + x / s->cell] ? CM_CODE_LIGHT
                                                                        : CM_CODE_DARK;
}

/* ---- prediction: 8.4.4.2 ---- */

typedef struct neighbours {
    int left[BLOCK];
    int above[BLOCK];
} neighbours;

/* 8.4.4.2.2: what is not there is as its nearest neighbour along the edge, from below left. */
static void find_neighbours(const h265_strip *s, unsigned x, unsigned y, neighbours *n)
{
    const bool has_left = x > 0;
    const bool has_above = y > 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        n->left[i] = has_left ? s->left[i] : has_above ? s->above[x * BLOCK] : NOTHING;
        n->above[i] = has_above ? s->above[x * BLOCK + i] : has_left ? s->left[0] : NOTHING;
    }
}

static int mean_of(const neighbours *n)
{
    int sum = BLOCK;
    for (unsigned i = 0; i < BLOCK; i++)
        sum += n->left[i] + n->above[i];
    return sum / (2 * BLOCK);
}

/* The block's right column and bottom line, as a decoder has them: its left and top edges are
 * smoothed towards the neighbours (8.4.4.2.5), all is moved by `level`. */
static void keep_edges(h265_strip *s, unsigned x, const neighbours *n, int mean, int level)
{
    const int luma = mean + level;
    for (unsigned i = 0; i < BLOCK; i++)
        s->left[i] = s->above[x * BLOCK + i] = (uint8_t)luma;
    s->left[0] = (uint8_t)((n->above[BLOCK - 1] + 3 * mean + 2) / 4 + level);
    s->above[x * BLOCK] = (uint8_t)((n->left[BLOCK - 1] + 3 * mean + 2) / 4 + level);
}

/* ---- syntax: 7.3.8 ---- */

/* 9.3.3.11 with cRiceParam 0. */
static void put_remaining(h265_strip *s, uint32_t value)
{
    enum { PREFIX_MAX = 3 };
    unsigned length = 0;
    if (value < PREFIX_MAX) {
        cm_cabac_write_bypass_bits(&s->cabac, (1u << (value + 1)) - 2, value + 1);
        return;
    }
    for (value -= PREFIX_MAX; value >= 1u << length; length++)
        value -= 1u << length;
    cm_cabac_write_bypass_bits(&s->cabac, (1u << (PREFIX_MAX + length + 1)) - 2,
                               PREFIX_MAX + length + 1);
    cm_cabac_write_bypass_bits(&s->cabac, value, length);
}

/* residual_coding() (7.3.8.11) of a block whose only coefficient is its first. */
static void put_residual(h265_strip *s, int level)
{
    const uint32_t size = (uint32_t)(level < 0 ? -level : level);
    put(s, LAST_X, false);
    put(s, LAST_Y, false);
    put(s, GREATER_1, size > 1);
    if (size > 1)
        put(s, GREATER_2, size > 2);
    cm_cabac_write_bypass(&s->cabac, level < 0);
    if (size > 2)
        put_remaining(s, size - 3);
}

/* coding_unit(): 2N x 2N, DC mode, which is the second of the most probable ones wherever all
 * neighbours have it or there are none (8.4.2); chroma likewise. */
static void put_block(h265_strip *s, unsigned x, unsigned y)
{
    neighbours n;
    find_neighbours(s, x, y, &n);
    const int mean = mean_of(&n);
    const int level = luma_of(s, x, y) - mean;
    put(s, PART_MODE, true);
    put(s, PREV_INTRA_LUMA_PRED, true);
    cm_cabac_write_bypass_bits(&s->cabac, 2, 2); /* mpm_idx 1 */
    put(s, INTRA_CHROMA_PRED, false);
    put(s, CBF_CHROMA, false);
    put(s, CBF_CHROMA, false);
    put(s, CBF_LUMA, level != 0);
    if (level != 0)
        put_residual(s, level);
    keep_edges(s, x, &n, mean, level);
}

static void put_blocks(h265_strip *s)
{
    const unsigned rows = cm_strip_rows(s->cell);
    for (unsigned y = 0; y < rows; y++)
        for (unsigned x = 0; x < s->width; x++) {
            put_block(s, x, y);
            cm_cabac_write_terminate(&s->cabac, y + 1 == rows && x + 1 == s->width);
        }
}

cm_status cm_h265_strip_write(const cm_strip *strip, unsigned cell, cm_slice scene_nal,
                              const cm_h265_slice *scene, const cm_h265_scene_sets *sets,
                              cm_bit_writer *scratch, cm_writer *out)
{
    h265_strip s = {.strip = strip, .cell = cell, .width = CM_CODE_COLUMNS * cell};
    assert(s.width * BLOCK <= WIDTH_MAX && scene_nal.size > CM_H265_NAL_HEADER_SIZE);
    cm_h265_first_slice_write(scratch, scene, sets, QP);
    for (size_t i = 0; i < VARIABLES; i++)
        s.contexts[i] = cm_cabac_context_of(INIT_VALUES[i], QP);
    s.cabac = cm_cabac_over(scratch);
    put_blocks(&s);
    cm_slice rbsp;
    CM_TRY(cm_bit_writer_finish(scratch, &rbsp));
    cm_write_slice(out, cm_slice_part(scene_nal, 0, CM_H265_NAL_HEADER_SIZE));
    return cm_h264_escape(rbsp, out);
}
