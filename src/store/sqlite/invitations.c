#include "store/invitations.h"

#include <assert.h>
#include <stdlib.h>

#include "base/reader.h"
#include "store/sqlite/store_priv.h"

/* One camera of the column `cameras`: its id, padded with zeros, and rights 4. */
enum { CAMERA_SIZE = CM_ID_SIZE + 4 };

static_assert(CM_INVITATION_CAMERAS_MAX * CAMERA_SIZE + 4 * CM_NAME_SIZE < CM_ROW_STORAGE,
              "a whole invitation fits a row");

/* ---- rows ---- */

static void put_cameras(cm_row *row, const cm_invited_right *cameras, size_t count)
{
    uint8_t bytes[CM_INVITATION_CAMERAS_MAX * CAMERA_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        const cm_slice id = cm_slice_of(cameras[i].camera.text);
        cm_write_slice(&w, id);
        cm_write_zeros(&w, CM_ID_SIZE - id.size);
        cm_write_u32(&w, cameras[i].rights);
    }
    cm_row_set_bytes(row, CM_INVITATIONS_CAMERAS, cm_writer_done(&w));
}

static cm_status read_cameras(const cm_row *row, cm_stored_invitation *out)
{
    const cm_slice bytes = cm_row_bytes(row, CM_INVITATIONS_CAMERAS);
    CM_ENSURE(bytes.size % CAMERA_SIZE == 0 &&
                  bytes.size / CAMERA_SIZE <= CM_INVITATION_CAMERAS_MAX,
              CM_FOREIGN);
    cm_reader r = cm_reader_over(bytes);
    for (size_t i = 0; i < bytes.size / CAMERA_SIZE; i++) {
        cm_slice id = cm_read_slice(&r, CM_ID_SIZE);
        id = cm_slice_part(id, 0, cm_slice_find(id, '\0'));
        CM_ENSURE(cm_camera_id_parse(id, &out->cameras[i].camera) == CM_OK, CM_FOREIGN);
        out->cameras[i].rights = cm_read_u32(&r);
    }
    out->camera_count = bytes.size / CAMERA_SIZE;
    return CM_OK;
}

/* An account's id, or none. */
static bool read_account_id(const cm_row *row, unsigned column, cm_account_id *out)
{
    *out = (cm_account_id){{0}};
    return cm_row_bytes(row, column).size == 0 || cm_row_read_id(row, column, out->text);
}

static cm_status read_invitation(const cm_row *row, cm_stored_invitation *out)
{
    *out = (cm_stored_invitation){
        .role = (cm_role)cm_row_integer(row, CM_INVITATIONS_ROLE),
        .created = {.us = cm_row_integer(row, CM_INVITATIONS_CREATED)},
        .expires = {.us = cm_row_integer(row, CM_INVITATIONS_EXPIRES)},
        .used = {.us = cm_row_integer(row, CM_INVITATIONS_USED)},
    };
    CM_ENSURE(cm_row_read_id(row, CM_INVITATIONS_ID, out->id), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_INVITATIONS_HOME, out->home.text), CM_FOREIGN);
    CM_ENSURE(read_account_id(row, CM_INVITATIONS_MADE_BY, &out->by), CM_FOREIGN);
    CM_ENSURE(read_account_id(row, CM_INVITATIONS_USED_BY, &out->used_by), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_INVITATIONS_LABEL, out->label, sizeof out->label),
              CM_FOREIGN);
    return read_cameras(row, out);
}

static cm_status read_name(cm_tx *tx, const cm_account_id *account, char out[CM_NAME_SIZE])
{
    out[0] = '\0';
    if (account->text[0] == '\0')
        return CM_OK;
    cm_row row;
    const cm_status status = cm_tx_account(tx, account, &row);
    if (status == CM_ABSENT || status == CM_FOREIGN)
        return CM_OK; /* gone, or logged: the invitation stands without a name */
    CM_TRY(status);
    return cm_row_read_text(&row, CM_ACCOUNTS_NAME, out, CM_NAME_SIZE) ? CM_OK : CM_FOREIGN;
}

