/* Generations and epochs: what happens to rows and cameras when something is taken away. */
#include <assert.h>
#include <stdlib.h>

#include "store/sqlite/store_priv.h"

void cm_store_mix_digest(const cm_store *store, cm_known_kind kind, const char id[CM_ID_SIZE],
                         uint64_t generation, uint8_t digest[CM_MAC_SIZE])
{
    uint8_t bytes[1 + CM_ID_SIZE + 8];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u8(&w, (uint8_t)kind);
    cm_write_slice(&w, cm_slice_over(id, CM_ID_SIZE));
    cm_write_u64(&w, generation);
    uint8_t share[CM_MAC_SIZE];
    cm_secret_mac(&store->digest_key, cm_writer_done(&w), share);
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        digest[i] ^= share[i];
}

/* The database's generation rises once in a transaction. */
static void rise(cm_tx *tx)
{
    if (tx->has_risen)
        return;
    tx->has_risen = true;
    tx->generation++;
    cm_row_set_integer(&tx->meta, CM_META_GENERATION, (int64_t)tx->generation);
}

static void mix(cm_tx *tx, cm_known_kind kind, const char id[CM_ID_SIZE], uint64_t generation)
{
    /* In place: the digest keeps its room in the row. */
    cm_store_mix_digest(tx->store, kind, id, generation,
                        &tx->meta.storage[tx->meta.values[CM_META_DIGEST].offset]);
}

static cm_passed_item owner_item(cm_known_kind kind, const char id[CM_ID_SIZE])
{
    cm_passed_item item = {.kind = kind};
    cm_store_copy(item.key.home.text, CM_ID_SIZE, cm_slice_over(id, CM_ID_SIZE));
    return item;
}

bool cm_tx_was_bumped(const cm_tx *tx, cm_known_kind kind, const char id[CM_ID_SIZE])
{
    const cm_passed_item item = owner_item(kind, id);
    return cm_passed_has(&tx->bumped, &item);
}

static cm_status note_bumped(cm_tx *tx, cm_known_kind kind, const char id[CM_ID_SIZE])
{
    const cm_passed_item item = owner_item(kind, id);
    return cm_passed_add(&tx->bumped, &item);
}

/* Rows that fitted under the old generation, to be vouched for under the new one. */
typedef struct restamp {
    struct restamp_row {
        cm_table_id table;
        int64_t rowid;
    } * rows;
    size_t count;
} restamp;

static void free_restamp(restamp *r)
{
    free(r->rows);
}

static cm_status collect(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    restamp *r = owner;
    CM_TRY(cm_store_grow((void **)&r->rows, r->count, sizeof *r->rows));
    r->rows[r->count++] =
        (struct restamp_row){.table = (cm_table_id)(row->table - cm_tables), .rowid = row->rowid};
    return CM_OK;
}

static cm_status collect_of(cm_tx *tx, cm_table_id table, const char id[CM_ID_SIZE], restamp *r)
{
    cm_row probe;
    cm_row_init(&probe, table);
    cm_row_set_id(&probe, probe.table->owner, id);
    return cm_tx_each(tx, &probe, CM_WHERE(probe.table->owner), collect, r);
}

static cm_status write_again(cm_tx *tx, const restamp *r)
{
    const bool has_taken = tx->has_taken;
    for (size_t i = 0; i < r->count; i++) {
        cm_row row;
        CM_TRY(cm_db_find_rowid(tx->db, r->rows[i].table, r->rows[i].rowid, &row));
        CM_TRY(cm_tx_update(tx, &row));
    }
    tx->has_taken = has_taken; /* nothing was, by this */
    return CM_OK;
}

/* The owner's own row under the risen generation. */
static cm_status bump_owner(cm_tx *tx, cm_row *row, cm_known_kind kind, const char id[CM_ID_SIZE])
{
    mix(tx, kind, id, (uint64_t)cm_row_integer(row, row->table->generation));
    rise(tx);
    mix(tx, kind, id, tx->generation);
    cm_row_set_integer(row, row->table->generation, (int64_t)tx->generation);
    CM_TRY(cm_tx_update(tx, row));
    return note_bumped(tx, kind, id);
}

static cm_status bump_home(cm_tx *tx, const cm_home_id *home)
{
    CM_AUTO(free_restamp) restamp r = {.count = 0};
    static const cm_table_id TABLES[] = {
        CM_MEMBERSHIPS,   CM_CAMERAS,      CM_GRANTS,      CM_API_TOKENS,  CM_CAMERA_GROUPS,
        CM_GROUP_CAMERAS, CM_GROUP_GRANTS, CM_INVITATIONS, CM_GUEST_LINKS, CM_GUEST_LOOKS};
    for (size_t i = 0; i < CM_COUNT(TABLES); i++)
        CM_TRY(collect_of(tx, TABLES[i], home->text, &r));
    cm_row row;
    CM_TRY(cm_tx_home(tx, home, &row));
    CM_TRY(bump_owner(tx, &row, CM_KNOWN_HOME, home->text));
    tx->home_generation = tx->generation;
    return write_again(tx, &r);
}

