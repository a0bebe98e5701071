#include "store/sqlite/migrations.h"

#include <stdio.h>

#include "base/writer.h"

/* STRICT: a column holds its own kind and nothing else. */
static const char *const STEPS[] = {
    "CREATE TABLE meta (id TEXT NOT NULL PRIMARY KEY, database BLOB NOT NULL,"
    " key_check BLOB NOT NULL, generation INTEGER NOT NULL, digest BLOB NOT NULL,"
    " mac BLOB NOT NULL) STRICT;"

    "CREATE TABLE homes (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, salt BLOB NOT NULL,"
    " is_declared INTEGER NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " mac BLOB NOT NULL) STRICT;"

    "CREATE TABLE accounts (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " folded TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL, is_operator INTEGER NOT NULL,"
    " is_active INTEGER NOT NULL, is_declared INTEGER NOT NULL, created INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;"

    "CREATE TABLE sessions (token_hash BLOB NOT NULL PRIMARY KEY,"
    " account TEXT NOT NULL REFERENCES accounts (id), created INTEGER NOT NULL,"
    " last_used INTEGER NOT NULL, generation INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;"
    "CREATE INDEX sessions_account ON sessions (account);"

    "CREATE TABLE memberships (home TEXT NOT NULL REFERENCES homes (id),"
    " account TEXT NOT NULL REFERENCES accounts (id), role INTEGER NOT NULL,"
    " is_declared INTEGER NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " mac BLOB NOT NULL, PRIMARY KEY (home, account)) STRICT;"
    "CREATE INDEX memberships_account ON memberships (account);"

    "CREATE TABLE cameras (home TEXT NOT NULL REFERENCES homes (id), id TEXT NOT NULL,"
    " name TEXT NOT NULL, main TEXT NOT NULL, sub TEXT NOT NULL, user TEXT NOT NULL,"
    " password_box BLOB NOT NULL, keep INTEGER NOT NULL, is_declared INTEGER NOT NULL,"
    " min_epoch INTEGER NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " mac BLOB NOT NULL, PRIMARY KEY (home, id)) STRICT;"

    "CREATE TABLE grants (home TEXT NOT NULL, account TEXT NOT NULL, camera TEXT NOT NULL,"
    " rights INTEGER NOT NULL, is_declared INTEGER NOT NULL, created INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (home, account, camera),"
    " FOREIGN KEY (home, account) REFERENCES memberships (home, account),"
    " FOREIGN KEY (home, camera) REFERENCES cameras (home, id)) STRICT;"
    "CREATE INDEX grants_camera ON grants (home, camera);"

    "CREATE TABLE api_tokens (token_hash BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
    " home TEXT NOT NULL, account TEXT NOT NULL, camera TEXT NOT NULL, rights INTEGER NOT NULL,"
    " created INTEGER NOT NULL, expires INTEGER NOT NULL, last_used INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL, UNIQUE (home, id),"
    " FOREIGN KEY (home, account) REFERENCES memberships (home, account),"
    " FOREIGN KEY (home, camera) REFERENCES cameras (home, id)) STRICT;"
    "CREATE INDEX api_tokens_account ON api_tokens (home, account);"
    "CREATE INDEX api_tokens_camera ON api_tokens (home, camera);"

    "CREATE TABLE setup_tokens (token_hash BLOB NOT NULL PRIMARY KEY, created INTEGER NOT NULL,"
    " mac BLOB NOT NULL) STRICT;"
    "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL,"
    " mac BLOB NOT NULL) STRICT;",

    "ALTER TABLE cameras ADD COLUMN takes_talk INTEGER NOT NULL DEFAULT 0;",

    "ALTER TABLE sessions ADD COLUMN method INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN authenticated INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';",

    "CREATE TABLE passkeys (credential BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
    " account TEXT NOT NULL REFERENCES accounts (id), rp TEXT NOT NULL, name TEXT NOT NULL,"
    " public_key BLOB NOT NULL, sign_count INTEGER NOT NULL, is_backup_eligible INTEGER NOT NULL,"
    " is_backed_up INTEGER NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL, UNIQUE (account, id)) STRICT;"

    "CREATE TABLE recovery (code_hash BLOB NOT NULL PRIMARY KEY,"
    " account TEXT NOT NULL REFERENCES accounts (id), created INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;"
    "CREATE INDEX recovery_account ON recovery (account);",

    "ALTER TABLE homes ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE grants ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE grants ADD COLUMN not_after INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE grants ADD COLUMN days INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE grants ADD COLUMN from_minute INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE grants ADD COLUMN to_minute INTEGER NOT NULL DEFAULT 0;",

    "CREATE TABLE camera_groups (home TEXT NOT NULL REFERENCES homes (id), id TEXT NOT NULL,"
    " name TEXT NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " mac BLOB NOT NULL, PRIMARY KEY (home, id)) STRICT;"

    "CREATE TABLE group_cameras (home TEXT NOT NULL, camera_group TEXT NOT NULL,"
    " camera TEXT NOT NULL, generation INTEGER NOT NULL, mac BLOB NOT NULL,"
    " PRIMARY KEY (home, camera, camera_group),"
    " FOREIGN KEY (home, camera_group) REFERENCES camera_groups (home, id),"
    " FOREIGN KEY (home, camera) REFERENCES cameras (home, id)) STRICT;"
    "CREATE INDEX group_cameras_group ON group_cameras (home, camera_group);"

    "CREATE TABLE group_grants (home TEXT NOT NULL, account TEXT NOT NULL,"
    " camera_group TEXT NOT NULL, rights INTEGER NOT NULL, is_declared INTEGER NOT NULL,"
    " created INTEGER NOT NULL, generation INTEGER NOT NULL, not_before INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL, days INTEGER NOT NULL, from_minute INTEGER NOT NULL,"
    " to_minute INTEGER NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (home, account, camera_group),"
    " FOREIGN KEY (home, account) REFERENCES memberships (home, account),"
    " FOREIGN KEY (home, camera_group) REFERENCES camera_groups (home, id)) STRICT;"
    "CREATE INDEX group_grants_group ON group_grants (home, camera_group);",

    "CREATE TABLE invitations (token_hash BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
    " home TEXT NOT NULL REFERENCES homes (id), role INTEGER NOT NULL, label TEXT NOT NULL,"
    " cameras BLOB NOT NULL, made_by TEXT NOT NULL, created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, used_by TEXT NOT NULL, used INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL, UNIQUE (home, id)) STRICT;",

    "ALTER TABLE homes ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE homes ADD COLUMN suspended_by TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE homes ADD COLUMN suspended_why TEXT NOT NULL DEFAULT '';",

    "ALTER TABLE accounts ADD COLUMN has_totp INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE totp (account TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),"
    " secret_box BLOB NOT NULL, is_confirmed INTEGER NOT NULL, last_step INTEGER NOT NULL,"
    " wrong INTEGER NOT NULL, created INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " mac BLOB NOT NULL) STRICT;",

    "CREATE TABLE guest_links (secret_hash BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL,"
    " home TEXT NOT NULL, camera TEXT NOT NULL, label TEXT NOT NULL, made_by TEXT NOT NULL,"
    " created INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"
    " openings_max INTEGER NOT NULL, openings INTEGER NOT NULL, last_opened INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, generation INTEGER NOT NULL, mac BLOB NOT NULL, UNIQUE (home, id),"
    " FOREIGN KEY (home, camera) REFERENCES cameras (home, id)) STRICT;"
    "CREATE INDEX guest_links_camera ON guest_links (home, camera);"

    "CREATE TABLE guest_looks (token_hash BLOB NOT NULL PRIMARY KEY, home TEXT NOT NULL,"
    " camera TEXT NOT NULL, link TEXT NOT NULL, opened INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, device TEXT NOT NULL, network TEXT NOT NULL,"
    " generation INTEGER NOT NULL, mac BLOB NOT NULL,"
    " FOREIGN KEY (home, link) REFERENCES guest_links (home, id)) STRICT;"
    "CREATE INDEX guest_looks_link ON guest_looks (home, link);"
    "CREATE INDEX guest_looks_camera ON guest_looks (home, camera);",

    "CREATE TABLE told (id TEXT NOT NULL PRIMARY KEY,"
    " entry BLOB NOT NULL, mac BLOB NOT NULL)"
    " STRICT;",

    /* The primary key finds a home's grants; those of a camera are some of these few. */
    "DROP INDEX grants_camera;",

    "ALTER TABLE api_tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';",
};

