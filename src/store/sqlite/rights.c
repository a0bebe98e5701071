/* Grants and API tokens: what an account may do with one camera. */
#include "store/sqlite/store_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t GRANT_KEY =
    CM_WHERE(CM_GRANTS_HOME) | CM_WHERE(CM_GRANTS_ACCOUNT) | CM_WHERE(CM_GRANTS_CAMERA);

static void fill_key(cm_row *row, const cm_camera_key *camera, const cm_account_id *account)
{
    cm_row_init(row, CM_GRANTS);
    cm_row_set_id(row, CM_GRANTS_HOME, camera->home.text);
    cm_row_set_id(row, CM_GRANTS_ACCOUNT, account->text);
    cm_row_set_id(row, CM_GRANTS_CAMERA, camera->camera.text);
}

/* Both ends of a grant are there. */
static cm_status ensure_ends(cm_tx *tx, const cm_camera_key *camera, const cm_account_id *account)
{
    CM_TRY(cm_tx_home(tx, &camera->home, NULL));
    cm_row row;
    CM_TRY(cm_tx_camera(tx, camera, &row));
    return cm_tx_membership(tx, &camera->home, account, &row);
}

static void name_change(cm_change *change, const cm_camera_key *camera,
                        const cm_account_id *account)
{
    change->home = camera->home;
    change->camera = camera->camera;
    change->account = *account;
}

static_assert((int)CM_GROUP_GRANTS_RIGHTS == (int)CM_GRANTS_RIGHTS &&
                  (int)CM_GROUP_GRANTS_NOT_BEFORE == (int)CM_GRANTS_NOT_BEFORE &&
                  (int)CM_GROUP_GRANTS_NOT_AFTER == (int)CM_GRANTS_NOT_AFTER &&
                  (int)CM_GROUP_GRANTS_DAYS == (int)CM_GRANTS_DAYS &&
                  (int)CM_GROUP_GRANTS_FROM_MINUTE == (int)CM_GRANTS_FROM_MINUTE &&
                  (int)CM_GROUP_GRANTS_TO_MINUTE == (int)CM_GRANTS_TO_MINUTE,
              "terms stand in the same columns of both tables");

cm_status cm_store_read_terms(const cm_row *row, cm_grant_terms *out)
{
    const int64_t days = cm_row_integer(row, CM_GRANTS_DAYS);
    const int64_t from = cm_row_integer(row, CM_GRANTS_FROM_MINUTE);
    const int64_t to = cm_row_integer(row, CM_GRANTS_TO_MINUTE);
    const cm_grant_terms terms = {
        .rights = (uint32_t)cm_row_integer(row, CM_GRANTS_RIGHTS),
        .hours = {.days = (uint8_t)days, .from = (uint16_t)from, .to = (uint16_t)to},
        .not_before = {.us = cm_row_integer(row, CM_GRANTS_NOT_BEFORE)},
        .not_after = {.us = cm_row_integer(row, CM_GRANTS_NOT_AFTER)},
    };
    const bool fits = terms.hours.days == days && terms.hours.from == from && terms.hours.to == to;
    CM_ENSURE(fits && cm_grant_terms_are_sound(&terms), CM_FOREIGN);
    *out = terms;
    return CM_OK;
}

void cm_store_write_terms(cm_row *row, const cm_grant_terms *terms)
{
    cm_row_set_integer(row, CM_GRANTS_RIGHTS, terms->rights);
    cm_row_set_integer(row, CM_GRANTS_NOT_BEFORE, terms->not_before.us);
    cm_row_set_integer(row, CM_GRANTS_NOT_AFTER, terms->not_after.us);
    cm_row_set_integer(row, CM_GRANTS_DAYS, terms->hours.days);
    cm_row_set_integer(row, CM_GRANTS_FROM_MINUTE, terms->hours.from);
    cm_row_set_integer(row, CM_GRANTS_TO_MINUTE, terms->hours.to);
}

