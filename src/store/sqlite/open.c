/* Opening: files, keys, migrations, and whether the database is as new as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/files.h"
#include "store/keyfile.h"
#include "store/sqlite/copies.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/store_priv.h"

typedef struct opening {
    const cm_store_config *config;
    cm_keyfile_fault fault; /* the sentence for the operator */
    cm_store *store;
    char path[PATH_MAX]; /* of the database */
    bool has_database;
} opening;

static cm_status say(const opening *o, const char *sentence)
{
    snprintf(o->fault.text, o->fault.capacity, "%s: %s", o->path, sentence);
    return CM_REFUSE;
}

/* ---- who else works on it ---- */

static cm_status hold(opening *o)
{
    const cm_status status = cm_files_hold(o->store->directory, CM_HOLD_SHARED, &o->store->hold);
    if (status == CM_RETRY)
        return say(o, "the data directory is being upgraded, restored or rolled back just now; try "
                      "again when that is done");
    return status == CM_OK ? CM_OK : say(o, "the data directory can't be locked");
}

static cm_status hold_alone(opening *o)
{
    return cm_files_hold_otherwise(o->store->hold, CM_HOLD_ALONE) == CM_OK
               ? CM_OK
               : say(o, "a server or another command works on it; stop it first");
}

static cm_status hold_with_others(opening *o)
{
    return cm_files_hold_otherwise(o->store->hold, CM_HOLD_SHARED) == CM_OK
               ? CM_OK
               : say(o, "the data directory can't be locked");
}

static cm_status look_at_files(opening *o)
{
    cm_store *store = o->store;
    const char *directory = o->config->directory;
    if (strlen(directory) + sizeof "/casement.db-journal" > sizeof store->directory)
        return say(o, "the path is too long");
    snprintf(store->directory, sizeof store->directory, "%s", directory);
    snprintf(o->path, sizeof o->path, "%s", directory);
    if (!o->config->must_exist && mkdir(directory, 0700) != 0 && errno != EEXIST)
        return say(o, "the data directory can't be made");
    struct stat info;
    if (stat(directory, &info) != 0 || !S_ISDIR(info.st_mode))
        return say(o, "there is no such data directory");
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return say(o, "the data directory may be written by others; do `chmod 0700` on it");
    CM_TRY(hold(o));
    snprintf(o->path, sizeof o->path, "%.*s/casement.db", (int)sizeof store->directory - 16,
             directory);
    const cm_status mode = cm_keyfile_check_mode(o->path, o->fault);
    o->has_database = mode == CM_OK;
    return mode == CM_REFUSE ? CM_REFUSE : CM_OK;
}

/* ---- keys ---- */

static void derive_keys(cm_store *store, const cm_secret *master)
{
    const cm_slice none = {.size = 0};
    cm_secret_derive(master, "rows of the server", none, &store->server_key);
    cm_secret_derive(master, "homes", none, &store->homes_key);
    cm_secret_derive(master, "generations", none, &store->digest_key);
    cm_secret_derive(master, "file generation", none, &store->file_key);
    cm_keyfile_check(master, store->key_check);
}

static cm_status read_keys(opening *o)
{
    CM_AUTO(cm_secret_clear) cm_secret master = {{0}};
    const char *directory =
        o->config->key_directory != NULL ? o->config->key_directory : o->store->directory;
    cm_status status = cm_keyfile_read(directory, o->fault, &master);
    if (status == CM_ABSENT && o->has_database)
        return say(o, "the master key (master.key beside it, or the credential "
                      "casement-master-key) is gone; put it back: without it nothing in this "
                      "database can be trusted or read");
    if (status == CM_ABSENT && o->config->must_exist)
        return say(o, "there is no database yet; start the server once");
    if (status == CM_ABSENT)
        status = cm_keyfile_make(o->store->directory, o->store->random_given, o->fault, &master);
    CM_TRY(status);
    derive_keys(o->store, &master);
    return CM_OK;
}

