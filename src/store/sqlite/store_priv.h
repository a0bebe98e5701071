/*
 * store_priv: what the operations share: the open store and one transaction.
 *
 * An operation begins a transaction, looks rows up (each is verified on the way), changes some, and
 * commits; leaving early rolls back. Whatever takes something away calls cm_tx_bump_*() for the
 * home or account: its generation rises and every row of it that is genuine is vouched for anew, so
 * that a row from before does not fit any more. A row that did not fit is left as it is, never
 * vouched for.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/writer.h"
#include "store/guest_links.h"
#include "store/invitations.h"
#include "store/known.h"
#include "store/passed.h"
#include "store/sqlite/row.h"
#include "store/store.h"
#include "store/zones.h"

enum { CM_STORE_READERS = 2, CM_STORE_SALT_SIZE = 16, CM_STORE_ATTEMPTS = 8 };

typedef struct cm_store_reader {
    pthread_mutex_t lock;
    cm_db db;
} cm_store_reader;

struct cm_store {
    char directory[PATH_MAX];
    int hold; /* of the directory */
    cm_random random;
    cm_random *random_given; /* used under write_lock */
    cm_secret server_key;    /* MACs of what belongs to the server */
    cm_secret homes_key;     /* parent of every home's key */
    cm_secret digest_key;    /* of the digest over all generations */
    cm_secret file_key;      /* of the file `generation` */
    uint8_t key_check[CM_MAC_SIZE];
    pthread_mutex_t write_lock;
    cm_db writer;
    int64_t outside_version; /* PRAGMA data_version of `writer` at the start */
    cm_store_reader readers[CM_STORE_READERS];
    _Atomic unsigned next_reader;
    cm_known *known;
    cm_zones *zones;
    bool is_taken_over;                                     /* it was older, at the start */
    void (*on_taken)(void *owner, const cm_change *change); /* under write_lock; may be NULL */
    void *on_taken_owner;
    _Atomic uint64_t evidence_reads, evidence_alarms, writes, write_failures;
#ifdef CM_FAULT_INJECTION
    pthread_mutex_t cache_lock;
    cm_row cache[CM_TABLE_COUNT]; /* the row last looked up in each table */
    bool is_cached[CM_TABLE_COUNT];
#endif
};

typedef enum cm_tx_kind { CM_TX_READ, CM_TX_WRITE } cm_tx_kind;

enum { CM_TX_OWNERS_MAX = 256 };

typedef struct cm_tx {
    cm_store *store;
    cm_db *db;
    pthread_mutex_t *lock; /* held until the end */
    bool is_open;
    bool writes;
    bool believes; /* evidence is off (fault injection only) */
    cm_row meta;
    uint64_t generation; /* the snapshot's; risen once something was bumped */
    bool has_risen;
    uint64_t passing_generation; /* while all is bumped again: of the first time; else 0 */
    bool has_taken;              /* a row of a bumped owner was changed or deleted after the bump */
    /* The home looked at last: most transactions see one. */
    bool has_home;
    cm_home_id home;
    uint64_t home_generation;
    cm_secret home_key;
    /* The account looked at last, while nothing is written: it vouches for its sessions. */
    bool has_account;
    cm_row account;
    cm_passed bumped;  /* homes and accounts whose generation this transaction raised */
    cm_passed raised;  /* cameras whose epoch it did */
    cm_change *change; /* of the caller, filled on the way; NULL without */
    const char *cause; /* of CM_FOREIGN: static */
} cm_tx;

/* Begins a transaction; cm_tx_end() is due from then on, also after failure (CM_AUTO). */
cm_status cm_tx_begin(cm_store *store, cm_tx_kind kind, cm_tx *tx);
/* With a change: it is emptied first; the caller owns what is in it after CM_OK. */
cm_status cm_tx_begin_change(cm_store *store, cm_change *change, cm_tx *tx);
cm_status cm_tx_commit(cm_tx *tx);
/* Rolls back unless committed; what is in the change is then given back. */
void cm_tx_end(cm_tx *tx);

/* CM_FOREIGN with `cause` remembered and logged. */
cm_status cm_tx_refuse(cm_tx *tx, const cm_table *table, const char *cause);

