/* What commands leave for the audit. */
#include "store/told.h"

#include <assert.h>
#include <stdlib.h>

#include "store/sqlite/store_priv.h"

static_assert(CM_TOLD_SIZE_MAX + CM_ID_SIZE < CM_ROW_STORAGE, "a row holds it");

void cm_told_list_clear(cm_told_list *list)
{
    free(list->items);
    *list = (cm_told_list){.count = 0};
}

cm_status cm_store_told_put(cm_store *store, const cm_slice *items, size_t count)
{
    CM_ENSURE(count <= CM_TOLD_AT_ONCE_MAX, CM_REFUSE);
    for (size_t i = 0; i < count; i++)
        CM_ENSURE(items[i].size > 0 && items[i].size <= CM_TOLD_SIZE_MAX, CM_REFUSE);
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    for (size_t i = 0; i < count; i++) {
        char id[CM_ID_SIZE];
        cm_row row;
        cm_id_make(store->random_given, id);
        cm_row_init(&row, CM_TOLD);
        cm_row_set_id(&row, CM_TOLD_ID, id);
        cm_row_set_bytes(&row, CM_TOLD_ENTRY, items[i]);
        CM_TRY(cm_tx_insert(&tx, &row));
    }
    return cm_tx_commit(&tx);
}

static cm_status collect(cm_tx *tx, cm_row *row, void *owner)
{
    (void)tx;
    cm_told_list *list = owner;
    const cm_slice bytes = cm_row_bytes(row, CM_TOLD_ENTRY);
    CM_TRY(cm_store_grow((void **)&list->items, list->count, sizeof *list->items));
    cm_told *told = &list->items[list->count];
    *told = (cm_told){.size = bytes.size};
    CM_ENSURE(cm_row_read_id(row, CM_TOLD_ID, told->id) && bytes.size <= sizeof told->bytes,
              CM_FOREIGN);
    cm_slice_copy(bytes, told->bytes, sizeof told->bytes);
    list->count++;
    return CM_OK;
}

cm_status cm_store_told(cm_store *store, cm_told_list *out)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_READ, &tx));
    CM_AUTO(cm_told_list_clear) cm_told_list list = {.count = 0};
    cm_row probe;
    cm_row_init(&probe, CM_TOLD);
    CM_TRY(cm_tx_each(&tx, &probe, 0, collect, &list));
    *out = list;
    list = (cm_told_list){.count = 0};
    return CM_OK;
}

cm_status cm_store_told_forget(cm_store *store, const cm_told_list *list)
{
    CM_AUTO(cm_tx_end) cm_tx tx;
    CM_TRY(cm_tx_begin(store, CM_TX_WRITE, &tx));
    for (size_t i = 0; i < list->count; i++) {
        cm_row probe;
        cm_row_init(&probe, CM_TOLD);
        cm_row_set_id(&probe, CM_TOLD_ID, list->items[i].id);
        CM_TRY(cm_tx_delete_all(&tx, &probe, CM_WHERE(CM_TOLD_ID), NULL));
    }
    return cm_tx_commit(&tx);
}
