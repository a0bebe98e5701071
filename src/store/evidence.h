/*
 * evidence: the chain of rows that a right is made of, each verified.
 *
 * Token hash -> session (or API token) -> account -> home -> membership -> grant -> camera. At each
 * step the row's MAC must fit, the row must say of itself what was asked for (ids compared, never
 * assumed), and its generation must be its home's or account's present one. Anything else is
 * CM_FOREIGN with a static cause: an alarm, never a picture. That a row is not there is no alarm:
 * it is a fact, and the decision is taken in grants.
 *
 * Of a guest the chain is token hash -> look -> link -> its maker's account -> his membership ->
 * camera (store/guest_links.h): what stands in `account` and `role` is the maker's, whose right it
 * is that the guest borrows; what a link gives of it is decided in grants.
 *
 * Threads: as the store's reads: in the pool, never on a loop.
 */
#pragma once

#include "store/store.h"

typedef enum cm_asker_kind {
    CM_ASKER_SESSION,
    CM_ASKER_API_TOKEN,
    CM_ASKER_GUEST, /* a look by a guest link */
} cm_asker_kind;

/* Who asks: the hash of the token that came with the request, and of what kind it is. Never the
 * token. */
typedef struct cm_asker {
    cm_asker_kind kind;
    uint8_t token_hash[CM_MAC_SIZE];
} cm_asker;

/* Of whoever looks by a guest link; of anybody else `link` is "". */
typedef struct cm_guest {
    char link[CM_ID_SIZE];
    char label[CM_NAME_SIZE];
    cm_camera_key camera; /* the one that it is for */
    cm_wall from, until;  /* of the link */
    bool has_ended;       /* it was revoked, or ended with its maker's say */
} cm_guest;

/* What the rows say about one asker and one camera. */
typedef struct cm_evidence {
    bool session_is_live; /* there, not expired; for an API token as well */
    bool account_is_active;
    bool is_operator;
    cm_role role;          /* in the camera's home */
    cm_grant_rows granted; /* by the grant rows of this account and camera */
    const cm_zone *zone;   /* of the home's clock; NULL: it could not be read. The store's */
    uint32_t token_limit;  /* rights of the API token if it is for this camera; all bits for a
                              session; for a guest all bits if his link is for it, else none */
    bool camera_exists;
    bool home_is_suspended;
    cm_account_id account;
    char account_name[CM_NAME_SIZE];
    cm_camera_key camera; /* as the row says of itself */
    uint64_t min_epoch;
    cm_wall expires; /* of the session or token: facts are worthless from then on */
    cm_guest guest;
} cm_evidence;

/* *cause is written with CM_FOREIGN: static text. */
cm_status cm_store_evidence(cm_store *store, const cm_asker *asker, const cm_camera_key *camera,
                            cm_wall now, cm_evidence *out, const char **cause);

/* One home of the asker. */
typedef struct cm_identity_home {
    cm_home_id home;
    char name[CM_NAME_SIZE];
    char time_zone[CM_ZONE_NAME_SIZE];
    cm_role role;
    cm_suspension suspension;
} cm_identity_home;

/* Who the asker is: what a request is dispatched by. Every row verified as above. */
typedef struct cm_who {
    cm_account_id account;
    char name[CM_NAME_SIZE];
    bool is_operator;
    bool has_totp;
    cm_wall expires;
    cm_wall authenticated; /* of a session: see cm_session_is_fresh; us 0 of a token */
    bool is_token;         /* an API token: only for `token_camera`, only `token_rights` */
    cm_camera_key token_camera;
    uint32_t token_rights;
    cm_identity_home *homes; /* where it is a member; for an API token at most its own home */
    size_t home_count;
    cm_guest guest; /* a guest is no account and of no home: all else but `expires` is empty */
} cm_who;
bool cm_who_is_guest(const cm_who *who);

/* CM_ABSENT: nobody (unknown, ended or expired token, or an account that is not active). */
cm_status cm_store_who(cm_store *store, const cm_asker *asker, cm_wall now, cm_who *out,
                       const char **cause);
void cm_who_clear(cm_who *who);
/* CM_ROLE_NONE when it is no member there. */
cm_role cm_who_role(const cm_who *who, const cm_home_id *home);

/* The cameras of a home that the asker may view, decided by the caller: for each camera what was
 * granted. Verified as above. Reads. */
typedef struct cm_granted_camera {
    cm_stored_camera camera;
    cm_grant_rows granted;
} cm_granted_camera;
typedef struct cm_granted_cameras {
    cm_granted_camera *items;
    size_t count;
    const cm_zone *zone; /* as in cm_evidence */
} cm_granted_cameras;
cm_status cm_store_granted_cameras(cm_store *store, const cm_account_id *account,
                                   const cm_home_id *home, cm_granted_cameras *out);
void cm_granted_cameras_clear(cm_granted_cameras *cameras);
