#include "store/fold.h"
#include "store/sqlite/store_priv.h"

#include <stdlib.h>
#include <string.h>

cm_status cm_store_read_account(const cm_row *row, cm_stored_account *out)
{
    *out = (cm_stored_account){
        .is_operator = cm_row_integer(row, CM_ACCOUNTS_IS_OPERATOR) != 0,
        .is_active = cm_row_integer(row, CM_ACCOUNTS_IS_ACTIVE) != 0,
        .is_declared = cm_row_integer(row, CM_ACCOUNTS_IS_DECLARED) != 0,
        .created = {.us = cm_row_integer(row, CM_ACCOUNTS_CREATED)},
    };
    CM_ENSURE(cm_row_read_id(row, CM_ACCOUNTS_ID, out->id.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_ACCOUNTS_NAME, out->name, sizeof out->name), CM_FOREIGN);
    return CM_OK;
}

static cm_status set_folded(cm_row *row, cm_slice name)
{
    char folded[2 * CM_NAME_SIZE];
    CM_TRY(cm_fold_name(name, folded, sizeof folded));
    cm_row_set_bytes(row, CM_ACCOUNTS_FOLDED, cm_slice_of(folded));
    return CM_OK;
}

cm_status cm_tx_make_account(cm_tx *tx, const cm_new_account *account, cm_wall now,
                             cm_stored_account *out)
{
    CM_TRY(cm_store_check_name(account->name));
    CM_ENSURE(account->password_hash.size < CM_PASSWORD_HASH_SIZE, CM_REFUSE);
    cm_account_id id = account->id;
    if (id.text[0] == '\0')
        cm_id_make(tx->store->random_given, id.text);
    cm_row row;
    cm_row_init(&row, CM_ACCOUNTS);
    cm_row_set_id(&row, CM_ACCOUNTS_ID, id.text);
    cm_row_set_bytes(&row, CM_ACCOUNTS_NAME, account->name);
    CM_TRY(set_folded(&row, account->name));
    cm_row_set_bytes(&row, CM_ACCOUNTS_PASSWORD_HASH, account->password_hash);
    cm_row_set_integer(&row, CM_ACCOUNTS_IS_OPERATOR, account->is_operator);
    cm_row_set_integer(&row, CM_ACCOUNTS_IS_ACTIVE, 1);
    cm_row_set_integer(&row, CM_ACCOUNTS_IS_DECLARED, account->is_declared);
    cm_row_set_integer(&row, CM_ACCOUNTS_CREATED, now.us);
    CM_TRY(cm_tx_add_owner(tx, &row));
    return cm_store_read_account(&row, out);
}

cm_status cm_store_account_create(cm_store *store, const cm_new_account *account, cm_wall now,
                                  cm_stored_account *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_make_account(&tx, account, now, out));
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_find(cm_store *store, const cm_account_id *account,
                                cm_stored_account *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    return cm_store_read_account(&row, out);
}

static cm_status read_hash(const cm_row *row, char out[CM_PASSWORD_HASH_SIZE])
{
    CM_ENSURE(cm_row_read_text(row, CM_ACCOUNTS_PASSWORD_HASH, out, CM_PASSWORD_HASH_SIZE),
              CM_FOREIGN);
    return CM_OK;
}

cm_status cm_store_account_find_name(cm_store *store, cm_slice name, cm_stored_account *out,
                                     char password_hash[CM_PASSWORD_HASH_SIZE])
{
    CM_ENSURE(cm_store_check_name(name) == CM_OK, CM_ABSENT);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_ACCOUNTS);
    CM_TRY(set_folded(&probe, name));
    cm_row row;
    CM_TRY(cm_tx_find(&tx, &probe, CM_WHERE(CM_ACCOUNTS_FOLDED), &row));
    if (password_hash != NULL)
        CM_TRY(read_hash(&row, password_hash));
    return cm_store_read_account(&row, out);
}

cm_status cm_store_account_password_hash(cm_store *store, const cm_account_id *account,
                                         char out[CM_PASSWORD_HASH_SIZE])
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    return read_hash(&row, out);
}

typedef struct keep_one {
    const uint8_t *token_hash; /* NULL: none */
} keep_one;

static cm_status delete_session(cm_tx *tx, cm_row *row, void *owner)
{
    const keep_one *keep = owner;
    if (keep->token_hash != NULL && cm_slice_equal(cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH),
                                                   cm_slice_over(keep->token_hash, CM_MAC_SIZE)))
        return CM_OK;
    return cm_tx_delete(tx, row);
}

