/* Guest links: made and revoked by owners, opened by whoever holds the secret. */
#include "store/guest_links.h"

#include <stdlib.h>

#include "store/sqlite/store_priv.h"

/* ---- rows ---- */

cm_status cm_store_read_guest_link(const cm_row *row, cm_stored_guest_link *out)
{
    const int64_t end = cm_row_integer(row, CM_GUEST_LINKS_ENDED);
    *out = (cm_stored_guest_link){
        .created = {.us = cm_row_integer(row, CM_GUEST_LINKS_CREATED)},
        .from = {.us = cm_row_integer(row, CM_GUEST_LINKS_NOT_BEFORE)},
        .until = {.us = cm_row_integer(row, CM_GUEST_LINKS_NOT_AFTER)},
        .openings_max = (uint32_t)cm_row_integer(row, CM_GUEST_LINKS_OPENINGS_MAX),
        .openings = (uint32_t)cm_row_integer(row, CM_GUEST_LINKS_OPENINGS),
        .last_opened = {.us = cm_row_integer(row, CM_GUEST_LINKS_LAST_OPENED)},
        .end = (cm_guest_link_end)end,
    };
    CM_ENSURE(end >= 0 && end < CM_GUEST_LINK_ENDS, CM_FOREIGN);
    const bool has_ids = cm_row_read_id(row, CM_GUEST_LINKS_ID, out->id) &&
                         cm_row_read_id(row, CM_GUEST_LINKS_HOME, out->camera.home.text) &&
                         cm_row_read_id(row, CM_GUEST_LINKS_CAMERA, out->camera.camera.text) &&
                         cm_row_read_id(row, CM_GUEST_LINKS_MADE_BY, out->by.text);
    CM_ENSURE(has_ids, CM_FOREIGN);
    return cm_row_read_text(row, CM_GUEST_LINKS_LABEL, out->label, sizeof out->label) ? CM_OK
                                                                                      : CM_FOREIGN;
}

static void fill_key(cm_row *probe, const cm_home_id *home, const char id[CM_ID_SIZE])
{
    cm_row_init(probe, CM_GUEST_LINKS);
    cm_row_set_id(probe, CM_GUEST_LINKS_HOME, home->text);
    cm_row_set_id(probe, CM_GUEST_LINKS_ID, id);
}

static const uint32_t LINK_KEY = CM_WHERE(CM_GUEST_LINKS_HOME) | CM_WHERE(CM_GUEST_LINKS_ID);
static const uint32_t OF_LINK = CM_WHERE(CM_GUEST_LOOKS_HOME) | CM_WHERE(CM_GUEST_LOOKS_LINK);

static void fill_looks_of(cm_row *probe, const cm_row *link)
{
    cm_row_init(probe, CM_GUEST_LOOKS);
    cm_row_set_bytes(probe, CM_GUEST_LOOKS_HOME, cm_row_bytes(link, CM_GUEST_LINKS_HOME));
    cm_row_set_bytes(probe, CM_GUEST_LOOKS_LINK, cm_row_bytes(link, CM_GUEST_LINKS_ID));
}

cm_status cm_tx_forget_guest_link(cm_tx *tx, const cm_row *row)
{
    cm_row probe;
    fill_looks_of(&probe, row);
    CM_TRY(cm_tx_delete_all(tx, &probe, OF_LINK, NULL));
    return cm_tx_delete(tx, row);
}

cm_status cm_tx_remove_guest_links(cm_tx *tx, const cm_camera_key *key)
{
    cm_row probe;
    cm_row_init(&probe, CM_GUEST_LOOKS);
    cm_row_set_id(&probe, CM_GUEST_LOOKS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_GUEST_LOOKS_CAMERA, key->camera.text);
    CM_TRY(cm_tx_delete_all(tx, &probe,
                            CM_WHERE(CM_GUEST_LOOKS_HOME) | CM_WHERE(CM_GUEST_LOOKS_CAMERA), NULL));
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_id(&probe, CM_GUEST_LINKS_HOME, key->home.text);
    cm_row_set_id(&probe, CM_GUEST_LINKS_CAMERA, key->camera.text);
    return cm_tx_delete_all(tx, &probe,
                            CM_WHERE(CM_GUEST_LINKS_HOME) | CM_WHERE(CM_GUEST_LINKS_CAMERA), NULL);
}

