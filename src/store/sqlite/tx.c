#include "store/sqlite/store_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"
#include "store/keyfile.h"

/* ---- begin and end ---- */

static cm_status read_meta(cm_tx *tx)
{
    /* Asked before the snapshot is taken: what was known then must be in it. */
    const uint64_t known = cm_known_generation(tx->store->known);
    CM_TRY(cm_db_begin(tx->db, tx->writes));
    tx->is_open = true;
    cm_row probe;
    cm_row_init(&probe, CM_META);
    cm_row_set_bytes(&probe, CM_META_ID, CM_TEXT("meta"));
    const cm_status status = cm_db_find(tx->db, &probe, CM_WHERE(CM_META_ID), &tx->meta);
    if (status != CM_OK)
        return status == CM_ABSENT ? cm_tx_refuse(tx, probe.table, "no-meta") : status;
    if (!cm_row_is_signed(&tx->meta, &tx->store->server_key))
        return cm_tx_refuse(tx, probe.table, "mac");
    tx->generation = (uint64_t)cm_row_integer(&tx->meta, CM_META_GENERATION);
    if (tx->generation < known)
        return cm_tx_refuse(tx, probe.table, "database-went-back");
    cm_known_raise_generation(tx->store->known, tx->generation);
    return CM_OK;
}

static void take_reader(cm_store *store, cm_tx *tx)
{
    const unsigned first = atomic_fetch_add(&store->next_reader, 1) % CM_STORE_READERS;
    for (unsigned i = 0; i < CM_STORE_READERS; i++) {
        cm_store_reader *reader = &store->readers[(first + i) % CM_STORE_READERS];
        if (pthread_mutex_trylock(&reader->lock) == 0) {
            tx->lock = &reader->lock;
            tx->db = &reader->db;
            return;
        }
    }
    pthread_mutex_lock(&store->readers[first].lock);
    tx->lock = &store->readers[first].lock;
    tx->db = &store->readers[first].db;
}

cm_status cm_tx_begin(cm_store *store, cm_tx_kind kind, cm_tx *tx)
{
    *tx =
        (cm_tx){.store = store, .writes = kind == CM_TX_WRITE, .believes = CM_FAULT(EVIDENCE_OFF)};
    if (tx->writes) {
        pthread_mutex_lock(&store->write_lock);
        tx->lock = &store->write_lock;
        tx->db = &store->writer;
        atomic_fetch_add(&store->writes, 1);
    } else {
        take_reader(store, tx);
    }
    return read_meta(tx);
}

cm_status cm_tx_begin_change(cm_store *store, cm_change *change, cm_tx *tx)
{
    *change = (cm_change){.raised_count = 0};
    const cm_status status = cm_tx_begin(store, CM_TX_WRITE, tx);
    tx->change = change;
    return status;
}

void cm_store_follow(cm_store *store, void (*on_taken)(void *owner, const cm_change *change),
                     void *owner)
{
    store->on_taken = on_taken;
    store->on_taken_owner = owner;
}

static void remember(const cm_tx *tx)
{
    const cm_store *store = tx->store;
    for (size_t i = 0; i < tx->bumped.count; i++) {
        const cm_passed_item *item = &tx->bumped.items[i];
        if (cm_known_raise(store->known, item->kind, item->key.home.text, tx->generation) != CM_OK)
            cm_log(CM_LOG_ERROR, "store", "event=generation-not-remembered cause=memory");
    }
    if (tx->has_risen)
        cm_known_raise_generation(store->known, tx->generation);
}

/* Tells the memory, who follows, and the file what was committed. The change stands already, so
 * a file that can't be written is no failure of it; the next one that can brings it up to date. */