/* ---- a database that is not there yet ---- */

static cm_status make_database(opening *o)
{
    if (o->config->must_exist)
        return say(o, "there is no database yet; start the server once");
    uint64_t generation = 0;
    const cm_status status =
        cm_generation_read(o->store->directory, &o->store->file_key, &generation);
    if (status == CM_OK && generation > 0)
        return say(o, "the database is gone, but the file `generation` beside it says there was "
                      "one; put the database back, or remove `generation` to begin anew");
    if (status == CM_REFUSE)
        return say(o, "the file `generation` beside it does not fit the master key");
    if (cm_generation_raise(o->store->directory, &o->store->file_key, 0) != CM_OK)
        return say(o, "the file `generation` beside it can't be written");
    const int fd = open(o->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return say(o, "the database can't be made");
    close(fd);
    return CM_OK;
}

static cm_status insert_meta(cm_store *store)
{
    uint8_t database[16];
    const uint8_t digest[CM_MAC_SIZE] = {0};
    cm_random_fill(store->random_given, database, sizeof database);
    cm_row row;
    cm_row_init(&row, CM_META);
    cm_row_set_bytes(&row, CM_META_ID, CM_TEXT("meta"));
    cm_row_set_bytes(&row, CM_META_DATABASE, cm_slice_over(database, sizeof database));
    cm_row_set_bytes(&row, CM_META_KEY_CHECK,
                     cm_slice_over(store->key_check, sizeof store->key_check));
    cm_row_set_bytes(&row, CM_META_DIGEST, cm_slice_over(digest, sizeof digest));
    cm_row_sign(&row, &store->server_key);
    return cm_db_insert(&store->writer, &row);
}

/* Sentences of more than one part are written here. */
static cm_status say_later_version(const opening *o)
{
    char copy[CM_COPY_NAME_SIZE];
    if (cm_copies_find(o->store->directory, cm_migrations_steps(), copy) != CM_OK)
        return say(o, "this database was made by a later version of casement; start that one, or "
                      "restore a backup that was made with this one");
    snprintf(
        o->fault.text, o->fault.capacity,
        "%s: this database was made by a later version of casement; start that one. To go "
        "back instead, run `casement store rollback --data %s`: it puts %s back, the copy from "
        "before the upgrade; what was changed since is then in a copy beside it",
        o->path, o->store->directory, copy);
    return CM_REFUSE;
}

static cm_status look_at_steps(opening *o, bool *are_due, bool *is_empty)
{
    const cm_status look = cm_migrations_look(&o->store->writer, are_due);
    *is_empty = look == CM_ABSENT;
    if (look == CM_REFUSE)
        return say(o, "this is another program's database");
    if (look == CM_FULL)
        return say_later_version(o);
    if (look != CM_OK && look != CM_ABSENT)
        return say(o, "the database can't be read; see the log");
    return CM_OK;
}

static cm_status take_steps(opening *o, bool is_empty)
{
    cm_db *db = &o->store->writer;
    cm_status status = cm_db_begin(db, true);
    if (status == CM_OK)
        status = cm_migrations_run(db);
    if (status == CM_OK && is_empty)
        status = insert_meta(o->store);
    if (status == CM_OK)
        status = cm_db_commit(db);
    return status == CM_OK ? CM_OK : say(o, "the database can't be written; see the log");
}

static cm_status keep_copy(opening *o)
{
    int64_t step;
    cm_status status = cm_db_ask_integer(&o->store->writer, "PRAGMA user_version", &step);
    if (status == CM_OK)
        status = cm_copies_keep(&o->store->writer, o->store->directory, step);
    return status == CM_OK ? CM_OK
                           : say(o, "no copy of the database could be made before its upgrade; is "
                                    "the disk full? It is as it was");
}

/* Alone: a server of the earlier version must not find another database under its feet. */
static cm_status migrate(opening *o)
{
    bool are_due = true;
    bool is_empty = true;
    CM_TRY(look_at_steps(o, &are_due, &is_empty));
    if (!are_due)
        return CM_OK;
    if (is_empty && o->config->is_put_back)
        return say(o, "there is nothing in it");
    CM_TRY(hold_alone(o));
    CM_TRY(look_at_steps(o, &are_due, &is_empty));
    if (are_due && !is_empty && !o->config->is_put_back)
        CM_TRY(keep_copy(o));
    if (are_due)
        CM_TRY(take_steps(o, is_empty));
    return hold_with_others(o);
}

/* ---- is it as new as it was? ---- */

static cm_status add_share(cm_store *store, const cm_row *row, cm_known_kind kind,
                           uint8_t digest[CM_MAC_SIZE])
{
    char id[CM_ID_SIZE];
    CM_ENSURE(cm_row_is_signed(row, &store->server_key), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, row->table->owner, id), CM_FOREIGN);
    const uint64_t generation = (uint64_t)cm_row_integer(row, row->table->generation);
    cm_store_mix_digest(store, kind, id, generation, digest);
    return cm_known_raise(store->known, kind, id, generation);
}

