#include "store/sqlite/row.h"

#include <assert.h>
#include <string.h>

#include "base/writer.h"

static_assert((int)CM_CAMERAS_COLUMNS <= (int)CM_ROW_COLUMNS_MAX &&
                  (int)CM_API_TOKENS_COLUMNS <= (int)CM_ROW_COLUMNS_MAX,
              "the widest tables fit a row");

void cm_row_init(cm_row *row, cm_table_id table)
{
    row->table = &cm_tables[table];
    row->rowid = 0;
    row->used = 0;
    for (size_t i = 0; i < CM_ROW_COLUMNS_MAX; i++)
        row->values[i] = (cm_value){.number = 0};
    memset(row->mac, 0, sizeof row->mac);
}

void cm_row_set_integer(cm_row *row, unsigned column, int64_t value)
{
    assert(column < row->table->column_count &&
           row->table->columns[column].kind == CM_COLUMN_INTEGER);
    row->values[column].number = value;
}

/* False: the storage is full. */
static bool put_bytes(cm_row *row, unsigned column, cm_slice bytes)
{
    if (bytes.size > sizeof row->storage - row->used)
        return false;
    cm_writer w = cm_writer_over(&row->storage[row->used], bytes.size);
    cm_write_slice(&w, bytes);
    row->values[column] = (cm_value){.offset = row->used, .size = bytes.size};
    row->used += bytes.size;
    return true;
}

void cm_row_set_bytes(cm_row *row, unsigned column, cm_slice bytes)
{
    assert(column < row->table->column_count &&
           row->table->columns[column].kind != CM_COLUMN_INTEGER);
    const bool fits = put_bytes(row, column, bytes);
    assert(fits); /* callers bound what people may write */
    (void)fits;
}

void cm_row_set_id(cm_row *row, unsigned column, const char id[CM_ID_SIZE])
{
    cm_row_set_bytes(row, column, cm_slice_over(id, strnlen(id, CM_ID_SIZE)));
}

int64_t cm_row_integer(const cm_row *row, unsigned column)
{
    return row->values[column].number;
}

cm_slice cm_row_bytes(const cm_row *row, unsigned column)
{
    return cm_slice_over(&row->storage[row->values[column].offset], row->values[column].size);
}

bool cm_row_read_id(const cm_row *row, unsigned column, char out[CM_ID_SIZE])
{
    return cm_id_parse(cm_row_bytes(row, column), out) == CM_OK;
}

bool cm_row_read_text(const cm_row *row, unsigned column, char *out, size_t capacity)
{
    return cm_slice_to_cstr(cm_row_bytes(row, column), out, capacity) == CM_OK;
}

static void write_value(cm_writer *w, const cm_row *row, unsigned i)
{
    if (row->table->columns[i].kind == CM_COLUMN_INTEGER) {
        cm_write_u64(w, (uint64_t)row->values[i].number);
        return;
    }
    cm_write_u32(w, (uint32_t)row->values[i].size);
    cm_write_slice(w, cm_row_bytes(row, i));
}

static bool is_as_before(const cm_row *row, unsigned i)
{
    return row->table->columns[i].is_added && row->values[i].number == 0 &&
           row->values[i].size == 0;
}

static void mac_of(const cm_row *row, const cm_secret *key, uint8_t out[CM_MAC_SIZE])
{
    uint8_t bytes[CM_ROW_STORAGE + 256];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u32(&w, (uint32_t)strlen(row->table->name));
    cm_write_text(&w, row->table->name);
    for (unsigned i = 0; i < row->table->column_count; i++) {
        if (is_as_before(row, i))
            continue;
        cm_write_u8(&w, (uint8_t)row->table->columns[i].kind);
        if (row->table->columns[i].is_added) {
            cm_write_u32(&w, (uint32_t)strlen(row->table->columns[i].name));
            cm_write_text(&w, row->table->columns[i].name);
        }
        write_value(&w, row, i);
    }
    assert(!w.failed);
    cm_secret_mac(key, cm_writer_done(&w), out);
}

void cm_row_sign(cm_row *row, const cm_secret *key)
{
    mac_of(row, key, row->mac);
}

bool cm_row_is_signed(const cm_row *row, const cm_secret *key)
{
    uint8_t mac[CM_MAC_SIZE];
    mac_of(row, key, mac);
    return cm_secret_equal(cm_slice_over(mac, sizeof mac),
                           cm_slice_over(row->mac, sizeof row->mac));
}
