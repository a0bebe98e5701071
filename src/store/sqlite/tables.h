/*
 * tables: the stored tables and their columns, in one place: what row.c builds its SQL and its MACs
 * from. The CREATE statements in migrations.c say the same; a test compares them.
 *
 * X(CONSTANT, column, kind). Ids are text without padding; times are microseconds since 1970; every
 * column is NOT NULL. `generation` is the home's (account's) of when the row was last vouched for.
 * ADDED is an integer that came with a later version, 0 in the rows there were; ADDED_TEXT a text,
 * empty in them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CM_TABLE_META(X)                                                                           \
    X(ID, id, TEXT)                                                                                \
    X(DATABASE, database, BLOB)                                                                    \
    X(KEY_CHECK, key_check, BLOB)                                                                  \
    X(GENERATION, generation, INTEGER)                                                             \
    X(DIGEST, digest, BLOB)
#define CM_TABLE_HOMES(X)                                                                          \
    X(ID, id, TEXT)                                                                                \
    X(NAME, name, TEXT)                                                                            \
    X(SALT, salt, BLOB)                                                                            \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)                                                             \
    X(TIME_ZONE, time_zone, ADDED_TEXT)                                                            \
    X(SUSPENDED, suspended, ADDED)                                                                 \
    X(SUSPENDED_BY, suspended_by, ADDED_TEXT)                                                      \
    X(SUSPENDED_WHY, suspended_why, ADDED_TEXT)
#define CM_TABLE_ACCOUNTS(X)                                                                       \
    X(ID, id, TEXT)                                                                                \
    X(NAME, name, TEXT)                                                                            \
    X(FOLDED, folded, TEXT)                                                                        \
    X(PASSWORD_HASH, password_hash, TEXT)                                                          \
    X(IS_OPERATOR, is_operator, INTEGER)                                                           \
    X(IS_ACTIVE, is_active, INTEGER)                                                               \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)                                                             \
    X(HAS_TOTP, has_totp, ADDED)
#define CM_TABLE_SESSIONS(X)                                                                       \
    X(TOKEN_HASH, token_hash, BLOB)                                                                \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(CREATED, created, INTEGER)                                                                   \
    X(LAST_USED, last_used, INTEGER)                                                               \
    X(GENERATION, generation, INTEGER)                                                             \
    X(METHOD, method, ADDED)                                                                       \
    X(AUTHENTICATED, authenticated, ADDED)                                                         \
    X(DEVICE, device, ADDED_TEXT)                                                                  \
    X(NETWORK, network, ADDED_TEXT)
#define CM_TABLE_MEMBERSHIPS(X)                                                                    \
    X(HOME, home, TEXT)                                                                            \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(ROLE, role, INTEGER)                                                                         \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_CAMERAS(X)                                                                        \
    X(HOME, home, TEXT)                                                                            \
    X(ID, id, TEXT)                                                                                \
    X(NAME, name, TEXT)                                                                            \
    X(MAIN, main, TEXT)                                                                            \
    X(SUB, sub, TEXT)                                                                              \
    X(USER, user, TEXT)                                                                            \
    X(PASSWORD_BOX, password_box, BLOB)                                                            \
    X(KEEP, keep, INTEGER)                                                                         \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(MIN_EPOCH, min_epoch, INTEGER)                                                               \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)                                                             \
    X(TAKES_TALK, takes_talk, ADDED)
#define CM_TABLE_GRANTS(X)                                                                         \
    X(HOME, home, TEXT)                                                                            \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(CAMERA, camera, TEXT)                                                                        \
    X(RIGHTS, rights, INTEGER)                                                                     \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)                                                             \
    X(NOT_BEFORE, not_before, ADDED)                                                               \
    X(NOT_AFTER, not_after, ADDED)                                                                 \
    X(DAYS, days, ADDED)                                                                           \
    X(FROM_MINUTE, from_minute, ADDED)                                                             \
    X(TO_MINUTE, to_minute, ADDED)
#define CM_TABLE_API_TOKENS(X)                                                                     \
    X(TOKEN_HASH, token_hash, BLOB)                                                                \
    X(ID, id, TEXT)                                                                                \
    X(HOME, home, TEXT)                                                                            \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(CAMERA, camera, TEXT)                                                                        \
    X(RIGHTS, rights, INTEGER)                                                                     \
    X(CREATED, created, INTEGER)                                                                   \
    X(EXPIRES, expires, INTEGER)                                                                   \
    X(LAST_USED, last_used, INTEGER)                                                               \
    X(GENERATION, generation, INTEGER)                                                             \
    X(NAME, name, ADDED_TEXT)
#define CM_TABLE_INVITATIONS(X)                                                                    \
    X(TOKEN_HASH, token_hash, BLOB)                                                                \
    X(ID, id, TEXT)                                                                                \
    X(HOME, home, TEXT)                                                                            \
    X(ROLE, role, INTEGER)                                                                         \
    X(LABEL, label, TEXT)                                                                          \
    X(CAMERAS, cameras, BLOB)                                                                      \
    X(MADE_BY, made_by, TEXT)                                                                      \
    X(CREATED, created, INTEGER)                                                                   \
    X(EXPIRES, expires, INTEGER)                                                                   \
    X(USED_BY, used_by, TEXT)                                                                      \
    X(USED, used, INTEGER)                                                                         \
    X(GENERATION, generation, INTEGER)
/* A look through one camera for who has no account, and each browser in which it was opened.
 * not_after of a link is its end; `ended`: a cm_guest_link_end. */
