/* Groups of cameras, and what is granted on them. */
#include "store/sqlite/store_priv.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t GROUP_KEY = CM_WHERE(CM_CAMERA_GROUPS_HOME) | CM_WHERE(CM_CAMERA_GROUPS_ID);
static const uint32_t OF_GROUP =
    CM_WHERE(CM_GROUP_CAMERAS_HOME) | CM_WHERE(CM_GROUP_CAMERAS_CAMERA_GROUP);
static const uint32_t OF_CAMERA =
    CM_WHERE(CM_GROUP_CAMERAS_HOME) | CM_WHERE(CM_GROUP_CAMERAS_CAMERA);
static const uint32_t GRANTS_OF_GROUP =
    CM_WHERE(CM_GROUP_GRANTS_HOME) | CM_WHERE(CM_GROUP_GRANTS_CAMERA_GROUP);

/* ---- rows ---- */

static cm_status find_group(cm_tx *tx, const cm_group_key *key, cm_row *out)
{
    cm_row probe;
    CM_TRY(cm_tx_home(tx, &key->home, NULL));
    cm_row_init(&probe, CM_CAMERA_GROUPS);
    cm_row_set_id(&probe, CM_CAMERA_GROUPS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_CAMERA_GROUPS_ID, key->group.text);
    return cm_tx_find(tx, &probe, GROUP_KEY, out);
}

static void fill_place(cm_row *row, const cm_group_key *key, const cm_camera_id *camera)
{
    cm_row_init(row, CM_GROUP_CAMERAS);
    cm_row_set_id(row, CM_GROUP_CAMERAS_HOME, key->home.text);
    cm_row_set_id(row, CM_GROUP_CAMERAS_CAMERA_GROUP, key->group.text);
    if (camera != NULL)
        cm_row_set_id(row, CM_GROUP_CAMERAS_CAMERA, camera->text);
}

static void fill_grant(cm_row *row, const cm_group_key *key, const cm_account_id *account)
{
    cm_row_init(row, CM_GROUP_GRANTS);
    cm_row_set_id(row, CM_GROUP_GRANTS_HOME, key->home.text);
    cm_row_set_id(row, CM_GROUP_GRANTS_CAMERA_GROUP, key->group.text);
    if (account != NULL)
        cm_row_set_id(row, CM_GROUP_GRANTS_ACCOUNT, account->text);
}

/* ---- which cameras are in it ---- */

static cm_status join(cm_tx *tx, const cm_group_key *key, const cm_camera_id *camera)
{
    const cm_camera_key camera_key = {.home = key->home, .camera = *camera};
    cm_row row;
    CM_TRY(cm_tx_camera(tx, &camera_key, &row));
    fill_place(&row, key, camera);
    size_t count;
    CM_TRY(cm_db_count(tx->db, &row, OF_CAMERA | OF_GROUP, &count));
    if (count > 0)
        return CM_OK; /* it is in it */
    CM_TRY(cm_db_count(tx->db, &row, OF_CAMERA, &count));
    CM_ENSURE(count < CM_CAMERA_GROUPS_MAX, CM_FULL);
    return cm_tx_insert(tx, &row);
}

static bool is_among(const cm_group_cameras *cameras, const cm_camera_id *camera)
{
    for (size_t i = 0; i < cameras->count; i++)
        if (cm_camera_id_equal(&cameras->items[i], camera))
            return true;
    return false;
}

/* Whoever saw it through the group sees it no more: its keys turn. */
static cm_status leave_unless_among(cm_tx *tx, cm_row *row, void *owner)
{
    cm_camera_key key;
    CM_ENSURE(cm_row_read_id(row, CM_GROUP_CAMERAS_HOME, key.home.text) &&
                  cm_row_read_id(row, CM_GROUP_CAMERAS_CAMERA, key.camera.text),
              CM_FOREIGN);
    if (is_among(owner, &key.camera))
        return CM_OK;
    CM_TRY(cm_tx_raise_camera(tx, &key));
    return cm_tx_delete(tx, row);
}

static cm_status set_cameras(cm_tx *tx, const cm_group_key *key, const cm_group_cameras *cameras)
{
    cm_row probe;
    fill_place(&probe, key, NULL);
    cm_group_cameras wanted = *cameras;
    CM_TRY(cm_tx_each(tx, &probe, OF_GROUP, leave_unless_among, &wanted));
    for (size_t i = 0; i < cameras->count; i++)
        CM_TRY(join(tx, key, &cameras->items[i]));
    return CM_OK;
}

