#include "store/sqlite/store_priv.h"

#include <stdlib.h>
#include <string.h>

cm_status cm_tx_make_membership(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                                cm_role role, bool is_declared, cm_wall now)
{
    CM_ENSURE(role > CM_ROLE_NONE && (unsigned)role < CM_ROLES, CM_REFUSE);
    cm_row row;
    cm_row_init(&row, CM_MEMBERSHIPS);
    cm_row_set_id(&row, CM_MEMBERSHIPS_HOME, home->text);
    size_t count;
    CM_TRY(cm_db_count(tx->db, &row, CM_WHERE(CM_MEMBERSHIPS_HOME), &count));
    CM_ENSURE(count < CM_HOME_MEMBERS_MAX, CM_FULL);
    cm_row_set_id(&row, CM_MEMBERSHIPS_ACCOUNT, account->text);
    cm_row_set_integer(&row, CM_MEMBERSHIPS_ROLE, role);
    cm_row_set_integer(&row, CM_MEMBERSHIPS_IS_DECLARED, is_declared);
    cm_row_set_integer(&row, CM_MEMBERSHIPS_CREATED, now.us);
    return cm_tx_insert(tx, &row);
}

cm_status cm_store_member_add(cm_store *store, const cm_home_id *home, const cm_account_id *account,
                              cm_role role, bool is_declared, cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row row;
    CM_TRY(cm_tx_account(&tx, account, &row));
    CM_ENSURE(cm_row_integer(&row, CM_ACCOUNTS_IS_OPERATOR) == 0, CM_REFUSE);
    CM_TRY(cm_tx_make_membership(&tx, home, account, role, is_declared, now));
    return cm_tx_commit(&tx);
}

cm_status cm_store_member_create(cm_store *store, const cm_home_id *home,
                                 const cm_new_account *account, cm_role role, cm_wall now,
                                 cm_stored_account *out)
{
    CM_ENSURE(!account->is_operator, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    CM_TRY(cm_tx_make_account(&tx, account, now, out));
    CM_TRY(cm_tx_make_membership(&tx, home, &out->id, role, account->is_declared, now));
    return cm_tx_commit(&tx);
}

/* CM_REFUSE unless somebody else owns the home as well. */
static cm_status ensure_another_owner(cm_tx *tx, const cm_home_id *home)
{
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->text);
    cm_row_set_integer(&probe, CM_MEMBERSHIPS_ROLE, CM_ROLE_OWNER);
    size_t owners;
    CM_TRY(cm_db_count(tx->db, &probe,
                       CM_WHERE(CM_MEMBERSHIPS_HOME) | CM_WHERE(CM_MEMBERSHIPS_ROLE), &owners));
    return owners > 1 ? CM_OK : CM_REFUSE;
}

/* What he gave to people who are no members ends with his say in the home. */
static cm_status end_of_say(cm_tx *tx, const cm_home_id *home, const cm_account_id *account)
{
    CM_TRY(cm_tx_void_invitations(tx, home, account, NULL));
    return cm_tx_void_guest_links(tx, home, account);
}

static cm_status set_role(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                          cm_role role)
{
    cm_row row;
    CM_TRY(cm_tx_membership(tx, home, account, &row));
    const cm_role before = (cm_role)cm_row_integer(&row, CM_MEMBERSHIPS_ROLE);
    if (before == CM_ROLE_OWNER && role != CM_ROLE_OWNER) {
        CM_TRY(ensure_another_owner(tx, home));
        CM_TRY(cm_tx_raise_all(tx, home));
    }
    /* Any step down: the row with more rights must not fit any more. */
    if (role > before)
        CM_TRY(cm_tx_bump_home(tx, home));
    if (role != CM_ROLE_OWNER)
        CM_TRY(end_of_say(tx, home, account));
    cm_row_set_integer(&row, CM_MEMBERSHIPS_ROLE, role);
    return cm_tx_update(tx, &row);
}

