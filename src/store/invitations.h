/*
 * invitations: how somebody becomes a member of a home: whoever shows the secret of an invitation
 * joins, once, in the role and with the rights that an owner wrote into it. Of the secret only the
 * hash is stored.
 *
 * An invitation is made by an owner. It is worth nothing once it was used or revoked, has expired,
 * its home is gone, or whoever made it owns the home no more: with the owner's role his open
 * invitations end in the same transaction, and do not come back with it. One without a maker is the
 * server's, for the first owner of a home that has no members: nobody who runs the server gets into
 * a home that somebody lives in.
 *
 * Threads, durability and failures: as in store.h.
 */
#pragma once

#include "store/store.h"

enum {
    CM_INVITATION_CAMERAS_MAX = 64,
    CM_HOME_INVITATIONS_MAX = 200, /* with those that are over and still listed */
};
#define CM_INVITATION_US      (CM_SECONDS(86400) * 7) /* unless it is said otherwise */
#define CM_INVITATION_MAX_US  (CM_SECONDS(86400) * 30)
#define CM_INVITATION_KEPT_US (CM_SECONDS(86400) * 30) /* how long one that is over is listed */

/* At all times; hours and days are set once somebody is there. */
typedef struct cm_invited_right {
    cm_camera_id camera;
    uint32_t rights; /* CM_RIGHT_* bits of media/kinds.h */
} cm_invited_right;

typedef struct cm_new_invitation {
    cm_home_id home;
    cm_account_id by; /* an owner of the home; empty: the server, for the first owner */
    cm_role role;
    cm_slice label;                  /* for whom, in the maker's words; may be empty */
    const cm_invited_right *cameras; /* granted on joining; none for an owner, who has all */
    size_t camera_count;
    const uint8_t *token_hash; /* CM_MAC_SIZE bytes */
    cm_wall expires;           /* at most CM_INVITATION_MAX_US from now */
} cm_new_invitation;

typedef enum cm_invitation_state {
    CM_INVITATION_OPEN,
    CM_INVITATION_USED,
    CM_INVITATION_EXPIRED,
} cm_invitation_state;

typedef struct cm_stored_invitation {
    char id[CM_ID_SIZE]; /* names it in its home; leads to no secret */
    cm_home_id home;
    char home_name[CM_NAME_SIZE];
    cm_role role;
    char label[CM_NAME_SIZE];
    cm_account_id by, used_by;                              /* empty: the server; nobody yet */
    char by_name[CM_NAME_SIZE], used_by_name[CM_NAME_SIZE]; /* "" when the account is gone */
    cm_wall created, expires, used;                         /* used.us 0: not yet */
    cm_invited_right cameras[CM_INVITATION_CAMERAS_MAX];
    size_t camera_count;
} cm_stored_invitation;

typedef struct cm_stored_invitations {
    cm_stored_invitation *items;
    size_t count;
} cm_stored_invitations;
void cm_stored_invitations_clear(cm_stored_invitations *invitations);

/* Not open either when it was made by a clock more than CM_SESSION_AHEAD_US ahead of this one. */
cm_invitation_state cm_stored_invitation_state(const cm_stored_invitation *invitation, cm_wall now);
const char *cm_invitation_state_name(cm_invitation_state state); /* "open", "used", "expired" */

/*
 * CM_ABSENT: no such home or camera. CM_REFUSE: the label, the role, the time, or rights that are
 * none; `by` owns the home not; without `by`: the home has members, or the role is not owner.
 * CM_FULL. One of the server ends the one that the server made before.
 */
cm_status cm_store_invitation_create(cm_store *store, const cm_new_invitation *invitation,
                                     cm_wall now, cm_stored_invitation *out);
/* CM_ABSENT: the home has no such invitation. One that was used is only forgotten. */
cm_status cm_store_invitation_revoke(cm_store *store, const cm_home_id *home, cm_slice id);
cm_status cm_store_invitations(cm_store *store, const cm_home_id *home,
                               cm_stored_invitations *out); /* reads; as they were made */

/* Reads: what the secret leads to. CM_ABSENT unless it could be accepted now. */
cm_status cm_store_invitation_find(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                   cm_wall now, cm_stored_invitation *out);

typedef struct cm_join {
    const uint8_t *token_hash; /* CM_MAC_SIZE bytes; of the invitation */
    cm_account_id account;     /* who joins; empty: a fresh account, signed in at once: */
    cm_slice name, password_hash;
    uint8_t session_token_hash[CM_MAC_SIZE];
    cm_session_origin origin;
} cm_join;

/*
 * In one transaction: the invitation is used up, the account is made if it is a fresh one, the
 * membership, the grants on those of its cameras that are still there, and the session. CM_ABSENT:
 * it can't be accepted (any more). CM_REFUSE: a member already, an operator, not active, or the
 * name; it stays open. CM_FULL: CM_HOME_MEMBERS_MAX. The cameras of `out` are those that were
 * granted.
 */
cm_status cm_store_invitation_accept(cm_store *store, const cm_join *join, cm_wall now,
                                     cm_stored_account *account, cm_stored_invitation *out);

/* ---- many homes at once ---- */

enum { CM_IMPORT_HOMES_MAX = 200 };

typedef struct cm_import_home {
    cm_slice name, label; /* label: of the invitation of its first owner */
    const cm_new_camera *cameras;
    size_t camera_count;
    uint8_t token_hash[CM_MAC_SIZE]; /* of that invitation */
} cm_import_home;

typedef struct cm_import {
    const cm_import_home *homes;
    size_t count;    /* at most CM_IMPORT_HOMES_MAX */
    cm_wall expires; /* of all the invitations */
} cm_import;

/* All of them, with their cameras and an invitation of each first owner, or none. `out` has room
 * for `count`. CM_REFUSE: something of one can't be used. */
cm_status cm_store_homes_import(cm_store *store, const cm_import *import, cm_wall now,
                                cm_stored_invitation *out);