/* ---- with its maker's say, or everybody's ---- */

static cm_status end_by(cm_tx *tx, cm_row *row, void *owner)
{
    const cm_guest_link_end *why = owner;
    cm_row_set_integer(row, CM_GUEST_LINKS_ENDED, *why);
    return cm_tx_update(tx, row);
}

cm_status cm_tx_void_guest_links(cm_tx *tx, const cm_home_id *home, const cm_account_id *by)
{
    cm_row probe;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_id(&probe, CM_GUEST_LINKS_HOME, home->text);
    cm_row_set_id(&probe, CM_GUEST_LINKS_MADE_BY, by->text);
    cm_row_set_integer(&probe, CM_GUEST_LINKS_ENDED, CM_GUEST_LINK_GOES_ON);
    return cm_tx_each(tx, &probe,
                      CM_WHERE(CM_GUEST_LINKS_HOME) | CM_WHERE(CM_GUEST_LINKS_MADE_BY) |
                          CM_WHERE(CM_GUEST_LINKS_ENDED),
                      end_by, &(cm_guest_link_end){CM_GUEST_LINK_MAKER});
}

typedef struct ending {
    cm_wall now;
    bool ends;
    size_t count;
} ending;

static cm_status end_one(cm_tx *tx, cm_row *row, void *owner)
{
    ending *e = owner;
    e->count += cm_row_integer(row, CM_GUEST_LINKS_NOT_AFTER) > e->now.us ? 1 : 0;
    return e->ends ? end_by(tx, row, &(cm_guest_link_end){CM_GUEST_LINK_REVOKED}) : CM_OK;
}

cm_status cm_tx_count_guest_links(cm_tx *tx, const cm_home_id *home, cm_wall now, bool ends,
                                  size_t *count_out)
{
    cm_row probe;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_id(&probe, CM_GUEST_LINKS_HOME, home->text);
    cm_row_set_integer(&probe, CM_GUEST_LINKS_ENDED, CM_GUEST_LINK_GOES_ON);
    ending e = {.now = now, .ends = ends};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_GUEST_LINKS_HOME) | CM_WHERE(CM_GUEST_LINKS_ENDED),
                      end_one, &e));
    *count_out += e.count;
    return CM_OK;
}

/* ---- making ---- */

static cm_status check_new(const cm_new_guest_link *n, cm_wall now)
{
    CM_TRY(cm_store_check_name(n->label));
    CM_ENSURE(n->until.us > now.us && n->until.us - now.us <= CM_GUEST_LINK_MAX_US, CM_REFUSE);
    CM_ENSURE(n->from.us >= 0 && n->from.us < n->until.us, CM_REFUSE);
    return n->openings_max <= CM_GUEST_LINK_OPENINGS_MAX ? CM_OK : CM_REFUSE;
}

typedef struct crowd {
    const cm_camera_key *key;
    cm_wall now;
    size_t count;   /* of the home */
    size_t pending; /* of the camera, and not over */
    bool has_oldest;
    cm_row oldest; /* that is over */
} crowd;

static cm_status count_one(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    crowd *c = owner;
    cm_stored_guest_link link;
    CM_TRY(cm_store_read_guest_link(row, &link));
    const cm_guest_link_state state = cm_stored_guest_link_state(&link, c->now);
    const bool is_pending = state == CM_GUEST_LINK_OPEN || state == CM_GUEST_LINK_NOT_YET ||
                            state == CM_GUEST_LINK_USED_UP;
    c->count++;
    c->pending += is_pending && cm_camera_key_equal(&link.camera, c->key) ? 1 : 0;
    if (!is_pending && !c->has_oldest) {
        c->has_oldest = true;
        c->oldest = *row;
    }
    return CM_OK;
}

static cm_status ensure_room(cm_tx *tx, const cm_camera_key *key, cm_wall now)
{
    cm_row probe;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_id(&probe, CM_GUEST_LINKS_HOME, key->home.text);
    crowd c = {.key = key, .now = now};
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_GUEST_LINKS_HOME), count_one, &c));
    CM_ENSURE(c.pending < CM_CAMERA_GUEST_LINKS_MAX, CM_FULL);
    if (c.count < CM_HOME_GUEST_LINKS_MAX)
        return CM_OK;
    CM_ENSURE(c.has_oldest, CM_FULL);
    return cm_tx_forget_guest_link(tx, &c.oldest);
}

