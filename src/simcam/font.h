/*
 * font: the letters on simulated pictures. Each is a few straight strokes on a small grid, drawn
 * smooth at whatever size the picture wants, so that one table serves main and sub stream.
 *
 * A glyph fills 8 x 16 units; a unit is `scale` pixels. Basic Latin has shapes; Latin letters with
 * accents are drawn without them; everything else is an empty box.
 *
 * Life: create once per scale, then only read: any thread.
 */
#pragma once

#include "base/slice.h"

enum {
    CM_FONT_WIDTH = 8, /* of a glyph, in units */
    CM_FONT_HEIGHT = 16,
    CM_FONT_SPACE = 0, /* the glyph with nothing on it */
};

typedef struct cm_font cm_font;

cm_status cm_font_create(unsigned scale, cm_font **out); /* scale 1 to 8 */
void cm_font_destroy(cm_font *font);
unsigned cm_font_scale(const cm_font *font);

/* How much ink, 0 to 255, is at a pixel of a glyph. */
uint8_t cm_font_ink(const cm_font *font, uint8_t glyph, unsigned x, unsigned y);

/* Glyphs of UTF-8 text, at most `capacity`; the rest is cut. Returns how many. Bytes that are no
 * UTF-8 are boxes. */
size_t cm_font_glyphs(cm_slice text, uint8_t *out, size_t capacity);