static void free_rowids(int64_t **rowids)
{
    free(*rowids);
}

/* Every home and account is genuine, remembered, and part of the digest. */
static cm_status digest_owners(cm_store *store, cm_table_id table, cm_known_kind kind,
                               uint8_t digest[CM_MAC_SIZE])
{
    cm_row probe;
    cm_row_init(&probe, table);
    CM_AUTO(free_rowids) int64_t *rowids = NULL;
    size_t count = 0;
    CM_TRY(cm_db_rowids(&store->writer, &probe, 0, &rowids, &count));
    for (size_t i = 0; i < count; i++) {
        cm_row row;
        CM_TRY(cm_db_find_rowid(&store->writer, table, rowids[i], &row));
        CM_TRY(add_share(store, &row, kind, digest));
    }
    return CM_OK;
}

static cm_status read_meta(opening *o, cm_row *meta)
{
    cm_row probe;
    cm_row_init(&probe, CM_META);
    cm_row_set_bytes(&probe, CM_META_ID, CM_TEXT("meta"));
    if (cm_db_find(&o->store->writer, &probe, CM_WHERE(CM_META_ID), meta) != CM_OK)
        return say(o, "its first row is gone; put a sound copy back");
    if (!cm_slice_equal(cm_row_bytes(meta, CM_META_KEY_CHECK),
                        cm_slice_over(o->store->key_check, sizeof o->store->key_check)))
        return say(o, "the master key is not the one this database was made with; put the right "
                      "master.key beside it");
    if (!cm_row_is_signed(meta, &o->store->server_key) ||
        cm_row_bytes(meta, CM_META_DIGEST).size != CM_MAC_SIZE)
        return say(o, "its first row was changed by something other than casement; put a sound "
                      "copy back");
    return CM_OK;
}

/* CM_ABSENT: older than it was. `file` is what the file `generation` said. */
static cm_status compare_generations(opening *o, const cm_row *meta, cm_status file,
                                     uint64_t file_generation)
{
    cm_store *store = o->store;
    const uint64_t generation = (uint64_t)cm_row_integer(meta, CM_META_GENERATION);
    uint8_t digest[CM_MAC_SIZE] = {0};
    cm_known_begin(store->known, generation);
    cm_status status = digest_owners(store, CM_HOMES, CM_KNOWN_HOME, digest);
    if (status == CM_OK)
        status = digest_owners(store, CM_ACCOUNTS, CM_KNOWN_ACCOUNT, digest);
    if (status == CM_FOREIGN)
        return say(o, "a home or account was changed by something other than casement; put a "
                      "sound copy back");
    if (status != CM_OK)
        return say(o, "the database can't be read; see the log");
    const bool is_same =
        cm_slice_equal(cm_row_bytes(meta, CM_META_DIGEST), cm_slice_over(digest, sizeof digest));
    return is_same && file == CM_OK && file_generation <= generation ? CM_OK : CM_ABSENT;
}