static void publish(const cm_tx *tx)
{
    const cm_store *store = tx->store;
    remember(tx);
    if (store->on_taken != NULL && tx->change != NULL && tx->change->raised_count > 0)
        store->on_taken(store->on_taken_owner, tx->change);
    if (!tx->has_risen)
        return;
    if (cm_generation_raise(store->directory, &store->file_key, tx->generation) != CM_OK)
        cm_log(CM_LOG_ERROR, "store",
               "event=generation-not-written cause=disk effect=\"an old copy of the database may "
               "go unnoticed until the next change\"");
}

cm_status cm_tx_commit(cm_tx *tx)
{
    if (tx->has_taken)
        CM_TRY(cm_tx_bump_again(tx));
    if (tx->has_risen) {
        cm_row_sign(&tx->meta, &tx->store->server_key);
        CM_TRY(cm_db_update(tx->db, &tx->meta));
    }
    CM_TRY(cm_db_commit(tx->db));
    tx->is_open = false;
    if (tx->writes)
        publish(tx);
    tx->change = NULL; /* the caller's from here on */
    return CM_OK;
}

void cm_tx_end(cm_tx *tx)
{
    if (tx->is_open) {
        /* After disk full SQLite may have rolled back by itself. */
        if (sqlite3_get_autocommit(tx->db->handle) == 0)
            CM_IGNORE(cm_db_rollback(tx->db), "nothing was acknowledged");
        if (tx->writes)
            atomic_fetch_add(&tx->store->write_failures, 1);
    }
    if (tx->change != NULL)
        cm_change_clear(tx->change);
    cm_passed_clear(&tx->bumped);
    cm_passed_clear(&tx->raised);
    cm_secret_clear(&tx->home_key);
    if (tx->lock != NULL)
        pthread_mutex_unlock(tx->lock);
    *tx = (cm_tx){.store = NULL};
}

/* ---- verifying ---- */

cm_status cm_tx_refuse(cm_tx *tx, const cm_table *table, const char *cause)
{
    tx->cause = cause;
    cm_log(CM_LOG_ERROR, "store", "event=row-refused table=%s cause=%s", table->name, cause);
    return CM_FOREIGN;
}

static cm_known_kind kind_of(const cm_table *table)
{
    return table->scope == CM_SCOPE_HOMES ? CM_KNOWN_HOME : CM_KNOWN_ACCOUNT;
}

/* A home's or account's own row: is it as new as what this process has seen of it? */
static cm_status verify_owner(cm_tx *tx, const cm_row *row)
{
    char id[CM_ID_SIZE];
    if (!cm_row_read_id(row, row->table->owner, id))
        return cm_tx_refuse(tx, row->table, "id");
    const uint64_t generation = (uint64_t)cm_row_integer(row, row->table->generation);
    const cm_status status =
        cm_known_judge(tx->store->known, kind_of(row->table), id, generation, tx->generation);
    if (status == CM_FOREIGN)
        return cm_tx_refuse(tx, row->table, "stale");
    CM_TRY(status);
    if (tx->has_risen && (generation == tx->generation || generation == tx->passing_generation))
        return CM_OK; /* ours, and not committed yet */
    /* As it was before this transaction: the digest has taken leave of that form. */
    if (cm_tx_was_bumped(tx, kind_of(row->table), id))
        return cm_tx_refuse(tx, row->table, "stale");
    return cm_known_raise(tx->store->known, kind_of(row->table), id, generation);
}

static cm_status account_generation(cm_tx *tx, const cm_row *row, uint64_t *out)
{
    cm_account_id id;
    if (!cm_row_read_id(row, row->table->owner, id.text))
        return cm_tx_refuse(tx, row->table, "id");
    cm_row account;
    const cm_status status = cm_tx_account(tx, &id, &account);
    if (status == CM_ABSENT)
        return cm_tx_refuse(tx, row->table, "no-account");
    CM_TRY(status);
    *out = (uint64_t)cm_row_integer(&account, CM_ACCOUNTS_GENERATION);
    return CM_OK;
}

