/*
 * ntp: wall clock time as RTP's neighbours write it (RFC 3550 4): seconds since 1900 in the upper
 * 32 bits, fractions of one in the lower. In sender reports and abs-capture-time.
 *
 * Pure: no state, any thread.
 */
#pragma once

#include "base/clock.h"

uint64_t cm_rtp_ntp_of(cm_wall wall);

/* To the microsecond the inverse. The 32 bits of seconds run over in 2036: what has the highest bit
 * is of 1968 to 2036, what has not of 2036 to 2104 (RFC 4330 3). */
cm_wall cm_rtp_wall_of(uint64_t ntp);
