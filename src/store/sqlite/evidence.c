#include "store/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "store/sqlite/store_priv.h"

/* ---- one step of the chain ---- */

#ifdef CM_FAULT_INJECTION
static bool is_of_another_home(const cm_row *probe, const cm_row *row)
{
    return row->table->scope != CM_SCOPE_HOME ||
           !cm_slice_equal(cm_row_bytes(probe, probe->table->owner),
                           cm_row_bytes(row, row->table->owner));
}

/* The look-up is made wrong in the way of the hook that fires; true if it was. */
static bool look_up_wrongly(cm_tx *tx, const cm_row *probe, uint32_t where, cm_fault swap,
                            cm_row *out)
{
    const cm_table_id table = (cm_table_id)(probe->table - cm_tables);
    if (cm_fault_fires(swap) && cm_db_find_any(tx->db, table, out) == CM_OK)
        return true;
    if (CM_FAULT(STORE_ROW_STALE) && cm_db_find_stale(tx->db, probe, where, out) == CM_OK)
        return true;
    if (!CM_FAULT(STORE_CACHE_FOREIGN))
        return false;
    pthread_mutex_lock(&tx->store->cache_lock);
    const bool hits =
        tx->store->is_cached[table] && is_of_another_home(probe, &tx->store->cache[table]);
    if (hits)
        *out = tx->store->cache[table];
    pthread_mutex_unlock(&tx->store->cache_lock);
    return hits;
}

static void remember(cm_tx *tx, const cm_row *row)
{
    const cm_table_id table = (cm_table_id)(row->table - cm_tables);
    pthread_mutex_lock(&tx->store->cache_lock);
    tx->store->cache[table] = *row;
    tx->store->is_cached[table] = true;
    pthread_mutex_unlock(&tx->store->cache_lock);
}
#define SWAP(fault) , CM_FAULT_##fault
#else
#define SWAP(fault)
#endif

/* The row that was asked for, verified, whatever the look-up answered. CM_ABSENT. */
static cm_status look_up(cm_tx *tx, const cm_row *probe, uint32_t where,
#ifdef CM_FAULT_INJECTION
                         cm_row *out, cm_fault swap)
#else
                         cm_row *out)
#endif
{
#ifdef CM_FAULT_INJECTION
    cm_status status = CM_OK;
    if (!look_up_wrongly(tx, probe, where, swap, out)) {
        status = cm_db_find(tx->db, probe, where, out);
        if (status == CM_OK)
            remember(tx, out);
    }
#else
    const cm_status status = cm_db_find(tx->db, probe, where, out);
#endif
    if (status == CM_FOREIGN)
        return cm_tx_refuse(tx, probe->table, "shape");
    CM_TRY(status);
    if (!tx->believes && !cm_tx_is_asked(probe, where, out))
        return cm_tx_refuse(tx, probe->table, "another-row");
    return cm_tx_verify(tx, out);
}

/* ---- the chain ---- */

static cm_status read_id(cm_tx *tx, const cm_row *row, unsigned column, char out[CM_ID_SIZE])
{
    return cm_row_read_id(row, column, out) ? CM_OK : cm_tx_refuse(tx, row->table, "id");
}

/* What a token leads to. */
typedef struct holder {
    bool is_live;
    bool is_token;
    cm_account_id account;
    cm_camera_key camera; /* of an API token */
    uint32_t rights;      /* of an API token; all bits of a session */
    cm_wall expires;
    cm_wall authenticated; /* of a session */
    cm_guest guest;
} holder;