#define CM_TABLE_GUEST_LINKS(X)                                                                    \
    X(SECRET_HASH, secret_hash, BLOB)                                                              \
    X(ID, id, TEXT)                                                                                \
    X(HOME, home, TEXT)                                                                            \
    X(CAMERA, camera, TEXT)                                                                        \
    X(LABEL, label, TEXT)                                                                          \
    X(MADE_BY, made_by, TEXT)                                                                      \
    X(CREATED, created, INTEGER)                                                                   \
    X(NOT_BEFORE, not_before, INTEGER)                                                             \
    X(NOT_AFTER, not_after, INTEGER)                                                               \
    X(OPENINGS_MAX, openings_max, INTEGER)                                                         \
    X(OPENINGS, openings, INTEGER)                                                                 \
    X(LAST_OPENED, last_opened, INTEGER)                                                           \
    X(ENDED, ended, INTEGER)                                                                       \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_GUEST_LOOKS(X)                                                                    \
    X(TOKEN_HASH, token_hash, BLOB)                                                                \
    X(HOME, home, TEXT)                                                                            \
    X(CAMERA, camera, TEXT)                                                                        \
    X(LINK, link, TEXT)                                                                            \
    X(OPENED, opened, INTEGER)                                                                     \
    X(EXPIRES, expires, INTEGER)                                                                   \
    X(DEVICE, device, TEXT)                                                                        \
    X(NETWORK, network, TEXT)                                                                      \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_SETUP_TOKENS(X)                                                                   \
    X(TOKEN_HASH, token_hash, BLOB)                                                                \
    X(CREATED, created, INTEGER)
#define CM_TABLE_SETTINGS(X)                                                                       \
    X(NAME, name, TEXT)                                                                            \
    X(VALUE, value, TEXT)
#define CM_TABLE_PASSKEYS(X)                                                                       \
    X(CREDENTIAL, credential, BLOB)                                                                \
    X(ID, id, TEXT)                                                                                \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(RP, rp, TEXT)                                                                                \
    X(NAME, name, TEXT)                                                                            \
    X(PUBLIC_KEY, public_key, BLOB)                                                                \
    X(SIGN_COUNT, sign_count, INTEGER)                                                             \
    X(IS_BACKUP_ELIGIBLE, is_backup_eligible, INTEGER)                                             \
    X(IS_BACKED_UP, is_backed_up, INTEGER)                                                         \
    X(CREATED, created, INTEGER)                                                                   \
    X(LAST_USED, last_used, INTEGER)                                                               \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_RECOVERY(X)                                                                       \
    X(CODE_HASH, code_hash, BLOB)                                                                  \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_TOTP(X)                                                                           \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(SECRET_BOX, secret_box, BLOB)                                                                \
    X(IS_CONFIRMED, is_confirmed, INTEGER)                                                         \
    X(LAST_STEP, last_step, INTEGER)                                                               \
    X(WRONG, wrong, INTEGER)                                                                       \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)

/* Groups of a home's cameras, which cameras are in them, and what was granted on a group: there the
 * columns of terms stand where those of grants do. */
#define CM_TABLE_CAMERA_GROUPS(X)                                                                  \
    X(HOME, home, TEXT)                                                                            \
    X(ID, id, TEXT)                                                                                \
    X(NAME, name, TEXT)                                                                            \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_GROUP_CAMERAS(X)                                                                  \
    X(HOME, home, TEXT)                                                                            \
    X(CAMERA_GROUP, camera_group, TEXT)                                                            \
    X(CAMERA, camera, TEXT)                                                                        \
    X(GENERATION, generation, INTEGER)
