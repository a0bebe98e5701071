/* Many homes at once: all of them or none. */
#include <assert.h>

#include "store/sqlite/store_priv.h"

static_assert((int)CM_IMPORT_HOMES_MAX <= (int)CM_TX_OWNERS_MAX,
              "one transaction can raise them all");

static cm_status import_one(cm_tx *tx, const cm_import_home *one, const cm_import *import,
                            cm_wall now, cm_stored_invitation *out)
{
    cm_stored_home home = {.is_declared = false};
    CM_TRY(cm_store_check_name(one->name));
    CM_TRY(cm_slice_to_cstr(one->name, home.name, sizeof home.name));
    CM_TRY(cm_tx_make_home(tx, &home, now));
    for (size_t i = 0; i < one->camera_count; i++) {
        cm_stored_camera camera;
        CM_TRY(cm_tx_make_camera(tx, &home.id, &one->cameras[i], now, &camera));
    }
    const cm_new_invitation invitation = {.home = home.id,
                                          .role = CM_ROLE_OWNER,
                                          .label = one->label,
                                          .token_hash = one->token_hash,
                                          .expires = import->expires};
    return cm_tx_make_invitation(tx, &invitation, now, out);
}

cm_status cm_store_homes_import(cm_store *store, const cm_import *import, cm_wall now,
                                cm_stored_invitation *out)
{
    CM_ENSURE(import->count > 0 && import->count <= CM_IMPORT_HOMES_MAX, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    for (size_t i = 0; i < import->count; i++)
        CM_TRY(import_one(&tx, &import->homes[i], import, now, &out[i]));
    return cm_tx_commit(&tx);
}