static cm_status look_up_session(cm_tx *tx, const cm_asker *asker, cm_wall now, holder *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_SESSIONS);
    cm_row_set_bytes(&probe, CM_SESSIONS_TOKEN_HASH,
                     cm_slice_over(asker->token_hash, sizeof asker->token_hash));
    CM_TRY(look_up(tx, &probe, CM_WHERE(CM_SESSIONS_TOKEN_HASH), &row SWAP(STORE_SESSION_SWAP)));
    CM_TRY(read_id(tx, &row, CM_SESSIONS_ACCOUNT, out->account.text));
    const cm_wall created = {.us = cm_row_integer(&row, CM_SESSIONS_CREATED)};
    const cm_wall last_used = {.us = cm_row_integer(&row, CM_SESSIONS_LAST_USED)};
    out->expires = cm_session_expires(created, last_used);
    out->is_live = cm_session_is_live(created, last_used, now);
    out->authenticated = (cm_wall){.us = cm_row_integer(&row, CM_SESSIONS_AUTHENTICATED)};
    out->rights = UINT32_MAX;
    return CM_OK;
}

static cm_status look_up_token(cm_tx *tx, const cm_asker *asker, cm_wall now, holder *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_bytes(&probe, CM_API_TOKENS_TOKEN_HASH,
                     cm_slice_over(asker->token_hash, sizeof asker->token_hash));
    CM_TRY(look_up(tx, &probe, CM_WHERE(CM_API_TOKENS_TOKEN_HASH), &row SWAP(STORE_SESSION_SWAP)));
    CM_TRY(read_id(tx, &row, CM_API_TOKENS_ACCOUNT, out->account.text));
    CM_TRY(read_id(tx, &row, CM_API_TOKENS_HOME, out->camera.home.text));
    CM_TRY(read_id(tx, &row, CM_API_TOKENS_CAMERA, out->camera.camera.text));
    out->is_token = true;
    out->expires = (cm_wall){.us = cm_row_integer(&row, CM_API_TOKENS_EXPIRES)};
    out->is_live = now.us < out->expires.us;
    out->rights = (uint32_t)cm_row_integer(&row, CM_API_TOKENS_RIGHTS);
    return CM_OK;
}

/* The link that the look says it is of. */
static cm_status look_up_link(cm_tx *tx, const cm_row *look, cm_stored_guest_link *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_bytes(&probe, CM_GUEST_LINKS_HOME, cm_row_bytes(look, CM_GUEST_LOOKS_HOME));
    cm_row_set_bytes(&probe, CM_GUEST_LINKS_ID, cm_row_bytes(look, CM_GUEST_LOOKS_LINK));
    const uint32_t where = CM_WHERE(CM_GUEST_LINKS_HOME) | CM_WHERE(CM_GUEST_LINKS_ID);
    const cm_status status = look_up(tx, &probe, where, &row SWAP(STORE_GRANT_SWAP));
    /* Looks can't outlive their link (foreign keys). */
    if (status == CM_ABSENT)
        return cm_tx_refuse(tx, probe.table, "no-link");
    CM_TRY(status);
    if (cm_store_read_guest_link(&row, out) != CM_OK)
        return cm_tx_refuse(tx, row.table, "shape");
    if (!cm_slice_equal(cm_slice_of(out->camera.camera.text),
                        cm_row_bytes(look, CM_GUEST_LOOKS_CAMERA)))
        return cm_tx_refuse(tx, row.table, "another-camera");
    return CM_OK;
}

static cm_guest guest_of(const cm_stored_guest_link *link, cm_wall now)
{
    cm_guest guest = {.camera = link->camera,
                      .from = link->from,
                      .until = link->until,
                      .has_ended = link->end != CM_GUEST_LINK_GOES_ON ||
                                   link->created.us - now.us > CM_SESSION_AHEAD_US};
    cm_store_copy(guest.link, sizeof guest.link, cm_slice_over(link->id, sizeof link->id));
    cm_store_copy(guest.label, sizeof guest.label, cm_slice_over(link->label, sizeof link->label));
    return guest;
}

