/*
 * store: typed operations on what is remembered: homes, accounts, memberships, cameras, grants,
 * sessions, tokens. Home first: nothing in a home is named without its home. SQL stands nowhere
 * outside src/store/sqlite/.
 *
 * Every row carries its own id, its parents' ids and a MAC over all its columns, under a key
 * derived from the master key, which lies outside the database. A row whose MAC does not fit is
 * never answered: the operation fails with CM_FOREIGN, loudly. Rows of a home also carry the
 * generation of their home (of a session: of its account), which rises whenever something is taken
 * away: an old row put back does not fit, and an old database put back is noticed at the next start
 * through the file `generation` beside it.
 *
 * Threads: every operation blocks (it waits for the disk), so none may be called on a loop: use
 * cm_loop_submit_lane(loop, CM_STORE_LANE, job) for anything that changes something, and the pool
 * for what is marked "reads". Any number of threads and processes may call at once; one writes at a
 * time.
 *
 * Acknowledged is durable: when an operation returned CM_OK its change is on the disk. Each is one
 * transaction. All may fail with CM_BROKEN (disk full, disk error: logged as an error, the database
 * stays as it was) or CM_FOREIGN (a row's MAC does not fit); their own failures are named at each.
 */
#pragma once

#include "base/clock.h"
#include "base/hours.h"
#include "base/id.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/status.h"
#include "store/change.h"

enum {
    CM_STORE_LANE = 0,
    CM_NAME_SIZE = 128,         /* a shown name and its terminator */
    CM_CAMERA_URL_SIZE = 1024,  /* a stream's address, without user info */
    CM_CAMERA_LOGIN_SIZE = 256, /* a camera's user name or password */
    CM_PASSWORD_HASH_SIZE = 128,
    CM_DIGEST_SIZE = 32,
    CM_DEVICE_SIZE = 64,          /* words for a device and their terminator */
    CM_NETWORK_SIZE = 64,         /* an address and its terminator */
    CM_ACCOUNT_SESSIONS_MAX = 64, /* at one more the one used longest ago ends */
    CM_HOME_CAMERAS_MAX = 1000,
    CM_HOME_MEMBERS_MAX = 1000,
    CM_HOME_TOKENS_MAX = 1000,
    CM_TOKEN_NAME_SIZE = 65, /* what its maker calls a token, and its terminator */
};

#define CM_SESSION_IDLE_US     (CM_SECONDS(86400) * 14)
#define CM_SESSION_ABSOLUTE_US (CM_SECONDS(86400) * 90)
#define CM_SESSION_FRESH_US    (CM_SECONDS(300))   /* how long an authentication counts as recent */
#define CM_SESSION_AHEAD_US    (CM_SECONDS(86400)) /* how far a clock may have been ahead */

typedef struct cm_store cm_store;

typedef struct cm_store_config {
    const char *directory;     /* made with mode 0700 if it is not there */
    const char *key_directory; /* where master.key is; NULL: in `directory` */
    cm_random *random;         /* NULL: the system's */
    size_t size_bytes_max;     /* of the database file; 0: what the disk has. CM_BROKEN beyond */
    bool must_exist;           /* refuse to make one: for the command line */
    bool accepts_older;        /* `casement store accept-restore`: see cm_store_open */
    bool is_put_back;          /* `casement restore`: as accepts_older, also if it is not older */
    const char *time_zone;     /* of homes that have set none; NULL: the machine's, else UTC */
} cm_store_config;

/*
 * Opens the database `casement.db` in `directory`, making it and the master key when neither is
 * there. The master key is $CREDENTIALS_DIRECTORY/casement-master-key if that exists, else
 * `master.key` in `directory` (64 hex digits, mode 0600).
 *
 * CM_REFUSE with a sentence for the operator in `message`: permissions too open, key absent or not
 * this database's, rows or database older than the file `generation` says (an old copy was put
 * back), a database of a later version, or not ours. With `accepts_older` an older database is
 * taken over: all sessions, API tokens, setup tokens, invitations, passkeys and recovery codes end
 * and every camera's epoch rises, so that nothing that was taken away after the copy was made lives
 * again unseen by a person who looks at the list of members and grants.
 *
 * A database of an earlier version is brought up to this one; before that a copy of it is kept
 * beside it (the last three are: sqlite/copies.h), which cm_store_rollback can put back. Nobody
 * else may work on the directory then, or while an older database is taken over.
 */
