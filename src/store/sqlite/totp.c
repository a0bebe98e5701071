/* Secrets of authenticator apps: a row an account, boxed, and the account's own row that vouches
 * for it. */
#include "store/totp.h"

#include "store/sqlite/box.h"
#include "store/sqlite/store_priv.h"

enum { BOX_SIZE = CM_TOTP_SECRET_SIZE + CM_BOX_EXTRA };

/* ---- the secret, boxed as its account's ---- */

static void box_key(const cm_store *store, cm_secret *out)
{
    cm_secret_derive(&store->server_key, "secrets of authenticator apps", (cm_slice){.size = 0},
                     out);
}

static void seal_secret(const cm_store *store, const cm_account_id *account,
                        const uint8_t secret[CM_TOTP_SECRET_SIZE], cm_row *row)
{
    CM_AUTO(cm_secret_clear) cm_secret key;
    box_key(store, &key);
    uint8_t box[BOX_SIZE];
    cm_box_seal(&key, cm_slice_over(account->text, sizeof account->text),
                cm_slice_over(secret, CM_TOTP_SECRET_SIZE), store->random_given, box);
    cm_row_set_bytes(row, CM_TOTP_SECRET_BOX, cm_slice_over(box, sizeof box));
}

static cm_status open_secret(const cm_store *store, const cm_account_id *account, cm_slice box,
                             uint8_t out[CM_TOTP_SECRET_SIZE])
{
    CM_ENSURE(box.size == BOX_SIZE, CM_FOREIGN);
    CM_AUTO(cm_secret_clear) cm_secret key;
    box_key(store, &key);
    return cm_box_open(&key, cm_slice_over(account->text, sizeof account->text), box, out);
}

/* ---- rows ---- */

static void probe_of(const cm_account_id *account, cm_row *probe)
{
    cm_row_init(probe, CM_TOTP);
    cm_row_set_id(probe, CM_TOTP_ACCOUNT, account->text);
}

static cm_status read_row(cm_tx *tx, const cm_account_id *account, const cm_row *row,
                          cm_stored_totp *out)
{
    *out = (cm_stored_totp){
        .is_confirmed = cm_row_integer(row, CM_TOTP_IS_CONFIRMED) != 0,
        .last_step = cm_row_integer(row, CM_TOTP_LAST_STEP),
        .wrong = (unsigned)cm_row_integer(row, CM_TOTP_WRONG),
        .created = {.us = cm_row_integer(row, CM_TOTP_CREATED)},
    };
    const cm_status status =
        open_secret(tx->store, account, cm_row_bytes(row, CM_TOTP_SECRET_BOX), out->secret);
    return status == CM_FOREIGN ? cm_tx_refuse(tx, row->table, "secret-box") : status;
}

/* The account's row and its secret's must say the same. CM_ABSENT: neither knows of one. */
static cm_status find_row(cm_tx *tx, const cm_account_id *account, cm_row *out)
{
    cm_row owner;
    CM_TRY(cm_tx_account(tx, account, &owner));
    const bool has_one = cm_row_integer(&owner, CM_ACCOUNTS_HAS_TOTP) != 0;
    cm_row probe;
    probe_of(account, &probe);
    const cm_status status = cm_tx_find(tx, &probe, CM_WHERE(CM_TOTP_ACCOUNT), out);
    if (status == CM_ABSENT && has_one)
        return cm_tx_refuse(tx, probe.table, "taken-out");
    CM_TRY(status);
    if ((cm_row_integer(out, CM_TOTP_IS_CONFIRMED) != 0) != has_one)
        return cm_tx_refuse(tx, probe.table, "another-state");
    return CM_OK;
}

static cm_status find_confirmed(cm_tx *tx, const cm_account_id *account, cm_row *out)
{
    CM_TRY(find_row(tx, account, out));
    CM_ENSURE(cm_row_integer(out, CM_TOTP_IS_CONFIRMED) != 0, CM_ABSENT);
    return CM_OK;
}

/* The account has been bumped. */
static cm_status say_of_account(cm_tx *tx, const cm_account_id *account, bool has_totp)
{
    cm_row row;
    CM_TRY(cm_tx_account(tx, account, &row));
    cm_row_set_integer(&row, CM_ACCOUNTS_HAS_TOTP, has_totp);
    return cm_tx_update(tx, &row);
}