/* The key and generation that vouch for this row. */
static cm_status find_voucher(cm_tx *tx, const cm_row *row, cm_secret *key, uint64_t *generation)
{
    *key = tx->store->server_key;
    *generation = (uint64_t)cm_row_integer(row, row->table->generation);
    if (row->table->scope == CM_SCOPE_ACCOUNT)
        return account_generation(tx, row, generation);
    if (row->table->scope != CM_SCOPE_HOME)
        return CM_OK;
    cm_home_id home;
    if (!cm_row_read_id(row, row->table->owner, home.text))
        return cm_tx_refuse(tx, row->table, "id");
    const cm_status status = cm_tx_home(tx, &home, NULL);
    if (status == CM_ABSENT)
        return cm_tx_refuse(tx, row->table, "no-home");
    CM_TRY(status);
    *key = tx->home_key;
    *generation = tx->home_generation;
    return CM_OK;
}

static bool has_generation(const cm_table *table)
{
    return table->generation < table->column_count;
}

static cm_status verify(cm_tx *tx, const cm_row *row)
{
    CM_AUTO(cm_secret_clear) cm_secret key = {{0}};
    uint64_t generation = 0;
    if (has_generation(row->table))
        CM_TRY(find_voucher(tx, row, &key, &generation));
    else
        key = tx->store->server_key;
    if (!cm_row_is_signed(row, &key))
        return cm_tx_refuse(tx, row->table, "mac");
    if (!has_generation(row->table) || row->table->scope == CM_SCOPE_SERVER)
        return CM_OK;
    if (row->table->scope == CM_SCOPE_HOMES || row->table->scope == CM_SCOPE_ACCOUNTS)
        return verify_owner(tx, row);
    if ((uint64_t)cm_row_integer(row, row->table->generation) != generation)
        return cm_tx_refuse(tx, row->table, "stale");
    return CM_OK;
}

cm_status cm_tx_verify(cm_tx *tx, const cm_row *row)
{
    return tx->believes ? CM_OK : verify(tx, row);
}

bool cm_tx_is_asked(const cm_row *probe, uint32_t where, const cm_row *row)
{
    if (row->table != probe->table)
        return false;
    for (unsigned i = 0; i < probe->table->column_count; i++) {
        if ((where & CM_WHERE(i)) == 0)
            continue;
        const bool is_equal = probe->table->columns[i].kind == CM_COLUMN_INTEGER
                                  ? cm_row_integer(probe, i) == cm_row_integer(row, i)
                                  : cm_slice_equal(cm_row_bytes(probe, i), cm_row_bytes(row, i));
        if (!is_equal)
            return false;
    }
    return true;
}

#ifdef CM_FAULT_INJECTION
/* The start reads the same rows; made wrong there it would not be a start. */
static bool find_wrongly(cm_tx *tx, const cm_row *probe, uint32_t where, cm_row *out)
{
    const cm_table_id table = (cm_table_id)(probe->table - cm_tables);
    if (tx->store->on_taken == NULL)
        return false;
    if (CM_FAULT(STORE_FIND_SWAP) && cm_db_find_any(tx->db, table, out) == CM_OK)
        return true;
    return CM_FAULT(STORE_FIND_STALE) && cm_db_find_stale(tx->db, probe, where, out) == CM_OK;
}

/* Of what is read: where rows are vouched for anew, one that is mistaken for another is left as it
 * is, and what it said is lost, by design. */
static bool list_wrongly(cm_tx *tx, const cm_row *probe, cm_row *out)
{
    const cm_table_id table = (cm_table_id)(probe->table - cm_tables);
    return tx->store->on_taken != NULL && !tx->writes && CM_FAULT(STORE_LIST_SWAP) &&
           cm_db_find_any(tx->db, table, out) == CM_OK;
}
#else
static bool find_wrongly(cm_tx *tx, const cm_row *probe, uint32_t where, cm_row *out)
{
    (void)tx, (void)probe, (void)where, (void)out;
    return false;
}