enum { CM_STORE_MESSAGE_SIZE = 512 };
cm_status cm_store_open(const cm_store_config *config, char message[CM_STORE_MESSAGE_SIZE],
                        cm_store **out);
void cm_store_close(cm_store *store); /* NULL is fine */

/*
 * From here on `on_taken` hears of every commit of this store that took something away
 * (raised_count is not 0), on the thread of the operation and right behind the commit: before the
 * file `generation` is synced, so that a cut waits for the disk no longer than for its commit. In
 * the order of the commits; `change` is borrowed. Called while no operation runs; NULL ends it.
 */
void cm_store_follow(cm_store *store, void (*on_taken)(void *owner, const cm_change *change),
                     void *owner);

/*
 * `casement store rollback`, with the version from before an upgrade: puts the copy back that was
 * kept then. The database of the later version is kept as a copy. The rules of accepts_older hold:
 * if something was taken away since the upgrade, the copy is older than the file `generation` says,
 * and is taken over. After a crash it is the one database or the other. CM_REFUSE with a sentence:
 * somebody works on the directory, the database is not of a later version, there is no copy.
 */
typedef struct cm_rolled_back {
    int64_t step;       /* steps that the database of the later version had taken */
    char copy[64];      /* what was put back */
    char aside[64];     /* what the database is called that it replaced */
    bool is_taken_over; /* it was older: everybody is signed out */
} cm_rolled_back;
cm_status cm_store_rollback(const char *directory, char message[CM_STORE_MESSAGE_SIZE],
                            cm_rolled_back *out);

typedef struct cm_store_progress {
    void (*on_part)(void *owner, uint64_t done, uint64_t all);
    void *owner;
} cm_store_progress;
/* Reads. The whole database as it is at one moment, while others go on, in a file of the data
 * directory that has no name: the caller closes it. `progress` may be NULL. */
cm_status cm_store_snapshot(cm_store *store, const cm_store_progress *progress, int *fd_out);

/* Reads. Walks every row: CM_OK if the database is sound and every MAC fits. */
cm_status cm_store_check(cm_store *store);

typedef struct cm_store_counters {
    uint64_t evidence_reads, evidence_alarms, writes, write_failures;
} cm_store_counters;
void cm_store_read_counters(const cm_store *store, cm_store_counters *out); /* any thread */

/* What a member is in a home. */
typedef enum cm_role {
    CM_ROLE_NONE,
    CM_ROLE_OWNER,
    CM_ROLE_ADULT,
    CM_ROLE_CHILD,
    CM_ROLE_GUEST,
} cm_role;
enum { CM_ROLES = CM_ROLE_GUEST + 1 };
const char *cm_role_name(cm_role role);               /* "owner"; "none" */
cm_status cm_role_parse(cm_slice text, cm_role *out); /* CM_REFUSE; never CM_ROLE_NONE */

/* ---- homes ---- */

/* A home that an operator holds off: its pictures stop and nobody joins it; its members keep what
 * they have and are told by whom and why. */
typedef struct cm_suspension {
    cm_wall since; /* us 0: it is not */
    char by[CM_NAME_SIZE], why[CM_NAME_SIZE];
} cm_suspension;

typedef struct cm_stored_home {
    cm_home_id id;
    char name[CM_NAME_SIZE];
    char time_zone[CM_ZONE_NAME_SIZE]; /* whose clock its hours are of; never "" when it is read */
    bool is_declared;                  /* by the YAML: changed there, not over the API */
    cm_wall created;
    cm_suspension suspension;
    size_t camera_count, member_count; /* filled by cm_store_homes only */
} cm_stored_home;

/* An empty id is made at random and written into `home`. CM_REFUSE: name empty or not printable,
 * or the id is taken. */
