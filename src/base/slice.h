/*
 * slice: bytes or text that somebody else owns: a pointer and a size, never a terminator.
 *
 * Text is a slice too; NUL-terminated strings exist only at libc's door (cm_slice_of,
 * cm_slice_to_cstr).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cm_slice {
    const uint8_t *bytes; /* borrowed; may be NULL when size is 0 */
    size_t size;
} cm_slice;

/* A string literal as a slice, without its terminator. */
#define CM_TEXT(literal)                                                                           \
    ((cm_slice){.bytes = (const uint8_t *)("" literal), .size = sizeof(literal) - 1})
/* For printf: printf("%.*s", CM_SLICE_ARGS(s)). */
#define CM_SLICE_ARGS(s) (int)(s).size, (const char *)(s).bytes

cm_slice cm_slice_of(const char *text); /* borrows; NULL gives the empty slice */
cm_slice cm_slice_over(const void *bytes, size_t size);

bool cm_slice_equal(cm_slice a, cm_slice b);        /* NOT for secrets: cm_secret_equal */
bool cm_slice_equal_nocase(cm_slice a, cm_slice b); /* ASCII letters only */
bool cm_slice_starts(cm_slice text, cm_slice prefix);
bool cm_slice_starts_nocase(cm_slice text, cm_slice prefix);
bool cm_slice_ends(cm_slice text, cm_slice suffix);

/* The part from `offset` on, at most `size` bytes; clipped to what is there. */
cm_slice cm_slice_part(cm_slice s, size_t offset, size_t size);
cm_slice cm_slice_from(cm_slice s, size_t offset);

/* Without ASCII space, tab, CR and LF at both ends. */
cm_slice cm_slice_trim(cm_slice text);

/*
 * Splits `*rest` at the first `separator`: returns what stands before it and moves *rest past it.
 * Without a separator returns everything and leaves *rest empty. Call while rest->size > 0.
 */
cm_slice cm_slice_cut(cm_slice *rest, uint8_t separator);

/* Index of the first `byte`, or s.size. */
size_t cm_slice_find(cm_slice s, uint8_t byte);

/* Copies all of `bytes` to `out`, which has room for `capacity`: more than that is a mistake of
 * ours (aborts). They do not overlap. */
void cm_slice_copy(cm_slice bytes, void *out, size_t capacity);

/* Whole slice as a decimal number, no sign, no spaces. CM_REFUSE if it is anything else or above
 * `max`. */
cm_status cm_slice_to_u64(cm_slice text, uint64_t max, uint64_t *out);

/* Copies with a terminator. CM_FULL if it does not fit, CM_REFUSE if it holds a NUL byte. */
cm_status cm_slice_to_cstr(cm_slice text, char *out, size_t capacity);
