#include "base/text.h"
#include "store/sqlite/box.h"
#include "store/sqlite/store_priv.h"

#include <stdlib.h>
#include <string.h>

cm_status cm_store_read_camera(const cm_row *row, cm_stored_camera *out)
{
    *out = (cm_stored_camera){
        .has_password = cm_row_bytes(row, CM_CAMERAS_PASSWORD_BOX).size > 0,
        .keep = cm_row_integer(row, CM_CAMERAS_KEEP) == CM_KEEP_ALWAYS ? CM_KEEP_ALWAYS
                                                                       : CM_KEEP_ON_DEMAND,
        .takes_talk = cm_row_integer(row, CM_CAMERAS_TAKES_TALK) != 0,
        .is_declared = cm_row_integer(row, CM_CAMERAS_IS_DECLARED) != 0,
        .min_epoch = (uint64_t)cm_row_integer(row, CM_CAMERAS_MIN_EPOCH),
        .created = {.us = cm_row_integer(row, CM_CAMERAS_CREATED)},
    };
    CM_ENSURE(cm_row_read_id(row, CM_CAMERAS_HOME, out->key.home.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_CAMERAS_ID, out->key.camera.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_CAMERAS_NAME, out->name, sizeof out->name), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_CAMERAS_MAIN, out->main, sizeof out->main), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_CAMERAS_SUB, out->sub, sizeof out->sub), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_CAMERAS_USER, out->user, sizeof out->user), CM_FOREIGN);
    return CM_OK;
}

/* ---- the password, boxed as its camera's ---- */

static void password_key(const cm_tx *tx, cm_secret *out)
{
    cm_secret_derive(&tx->home_key, "passwords of cameras", (cm_slice){.size = 0}, out);
}

/* The camera's home must be the one loaded. */
static cm_status seal_password(cm_tx *tx, const cm_camera_key *key, cm_slice password, cm_row *row)
{
    CM_ENSURE(password.size < CM_CAMERA_LOGIN_SIZE && cm_text_is_printable_utf8(password),
              CM_REFUSE);
    if (password.size == 0) {
        cm_row_set_bytes(row, CM_CAMERAS_PASSWORD_BOX, password);
        return CM_OK;
    }
    CM_AUTO(cm_secret_clear) cm_secret secret;
    password_key(tx, &secret);
    uint8_t box[CM_CAMERA_LOGIN_SIZE + CM_BOX_EXTRA];
    cm_box_seal(&secret, cm_slice_over(key, sizeof *key), password, tx->store->random_given, box);
    cm_row_set_bytes(row, CM_CAMERAS_PASSWORD_BOX,
                     cm_slice_over(box, password.size + CM_BOX_EXTRA));
    return CM_OK;
}

static cm_status open_password(const cm_tx *tx, const cm_camera_key *key, cm_slice box,
                               char out[CM_CAMERA_LOGIN_SIZE])
{
    CM_ENSURE(box.size > CM_BOX_EXTRA && box.size < CM_CAMERA_LOGIN_SIZE + CM_BOX_EXTRA,
              CM_FOREIGN);
    CM_AUTO(cm_secret_clear) cm_secret secret;
    password_key(tx, &secret);
    CM_TRY(cm_box_open(&secret, cm_slice_over(key, sizeof *key), box, (uint8_t *)out));
    out[box.size - CM_BOX_EXTRA] = '\0';
    return CM_OK;
}

cm_status cm_store_camera_password(cm_store *store, const cm_camera_key *key,
                                   char out[CM_CAMERA_LOGIN_SIZE])
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, &key->home, NULL));
    cm_row row;
    CM_TRY(cm_tx_camera(&tx, key, &row));
    const cm_slice box = cm_row_bytes(&row, CM_CAMERAS_PASSWORD_BOX);
    CM_ENSURE(box.size > 0, CM_ABSENT);
    const cm_status status = open_password(&tx, key, box, out);
    return status == CM_FOREIGN ? cm_tx_refuse(&tx, row.table, "password-box") : status;
}

/* ---- what people may write ---- */

static cm_status set_text(cm_row *row, unsigned column, cm_slice text, size_t capacity)
{
    CM_ENSURE(text.size < capacity && cm_text_is_printable_utf8(text), CM_REFUSE);
    cm_row_set_bytes(row, column, text);
    return CM_OK;
}

/* Whatever stands before an "@" of the authority would be a password in the clear. */
static bool has_user_info(cm_slice url)
{
    for (size_t i = 0; i + 2 < url.size; i++) {
        if (!cm_slice_starts(cm_slice_from(url, i), CM_TEXT("://")))
            continue;
        cm_slice rest = cm_slice_from(url, i + 3);
        const cm_slice authority = cm_slice_cut(&rest, '/');
        return cm_slice_find(authority, '@') < authority.size;
    }
    return false;
}