cm_status cm_store_member_set_role(cm_store *store, const cm_home_id *home,
                                   const cm_account_id *account, cm_role role, cm_change *change)
{
    CM_ENSURE(role > CM_ROLE_NONE && (unsigned)role < CM_ROLES, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(set_role(&tx, home, account, role));
    change->home = *home;
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_hand_over(cm_store *store, const cm_hand_over *h, cm_change *change)
{
    CM_ENSURE((unsigned)h->then < CM_ROLES && h->then != CM_ROLE_OWNER, CM_REFUSE);
    CM_ENSURE(!cm_account_id_equal(&h->from, &h->to), CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    const cm_status found = cm_tx_membership(&tx, &h->home, &h->from, &row);
    CM_ENSURE(found != CM_ABSENT, CM_REFUSE);
    CM_TRY(found);
    CM_ENSURE(cm_row_integer(&row, CM_MEMBERSHIPS_ROLE) == CM_ROLE_OWNER, CM_REFUSE);
    CM_TRY(set_role(&tx, &h->home, &h->to, CM_ROLE_OWNER));
    CM_TRY(h->then == CM_ROLE_NONE ? cm_tx_leave_home(&tx, &h->home, &h->from, false)
                                   : set_role(&tx, &h->home, &h->from, h->then));
    change->home = h->home;
    change->account = h->from;
    return cm_tx_commit(&tx);
}

cm_status cm_tx_leave_home(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                           bool may_be_last_owner)
{
    cm_row row;
    CM_TRY(cm_tx_membership(tx, home, account, &row));
    if (!may_be_last_owner && cm_row_integer(&row, CM_MEMBERSHIPS_ROLE) == CM_ROLE_OWNER)
        CM_TRY(ensure_another_owner(tx, home));
    CM_TRY(cm_tx_raise_seen(tx, home, account));
    CM_TRY(end_of_say(tx, home, account));
    cm_row probe;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_id(&probe, CM_API_TOKENS_HOME, home->text);
    cm_row_set_id(&probe, CM_API_TOKENS_ACCOUNT, account->text);
    CM_TRY(cm_tx_delete_all(tx, &probe,
                            CM_WHERE(CM_API_TOKENS_HOME) | CM_WHERE(CM_API_TOKENS_ACCOUNT), NULL));
    cm_row_init(&probe, CM_GRANTS);
    cm_row_set_id(&probe, CM_GRANTS_HOME, home->text);
    cm_row_set_id(&probe, CM_GRANTS_ACCOUNT, account->text);
    CM_TRY(
        cm_tx_delete_all(tx, &probe, CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_ACCOUNT), NULL));
    cm_row_init(&probe, CM_GROUP_GRANTS);
    cm_row_set_id(&probe, CM_GROUP_GRANTS_HOME, home->text);
    cm_row_set_id(&probe, CM_GROUP_GRANTS_ACCOUNT, account->text);
    CM_TRY(cm_tx_delete_all(
        tx, &probe, CM_WHERE(CM_GROUP_GRANTS_HOME) | CM_WHERE(CM_GROUP_GRANTS_ACCOUNT), NULL));
    return cm_tx_delete(tx, &row);
}

static cm_status remove_member(cm_store *store, const cm_home_id *home,
                               const cm_account_id *account, bool may_be_last_owner,
                               cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_leave_home(&tx, home, account, may_be_last_owner));
    change->home = *home;
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_member_remove(cm_store *store, const cm_home_id *home,
                                 const cm_account_id *account, cm_change *change)
{
    return remove_member(store, home, account, false, change);
}

cm_status cm_store_member_withdraw(cm_store *store, const cm_home_id *home,
                                   const cm_account_id *account, cm_change *change)
{
    return remove_member(store, home, account, true, change);
}

/* ---- lists ---- */

typedef struct listing {
    cm_stored_members *members;
    const cm_home_id *home;
    cm_wall now;
} listing;

static cm_status add_right(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_member *member = owner;
    CM_TRY(cm_store_grow((void **)&member->cameras, member->camera_count, sizeof *member->cameras));
    cm_stored_right *right = &member->cameras[member->camera_count];
    CM_TRY(cm_store_read_terms(row, &right->terms));
    CM_ENSURE(cm_row_read_id(row, CM_GRANTS_CAMERA, right->camera.text), CM_FOREIGN);
    member->camera_count++;
    return CM_OK;
}

typedef struct live_count {
    cm_wall now;
    size_t count;
} live_count;

static cm_status count_live(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    live_count *live = owner;
    const cm_wall created = {.us = cm_row_integer(row, CM_SESSIONS_CREATED)};
    const cm_wall last_used = {.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)};
    live->count += cm_session_is_live(created, last_used, live->now) ? 1 : 0;
    return CM_OK;
}

static cm_status fill_member(cm_tx *tx, const listing *l, cm_stored_member *member)
{
    cm_row probe;
    cm_row_init(&probe, CM_GRANTS);
    cm_row_set_id(&probe, CM_GRANTS_HOME, l->home->text);
    cm_row_set_id(&probe, CM_GRANTS_ACCOUNT, member->account.text);
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_ACCOUNT), add_right,
                      member));
    live_count live = {.now = l->now};
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, member->account.text);
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), count_live, &live));
    member->session_count = live.count;
    return CM_OK;
}

static cm_status add_member(cm_tx *tx, cm_row *row, void *owner)
{
    const listing *l = owner;
    cm_stored_members *members = l->members;
    cm_account_id id;
    CM_ENSURE(cm_row_read_id(row, CM_MEMBERSHIPS_ACCOUNT, id.text), CM_FOREIGN);
    cm_row account_row;
    const cm_status status = cm_tx_account(tx, &id, &account_row);
    if (status == CM_FOREIGN || status == CM_ABSENT)
        return CM_OK; /* logged; left out as any row that does not fit */
    CM_TRY(status);
    cm_stored_account account;
    CM_TRY(cm_store_read_account(&account_row, &account));
    CM_TRY(cm_store_grow((void **)&members->items, members->count, sizeof *members->items));
    cm_stored_member *member = &members->items[members->count++];
    *member = (cm_stored_member){
        .account = id,
        .role = (cm_role)cm_row_integer(row, CM_MEMBERSHIPS_ROLE),
        .is_declared = cm_row_integer(row, CM_MEMBERSHIPS_IS_DECLARED) != 0,
    };
    cm_store_copy(member->name, sizeof member->name,
                  cm_slice_over(account.name, sizeof account.name));
    return fill_member(tx, l, member);
}

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const cm_stored_member *)a)->name, ((const cm_stored_member *)b)->name);
}

cm_status cm_store_members(cm_store *store, const cm_home_id *home, cm_wall now,
                           cm_stored_members *out)
{
    *out = (cm_stored_members){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->text);
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    listing l = {.members = &members, .home = home, .now = now};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_MEMBERSHIPS_HOME), add_member, &l));
    if (members.count > 1)
        qsort(members.items, members.count, sizeof *members.items, compare_members);
    *out = members;
    members = (cm_stored_members){.count = 0};
    return CM_OK;
}

cm_status cm_store_member_find(cm_store *store, const cm_home_id *home,
                               const cm_account_id *account, cm_wall now, cm_stored_members *out)
{
    *out = (cm_stored_members){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(cm_tx_membership(&tx, home, account, &row));
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    listing l = {.members = &members, .home = home, .now = now};
    CM_TRY(add_member(&tx, &row, &l));
    CM_ENSURE(members.count == 1, CM_FOREIGN);
    *out = members;
    members = (cm_stored_members){.count = 0};
    return CM_OK;
}
