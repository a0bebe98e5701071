/* Logging everyone out: of a home, or of the server. */
#include "store/everyone.h"
#include "store/sqlite/store_priv.h"

typedef struct pass {
    const cm_everyone *what;
    cm_wall now;
    bool ends;           /* false: only counted */
    cm_account_id asker; /* whose session goes on; empty: none does */
    cm_row kept;         /* that session */
    bool may_keep;       /* he is one of those who are logged out */
    bool reaches_out;    /* somebody is a member of another home as well */
    cm_everyone_count count;
} pass;

static bool is_of_server(const pass *p)
{
    return p->what->home.text[0] == '\0';
}

/* ---- one account ---- */

static cm_status count_session(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    pass *p = owner;
    const cm_wall created = {.us = cm_row_integer(row, CM_SESSIONS_CREATED)};
    const cm_wall last_used = {.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)};
    const bool is_kept =
        p->what->keep != NULL && cm_slice_equal(cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH),
                                                cm_slice_over(p->what->keep, CM_MAC_SIZE));
    if (!is_kept && cm_session_is_live(created, last_used, p->now))
        p->count.sessions++;
    return CM_OK;
}

typedef struct others {
    pass *pass;
    const cm_account_id *account;
    size_t count; /* homes besides the one that is logged out */
} others;

/* What he watches in another home is watched by a session that ends. */
static cm_status look_at_other(cm_tx *tx, cm_row *row, void *owner)
{
    others *o = owner;
    cm_home_id home;
    if (!cm_row_read_id(row, CM_MEMBERSHIPS_HOME, home.text))
        return cm_tx_refuse(tx, row->table, "id");
    if (cm_home_id_equal(&home, &o->pass->what->home))
        return CM_OK;
    o->count++;
    o->pass->reaches_out = true;
    if (!o->pass->ends || is_of_server(o->pass))
        return CM_OK; /* of the server all cameras have risen already */
    const cm_status status = cm_tx_raise_seen(tx, &home, o->account);
    /* A home whose own row does not fit gives no lease. */
    return status == CM_FOREIGN || status == CM_ABSENT ? CM_OK : status;
}

static cm_status end_sessions(cm_tx *tx, const cm_account_id *account)
{
    const cm_status status = cm_tx_bump_account(tx, account);
    /* By an account whose own row does not fit nobody is signed in. */
    CM_ENSURE(status == CM_OK || status == CM_FOREIGN || status == CM_ABSENT, status);
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    return cm_tx_delete_all(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), NULL);
}

static cm_status pass_account(cm_tx *tx, pass *p, const cm_account_id *account)
{
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    size_t rows;
    CM_TRY(cm_db_count(tx->db, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), &rows));
    if (rows == 0)
        return CM_OK;
    const size_t before = p->count.sessions;
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), count_session, p));
    if (p->ends)
        CM_TRY(end_sessions(tx, account));
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    others o = {.pass = p, .account = account};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_MEMBERSHIPS_ACCOUNT), look_at_other, &o));
    const bool is_signed_in = p->count.sessions > before;
    p->count.people += is_signed_in ? 1 : 0;
    p->count.elsewhere += is_signed_in && !is_of_server(p) && o.count > 0 ? 1 : 0;
    p->may_keep = p->may_keep || cm_account_id_equal(account, &p->asker);
    return CM_OK;
}

/* A membership, or an account. */
static cm_status pass_row(cm_tx *tx, cm_row *row, void *owner)
{
    const bool is_membership = row->table == &cm_tables[CM_MEMBERSHIPS];
    cm_account_id account;
    if (!cm_row_read_id(row,
                        is_membership ? (unsigned)CM_MEMBERSHIPS_ACCOUNT : (unsigned)CM_ACCOUNTS_ID,
                        account.text))
        return cm_tx_refuse(tx, row->table, "id");
    return pass_account(tx, owner, &account);
}

/* ---- one home ---- */

static cm_status count_program(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    pass *p = owner;
    p->count.programs += cm_row_integer(row, CM_API_TOKENS_EXPIRES) > p->now.us ? 1 : 0;
    return CM_OK;
}

static cm_status count_invitation(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    pass *p = owner;
    p->count.invitations += cm_row_integer(row, CM_INVITATIONS_EXPIRES) > p->now.us ? 1 : 0;
    return CM_OK;
}