static cm_status fill_names(cm_tx *tx, cm_stored_invitation *out)
{
    cm_row home;
    CM_TRY(cm_tx_home(tx, &out->home, &home));
    CM_ENSURE(cm_row_read_text(&home, CM_HOMES_NAME, out->home_name, CM_NAME_SIZE), CM_FOREIGN);
    CM_TRY(read_name(tx, &out->by, out->by_name));
    return read_name(tx, &out->used_by, out->used_by_name);
}

/* ---- who may make one, and whose still hold ---- */

static cm_status ensure_no_members(cm_tx *tx, const cm_home_id *home)
{
    cm_row probe;
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->text);
    size_t count;
    CM_TRY(cm_db_count(tx->db, &probe, CM_WHERE(CM_MEMBERSHIPS_HOME), &count));
    return count == 0 ? CM_OK : CM_REFUSE;
}

cm_status cm_tx_ensure_owner(cm_tx *tx, const cm_home_id *home, const cm_account_id *by)
{
    cm_row row;
    const cm_status found = cm_tx_membership(tx, home, by, &row);
    CM_ENSURE(found != CM_ABSENT, CM_REFUSE);
    CM_TRY(found);
    CM_ENSURE(cm_row_integer(&row, CM_MEMBERSHIPS_ROLE) == CM_ROLE_OWNER, CM_REFUSE);
    CM_TRY(cm_tx_account(tx, by, &row));
    const bool may = cm_row_integer(&row, CM_ACCOUNTS_IS_ACTIVE) != 0 &&
                     cm_row_integer(&row, CM_ACCOUNTS_IS_OPERATOR) == 0;
    return may ? CM_OK : CM_REFUSE;
}

/* CM_REFUSE: whoever made it has no say in this home (any more). */
static cm_status ensure_maker(cm_tx *tx, const cm_home_id *home, const cm_account_id *by)
{
    return by->text[0] == '\0' ? ensure_no_members(tx, home) : cm_tx_ensure_owner(tx, home, by);
}

cm_status cm_tx_void_invitations(cm_tx *tx, const cm_home_id *home, const cm_account_id *by,
                                 size_t *count_out)
{
    cm_row probe;
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_id(&probe, CM_INVITATIONS_HOME, home->text);
    cm_row_set_id(&probe, CM_INVITATIONS_MADE_BY, by->text);
    return cm_tx_delete_all(tx, &probe,
                            CM_WHERE(CM_INVITATIONS_HOME) | CM_WHERE(CM_INVITATIONS_MADE_BY) |
                                CM_WHERE(CM_INVITATIONS_USED),
                            count_out);
}

/* ---- making ---- */

static cm_status check_new(const cm_new_invitation *n, cm_wall now)
{
    CM_ENSURE(n->role > CM_ROLE_NONE && (unsigned)n->role < CM_ROLES, CM_REFUSE);
    CM_ENSURE(n->label.size == 0 || cm_store_check_name(n->label) == CM_OK, CM_REFUSE);
    CM_ENSURE(n->expires.us > now.us && n->expires.us - now.us <= CM_INVITATION_MAX_US, CM_REFUSE);
    CM_ENSURE(n->camera_count <= CM_INVITATION_CAMERAS_MAX, CM_REFUSE);
    CM_ENSURE(n->role != CM_ROLE_OWNER || n->camera_count == 0, CM_REFUSE);
    CM_ENSURE(n->by.text[0] != '\0' || n->role == CM_ROLE_OWNER, CM_REFUSE);
    for (size_t i = 0; i < n->camera_count; i++)
        CM_ENSURE(n->cameras[i].rights != 0, CM_REFUSE);
    return CM_OK;
}

static cm_status ensure_room(cm_tx *tx, const cm_new_invitation *n)
{
    if (n->by.text[0] == '\0') {
        CM_TRY(cm_tx_bump_home(tx, &n->home));
        CM_TRY(cm_tx_void_invitations(tx, &n->home, &n->by, NULL));
    }
    cm_row probe;
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_id(&probe, CM_INVITATIONS_HOME, n->home.text);
    size_t count;
    CM_TRY(cm_db_count(tx->db, &probe, CM_WHERE(CM_INVITATIONS_HOME), &count));
    return count < CM_HOME_INVITATIONS_MAX ? CM_OK : CM_FULL;
}

