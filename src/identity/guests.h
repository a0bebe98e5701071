/*
 * guests: guest links (store/guest_links.h) from the side of who makes and who opens them: secrets,
 * tokens, limits and the account of it.
 *
 * The secret of a link and the token of a look are 256 random bits each, told once. Trying secrets
 * counts as a try of the address under the limits of signing in (identity/limits.h); opening a link
 * gives that try back and forgives no other, so that who has a link guesses passwords no faster.
 *
 * Life and threads: an identity's; what blocks says so.
 */
#pragma once

#include "identity/identity.h"
#include "store/guest_links.h"

/* Blocks, in the store's lane: a link with a fresh secret; `secret_hash` is filled in. Fails as
 * cm_store_guest_link_create() does. */
cm_status cm_guests_make(cm_identity *identity, const cm_new_guest_link *ask, cm_wall now,
                         cm_token *secret, cm_stored_guest_link *out);

typedef struct cm_guest_ask {
    cm_slice secret; /* borrowed until the opening is over */
    bool has_look;   /* this browser has opened a link before: */
    uint8_t look_hash[CM_MAC_SIZE];
    cm_address from;
    cm_slice user_agent; /* as `secret` */
} cm_guest_ask;

typedef struct cm_guest_answer {
    cm_status status;          /* CM_ABSENT: nothing that could be opened, whatever the reason is */
    cm_guest_opened how;       /* with CM_OK, and */
    cm_token token;            /* of the look, if one was made; wipe it after use */
    cm_stored_guest_link link; /* without looks and names */
} cm_guest_answer;

/* On a loop, first of all. CM_RETRY with *wait_us: too many tries. */
cm_status cm_guests_may_try(cm_identity *identity, const cm_guest_ask *ask, cm_instant now,
                            int64_t *wait_us);
/* Blocks, in the store's lane. */
void cm_guests_open(cm_identity *identity, const cm_guest_ask *ask, cm_wall now,
                    cm_guest_answer *out);
/* On a loop, at the end of each try. */
void cm_guests_tried(cm_identity *identity, const cm_guest_ask *ask, cm_status status,
                     cm_instant now);
