/* transport_priv: our end of the transport in lines, for answers and fragments. Private to
 * proto/sdp. */
#pragma once

#include "proto/sdp/answer.h"

void cm_sdp_write_credentials(cm_writer *w, const cm_sdp_answer_transport *transport);
/* And a=end-of-candidates, if these are all. */
void cm_sdp_write_candidates(cm_writer *w, const cm_sdp_answer_transport *transport);