/* Something taken away turns the keys. */
static cm_status judge_terms(cm_tx *tx, const cm_camera_key *camera, const cm_row *row,
                             const cm_grant_terms *terms)
{
    cm_grant_terms before;
    CM_TRY(cm_store_read_terms(row, &before));
    return cm_grant_terms_take_away(&before, terms) ? cm_tx_raise_camera(tx, camera) : CM_OK;
}

cm_status cm_store_grant_put(cm_store *store, const cm_camera_key *camera,
                             const cm_account_id *account, const cm_grant_terms *terms,
                             bool is_declared, cm_wall now, cm_change *change)
{
    CM_ENSURE(cm_grant_terms_are_sound(terms), CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(ensure_ends(&tx, camera, account));
    cm_row probe;
    cm_row row;
    fill_key(&probe, camera, account);
    const cm_status found = cm_tx_find(&tx, &probe, GRANT_KEY, &row);
    if (found != CM_OK && found != CM_ABSENT)
        return found;
    if (found == CM_ABSENT) {
        row = probe;
        cm_row_set_integer(&row, CM_GRANTS_CREATED, now.us);
    } else {
        CM_TRY(judge_terms(&tx, camera, &row, terms));
    }
    cm_store_write_terms(&row, terms);
    cm_row_set_integer(&row, CM_GRANTS_IS_DECLARED, is_declared);
    CM_TRY(found == CM_ABSENT ? cm_tx_insert(&tx, &row) : cm_tx_update(&tx, &row));
    name_change(change, camera, account);
    return cm_tx_commit(&tx);
}

cm_status cm_store_grant_remove(cm_store *store, const cm_camera_key *camera,
                                const cm_account_id *account, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row probe;
    cm_row row;
    fill_key(&probe, camera, account);
    CM_TRY(cm_tx_find(&tx, &probe, GRANT_KEY, &row));
    CM_TRY(cm_tx_raise_camera(&tx, camera));
    CM_TRY(cm_tx_delete(&tx, &row));
    name_change(change, camera, account);
    return cm_tx_commit(&tx);
}

/* ---- API tokens ---- */

static cm_status read_token(const cm_row *row, cm_stored_token *out)
{
    *out = (cm_stored_token){
        .rights = (uint32_t)cm_row_integer(row, CM_API_TOKENS_RIGHTS),
        .created = {.us = cm_row_integer(row, CM_API_TOKENS_CREATED)},
        .expires = {.us = cm_row_integer(row, CM_API_TOKENS_EXPIRES)},
        .last_used = {.us = cm_row_integer(row, CM_API_TOKENS_LAST_USED)},
    };
    cm_store_copy(out->token_hash, CM_MAC_SIZE, cm_row_bytes(row, CM_API_TOKENS_TOKEN_HASH));
    CM_ENSURE(cm_row_read_id(row, CM_API_TOKENS_ID, out->id), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_API_TOKENS_HOME, out->camera.home.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_API_TOKENS_CAMERA, out->camera.camera.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_id(row, CM_API_TOKENS_ACCOUNT, out->account.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_API_TOKENS_NAME, out->name, sizeof out->name), CM_FOREIGN);
    return CM_OK;
}

static cm_status check_token(const cm_new_token *n, cm_wall now)
{
    CM_ENSURE(n->rights != 0 && n->expires.us > now.us, CM_REFUSE);
    CM_ENSURE(n->name.size < CM_TOKEN_NAME_SIZE, CM_REFUSE);
    return n->name.size == 0 ? CM_OK : cm_store_check_name(n->name);
}

cm_status cm_store_token_create(cm_store *store, const cm_new_token *n, cm_wall now,
                                cm_stored_token *out)
{
    CM_TRY(check_token(n, now));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(ensure_ends(&tx, &n->camera, &n->account));
    char id[CM_ID_SIZE];
    cm_id_make(store->random_given, id);
    cm_row row;
    cm_row_init(&row, CM_API_TOKENS);
    cm_row_set_id(&row, CM_API_TOKENS_HOME, n->camera.home.text);
    size_t count;
    CM_TRY(cm_db_count(tx.db, &row, CM_WHERE(CM_API_TOKENS_HOME), &count));
    CM_ENSURE(count < CM_HOME_TOKENS_MAX, CM_FULL);
    cm_row_set_bytes(&row, CM_API_TOKENS_TOKEN_HASH, cm_slice_over(n->token_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_API_TOKENS_ID, id);
    cm_row_set_id(&row, CM_API_TOKENS_ACCOUNT, n->account.text);
    cm_row_set_id(&row, CM_API_TOKENS_CAMERA, n->camera.camera.text);
    cm_row_set_bytes(&row, CM_API_TOKENS_NAME, n->name);
    cm_row_set_integer(&row, CM_API_TOKENS_RIGHTS, n->rights);
    cm_row_set_integer(&row, CM_API_TOKENS_CREATED, now.us);
    cm_row_set_integer(&row, CM_API_TOKENS_EXPIRES, n->expires.us);
    CM_TRY(cm_tx_insert(&tx, &row));
    CM_TRY(read_token(&row, out));
    return cm_tx_commit(&tx);
}

#define TOUCH_US (CM_SECONDS(600))

cm_status cm_store_token_touch(cm_store *store, const uint8_t token_hash[CM_MAC_SIZE], cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_bytes(&probe, CM_API_TOKENS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(&tx, &probe, CM_WHERE(CM_API_TOKENS_TOKEN_HASH), &row));
    if (now.us - cm_row_integer(&row, CM_API_TOKENS_LAST_USED) < TOUCH_US)
        return cm_tx_commit(&tx);
    cm_row_set_integer(&row, CM_API_TOKENS_LAST_USED, now.us);
    CM_TRY(cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_store_token_revoke(cm_store *store, const cm_home_id *home, cm_slice id,
                                cm_change *change)
{
    char parsed[CM_ID_SIZE];
    CM_ENSURE(cm_id_parse(id, parsed) == CM_OK, CM_ABSENT);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_id(&probe, CM_API_TOKENS_HOME, home->text);
    cm_row_set_id(&probe, CM_API_TOKENS_ID, parsed);
    CM_TRY(
        cm_tx_find(&tx, &probe, CM_WHERE(CM_API_TOKENS_HOME) | CM_WHERE(CM_API_TOKENS_ID), &row));
    cm_stored_token token;
    CM_TRY(read_token(&row, &token));
    const cm_slice hash = cm_row_bytes(&row, CM_API_TOKENS_TOKEN_HASH);
    CM_ENSURE(hash.size == sizeof change->token_hash, CM_FOREIGN);
    CM_TRY(cm_tx_raise_camera(&tx, &token.camera));
    CM_TRY(cm_tx_delete(&tx, &row));
    name_change(change, &token.camera, &token.account);
    change->has_token = true;
    cm_store_copy(change->token_hash, CM_MAC_SIZE, hash);
    return cm_tx_commit(&tx);
}

static cm_status add_token(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_tokens *tokens = owner;
    CM_TRY(cm_store_grow((void **)&tokens->items, tokens->count, sizeof *tokens->items));
    CM_TRY(read_token(row, &tokens->items[tokens->count]));
    tokens->count++;
    return CM_OK;
}

cm_status cm_store_tokens(cm_store *store, const cm_home_id *home, cm_stored_tokens *out)
{
    *out = (cm_stored_tokens){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_API_TOKENS);
    cm_row_set_id(&probe, CM_API_TOKENS_HOME, home->text);
    CM_AUTO(cm_stored_tokens_clear) cm_stored_tokens tokens = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_API_TOKENS_HOME), add_token, &tokens));
    *out = tokens;
    tokens = (cm_stored_tokens){.count = 0};
    return CM_OK;
}
