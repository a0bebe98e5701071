/* identity_priv: what identity.c (calls), commands.c, declared.c, factors.c and recovery.c share.
 */
#pragma once

#include "identity/identity.h"
#include "identity/pending.h"

/* The ranges one home may reach. */
typedef struct cm_identity_ranges {
    cm_home_id home;
    cm_range *ranges;
    size_t count;
} cm_identity_ranges;

struct cm_identity {
    cm_identity_config config;
    cm_random system;
    cm_random *random;
    cm_limits *limits;
    cm_pending *pending;         /* sign-ins that want a second factor still */
    cm_audit *audit;             /* NULL: nothing is kept */
    cm_identity_ranges *allowed; /* written once, by cm_identity_apply_declared */
    size_t allowed_count;
};

/* What the audit keeps of it apart, so that it can be erased: network and device, a line each. */
cm_slice cm_identity_private(const cm_session_origin *origin, char storage[CM_AUDIT_PRIVATE_MAX]);

void cm_identity_clear_allowed(cm_identity *identity);

/* What is stored of a recovery code, as it was typed. */
void cm_recovery_digest(const cm_store *store, const cm_account_id *account, cm_slice typed,
                        uint8_t out[CM_MAC_SIZE]);