static bool list_wrongly(cm_tx *tx, const cm_row *probe, cm_row *out)
{
    (void)tx, (void)probe, (void)out;
    return false;
}
#endif

cm_status cm_tx_find(cm_tx *tx, const cm_row *probe, uint32_t where, cm_row *out)
{
    const cm_status status =
        find_wrongly(tx, probe, where, out) ? CM_OK : cm_db_find(tx->db, probe, where, out);
    if (status == CM_FOREIGN)
        return cm_tx_refuse(tx, probe->table, "shape");
    CM_TRY(status);
    if (!tx->believes && !cm_tx_is_asked(probe, where, out))
        return cm_tx_refuse(tx, probe->table, "another-row");
    return cm_tx_verify(tx, out);
}

/* ---- writing ---- */

/* Writes the owner's present generation into the row and signs it. */
static cm_status vouch(cm_tx *tx, cm_row *row)
{
    CM_AUTO(cm_secret_clear) cm_secret key = tx->store->server_key;
    if (has_generation(row->table)) {
        uint64_t generation;
        CM_TRY(find_voucher(tx, row, &key, &generation));
        cm_row_set_integer(row, row->table->generation, (int64_t)generation);
    }
    cm_row_sign(row, &key);
    return CM_OK;
}

cm_status cm_tx_insert(cm_tx *tx, cm_row *row)
{
    CM_TRY(vouch(tx, row));
    return cm_db_insert(tx->db, row);
}

/* The form that the row had until now was vouched for by the bump. */
static void note_taken(cm_tx *tx, const cm_table *table)
{
    if (tx->bumped.count > 0 && (table->scope == CM_SCOPE_HOME || table->scope == CM_SCOPE_ACCOUNT))
        tx->has_taken = true;
}

cm_status cm_tx_update(cm_tx *tx, cm_row *row)
{
    CM_TRY(vouch(tx, row));
    note_taken(tx, row->table);
    return cm_db_update(tx->db, row);
}

cm_status cm_tx_delete(cm_tx *tx, const cm_row *row)
{
    note_taken(tx, row->table);
    return cm_db_delete(tx->db, (cm_table_id)(row->table - cm_tables), row->rowid);
}

static void free_rowids(int64_t **rowids)
{
    free(*rowids);
}

cm_status cm_tx_delete_all(cm_tx *tx, const cm_row *probe, uint32_t where, size_t *count_out)
{
    CM_AUTO(free_rowids) int64_t *rowids = NULL;
    size_t count = 0;
    note_taken(tx, probe->table);
    CM_TRY(cm_db_rowids(tx->db, probe, where, &rowids, &count));
    for (size_t i = 0; i < count; i++)
        CM_TRY(cm_db_delete(tx->db, (cm_table_id)(probe->table - cm_tables), rowids[i]));
    if (count_out != NULL)
        *count_out = count;
    return CM_OK;
}

cm_status cm_tx_each(cm_tx *tx, const cm_row *probe, uint32_t where,
                     cm_status (*each)(cm_tx *tx, cm_row *row, void *owner), void *owner)
{
    CM_AUTO(free_rowids) int64_t *rowids = NULL;
    size_t count = 0;
    CM_TRY(cm_db_rowids(tx->db, probe, where, &rowids, &count));
    for (size_t i = 0; i < count; i++) {
        cm_row row;
        cm_status status = list_wrongly(tx, probe, &row)
                               ? CM_OK
                               : cm_db_find_rowid(tx->db, (cm_table_id)(probe->table - cm_tables),
                                                  rowids[i], &row);
        if (status == CM_OK && !tx->believes && !cm_tx_is_asked(probe, where, &row))
            status = cm_tx_refuse(tx, probe->table, "another-row");
        if (status == CM_OK)
            status = cm_tx_verify(tx, &row);
        if (status == CM_FOREIGN || status == CM_ABSENT)
            continue; /* logged; or deleted by an earlier `each` */
        CM_TRY(status);
        CM_TRY(each(tx, &row, owner));
    }
    return CM_OK;
}