static cm_status bump_account(cm_tx *tx, const cm_account_id *account)
{
    CM_AUTO(free_restamp) restamp r = {.count = 0};
    static const cm_table_id TABLES[] = {CM_SESSIONS, CM_PASSKEYS, CM_RECOVERY, CM_TOTP};
    for (size_t i = 0; i < CM_COUNT(TABLES); i++)
        CM_TRY(collect_of(tx, TABLES[i], account->text, &r));
    cm_row row;
    CM_TRY(cm_tx_account(tx, account, &row));
    CM_TRY(bump_owner(tx, &row, CM_KNOWN_ACCOUNT, account->text));
    return write_again(tx, &r);
}

cm_status cm_tx_bump_home(cm_tx *tx, const cm_home_id *home)
{
    return cm_tx_was_bumped(tx, CM_KNOWN_HOME, home->text) ? CM_OK : bump_home(tx, home);
}

cm_status cm_tx_bump_account(cm_tx *tx, const cm_account_id *account)
{
    return cm_tx_was_bumped(tx, CM_KNOWN_ACCOUNT, account->text) ? CM_OK
                                                                 : bump_account(tx, account);
}

cm_status cm_tx_bump_again(cm_tx *tx)
{
    tx->passing_generation = tx->generation;
    tx->has_risen = false;
    rise(tx);
    /* By index: each is noted again, and is there already. */
    for (size_t i = 0; i < tx->bumped.count; i++) {
        const cm_passed_item item = tx->bumped.items[i];
        cm_account_id account;
        cm_store_copy(account.text, CM_ID_SIZE, cm_slice_over(item.key.home.text, CM_ID_SIZE));
        const cm_status status =
            item.kind == CM_KNOWN_HOME ? bump_home(tx, &item.key.home) : bump_account(tx, &account);
        /* The owner itself may be what was taken. */
        CM_ENSURE(status == CM_OK || status == CM_ABSENT, status);
    }
    return CM_OK;
}

static cm_known_kind kind_of(const cm_row *row)
{
    return row->table->scope == CM_SCOPE_HOMES ? CM_KNOWN_HOME : CM_KNOWN_ACCOUNT;
}

cm_status cm_tx_add_owner(cm_tx *tx, cm_row *row)
{
    char id[CM_ID_SIZE];
    CM_ENSURE(cm_row_read_id(row, row->table->owner, id), CM_REFUSE);
    /* Risen, so that nothing that claims to be from before the start can appear later. */
    rise(tx);
    cm_row_set_integer(row, row->table->generation, (int64_t)tx->generation);
    cm_row_sign(row, &tx->store->server_key);
    CM_TRY(cm_db_insert(tx->db, row));
    mix(tx, kind_of(row), id, tx->generation);
    return note_bumped(tx, kind_of(row), id);
}

cm_status cm_tx_remove_owner(cm_tx *tx, const cm_row *row)
{
    char id[CM_ID_SIZE];
    CM_ENSURE(cm_row_read_id(row, row->table->owner, id), CM_FOREIGN);
    mix(tx, kind_of(row), id, (uint64_t)cm_row_integer(row, row->table->generation));
    rise(tx);
    tx->has_home = false;
    CM_TRY(cm_tx_delete(tx, row));
    return note_bumped(tx, kind_of(row), id);
}

/* ---- epochs ---- */

static cm_status note_raise(cm_tx *tx, const cm_camera_key *key, uint64_t min_epoch)
{
    const cm_passed_item item = {.kind = CM_KNOWN_HOME, .key = *key};
    cm_change *change = tx->change;
    CM_TRY(cm_passed_add(&tx->raised, &item));
    if (change == NULL)
        return CM_OK;
    CM_TRY(cm_store_grow((void **)&change->raised, change->raised_count, sizeof *change->raised));
    change->raised[change->raised_count++] =
        (cm_epoch_raise){.camera = *key, .min_epoch = min_epoch};
    return CM_OK;
}

static bool was_raised(const cm_tx *tx, const cm_camera_key *key)
{
    const cm_passed_item item = {.kind = CM_KNOWN_HOME, .key = *key};
    return cm_passed_has(&tx->raised, &item);
}

cm_status cm_tx_note_gone(cm_tx *tx, const cm_camera_key *key)
{
    return note_raise(tx, key, UINT64_MAX);
}