static cm_status insert_link(cm_tx *tx, const cm_new_guest_link *n, cm_wall now,
                             cm_stored_guest_link *out)
{
    char id[CM_ID_SIZE];
    cm_id_make(tx->store->random_given, id);
    cm_row row;
    cm_row_init(&row, CM_GUEST_LINKS);
    cm_row_set_bytes(&row, CM_GUEST_LINKS_SECRET_HASH, cm_slice_over(n->secret_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_GUEST_LINKS_ID, id);
    cm_row_set_id(&row, CM_GUEST_LINKS_HOME, n->camera.home.text);
    cm_row_set_id(&row, CM_GUEST_LINKS_CAMERA, n->camera.camera.text);
    cm_row_set_bytes(&row, CM_GUEST_LINKS_LABEL, n->label);
    cm_row_set_id(&row, CM_GUEST_LINKS_MADE_BY, n->by.text);
    cm_row_set_integer(&row, CM_GUEST_LINKS_CREATED, now.us);
    cm_row_set_integer(&row, CM_GUEST_LINKS_NOT_BEFORE, n->from.us != 0 ? n->from.us : now.us);
    cm_row_set_integer(&row, CM_GUEST_LINKS_NOT_AFTER, n->until.us);
    cm_row_set_integer(&row, CM_GUEST_LINKS_OPENINGS_MAX, n->openings_max);
    CM_TRY(cm_tx_insert(tx, &row));
    return cm_store_read_guest_link(&row, out);
}

static cm_status read_maker(cm_tx *tx, cm_stored_guest_link *out)
{
    cm_row row;
    const cm_status status = cm_tx_account(tx, &out->by, &row);
    if (status == CM_ABSENT || status == CM_FOREIGN)
        return CM_OK; /* gone, or logged: the link is listed without a name */
    CM_TRY(status);
    return cm_row_read_text(&row, CM_ACCOUNTS_NAME, out->by_name, CM_NAME_SIZE) ? CM_OK
                                                                                : CM_FOREIGN;
}

cm_status cm_store_guest_link_create(cm_store *store, const cm_new_guest_link *link, cm_wall now,
                                     cm_stored_guest_link *out)
{
    CM_TRY(check_new(link, now));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_home(&tx, &link->camera.home, NULL));
    CM_TRY(cm_tx_ensure_owner(&tx, &link->camera.home, &link->by));
    cm_row camera;
    CM_TRY(cm_tx_camera(&tx, &link->camera, &camera));
    CM_TRY(ensure_room(&tx, &link->camera, now));
    CM_TRY(insert_link(&tx, link, now, out));
    CM_TRY(read_maker(&tx, out));
    return cm_tx_commit(&tx);
}

/* ---- revoking ---- */

cm_status cm_store_guest_link_revoke(cm_store *store, const cm_home_id *home, cm_slice id,
                                     cm_change *change)
{
    char parsed[CM_ID_SIZE];
    *change = (cm_change){.raised_count = 0};
    CM_ENSURE(cm_id_parse(id, parsed) == CM_OK, CM_ABSENT);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row probe;
    cm_row row;
    fill_key(&probe, home, parsed);
    CM_TRY(cm_tx_find(&tx, &probe, LINK_KEY, &row));
    cm_stored_guest_link link;
    CM_TRY(cm_store_read_guest_link(&row, &link));
    if (link.end == CM_GUEST_LINK_GOES_ON) {
        CM_TRY(cm_tx_raise_camera(&tx, &link.camera));
        cm_row_set_integer(&row, CM_GUEST_LINKS_ENDED, CM_GUEST_LINK_REVOKED);
        CM_TRY(cm_tx_update(&tx, &row));
        change->home = link.camera.home;
        change->camera = link.camera.camera;
    }
    return cm_tx_commit(&tx);
}

/* ---- lists ---- */

