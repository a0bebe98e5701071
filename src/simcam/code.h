/*
 * code: the block code that every simulated picture carries, so that a test can tell from the
 * pixels alone whose picture it is and how old. Also where on the picture it stands: the strip's
 * layout.
 *
 * A picture is 40 cells wide. The strip is its top three rows of cells: two of code, one of text
 * (the camera's name at the left, the clock at the right). A cell is width / 40 pixels square, a
 * whole number of macroblocks, so widths are multiples of 640. Code cells are dark (0) or light
 * (1), in reading order, most significant bit first:
 *
 *     sync 8 bits (10100110) | camera 16 | counter high 16
 *     counter low 16 | check 16 | sync 8 bits (01011001)
 *
 * check is CRC-16/CCITT-FALSE over camera and counter, big-endian. The reader wants every cell to
 * be clearly dark or light against the sync cells, both sync words and the check: noise passes
 * with a chance of 2^-32. It works on pictures of any width whose aspect was kept, down to cells
 * of about 4 pixels, so it survives JPEG, scaling and transcoding.
 *
 * Pure: no allocation, no state.
 */
#pragma once

#include "base/slice.h"

enum {
    CM_CODE_COLUMNS = 40,
    CM_CODE_ROWS = 2,
    CM_CODE_CELLS = CM_CODE_COLUMNS * CM_CODE_ROWS,
    CM_CODE_STRIP_ROWS = 3, /* cells: the code's two and the text's one */
    CM_CODE_MACROBLOCK = 16,

    /* Luma of the two kinds of cell and of the text row's ground. All differences, and all means
     * of two, are multiples of 8: see strip.c. */
    CM_CODE_DARK = 48,
    CM_CODE_LIGHT = 112,
};

typedef struct cm_code {
    uint16_t camera;
    uint32_t counter; /* of pictures: one per frame time since 1970, modulo 2^32 */
} cm_code;

typedef struct cm_code_cells {
    bool is_light[CM_CODE_CELLS];
} cm_code_cells;

/* Macroblocks on a side of a cell, for a picture this wide; 0 if no strip fits that width. */
unsigned cm_code_cell_macroblocks(unsigned width);

cm_code_cells cm_code_write(cm_code code);
/* CM_REFUSE unless sync words and check agree. */
cm_status cm_code_parse(const cm_code_cells *cells, cm_code *out);

/* A picture's luma: `size` of the slice is at least stride * (height - 1) + width. */
typedef struct cm_code_picture {
    cm_slice luma;
    unsigned width;
    unsigned height;
    size_t stride;
} cm_code_picture;

/* CM_ABSENT if the picture carries no code that can be read with certainty. */
cm_status cm_code_read(const cm_code_picture *picture, cm_code *out);
