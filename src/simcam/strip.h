/*
 * strip: the top of every simulated picture, written straight as an H.264 slice, with no encoder:
 * the block code (code.h) and a line of text. So each camera has a picture of its own although all
 * share one encoded scene.
 *
 * The slice is made of few kinds of macroblock. A cell of code is flat Intra_16x16 macroblocks with
 * DC prediction and at most one coefficient; text is I_PCM, drawn by us; in P pictures whatever did
 * not change is P_Skip. Nothing is deblocked, so what is drawn is what is seen, to the bit.
 *
 * Pure; the font is the caller's.
 */
#pragma once

#include "base/writer.h"
#include "simcam/code.h"
#include "simcam/font.h"
#include "simcam/slice_header.h"

enum {
    CM_STRIP_COLUMNS = 2 * CM_CODE_COLUMNS, /* letters on the line */
};

/* What a strip shows: the state that the next picture differs from. */
typedef struct cm_strip {
    cm_code_cells code;
    uint8_t glyphs[CM_STRIP_COLUMNS];
} cm_strip;

/* `name` at the left (cut if it meets the clock), `clock` at the right. */
cm_strip cm_strip_of(cm_code code, cm_slice name, cm_slice clock);

/* Macroblock rows of the strip of a picture that is `cell` macroblocks to a cell. */
unsigned cm_strip_rows(unsigned cell);
/* No strip's slice is larger than this many bytes. */
size_t cm_strip_size_max(unsigned cell);

/*
 * Writes the slice as one NAL unit. `scene` is the header of the scene's slice of the same picture
 * (type, frame_num, idr_pic_id are taken over). `before` is the strip of the picture this one
 * refers to; NULL in intra pictures, which say everything. The font's scale is the cell's size in
 * macroblocks.
 */
cm_status cm_strip_write(const cm_strip *now, const cm_strip *before, const cm_font *font,
                         const cm_slice_header *scene, const cm_pps *pps, cm_bit_writer *scratch,
                         cm_writer *out);
