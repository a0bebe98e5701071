/* Recovery codes of accounts: digests, each good for one sign-in. */
#include "store/passkeys.h"
#include "store/sqlite/store_priv.h"

static void probe_of(const cm_account_id *account, cm_row *probe)
{
    cm_row_init(probe, CM_RECOVERY);
    cm_row_set_id(probe, CM_RECOVERY_ACCOUNT, account->text);
}

cm_status cm_tx_remove_recovery(cm_tx *tx, const cm_account_id *account)
{
    cm_row probe;
    probe_of(account, &probe);
    return cm_tx_delete_all(tx, &probe, CM_WHERE(CM_RECOVERY_ACCOUNT), NULL);
}

cm_status cm_store_recovery_set(cm_store *store, const cm_account_id *account,
                                const uint8_t hashes[CM_RECOVERY_CODES][CM_MAC_SIZE], cm_wall now,
                                cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_bump_account(&tx, account));
    CM_TRY(cm_tx_remove_recovery(&tx, account));
    for (size_t i = 0; i < CM_RECOVERY_CODES; i++) {
        cm_row row;
        probe_of(account, &row);
        cm_row_set_bytes(&row, CM_RECOVERY_CODE_HASH, cm_slice_over(hashes[i], CM_MAC_SIZE));
        cm_row_set_integer(&row, CM_RECOVERY_CREATED, now.us);
        CM_TRY(cm_tx_insert(&tx, &row));
    }
    change->account = *account;
    return cm_tx_commit(&tx);
}

typedef struct remaining {
    size_t count;
    cm_wall made;
} remaining;

static cm_status count_code(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    remaining *r = owner;
    r->count++;
    r->made = (cm_wall){.us = cm_row_integer(row, CM_RECOVERY_CREATED)};
    return CM_OK;
}

cm_status cm_store_recovery_left(cm_store *store, const cm_account_id *account, size_t *left,
                                 cm_wall *made)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    probe_of(account, &probe);
    remaining r = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_RECOVERY_ACCOUNT), count_code, &r));
    *left = r.count;
    *made = r.made;
    return CM_OK;
}

cm_status cm_tx_use_recovery(cm_tx *tx, const cm_account_id *account,
                             const uint8_t code_hash[CM_MAC_SIZE])
{
    cm_row probe;
    cm_row row;
    probe_of(account, &probe);
    cm_row_set_bytes(&probe, CM_RECOVERY_CODE_HASH, cm_slice_over(code_hash, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_RECOVERY_ACCOUNT) | CM_WHERE(CM_RECOVERY_CODE_HASH),
                      &row));
    CM_TRY(cm_tx_bump_account(tx, account));
    return cm_tx_delete(tx, &row);
}

cm_status cm_store_recovery_sign_in(cm_store *store, const cm_recovery_use *use, cm_wall now,
                                    cm_stored_account *out, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_use_recovery(&tx, &use->account, use->code_hash));
    if (use->removes_passkeys)
        CM_TRY(cm_tx_remove_passkeys(&tx, &use->account));
    if (use->removes_totp)
        CM_TRY(cm_tx_remove_totp(&tx, &use->account));
    if (use->ends_sessions)
        CM_TRY(cm_tx_end_sessions(&tx, &use->account, NULL));
    CM_TRY(cm_tx_open_session(&tx, &use->account, use->session_token_hash, &use->origin, now, out));
    change->account = use->account;
    return cm_tx_commit(&tx);
}
