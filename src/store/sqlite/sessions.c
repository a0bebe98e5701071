/* Sessions of accounts: who is signed in where. */
#include "base/text.h"
#include "store/sqlite/store_priv.h"

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

cm_status cm_tx_end_sessions(cm_tx *tx, const cm_account_id *account, const uint8_t *keep)
{
    CM_TRY(cm_tx_bump_account(tx, account));
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    keep_one one = {.token_hash = keep};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), delete_session, &one));
    return cm_tx_raise_seen_anywhere(tx, account);
}

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

/* Shown now. */
static void set_origin(cm_row *row, const cm_session_origin *origin, cm_wall now)
{
    cm_row_set_integer(row, CM_SESSIONS_METHOD, origin->method);
    cm_row_set_integer(row, CM_SESSIONS_AUTHENTICATED, now.us);
    cm_row_set_bytes(row, CM_SESSIONS_DEVICE, cm_slice_of(origin->device));
    cm_row_set_bytes(row, CM_SESSIONS_NETWORK, cm_slice_of(origin->network));
}

cm_status cm_tx_make_session(cm_tx *tx, const cm_account_id *account,
                             const uint8_t token_hash[CM_MAC_SIZE], const cm_session_origin *origin,
                             cm_wall now)
{
    cm_row row;
    cm_row_init(&row, CM_SESSIONS);
    cm_row_set_bytes(&row, CM_SESSIONS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_SESSIONS_ACCOUNT, account->text);
    cm_row_set_integer(&row, CM_SESSIONS_CREATED, now.us);
    cm_row_set_integer(&row, CM_SESSIONS_LAST_USED, now.us);
    set_origin(&row, origin, now);
    return cm_tx_insert(tx, &row);
}

/* Active, and all was shown that it asks for: here and nowhere else, so that no way in can forget
 * it. */
static cm_status check_factors(const cm_stored_account *account, const cm_session_origin *origin)
{
    const cm_session_method method = origin->method;
    const bool is_whole =
        method == CM_METHOD_PASSKEY || method == CM_METHOD_RECOVERY || method == CM_METHOD_CODE;
    CM_ENSURE(account->is_active && (is_whole || !account->has_totp), CM_REFUSE);
    return CM_OK;
}

cm_status cm_tx_open_session(cm_tx *tx, const cm_account_id *account,
                             const uint8_t token_hash[CM_MAC_SIZE], const cm_session_origin *origin,
                             cm_wall now, cm_stored_account *out)
{
    cm_row row;
    CM_TRY(cm_tx_account(tx, account, &row));
    CM_TRY(cm_store_read_account(&row, out));
    CM_TRY(check_factors(out, origin));
    CM_TRY(make_room(tx, account));
    return cm_tx_make_session(tx, account, token_hash, origin, now);
}

cm_status cm_store_session_create(cm_store *store, const cm_account_id *account,
                                  const uint8_t token_hash[CM_MAC_SIZE],
                                  const cm_session_origin *origin, cm_wall now, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_stored_account row;
    CM_TRY(cm_tx_open_session(&tx, account, token_hash, origin, now, &row));
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
    const int64_t since = now.us - cm_row_integer(&row, CM_SESSIONS_LAST_USED);
    if (since >= 0 && since < TOUCH_US)
        return cm_tx_commit(&tx);
    cm_row_set_integer(&row, CM_SESSIONS_LAST_USED, now.us);
    CM_TRY(cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

static cm_status end_one(cm_tx *tx, const cm_row *row)
{
    cm_account_id account;
    CM_ENSURE(cm_row_read_id(row, CM_SESSIONS_ACCOUNT, account.text), CM_FOREIGN);
    cm_change *change = tx->change;
    CM_TRY(cm_tx_bump_account(tx, &account));
    CM_TRY(cm_tx_delete(tx, row));
    CM_TRY(cm_tx_raise_seen_anywhere(tx, &account));
    change->account = account;
    change->has_token = true;
    cm_store_copy(change->token_hash, CM_MAC_SIZE, cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH));
    return CM_OK;
}

cm_status cm_store_session_end(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                               cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_session(&tx, token_hash, &row));
    CM_TRY(end_one(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_tx_renew_session(cm_tx *tx, const cm_session_renewal *renewal, cm_wall now,
                              cm_stored_account *out)
{
    cm_row row;
    CM_TRY(find_session(tx, renewal->former, &row));
    CM_TRY(end_one(tx, &row));
    const cm_account_id *account = &tx->change->account;
    CM_ENSURE(renewal->account == NULL || cm_account_id_equal(renewal->account, account),
              CM_REFUSE);
    cm_row owner;
    CM_TRY(cm_tx_account(tx, account, &owner));
    CM_TRY(cm_store_read_account(&owner, out));
    cm_row_set_bytes(&row, CM_SESSIONS_TOKEN_HASH, cm_slice_over(renewal->fresh, CM_MAC_SIZE));
    cm_row_set_integer(&row, CM_SESSIONS_LAST_USED, now.us);
    if (renewal->origin != NULL) {
        CM_TRY(check_factors(out, renewal->origin));
        set_origin(&row, renewal->origin, now);
    }
    return cm_tx_insert(tx, &row);
}

cm_status cm_store_session_renew(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                 const uint8_t fresh_hash[CM_MAC_SIZE],
                                 const cm_session_origin *origin, cm_wall now, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    const cm_session_renewal renewal = {
        .former = token_hash, .fresh = fresh_hash, .origin = origin};
    cm_stored_account account;
    CM_TRY(cm_tx_renew_session(&tx, &renewal, now, &account));
    return cm_tx_commit(&tx);
}

cm_status cm_store_sessions_end_all(cm_store *store, const cm_account_id *account,
                                    const uint8_t *keep, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_end_sessions(&tx, account, keep));
    change->account = *account;
    return cm_tx_commit(&tx);
}

/* ---- as their owner sees them ---- */

/* A digest under the server's key: it names the row and says nothing of what stands in it. */
static void name_of(const cm_store *store, cm_slice token_hash, char out[CM_ID_SIZE])
{
    enum { NAME_BYTES = 12 };
    uint8_t mac[CM_MAC_SIZE];
    CM_AUTO(cm_secret_clear) cm_secret key;
    cm_secret_derive(&store->server_key, "names of sessions", (cm_slice){.size = 0}, &key);
    cm_secret_mac(&key, token_hash, mac);
    CM_IGNORE(cm_text_to_hex(cm_slice_over(mac, NAME_BYTES), out, CM_ID_SIZE), "24 digits fit");
}

typedef struct naming {
    cm_slice id;
    bool is_found;
    cm_row row;
} naming;

static cm_status look_for_name(cm_tx *tx, cm_row *row, void *owner)
{
    naming *n = owner;
    char id[CM_ID_SIZE] = {0};
    name_of(tx->store, cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH), id);
    if (!cm_slice_equal(cm_slice_of(id), n->id))
        return CM_OK;
    n->is_found = true;
    n->row = *row;
    return CM_OK;
}

cm_status cm_store_session_end_named(cm_store *store, const cm_account_id *account, cm_slice id,
                                     cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_id(&probe, CM_SESSIONS_ACCOUNT, account->text);
    naming n = {.id = id};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_SESSIONS_ACCOUNT), look_for_name, &n));
    CM_ENSURE(n.is_found, CM_ABSENT);
    CM_TRY(end_one(&tx, &n.row));
    return cm_tx_commit(&tx);
}

