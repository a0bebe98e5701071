/*
 * bits: a bounded cursor over single bits, most significant first, with the exponential Golomb
 * codes of ITU-T H.264 9.1. For codec headers; whole bytes are base/reader's.
 *
 * A read past the end, or a code longer than 32 bits, yields zero and sets `failed`, which stays
 * set: a parser reads straight down and asks once, with cm_bits_status(). Until then nothing read
 * may be acted on, except counts, which must be bounded at once.
 *
 * Owner: the caller's stack. No allocation, no I/O, no log.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_bits {
    cm_slice bytes;  /* borrowed */
    size_t position; /* in bits from the first */
    bool failed;     /* sticky */
} cm_bits;

cm_bits cm_bits_over(cm_slice bytes);

/* The next `count` bits, at most 32, as an unsigned number. */
uint32_t cm_bits_read(cm_bits *b, unsigned count);
bool cm_bits_read_flag(cm_bits *b);
/* ue(v): 0 to 2^32 - 2. se(v): -(2^31 - 1) to 2^31 - 1. */
uint32_t cm_bits_read_ue(cm_bits *b);
int32_t cm_bits_read_se(cm_bits *b);

/* Bits not yet read; 0 after a failure. */
size_t cm_bits_left(const cm_bits *b);

/* CM_OK if every read was inside; CM_CLOSE otherwise. Leftovers are the caller's to judge. */
cm_status cm_bits_status(const cm_bits *b);