cm_status cm_store_home_create(cm_store *store, cm_stored_home *home, cm_wall now);
cm_status cm_store_home_rename(cm_store *store, const cm_home_id *home, cm_slice name);
/* Its hours are of this clock from here on: the keys of its cameras turn, unless it is the present
 * one. CM_ABSENT; CM_REFUSE: no such zone on this machine. */
cm_status cm_store_home_set_time_zone(cm_store *store, const cm_home_id *home, cm_slice name,
                                      cm_change *change);
/* With all that is in it. CM_ABSENT. */
cm_status cm_store_home_delete(cm_store *store, const cm_home_id *home, cm_change *change);
/* Pictures of the home stop: the keys of all its cameras turn. Of one that is suspended already the
 * words are changed. CM_ABSENT. CM_REFUSE: a text that can't be shown. */
cm_status cm_store_home_suspend(cm_store *store, const cm_home_id *home, cm_slice by, cm_slice why,
                                cm_wall now, cm_change *change);
/* The change names the home: who waits for its pictures is decided again. CM_ABSENT. */
cm_status cm_store_home_resume(cm_store *store, const cm_home_id *home, cm_change *change);
/* Reads. CM_ABSENT. */
cm_status cm_store_home_find(cm_store *store, const cm_home_id *home, cm_stored_home *out);

typedef struct cm_stored_homes {
    cm_stored_home *items;
    size_t count;
} cm_stored_homes;
cm_status cm_store_homes(cm_store *store, cm_stored_homes *out); /* reads; by id */
void cm_stored_homes_clear(cm_stored_homes *homes);

/* ---- accounts ---- */

typedef struct cm_stored_account {
    cm_account_id id;
    char name[CM_NAME_SIZE]; /* unique on the server, whatever the case of its letters */
    bool is_operator;
    bool is_active;
    bool is_declared;
    bool has_totp; /* a password alone opens no session of it: see totp.h */
    cm_wall created;
} cm_stored_account;

typedef struct cm_new_account {
    cm_account_id id; /* empty: made at random */
    cm_slice name;
    bool is_operator;
    bool is_declared;
    cm_slice password_hash; /* libsodium's string; empty: nobody can sign in with a password */
} cm_new_account;

/* CM_REFUSE: the name is empty, not printable, or taken. */
cm_status cm_store_account_create(cm_store *store, const cm_new_account *account, cm_wall now,
                                  cm_stored_account *out);
cm_status cm_store_account_find(cm_store *store, const cm_account_id *account,
                                cm_stored_account *out); /* reads; CM_ABSENT */
cm_status cm_store_account_find_name(cm_store *store, cm_slice name, cm_stored_account *out,
                                     char password_hash[CM_PASSWORD_HASH_SIZE]); /* reads */
cm_status cm_store_account_password_hash(cm_store *store, const cm_account_id *account,
                                         char out[CM_PASSWORD_HASH_SIZE]); /* reads */

/* Sets the password and ends all sessions of the account but the one whose token's hash is `keep`
 * (NULL: all). API tokens stay: they are a home's, and are revoked there. CM_ABSENT. */
cm_status cm_store_account_set_password(cm_store *store, const cm_account_id *account,
                                        cm_slice password_hash, const uint8_t *keep,
                                        cm_change *change);
/* By the person himself, in a session of his: the same, and that session goes on under another
 * token. When and how it was authenticated stays: an old password is no second factor. CM_ABSENT:
 * no such session. CM_REFUSE: it is another account's. */
typedef struct cm_password_change {
    cm_account_id account;
    cm_slice password_hash;
    const uint8_t *former, *fresh; /* hashes of the session's tokens */
} cm_password_change;
cm_status cm_store_account_change_password(cm_store *store, const cm_password_change *ask,
                                           cm_wall now, cm_stored_account *out, cm_change *change);
/* The same account with the same password, hashed anew with other parameters: ends nothing. */
cm_status cm_store_account_rehash(cm_store *store, const cm_account_id *account,
                                  cm_slice password_hash);
/* Held off, an account has no sessions, opens none, and its tokens and guest links show nothing; it
 * keeps its homes and what was granted. CM_ABSENT. */
