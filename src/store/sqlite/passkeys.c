/* Passkeys of accounts. */
#include "store/passkeys.h"

#include "store/sqlite/store_priv.h"

static cm_status copy_bytes(const cm_row *row, unsigned column, uint8_t *out, size_t capacity,
                            size_t *size)
{
    const cm_slice bytes = cm_row_bytes(row, column);
    CM_ENSURE(bytes.size <= capacity, CM_FOREIGN);
    cm_store_copy(out, capacity, bytes);
    *size = bytes.size;
    return CM_OK;
}

static cm_status read_passkey(const cm_row *row, cm_stored_passkey *out)
{
    *out = (cm_stored_passkey){
        .sign_count = (uint32_t)cm_row_integer(row, CM_PASSKEYS_SIGN_COUNT),
        .is_backup_eligible = cm_row_integer(row, CM_PASSKEYS_IS_BACKUP_ELIGIBLE) != 0,
        .is_backed_up = cm_row_integer(row, CM_PASSKEYS_IS_BACKED_UP) != 0,
        .created = {.us = cm_row_integer(row, CM_PASSKEYS_CREATED)},
        .last_used = {.us = cm_row_integer(row, CM_PASSKEYS_LAST_USED)},
    };
    CM_ENSURE(cm_row_read_id(row, CM_PASSKEYS_ID, out->id), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_PASSKEYS_ACCOUNT, out->account.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_PASSKEYS_RP, out->rp, sizeof out->rp), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_PASSKEYS_NAME, out->name, sizeof out->name), CM_FOREIGN);
    CM_TRY(copy_bytes(row, CM_PASSKEYS_CREDENTIAL, out->credential, sizeof out->credential,
                      &out->credential_size));
    return copy_bytes(row, CM_PASSKEYS_PUBLIC_KEY, out->key, sizeof out->key, &out->key_size);
}

static cm_status check_new(const cm_new_passkey *passkey)
{
    CM_TRY(cm_store_check_name(passkey->name));
    CM_ENSURE(passkey->rp.size > 0 && passkey->rp.size < CM_PASSKEY_RP_SIZE, CM_REFUSE);
    CM_ENSURE(passkey->credential.size > 0 &&
                  passkey->credential.size <= CM_PASSKEY_CREDENTIAL_SIZE,
              CM_REFUSE);
    CM_ENSURE(passkey->key.size > 0 && passkey->key.size <= CM_PASSKEY_KEY_SIZE, CM_REFUSE);
    return CM_OK;
}

static void probe_of(const cm_account_id *account, cm_row *probe)
{
    cm_row_init(probe, CM_PASSKEYS);
    cm_row_set_id(probe, CM_PASSKEYS_ACCOUNT, account->text);
}

cm_status cm_store_passkey_add(cm_store *store, const cm_new_passkey *passkey, cm_wall now,
                               cm_stored_passkey *out)
{
    CM_TRY(check_new(passkey));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, &passkey->account, &row));
    probe_of(&passkey->account, &row);
    size_t count;
    CM_TRY(cm_db_count(tx.db, &row, CM_WHERE(CM_PASSKEYS_ACCOUNT), &count));
    CM_ENSURE(count < CM_ACCOUNT_PASSKEYS_MAX, CM_FULL);
    char id[CM_ID_SIZE];
    cm_id_make(store->random_given, id);
    cm_row_set_bytes(&row, CM_PASSKEYS_CREDENTIAL, passkey->credential);
    cm_row_set_id(&row, CM_PASSKEYS_ID, id);
    cm_row_set_bytes(&row, CM_PASSKEYS_RP, passkey->rp);
    cm_row_set_bytes(&row, CM_PASSKEYS_NAME, passkey->name);
    cm_row_set_bytes(&row, CM_PASSKEYS_PUBLIC_KEY, passkey->key);
    cm_row_set_integer(&row, CM_PASSKEYS_SIGN_COUNT, passkey->sign_count);
    cm_row_set_integer(&row, CM_PASSKEYS_IS_BACKUP_ELIGIBLE, passkey->is_backup_eligible);
    cm_row_set_integer(&row, CM_PASSKEYS_IS_BACKED_UP, passkey->is_backed_up);
    cm_row_set_integer(&row, CM_PASSKEYS_CREATED, now.us);
    CM_TRY(cm_tx_insert(&tx, &row));
    CM_TRY(read_passkey(&row, out));
    return cm_tx_commit(&tx);
}

