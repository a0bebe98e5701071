/*
 * store_world: a store in a directory of its own with two homes that look alike, for the tests of
 * store, identity and grants. Tests only.
 *
 * Home verdi: anna (owner), bruno (guest, granted "door"). Home rossi: carla (owner), dario (guest,
 * granted "door"). Both homes have the cameras "door" and "yard". Each account is signed in by the
 * token hash that session_of() gives.
 */
#pragma once

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/evidence.h"
#include "store/store.h"
#include "unit.h"

#define NOW    ((cm_wall){.us = INT64_C(1795000000000000)})
#define DAY_US (CM_SECONDS(86400))
#define VIEW   1u
#define PEOPLE 4
#define ANNA   0
#define BRUNO  1
#define CARLA  2
#define DARIO  3

static const cm_session_origin WORLD_ORIGIN = {
    .method = CM_METHOD_PASSWORD, .device = "Firefox on Linux", .network = "192.168.1.20"};

typedef struct store_world {
    char directory[64];
    cm_store *store;
    char message[CM_STORE_MESSAGE_SIZE];
    cm_home_id verdi, rossi;
    cm_stored_account people[PEOPLE];
    cm_asker sessions[PEOPLE];
} store_world;

static inline cm_home_id home_id(const char *text)
{
    cm_home_id id;
    assert_int_equal(cm_home_id_parse(cm_slice_of(text), &id), CM_OK);
    return id;
}

static inline cm_camera_key camera_key(const char *home, const char *camera)
{
    cm_camera_key key = {.home = home_id(home)};
    assert_int_equal(cm_camera_id_parse(cm_slice_of(camera), &key.camera), CM_OK);
    return key;
}

static inline cm_asker asker_of(cm_asker_kind kind, const char *token)
{
    cm_asker asker = {.kind = kind};
    cm_secret_hash(cm_slice_of(token), asker.token_hash);
    return asker;
}

static inline cm_status world_try_open(store_world *w, const cm_store_config *more)
{
    cm_store_config config = more != NULL ? *more : (cm_store_config){.random = NULL};
    config.directory = w->directory;
    return cm_store_open(&config, w->message, &w->store);
}

static inline void store_world_reopen(store_world *w)
{
    cm_store_close(w->store);
    w->store = NULL;
    assert_int_equal(world_try_open(w, NULL), CM_OK);
}

static inline void world_add_home(store_world *w, const char *id, const char *name)
{
    cm_stored_home home = {.id = home_id(id)};
    assert_int_equal(cm_slice_to_cstr(cm_slice_of(name), home.name, sizeof home.name), CM_OK);
    assert_int_equal(cm_store_home_create(w->store, &home, NOW), CM_OK);
}

static inline void world_add_camera(store_world *w, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    const cm_new_camera fresh = {.id = key.camera,
                                 .name = cm_slice_of(camera),
                                 .main = CM_TEXT("rtsp://192.168.1.4/main"),
                                 .sub = CM_TEXT("rtsp://192.168.1.4/sub"),
                                 .user = CM_TEXT("admin"),
                                 .password = CM_TEXT("kitchen-secret")};
    cm_stored_camera out;
    assert_int_equal(cm_store_camera_create(w->store, &key.home, &fresh, NOW, &out), CM_OK);
}

static inline void world_add_person(store_world *w, size_t who, const char *name,
                                    const cm_home_id *home, cm_role role)
{
    cm_new_account fresh = {.name = cm_slice_of(name), .password_hash = CM_TEXT("hash")};
    assert_int_equal(cm_account_id_parse(cm_slice_of(name), &fresh.id), CM_OK);
    assert_int_equal(cm_store_member_create(w->store, home, &fresh, role, NOW, &w->people[who]),
                     CM_OK);
    w->sessions[who] = asker_of(CM_ASKER_SESSION, name);
    cm_change change;
    assert_int_equal(cm_store_session_create(w->store, &fresh.id, w->sessions[who].token_hash,
                                             &WORLD_ORIGIN, NOW, &change),
                     CM_OK);
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
}

/* One row that gives these rights at any time. */
#define GRANTED(bits) ((cm_grant_rows){.count = (bits) != 0, .items = {{.rights = (bits)}}})

/* To look, at any time. */
static const cm_grant_terms JUST_VIEW = {.rights = VIEW};

static inline void world_grant(store_world *w, const char *home, const char *camera, size_t who)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_change change;
    assert_int_equal(
        cm_store_grant_put(w->store, &key, &w->people[who].id, &JUST_VIEW, false, NOW, &change),
        CM_OK);
    assert_int_equal(change.raised_count, 0);
    cm_change_clear(&change);
}

