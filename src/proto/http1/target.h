/*
 * target: what a request is aimed at (RFC 9112 3.2; the pseudo-fields of RFC 9113 8.3.1): its form,
 * authority, path and query. Pure. Percent escapes are undone here, once, and nowhere else: whoever
 * compares paths compares what this made of them.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

typedef struct cm_http_target {
    bool is_absolute; /* http://authority/path: its authority stands above Host (RFC 9112 3.2.2) */
    bool is_https;    /* of an absolute one */
    cm_slice authority; /* of an absolute one */
    cm_slice path;      /* raw, begins with '/' */
    cm_slice query;     /* raw, without '?'; empty if none */
} cm_http_target;

/*
 * Origin form and absolute form (http, https). CM_REFUSE: another form (authority and asterisk form
 * belong to CONNECT and OPTIONS *, which are not served), a fragment, user info, a character that
 * no target may have (RFC 3986 2).
 */
cm_status cm_http_target_parse(cm_slice text, cm_http_target *out);

/* RFC 3986 3.2.2 and 3.2.3, as Host allows it: a name, IPv4 or bracketed IPv6 address, and perhaps
 * a port. No user info. */
bool cm_http_is_authority(cm_slice text);

/*
 * Undoes percent escapes. CM_REFUSE: a lone %, %00, another control character, an escaped '/' or
 * any '\', a segment '.' or '..' (escaped or not), bytes that are no UTF-8: each reads differently
 * to some program, so none is let in. CM_FULL.
 */
cm_status cm_http_path_decode(cm_slice raw, cm_writer *out, cm_slice *path);

/* Takes the next name=value off a raw query; escapes undone, '+' is a space. CM_REFUSE: as above,
 * but slashes and dots are fine. Call while rest->size > 0. */
cm_status cm_http_query_next(cm_slice *rest, cm_writer *out, cm_slice *name, cm_slice *value);
