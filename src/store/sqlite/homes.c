#include "base/text.h"
#include "store/sqlite/store_priv.h"

#include <stdlib.h>
#include <string.h>

cm_status cm_store_read_home(const cm_store *store, const cm_row *row, cm_stored_home *out)
{
    *out = (cm_stored_home){.is_declared = cm_row_integer(row, CM_HOMES_IS_DECLARED) != 0,
                            .created = {.us = cm_row_integer(row, CM_HOMES_CREATED)}};
    CM_ENSURE(cm_row_read_id(row, CM_HOMES_ID, out->id.text), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_HOMES_NAME, out->name, sizeof out->name), CM_FOREIGN);
    cm_slice zone = cm_row_bytes(row, CM_HOMES_TIME_ZONE);
    if (zone.size == 0)
        zone = cm_slice_of(cm_zones_default(store->zones));
    CM_ENSURE(cm_slice_to_cstr(zone, out->time_zone, sizeof out->time_zone) == CM_OK, CM_FOREIGN);
    return cm_store_read_suspension(row, &out->suspension);
}

cm_status cm_store_read_suspension(const cm_row *row, cm_suspension *out)
{
    *out = (cm_suspension){.since = {.us = cm_row_integer(row, CM_HOMES_SUSPENDED)}};
    CM_ENSURE(cm_row_read_text(row, CM_HOMES_SUSPENDED_BY, out->by, sizeof out->by), CM_FOREIGN);
    CM_ENSURE(cm_row_read_text(row, CM_HOMES_SUSPENDED_WHY, out->why, sizeof out->why), CM_FOREIGN);
    return CM_OK;
}

cm_status cm_tx_make_home(cm_tx *tx, cm_stored_home *home, cm_wall now)
{
    CM_TRY(cm_store_check_name(cm_slice_of(home->name)));
    cm_home_id id;
    if (home->id.text[0] == '\0')
        cm_id_make(tx->store->random_given, home->id.text);
    CM_TRY(cm_home_id_parse(cm_slice_of(home->id.text), &id));
    uint8_t salt[CM_STORE_SALT_SIZE];
    cm_random_fill(tx->store->random_given, salt, sizeof salt);
    cm_row row;
    cm_row_init(&row, CM_HOMES);
    cm_row_set_id(&row, CM_HOMES_ID, id.text);
    cm_row_set_bytes(&row, CM_HOMES_NAME, cm_slice_of(home->name));
    cm_row_set_bytes(&row, CM_HOMES_SALT, cm_slice_over(salt, sizeof salt));
    cm_row_set_integer(&row, CM_HOMES_IS_DECLARED, home->is_declared);
    cm_row_set_integer(&row, CM_HOMES_CREATED, now.us);
    if (home->time_zone[0] != '\0') {
        const cm_slice zone = cm_slice_of(home->time_zone);
        CM_ENSURE(cm_zones_find(tx->store->zones, zone) != NULL, CM_REFUSE);
        cm_row_set_bytes(&row, CM_HOMES_TIME_ZONE, zone);
    }
    CM_TRY(cm_tx_add_owner(tx, &row));
    CM_TRY(cm_store_read_home(tx->store, &row, home));
    return CM_OK;
}