/* Whose right it is: the maker's. */
static cm_status look_up_look(cm_tx *tx, const cm_asker *asker, cm_wall now, holder *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GUEST_LOOKS);
    cm_row_set_bytes(&probe, CM_GUEST_LOOKS_TOKEN_HASH,
                     cm_slice_over(asker->token_hash, sizeof asker->token_hash));
    CM_TRY(look_up(tx, &probe, CM_WHERE(CM_GUEST_LOOKS_TOKEN_HASH), &row SWAP(STORE_SESSION_SWAP)));
    cm_stored_guest_link link;
    CM_TRY(look_up_link(tx, &row, &link));
    out->guest = guest_of(&link, now);
    out->account = link.by;
    out->camera = link.camera;
    out->rights = UINT32_MAX;
    out->expires = (cm_wall){.us = cm_row_integer(&row, CM_GUEST_LOOKS_EXPIRES)};
    out->is_live = now.us < out->expires.us &&
                   cm_row_integer(&row, CM_GUEST_LOOKS_OPENED) - now.us <= CM_SESSION_AHEAD_US;
    return CM_OK;
}

static cm_status look_up_holder(cm_tx *tx, const cm_asker *asker, cm_wall now, holder *out)
{
    *out = (holder){.is_live = false};
    switch (asker->kind) {
    case CM_ASKER_SESSION:
        return look_up_session(tx, asker, now, out);
    case CM_ASKER_API_TOKEN:
        return look_up_token(tx, asker, now, out);
    case CM_ASKER_GUEST:
        return look_up_look(tx, asker, now, out);
    }
    return CM_ABSENT;
}

/* A session is for every camera of its account. */
static bool is_for(const holder *h, const cm_camera_key *camera)
{
    return !(h->is_token || h->guest.link[0] != '\0') || cm_camera_key_equal(&h->camera, camera);
}

static cm_status look_up_role(cm_tx *tx, const cm_home_id *home, const cm_account_id *account,
                              cm_role *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->text);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account->text);
    const uint32_t where = CM_WHERE(CM_MEMBERSHIPS_HOME) | CM_WHERE(CM_MEMBERSHIPS_ACCOUNT);
    const cm_status status = look_up(tx, &probe, where, &row SWAP(STORE_MEMBERSHIP_SWAP));
    *out = CM_ROLE_NONE;
    if (status == CM_ABSENT)
        return CM_OK;
    CM_TRY(status);
    const int64_t role = cm_row_integer(&row, CM_MEMBERSHIPS_ROLE);
    if (role <= CM_ROLE_NONE || role >= CM_ROLES)
        return cm_tx_refuse(tx, row.table, "role");
    *out = (cm_role)role;
    return CM_OK;
}

/* Adds what the grant on this very camera gives. */
static cm_status look_up_grant(cm_tx *tx, const cm_camera_key *camera, const cm_account_id *account,
                               cm_grant_rows *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GRANTS);
    cm_row_set_id(&probe, CM_GRANTS_HOME, camera->home.text);
    cm_row_set_id(&probe, CM_GRANTS_ACCOUNT, account->text);
    cm_row_set_id(&probe, CM_GRANTS_CAMERA, camera->camera.text);
    const uint32_t where =
        CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_ACCOUNT) | CM_WHERE(CM_GRANTS_CAMERA);
    const cm_status status = look_up(tx, &probe, where, &row SWAP(STORE_GRANT_SWAP));
    if (status == CM_ABSENT)
        return CM_OK;
    CM_TRY(status);
    if (cm_store_read_terms(&row, &out->items[out->count]) != CM_OK)
        return cm_tx_refuse(tx, row.table, "terms");
    out->count++;
    return CM_OK;
}

/* What was granted on a group that the camera is in. */
static cm_status look_up_group_grant(cm_tx *tx, const cm_row *place, const cm_account_id *account,
                                     cm_grant_rows *out)
{
    char group[CM_ID_SIZE];
    CM_TRY(read_id(tx, place, CM_GROUP_CAMERAS_CAMERA_GROUP, group));
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GROUP_GRANTS);
    cm_row_set_bytes(&probe, CM_GROUP_GRANTS_HOME, cm_row_bytes(place, CM_GROUP_CAMERAS_HOME));
    cm_row_set_id(&probe, CM_GROUP_GRANTS_ACCOUNT, account->text);
    cm_row_set_id(&probe, CM_GROUP_GRANTS_CAMERA_GROUP, group);
    const uint32_t where = CM_WHERE(CM_GROUP_GRANTS_HOME) | CM_WHERE(CM_GROUP_GRANTS_ACCOUNT) |
                           CM_WHERE(CM_GROUP_GRANTS_CAMERA_GROUP);
    const cm_status status = look_up(tx, &probe, where, &row SWAP(STORE_GRANT_SWAP));
    if (status == CM_ABSENT)
        return CM_OK;
    CM_TRY(status);
    if (out->count == CM_GRANT_ROWS_MAX ||
        cm_store_read_terms(&row, &out->items[out->count]) != CM_OK)
        return cm_tx_refuse(tx, row.table, "terms");
    out->count++;
    return CM_OK;
}