cm_status cm_store_account_set_active(cm_store *store, const cm_account_id *account, bool is_active,
                                      cm_change *change);
/* Operators see no pictures: turning it on takes away. */
cm_status cm_store_account_set_operator(cm_store *store, const cm_account_id *account,
                                        bool is_operator, cm_change *change);
cm_status cm_store_account_delete(cm_store *store, const cm_account_id *account, cm_change *change);

typedef struct cm_stored_accounts {
    cm_stored_account *items;
    size_t count;
} cm_stored_accounts;
cm_status cm_store_accounts(cm_store *store, cm_stored_accounts *out); /* reads */
void cm_stored_accounts_clear(cm_stored_accounts *accounts);

/* The zone of that name, from the machine's files; NULL: there is none. Lives as long as the store.
 * Reads a file at the first time. */
const cm_zone *cm_store_zone(cm_store *store, cm_slice name);

/* ---- what a grant gives ---- */

typedef struct cm_grant_terms {
    uint32_t rights;    /* CM_RIGHT_* bits of media/kinds.h */
    cm_hours hours;     /* by the clock of the home */
    cm_wall not_before; /* 0: no beginning. What was recorded before is not shown either */
    cm_wall not_after;  /* 0: no end; else over from then on */
} cm_grant_terms;

/* Some right, hours that can be, and a beginning before the end. */
bool cm_grant_terms_are_sound(const cm_grant_terms *terms);
/* Is there a moment or a right that `before` gives and `after` does not? */
bool cm_grant_terms_take_away(const cm_grant_terms *before, const cm_grant_terms *after);
bool cm_grant_terms_equal(const cm_grant_terms *a, const cm_grant_terms *b);

/* All that an account was granted on one camera: what counts is what any of them gives. */
enum { CM_CAMERA_GROUPS_MAX = 4, CM_GRANT_ROWS_MAX = 1 + CM_CAMERA_GROUPS_MAX };
typedef struct cm_grant_rows {
    uint32_t count;
    cm_grant_terms items[CM_GRANT_ROWS_MAX];
} cm_grant_rows;

/* ---- members ---- */

typedef struct cm_stored_right {
    cm_camera_id camera;
    cm_grant_terms terms;
} cm_stored_right;

typedef struct cm_stored_member {
    cm_account_id account;
    char name[CM_NAME_SIZE];
    cm_role role;
    bool is_declared;
    size_t session_count; /* live ones, at `now` */
    cm_stored_right *cameras;
    size_t camera_count;
} cm_stored_member;

typedef struct cm_stored_members {
    cm_stored_member *items;
    size_t count;
} cm_stored_members;
void cm_stored_members_clear(cm_stored_members *members);

/* Reads; by name. CM_ABSENT: no such home (in cm_store_member_find: no such member). */
cm_status cm_store_members(cm_store *store, const cm_home_id *home, cm_wall now,
                           cm_stored_members *out);
cm_status cm_store_member_find(cm_store *store, const cm_home_id *home,
                               const cm_account_id *account, cm_wall now,
                               cm_stored_members *out); /* one */

/* An account that is there joins. CM_REFUSE: already a member, an operator; CM_FULL. */
cm_status cm_store_member_add(cm_store *store, const cm_home_id *home, const cm_account_id *account,
                              cm_role role, bool is_declared, cm_wall now);
/* A fresh account joins, in one transaction. */
cm_status cm_store_member_create(cm_store *store, const cm_home_id *home,
                                 const cm_new_account *account, cm_role role, cm_wall now,
                                 cm_stored_account *out);
/* CM_REFUSE: it is the last owner. CM_ABSENT. Only losing the owner's role takes something away. */
cm_status cm_store_member_set_role(cm_store *store, const cm_home_id *home,
                                   const cm_account_id *account, cm_role role, cm_change *change);
/* Leaves the home: membership, grants and API tokens of this account in this home go. CM_REFUSE: it
 * is the last owner. An account without any home left stays. */
cm_status cm_store_member_remove(cm_store *store, const cm_home_id *home,
                                 const cm_account_id *account, cm_change *change);

