/*
 * store: typed operations on what is remembered, home first; SQL nowhere outside store/sqlite/.
 * (Filled by the store's author.)
 */
#pragma once

#include "base/id.h"
#include "base/secret.h"
#include "base/status.h"

typedef struct cm_store cm_store;

/* What a member is in a home. */
typedef enum cm_role {
    CM_ROLE_NONE,
    CM_ROLE_OWNER,
    CM_ROLE_ADULT,
    CM_ROLE_CHILD,
    CM_ROLE_GUEST,
} cm_role;