static cm_status read_origin(const cm_row *row, cm_session_origin *out)
{
    const int64_t method = cm_row_integer(row, CM_SESSIONS_METHOD);
    CM_ENSURE(method >= 0 && method < CM_METHODS, CM_FOREIGN);
    out->method = (cm_session_method)method;
    CM_ENSURE(cm_row_read_text(row, CM_SESSIONS_DEVICE, out->device, sizeof out->device) &&
                  cm_row_read_text(row, CM_SESSIONS_NETWORK, out->network, sizeof out->network),
              CM_FOREIGN);
    return CM_OK;
}

static cm_status add_session(cm_tx *tx, cm_row *row, void *owner)
{
    cm_stored_sessions *sessions = owner;
    CM_TRY(cm_store_grow((void **)&sessions->items, sessions->count, sizeof *sessions->items));
    cm_stored_session *s = &sessions->items[sessions->count];
    *s = (cm_stored_session){
        .created = {.us = cm_row_integer(row, CM_SESSIONS_CREATED)},
        .last_used = {.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)},
        .authenticated = {.us = cm_row_integer(row, CM_SESSIONS_AUTHENTICATED)},
    };
    const cm_slice hash = cm_row_bytes(row, CM_SESSIONS_TOKEN_HASH);
    CM_ENSURE(hash.size == sizeof s->token_hash, CM_FOREIGN);
    cm_store_copy(s->token_hash, CM_MAC_SIZE, hash);
    name_of(tx->store, hash, s->id);
    CM_ENSURE(cm_row_read_id(row, CM_SESSIONS_ACCOUNT, s->account.text), CM_FOREIGN);
    CM_TRY(read_origin(row, &s->origin));
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
    cm_wall until = {.us = 0};
    if (row->table == &cm_tables[CM_API_TOKENS])
        until.us = cm_row_integer(row, CM_API_TOKENS_EXPIRES);
    if (row->table == &cm_tables[CM_SESSIONS])
        until = cm_session_expires((cm_wall){.us = cm_row_integer(row, CM_SESSIONS_CREATED)},
                                   (cm_wall){.us = cm_row_integer(row, CM_SESSIONS_LAST_USED)});
    if (row->table == &cm_tables[CM_INVITATIONS])
        until.us = cm_row_integer(row, CM_INVITATIONS_EXPIRES) + CM_INVITATION_KEPT_US;
    if (row->table == &cm_tables[CM_GUEST_LINKS])
        until.us = cm_row_integer(row, CM_GUEST_LINKS_NOT_AFTER) + CM_GUEST_LINK_KEPT_US;
    if (until.us > e->now.us)
        return CM_OK;
    e->removed++;
    return row->table == &cm_tables[CM_GUEST_LINKS] ? cm_tx_forget_guest_link(tx, row)
                                                    : cm_tx_delete(tx, row);
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
    cm_row_init(&probe, CM_INVITATIONS);
    CM_TRY(cm_tx_each(&tx, &probe, 0, remove_expired, &e));
    cm_row_init(&probe, CM_GUEST_LINKS);
    CM_TRY(cm_tx_each(&tx, &probe, 0, remove_expired, &e));
    CM_TRY(cm_tx_commit(&tx));
    *removed_out = e.removed;
    return CM_OK;
}
