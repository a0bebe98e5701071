/*
 * writer: a bounded cursor that puts bytes into storage of the caller's. It never grows and never
 * overruns.
 *
 * A write past the end sets `failed`, which stays set; cm_writer_finish() then refuses. A length
 * that is not known yet is reserved (cm_write_reserve_*) and filled by cm_write_fill_* once what it
 * counts has been written.
 *
 * Owner: the caller's stack. No allocation, no I/O.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_writer {
    uint8_t *bytes;
    size_t capacity;
    size_t used;
    bool failed; /* sticky: some write did not fit */
} cm_writer;

cm_writer cm_writer_over(void *storage, size_t capacity);

/* Big-endian (network order). */
void cm_write_u8(cm_writer *w, uint8_t value);
void cm_write_u16(cm_writer *w, uint16_t value);
void cm_write_u24(cm_writer *w, uint32_t value);
void cm_write_u32(cm_writer *w, uint32_t value);
void cm_write_u64(cm_writer *w, uint64_t value);
void cm_write_slice(cm_writer *w, cm_slice bytes);
void cm_write_zeros(cm_writer *w, size_t count);
void cm_write_text(cm_writer *w, const char *text); /* without the terminator */
void cm_write_format(cm_writer *w, const char *format, ...) CM_PRINTF(2, 3);
void cm_write_decimal(cm_writer *w, uint64_t value);

/* Leaves `size` bytes of zeros to be filled later; returns their offset. */
size_t cm_write_reserve(cm_writer *w, size_t size);
void cm_write_fill_u8(cm_writer *w, size_t offset, uint8_t value);
void cm_write_fill_u16(cm_writer *w, size_t offset, uint16_t value);
void cm_write_fill_u32(cm_writer *w, size_t offset, uint32_t value);

/* What has been written so far, borrowed. */
cm_slice cm_writer_done(const cm_writer *w);

/* CM_OK and *out, or CM_FULL when something did not fit. */
cm_status cm_writer_finish(const cm_writer *w, cm_slice *out);
