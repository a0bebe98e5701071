/* identity_priv: what identity.c (calls), commands.c and declared.c share. */
#pragma once

#include "identity/identity.h"

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
    cm_audit *audit;             /* NULL: nothing is kept */
    cm_identity_ranges *allowed; /* written once, by cm_identity_apply_declared */
    size_t allowed_count;
};

void cm_identity_clear_allowed(cm_identity *identity);