/* ---- what most operations look up ---- */

void cm_store_home_key(const cm_store *store, const cm_row *home, cm_secret *out)
{
    uint8_t context[CM_ID_SIZE + CM_STORE_SALT_SIZE];
    cm_writer w = cm_writer_over(context, sizeof context);
    const cm_slice id = cm_row_bytes(home, CM_HOMES_ID);
    cm_write_slice(&w, id);
    cm_write_zeros(&w, CM_ID_SIZE - id.size);
    cm_write_slice(&w, cm_slice_part(cm_row_bytes(home, CM_HOMES_SALT), 0, CM_STORE_SALT_SIZE));
    cm_secret_derive(&store->homes_key, "rows of a home", cm_writer_done(&w), out);
}

cm_status cm_tx_home(cm_tx *tx, const cm_home_id *home, cm_row *out)
{
    if (out == NULL && tx->has_home && cm_home_id_equal(&tx->home, home))
        return CM_OK;
    cm_row own;
    cm_row *row = out != NULL ? out : &own;
    cm_row probe;
    cm_row_init(&probe, CM_HOMES);
    cm_row_set_id(&probe, CM_HOMES_ID, home->text);
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_HOMES_ID), row));
    tx->has_home = true;
    tx->home = *home;
    tx->home_generation = (uint64_t)cm_row_integer(row, CM_HOMES_GENERATION);
    cm_store_home_key(tx->store, row, &tx->home_key);
    return CM_OK;
}

static bool is_account_at_hand(const cm_tx *tx, const cm_account_id *account)
{
    return tx->has_account &&
           cm_slice_equal(cm_row_bytes(&tx->account, CM_ACCOUNTS_ID), cm_slice_of(account->text));
}

cm_status cm_tx_account(cm_tx *tx, const cm_account_id *account, cm_row *out)
{
    if (is_account_at_hand(tx, account)) {
        *out = tx->account;
        return CM_OK;
    }
    cm_row probe;
    cm_row_init(&probe, CM_ACCOUNTS);
    cm_row_set_id(&probe, CM_ACCOUNTS_ID, account->text);
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_ACCOUNTS_ID), out));
    if (!tx->writes) {
        tx->account = *out;
        tx->has_account = true;
    }
    return CM_OK;
}

cm_status cm_tx_camera(cm_tx *tx, const cm_camera_key *key, cm_row *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_CAMERAS_ID, key->camera.text);
    return cm_tx_find(tx, &probe, CM_WHERE(CM_CAMERAS_HOME) | CM_WHERE(CM_CAMERAS_ID), out);
}

cm_status cm_tx_membership(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                           cm_row *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->text);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    return cm_tx_find(tx, &probe, CM_WHERE(CM_MEMBERSHIPS_HOME) | CM_WHERE(CM_MEMBERSHIPS_ACCOUNT),
                      out);
}

void cm_store_copy(void *out, size_t capacity, cm_slice bytes)
{
    cm_writer w = cm_writer_over(out, capacity);
    cm_write_slice(&w, cm_slice_part(bytes, 0, capacity));
}

cm_status cm_store_check_name(cm_slice name)
{
    CM_ENSURE(name.size > 0 && name.size < CM_NAME_SIZE, CM_REFUSE);
    CM_ENSURE(cm_text_is_printable_utf8(name), CM_REFUSE);
    CM_ENSURE(cm_slice_trim(name).size == name.size, CM_REFUSE);
    return CM_OK;
}

cm_status cm_store_grow(void **items, size_t count, size_t item_size)
{
    /* Room for 4, 8, 16 … : only a count that fills the present room needs more. */
    if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
        return CM_OK;
    void *moved = reallocarray(*items, count == 0 ? 4 : count * 2, item_size);
    CM_ENSURE(moved != NULL, CM_BROKEN);
    *items = moved;
    return CM_OK;
}