/*
 * Another process may write meanwhile (the server, while a command opens its database). The file is
 * read first: it is written after its transaction, so what is read later is not older than it says.
 * The rows are read in one snapshot: the digest in the first is of the others as they are there.
 */
static cm_status compare_with_file(opening *o, uint64_t *file_out)
{
    cm_store *store = o->store;
    *file_out = 0;
    const cm_status file = cm_generation_read(store->directory, &store->file_key, file_out);
    if (file == CM_BROKEN)
        return say(o, "the file `generation` beside it can't be read");
    if (cm_db_begin(&store->writer, false) != CM_OK)
        return say(o, "the database can't be read; see the log");
    cm_row meta;
    cm_status status = read_meta(o, &meta);
    if (status == CM_OK)
        status = compare_generations(o, &meta, file, *file_out);
    if (cm_db_commit(&store->writer) != CM_OK && status == CM_OK)
        return say(o, "the database can't be read; see the log");
    return status;
}

/* ---- accept-restore ---- */

static cm_status bump_home(cm_tx *tx, cm_row *row, void *owner)
{
    (void)owner;
    cm_home_id home;
    CM_ENSURE(cm_row_read_id(row, CM_HOMES_ID, home.text), CM_FOREIGN);
    return cm_tx_raise_all(tx, &home);
}

static cm_status bump_account(cm_tx *tx, cm_row *row, void *owner)
{
    (void)owner;
    cm_account_id account;
    CM_ENSURE(cm_row_read_id(row, CM_ACCOUNTS_ID, account.text), CM_FOREIGN);
    return cm_tx_bump_account(tx, &account);
}

static cm_status write_digest(cm_tx *tx)
{
    uint8_t digest[CM_MAC_SIZE] = {0};
    CM_TRY(digest_owners(tx->store, CM_HOMES, CM_KNOWN_HOME, digest));
    CM_TRY(digest_owners(tx->store, CM_ACCOUNTS, CM_KNOWN_ACCOUNT, digest));
    cm_row_set_bytes(&tx->meta, CM_META_DIGEST, cm_slice_over(digest, sizeof digest));
    return CM_OK;
}

static cm_status take_over(cm_store *store, uint64_t file_generation)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    if (tx.generation < file_generation)
        tx.generation = file_generation;
    static const cm_table_id ENDED[] = {CM_SESSIONS,    CM_API_TOKENS, CM_SETUP_TOKENS,
                                        CM_PASSKEYS,    CM_RECOVERY,   CM_INVITATIONS,
                                        CM_GUEST_LOOKS, CM_GUEST_LINKS};
    cm_row probe;
    for (size_t i = 0; i < CM_COUNT(ENDED); i++) {
        cm_row_init(&probe, ENDED[i]);
        CM_TRY(cm_tx_delete_all(&tx, &probe, 0, NULL));
    }
    cm_row_init(&probe, CM_HOMES);
    CM_TRY(cm_tx_each(&tx, &probe, 0, bump_home, NULL));
    cm_row_init(&probe, CM_ACCOUNTS);
    CM_TRY(cm_tx_each(&tx, &probe, 0, bump_account, NULL));
    /* Also with neither home nor account it must be newer than the file. */
    tx.generation = tx.has_risen ? tx.generation : tx.generation + 1;
    tx.has_risen = true;
    cm_row_set_integer(&tx.meta, CM_META_GENERATION, (int64_t)tx.generation);
    CM_TRY(write_digest(&tx));
    CM_TRY(cm_tx_commit(&tx));
    cm_log(CM_LOG_WARN, "store", "event=restore-accepted generation=%llu",
           (unsigned long long)file_generation);
    return CM_OK;
}

