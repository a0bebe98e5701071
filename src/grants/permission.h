/*
 * permission: what a route asks of whoever calls it, and which roles fulfil it: one pure table.
 *
 * With cm_grant_decide() this is the only place that reads a role. The dispatcher of src/api calls
 * cm_permission_decide() for each request; handlers never look at roles. Rows of one camera (VIEW
 * with a camera in the path, and GUEST) are decided by cm_grant_decide on top.
 */
#pragma once

#include "store/evidence.h"

typedef enum cm_permission {
    CM_PERMISSION_UNSET, /* a route without a permission: does not compile (static_assert) */
    CM_PERMISSION_ANYONE,
    CM_PERMISSION_SETUP_TOKEN, /* the handler's one-time token is the proof */
    CM_PERMISSION_INVITATION,  /* the same; no operator may join a home, and no API token */
    CM_PERMISSION_GUEST,   /* whoever looks by a guest link; nobody else, and he at nothing else */
    CM_PERMISSION_SESSION, /* somebody who signed in; no API tokens */
    CM_PERMISSION_VIEW,    /* a member of the home, or an API token of it */
    CM_PERMISSION_PUBLISH, /* the same: who may bring pictures is decided for each camera */
    CM_PERMISSION_OWNER,
    CM_PERMISSION_OPERATOR,
    CM_PERMISSION_OPERATOR_OR_LOOPBACK, /* an operator, or a direct request over loopback */
    CM_PERMISSIONS,
} cm_permission;
const char *cm_permission_name(cm_permission permission);

/* May a member of this role do it in its home? Pure; false for what isn't a matter of a home. */
bool cm_role_may(cm_role role, cm_permission permission);

typedef enum cm_permission_verdict {
    CM_PERMISSION_GIVEN,
    CM_PERMISSION_SIGN_IN,      /* nobody asked: 401 */
    CM_PERMISSION_WHICH_HOME,   /* several homes and none named: 409 which-home */
    CM_PERMISSION_NO_SUCH_HOME, /* not a member: for him the home does not exist: 404 */
    CM_PERMISSION_NOT_ALLOWED,  /* 403 */
    CM_PERMISSION_SUSPENDED,    /* 403 home-suspended: an operator holds the home off */
    CM_PERMISSION_LINK_OVER,    /* 401 link-over: nobody looks by a link, or it has ended */
} cm_permission_verdict;

typedef struct cm_permission_ask {
    cm_permission permission;
    const cm_who *who;       /* NULL: nobody */
    const cm_home_id *home;  /* of ?home=; NULL if it was left out */
    bool is_direct_loopback; /* the peer itself is 127.0.0.1 or ::1, no trusted proxy between */
} cm_permission_ask;

/* With CM_PERMISSION_GIVEN and a permission that concerns a home, *home_out is the home. Denies by
 * default. Operators are members of no home: VIEW, PUBLISH and OWNER are refused to them, always.
 */
cm_permission_verdict cm_permission_decide(const cm_permission_ask *ask, cm_home_id *home_out);
