/*
 * text: small encodings of bytes as text (hex, base64, base64url, percent) and back. Pure.
 *
 * Encoders write a terminator; `capacity` counts it. Decoders are strict: no spaces, exact padding
 * rules as named.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

#define CM_HEX_SIZE(n)    (2 * (n) + 1)
#define CM_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Lower case. CM_FULL if it does not fit. */
cm_status cm_text_to_hex(cm_slice bytes, char *out, size_t capacity);
/* Either case. CM_REFUSE unless it is exactly 2 * size digits. */
cm_status cm_text_from_hex(cm_slice text, uint8_t *out, size_t size);

/* RFC 4648 section 4 (with padding) and section 5 (url: no padding). */
cm_status cm_text_to_base64(cm_slice bytes, char *out, size_t capacity);
cm_status cm_text_to_base64url(cm_slice bytes, char *out, size_t capacity);
/* Accepts both alphabets never mixed up: the section's own only; padding optional. *size_out <=
 * capacity. */
cm_status cm_text_from_base64(cm_slice text, uint8_t *out, size_t capacity, size_t *size_out);
cm_status cm_text_from_base64url(cm_slice text, uint8_t *out, size_t capacity, size_t *size_out);

/* RFC 3986 2.1: %XX to bytes; refuses a lone %, and %00. '+' stays '+'. */
cm_status cm_text_from_percent(cm_slice text, char *out, size_t capacity, size_t *size_out);

/* The text with everything but unreserved characters (RFC 3986 2.3) as %XX. */
void cm_text_write_percent(cm_writer *w, cm_slice text);

/* Valid UTF-8 without control characters (U+0000-001F, U+007F): fit to be shown as a name. */
bool cm_text_is_printable_utf8(cm_slice text);
