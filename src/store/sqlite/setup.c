/* The first start, and settings. */
#include "store/sqlite/store_priv.h"

#include <string.h>

static cm_status count_accounts(cm_tx *tx, size_t *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_ACCOUNTS);
    return cm_db_count(tx->db, &probe, 0, out);
}

cm_status cm_store_setup_is_needed(cm_store *store, bool *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    size_t count;
    CM_TRY(count_accounts(&tx, &count));
    *out = count == 0;
    return CM_OK;
}

static cm_status forget_tokens(cm_tx *tx)
{
    cm_row probe;
    cm_row_init(&probe, CM_SETUP_TOKENS);
    return cm_tx_delete_all(tx, &probe, 0, NULL);
}

cm_status cm_store_setup_begin(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE], cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    size_t count;
    CM_TRY(count_accounts(&tx, &count));
    CM_ENSURE(count == 0, CM_REFUSE);
    CM_TRY(forget_tokens(&tx));
    cm_row row;
    cm_row_init(&row, CM_SETUP_TOKENS);
    cm_row_set_bytes(&row, CM_SETUP_TOKENS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    cm_row_set_integer(&row, CM_SETUP_TOKENS_CREATED, now.us);
    CM_TRY(cm_tx_insert(&tx, &row));
    return cm_tx_commit(&tx);
}

static cm_status use_token(cm_tx *tx, const uint8_t token_hash[CM_MAC_SIZE])
{
    size_t count;
    CM_TRY(count_accounts(tx, &count));
    CM_ENSURE(count == 0, CM_ABSENT);
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_SETUP_TOKENS);
    cm_row_set_bytes(&probe, CM_SETUP_TOKENS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_SETUP_TOKENS_TOKEN_HASH), &row));
    return forget_tokens(tx);
}

cm_status cm_store_setup_finish(cm_store *store, const cm_setup *setup, cm_wall now,
                                cm_stored_account *account, cm_stored_home *home)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(use_token(&tx, setup->token_hash));
    cm_stored_home made = {.is_declared = false};
    CM_TRY(cm_store_check_name(setup->home_name));
    CM_TRY(cm_slice_to_cstr(setup->home_name, made.name, sizeof made.name));
    CM_TRY(cm_tx_make_home(&tx, &made, now));
    const cm_new_account owner = {.name = setup->account_name,
                                  .password_hash = setup->password_hash};
    CM_TRY(cm_tx_make_account(&tx, &owner, now, account));
    CM_TRY(cm_tx_make_membership(&tx, &made.id, &account->id, CM_ROLE_OWNER, false, now));
    CM_TRY(cm_tx_make_session(&tx, &account->id, setup->session_token_hash, &setup->origin, now));
    CM_TRY(cm_tx_commit(&tx));
    *home = made;
    return CM_OK;
}

/* ---- settings ---- */

static cm_status find_setting(cm_tx *tx, const char *name, cm_row *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_SETTINGS);
    cm_row_set_bytes(&probe, CM_SETTINGS_NAME, cm_slice_of(name));
    return cm_tx_find(tx, &probe, CM_WHERE(CM_SETTINGS_NAME), out);
}

cm_status cm_store_setting_read(cm_store *store, const char *name, char *out, size_t capacity)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(find_setting(&tx, name, &row));
    return cm_slice_to_cstr(cm_row_bytes(&row, CM_SETTINGS_VALUE), out, capacity);
}

cm_status cm_store_setting_write(cm_store *store, const char *name, cm_slice value)
{
    CM_ENSURE(strlen(name) < CM_NAME_SIZE && value.size <= CM_ROW_STORAGE / 4, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    const cm_status found = find_setting(&tx, name, &row);
    if (found != CM_OK && found != CM_ABSENT)
        return found;
    if (found == CM_ABSENT) {
        cm_row_init(&row, CM_SETTINGS);
        cm_row_set_bytes(&row, CM_SETTINGS_NAME, cm_slice_of(name));
    }
    cm_row_set_bytes(&row, CM_SETTINGS_VALUE, value);
    CM_TRY(found == CM_ABSENT ? cm_tx_insert(&tx, &row) : cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

void cm_store_fingerprint(const cm_store *store, cm_slice text, uint8_t out[CM_MAC_SIZE])
{
    CM_AUTO(cm_secret_clear) cm_secret key;
    cm_secret_derive(&store->server_key, "fingerprints", (cm_slice){.size = 0}, &key);
    cm_secret_mac(&key, text, out);
}

void cm_store_derive(const cm_store *store, const char *label, cm_secret *out)
{
    cm_secret_derive(&store->server_key, "keys of others", cm_slice_of(label), out);
}