cm_status cm_tx_leave_groups(cm_tx *tx, const cm_camera_key *key)
{
    cm_row probe;
    cm_row_init(&probe, CM_GROUP_CAMERAS);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_GROUP_CAMERAS_CAMERA, key->camera.text);
    return cm_tx_delete_all(tx, &probe, OF_CAMERA, NULL);
}

/* ---- groups ---- */

cm_status cm_store_group_create(cm_store *store, cm_group_key *key, cm_slice name,
                                const cm_group_cameras *cameras, cm_wall now)
{
    CM_TRY(cm_store_check_name(name));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_home(&tx, &key->home, NULL));
    cm_group_key made = {.home = key->home};
    cm_id_make(store->random_given, made.group.text);
    cm_row row;
    cm_row_init(&row, CM_CAMERA_GROUPS);
    cm_row_set_id(&row, CM_CAMERA_GROUPS_HOME, made.home.text);
    size_t count;
    CM_TRY(cm_db_count(tx.db, &row, CM_WHERE(CM_CAMERA_GROUPS_HOME), &count));
    CM_ENSURE(count < CM_HOME_GROUPS_MAX, CM_FULL);
    cm_row_set_id(&row, CM_CAMERA_GROUPS_ID, made.group.text);
    cm_row_set_bytes(&row, CM_CAMERA_GROUPS_NAME, name);
    cm_row_set_integer(&row, CM_CAMERA_GROUPS_CREATED, now.us);
    CM_TRY(cm_tx_insert(&tx, &row));
    if (cameras != NULL)
        CM_TRY(set_cameras(&tx, &made, cameras));
    CM_TRY(cm_tx_commit(&tx));
    *key = made;
    return CM_OK;
}

cm_status cm_store_group_update(cm_store *store, const cm_group_key *key, cm_slice name,
                                const cm_group_cameras *cameras, cm_change *change)
{
    if (name.size > 0)
        CM_TRY(cm_store_check_name(name));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_group(&tx, key, &row));
    if (cameras != NULL)
        CM_TRY(set_cameras(&tx, key, cameras));
    if (name.size > 0) {
        CM_TRY(find_group(&tx, key, &row)); /* it may have been vouched for anew */
        cm_row_set_bytes(&row, CM_CAMERA_GROUPS_NAME, name);
        CM_TRY(cm_tx_update(&tx, &row));
    }
    change->home = key->home;
    return cm_tx_commit(&tx);
}

cm_status cm_store_group_delete(cm_store *store, const cm_group_key *key, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_group(&tx, key, &row));
    CM_TRY(cm_tx_bump_home(&tx, &key->home));
    CM_TRY(cm_tx_raise_group(&tx, key));
    cm_row probe;
    fill_grant(&probe, key, NULL);
    CM_TRY(cm_tx_delete_all(&tx, &probe, GRANTS_OF_GROUP, NULL));
    fill_place(&probe, key, NULL);
    CM_TRY(cm_tx_delete_all(&tx, &probe, OF_GROUP, NULL));
    CM_TRY(cm_tx_delete(&tx, &row));
    change->home = key->home;
    return cm_tx_commit(&tx);
}

/* ---- grants on it ---- */

static const uint32_t GRANT_KEY = CM_WHERE(CM_GROUP_GRANTS_HOME) |
                                  CM_WHERE(CM_GROUP_GRANTS_ACCOUNT) |
                                  CM_WHERE(CM_GROUP_GRANTS_CAMERA_GROUP);

static cm_status take_away(cm_tx *tx, const cm_group_key *key)
{
    CM_TRY(cm_tx_bump_home(tx, &key->home)); /* a group may be empty */
    return cm_tx_raise_group(tx, key);
}