cm_status cm_store_home_create(cm_store *store, cm_stored_home *home, cm_wall now)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    CM_TRY(cm_tx_make_home(&tx, home, now));
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_rename(cm_store *store, const cm_home_id *home, cm_slice name)
{
    CM_TRY(cm_store_check_name(name));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    cm_row row;
    CM_TRY(cm_tx_home(&tx, home, &row));
    cm_row_set_bytes(&row, CM_HOMES_NAME, name);
    CM_TRY(cm_tx_update(&tx, &row));
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_set_time_zone(cm_store *store, const cm_home_id *home, cm_slice name,
                                      cm_change *change)
{
    CM_ENSURE(cm_zones_find(store->zones, name) != NULL, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(cm_tx_home(&tx, home, &row));
    cm_stored_home before;
    CM_TRY(cm_store_read_home(store, &row, &before));
    if (!cm_slice_equal(cm_slice_of(before.time_zone), name)) {
        CM_TRY(cm_tx_raise_all(&tx, home)); /* somewhere an hour ends earlier */
        CM_TRY(cm_tx_home(&tx, home, &row));
    }
    cm_row_set_bytes(&row, CM_HOMES_TIME_ZONE, name);
    CM_TRY(cm_tx_update(&tx, &row));
    change->home = *home;
    return cm_tx_commit(&tx);
}

const cm_zone *cm_store_zone(cm_store *store, cm_slice name)
{
    return cm_zones_find(store->zones, name);
}

static cm_status note_gone(cm_tx *tx, cm_row *row, void *owner)
{
    cm_camera_key key = {.home = *(const cm_home_id *)owner};
    CM_ENSURE(cm_row_read_id(row, CM_CAMERAS_ID, key.camera.text), CM_FOREIGN);
    return cm_tx_note_gone(tx, &key);
}

cm_status cm_tx_destroy_home(cm_tx *tx, const cm_home_id *home)
{
    cm_row row;
    CM_TRY(cm_tx_home(tx, home, &row));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, home->text);
    cm_home_id own = *home;
    CM_TRY(cm_tx_each(tx, &probe, CM_WHERE(CM_CAMERAS_HOME), note_gone, &own));
    /* Children first: foreign keys. */
    static const cm_table_id TABLES[] = {
        CM_GUEST_LOOKS,  CM_GUEST_LINKS,   CM_INVITATIONS,   CM_API_TOKENS, CM_GRANTS,
        CM_GROUP_GRANTS, CM_GROUP_CAMERAS, CM_CAMERA_GROUPS, CM_CAMERAS,    CM_MEMBERSHIPS};
    for (size_t i = 0; i < CM_COUNT(TABLES); i++) {
        cm_row_init(&probe, TABLES[i]);
        cm_row_set_id(&probe, probe.table->owner, home->text);
        CM_TRY(cm_tx_delete_all(tx, &probe, CM_WHERE(probe.table->owner), NULL));
    }
    return cm_tx_remove_owner(tx, &row);
}

cm_status cm_store_home_delete(cm_store *store, const cm_home_id *home, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_destroy_home(&tx, home));
    change->home = *home;
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_suspend(cm_store *store, const cm_home_id *home, cm_slice by, cm_slice why,
                                cm_wall now, cm_change *change)
{
    CM_TRY(cm_store_check_name(by));
    CM_TRY(cm_store_check_name(why));
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    CM_TRY(cm_tx_raise_all(&tx, home));
    cm_row row;
    CM_TRY(cm_tx_home(&tx, home, &row));
    if (cm_row_integer(&row, CM_HOMES_SUSPENDED) == 0)
        cm_row_set_integer(&row, CM_HOMES_SUSPENDED, now.us);
    cm_row_set_bytes(&row, CM_HOMES_SUSPENDED_BY, by);
    cm_row_set_bytes(&row, CM_HOMES_SUSPENDED_WHY, why);
    CM_TRY(cm_tx_update(&tx, &row));
    change->home = *home;
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_resume(cm_store *store, const cm_home_id *home, cm_change *change)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin_change(store, change, &tx));
    cm_row row;
    CM_TRY(cm_tx_home(&tx, home, &row));
    cm_row_set_integer(&row, CM_HOMES_SUSPENDED, 0);
    cm_row_set_bytes(&row, CM_HOMES_SUSPENDED_BY, (cm_slice){0});
    cm_row_set_bytes(&row, CM_HOMES_SUSPENDED_WHY, (cm_slice){0});
    CM_TRY(cm_tx_update(&tx, &row));
    change->home = *home;
    return cm_tx_commit(&tx);
}

cm_status cm_store_home_find(cm_store *store, const cm_home_id *home, cm_stored_home *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row row;
    CM_TRY(cm_tx_home(&tx, home, &row));
    return cm_store_read_home(store, &row, out);
}

static cm_status add_home(cm_tx *tx, cm_row *row, void *owner)
{
    cm_stored_homes *homes = owner;
    CM_TRY(cm_store_grow((void **)&homes->items, homes->count, sizeof *homes->items));
    cm_stored_home *home = &homes->items[homes->count];
    CM_TRY(cm_store_read_home(tx->store, row, home));
    cm_row probe;
    cm_row_init(&probe, CM_CAMERAS);
    cm_row_set_id(&probe, CM_CAMERAS_HOME, home->id.text);
    CM_TRY(cm_db_count(tx->db, &probe, CM_WHERE(CM_CAMERAS_HOME), &home->camera_count));
    cm_row_init(&probe, CM_MEMBERSHIPS);
    cm_row_set_id(&probe, CM_MEMBERSHIPS_HOME, home->id.text);
    CM_TRY(cm_db_count(tx->db, &probe, CM_WHERE(CM_MEMBERSHIPS_HOME), &home->member_count));
    homes->count++;
    return CM_OK;
}

static int compare_homes(const void *a, const void *b)
{
    return strcmp(((const cm_stored_home *)a)->id.text, ((const cm_stored_home *)b)->id.text);
}

cm_status cm_store_homes(cm_store *store, cm_stored_homes *out)
{
    *out = (cm_stored_homes){.count = 0};
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    cm_row probe;
    cm_row_init(&probe, CM_HOMES);
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    CM_TRY(cm_tx_each(&tx, &probe, 0, add_home, &homes));
    if (homes.count > 1)
        qsort(homes.items, homes.count, sizeof *homes.items, compare_homes);
    *out = homes;
    homes = (cm_stored_homes){.count = 0};
    return CM_OK;
}