static cm_status set_url(cm_row *row, unsigned column, cm_slice url)
{
    CM_ENSURE(!has_user_info(url), CM_REFUSE);
    return set_text(row, column, url, CM_CAMERA_URL_SIZE);
}

/* What brings its pictures to us is not called on: there is nobody to speak to. */
static bool may_take_talk(const cm_row *row)
{
    return cm_row_integer(row, CM_CAMERAS_TAKES_TALK) == 0 ||
           !cm_slice_equal(cm_row_bytes(row, CM_CAMERAS_MAIN), CM_TEXT(CM_CAMERA_PUSHED));
}

/* Names keep to cm_store_check_name; the main address is required. */
static cm_status fill(cm_tx *tx, const cm_camera_key *key, const cm_new_camera *camera, cm_row *row)
{
    CM_TRY(cm_store_check_name(camera->name));
    CM_ENSURE(camera->main.size > 0, CM_REFUSE);
    cm_row_set_bytes(row, CM_CAMERAS_NAME, camera->name);
    CM_TRY(set_url(row, CM_CAMERAS_MAIN, camera->main));
    CM_TRY(set_url(row, CM_CAMERAS_SUB, camera->sub));
    CM_TRY(set_text(row, CM_CAMERAS_USER, camera->user, CM_CAMERA_LOGIN_SIZE));
    CM_TRY(seal_password(tx, key, camera->password, row));
    cm_row_set_integer(row, CM_CAMERAS_KEEP, camera->keep);
    cm_row_set_integer(row, CM_CAMERAS_TAKES_TALK, camera->takes_talk);
    cm_row_set_integer(row, CM_CAMERAS_IS_DECLARED, camera->is_declared);
    return may_take_talk(row) ? CM_OK : CM_REFUSE;
}

cm_status cm_tx_make_camera(cm_tx *tx, const cm_home_id *home, const cm_new_camera *camera,
                            cm_wall now, cm_stored_camera *out)
{
    CM_TRY(cm_tx_home(tx, home, NULL));
    cm_camera_key key = {.home = *home, .camera = camera->id};
    if (key.camera.text[0] == '\0')
        cm_id_make(tx->store->random_given, key.camera.text);
    cm_row row;
    cm_row_init(&row, CM_CAMERAS);
    cm_row_set_id(&row, CM_CAMERAS_HOME, home->text);
    size_t count;
    CM_TRY(cm_db_count(tx->db, &row, CM_WHERE(CM_CAMERAS_HOME), &count));
    CM_ENSURE(count < CM_HOME_CAMERAS_MAX, CM_FULL);
    cm_row_set_id(&row, CM_CAMERAS_ID, key.camera.text);
    CM_TRY(fill(tx, &key, camera, &row));
    /* Above any epoch that a deleted camera of this id can have had: each turn raised an epoch by
     * one and the generation by at least one. */
    cm_row_set_integer(&row, CM_CAMERAS_MIN_EPOCH, (int64_t)tx->generation + 1);
    cm_row_set_integer(&row, CM_CAMERAS_CREATED, now.us);
    CM_TRY(cm_tx_insert(tx, &row));
    return cm_store_read_camera(&row, out);
}

cm_status cm_store_camera_create(cm_store *store, const cm_home_id *home,
                                 const cm_new_camera *camera, cm_wall now, cm_stored_camera *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_make_camera(&tx, home, camera, now, out));
    return cm_tx_commit(&tx);
}

static bool is_other(const cm_slice *wanted, cm_slice present)
{
    return wanted != NULL && !cm_slice_equal(*wanted, present);
}

/* Does the update change where the picture comes from? */
static bool moves(const cm_row *row, const cm_camera_update *update)
{
    return is_other(update->main, cm_row_bytes(row, CM_CAMERAS_MAIN)) ||
           is_other(update->sub, cm_row_bytes(row, CM_CAMERAS_SUB)) ||
           is_other(update->user, cm_row_bytes(row, CM_CAMERAS_USER)) || update->password != NULL;
}

