/*
 * reader: a bounded cursor over bytes from the wire. Not a copy: slices that it hands out borrow
 * from the buffer it was given.
 *
 * A read past the end yields zero and sets `failed`, which stays set: a parser reads straight down,
 * like the figure in its RFC, and asks once, with cm_reader_finish(). Until then nothing read may
 * be acted on, except lengths and counts, which must be bounded at once. A part with its own length
 * is opened as a reader of its own (cm_reader_sub); it cannot see past its parent.
 *
 * Owner: the caller's stack. Thread: the one that holds it. No allocation, no I/O, no log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

typedef struct cm_reader {
    cm_slice rest; /* what has not been read */
    bool failed;   /* sticky: some read went past the end */
} cm_reader;

cm_reader cm_reader_over(cm_slice bytes);

/* Unsigned integers, big-endian (network order, RFC 1700). Zero after a failure. */
uint8_t cm_read_u8(cm_reader *r);
uint16_t cm_read_u16(cm_reader *r);
uint32_t cm_read_u24(cm_reader *r);
uint32_t cm_read_u32(cm_reader *r);
uint64_t cm_read_u64(cm_reader *r);

/* The next `size` bytes, borrowed. Empty after a failure. */
cm_slice cm_read_slice(cm_reader *r, size_t size);

/* A reader over the next `size` bytes; `r` moves past them. Born failed if they are not there. */
cm_reader cm_reader_sub(cm_reader *r, size_t size);

/* CM_OK if every read was inside and nothing is left; CM_CLOSE otherwise: the sender broke its
 * protocol. */
cm_status cm_reader_finish(const cm_reader *r);