static cm_status find_credential(cm_tx *tx, cm_slice credential, cm_row *out)
{
    CM_ENSURE(credential.size > 0 && credential.size <= CM_PASSKEY_CREDENTIAL_SIZE, CM_ABSENT);
    cm_row probe;
    cm_row_init(&probe, CM_PASSKEYS);
    cm_row_set_bytes(&probe, CM_PASSKEYS_CREDENTIAL, credential);
    return cm_tx_find(tx, &probe, CM_WHERE(CM_PASSKEYS_CREDENTIAL), out);
}

cm_status cm_store_passkey_find(cm_store *store, cm_slice credential, cm_stored_passkey *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(find_credential(&tx, credential, &row));
    return read_passkey(&row, out);
}

static cm_status find_own(cm_tx *tx, const cm_account_id *account, cm_slice id, cm_row *out)
{
    char parsed[CM_ID_SIZE];
    CM_ENSURE(cm_id_parse(id, parsed) == CM_OK, CM_ABSENT);
    cm_row probe;
    probe_of(account, &probe);
    cm_row_set_id(&probe, CM_PASSKEYS_ID, parsed);
    return cm_tx_find(tx, &probe, CM_WHERE(CM_PASSKEYS_ACCOUNT) | CM_WHERE(CM_PASSKEYS_ID), out);
}

cm_status cm_store_passkey_rename(cm_store *store, const cm_account_id *account, cm_slice id,
                                  cm_slice name, cm_stored_passkey *out)
{
    CM_TRY(cm_store_check_name(name));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(find_own(&tx, account, id, &row));
    cm_row_set_bytes(&row, CM_PASSKEYS_NAME, name);
    CM_TRY(cm_tx_update(&tx, &row));
    CM_TRY(read_passkey(&row, out));
    return cm_tx_commit(&tx);
}

cm_status cm_store_passkey_remove(cm_store *store, const cm_account_id *account, cm_slice id,
                                  cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_own(&tx, account, id, &row));
    CM_TRY(cm_tx_bump_account(&tx, account));
    CM_TRY(cm_tx_delete(&tx, &row));
    change->account = *account;
    return cm_tx_commit(&tx);
}

static bool may_follow(uint32_t stored, uint32_t shown)
{
    return (stored == 0 && shown == 0) || shown > stored;
}

/* The counter rises, and the session of whose it is. */
static cm_status note_use(cm_tx *tx, const cm_passkey_use *use, cm_wall now, cm_account_id *out)
{
    cm_row row;
    CM_TRY(find_credential(tx, use->credential, &row));
    CM_ENSURE(may_follow((uint32_t)cm_row_integer(&row, CM_PASSKEYS_SIGN_COUNT), use->sign_count),
              CM_REFUSE);
    CM_ENSURE(cm_row_read_id(&row, CM_PASSKEYS_ACCOUNT, out->text), CM_FOREIGN);
    cm_row_set_integer(&row, CM_PASSKEYS_SIGN_COUNT, use->sign_count);
    cm_row_set_integer(&row, CM_PASSKEYS_IS_BACKED_UP, use->is_backed_up);
    cm_row_set_integer(&row, CM_PASSKEYS_LAST_USED, now.us);
    return cm_tx_update(tx, &row);
}

cm_status cm_store_passkey_sign_in(cm_store *store, const cm_passkey_use *use, cm_wall now,
                                   cm_stored_account *out, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_account_id account;
    CM_TRY(note_use(&tx, use, now, &account));
    if (use->former != NULL) {
        const cm_session_renewal renewal = {use->former, use->session_token_hash, &use->origin,
                                            &account};
        CM_TRY(cm_tx_renew_session(&tx, &renewal, now, out));
    } else {
        CM_TRY(cm_tx_open_session(&tx, &account, use->session_token_hash, &use->origin, now, out));
    }
    change->account = account;
    return cm_tx_commit(&tx);
}

static cm_status add_passkey(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_passkeys *passkeys = owner;
    CM_TRY(cm_store_grow((void **)&passkeys->items, passkeys->count, sizeof *passkeys->items));
    CM_TRY(read_passkey(row, &passkeys->items[passkeys->count]));
    passkeys->count++;
    return CM_OK;
}

cm_status cm_store_passkeys(cm_store *store, const cm_account_id *account, cm_stored_passkeys *out)
{
    *out = (cm_stored_passkeys){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    probe_of(account, &probe);
    CM_AUTO(cm_stored_passkeys_clear) cm_stored_passkeys passkeys = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_PASSKEYS_ACCOUNT), add_passkey, &passkeys));
    *out = passkeys;
    passkeys = (cm_stored_passkeys){.count = 0};
    return CM_OK;
}

cm_status cm_tx_remove_passkeys(cm_tx *tx, const cm_account_id *account)
{
    cm_row probe;
    probe_of(account, &probe);
    return cm_tx_delete_all(tx, &probe, CM_WHERE(CM_PASSKEYS_ACCOUNT), NULL);
}