static cm_status apply(cm_tx *tx, const cm_camera_key *key, const cm_camera_update *update,
                       cm_row *row)
{
    if (update->name != NULL) {
        CM_TRY(cm_store_check_name(*update->name));
        cm_row_set_bytes(row, CM_CAMERAS_NAME, *update->name);
    }
    if (update->main != NULL) {
        CM_ENSURE(update->main->size > 0, CM_REFUSE);
        CM_TRY(set_url(row, CM_CAMERAS_MAIN, *update->main));
    }
    if (update->sub != NULL)
        CM_TRY(set_url(row, CM_CAMERAS_SUB, *update->sub));
    if (update->user != NULL)
        CM_TRY(set_text(row, CM_CAMERAS_USER, *update->user, CM_CAMERA_LOGIN_SIZE));
    if (update->password != NULL)
        CM_TRY(seal_password(tx, key, *update->password, row));
    if (update->keep != NULL)
        cm_row_set_integer(row, CM_CAMERAS_KEEP, *update->keep);
    if (update->takes_talk != NULL)
        cm_row_set_integer(row, CM_CAMERAS_TAKES_TALK, *update->takes_talk);
    if (update->is_declared != NULL)
        cm_row_set_integer(row, CM_CAMERAS_IS_DECLARED, *update->is_declared);
    return may_take_talk(row) ? CM_OK : CM_REFUSE;
}

cm_status cm_store_camera_update(cm_store *store, const cm_camera_key *key,
                                 const cm_camera_update *update, cm_stored_camera *out,
                                 cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_home(&tx, &key->home, NULL));
    cm_row row;
    CM_TRY(cm_tx_camera(&tx, key, &row));
    if (moves(&row, update)) {
        CM_TRY(cm_tx_raise_camera(&tx, key));
        CM_TRY(cm_tx_camera(&tx, key, &row));
    }
    CM_TRY(apply(&tx, key, update, &row));
    CM_TRY(cm_tx_update(&tx, &row));
    CM_TRY(cm_store_read_camera(&row, out));
    change->home = key->home;
    change->camera = key->camera;
    return cm_tx_commit(&tx);
}

cm_status cm_store_camera_delete(cm_store *store, const cm_camera_key *key, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_home(&tx, &key->home, NULL));
    cm_row row;
    CM_TRY(cm_tx_camera(&tx, key, &row));
    CM_TRY(cm_tx_bump_home(&tx, &key->home));
    cm_row probe;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_id(&probe, CM_API_TOKENS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_API_TOKENS_CAMERA, key->camera.text);
    CM_TRY(cm_tx_delete_all(&tx, &probe,
                            CM_WHERE(CM_API_TOKENS_HOME) | CM_WHERE(CM_API_TOKENS_CAMERA), NULL));
    cm_row_init(&probe, CM_GRANTS);
    cm_row_set_id(&probe, CM_GRANTS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_GRANTS_CAMERA, key->camera.text);
    CM_TRY(
        cm_tx_delete_all(&tx, &probe, CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_CAMERA), NULL));
    CM_TRY(cm_tx_leave_groups(&tx, key));
    CM_TRY(cm_tx_remove_guest_links(&tx, key));
    CM_TRY(cm_tx_delete(&tx, &row));
    CM_TRY(cm_tx_note_gone(&tx, key));
    change->home = key->home;
    change->camera = key->camera;
    return cm_tx_commit(&tx);
}

cm_status cm_store_camera_find(cm_store *store, const cm_camera_key *key, cm_stored_camera *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(cm_tx_camera(&tx, key, &row));
    return cm_store_read_camera(&row, out);
}

static cm_status add_camera(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_cameras *cameras = owner;
    CM_TRY(cm_store_grow((void **)&cameras->items, cameras->count, sizeof *cameras->items));
    CM_TRY(cm_store_read_camera(row, &cameras->items[cameras->count]));
    cameras->count++;
    return CM_OK;
}

static int compare_cameras(const void *a, const void *b)
{
    const cm_camera_key *left = &((const cm_stored_camera *)a)->key;
    const cm_camera_key *right = &((const cm_stored_camera *)b)->key;
    return memcmp(left, right, sizeof *left);
}

/* Of one home, or (NULL) of all. */
static cm_status list(cm_store *store, const cm_home_id *home, cm_stored_cameras *out)
{
    *out = (cm_stored_cameras){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    if (home != NULL) {
        CM_TRY(cm_tx_home(&tx, home, NULL));
        cm_row_set_id(&probe, CM_CAMERAS_HOME, home->text);
    }
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, home != NULL ? CM_WHERE(CM_CAMERAS_HOME) : 0, add_camera,
                      &cameras));
    if (cameras.count > 1)
        qsort(cameras.items, cameras.count, sizeof *cameras.items, compare_cameras);
    *out = cameras;
    cameras = (cm_stored_cameras){.count = 0};
    return CM_OK;
}

cm_status cm_store_cameras(cm_store *store, const cm_home_id *home, cm_stored_cameras *out)
{
    return list(store, home, out);
}

cm_status cm_store_cameras_all(cm_store *store, cm_stored_cameras *out)
{
    return list(store, NULL, out);
}