/* `from`, an owner, makes the member `to` an owner and is `then` what he is said to be;
 * CM_ROLE_NONE: he leaves. CM_ABSENT: `to` is no member. CM_REFUSE: `from` is no owner or the same,
 * or `then` is owner. */
typedef struct cm_hand_over {
    cm_home_id home;
    cm_account_id from, to;
    cm_role then;
} cm_hand_over;
cm_status cm_store_home_hand_over(cm_store *store, const cm_hand_over *hand_over,
                                  cm_change *change);

/* What somebody's moving out of one home ended. */
typedef struct cm_moved_home {
    cm_home_id id;
    char name[CM_NAME_SIZE];
    cm_role role;       /* what he was */
    bool was_destroyed; /* he was its only member: it is gone with its keys */
    size_t grants, tokens, invitations;
} cm_moved_home;

enum { CM_MOVE_HOMES_MAX = 32 };

typedef struct cm_move_out {
    cm_account_id account;
    const cm_home_id *homes; /* of which he moves out */
    size_t count;            /* at most CM_MOVE_HOMES_MAX */
} cm_move_out;

/*
 * Moves out of all of them in one transaction: his memberships with their grants, API tokens and
 * open invitations end, the keys of what he could see turn, and a home whose only member he was is
 * destroyed (one that the YAML declares is left to it). `out` has room for `count`. CM_ABSENT: he
 * is no member of one of them. CM_REFUSE: of one with other members he is the last owner.
 */
cm_status cm_store_move_out(cm_store *store, const cm_move_out *move, cm_moved_home *out,
                            cm_change *change);

/* As cm_store_member_remove() when the YAML does not declare the membership any more: also the last
 * owner leaves. */
cm_status cm_store_member_withdraw(cm_store *store, const cm_home_id *home,
                                   const cm_account_id *account, cm_change *change);

/* ---- cameras ---- */

typedef enum cm_keep {
    CM_KEEP_ON_DEMAND, /* connected while somebody watches */
    CM_KEEP_ALWAYS,
} cm_keep;
const char *cm_keep_name(cm_keep keep); /* "on-demand", "always" */
cm_status cm_keep_parse(cm_slice text, cm_keep *out);

/* What stands for the address of a camera whose pictures are brought to us (WHIP). */
#define CM_CAMERA_PUSHED "whip:"

typedef struct cm_stored_camera {
    cm_camera_key key;
    char name[CM_NAME_SIZE];
    char main[CM_CAMERA_URL_SIZE]; /* or CM_CAMERA_PUSHED: then there are no sub and no login */
    char sub[CM_CAMERA_URL_SIZE];  /* "" without */
    char user[CM_CAMERA_LOGIN_SIZE];
    bool has_password;
    cm_keep keep;
    bool takes_talk; /* it has a loudspeaker that may be spoken through */
    bool is_declared;
    uint64_t min_epoch;
    cm_wall created;
} cm_stored_camera;
bool cm_stored_camera_is_pushed(const cm_stored_camera *camera);

typedef struct cm_stored_cameras {
    cm_stored_camera *items;
    size_t count;
} cm_stored_cameras;

typedef struct cm_new_camera {
    cm_camera_id id; /* empty: made at random */
    cm_slice name, main, sub, user;
    cm_slice password; /* sealed at rest */
    cm_keep keep;
    bool takes_talk; /* not with CM_CAMERA_PUSHED */
    bool is_declared;
} cm_new_camera;

/* CM_REFUSE: a text is too long or not printable, the address holds user info ("@" before the
 * path), it takes talk and has no address, or the id is taken in this home. CM_ABSENT: no such
 * home. CM_FULL: CM_HOME_CAMERAS_MAX. */
cm_status cm_store_camera_create(cm_store *store, const cm_home_id *home,
                                 const cm_new_camera *camera, cm_wall now, cm_stored_camera *out);

/* What is not NULL is set. Another address or another login turns the camera's keys: what comes
 * from there is another picture. */