#define CM_TABLE_GROUP_GRANTS(X)                                                                   \
    X(HOME, home, TEXT)                                                                            \
    X(ACCOUNT, account, TEXT)                                                                      \
    X(CAMERA_GROUP, camera_group, TEXT)                                                            \
    X(RIGHTS, rights, INTEGER)                                                                     \
    X(IS_DECLARED, is_declared, INTEGER)                                                           \
    X(CREATED, created, INTEGER)                                                                   \
    X(GENERATION, generation, INTEGER)                                                             \
    X(NOT_BEFORE, not_before, INTEGER)                                                             \
    X(NOT_AFTER, not_after, INTEGER)                                                               \
    X(DAYS, days, INTEGER)                                                                         \
    X(FROM_MINUTE, from_minute, INTEGER)                                                           \
    X(TO_MINUTE, to_minute, INTEGER)

/* Entries of the audit, left by commands (store/told.h). */
#define CM_TABLE_TOLD(X)                                                                           \
    X(ID, id, TEXT)                                                                                \
    X(ENTRY, entry, BLOB)

/* X(CONSTANT, table, whose key and generation vouch for its rows) */
#define CM_TABLES(X)                                                                               \
    X(META, meta, SERVER)                                                                          \
    X(HOMES, homes, HOMES)                                                                         \
    X(ACCOUNTS, accounts, ACCOUNTS)                                                                \
    X(SESSIONS, sessions, ACCOUNT)                                                                 \
    X(MEMBERSHIPS, memberships, HOME)                                                              \
    X(CAMERAS, cameras, HOME)                                                                      \
    X(GRANTS, grants, HOME)                                                                        \
    X(API_TOKENS, api_tokens, HOME)                                                                \
    X(SETUP_TOKENS, setup_tokens, SERVER)                                                          \
    X(SETTINGS, settings, SERVER)                                                                  \
    X(PASSKEYS, passkeys, ACCOUNT)                                                                 \
    X(RECOVERY, recovery, ACCOUNT)                                                                 \
    X(TOTP, totp, ACCOUNT)                                                                         \
    X(CAMERA_GROUPS, camera_groups, HOME)                                                          \
    X(GROUP_CAMERAS, group_cameras, HOME)                                                          \
    X(GROUP_GRANTS, group_grants, HOME)                                                            \
    X(INVITATIONS, invitations, HOME)                                                              \
    X(GUEST_LINKS, guest_links, HOME)                                                              \
    X(GUEST_LOOKS, guest_looks, HOME)                                                              \
    X(TOLD, told, SERVER)

typedef enum cm_scope {
    CM_SCOPE_SERVER,   /* the server's key, no generation */
    CM_SCOPE_HOMES,    /* a home itself: the server's key, its generation is its own */
    CM_SCOPE_ACCOUNTS, /* an account itself */
    CM_SCOPE_ACCOUNT,  /* something of an account: the server's key, the account's generation */
    CM_SCOPE_HOME,     /* something in a home: the home's key, the home's generation */
} cm_scope;

#define CM_TABLE_CONSTANT(constant, name, scope) CM_##constant,
typedef enum cm_table_id { CM_TABLES(CM_TABLE_CONSTANT) CM_TABLE_COUNT } cm_table_id;

