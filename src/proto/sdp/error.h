/*
 * error: why a description of WebRTC was refused, in words for the person who wrote the client: the
 * detail of a problem document. Nothing of the refused text is in it.
 */
#pragma once

#include "base/writer.h"

typedef struct cm_sdp_error {
    size_t line;        // from 1; 0: the text as a whole
    const char *field;  // "a=fingerprint"; static; empty when the line has none
    const char *reason; // follows on the field: "is missing"; static
} cm_sdp_error;

/* "line 12: a=fingerprint is missing" */
void cm_sdp_error_write(cm_writer *w, const cm_sdp_error *error);
