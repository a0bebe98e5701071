/*
 * identity: who somebody is: passwords, sessions, setup, and what the YAML declares. Not what he
 * may see: that is grants.
 *
 * Each call below starts on any loop, does its hashing in the pool and its writing in the store's
 * lane, and answers once on the same loop, never inside the call. After a change it tells grants by
 * itself through config.on_change (on the calling loop, before the answer). Texts handed in are
 * copied and wiped.
 *
 * Life: one a process; created before and destroyed after the loops run. A call that is not wanted
 * any more is cancelled; what it changed stays changed.
 */
#pragma once

#include "audit/audit.h"
#include "identity/limits.h"
#include "identity/listed.h"
#include "identity/origin.h"
#include "identity/password.h"
#include "loop/loop.h"
#include "store/evidence.h"
#include "store/invitations.h"
#include "store/store.h"

typedef struct cm_identity cm_identity;
typedef struct cm_identity_call cm_identity_call;

typedef struct cm_identity_config {
    cm_store *store;
    cm_random *random; /* NULL: the system's */
    cm_password_cost cost;
    cm_limits_config limits;
    cm_listed lists; /* what no password may be on; texts borrowed */
    /* After an operation that changed something: what was touched. `change` is borrowed. */
    void (*on_change)(void *owner, const cm_change *change);
    void *owner;
} cm_identity_config;

cm_status cm_identity_create(const cm_identity_config *config, cm_identity **out);
void cm_identity_destroy(cm_identity *identity);
/* Before the loops run: where sign-ins, refusals and changes are kept from here on. A call is
 * answered when its entry is durable. NULL: nowhere. */
void cm_identity_use_audit(cm_identity *identity, cm_audit *audit);

/* No answer comes any more. NULL is fine. Not after the answer. */
void cm_identity_cancel(cm_identity_call *call);

/* What every call answers. Borrowed by the callback. */
typedef struct cm_identity_answer {
    cm_status status;
    const char *cause;  /* of a failure: "wrong-name-or-password", "too-many-tries", "bad-password",
                           "bad-name", "name-taken", "no-such-token", "server" … static */
    const char *detail; /* a sentence for people, or NULL; static */
    int64_t wait_us;    /* with CM_RETRY: until the next try */
    const cm_token *token;                  /* a fresh session: for the cookie; else NULL */
    const cm_token *pending;                /* the password was right, and cm_identity_begin_code()
                                               wants this and a code; else NULL */
    const cm_stored_account *account;       /* else NULL */
    const cm_stored_home *home;             /* of setup; else NULL */
    const cm_stored_invitation *invitation; /* of joining; else NULL */
} cm_identity_answer;
typedef void cm_identity_done(void *owner, const cm_identity_answer *answer);

/* CM_OK: `done` will be called. CM_FULL: the pool is busy (answer 503). */
typedef struct cm_identity_sign_in {
    cm_slice name, password;
    cm_address from;
    cm_slice user_agent; /* for the list of sessions */
} cm_identity_sign_in;
/* CM_REFUSE wrong-name-or-password (equal for unknown names, in time as well); CM_RETRY. An account
 * with a second factor gets `pending` instead of a session, and its guesses stay counted. */
cm_status cm_identity_begin_sign_in(cm_identity *identity, cm_loop *loop,
                                    const cm_identity_sign_in *ask, cm_identity_done *done,
                                    void *owner, cm_identity_call **out);

/* The second step of a sign-in. */
typedef struct cm_identity_code {
    cm_slice token; /* of the first */
    cm_slice code;  /* an authenticator's, or a recovery code, which is used up */
    cm_address from;
    cm_slice user_agent;
} cm_identity_code;
/* CM_REFUSE wrong-code, code-held-off (see store/totp.h), sign-in-over (begin again with the
 * password: see identity/pending.h); CM_RETRY: counted with the passwords. */
cm_status cm_identity_begin_code(cm_identity *identity, cm_loop *loop, const cm_identity_code *ask,
                                 cm_identity_done *done, void *owner, cm_identity_call **out);

/* Somebody who is signed in shows again who he is: a token of its own for the session, which is
 * fresh from then on; the former one ends, and the live pictures it opened. */
typedef struct cm_identity_again {
    cm_asker asker;
    cm_slice name; /* of the asker's account: guesses count with those of the sign-in */
    cm_slice password;
    cm_slice code; /* as above, of an account with a second factor; else ignored */
    cm_address from;
    cm_slice user_agent;
} cm_identity_again;
/* CM_REFUSE wrong-name-or-password, code-wanted, code-held-off, wrong-password-or-code (of an
 * account with a second factor: which of the two is not said); CM_RETRY; CM_ABSENT: the session has
 * ended meanwhile. */
cm_status cm_identity_begin_again(cm_identity *identity, cm_loop *loop,
                                  const cm_identity_again *ask, cm_identity_done *done, void *owner,
                                  cm_identity_call **out);

cm_status cm_identity_begin_sign_out(cm_identity *identity, cm_loop *loop,
                                     const uint8_t token_hash[CM_MAC_SIZE], cm_identity_done *done,
                                     void *owner, cm_identity_call **out);

typedef struct cm_identity_new_password {
    cm_asker asker; /* its session goes on under the token of the answer, all others of the account
                       end */
    cm_slice old_password, new_password;
    cm_address from; /* the old password is guessable too: same limits */
} cm_identity_new_password;
cm_status cm_identity_begin_new_password(cm_identity *identity, cm_loop *loop,
                                         const cm_identity_new_password *ask,
                                         cm_identity_done *done, void *owner,
                                         cm_identity_call **out);