/* Ends sessions of the account and turns the keys of what they could see. */
static cm_status end_sessions(cm_tx *tx, const cm_account_id *account, const uint8_t *keep)
{
    CM_TRY(cm_tx_bump_account(tx, account));
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    keep_one one = {.token_hash = keep};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), delete_session, &one));
    return cm_tx_raise_seen_anywhere(tx, account);
}

cm_status cm_store_account_set_password(cm_store *store, const cm_account_id *account,
                                        cm_slice password_hash, const uint8_t *keep,
                                        cm_change *change)
{
    CM_ENSURE(password_hash.size < CM_PASSWORD_HASH_SIZE, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(end_sessions(&tx, account, keep));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    cm_row_set_bytes(&row, CM_ACCOUNTS_PASSWORD_HASH, password_hash);
    CM_TRY(cm_tx_update(&tx, &row));
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_rehash(cm_store *store, const cm_account_id *account,
                                  cm_slice password_hash)
{
    CM_ENSURE(password_hash.size < CM_PASSWORD_HASH_SIZE, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    cm_row_set_bytes(&row, CM_ACCOUNTS_PASSWORD_HASH, password_hash);
    CM_TRY(cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_set_active(cm_store *store, const cm_account_id *account, bool is_active,
                                      cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    if (!is_active)
        CM_TRY(end_sessions(&tx, account, NULL));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    cm_row_set_integer(&row, CM_ACCOUNTS_IS_ACTIVE, is_active);
    CM_TRY(cm_tx_update(&tx, &row));
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_set_operator(cm_store *store, const cm_account_id *account,
                                        bool is_operator, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_bump_account(&tx, account)); /* either way something is taken away */
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    cm_row_set_integer(&row, CM_ACCOUNTS_IS_OPERATOR, is_operator);
    CM_TRY(cm_tx_update(&tx, &row));
    if (is_operator)
        CM_TRY(cm_tx_raise_seen_anywhere(&tx, account));
    change->account = *account;
    return cm_tx_commit(&tx);
}

static cm_status leave_home(cm_tx *tx, cm_row *row, void *owner)
{
    const cm_account_id *account = owner;
    cm_home_id home;
    CM_ENSURE(cm_row_read_id(row, CM_MEMBERSHIPS_HOME, home.text), CM_FOREIGN);
    return cm_tx_leave_home(tx, &home, account, false);
}

cm_status cm_store_account_delete(cm_store *store, const cm_account_id *account, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(end_sessions(&tx, account, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    cm_account_id own = *account;
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_MEMBERSHIPS_ACCOUNT), leave_home, &own));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    CM_TRY(cm_tx_remove_owner(&tx, &row));
    change->account = *account;
    return cm_tx_commit(&tx);
}

static cm_status add_account(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_accounts *accounts = owner;
    CM_TRY(cm_store_grow((void **)&accounts->items, accounts->count, sizeof *accounts->items));
    CM_TRY(cm_store_read_account(row, &accounts->items[accounts->count]));
    accounts->count++;
    return CM_OK;
}

cm_status cm_store_accounts(cm_store *store, cm_stored_accounts *out)
{
    *out = (cm_stored_accounts){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_ACCOUNTS);
    CM_AUTO(cm_stored_accounts_clear) cm_stored_accounts accounts = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, 0, add_account, &accounts));
    *out = accounts;
    accounts = (cm_stored_accounts){.count = 0};
    return CM_OK;
}

/* ---- sessions ---- */

static cm_status find_session(cm_tx *tx, const uint8_t token_hash[CM_MAC_SIZE], cm_row *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_bytes(&probe, CM_SESSIONS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    return cm_tx_find(tx, &probe, CM_WHERE(CM_SESSIONS_TOKEN_HASH), out);
}

typedef struct oldest {
    size_t count;
    cm_row row; /* the one used longest ago */
} oldest;

static cm_status look_for_oldest(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    oldest *o = owner;
    if (o->count == 0 ||
        cm_row_integer(row, CM_SESSIONS_LAST_USED) < cm_row_integer(&o->row, CM_SESSIONS_LAST_USED))
        o->row = *row;
    o->count++;
    return CM_OK;
}

static cm_status make_room(cm_tx *tx, const cm_account_id *account)
{
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    oldest o = {.count = 0};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), look_for_oldest, &o));
    if (o.count < CM_ACCOUNT_SESSIONS_MAX)
        return CM_OK;
    CM_TRY(cm_tx_bump_account(tx, account));
    CM_TRY(cm_tx_delete(tx, &o.row));
    return cm_tx_raise_seen_anywhere(tx, account);
}