static cm_status add_look(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_stored_guest_link *link = owner;
    CM_ENSURE(link->look_count < CM_GUEST_LOOKS_MAX, CM_FOREIGN);
    cm_stored_guest_look *look = &link->looks[link->look_count];
    look->opened = (cm_wall){.us = cm_row_integer(row, CM_GUEST_LOOKS_OPENED)};
    look->expires = (cm_wall){.us = cm_row_integer(row, CM_GUEST_LOOKS_EXPIRES)};
    CM_ENSURE(
        cm_row_read_text(row, CM_GUEST_LOOKS_DEVICE, look->device, sizeof look->device) &&
            cm_row_read_text(row, CM_GUEST_LOOKS_NETWORK, look->network, sizeof look->network),
        CM_FOREIGN);
    link->look_count++;
    return CM_OK;
}

static cm_status add_link(cm_tx *tx, cm_row *row, void *owner)
{
    cm_stored_guest_links *list = owner;
    CM_TRY(cm_store_grow((void **)&list->items, list->count, sizeof *list->items));
    cm_stored_guest_link *link = &list->items[list->count];
    CM_TRY(cm_store_read_guest_link(row, link));
    CM_TRY(read_maker(tx, link));
    cm_row probe;
    fill_looks_of(&probe, row);
    CM_TRY(cm_tx_each(tx, &probe, OF_LINK, add_look, link));
    list->count++;
    return CM_OK;
}

cm_status cm_store_guest_links(cm_store *store, const cm_home_id *home, cm_stored_guest_links *out)
{
    *out = (cm_stored_guest_links){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_TRY(cm_tx_home(&tx, home, NULL));
    cm_row probe;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_id(&probe, CM_GUEST_LINKS_HOME, home->text);
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links list = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, CM_WHERE(CM_GUEST_LINKS_HOME), add_link, &list));
    *out = list;
    list = (cm_stored_guest_links){.count = 0};
    return CM_OK;
}

/* ---- opening ---- */

/* CM_REFUSE: by its own state, its maker's or its home's. */
static cm_status ensure_opens(cm_tx *tx, const cm_stored_guest_link *link, cm_wall now)
{
    const cm_guest_link_state state = cm_stored_guest_link_state(link, now);
    CM_ENSURE(state == CM_GUEST_LINK_OPEN || state == CM_GUEST_LINK_NOT_YET ||
                  state == CM_GUEST_LINK_USED_UP,
              CM_REFUSE);
    cm_row home;
    CM_TRY(cm_tx_home(tx, &link->camera.home, &home));
    CM_ENSURE(cm_row_integer(&home, CM_HOMES_SUSPENDED) == 0, CM_REFUSE);
    return cm_tx_ensure_owner(tx, &link->camera.home, &link->by);
}

/* Has this browser a look of this very link that goes on? */
static cm_status is_present(cm_tx *tx, const uint8_t *token_hash, const cm_stored_guest_link *link,
                            cm_wall now, bool *out)
{
    *out = false;
    if (token_hash == NULL)
        return CM_OK;
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GUEST_LOOKS);
    cm_row_set_bytes(&probe, CM_GUEST_LOOKS_TOKEN_HASH, cm_slice_over(token_hash, CM_MAC_SIZE));
    const cm_status found = cm_tx_find(tx, &probe, CM_WHERE(CM_GUEST_LOOKS_TOKEN_HASH), &row);
    if (found == CM_ABSENT)
        return CM_OK;
    CM_TRY(found);
    *out = cm_slice_equal(cm_row_bytes(&row, CM_GUEST_LOOKS_LINK), cm_slice_of(link->id)) &&
           cm_slice_equal(cm_row_bytes(&row, CM_GUEST_LOOKS_HOME),
                          cm_slice_of(link->camera.home.text)) &&
           now.us < cm_row_integer(&row, CM_GUEST_LOOKS_EXPIRES);
    return CM_OK;
}

typedef struct looks {
    cm_wall now;
    size_t count;
    bool has_expired;
    cm_row expired; /* the oldest that has */
} looks;

static cm_status count_look(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    looks *l = owner;
    l->count++;
    if (!l->has_expired && cm_row_integer(row, CM_GUEST_LOOKS_EXPIRES) <= l->now.us) {
        l->has_expired = true;
        l->expired = *row;
    }
    return CM_OK;
}