#ifdef CM_FURTHER_STEP /* stands for a later version, in tests of the upgrade */
enum { STEPS_COUNT = CM_COUNT(STEPS) + 1 };
#else
enum { STEPS_COUNT = CM_COUNT(STEPS) };
#endif

static const char *step_at(size_t index)
{
#ifdef CM_FURTHER_STEP
    if (index == CM_COUNT(STEPS))
        return "CREATE TABLE further_step (id INTEGER) STRICT;";
#endif
    return STEPS[index];
}

#ifdef CM_FAULT_INJECTION
/* A table's columns are in the order in which they came, which is not that of tables.h. */
static void write_columns(const cm_table *table, const char *prefix, char *out, size_t capacity)
{
    cm_writer w = cm_writer_over(out, capacity);
    for (unsigned c = 0; c < table->column_count; c++)
        cm_write_format(&w, "%s%s, ", prefix, table->columns[c].name);
    cm_write_format(&w, "%smac", prefix);
    cm_write_u8(&w, 0);
}

/* What was taken away or changed is kept beside its table, so that store.row.stale and
 * store.find.stale can serve it again, also after a restart. */
static cm_status keep_stale(cm_db *db)
{
    for (size_t i = 0; i < CM_TABLE_COUNT; i++) {
        const char *table = cm_tables[i].name;
        char columns[512];
        char values[512];
        write_columns(&cm_tables[i], "", columns, sizeof columns);
        write_columns(&cm_tables[i], "OLD.", values, sizeof values);
        char sql[4096];
        snprintf(sql, sizeof sql,
                 "CREATE TABLE IF NOT EXISTS stale_%s AS SELECT * FROM %s WHERE 0;"
                 "CREATE TRIGGER IF NOT EXISTS stale_%s_delete BEFORE DELETE ON %s BEGIN"
                 " INSERT INTO stale_%s (%s) VALUES (%s); END;"
                 "CREATE TRIGGER IF NOT EXISTS stale_%s_update BEFORE UPDATE ON %s BEGIN"
                 " INSERT INTO stale_%s (%s) VALUES (%s); END;",
                 table, table, table, table, table, columns, values, table, table, table, columns,
                 values);
        CM_TRY(cm_db_run(db, sql));
    }
    return CM_OK;
}
#endif