/* Does the row's MAC fit, and is its generation its owner's present one? CM_FOREIGN, CM_RETRY. */
cm_status cm_tx_verify(cm_tx *tx, const cm_row *row);
/* Finds and verifies, and compares what was asked with what the row says. CM_ABSENT. */
cm_status cm_tx_find(cm_tx *tx, const cm_row *probe, uint32_t where, cm_row *out);
/* Compares the columns of `where`. */
bool cm_tx_is_asked(const cm_row *probe, uint32_t where, const cm_row *row);

/* Signs the row under its owner's key and generation, and writes it. */
cm_status cm_tx_insert(cm_tx *tx, cm_row *row); /* CM_REFUSE: a key is taken */
cm_status cm_tx_update(cm_tx *tx, cm_row *row);
cm_status cm_tx_delete(cm_tx *tx, const cm_row *row);
/* Deletes all that the probe means; not verified: what is gone can't harm. */
cm_status cm_tx_delete_all(cm_tx *tx, const cm_row *probe, uint32_t where, size_t *count_out);

/* Calls `each` per row that the probe means, verified; one that does not fit is logged and left
 * out. Ends at the first failure of `each`. */
cm_status cm_tx_each(cm_tx *tx, const cm_row *probe, uint32_t where,
                     cm_status (*each)(cm_tx *tx, cm_row *row, void *owner), void *owner);

/* CM_ABSENT: no such home. Loads its key. `out` may be NULL. */
cm_status cm_tx_home(cm_tx *tx, const cm_home_id *home, cm_row *out);
cm_status cm_tx_account(cm_tx *tx, const cm_account_id *account, cm_row *out);
cm_status cm_tx_camera(cm_tx *tx, const cm_camera_key *key, cm_row *out);
cm_status cm_tx_membership(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                           cm_row *out);

/* Once per home (account) and transaction; the second call does nothing. */
/*
 * At the end of a transaction that took something away: what was taken had been vouched for anew by
 * the bump, so its last form, though never committed, would fit. Everything that is left is bumped
 * once more.
 */
cm_status cm_tx_bump_again(cm_tx *tx);
cm_status cm_tx_bump_home(cm_tx *tx, const cm_home_id *home);
cm_status cm_tx_bump_account(cm_tx *tx, const cm_account_id *account);
bool cm_tx_was_bumped(const cm_tx *tx, cm_known_kind kind, const char id[CM_ID_SIZE]);
/* Inserting one, and taking one out for ever: the digest over all generations follows. */
cm_status cm_tx_add_owner(cm_tx *tx, cm_row *row);
cm_status cm_tx_remove_owner(cm_tx *tx, const cm_row *row);

/* Raises a camera's minimum epoch and notes it in the change; bumps its home. */
cm_status cm_tx_raise_camera(cm_tx *tx, const cm_camera_key *key);
cm_status cm_tx_raise_all(cm_tx *tx, const cm_home_id *home); /* every camera of the home */
/* Every camera of the group. */
cm_status cm_tx_raise_group(cm_tx *tx, const cm_group_key *key);
/* Every camera that the account may see in this home: all for an owner, else those granted. */
cm_status cm_tx_raise_seen(cm_tx *tx, const cm_home_id *home, const cm_account_id *account);
cm_status cm_tx_raise_seen_anywhere(cm_tx *tx, const cm_account_id *account);
/* Notes that a camera is gone. */
cm_status cm_tx_note_gone(cm_tx *tx, const cm_camera_key *key);

/* XORs the share of one owner into the digest of all generations. */
void cm_store_mix_digest(const cm_store *store, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation, uint8_t digest[CM_MAC_SIZE]);
/* The key of a home's rows, from its id and salt. */
void cm_store_home_key(const cm_store *store, const cm_row *home, cm_secret *out);

/* Copies at most `capacity` bytes into storage of ours. */
void cm_store_copy(void *out, size_t capacity, cm_slice bytes);

/* A shown name: not empty, printable, no space at its ends, fits. CM_REFUSE. */
cm_status cm_store_check_name(cm_slice name);

/* Room for one more item of an array that grows: CM_BROKEN without memory. */
cm_status cm_store_grow(void **items, size_t count, size_t item_size);

/* A row as the typed struct; CM_FOREIGN if its texts are none of ours. */
cm_status cm_store_read_camera(const cm_row *row, cm_stored_camera *out);
cm_status cm_store_read_account(const cm_row *row, cm_stored_account *out);
cm_status cm_store_read_home(const cm_store *store, const cm_row *row, cm_stored_home *out);
/* Of a row of grants or group_grants. */
cm_status cm_store_read_terms(const cm_row *row, cm_grant_terms *out);
void cm_store_write_terms(cm_row *row, const cm_grant_terms *terms);
/* The camera is in no group any more: it goes. */
cm_status cm_tx_leave_groups(cm_tx *tx, const cm_camera_key *key);
cm_status cm_store_read_suspension(const cm_row *row, cm_suspension *out); /* of a home's row */