cm_status cm_tx_remove_totp(cm_tx *tx, const cm_account_id *account)
{
    CM_TRY(say_of_account(tx, account, false));
    cm_row probe;
    probe_of(account, &probe);
    return cm_tx_delete_all(tx, &probe, CM_WHERE(CM_TOTP_ACCOUNT), NULL);
}

/* ---- operations ---- */

cm_status cm_store_totp_begin(cm_store *store, const cm_account_id *account,
                              const uint8_t secret[CM_TOTP_SECRET_SIZE], cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    const cm_status found = find_row(&tx, account, &row);
    CM_ENSURE(found == CM_OK || found == CM_ABSENT, found);
    if (found == CM_OK) {
        CM_ENSURE(cm_row_integer(&row, CM_TOTP_IS_CONFIRMED) == 0, CM_REFUSE);
        CM_TRY(cm_tx_bump_account(&tx, account));
        CM_TRY(cm_tx_remove_totp(&tx, account));
    }
    probe_of(account, &row);
    seal_secret(store, account, secret, &row);
    cm_row_set_integer(&row, CM_TOTP_LAST_STEP, -1);
    cm_row_set_integer(&row, CM_TOTP_CREATED, now.us);
    CM_TRY(cm_tx_insert(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_store_totp_find(cm_store *store, const cm_account_id *account, cm_stored_totp *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(find_row(&tx, account, &row));
    return read_row(&tx, account, &row, out);
}

cm_status cm_store_totp_confirm(cm_store *store, const cm_account_id *account, int64_t step,
                                cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_row(&tx, account, &row));
    CM_ENSURE(cm_row_integer(&row, CM_TOTP_IS_CONFIRMED) == 0, CM_REFUSE);
    CM_TRY(cm_tx_bump_account(&tx, account));
    CM_TRY(say_of_account(&tx, account, true));
    cm_row_set_integer(&row, CM_TOTP_IS_CONFIRMED, 1);
    cm_row_set_integer(&row, CM_TOTP_LAST_STEP, step);
    CM_TRY(cm_tx_update(&tx, &row));
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_totp_remove(cm_store *store, const cm_account_id *account, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_row(&tx, account, &row));
    CM_TRY(cm_tx_bump_account(&tx, account));
    CM_TRY(cm_tx_remove_totp(&tx, account));
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_totp_note_wrong(cm_store *store, const cm_account_id *account)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(find_confirmed(&tx, account, &row));
    const int64_t wrong = cm_row_integer(&row, CM_TOTP_WRONG);
    if (wrong < CM_TOTP_WRONG_MAX) {
        CM_TRY(cm_tx_bump_account(&tx, account));
        cm_row_set_integer(&row, CM_TOTP_WRONG, wrong + 1);
        CM_TRY(cm_tx_update(&tx, &row));
    }
    return cm_tx_commit(&tx);
}

/* ---- a second factor was right ---- */

static cm_status use_up(cm_tx *tx, const cm_factor_use *use)
{
    cm_row row;
    CM_TRY(find_confirmed(tx, &use->account, &row));
    if (use->is_recovery) {
        CM_TRY(cm_tx_use_recovery(tx, &use->account, use->code_hash));
    } else {
        CM_ENSURE(cm_row_integer(&row, CM_TOTP_WRONG) < CM_TOTP_WRONG_MAX, CM_REFUSE);
        CM_ENSURE(use->step > cm_row_integer(&row, CM_TOTP_LAST_STEP), CM_REFUSE);
        CM_TRY(cm_tx_bump_account(tx, &use->account));
        cm_row_set_integer(&row, CM_TOTP_LAST_STEP, use->step);
    }
    cm_row_set_integer(&row, CM_TOTP_WRONG, 0);
    return cm_tx_update(tx, &row);
}

cm_status cm_store_factor_sign_in(cm_store *store, const cm_factor_use *use, cm_wall now,
                                  cm_stored_account *out, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(use_up(&tx, use));
    if (use->former != NULL) {
        const cm_session_renewal renewal = {use->former, use->session_token_hash, &use->origin,
                                            &use->account};
        CM_TRY(cm_tx_renew_session(&tx, &renewal, now, out));
    } else {
        CM_TRY(cm_tx_open_session(&tx, &use->account, use->session_token_hash, &use->origin, now,
                                  out));
    }
    change->account = use->account;
    return cm_tx_commit(&tx);
}