static cm_status take_over_alone(opening *o, uint64_t file_generation)
{
    CM_TRY(hold_alone(o));
    if (take_over(o->store, file_generation) != CM_OK)
        return say(o, "it can't be taken over");
    o->store->is_taken_over = true;
    return hold_with_others(o);
}

static cm_status check_age(opening *o)
{
    uint64_t file = 0;
    cm_status status = compare_with_file(o, &file);
    const bool accepts_older = o->config->accepts_older || o->config->is_put_back;
    if (status == CM_OK && o->config->is_put_back)
        status = CM_ABSENT;
    if (status == CM_ABSENT && !accepts_older)
        return say(o, "the database or some of its rows are older than they were: an old copy was "
                      "put back, or the file `generation` beside it was lost. What was taken away "
                      "since then would be given again. If you mean it, run `casement store "
                      "accept-restore`: it signs everybody out, revokes all API tokens and removes "
                      "all passkeys and recovery codes; then "
                      "look at the members and cameras of each home");
    if (status == CM_ABSENT)
        status = take_over_alone(o, file);
    CM_TRY(status);
    const uint64_t generation = cm_known_generation(o->store->known);
    if (cm_generation_raise(o->store->directory, &o->store->file_key, generation) != CM_OK)
        return say(o, "the file `generation` beside it can't be written");
    return CM_OK;
}

/* ---- connections ---- */

static cm_status limit_size(opening *o)
{
    if (o->config->size_bytes_max == 0)
        return CM_OK;
    int64_t page_size;
    CM_TRY(cm_db_ask_integer(&o->store->writer, "PRAGMA page_size", &page_size));
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%zu",
             o->config->size_bytes_max / (size_t)page_size);
    return cm_db_run(&o->store->writer, sql);
}

static cm_status open_connections(opening *o)
{
    cm_store *store = o->store;
    if (cm_db_open(o->path, &store->writer) != CM_OK)
        return say(o, "the database can't be opened; see the log");
    CM_TRY(migrate(o));
    if (limit_size(o) != CM_OK)
        return say(o, "its size can't be bounded");
    for (size_t i = 0; i < CM_STORE_READERS; i++)
        if (cm_db_open(o->path, &store->readers[i].db) != CM_OK)
            return say(o, "the database can't be opened; see the log");
    CM_TRY(check_age(o));
    return cm_db_ask_integer(&store->writer, "PRAGMA data_version", &store->outside_version);
}

static cm_status open_store(opening *o)
{
    CM_TRY(look_at_files(o));
    CM_TRY(read_keys(o));
    if (!o->has_database)
        CM_TRY(make_database(o));
    return open_connections(o);
}

static cm_status allocate(const cm_store_config *config, cm_store **out)
{
    cm_store *store = calloc(1, sizeof *store);
    CM_ENSURE(store != NULL, CM_BROKEN);
    if (cm_known_create(&store->known) != CM_OK ||
        cm_zones_create(NULL, config->time_zone, &store->zones) != CM_OK) {
        cm_known_destroy(store->known);
        free(store);
        return CM_BROKEN;
    }
    store->hold = -1;
    store->random = cm_random_system();
    store->random_given = config->random != NULL ? config->random : &store->random;
    pthread_mutex_init(&store->write_lock, NULL);
    for (size_t i = 0; i < CM_STORE_READERS; i++)
        pthread_mutex_init(&store->readers[i].lock, NULL);
#ifdef CM_FAULT_INJECTION
    pthread_mutex_init(&store->cache_lock, NULL);
#endif
    *out = store;
    return CM_OK;
}