typedef struct group_rows {
    const cm_account_id *account;
    cm_grant_rows *rows;
} group_rows;

static cm_status add_group_grant(cm_tx *tx, cm_row *place, void *owner)
{
    const group_rows *g = owner;
    return look_up_group_grant(tx, place, g->account, g->rows);
}

/* The grant on the camera first, then those on its groups. A place in a group that does not fit is
 * logged and gives nothing. */
static cm_status look_up_grants(cm_tx *tx, const cm_camera_key *camera,
                                const cm_account_id *account, cm_grant_rows *out)
{
    out->count = 0;
    CM_TRY(look_up_grant(tx, camera, account, out));
    cm_row probe;
    cm_row_init(&probe, CM_GROUP_CAMERAS);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_HOME, camera->home.text);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_CAMERA, camera->camera.text);
    group_rows g = {.account = account, .rows = out};
    return cm_tx_each(tx, &probe,
                      CM_WHERE(CM_GROUP_CAMERAS_HOME) | CM_WHERE(CM_GROUP_CAMERAS_CAMERA),
                      add_group_grant, &g);
}

/* By whose clock the home's hours are. Without its files none is open. */
static cm_status look_up_home(cm_tx *tx, const cm_home_id *home, cm_stored_home *out,
                              const cm_zone **zone)
{
    cm_row row;
    CM_TRY(cm_tx_home(tx, home, &row));
    CM_TRY(cm_store_read_home(tx->store, &row, out));
    *zone = cm_zones_find(tx->store->zones, cm_slice_of(out->time_zone));
    if (*zone == NULL)
        cm_log_home(CM_LOG_ERROR, "store", home,
                    "event=time-zone-missing zone=%s effect=\"no hours\"", out->time_zone);
    return CM_OK;
}

static cm_status look_up_camera(cm_tx *tx, const cm_camera_key *camera, cm_evidence *out)
{
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, camera->home.text);
    cm_row_set_id(&probe, CM_CAMERAS_ID, camera->camera.text);
    const uint32_t where = CM_WHERE(CM_CAMERAS_HOME) | CM_WHERE(CM_CAMERAS_ID);
    const cm_status status = look_up(tx, &probe, where, &row SWAP(STORE_CAMERA_SWAP));
    if (status == CM_ABSENT)
        return CM_OK;
    CM_TRY(status);
    CM_TRY(read_id(tx, &row, CM_CAMERAS_HOME, out->camera.home.text));
    CM_TRY(read_id(tx, &row, CM_CAMERAS_ID, out->camera.camera.text));
    out->min_epoch = (uint64_t)cm_row_integer(&row, CM_CAMERAS_MIN_EPOCH);
    out->camera_exists = true;
    return CM_OK;
}

static cm_status look_up_account(cm_tx *tx, const cm_account_id *id, cm_stored_account *out)
{
    cm_row row;
    const cm_status status = cm_tx_account(tx, id, &row);
    /* Sessions and tokens can't outlive their account (foreign keys). */
    if (status == CM_ABSENT)
        return cm_tx_refuse(tx, &cm_tables[CM_ACCOUNTS], "no-account");
    CM_TRY(status);
    return cm_store_read_account(&row, out) == CM_OK ? CM_OK : cm_tx_refuse(tx, row.table, "shape");
}