typedef struct cm_identity_setup {
    cm_slice token, name, password, home_name;
    cm_address from;
    cm_slice user_agent;
} cm_identity_setup;
/* CM_ABSENT no-such-token. */
cm_status cm_identity_begin_setup(cm_identity *identity, cm_loop *loop,
                                  const cm_identity_setup *ask, cm_identity_done *done, void *owner,
                                  cm_identity_call **out);

typedef struct cm_identity_join {
    cm_slice token;        /* of the invitation */
    bool only_looks;       /* nothing is changed: what does it lead to? */
    cm_account_id account; /* who is signed in; empty: a fresh account: */
    cm_slice name, password;
    cm_address from; /* secrets are guessable too: same limits */
    cm_slice user_agent;
} cm_identity_join;
/* Joins a home by an invitation. A fresh account has a session in the answer. CM_ABSENT
 * no-such-invitation; CM_REFUSE already-member, bad-name, name-taken, bad-password; CM_RETRY. */
cm_status cm_identity_begin_join(cm_identity *identity, cm_loop *loop, const cm_identity_join *ask,
                                 cm_identity_done *done, void *owner, cm_identity_call **out);

typedef struct cm_identity_new_member {
    cm_home_id home;
    cm_slice name, password;
    cm_role role;
    cm_account_id by; /* who adds him: for the audit */
} cm_identity_new_member;
/* A fresh account joins the home. CM_REFUSE: bad-name, name-taken, bad-password. */
cm_status cm_identity_begin_new_member(cm_identity *identity, cm_loop *loop,
                                       const cm_identity_new_member *ask, cm_identity_done *done,
                                       void *owner, cm_identity_call **out);

/* ---- blocking: for the start and the command line; never on a loop ---- */

/* May the account of this name have this password: by itself, and by the lists? CM_BROKEN: a list
 * is there and can't be read. */
cm_status cm_identity_judge_password(const cm_identity *identity, cm_slice password, cm_slice name,
                                     cm_password_fault *out);

/* While there is no account: makes the one-time setup token (an earlier one is void). CM_REFUSE:
 * there are accounts. */
cm_status cm_identity_make_setup_token(cm_identity *identity, cm_wall now, cm_token *out);

/* `casement user reset`: a random new password for the account, all its sessions end, and no second
 * factor is asked for any more. CM_ABSENT. */
enum { CM_RESET_PASSWORD_SIZE = 32 };
cm_status cm_identity_reset_password(cm_identity *identity, cm_slice name,
                                     char out[CM_RESET_PASSWORD_SIZE], cm_change *change);

/* An API token: its text is told once and never stored. CM_ABSENT: no such account, camera or
 * member. CM_FULL: CM_HOME_TOKENS_MAX. CM_REFUSE: its name. */
typedef struct cm_identity_new_token {
    cm_camera_key camera;
    cm_account_id account; /* in whose name; empty: of whom this is the name: */
    cm_slice account_name;
    cm_slice name; /* of the token; may be empty */
    uint32_t rights;
    cm_wall expires;
} cm_identity_new_token;
cm_status cm_identity_make_api_token(cm_identity *identity, const cm_identity_new_token *ask,
                                     cm_wall now, cm_token *token, cm_stored_token *stored);

/* An invitation with a fresh secret, told once and never stored; `token_hash` is filled in. Fails
 * as cm_store_invitation_create() does. */
cm_status cm_identity_make_invitation(cm_identity *identity, const cm_new_invitation *ask,
                                      cm_wall now, cm_token *token, cm_stored_invitation *stored);

/* ---- what the YAML declares ---- */

/* A grant; its times may be of the home's clock. */
typedef struct cm_declared_right {
    cm_camera_id camera;
    cm_grant_terms terms;           /* without its times */
    cm_slice not_before, not_after; /* for cm_zone_parse_time; empty: none */
} cm_declared_right;

typedef struct cm_declared_account {
    cm_slice name;
    cm_role role;                     /* ignored for operators */
    cm_slice password;                /* content of the password file, trimmed; empty: unchanged */
    const cm_declared_right *cameras; /* granted one by one */
    size_t camera_count;
} cm_declared_account;

typedef struct cm_declared_camera {
    cm_camera_id id;
    cm_slice name, main, sub, user, password; /* main: an address, or CM_CAMERA_PUSHED */
    cm_slice whip;                            /* the reader's own */
    cm_keep keep;
    bool takes_talk;
} cm_declared_camera;

typedef struct cm_declared_home {
    cm_home_id id;
    cm_slice name;
    cm_slice time_zone;    /* empty: as it is */
    const cm_range *allow; /* kept in memory only: cm_identity_allowed_ranges */
    size_t allow_count;
    const cm_declared_account *accounts;
    size_t account_count;
    const cm_declared_camera *cameras;
    size_t camera_count;
} cm_declared_home;

typedef struct cm_declared {
    const cm_declared_home *homes;
    size_t home_count;
    const cm_declared_account *operators;
    size_t operator_count;
} cm_declared;

/*
 * Makes or updates what is declared and marks it so; what was declared at the last start and is not
 * any more is taken away (with its keys turned in the store: call it before grants begins).
 * Idempotent: a second call writes nothing.
 * Passwords are hashed only when the file's content changed, and a changed file ends the account's
 * sessions. CM_REFUSE with a sentence in `message`: e.g. an account's password is too short.
 */
cm_status cm_identity_apply_declared(cm_identity *identity, const cm_declared *declared,
                                     cm_wall now, char message[CM_STORE_MESSAGE_SIZE]);

/* Any thread, once cm_identity_apply_declared() has returned. May this home's cameras be at an
 * address that is refused otherwise? */
bool cm_identity_home_allows(cm_identity *identity, const cm_home_id *home,
                             const cm_address *address);