typedef struct cm_camera_update {
    const cm_slice *name, *main, *sub, *user, *password; /* an empty sub, user or password: none */
    const cm_keep *keep;
    const bool *takes_talk;
    const bool *is_declared;
} cm_camera_update;
cm_status cm_store_camera_update(cm_store *store, const cm_camera_key *key,
                                 const cm_camera_update *update, cm_stored_camera *out,
                                 cm_change *change);
/* With its grants and API tokens. */
cm_status cm_store_camera_delete(cm_store *store, const cm_camera_key *key, cm_change *change);

cm_status cm_store_camera_find(cm_store *store, const cm_camera_key *key,
                               cm_stored_camera *out); /* reads; CM_ABSENT */
cm_status cm_store_cameras(cm_store *store, const cm_home_id *home,
                           cm_stored_cameras *out); /* reads; by id; CM_ABSENT: no such home */
cm_status cm_store_cameras_all(cm_store *store, cm_stored_cameras *out); /* reads: for the start */
void cm_stored_cameras_clear(cm_stored_cameras *cameras);

/* Reads: the password in the clear, with a terminator: the caller wipes it. CM_ABSENT: no such
 * camera, or none set. CM_FOREIGN: sealed for another camera. */
cm_status cm_store_camera_password(cm_store *store, const cm_camera_key *key,
                                   char out[CM_CAMERA_LOGIN_SIZE]);

/* ---- grants ---- */

/* Sets what `account` may do with the camera, and when. What takes something away (a right, hours,
 * days of the calendar) turns the camera's keys. CM_ABSENT: no such camera or member. CM_REFUSE:
 * terms that are not sound (no rights: remove it instead). */
cm_status cm_store_grant_put(cm_store *store, const cm_camera_key *camera,
                             const cm_account_id *account, const cm_grant_terms *terms,
                             bool is_declared, cm_wall now, cm_change *change);
cm_status cm_store_grant_remove(cm_store *store, const cm_camera_key *camera,
                                const cm_account_id *account, cm_change *change); /* CM_ABSENT */

/* ---- groups of cameras ---- */

/* What is granted on a group is granted on each camera in it, beside what is granted on that. */
enum { CM_HOME_GROUPS_MAX = 64 };

typedef struct cm_group_id {
    char text[CM_ID_SIZE];
} cm_group_id;
typedef struct cm_group_key {
    cm_home_id home;
    cm_group_id group;
} cm_group_key;

typedef struct cm_group_right {
    cm_account_id account;
    cm_grant_terms terms;
} cm_group_right;

typedef struct cm_stored_group {
    cm_group_key key;
    char name[CM_NAME_SIZE];
    cm_wall created;
    cm_camera_id *cameras;
    size_t camera_count;
    cm_group_right *rights;
    size_t right_count;
} cm_stored_group;
typedef struct cm_stored_groups {
    cm_stored_group *items;
    size_t count;
} cm_stored_groups;
void cm_stored_groups_clear(cm_stored_groups *groups);

/* Which cameras a group has from here on; NULL: as it is. */
typedef struct cm_group_cameras {
    const cm_camera_id *items;
    size_t count;
} cm_group_cameras;

/* Reads; by id. CM_ABSENT: no such home (in _find: no such group). */
cm_status cm_store_groups(cm_store *store, const cm_home_id *home, cm_stored_groups *out);
cm_status cm_store_group_find(cm_store *store, const cm_group_key *key,
                              cm_stored_groups *out); /* one */
/* CM_REFUSE: the name. CM_ABSENT: no such home or camera. CM_FULL: CM_HOME_GROUPS_MAX, or a camera
 * is in CM_CAMERA_GROUPS_MAX already. The id is made and written into `key`. */
cm_status cm_store_group_create(cm_store *store, cm_group_key *key, cm_slice name,
                                const cm_group_cameras *cameras, cm_wall now);
/* An empty name: as it is. A camera that leaves turns its keys. */
cm_status cm_store_group_update(cm_store *store, const cm_group_key *key, cm_slice name,
                                const cm_group_cameras *cameras, cm_change *change);
/* With what was granted on it: the keys of its cameras turn. */
cm_status cm_store_group_delete(cm_store *store, const cm_group_key *key, cm_change *change);