static cm_status read_chain(cm_tx *tx, const cm_asker *asker, const cm_camera_key *camera,
                            cm_wall now, cm_evidence *out)
{
    *out = (cm_evidence){.role = CM_ROLE_NONE};
    holder h;
    const cm_status found = look_up_holder(tx, asker, now, &h);
    if (found == CM_ABSENT)
        return CM_OK;
    CM_TRY(found);
    out->session_is_live = h.is_live;
    out->expires = h.expires;
    out->guest = h.guest;
    if (h.guest.has_ended)
        return CM_OK; /* its maker may be gone */
    cm_stored_account account;
    CM_TRY(look_up_account(tx, &h.account, &account));
    out->account = account.id;
    cm_store_copy(out->account_name, sizeof out->account_name,
                  cm_slice_over(account.name, sizeof account.name));
    out->account_is_active = account.is_active;
    out->is_operator = account.is_operator;
    out->token_limit = is_for(&h, camera) ? h.rights : 0;
    cm_stored_home home;
    const cm_status home_found = look_up_home(tx, &camera->home, &home, &out->zone);
    if (home_found == CM_ABSENT)
        return CM_OK;
    CM_TRY(home_found);
    out->home_is_suspended = home.suspension.since.us != 0;
    CM_TRY(look_up_role(tx, &camera->home, &account.id, &out->role));
    CM_TRY(look_up_grants(tx, camera, &account.id, &out->granted));
    return look_up_camera(tx, camera, out);
}

/* Runs `read` in a snapshot of its own, again if the snapshot was too old to tell. */
typedef struct question {
    const cm_asker *asker;
    const cm_camera_key *camera;
    cm_wall now;
    void *out;
} question;

static cm_status ask(cm_store *store, cm_status (*read)(cm_tx *tx, const question *q),
                     const question *q, const char **cause)
{
    atomic_fetch_add(&store->evidence_reads, 1);
    cm_status status = CM_RETRY;
    for (int i = 0; status == CM_RETRY && i < CM_STORE_ATTEMPTS; i++) {
        CM_AUTO(cm_tx_end) cm_tx tx;
        status = cm_tx_begin(store, CM_TX_READ, &tx);
        if (status == CM_OK)
            status = read(&tx, q);
        if (status == CM_FOREIGN)
            *cause = tx.cause != NULL ? tx.cause : "shape";
    }
    if (status == CM_FOREIGN)
        atomic_fetch_add(&store->evidence_alarms, 1);
    return status;
}

static cm_status read_evidence(cm_tx *tx, const question *q)
{
    return read_chain(tx, q->asker, q->camera, q->now, q->out);
}

cm_status cm_store_evidence(cm_store *store, const cm_asker *asker, const cm_camera_key *camera,
                            cm_wall now, cm_evidence *out, const char **cause)
{
    cm_evidence evidence;
    const question q = {.asker = asker, .camera = camera, .now = now, .out = &evidence};
    CM_TRY(ask(store, read_evidence, &q, cause));
    *out = evidence;
    return CM_OK;
}

/* ---- who ---- */

typedef struct gathering {
    cm_who *who;
    const cm_home_id *only; /* NULL: every home */
} gathering;

static cm_status add_home(cm_tx *tx, cm_row *row, void *owner)
{
    const gathering *g = owner;
    cm_home_id id;
    CM_TRY(read_id(tx, row, CM_MEMBERSHIPS_HOME, id.text));
    if (g->only != NULL && !cm_home_id_equal(g->only, &id))
        return CM_OK;
    cm_row home_row;
    cm_stored_home home;
    CM_TRY(cm_tx_home(tx, &id, &home_row));
    CM_TRY(cm_store_read_home(tx->store, &home_row, &home));
    CM_TRY(cm_store_grow((void **)&g->who->homes, g->who->home_count, sizeof *g->who->homes));
    cm_identity_home *item = &g->who->homes[g->who->home_count++];
    *item =
        (cm_identity_home){.home = id, .role = (cm_role)cm_row_integer(row, CM_MEMBERSHIPS_ROLE)};
    cm_store_copy(item->name, sizeof item->name, cm_slice_over(home.name, sizeof home.name));
    cm_store_copy(item->time_zone, sizeof item->time_zone,
                  cm_slice_over(home.time_zone, sizeof home.time_zone));
    item->suspension = home.suspension;
    return CM_OK;
}

