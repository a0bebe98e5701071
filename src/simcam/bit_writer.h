/*
 * bit_writer: H.264's bit strings (ITU-T H.264 7.2, 9.1) written: fixed length and Exp-Golomb
 * codes, into storage of the caller's. Fails stickily, like the cm_writer it stands on. Reading is
 * base/bits.h.
 *
 * Owner: the caller's stack. Pure.
 */
#pragma once

#include "base/bits.h"
#include "base/slice.h"
#include "base/writer.h"

typedef struct cm_bit_writer {
    cm_writer bytes;  /* whole bytes written */
    uint32_t pending; /* private: bits not yet a byte, at the low end */
    unsigned count;   /* private: how many, 0 to 7 */
} cm_bit_writer;

cm_bit_writer cm_bit_writer_over(void *storage, size_t capacity);
void cm_bit_write(cm_bit_writer *w, uint32_t value, unsigned count); /* u(n); count <= 24 */
void cm_bit_write_ue(cm_bit_writer *w, uint32_t value);              /* value < 65,535 */
void cm_bit_write_se(cm_bit_writer *w, int32_t value);
void cm_bit_write_alignment(cm_bit_writer *w);               /* pcm_alignment_zero_bit */
void cm_bit_write_aligned(cm_bit_writer *w, cm_slice bytes); /* at a byte boundary only */
void cm_bit_write_trailing(cm_bit_writer *w);                /* rbsp_trailing_bits() */
/* Copies what `from` has left, up to and with the last 1 bit (the rbsp_stop_one_bit), then zeros to
 * a byte. `from->failed` if there is no 1 bit. */
void cm_bit_write_rest(cm_bit_writer *w, cm_bits *from);
/* CM_FULL if something did not fit. Whole bytes only: call after trailing bits. */
cm_status cm_bit_writer_finish(const cm_bit_writer *w, cm_slice *out);
