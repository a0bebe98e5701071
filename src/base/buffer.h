/*
 * buffer: bytes that grow, up to a bound named at birth. For what a peer sends until a whole
 * message is there, and for text we make. Not for pictures at rest (media/frame) and not for
 * secrets (base/secret).
 *
 * Owner: whoever embeds it; init and deinit. Not shared between threads.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_buffer {
    uint8_t *bytes; /* private */
    size_t begin;   /* private: consumed up to here */
    size_t end;     /* private */
    size_t capacity;
    size_t max; /* bytes it may hold at most */
} cm_buffer;

void cm_buffer_init(cm_buffer *b, size_t max_bytes); /* allocates nothing yet */
void cm_buffer_deinit(cm_buffer *b);

/* What it holds, borrowed until the next call that changes it. */
cm_slice cm_buffer_data(const cm_buffer *b);

/* CM_FULL if the bound would be passed; nothing is added then. */
cm_status cm_buffer_add(cm_buffer *b, cm_slice bytes);
cm_status cm_buffer_add_text(cm_buffer *b, const char *text);
cm_status cm_buffer_add_format(cm_buffer *b, const char *format, ...) CM_PRINTF(2, 3);

/* At least `size` bytes of room at the end, to be filled and then committed. CM_FULL beyond the
 * bound. */
cm_status cm_buffer_room(cm_buffer *b, size_t size, uint8_t **out);
void cm_buffer_commit(cm_buffer *b, size_t size);

/* Drops the first `size` bytes (at most what is there). An emptied buffer keeps its memory. */
void cm_buffer_consume(cm_buffer *b, size_t size);
void cm_buffer_clear(cm_buffer *b);
/* Gives the memory back when empty: for connections that wait. */
void cm_buffer_shrink(cm_buffer *b);
