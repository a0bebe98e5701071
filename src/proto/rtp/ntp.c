#include "proto/rtp/ntp.h"

static const uint64_t UNIX_EPOCH_S = 2208988800; // 1970 in seconds since 1900
static const uint64_t ERA_S = UINT64_C(1) << 32;
static const uint64_t SECOND_US = 1000000;

uint64_t cm_rtp_ntp_of(cm_wall wall)
{
    const uint64_t since_1900 = (uint64_t)wall.us + UNIX_EPOCH_S * SECOND_US;
    /* Rounded up, so that reading it back, which rounds down, gives the same microsecond. */
    const uint64_t fraction = ((since_1900 % SECOND_US << 32) + SECOND_US - 1) / SECOND_US;
    return since_1900 / SECOND_US << 32 | fraction;
}

cm_wall cm_rtp_wall_of(uint64_t ntp)
{
    const uint64_t seconds = ntp >> 32;
    const uint64_t since_1900 = seconds >> 31 ? seconds : seconds + ERA_S;
    const int64_t unix_s = (int64_t)since_1900 - (int64_t)UNIX_EPOCH_S;
    const uint64_t rest_us = (ntp & UINT32_MAX) * SECOND_US >> 32;
    return (cm_wall){.us = unix_s * (int64_t)SECOND_US + (int64_t)rest_us};
}
