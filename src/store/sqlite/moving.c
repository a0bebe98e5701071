/* Moving out: of several homes at once, and what it ended. */
#include "store/sqlite/store_priv.h"

static cm_status count_of(cm_tx *tx, cm_table_id table, const cm_home_id *home, size_t *out)
{
    cm_row probe;
    cm_row_init(&probe, table);
    cm_row_set_id(&probe, probe.table->owner, home->text);
    return cm_db_count(tx->db, &probe, CM_WHERE(probe.table->owner), out);
}

/* Of one account: `column` names it; open invitations only. */
static cm_status count_own(cm_tx *tx, cm_table_id table, unsigned column, const cm_moved_home *home,
                           const cm_account_id *account, size_t *out)
{
    cm_row probe;
    cm_row_init(&probe, table);
    cm_row_set_id(&probe, probe.table->owner, home->id.text);
    cm_row_set_id(&probe, column, account->text);
    uint32_t where = CM_WHERE(probe.table->owner) | CM_WHERE(column);
    if (table == CM_INVITATIONS)
        where |= CM_WHERE(CM_INVITATIONS_USED);
    return cm_db_count(tx->db, &probe, where, out);
}

static cm_status move_out_of(cm_tx *tx, const cm_account_id *account, cm_moved_home *out)
{
    cm_row row;
    size_t members;
    CM_TRY(cm_tx_membership(tx, &out->id, account, &row));
    out->role = (cm_role)cm_row_integer(&row, CM_MEMBERSHIPS_ROLE);
    cm_stored_home home;
    CM_TRY(cm_tx_home(tx, &out->id, &row));
    CM_TRY(cm_store_read_home(tx->store, &row, &home));
    cm_store_copy(out->name, sizeof out->name, cm_slice_over(home.name, sizeof home.name));
    CM_TRY(count_of(tx, CM_MEMBERSHIPS, &out->id, &members));
    out->was_destroyed = members == 1 && !home.is_declared;
    CM_TRY(count_own(tx, CM_GRANTS, CM_GRANTS_ACCOUNT, out, account, &out->grants));
    size_t by_group;
    CM_TRY(count_own(tx, CM_GROUP_GRANTS, CM_GROUP_GRANTS_ACCOUNT, out, account, &by_group));
    out->grants += by_group;
    CM_TRY(count_own(tx, CM_API_TOKENS, CM_API_TOKENS_ACCOUNT, out, account, &out->tokens));
    CM_TRY(count_own(tx, CM_INVITATIONS, CM_INVITATIONS_MADE_BY, out, account, &out->invitations));
    if (out->was_destroyed)
        return cm_tx_destroy_home(tx, &out->id);
    return cm_tx_leave_home(tx, &out->id, account, members == 1);
}

cm_status cm_store_move_out(cm_store *store, const cm_move_out *move, cm_moved_home *out,
                            cm_change *change)
{
    CM_ENSURE(move->count > 0 && move->count <= CM_MOVE_HOMES_MAX, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    for (size_t i = 0; i < move->count; i++) {
        out[i] = (cm_moved_home){.id = move->homes[i]};
        CM_TRY(move_out_of(&tx, &move->account, &out[i]));
    }
    change->account = move->account;
    if (move->count == 1)
        change->home = move->homes[0];
    return cm_tx_commit(&tx);
}
