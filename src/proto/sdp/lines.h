/*
 * lines: a description line by line, with numbers, and what is said of the
 * first that is wrong. For what WebRTC's peers send (offers and fragments), which is read strictly:
 * a person who writes a client is better told at once. Cameras' descriptions are read by
 * proto/sdp/sdp.c.
 *
 * Private to proto/sdp. Pure.
 */
#pragma once

#include "base/slice.h"
#include "proto/sdp/error.h"

/* Bounds, and the reasons of those who pass them; an offer and a fragment have them in common. */
enum {
    CM_SDP_UFRAG_MIN = 4, /* RFC 8839 5.4 */
    CM_SDP_PWD_MIN = 22,
    CM_SDP_ICE_TEXT_MAX = 256,
};
#define CM_SDP_UFRAG_RULE  "is not 4 to 256 letters, digits, + and /"
#define CM_SDP_PWD_RULE    "is not 22 to 256 letters, digits, + and /"
#define CM_SDP_MID_RULE    "is not a word of 1 to 64 characters"
#define CM_SDP_LETTER_RULE "the line's letter means nothing here"

typedef struct cm_sdp_line {
    size_t number; // from 1
    uint8_t type;  // a small letter
    cm_slice value;
} cm_sdp_line;

typedef struct cm_sdp_lines {
    cm_slice rest; // private, as both
    size_t count;
} cm_sdp_lines;

/* Fills *error and is the status to return. */
cm_status cm_sdp_refuse(cm_sdp_error *error, size_t line, const char *field, const char *reason);

/* CM_REFUSE: the text is too large, or no text. */
cm_status cm_sdp_lines_open(cm_slice text, cm_sdp_lines *out, cm_sdp_error *error);

/* The next line; lines end with CRLF or LF. CM_ABSENT: nothing left but blank lines. CM_REFUSE: it
 * is no "x=...", or holds a control character. */
cm_status cm_sdp_lines_next(cm_sdp_lines *lines, cm_sdp_line *out, cm_sdp_error *error);

/* The checks of RFC 8839 5.4 and RFC 8859: letters, digits, + and / only, so many of them. */
bool cm_sdp_is_ice_text(cm_slice text, size_t least, size_t most);
/* A token of RFC 8866 9, of at most `most` characters. */
bool cm_sdp_is_token(cm_slice text, size_t most);
