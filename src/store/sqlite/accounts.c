#include "store/fold.h"
#include "store/sqlite/store_priv.h"

#include <stdlib.h>

cm_status cm_store_read_account(const cm_row *row, cm_stored_account *out)
{
    *out = (cm_stored_account){
        .is_operator = cm_row_integer(row, CM_ACCOUNTS_IS_OPERATOR) != 0,
        .is_active = cm_row_integer(row, CM_ACCOUNTS_IS_ACTIVE) != 0,
        .is_declared = cm_row_integer(row, CM_ACCOUNTS_IS_DECLARED) != 0,
        .has_totp = cm_row_integer(row, CM_ACCOUNTS_HAS_TOTP) != 0,
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

static cm_status set_hash(cm_tx *tx, const cm_account_id *account, cm_slice password_hash)
{
    CM_ENSURE(password_hash.size < CM_PASSWORD_HASH_SIZE, CM_REFUSE);
    cm_row row;
    CM_TRY(cm_tx_account(tx, account, &row));
    cm_row_set_bytes(&row, CM_ACCOUNTS_PASSWORD_HASH, password_hash);
    return cm_tx_update(tx, &row);
}

cm_status cm_store_account_set_password(cm_store *store, const cm_account_id *account,
                                        cm_slice password_hash, const uint8_t *keep,
                                        cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_end_sessions(&tx, account, keep));
    CM_TRY(set_hash(&tx, account, password_hash));
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_change_password(cm_store *store, const cm_password_change *ask,
                                           cm_wall now, cm_stored_account *out, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_end_sessions(&tx, &ask->account, ask->former));
    const cm_session_renewal renewal = {
        .former = ask->former, .fresh = ask->fresh, .account = &ask->account};
    CM_TRY(cm_tx_renew_session(&tx, &renewal, now, out));
    CM_TRY(set_hash(&tx, &ask->account, ask->password_hash));
    change->has_token = false; /* not that one's sessions alone: all of the account's */
    change->account = ask->account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_rehash(cm_store *store, const cm_account_id *account,
                                  cm_slice password_hash)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(set_hash(&tx, account, password_hash));
    return cm_tx_commit(&tx);
}

cm_status cm_store_account_set_active(cm_store *store, const cm_account_id *account, bool is_active,
                                      cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    if (!is_active)
        CM_TRY(cm_tx_end_sessions(&tx, account, NULL));
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
    CM_TRY(cm_tx_end_sessions(&tx, account, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    cm_account_id own = *account;
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_MEMBERSHIPS_ACCOUNT), leave_home, &own));
    CM_TRY(cm_tx_remove_passkeys(&tx, account));
    CM_TRY(cm_tx_remove_recovery(&tx, account));
    CM_TRY(cm_tx_remove_totp(&tx, account));
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