cm_status cm_tx_make_camera(cm_tx *tx, const cm_home_id *home, const cm_new_camera *camera,
                            cm_wall now, cm_stored_camera *out);
cm_status cm_tx_make_invitation(cm_tx *tx, const cm_new_invitation *invitation, cm_wall now,
                                cm_stored_invitation *out);
/* Deletes the open ones that `by` made, who owns the home no more: the home has been bumped. */
cm_status cm_tx_void_invitations(cm_tx *tx, const cm_home_id *home, const cm_account_id *by,
                                 size_t *count_out);

/* CM_REFUSE: he does not own the home, or may not now: held off, or an operator. */
cm_status cm_tx_ensure_owner(cm_tx *tx, const cm_home_id *home, const cm_account_id *by);
/* Of one who owns the home no more: his links that are not over end. */
cm_status cm_tx_void_guest_links(cm_tx *tx, const cm_home_id *home, const cm_account_id *by);
/* Adds to *count_out those of a home that are not over; if `ends` they are revoked (whose epochs
 * the caller raises). */
cm_status cm_tx_count_guest_links(cm_tx *tx, const cm_home_id *home, cm_wall now, bool ends,
                                  size_t *count_out);
/* The camera goes, and with it every link to it. */
cm_status cm_tx_remove_guest_links(cm_tx *tx, const cm_camera_key *key);
/* One row, with its looks. */
cm_status cm_tx_forget_guest_link(cm_tx *tx, const cm_row *row);
/* Without looks and names; CM_FOREIGN if a value is none of ours. */
cm_status cm_store_read_guest_link(const cm_row *row, cm_stored_guest_link *out);

/* An account made and put in; shared by accounts, members and setup. */
cm_status cm_tx_make_account(cm_tx *tx, const cm_new_account *account, cm_wall now,
                             cm_stored_account *out);
cm_status cm_tx_make_home(cm_tx *tx, cm_stored_home *home, cm_wall now);
cm_status cm_tx_make_membership(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                                cm_role role, bool is_declared, cm_wall now);
cm_status cm_tx_make_session(cm_tx *tx, const cm_account_id *account,
                             const uint8_t token_hash[CM_MAC_SIZE], const cm_session_origin *origin,
                             cm_wall now);
/* Ends the account's sessions but the one whose token's hash is `keep` (NULL: all), and turns the
 * keys of what they could see. */
cm_status cm_tx_end_sessions(cm_tx *tx, const cm_account_id *account, const uint8_t *keep);
/* One session goes on under another token: `account` must be whose it is (CM_REFUSE), and active.
 * With origin NULL it shows nothing again: how and when it was authenticated stays. */
typedef struct cm_session_renewal {
    const uint8_t *former, *fresh; /* hashes of its tokens */
    const cm_session_origin *origin;
    const cm_account_id *account; /* NULL: whosever */
} cm_session_renewal;
cm_status cm_tx_renew_session(cm_tx *tx, const cm_session_renewal *renewal, cm_wall now,
                              cm_stored_account *out);
/* A session of an active account (else CM_REFUSE), not by a password alone if it has a second
 * factor (CM_REFUSE); the oldest makes room. */
cm_status cm_tx_open_session(cm_tx *tx, const cm_account_id *account,
                             const uint8_t token_hash[CM_MAC_SIZE], const cm_session_origin *origin,
                             cm_wall now, cm_stored_account *out);
/* All of the account's, which has been bumped. */
cm_status cm_tx_remove_passkeys(cm_tx *tx, const cm_account_id *account);
cm_status cm_tx_remove_recovery(cm_tx *tx, const cm_account_id *account);
cm_status cm_tx_remove_totp(cm_tx *tx, const cm_account_id *account);
/* Bumps the account. CM_ABSENT: it has no such code. */
cm_status cm_tx_use_recovery(cm_tx *tx, const cm_account_id *account,
                             const uint8_t code_hash[CM_MAC_SIZE]);
/* With all that is in it. */
cm_status cm_tx_destroy_home(cm_tx *tx, const cm_home_id *home);
cm_status cm_tx_leave_home(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                           bool may_be_last_owner);
