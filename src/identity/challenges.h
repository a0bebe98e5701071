/*
 * challenges: the random numbers that a browser's authenticator must answer for, each good once,
 * for five minutes, and for one purpose only.
 *
 * The purpose is a digest that the caller makes of everything that must still be so when the answer
 * comes (which ceremony, whose session, which origin). The table is bounded: of one address (of
 * IPv6: a /64) at most 16 are out, so a flood from one place ends its own; when the table is full
 * the oldest goes. They live in this process alone: after a restart the browser asks again.
 *
 * Threads: any; a lock is held for microseconds.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "identity/webauthn.h"
#include "net/address.h"

enum {
    CM_CHALLENGES_DEFAULT = 1024,
    CM_CHALLENGES_PER_ADDRESS = 16,
};
#define CM_CHALLENGE_US (CM_SECONDS(300))

typedef struct cm_challenges cm_challenges;

cm_status cm_challenges_create(size_t count_max, cm_challenges **out); /* 0: the default */
void cm_challenges_destroy(cm_challenges *challenges);

void cm_challenges_make(cm_challenges *challenges, cm_random *random,
                        const uint8_t purpose[CM_MAC_SIZE], const cm_address *from, cm_instant now,
                        uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE]);
/* Uses it up, whatever the answer is. CM_ABSENT: never made, used, too old, or for another
 * purpose. */
cm_status cm_challenges_take(cm_challenges *challenges,
                             const uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE],
                             const uint8_t purpose[CM_MAC_SIZE], cm_instant now);