static cm_status ensure_room_for_look(cm_tx *tx, const cm_row *link, cm_wall now)
{
    cm_row probe;
    fill_looks_of(&probe, link);
    looks l = {.now = now};
    CM_TRY(cm_tx_each(tx, &probe, OF_LINK, count_look, &l));
    if (l.count < CM_GUEST_LOOKS_MAX)
        return CM_OK;
    return l.has_expired ? cm_tx_delete(tx, &l.expired) : CM_REFUSE;
}

static cm_status insert_look(cm_tx *tx, const cm_guest_opening *opening,
                             const cm_stored_guest_link *link, cm_wall now)
{
    const int64_t latest = now.us + CM_GUEST_LOOK_US;
    cm_row row;
    cm_row_init(&row, CM_GUEST_LOOKS);
    cm_row_set_bytes(&row, CM_GUEST_LOOKS_TOKEN_HASH,
                     cm_slice_over(opening->token_hash, CM_MAC_SIZE));
    cm_row_set_id(&row, CM_GUEST_LOOKS_HOME, link->camera.home.text);
    cm_row_set_id(&row, CM_GUEST_LOOKS_CAMERA, link->camera.camera.text);
    cm_row_set_id(&row, CM_GUEST_LOOKS_LINK, link->id);
    cm_row_set_integer(&row, CM_GUEST_LOOKS_OPENED, now.us);
    cm_row_set_integer(&row, CM_GUEST_LOOKS_EXPIRES,
                       latest < link->until.us ? latest : link->until.us);
    cm_row_set_bytes(&row, CM_GUEST_LOOKS_DEVICE, cm_slice_of(opening->device));
    cm_row_set_bytes(&row, CM_GUEST_LOOKS_NETWORK, cm_slice_of(opening->network));
    return cm_tx_insert(tx, &row);
}

/* A link that counts must not be good again by its row from before: the home is bumped. */
static cm_status count_opening(cm_tx *tx, cm_row *row, cm_stored_guest_link *link, cm_wall now)
{
    if (link->openings_max != 0)
        CM_TRY(cm_tx_bump_home(tx, &link->camera.home));
    link->openings++;
    link->last_opened = now;
    cm_row_set_integer(row, CM_GUEST_LINKS_OPENINGS, link->openings);
    cm_row_set_integer(row, CM_GUEST_LINKS_LAST_OPENED, now.us);
    return cm_tx_update(tx, row);
}

static cm_status open_row(cm_tx *tx, const cm_guest_opening *opening, cm_wall now, cm_row *row,
                          cm_guest_opened *how, cm_stored_guest_link *out)
{
    bool has_look;
    CM_TRY(ensure_opens(tx, out, now));
    *how = CM_GUEST_PRESENT;
    CM_TRY(is_present(tx, opening->present, out, now, &has_look));
    if (has_look)
        return CM_OK;
    *how = CM_GUEST_EARLY;
    const cm_guest_link_state state = cm_stored_guest_link_state(out, now);
    if (state == CM_GUEST_LINK_NOT_YET)
        return CM_OK;
    *how = CM_GUEST_OPENED;
    CM_ENSURE(state == CM_GUEST_LINK_OPEN, CM_REFUSE);
    CM_TRY(ensure_room_for_look(tx, row, now));
    CM_TRY(count_opening(tx, row, out, now));
    return insert_look(tx, opening, out, now);
}

cm_status cm_store_guest_link_open(cm_store *store, const cm_guest_opening *opening, cm_wall now,
                                   cm_guest_opened *how, cm_stored_guest_link *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row probe;
    cm_row row;
    cm_row_init(&probe, CM_GUEST_LINKS);
    cm_row_set_bytes(&probe, CM_GUEST_LINKS_SECRET_HASH,
                     cm_slice_over(opening->secret_hash, CM_MAC_SIZE));
    CM_TRY(cm_tx_find(&tx, &probe, CM_WHERE(CM_GUEST_LINKS_SECRET_HASH), &row));
    CM_TRY(cm_store_read_guest_link(&row, out));
    CM_TRY(open_row(&tx, opening, now, &row, how, out));
    return cm_tx_commit(&tx);
}
