/* offer_priv: one offer while it is read. Private to proto/sdp/offer*.c. */
#pragma once

#include "proto/sdp/lines.h"
#include "proto/sdp/offer.h"

typedef struct cm_sdp_offer_reader {
    cm_sdp_offer *offer;
    cm_sdp_error *error;
    cm_sdp_offer_media *media; // the one whose part is read; NULL: the session's
    size_t line;
    const char *field; // "a=mid": what an error names
    cm_sdp_transport session;
    cm_sdp_direction session_direction;
    cm_slice bundle; // the mids of a=group:BUNDLE
    size_t bundle_line;
} cm_sdp_offer_reader;

/* Is the status to return. */
cm_status cm_sdp_offer_wrong(const cm_sdp_offer_reader *reader, const char *reason);

/* One a= line: `name` and what stands behind its colon. */
cm_status cm_sdp_offer_attribute(cm_sdp_offer_reader *reader, cm_slice name, cm_slice value);

/* After the last line: what one part says for another, and whether a connection can be made. */
cm_status cm_sdp_offer_complete(cm_sdp_offer_reader *reader);

/* The media of that mid, or NULL. */
cm_sdp_offer_media *cm_sdp_offer_find_mid(cm_sdp_offer *offer, cm_slice mid);