/* As cm_store_grant_put and _remove, for every camera of the group. */
cm_status cm_store_group_grant_put(cm_store *store, const cm_group_key *key,
                                   const cm_account_id *account, const cm_grant_terms *terms,
                                   cm_wall now, cm_change *change);
cm_status cm_store_group_grant_remove(cm_store *store, const cm_group_key *key,
                                      const cm_account_id *account, cm_change *change);

/* ---- sessions ---- */

/* How somebody showed who he is. Stored: their numbers stay. */
typedef enum cm_session_method {
    CM_METHOD_UNKNOWN, /* of a session from before this was kept */
    CM_METHOD_PASSWORD,
    CM_METHOD_PASSKEY,
    CM_METHOD_RECOVERY, /* a recovery code */
    CM_METHOD_SETUP,    /* the setup link */
    CM_METHOD_CODE,     /* the password, and a code of an authenticator */
} cm_session_method;
enum { CM_METHODS = CM_METHOD_CODE + 1 };
const char *cm_session_method_name(cm_session_method method); /* "password" */

/* Where a session comes from: for its owner's eyes. Nothing is ever decided by it. */
typedef struct cm_session_origin {
    cm_session_method method;
    char device[CM_DEVICE_SIZE];   /* "Chrome on Android"; "" if nothing is known */
    char network[CM_NETWORK_SIZE]; /* "192.168.1.20", "2001:db8::/64"; "" */
} cm_session_origin;

typedef struct cm_stored_session {
    char id[CM_ID_SIZE]; /* names it for its owner; leads to no token */
    cm_account_id account;
    uint8_t token_hash[CM_MAC_SIZE];
    cm_session_origin origin;
    cm_wall created, last_used;
    cm_wall authenticated; /* the last time that its owner showed who he is; us 0: not known */
} cm_stored_session;
typedef struct cm_stored_sessions {
    cm_stored_session *items;
    size_t count;
} cm_stored_sessions;

/* When it ends by itself if it isn't used before. */
cm_wall cm_session_expires(cm_wall created, cm_wall last_used);
/* Not expired, and not made by a clock that was more than CM_SESSION_AHEAD_US ahead of this one:
 * its limits would lie anywhere. */
bool cm_session_is_live(cm_wall created, cm_wall last_used, cm_wall now);
/* Less than CM_SESSION_FRESH_US ago; false when the clock has been set back since. */
bool cm_session_is_fresh(cm_wall authenticated, cm_wall now);

/* Authenticated now. CM_ABSENT: no such account; CM_REFUSE: not active, or it has a second factor
 * and the method is the password alone. `change` tells of a session that had to end for it
 * (CM_ACCOUNT_SESSIONS_MAX). */
cm_status cm_store_session_create(cm_store *store, const cm_account_id *account,
                                  const uint8_t token_hash[CM_MAC_SIZE],
                                  const cm_session_origin *origin, cm_wall now, cm_change *change);
/* Remembers that the token was used; writes at most once in ten minutes, and when the last use lies
 * ahead of the clock. */
cm_status cm_store_session_touch(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                 cm_wall now);
/* A sign-out. Keys of every camera the account may see turn. CM_ABSENT. */
cm_status cm_store_session_end(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                               cm_change *change);
/* The same by the id that its owner sees. CM_ABSENT: the account has no such session. */
cm_status cm_store_session_end_named(cm_store *store, const cm_account_id *account, cm_slice id,
                                     cm_change *change);
/* All but the one whose token's hash is `keep` (NULL: all). */
cm_status cm_store_sessions_end_all(cm_store *store, const cm_account_id *account,
                                    const uint8_t *keep, cm_change *change);
/* A session goes on under another token, authenticated now: the former token is worth nothing, and
 * what was opened with it ends, for nobody can tell by whom it was (the keys turn as at a
 * sign-out). Its limits stay: `created` is what it was. CM_ABSENT; CM_REFUSE as above. */
cm_status cm_store_session_renew(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                 const uint8_t fresh_hash[CM_MAC_SIZE],
                                 const cm_session_origin *origin, cm_wall now, cm_change *change);