/* What his link leads to is looked up with each picture: here it only has to be one still. */
static cm_status read_guest(const holder *h, cm_wall now, cm_who *who)
{
    CM_ENSURE(!h->guest.has_ended && now.us >= h->guest.from.us && now.us < h->guest.until.us,
              CM_ABSENT);
    cm_who_clear(who);
    *who = (cm_who){.expires = h->expires, .guest = h->guest};
    return CM_OK;
}

static cm_status read_who(cm_tx *tx, const question *q)
{
    cm_who *who = q->out;
    holder h;
    CM_TRY(look_up_holder(tx, q->asker, q->now, &h));
    CM_ENSURE(h.is_live, CM_ABSENT);
    if (q->asker->kind == CM_ASKER_GUEST)
        return read_guest(&h, q->now, who);
    cm_stored_account account;
    CM_TRY(look_up_account(tx, &h.account, &account));
    CM_ENSURE(account.is_active, CM_ABSENT);
    cm_who_clear(who); /* of an attempt before */
    *who = (cm_who){.account = account.id,
                    .is_operator = account.is_operator,
                    .has_totp = account.has_totp,
                    .expires = h.expires,
                    .authenticated = h.authenticated,
                    .is_token = h.is_token,
                    .token_camera = h.camera,
                    .token_rights = h.is_token ? h.rights : 0};
    cm_store_copy(who->name, sizeof who->name, cm_slice_over(account.name, sizeof account.name));
    gathering g = {.who = who, .only = h.is_token ? &h.camera.home : NULL};
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_ACCOUNT, account.id.text);
    return cm_tx_each(tx, &probe, CM_WHERE(CM_MEMBERSHIPS_ACCOUNT), add_home, &g);
}

cm_status cm_store_who(cm_store *store, const cm_asker *asker, cm_wall now, cm_who *out,
                       const char **cause)
{
    CM_AUTO(cm_who_clear) cm_who who = {.home_count = 0};
    const question q = {.asker = asker, .now = now, .out = &who};
    CM_TRY(ask(store, read_who, &q, cause));
    *out = who;
    who = (cm_who){.home_count = 0};
    return CM_OK;
}

/* ---- cameras of a home, with what the account was granted ---- */

typedef struct granting {
    cm_granted_cameras *cameras;
    const cm_account_id *account;
} granting;

static cm_status add_granted(cm_tx *tx, cm_row *row, void *owner)
{
    const granting *g = owner;
    cm_granted_cameras *cameras = g->cameras;
    CM_TRY(cm_store_grow((void **)&cameras->items, cameras->count, sizeof *cameras->items));
    cm_granted_camera *item = &cameras->items[cameras->count];
    CM_TRY(cm_store_read_camera(row, &item->camera));
    const cm_status status = look_up_grants(tx, &item->camera.key, g->account, &item->granted);
    if (status == CM_FOREIGN)
        item->granted.count = 0; /* logged; no right comes of it */
    else
        CM_TRY(status);
    cameras->count++;
    return CM_OK;
}

cm_status cm_store_granted_cameras(cm_store *store, const cm_account_id *account,
                                   const cm_home_id *home, cm_granted_cameras *out)
{
    *out = (cm_granted_cameras){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_AUTO(cm_granted_cameras_clear) cm_granted_cameras cameras = {.count = 0};
    cm_stored_home stored;
    CM_TRY(look_up_home(&tx, home, &stored, &cameras.zone));
    granting g = {.cameras = &cameras, .account = account};
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, home->text);
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_CAMERAS_HOME), add_granted, &g));
    *out = cameras;
    cameras = (cm_granted_cameras){.count = 0};
    return CM_OK;
}