cm_status cm_tx_make_session(cm_tx *tx, const cm_account_id *account,
                             const uint8_t token_hash[CM_MAC_SIZE], cm_wall now)
{
    cm_row row;
    cm_row_init(&row, CM_SESSIONS);
    cm_row_set_bytes(&row, CM_SESSIONS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_SESSIONS_ACCOUNT, account->text);
    cm_row_set_integer(&row, CM_SESSIONS_CREATED, now.us);
    cm_row_set_integer(&row, CM_SESSIONS_LAST_USED, now.us);
    return cm_tx_insert(tx, &row);
}

cm_status cm_store_session_create(cm_store *store, const cm_account_id *account,
                                  const uint8_t token_hash[CM_MAC_SIZE], cm_wall now,
                                  cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    CM_ENSURE(cm_row_integer(&row, CM_ACCOUNTS_IS_ACTIVE) != 0, CM_REFUSE);
    CM_TRY(make_room(&tx, account));
    CM_TRY(cm_tx_make_session(&tx, account, token_hash, now));
    change->account = *account;
    return cm_tx_commit(&tx);
}

#define TOUCH_US (CM_SECONDS(600))

cm_status cm_store_session_touch(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                 cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(find_session(&tx, token_hash, &row));
    if (now.us - cm_row_integer(&row, CM_SESSIONS_LAST_USED) < TOUCH_US)
        return cm_tx_commit(&tx);
    cm_row_set_integer(&row, CM_SESSIONS_LAST_USED, now.us);
    CM_TRY(cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_store_session_end(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                               cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_session(&tx, token_hash, &row));
    cm_account_id account;
    CM_ENSURE(cm_row_read_id(&row, CM_SESSIONS_ACCOUNT, account.text), CM_FOREIGN);
    CM_TRY(cm_tx_bump_account(&tx, &account));
    CM_TRY(cm_tx_delete(&tx, &row));
    CM_TRY(cm_tx_raise_seen_anywhere(&tx, &account));
    change->account = account;
    change->has_token = true;
    cm_store_copy(change->token_hash, CM_MAC_SIZE, cm_slice_over(token_hash, CM_MAC_SIZE));
    return cm_tx_commit(&tx);
}

cm_status cm_store_sessions_end_all(cm_store *store, const cm_account_id *account,
                                    cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(end_sessions(&tx, account, NULL));
    change->account = *account;
    return cm_tx_commit(&tx);
}

static cm_status add_session(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_sessions *sessions = owner;
    CM_TRY(cm_store_grow((void **)&sessions->items, sessions->count, sizeof *sessions->items));
    cm_stored_session *s = &sessions->items[sessions->count];
    *s = (cm_stored_session){.created = {.us = cm_row_integer(row, CM_SESSIONS_CREATED)},
                             .last_used = {.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)}};
    const cm_slice hash = cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH);
    CM_ENSURE(hash.size == sizeof s->token_hash, CM_FOREIGN);
    cm_store_copy(s->token_hash, CM_MAC_SIZE, hash);
    CM_ENSURE(cm_row_read_id(row, CM_SESSIONS_ACCOUNT, s->account.text), CM_FOREIGN);
    sessions->count++;
    return CM_OK;
}

cm_status cm_store_sessions(cm_store *store, const cm_account_id *account, cm_stored_sessions *out)
{
    *out = (cm_stored_sessions){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    CM_AUTO(cm_stored_sessions_clear) cm_stored_sessions sessions = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), add_session, &sessions));
    *out = sessions;
    sessions = (cm_stored_sessions){.count = 0};
    return CM_OK;
}

typedef struct expiry {
    cm_wall now;
    size_t removed;
} expiry;

static cm_status remove_expired(cm_tx *tx, cm_row *row, void *owner)
{
    expiry *e = owner;
    cm_wall until = {.us = cm_row_integer(row, CM_API_TOKENS_EXPIRES)};
    if (row->table == &cm_tables[CM_SESSIONS])
        until = cm_session_expires((cm_wall){.us = cm_row_integer(row, CM_SESSIONS_CREATED)},
                                   (cm_wall){.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)});
    if (until.us > e->now.us)
        return CM_OK;
    e->removed++;
    return cm_tx_delete(tx, row);
}

cm_status cm_store_expire(cm_store *store, cm_wall now, size_t *removed_out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    expiry e = {.now = now};
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    CM_TRY(cm_tx_each(&tx, &probe, 0, remove_expired, &e));
    cm_row_init(&probe, CM_API_TOKENS);
    CM_TRY(cm_tx_each(&tx, &probe, 0, remove_expired, &e));
    CM_TRY(cm_tx_commit(&tx));
    *removed_out = e.removed;
    return CM_OK;
}
