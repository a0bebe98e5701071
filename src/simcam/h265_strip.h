/*
 * h265_strip: strip.h for H.265: the block code above a simulated picture, written straight as a
 * slice, with no encoder. It has the code's two rows of cells and a plain third one: letters would
 * take a transform of our own.
 *
 * The slice is intra in every picture, so that it depends on nothing but the code. Its coding
 * blocks are 16 x 16, predicted by DC mode, with at most one coefficient.
 *
 * Pure.
 */
#pragma once

#include "simcam/h265_slice.h"
#include "simcam/strip.h"

/*
 * Writes the slice as one NAL unit: `type` is that of the scene's (nal_unit_type), `scene` its
 * header, `cell` the macroblocks to a cell's side. `scratch` and `out` as for cm_strip_write().
 */
cm_status cm_h265_strip_write(const cm_strip *strip, unsigned cell, cm_slice scene_nal,
                              const cm_h265_slice *scene, const cm_h265_scene_sets *sets,
                              cm_bit_writer *scratch, cm_writer *out);
