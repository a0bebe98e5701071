#include "store/sqlite/tables.h"

enum {
    KIND_TEXT = CM_COLUMN_TEXT,
    KIND_BLOB = CM_COLUMN_BLOB,
    KIND_INTEGER = CM_COLUMN_INTEGER,
    KIND_ADDED = CM_COLUMN_INTEGER,
    KIND_ADDED_TEXT = CM_COLUMN_TEXT,
};
enum {
    IS_ADDED_TEXT,
    IS_ADDED_BLOB = 0,
    IS_ADDED_INTEGER = 0,
    IS_ADDED_ADDED = 1,
    IS_ADDED_ADDED_TEXT = 1,
};

#define COLUMN(constant, column, column_kind)                                                      \
    {.name = #column,                                                                              \
     .kind = (cm_column_kind)KIND_##column_kind,                                                   \
     .is_added = IS_ADDED_##column_kind},

static const cm_column META[] = {CM_TABLE_META(COLUMN)};
static const cm_column HOMES[] = {CM_TABLE_HOMES(COLUMN)};
static const cm_column ACCOUNTS[] = {CM_TABLE_ACCOUNTS(COLUMN)};
static const cm_column SESSIONS[] = {CM_TABLE_SESSIONS(COLUMN)};
static const cm_column MEMBERSHIPS[] = {CM_TABLE_MEMBERSHIPS(COLUMN)};
static const cm_column CAMERAS[] = {CM_TABLE_CAMERAS(COLUMN)};
static const cm_column GRANTS[] = {CM_TABLE_GRANTS(COLUMN)};
static const cm_column API_TOKENS[] = {CM_TABLE_API_TOKENS(COLUMN)};
static const cm_column INVITATIONS[] = {CM_TABLE_INVITATIONS(COLUMN)};
static const cm_column GUEST_LINKS[] = {CM_TABLE_GUEST_LINKS(COLUMN)};
static const cm_column GUEST_LOOKS[] = {CM_TABLE_GUEST_LOOKS(COLUMN)};
static const cm_column SETUP_TOKENS[] = {CM_TABLE_SETUP_TOKENS(COLUMN)};
static const cm_column SETTINGS[] = {CM_TABLE_SETTINGS(COLUMN)};
static const cm_column PASSKEYS[] = {CM_TABLE_PASSKEYS(COLUMN)};
static const cm_column RECOVERY[] = {CM_TABLE_RECOVERY(COLUMN)};
static const cm_column TOTP[] = {CM_TABLE_TOTP(COLUMN)};
static const cm_column CAMERA_GROUPS[] = {CM_TABLE_CAMERA_GROUPS(COLUMN)};
static const cm_column GROUP_CAMERAS[] = {CM_TABLE_GROUP_CAMERAS(COLUMN)};
static const cm_column GROUP_GRANTS[] = {CM_TABLE_GROUP_GRANTS(COLUMN)};
static const cm_column TOLD[] = {CM_TABLE_TOLD(COLUMN)};

enum {
    /* Tables without: past the last column. */
    CM_SETUP_TOKENS_GENERATION = CM_SETUP_TOKENS_COLUMNS,
    CM_SETTINGS_GENERATION = CM_SETTINGS_COLUMNS,
    CM_TOLD_GENERATION = CM_TOLD_COLUMNS,
    /* Of the server itself: none. */
    META_OWNER = CM_META_COLUMNS,
    SETUP_TOKENS_OWNER = CM_SETUP_TOKENS_COLUMNS,
    SETTINGS_OWNER = CM_SETTINGS_COLUMNS,
    TOLD_OWNER = CM_TOLD_COLUMNS,
    HOMES_OWNER = CM_HOMES_ID,
    ACCOUNTS_OWNER = CM_ACCOUNTS_ID,
    SESSIONS_OWNER = CM_SESSIONS_ACCOUNT,
    MEMBERSHIPS_OWNER = CM_MEMBERSHIPS_HOME,
    CAMERAS_OWNER = CM_CAMERAS_HOME,
    GRANTS_OWNER = CM_GRANTS_HOME,
    API_TOKENS_OWNER = CM_API_TOKENS_HOME,
    PASSKEYS_OWNER = CM_PASSKEYS_ACCOUNT,
    RECOVERY_OWNER = CM_RECOVERY_ACCOUNT,
    TOTP_OWNER = CM_TOTP_ACCOUNT,
    CAMERA_GROUPS_OWNER = CM_CAMERA_GROUPS_HOME,
    GROUP_CAMERAS_OWNER = CM_GROUP_CAMERAS_HOME,
    GROUP_GRANTS_OWNER = CM_GROUP_GRANTS_HOME,
    INVITATIONS_OWNER = CM_INVITATIONS_HOME,
    GUEST_LINKS_OWNER = CM_GUEST_LINKS_HOME,
    GUEST_LOOKS_OWNER = CM_GUEST_LOOKS_HOME,
};

#define TABLE(constant, table, whose)                                                              \
    {.name = #table,                                                                               \
     .scope = CM_SCOPE_##whose,                                                                    \
     .columns = constant,                                                                          \
     .column_count = CM_##constant##_COLUMNS,                                                      \
     .generation = CM_##constant##_GENERATION,                                                     \
     .owner = constant##_OWNER},

const cm_table cm_tables[CM_TABLE_COUNT] = {CM_TABLES(TABLE)};