cm_status cm_tx_make_invitation(cm_tx *tx, const cm_new_invitation *n, cm_wall now,
                                cm_stored_invitation *out)
{
    CM_TRY(check_new(n, now));
    CM_TRY(cm_tx_home(tx, &n->home, NULL));
    CM_TRY(ensure_maker(tx, &n->home, &n->by));
    for (size_t i = 0; i < n->camera_count; i++) {
        const cm_camera_key key = {.home = n->home, .camera = n->cameras[i].camera};
        cm_row camera;
        CM_TRY(cm_tx_camera(tx, &key, &camera));
    }
    CM_TRY(ensure_room(tx, n));
    char id[CM_ID_SIZE];
    cm_id_make(tx->store->random_given, id);
    cm_row row;
    cm_row_init(&row, CM_INVITATIONS);
    cm_row_set_bytes(&row, CM_INVITATIONS_TOKEN_HASH, cm_slice_over(n->token_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_INVITATIONS_ID, id);
    cm_row_set_id(&row, CM_INVITATIONS_HOME, n->home.text);
    cm_row_set_integer(&row, CM_INVITATIONS_ROLE, n->role);
    cm_row_set_bytes(&row, CM_INVITATIONS_LABEL, n->label);
    put_cameras(&row, n->cameras, n->camera_count);
    cm_row_set_id(&row, CM_INVITATIONS_MADE_BY, n->by.text);
    cm_row_set_integer(&row, CM_INVITATIONS_CREATED, now.us);
    cm_row_set_integer(&row, CM_INVITATIONS_EXPIRES, n->expires.us);
    CM_TRY(cm_tx_insert(tx, &row));
    CM_TRY(read_invitation(&row, out));
    return fill_names(tx, out);
}

cm_status cm_store_invitation_create(cm_store *store, const cm_new_invitation *invitation,
                                     cm_wall now, cm_stored_invitation *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_make_invitation(&tx, invitation, now, out));
    return cm_tx_commit(&tx);
}

cm_status cm_store_invitation_revoke(cm_store *store, const cm_home_id *home, cm_slice id)
{
    char parsed[CM_ID_SIZE];
    CM_ENSURE(cm_id_parse(id, parsed) == CM_OK, CM_ABSENT);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_id(&probe, CM_INVITATIONS_HOME, home->text);
    cm_row_set_id(&probe, CM_INVITATIONS_ID, parsed);
    CM_TRY(
        cm_tx_find(&tx, &probe, CM_WHERE(CM_INVITATIONS_HOME) | CM_WHERE(CM_INVITATIONS_ID), &row));
    CM_TRY(cm_tx_bump_home(&tx, home));
    CM_TRY(cm_tx_delete(&tx, &row));
    return cm_tx_commit(&tx);
}

/* ---- lists ---- */

static cm_status add_invitation(cm_tx *tx, cm_row *row, void *owner)
{
    cm_stored_invitations *list = owner;
    CM_TRY(cm_store_grow((void **)&list->items, list->count, sizeof *list->items));
    CM_TRY(read_invitation(row, &list->items[list->count]));
    CM_TRY(fill_names(tx, &list->items[list->count]));
    list->count++;
    return CM_OK;
}

cm_status cm_store_invitations(cm_store *store, const cm_home_id *home, cm_stored_invitations *out)
{
    *out = (cm_stored_invitations){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_id(&probe, CM_INVITATIONS_HOME, home->text);
    CM_AUTO(cm_stored_invitations_clear) cm_stored_invitations list = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_INVITATIONS_HOME), add_invitation, &list));
    *out = list;
    list = (cm_stored_invitations){.count = 0};
    return CM_OK;
}

/* ---- accepting ---- */

/* The row of the secret, if it could be accepted now. */
static cm_status find_open(cm_tx *tx, const uint8_t token_hash[CM_MAC_SIZE], cm_wall now,
                           cm_row *row, cm_stored_invitation *out)
{
    cm_row probe;
    cm_row_init(&probe, CM_INVITATIONS);
    cm_row_set_bytes(&probe, CM_INVITATIONS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(tx, &probe, CM_WHERE(CM_INVITATIONS_TOKEN_HASH), row));
    CM_TRY(read_invitation(row, out));
    CM_ENSURE(cm_stored_invitation_state(out, now) == CM_INVITATION_OPEN, CM_ABSENT);
    cm_row home;
    CM_TRY(cm_tx_home(tx, &out->home, &home));
    CM_ENSURE(cm_row_integer(&home, CM_HOMES_SUSPENDED) == 0, CM_ABSENT);
    const cm_status maker = ensure_maker(tx, &out->home, &out->by);
    CM_ENSURE(maker != CM_REFUSE, CM_ABSENT);
    CM_TRY(maker);
    return fill_names(tx, out);
}