cm_status cm_store_group_grant_put(cm_store *store, const cm_group_key *key,
                                   const cm_account_id *account, const cm_grant_terms *terms,
                                   cm_wall now, cm_change *change)
{
    CM_ENSURE(cm_grant_terms_are_sound(terms), CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(find_group(&tx, key, &row));
    CM_TRY(cm_tx_membership(&tx, &key->home, account, &row));
    cm_row probe;
    fill_grant(&probe, key, account);
    const cm_status found = cm_tx_find(&tx, &probe, GRANT_KEY, &row);
    CM_ENSURE(found == CM_OK || found == CM_ABSENT, found);
    if (found == CM_ABSENT) {
        row = probe;
        cm_row_set_integer(&row, CM_GROUP_GRANTS_CREATED, now.us);
    } else {
        cm_grant_terms before;
        CM_TRY(cm_store_read_terms(&row, &before));
        if (cm_grant_terms_take_away(&before, terms))
            CM_TRY(take_away(&tx, key));
    }
    cm_store_write_terms(&row, terms);
    CM_TRY(found == CM_ABSENT ? cm_tx_insert(&tx, &row) : cm_tx_update(&tx, &row));
    change->home = key->home;
    change->account = *account;
    return cm_tx_commit(&tx);
}

cm_status cm_store_group_grant_remove(cm_store *store, const cm_group_key *key,
                                      const cm_account_id *account, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row probe;
    cm_row row;
    CM_TRY(cm_tx_home(&tx, &key->home, NULL));
    fill_grant(&probe, key, account);
    CM_TRY(cm_tx_find(&tx, &probe, GRANT_KEY, &row));
    CM_TRY(take_away(&tx, key));
    CM_TRY(cm_tx_delete(&tx, &row));
    change->home = key->home;
    change->account = *account;
    return cm_tx_commit(&tx);
}

/* ---- lists ---- */

static cm_status add_camera(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_group *group = owner;
    CM_TRY(cm_store_grow((void **)&group->cameras, group->camera_count, sizeof *group->cameras));
    CM_ENSURE(
        cm_row_read_id(row, CM_GROUP_CAMERAS_CAMERA, group->cameras[group->camera_count].text),
        CM_FOREIGN);
    group->camera_count++;
    return CM_OK;
}

static cm_status add_right(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_group *group = owner;
    CM_TRY(cm_store_grow((void **)&group->rights, group->right_count, sizeof *group->rights));
    cm_group_right *right = &group->rights[group->right_count];
    CM_ENSURE(cm_row_read_id(row, CM_GROUP_GRANTS_ACCOUNT, right->account.text), CM_FOREIGN);
    CM_TRY(cm_store_read_terms(row, &right->terms));
    group->right_count++;
    return CM_OK;
}

static cm_status add_group(cm_tx *tx, cm_row *row, void *owner)
{
    cm_stored_groups *groups = owner;
    CM_TRY(cm_store_grow((void **)&groups->items, groups->count, sizeof *groups->items));
    cm_stored_group *group = &groups->items[groups->count];
    *group = (cm_stored_group){.created = {.us = cm_row_integer(row, CM_CAMERA_GROUPS_CREATED)}};
    CM_ENSURE(cm_row_read_id(row, CM_CAMERA_GROUPS_HOME, group->key.home.text) &&
                  cm_row_read_id(row, CM_CAMERA_GROUPS_ID, group->key.group.text) &&
                  cm_row_read_text(row, CM_CAMERA_GROUPS_NAME, group->name, sizeof group->name),
              CM_FOREIGN);
    groups->count++;
    cm_row probe;
    fill_place(&probe, &group->key, NULL);
    CM_TRY(cm_tx_each(tx, &probe, OF_GROUP, add_camera, group));
    fill_grant(&probe, &group->key, NULL);
    return cm_tx_each(tx, &probe, GRANTS_OF_GROUP, add_right, group);
}

static int compare_groups(const void *a, const void *b)
{
    return strcmp(((const cm_stored_group *)a)->key.group.text,
                  ((const cm_stored_group *)b)->key.group.text);
}

cm_status cm_store_groups(cm_store *store, const cm_home_id *home, cm_stored_groups *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERA_GROUPS);
    cm_row_set_id(&probe, CM_CAMERA_GROUPS_HOME, home->text);
    CM_AUTO(cm_stored_groups_clear) cm_stored_groups groups = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_CAMERA_GROUPS_HOME), add_group, &groups));
    if (groups.count > 1)
        qsort(groups.items, groups.count, sizeof *groups.items, compare_groups);
    *out = groups;
    groups = (cm_stored_groups){.count = 0};
    return CM_OK;
}

cm_status cm_store_group_find(cm_store *store, const cm_group_key *key, cm_stored_groups *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(find_group(&tx, key, &row));
    CM_AUTO(cm_stored_groups_clear) cm_stored_groups groups = {.count = 0};
    CM_TRY(add_group(&tx, &row, &groups));
    *out = groups;
    groups = (cm_stored_groups){.count = 0};
    return CM_OK;
}