static inline void store_world_open_empty(store_world *w)
{
    *w = (store_world){.directory = "/tmp/casement-store-XXXXXX"};
    assert_non_null(mkdtemp(w->directory));
    cm_log_set_level(
        (cm_log_level)(CM_LOG_ERROR + 1)); /* refusals are what these tests are about */
    assert_int_equal(world_try_open(w, NULL), CM_OK);
}

static inline void store_world_open(store_world *w)
{
    store_world_open_empty(w);
    world_add_home(w, "verdi", "Casa Verdi");
    world_add_home(w, "rossi", "Casa Rossi");
    w->verdi = home_id("verdi");
    w->rossi = home_id("rossi");
    static const char *const CAMERAS[] = {"door", "yard"};
    for (size_t i = 0; i < CM_COUNT(CAMERAS); i++) {
        world_add_camera(w, "verdi", CAMERAS[i]);
        world_add_camera(w, "rossi", CAMERAS[i]);
    }
    world_add_person(w, ANNA, "anna", &w->verdi, CM_ROLE_OWNER);
    world_add_person(w, BRUNO, "bruno", &w->verdi, CM_ROLE_GUEST);
    world_add_person(w, CARLA, "carla", &w->rossi, CM_ROLE_OWNER);
    world_add_person(w, DARIO, "dario", &w->rossi, CM_ROLE_GUEST);
    world_grant(w, "verdi", "door", BRUNO);
    world_grant(w, "rossi", "door", DARIO);
}

/* What the chain says about a person and a camera. */
static inline cm_status evidence_of(store_world *w, size_t who, const char *home,
                                    const char *camera, cm_evidence *out, const char **cause)
{
    const cm_camera_key key = camera_key(home, camera);
    return cm_store_evidence(w->store, &w->sessions[who], &key, NOW, out, cause);
}

static inline void assert_raised(const cm_change *change, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    for (size_t i = 0; i < change->raised_count; i++)
        if (cm_camera_key_equal(&change->raised[i].camera, &key))
            return;
    fail_msg("%s/%s was not raised", home, camera);
}

/* From six to ten. */
static const cm_grant_terms EVENINGS = {.rights = VIEW, .hours = {.from = 1080, .to = 1320}};

static inline void remove_directory(const char *directory)
{
    DIR *d = opendir(directory);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        unlink(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(directory);
}

static inline void store_world_close(store_world *w)
{
    cm_store_close(w->store);
    remove_directory(w->directory);
}

/* A hand in the database, behind the store's back. */
static inline void world_sql(const store_world *w, const char *sql)
{
    char path[128];
    snprintf(path, sizeof path, "%s/casement.db", w->directory);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

static inline void world_copy_file(const store_world *w, const char *from, const char *to)
{
    char path[256];
    uint8_t bytes[65536];
    snprintf(path, sizeof path, "%s/%s", w->directory, from);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    snprintf(path, sizeof path, "%s/%s", w->directory, to);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    chmod(path, 0600);
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(in);
    fclose(out);
}

/* The database as the first version made it: what came later is taken out, a line each. */
static inline void world_first_version(const store_world *w)
{
    world_sql(w, "ALTER TABLE cameras DROP COLUMN takes_talk;"
                 "ALTER TABLE sessions DROP COLUMN method;"
                 "ALTER TABLE sessions DROP COLUMN authenticated;"
                 "ALTER TABLE sessions DROP COLUMN device;"
                 "ALTER TABLE sessions DROP COLUMN network;"
                 "DROP TABLE passkeys; DROP TABLE recovery; DROP TABLE invitations;"
                 "DROP TABLE totp; ALTER TABLE accounts DROP COLUMN has_totp;"
                 "DROP TABLE guest_looks; DROP TABLE guest_links;"
                 "DROP TABLE told; CREATE INDEX grants_camera ON grants (home, camera);"
                 "ALTER TABLE api_tokens DROP COLUMN name;"
                 "DROP TABLE group_grants; DROP TABLE group_cameras; DROP TABLE camera_groups;"
                 "ALTER TABLE homes DROP COLUMN time_zone;"
                 "ALTER TABLE homes DROP COLUMN suspended;"
                 "ALTER TABLE homes DROP COLUMN suspended_by;"
                 "ALTER TABLE homes DROP COLUMN suspended_why;"
                 "ALTER TABLE grants DROP COLUMN not_before;"
                 "ALTER TABLE grants DROP COLUMN not_after;"
                 "ALTER TABLE grants DROP COLUMN days;"
                 "ALTER TABLE grants DROP COLUMN from_minute;"
                 "ALTER TABLE grants DROP COLUMN to_minute;"
                 "PRAGMA user_version=1");
}
