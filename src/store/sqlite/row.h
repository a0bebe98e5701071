/*
 * row: one row of a table in memory, its canonical bytes and MAC, and the few SQL statements that
 * read and write rows. It knows nothing of what the columns mean.
 *
 * Canonical bytes: size of the table's name 4, name, then for each column in order its kind 1 and
 * either the integer 8 or size 4 and bytes: nothing can move from one column to the next. A column
 * that was added later stands there, with size 4 and name before its value, only if it is not 0 or
 * empty: so the rows that were there before it keep their MACs.
 */
#pragma once

#include <sqlite3.h>

#include "base/id.h"
#include "base/secret.h"
#include "store/sqlite/tables.h"

enum { CM_ROW_COLUMNS_MAX = 14, CM_ROW_STORAGE = 6144, CM_DB_STATEMENTS_MAX = 256 };

typedef struct cm_value {
    int64_t number;
    size_t offset; /* in the row's storage */
    size_t size;
} cm_value;

typedef struct cm_row {
    const cm_table *table;
    int64_t rowid;
    cm_value values[CM_ROW_COLUMNS_MAX];
    uint8_t mac[CM_MAC_SIZE];
    size_t used;
    uint8_t storage[CM_ROW_STORAGE];
} cm_row;

void cm_row_init(cm_row *row, cm_table_id table); /* zeros and empty texts */
void cm_row_set_integer(cm_row *row, unsigned column, int64_t value);
void cm_row_set_bytes(cm_row *row, unsigned column, cm_slice bytes);
void cm_row_set_id(cm_row *row, unsigned column, const char id[CM_ID_SIZE]);
int64_t cm_row_integer(const cm_row *row, unsigned column);
cm_slice cm_row_bytes(const cm_row *row, unsigned column); /* borrowed */
/* An id as stored; false if the column holds none. */
bool cm_row_read_id(const cm_row *row, unsigned column, char out[CM_ID_SIZE]);
/* With a terminator; false if it does not fit. */
bool cm_row_read_text(const cm_row *row, unsigned column, char *out, size_t capacity);

void cm_row_sign(cm_row *row, const cm_secret *key);
bool cm_row_is_signed(const cm_row *row, const cm_secret *key);

/* ---- the database ---- */

typedef struct cm_statement {
    const cm_table *table;
    unsigned kind;
    uint32_t where;
    sqlite3_stmt *handle;
} cm_statement;

/* One connection with its prepared statements. Used by one thread at a time. */
typedef struct cm_db {
    sqlite3 *handle;
    cm_statement statements[CM_DB_STATEMENTS_MAX];
    size_t statement_count;
} cm_db;

/* CM_BROKEN: can't be opened (logged). The file must be there. */
cm_status cm_db_open(const char *path, cm_db *out);
void cm_db_close(cm_db *db);
/* Statements without parameters or rows. CM_RETRY: another process has held the database for
 * longer than the busy timeout. */
cm_status cm_db_run(cm_db *db, const char *sql);
/* A transaction, by statements that are prepared once. Beginning to write: as cm_db_run(). */
cm_status cm_db_begin(cm_db *db, bool writes);
cm_status cm_db_commit(cm_db *db);
cm_status cm_db_rollback(cm_db *db);
/* The first column of the first row. */
cm_status cm_db_ask_integer(cm_db *db, const char *sql, int64_t *out);

/* Which columns of a probe must be equal: bits 1 << column. */
#define CM_WHERE(column) (UINT32_C(1) << (column))

/* CM_ABSENT: no such row. CM_FOREIGN: a column of another kind or size than we ever write. */
cm_status cm_db_find(cm_db *db, const cm_row *probe, uint32_t where, cm_row *out);
cm_status cm_db_find_rowid(cm_db *db, cm_table_id table, int64_t rowid, cm_row *out);
/* The row's number is written into it. CM_REFUSE: it is there already (a key is taken). */
cm_status cm_db_insert(cm_db *db, cm_row *row);
cm_status cm_db_update(cm_db *db, const cm_row *row); /* the row with its rowid */
cm_status cm_db_delete(cm_db *db, cm_table_id table, int64_t rowid);
cm_status cm_db_count(cm_db *db, const cm_row *probe, uint32_t where, size_t *out);
/* The rows' numbers, oldest first; free() them. */
cm_status cm_db_rowids(cm_db *db, const cm_row *probe, uint32_t where, int64_t **out,
                       size_t *count_out);
#ifdef CM_FAULT_INJECTION
/* Any row of the table, at random. CM_ABSENT. */
cm_status cm_db_find_any(cm_db *db, cm_table_id table, cm_row *out);
/* The row that was last updated or deleted of those that the probe means. CM_ABSENT. */
cm_status cm_db_find_stale(cm_db *db, const cm_row *probe, uint32_t where, cm_row *out);
#endif