#define CM_META_COLUMN(constant, name, kind)          CM_META_##constant,
#define CM_HOMES_COLUMN(constant, name, kind)         CM_HOMES_##constant,
#define CM_ACCOUNTS_COLUMN(constant, name, kind)      CM_ACCOUNTS_##constant,
#define CM_SESSIONS_COLUMN(constant, name, kind)      CM_SESSIONS_##constant,
#define CM_MEMBERSHIPS_COLUMN(constant, name, kind)   CM_MEMBERSHIPS_##constant,
#define CM_CAMERAS_COLUMN(constant, name, kind)       CM_CAMERAS_##constant,
#define CM_GRANTS_COLUMN(constant, name, kind)        CM_GRANTS_##constant,
#define CM_API_TOKENS_COLUMN(constant, name, kind)    CM_API_TOKENS_##constant,
#define CM_SETUP_TOKENS_COLUMN(constant, name, kind)  CM_SETUP_TOKENS_##constant,
#define CM_SETTINGS_COLUMN(constant, name, kind)      CM_SETTINGS_##constant,
#define CM_PASSKEYS_COLUMN(constant, name, kind)      CM_PASSKEYS_##constant,
#define CM_RECOVERY_COLUMN(constant, name, kind)      CM_RECOVERY_##constant,
#define CM_TOTP_COLUMN(constant, name, kind)          CM_TOTP_##constant,
#define CM_CAMERA_GROUPS_COLUMN(constant, name, kind) CM_CAMERA_GROUPS_##constant,
#define CM_GROUP_CAMERAS_COLUMN(constant, name, kind) CM_GROUP_CAMERAS_##constant,
#define CM_GROUP_GRANTS_COLUMN(constant, name, kind)  CM_GROUP_GRANTS_##constant,
#define CM_INVITATIONS_COLUMN(constant, name, kind)   CM_INVITATIONS_##constant,
#define CM_GUEST_LINKS_COLUMN(constant, name, kind)   CM_GUEST_LINKS_##constant,
#define CM_GUEST_LOOKS_COLUMN(constant, name, kind)   CM_GUEST_LOOKS_##constant,
#define CM_TOLD_COLUMN(constant, name, kind)          CM_TOLD_##constant,
enum { CM_TABLE_META(CM_META_COLUMN) CM_META_COLUMNS };
enum { CM_TABLE_HOMES(CM_HOMES_COLUMN) CM_HOMES_COLUMNS };
enum { CM_TABLE_ACCOUNTS(CM_ACCOUNTS_COLUMN) CM_ACCOUNTS_COLUMNS };
enum { CM_TABLE_SESSIONS(CM_SESSIONS_COLUMN) CM_SESSIONS_COLUMNS };
enum { CM_TABLE_MEMBERSHIPS(CM_MEMBERSHIPS_COLUMN) CM_MEMBERSHIPS_COLUMNS };
enum { CM_TABLE_CAMERAS(CM_CAMERAS_COLUMN) CM_CAMERAS_COLUMNS };
enum { CM_TABLE_GRANTS(CM_GRANTS_COLUMN) CM_GRANTS_COLUMNS };
enum { CM_TABLE_API_TOKENS(CM_API_TOKENS_COLUMN) CM_API_TOKENS_COLUMNS };
enum { CM_TABLE_INVITATIONS(CM_INVITATIONS_COLUMN) CM_INVITATIONS_COLUMNS };
enum { CM_TABLE_GUEST_LINKS(CM_GUEST_LINKS_COLUMN) CM_GUEST_LINKS_COLUMNS };
enum { CM_TABLE_GUEST_LOOKS(CM_GUEST_LOOKS_COLUMN) CM_GUEST_LOOKS_COLUMNS };
enum { CM_TABLE_SETUP_TOKENS(CM_SETUP_TOKENS_COLUMN) CM_SETUP_TOKENS_COLUMNS };
enum { CM_TABLE_SETTINGS(CM_SETTINGS_COLUMN) CM_SETTINGS_COLUMNS };
enum { CM_TABLE_PASSKEYS(CM_PASSKEYS_COLUMN) CM_PASSKEYS_COLUMNS };
enum { CM_TABLE_RECOVERY(CM_RECOVERY_COLUMN) CM_RECOVERY_COLUMNS };
enum { CM_TABLE_TOTP(CM_TOTP_COLUMN) CM_TOTP_COLUMNS };
enum { CM_TABLE_CAMERA_GROUPS(CM_CAMERA_GROUPS_COLUMN) CM_CAMERA_GROUPS_COLUMNS };
enum { CM_TABLE_GROUP_CAMERAS(CM_GROUP_CAMERAS_COLUMN) CM_GROUP_CAMERAS_COLUMNS };
enum { CM_TABLE_GROUP_GRANTS(CM_GROUP_GRANTS_COLUMN) CM_GROUP_GRANTS_COLUMNS };
enum { CM_TABLE_TOLD(CM_TOLD_COLUMN) CM_TOLD_COLUMNS };

typedef enum cm_column_kind {
    CM_COLUMN_TEXT = 1,
    CM_COLUMN_BLOB = 2,
    CM_COLUMN_INTEGER = 3,
} cm_column_kind;

typedef struct cm_column {
    const char *name;
    cm_column_kind kind;
    bool is_added;
} cm_column;

typedef struct cm_table {
    const char *name;
    cm_scope scope;
    const cm_column *columns;
    unsigned column_count;
    unsigned generation; /* its column; column_count without */
    unsigned owner;      /* column of the home (account) it belongs to, by its scope */
} cm_table;

extern const cm_table cm_tables[CM_TABLE_COUNT];
