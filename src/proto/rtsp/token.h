/*
 * token: what RTSP's header values have in common (RFC 2326 15.1, RFC 7230 3.2.6): lists with
 * quoted strings in them, and text that may not break out of a line. For proto/rtsp only.
 *
 * Pure: no state, any thread.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

/* As cm_slice_cut, but a separator between double quotes is text. An open quote runs to the end. */
cm_slice cm_rtsp_cut_unquoted(cm_slice *rest, uint8_t separator);

/* "name = value" in pieces, trimmed, the value without its quotes. False: there is no '='. */
bool cm_rtsp_split_parameter(cm_slice text, cm_slice *name, cm_slice *value);

/* Without the double quotes around it, if it has both. What is escaped inside stays so. */
cm_slice cm_rtsp_unquote(cm_slice text);

/* No control characters (but tabs), no DEL: fit for a header's value. */
bool cm_rtsp_is_clean(cm_slice text);
/* Clean, and none of the bytes of `forbidden`. */
bool cm_rtsp_is_clean_of(cm_slice text, cm_slice forbidden);