cm_status cm_store_invitation_find(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE],
                                   cm_wall now, cm_stored_invitation *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    return find_open(&tx, token_hash, now, &row, out);
}

static cm_status ensure_may_join(cm_tx *tx, const cm_account_id *id, cm_stored_account *out)
{
    cm_row row;
    CM_TRY(cm_tx_account(tx, id, &row));
    CM_TRY(cm_store_read_account(&row, out));
    return out->is_active && !out->is_operator ? CM_OK : CM_REFUSE;
}

static cm_status make_joiner(cm_tx *tx, const cm_join *join, cm_wall now, cm_stored_account *out)
{
    if (join->account.text[0] != '\0')
        return ensure_may_join(tx, &join->account, out);
    const cm_new_account fresh = {.name = join->name, .password_hash = join->password_hash};
    CM_TRY(cm_tx_make_account(tx, &fresh, now, out));
    return cm_tx_make_session(tx, &out->id, join->session_token_hash, &join->origin, now);
}

/* CM_ABSENT: the camera is gone, or was made anew since: another one, that nobody was invited to.
 */
static cm_status grant_one(cm_tx *tx, const cm_stored_invitation *invitation,
                           const cm_invited_right *right, const cm_account_id *account, cm_wall now)
{
    const cm_camera_key key = {.home = invitation->home, .camera = right->camera};
    cm_row camera;
    CM_TRY(cm_tx_camera(tx, &key, &camera));
    CM_ENSURE(cm_row_integer(&camera, CM_CAMERAS_CREATED) <= invitation->created.us, CM_ABSENT);
    cm_row row;
    cm_row_init(&row, CM_GRANTS);
    cm_row_set_id(&row, CM_GRANTS_HOME, key.home.text);
    cm_row_set_id(&row, CM_GRANTS_ACCOUNT, account->text);
    cm_row_set_id(&row, CM_GRANTS_CAMERA, key.camera.text);
    cm_store_write_terms(&row, &(cm_grant_terms){.rights = right->rights});
    cm_row_set_integer(&row, CM_GRANTS_CREATED, now.us);
    return cm_tx_insert(tx, &row);
}

/* What was granted stays in the invitation's list, and nothing else. */
static cm_status grant_all(cm_tx *tx, cm_stored_invitation *invitation,
                           const cm_account_id *account, cm_wall now)
{
    size_t granted = 0;
    for (size_t i = 0; i < invitation->camera_count; i++) {
        const cm_invited_right right = invitation->cameras[i];
        const cm_status status = grant_one(tx, invitation, &right, account, now);
        if (status == CM_ABSENT)
            continue;
        CM_TRY(status);
        invitation->cameras[granted++] = right;
    }
    invitation->camera_count = granted;
    return CM_OK;
}

/* The open form of the row must not fit any more: the home is bumped. */
static cm_status use_up(cm_tx *tx, cm_row *row, const cm_stored_invitation *invitation,
                        const cm_account_id *account, cm_wall now)
{
    CM_TRY(cm_tx_bump_home(tx, &invitation->home));
    cm_row_set_id(row, CM_INVITATIONS_USED_BY, account->text);
    cm_row_set_integer(row, CM_INVITATIONS_USED, now.us);
    return cm_tx_update(tx, row);
}

cm_status cm_store_invitation_accept(cm_store *store, const cm_join *join, cm_wall now,
                                     cm_stored_account *account, cm_stored_invitation *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(find_open(&tx, join->token_hash, now, &row, out));
    CM_TRY(make_joiner(&tx, join, now, account));
    CM_TRY(cm_tx_make_membership(&tx, &out->home, &account->id, out->role, false, now));
    CM_TRY(grant_all(&tx, out, &account->id, now));
    CM_TRY(use_up(&tx, &row, out, &account->id, now));
    return cm_tx_commit(&tx);
}
