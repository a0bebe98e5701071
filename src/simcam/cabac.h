/*
 * cabac: the binary arithmetic encoder of ITU-T H.265 9.3.4.x turned round (9.3.5 of H.264 has the
 * encoder in words; both share it to the bit): bins in, a slice's bits out.
 *
 * Owner: the caller's stack. Pure.
 */
#pragma once

#include "simcam/bit_writer.h"

/* A context variable: how likely a bin is 1. */
typedef struct cm_cabac_context {
    uint8_t state; /* pStateIdx, 0 to 62 */
    uint8_t mps;   /* the more likely bin */
} cm_cabac_context;

/* 9.3.2.2 from initValue, at SliceQpY. */
cm_cabac_context cm_cabac_context_of(uint8_t init_value, int qp);

typedef struct cm_cabac {
    cm_bit_writer *out; /* private, as all of it */
    uint32_t low;
    uint32_t range;
    uint32_t outstanding;
    bool is_first;
} cm_cabac;

/* `out` stands at a byte. */
cm_cabac cm_cabac_over(cm_bit_writer *out);
void cm_cabac_write(cm_cabac *c, cm_cabac_context *context, bool bin);
void cm_cabac_write_bypass(cm_cabac *c, bool bin);
/* `count` bins of `value`, most significant first. */
void cm_cabac_write_bypass_bits(cm_cabac *c, uint32_t value, unsigned count);
/* end_of_slice_segment_flag and the like. A true one ends the slice: its stop bit is written, and
 * zeros to a whole byte. */
void cm_cabac_write_terminate(cm_cabac *c, bool bin);