static cm_status pass_home(cm_tx *tx, pass *p, const cm_home_id *home)
{
    if (p->ends)
        CM_TRY(cm_tx_raise_all(tx, home));
    cm_row probe;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_id(&probe, CM_API_TOKENS_HOME, home->text);
    uint32_t where = CM_WHERE(CM_API_TOKENS_HOME);
    CM_TRY(cm_tx_each(tx, &probe, where, count_program, p));
    if (p->ends && p->what->with_programs)
        CM_TRY(cm_tx_delete_all(tx, &probe, where, NULL));
    CM_TRY(cm_tx_count_guest_links(tx, home, p->now, p->ends, &p->count.links));
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_id(&probe, CM_INVITATIONS_HOME, home->text);
    where = CM_WHERE(CM_INVITATIONS_HOME) | CM_WHERE(CM_INVITATIONS_USED); /* 0: open */
    CM_TRY(cm_tx_each(tx, &probe, where, count_invitation, p));
    return p->ends ? cm_tx_delete_all(tx, &probe, where, NULL) : CM_OK;
}

static cm_status pass_home_row(cm_tx *tx, cm_row *row, void *owner)
{
    cm_home_id home;
    if (!cm_row_read_id(row, CM_HOMES_ID, home.text))
        return cm_tx_refuse(tx, row->table, "id");
    return pass_home(tx, owner, &home);
}

/* ---- all ---- */

static cm_status pass_all(cm_tx *tx, pass *p)
{
    cm_row probe;
    if (!is_of_server(p)) {
        CM_TRY(cm_tx_home(tx, &p->what->home, NULL));
        CM_TRY(pass_home(tx, p, &p->what->home));
        cm_row_init(&probe, CM_MEMBERSHIPS);
        cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, p->what->home.text);
        return cm_tx_each(tx, &probe, CM_WHERE(CM_MEMBERSHIPS_HOME), pass_row, p);
    }
    cm_row_init(&probe, CM_HOMES);
    CM_TRY(cm_tx_each(tx, &probe, 0, pass_home_row, p));
    cm_row_init(&probe, CM_ACCOUNTS);
    return cm_tx_each(tx, &probe, 0, pass_row, p);
}

static cm_status find_kept(cm_tx *tx, pass *p)
{
    if (p->what->keep == NULL)
        return CM_OK;
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_bytes(&probe, CM_SESSIONS_TOKEN_HASH, cm_slice_over(p->what->keep, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_SESSIONS_TOKEN_HASH), &p->kept));
    return cm_row_read_id(&p->kept, CM_SESSIONS_ACCOUNT, p->asker.text) ? CM_OK : CM_FOREIGN;
}

/* As it was but for its token: nobody has shown anew who he is. */
static cm_status put_kept_back(cm_tx *tx, pass *p)
{
    if (p->what->keep == NULL)
        return CM_OK;
    CM_ENSURE(p->may_keep, CM_REFUSE);
    cm_row_set_bytes(&p->kept, CM_SESSIONS_TOKEN_HASH, cm_slice_over(p->what->fresh, CM_MAC_SIZE));
    cm_row_set_integer(&p->kept, CM_SESSIONS_LAST_USED, p->now.us);
    return cm_tx_insert(tx, &p->kept);
}

cm_status cm_store_everyone_count(cm_store *store, const cm_everyone *what, cm_wall now,
                                  cm_everyone_count *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    pass p = {.what = what, .now = now};
    CM_TRY(pass_all(&tx, &p));
    *out = p.count;
    return CM_OK;
}

cm_status cm_store_everyone_out(cm_store *store, const cm_everyone *what, cm_wall now,
                                cm_everyone_count *out, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    pass p = {.what = what, .now = now, .ends = true};
    CM_TRY(find_kept(&tx, &p));
    CM_TRY(pass_all(&tx, &p));
    CM_TRY(put_kept_back(&tx, &p));
    p.count.cameras = change->raised_count;
    change->is_everyone = is_of_server(&p) || p.reaches_out;
    if (!change->is_everyone)
        change->home = what->home;
    CM_TRY(cm_tx_commit(&tx));
    *out = p.count;
    return CM_OK;
}
