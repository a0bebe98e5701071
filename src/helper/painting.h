/*
 * painting: what the simulated cameras look at: a few places that a person likes to see, each with
 * something that moves, in a loop without a seam. Drawn by us, of nothing but canvas.h.
 *
 * The top of the picture (CM_PAINTING_CALM of its height) is one flat colour and never changes:
 * nothing there makes an encoder point a motion vector over the edge, where the strip will be.
 */
#pragma once

#include "helper/canvas.h"

enum { CM_PAINTING_VARIANTS = 4 };
#define CM_PAINTING_CALM 0.17F

typedef struct painting {
    unsigned variant; /* 0 doorway at dusk, 1 garden at noon, 2 street at night, 3 autumn sunset */
    canvas ground;    /* what does not move */
    canvas picture;
} painting;

cm_status painting_init(painting *p, unsigned variant, unsigned width, unsigned height);
void painting_deinit(painting *p);

/* Draws the picture at `phase` of the loop, 0 to 1, where 1 is 0 again. */
void painting_draw(painting *p, float phase);
/* How grainy its camera is, in luma steps. */
float painting_grain(const painting *p);