cm_status cm_store_sessions(cm_store *store, const cm_account_id *account,
                            cm_stored_sessions *out); /* reads; as they were made */
void cm_stored_sessions_clear(cm_stored_sessions *sessions);
/* Removes sessions and tokens that have expired: once an hour is enough. */
cm_status cm_store_expire(cm_store *store, cm_wall now, size_t *removed_out);

/* ---- API tokens ---- */

typedef struct cm_stored_token {
    char id[CM_ID_SIZE];
    uint8_t token_hash[CM_MAC_SIZE];
    cm_camera_key camera;
    cm_account_id account;
    char name[CM_TOKEN_NAME_SIZE]; /* may be "" */
    uint32_t rights;
    cm_wall created, expires, last_used; /* last_used.us 0: never */
} cm_stored_token;
typedef struct cm_stored_tokens {
    cm_stored_token *items;
    size_t count;
} cm_stored_tokens;

typedef struct cm_new_token {
    cm_camera_key camera;
    cm_account_id account;
    cm_slice name; /* for its owners, to tell one from another; may be empty */
    uint32_t rights;
    cm_wall expires;
    const uint8_t *token_hash; /* CM_MAC_SIZE bytes */
} cm_new_token;

/* CM_ABSENT: no such camera or member. CM_REFUSE: the name; no rights; over already. The token
 * gives no more than the account has at each use. */
cm_status cm_store_token_create(cm_store *store, const cm_new_token *token, cm_wall now,
                                cm_stored_token *out);
cm_status cm_store_token_touch(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE], cm_wall now);
cm_status cm_store_token_revoke(cm_store *store, const cm_home_id *home, cm_slice id,
                                cm_change *change); /* CM_ABSENT */
cm_status cm_store_tokens(cm_store *store, const cm_home_id *home,
                          cm_stored_tokens *out); /* reads; CM_ABSENT: no such home */
void cm_stored_tokens_clear(cm_stored_tokens *tokens);

/* ---- the first start ---- */

/* Reads. True while there is no account at all. */
cm_status cm_store_setup_is_needed(cm_store *store, bool *out);
/* Sets the one setup token (an earlier one is void). CM_REFUSE: there are accounts. */
cm_status cm_store_setup_begin(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE], cm_wall now);
/* In one transaction: the token is used up; home, owner and the owner's first session are made.
 * CM_ABSENT: not this token, used or void. CM_REFUSE: a name. */
typedef struct cm_setup {
    uint8_t token_hash[CM_MAC_SIZE];
    cm_slice home_name;
    cm_slice account_name;
    cm_slice password_hash;
    uint8_t session_token_hash[CM_MAC_SIZE];
    cm_session_origin origin;
} cm_setup;
cm_status cm_store_setup_finish(cm_store *store, const cm_setup *setup, cm_wall now,
                                cm_stored_account *account, cm_stored_home *home);

/* ---- settings: small texts of the server ---- */

cm_status cm_store_setting_read(cm_store *store, const char *name, char *out,
                                size_t capacity); /* reads; CM_ABSENT, CM_FULL */
cm_status cm_store_setting_write(cm_store *store, const char *name, cm_slice value);

/* A digest of `text` under a key of the server: to notice that a text is another than before.
 * Without the master key nothing can be tried against it. Any thread; touches no disk. */
void cm_store_fingerprint(const cm_store *store, cm_slice text, uint8_t out[CM_MAC_SIZE]);

/* A key of the server for what `label` says, the same in every process. Any thread; touches no
 * disk. Without the master key nobody has it. */
void cm_store_derive(const cm_store *store, const char *label, cm_secret *out);

/* ---- changes by other processes (the command line while the server runs) ---- */

/*
 * Reads. Every camera with its minimum epoch, if another process changed the database since this
 * asker's last call (else an empty list): grants asks each second and publishes what rose, the
 * server starts and ends cameras. *seen is the asker's own, 0 at first; one asker never takes a
 * change away from another. The change is "any" in all its ids.
 */
cm_status cm_store_outside_changes(cm_store *store, int64_t *seen, bool *has_changed,
                                   cm_change *out);