cm_status cm_migrations_look(cm_db *db, bool *are_due)
{
    int64_t application;
    int64_t version;
    int64_t tables;
    CM_TRY(cm_db_ask_integer(db, "PRAGMA application_id", &application));
    CM_TRY(cm_db_ask_integer(db, "PRAGMA user_version", &version));
    CM_TRY(cm_db_ask_integer(db, "SELECT count(*) FROM sqlite_schema", &tables));
    CM_ENSURE(application != 0 || version != 0 || tables != 0, CM_ABSENT);
    CM_ENSURE(application == CM_APPLICATION_ID, CM_REFUSE);
    CM_ENSURE(version >= 0 && version <= STEPS_COUNT, CM_FULL);
    *are_due = version < STEPS_COUNT;
    return CM_OK;
}

int64_t cm_migrations_steps(void)
{
    return STEPS_COUNT;
}

cm_status cm_migrations_run(cm_db *db)
{
    int64_t version;
    CM_TRY(cm_db_ask_integer(db, "PRAGMA user_version", &version));
    for (size_t i = (size_t)version; i < STEPS_COUNT; i++)
        CM_TRY(cm_db_run(db, step_at(i)));
#ifdef CM_FAULT_INJECTION
    CM_TRY(keep_stale(db));
#endif
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             CM_APPLICATION_ID, STEPS_COUNT);
    return cm_db_run(db, sql);
}
