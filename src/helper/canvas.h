/*
 * canvas: a small painter for the simulated cameras' scenes: soft-edged shapes and glows over a
 * picture of red, green and blue floats, then to planar YUV 4:2:0 (BT.709, limited range).
 *
 * Lengths are in heights of the canvas, so that one drawing fits every size: y runs from 0 (top) to
 * 1, x from 0 to the aspect ratio. Colours are 0 to 1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct colour {
    float r;
    float g;
    float b;
} colour;

typedef struct spot {
    float x;
    float y;
} spot;

typedef struct canvas {
    unsigned width;
    unsigned height;
    colour *pixels; /* width * height */
} canvas;

/* A shape: a segment from a to b, grown by a radius (a disc when a is b), or the box between two
 * corners with rounded corners. `soft` is how far its edge fades, at least a pixel. */
typedef struct shape {
    spot a;
    spot b;
    float radius;
    float soft;
    bool is_box; /* a is its middle, b half its width and height */
} shape;

cm_status canvas_init(canvas *c, unsigned width, unsigned height);
void canvas_deinit(canvas *c);
void canvas_copy(canvas *to, const canvas *from); /* of the same size */

colour colour_mix(colour a, colour b, float share_of_b);

/* Top colour above `from`, bottom colour below `to`, smooth between. */
void canvas_gradient(canvas *c, colour top, colour bottom, float from, float to);
void canvas_paint(canvas *c, const shape *s, colour ink, float opacity);
/* Adds light that fades with distance. */
void canvas_glow(canvas *c, spot at, float radius, colour light, float strength);
/* Everything below a rolling line: height + swing * two waves. */
void canvas_hill(canvas *c, float height, float swing, float phase, colour ink);

typedef struct planes {
    uint8_t *y;
    uint8_t *u;
    uint8_t *v;
    int strides[3];
} planes;

/* `grain` is the noise's size in luma steps; it starts below `grain_from`, and differs with
 * `picture`. */
void canvas_to_yuv(const canvas *c, const planes *out, float grain, float grain_from,
                   uint32_t picture);