cm_status cm_store_open(const cm_store_config *config, char message[CM_STORE_MESSAGE_SIZE],
                        cm_store **out)
{
    message[0] = '\0';
    opening o = {.config = config, .fault = {.text = message, .capacity = CM_STORE_MESSAGE_SIZE}};
    CM_TRY(allocate(config, &o.store));
    const cm_status status = open_store(&o);
    if (status != CM_OK) {
        cm_store_close(o.store);
        return status;
    }
    *out = o.store;
    return CM_OK;
}

void cm_store_close(cm_store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < CM_STORE_READERS; i++) {
        cm_db_close(&store->readers[i].db);
        pthread_mutex_destroy(&store->readers[i].lock);
    }
    cm_db_close(&store->writer);
    pthread_mutex_destroy(&store->write_lock);
#ifdef CM_FAULT_INJECTION
    pthread_mutex_destroy(&store->cache_lock);
#endif
    cm_zones_destroy(store->zones);
    cm_known_destroy(store->known);
    cm_file_close(&store->hold);
    cm_secret_clear(&store->server_key);
    cm_secret_clear(&store->homes_key);
    cm_secret_clear(&store->digest_key);
    cm_secret_clear(&store->file_key);
    free(store);
}

/* ---- looking it over ---- */

static cm_status count_row(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    (void)row;
    (*(size_t *)owner)++;
    return CM_OK;
}

static cm_status check_integrity(cm_tx *tx)
{
    sqlite3_stmt *s = NULL;
    bool is_sound = false;
    if (sqlite3_prepare_v2(tx->db->handle, "PRAGMA integrity_check(1)", -1, &s, NULL) ==
            SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        is_sound =
            cm_slice_equal(cm_slice_of((const char *)sqlite3_column_text(s, 0)), CM_TEXT("ok"));
    sqlite3_finalize(s);
    return is_sound ? CM_OK : CM_BROKEN;
}

cm_status cm_store_check(cm_store *store)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(check_integrity(&tx));
    for (unsigned table = 0; table < CM_TABLE_COUNT; table++) {
        cm_row probe;
        cm_row_init(&probe, (cm_table_id)table);
        size_t all;
        size_t genuine = 0;
        CM_TRY(cm_db_count(tx.db, &probe, 0, &all));
        CM_TRY(cm_tx_each(&tx, &probe, 0, count_row, &genuine));
        CM_ENSURE(genuine == all, CM_FOREIGN);
    }
    return CM_OK;
}

void cm_store_read_counters(const cm_store *store, cm_store_counters *out)
{
    *out = (cm_store_counters){
        .evidence_reads = atomic_load(&store->evidence_reads),
        .evidence_alarms = atomic_load(&store->evidence_alarms),
        .writes = atomic_load(&store->writes),
        .write_failures = atomic_load(&store->write_failures),
    };
}

/* ---- other processes ---- */

static cm_status note_epoch(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_change *change = owner;
    cm_stored_camera camera;
    CM_TRY(cm_store_read_camera(row, &camera));
    CM_TRY(cm_store_grow((void **)&change->raised, change->raised_count, sizeof *change->raised));
    change->raised[change->raised_count++] =
        (cm_epoch_raise){.camera = camera.key, .min_epoch = camera.min_epoch};
    return CM_OK;
}

cm_status cm_store_outside_changes(cm_store *store, int64_t *seen, bool *has_changed,
                                   cm_change *out)
{
    *has_changed = false;
    *out = (cm_change){.raised_count = 0};
    pthread_mutex_lock(&store->write_lock);
    int64_t version = 0;
    const cm_status status = cm_db_ask_integer(&store->writer, "PRAGMA data_version", &version);
    const bool is_other =
        status == CM_OK && version != (*seen != 0 ? *seen : store->outside_version);
    pthread_mutex_unlock(&store->write_lock);
    CM_TRY(status);
    if (!is_other)
        return CM_OK;
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, 0, note_epoch, &change));
    *seen = version; /* only here: what failed is looked at again */
    *out = change;
    change = (cm_change){.raised_count = 0};
    *has_changed = true;
    return CM_OK;
}