cm_status cm_tx_raise_camera(cm_tx *tx, const cm_camera_key *key)
{
    if (was_raised(tx, key))
        return CM_OK;
    CM_TRY(cm_tx_bump_home(tx, &key->home));
    cm_row row;
    CM_TRY(cm_tx_camera(tx, key, &row));
    const int64_t epoch = cm_row_integer(&row, CM_CAMERAS_MIN_EPOCH) + 1;
    cm_row_set_integer(&row, CM_CAMERAS_MIN_EPOCH, epoch);
    CM_TRY(cm_tx_update(tx, &row));
    return note_raise(tx, key, (uint64_t)epoch);
}

static_assert((int)CM_GROUP_CAMERAS_CAMERA == (int)CM_GRANTS_CAMERA,
              "raise_row finds the camera of both in one column");

static cm_status raise_row(cm_tx *tx, cm_row *row, void *owner)
{
    (void)owner;
    const bool is_camera = row->table == &cm_tables[CM_CAMERAS];
    cm_camera_key key;
    if (!cm_row_read_id(row, row->table->owner, key.home.text) ||
        !cm_row_read_id(row, is_camera ? (unsigned)CM_CAMERAS_ID : (unsigned)CM_GRANTS_CAMERA,
                        key.camera.text))
        return cm_tx_refuse(tx, row->table, "id");
    const cm_status status = cm_tx_raise_camera(tx, &key);
    /* A camera whose own row does not fit has no lease to lose. */
    return status == CM_FOREIGN || status == CM_ABSENT ? CM_OK : status;
}

cm_status cm_tx_raise_all(cm_tx *tx, const cm_home_id *home)
{
    CM_TRY(cm_tx_bump_home(tx, home));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, home->text);
    return cm_tx_each(tx, &probe, CM_WHERE(CM_CAMERAS_HOME), raise_row, NULL);
}

cm_status cm_tx_raise_group(cm_tx *tx, const cm_group_key *key)
{
    cm_row probe;
    cm_row_init(&probe, CM_GROUP_CAMERAS);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_CAMERA_GROUP, key->group.text);
    return cm_tx_each(tx, &probe,
                      CM_WHERE(CM_GROUP_CAMERAS_HOME) | CM_WHERE(CM_GROUP_CAMERAS_CAMERA_GROUP),
                      raise_row, NULL);
}

static cm_status raise_granted_group(cm_tx *tx, cm_row *row, void *owner)
{
    (void)owner;
    cm_group_key key;
    if (!cm_row_read_id(row, CM_GROUP_GRANTS_HOME, key.home.text) ||
        !cm_row_read_id(row, CM_GROUP_GRANTS_CAMERA_GROUP, key.group.text))
        return cm_tx_refuse(tx, row->table, "id");
    return cm_tx_raise_group(tx, &key);
}

cm_status cm_tx_raise_seen(cm_tx *tx, const cm_home_id *home, const cm_account_id *account)
{
    cm_row membership;
    const cm_status status = cm_tx_membership(tx, home, account, &membership);
    if (status == CM_ABSENT || status == CM_FOREIGN)
        return CM_OK; /* gave no right */
    CM_TRY(status);
    if (cm_row_integer(&membership, CM_MEMBERSHIPS_ROLE) == CM_ROLE_OWNER)
        return cm_tx_raise_all(tx, home);
    CM_TRY(cm_tx_bump_home(tx, home));
    cm_row probe;
    cm_row_init(&probe, CM_GRANTS);
    cm_row_set_id(&probe, CM_GRANTS_HOME, home->text);
    cm_row_set_id(&probe, CM_GRANTS_ACCOUNT, account->text);
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_ACCOUNT), raise_row,
                      NULL));
    cm_row_init(&probe, CM_GROUP_GRANTS);
    cm_row_set_id(&probe, CM_GROUP_GRANTS_HOME, home->text);
    cm_row_set_id(&probe, CM_GROUP_GRANTS_ACCOUNT, account->text);
    return cm_tx_each(tx, &probe,
                      CM_WHERE(CM_GROUP_GRANTS_HOME) | CM_WHERE(CM_GROUP_GRANTS_ACCOUNT),
                      raise_granted_group, NULL);
}

static cm_status raise_membership(cm_tx *tx, cm_row *row, void *owner)
{
    const cm_account_id *account = owner;
    cm_home_id home;
    if (!cm_row_read_id(row, CM_MEMBERSHIPS_HOME, home.text))
        return cm_tx_refuse(tx, row->table, "id");
    return cm_tx_raise_seen(tx, &home, account);
}

cm_status cm_tx_raise_seen_anywhere(cm_tx *tx, const cm_account_id *account)
{
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    cm_account_id own = *account;
    return cm_tx_each(tx, &probe, CM_WHERE(CM_MEMBERSHIPS_ACCOUNT), raise_membership, &own);
}
