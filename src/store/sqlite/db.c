/* The connection and its statements: all SQL that is not a migration is written here. */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/writer.h"
#include "store/sqlite/row.h"

enum { SQL_SIZE = 1024, BUSY_TIMEOUT_MS = 5000 };

typedef enum statement_kind {
    FIND,
    FIND_ROWID,
    INSERT,
    UPDATE,
    DELETE,
    COUNT,
    ROWIDS,
    FIND_ANY,
    FIND_STALE,
    BEGIN_READING, /* these are of no table */
    BEGIN_WRITING,
    COMMIT,
    ROLLBACK,
} statement_kind;

/* What SQLite's answer means to our caller; logged here, once. Its message holds no values. */
static cm_status judge(const cm_db *db, int code, const char *what)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return CM_OK;
    case SQLITE_CONSTRAINT:
        return CM_REFUSE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        cm_log(CM_LOG_WARN, "store", "event=busy during=%s", what);
        return CM_RETRY;
    default:
        cm_log(CM_LOG_ERROR, "store", "event=failed during=%s code=%d cause=\"%s\"", what, code,
               sqlite3_errmsg(db->handle));
        return CM_BROKEN;
    }
}

cm_status cm_db_open(const char *path, cm_db *out)
{
    *out = (cm_db){.statement_count = 0};
    const int code =
        sqlite3_open_v2(path, &out->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    cm_status status = out->handle == NULL ? CM_BROKEN : judge(out, code, "open");
    if (status == CM_OK) {
        sqlite3_busy_timeout(out->handle, BUSY_TIMEOUT_MS);
        sqlite3_db_config(out->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        status = cm_db_run(out, "PRAGMA journal_mode=WAL;"
                                "PRAGMA synchronous=FULL;"
                                "PRAGMA foreign_keys=ON;"
                                "PRAGMA trusted_schema=OFF;"
                                "PRAGMA cell_size_check=ON;"
                                "PRAGMA secure_delete=ON;"
                                "PRAGMA temp_store=MEMORY;"
                                "PRAGMA cache_size=-65536;"); /* KiB, if there is as much */
    }
    if (status != CM_OK)
        cm_db_close(out);
    return status;
}

void cm_db_close(cm_db *db)
{
    for (size_t i = 0; i < db->statement_count; i++)
        sqlite3_finalize(db->statements[i].handle);
    sqlite3_close(db->handle);
    *db = (cm_db){.statement_count = 0};
}

cm_status cm_db_run(cm_db *db, const char *sql)
{
    return judge(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), "statement");
}

cm_status cm_db_ask_integer(cm_db *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    const cm_status status = judge(db, code, "question");
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? CM_ABSENT : status;
}

/* ---- text of statements ---- */

static void write_columns(cm_writer *w, const cm_table *table)
{
    for (unsigned i = 0; i < table->column_count; i++)
        cm_write_format(w, "%s, ", table->columns[i].name);
    cm_write_text(w, "mac");
}

static void write_where(cm_writer *w, const cm_table *table, uint32_t where)
{
    const char *joint = " WHERE";
    for (unsigned i = 0; i < table->column_count; i++) {
        if ((where & CM_WHERE(i)) == 0)
            continue;
        cm_write_format(w, "%s %s = ?", joint, table->columns[i].name);
        joint = " AND";
    }
}

static void write_select(cm_writer *w, const cm_table *table, const char *prefix)
{
    cm_write_text(w, "SELECT rowid, ");
    write_columns(w, table);
    cm_write_format(w, " FROM %s%s", prefix, table->name);
}

static void write_insert(cm_writer *w, const cm_table *table)
{
    cm_write_format(w, "INSERT INTO %s (", table->name);
    write_columns(w, table);
    cm_write_text(w, ") VALUES (");
    for (unsigned i = 0; i < table->column_count; i++)
        cm_write_text(w, "?, ");
    cm_write_text(w, "?)");
}

static void write_update(cm_writer *w, const cm_table *table)
{
    cm_write_format(w, "UPDATE %s SET ", table->name);
    for (unsigned i = 0; i < table->column_count; i++)
        cm_write_format(w, "%s = ?, ", table->columns[i].name);
    cm_write_text(w, "mac = ? WHERE rowid = ?");
}

static void write_sql(cm_writer *w, const cm_table *table, statement_kind kind, uint32_t where)
{
    switch (kind) {
    case FIND:
        write_select(w, table, "");
        write_where(w, table, where);
        break;
    case FIND_ROWID:
        write_select(w, table, "");
        cm_write_text(w, " WHERE rowid = ?");
        break;
    case INSERT:
        write_insert(w, table);
        break;
    case UPDATE:
        write_update(w, table);
        break;
    case DELETE:
        cm_write_format(w, "DELETE FROM %s WHERE rowid = ?", table->name);
        break;
    case COUNT:
        cm_write_format(w, "SELECT count(*) FROM %s", table->name);
        write_where(w, table, where);
        break;
    case ROWIDS:
        cm_write_format(w, "SELECT rowid FROM %s", table->name);
        write_where(w, table, where);
        cm_write_text(w, " ORDER BY 1");
        break;
    case FIND_ANY:
        write_select(w, table, "");
        cm_write_text(w, " ORDER BY random() LIMIT 1");
        break;
    case FIND_STALE:
        write_select(w, table, "stale_");
        write_where(w, table, where);
        cm_write_text(w, " ORDER BY rowid DESC LIMIT 1");
        break;
    case BEGIN_READING:
        cm_write_text(w, "BEGIN");
        break;
    case BEGIN_WRITING:
        cm_write_text(w, "BEGIN IMMEDIATE");
        break;
    case COMMIT:
        cm_write_text(w, "COMMIT");
        break;
    case ROLLBACK:
        cm_write_text(w, "ROLLBACK");
        break;
    }
    cm_write_u8(w, 0);
}

/* For the log. */
static const char *name_of(const cm_table *table)
{
    return table != NULL ? table->name : "transaction";
}

static cm_status prepare(cm_db *db, const cm_table *table, statement_kind kind, uint32_t where,
                         sqlite3_stmt **out)
{
    for (size_t i = 0; i < db->statement_count; i++) {
        const cm_statement *s = &db->statements[i];
        if (s->table == table && s->kind == kind && s->where == where) {
            *out = s->handle;
            return CM_OK;
        }
    }
    char sql[SQL_SIZE];
    cm_writer w = cm_writer_over(sql, sizeof sql);
    write_sql(&w, table, kind, where);
    assert(!w.failed && db->statement_count < CM_DB_STATEMENTS_MAX);
    cm_statement *s = &db->statements[db->statement_count];
    *s = (cm_statement){.table = table, .kind = kind, .where = where};
    const int code =
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->handle, NULL);
    CM_TRY(judge(db, code, name_of(table)));
    db->statement_count++;
    *out = s->handle;
    return CM_OK;
}

/* ---- values in and out ---- */

/* The bytes are borrowed until the statement is reset: rows outlive the steps they are bound for.
 */
static int bind_bytes(sqlite3_stmt *s, int at, cm_column_kind kind, cm_slice bytes)
{
    /* A NULL pointer would bind NULL. */
    const void *start = bytes.size > 0 ? (const void *)bytes.bytes : "";
    if (kind == CM_COLUMN_TEXT)
        return sqlite3_bind_text(s, at, start, (int)bytes.size, SQLITE_STATIC);
    return sqlite3_bind_blob(s, at, start, (int)bytes.size, SQLITE_STATIC);
}

static int bind_column(sqlite3_stmt *s, int at, const cm_row *row, unsigned column)
{
    const cm_column_kind kind = row->table->columns[column].kind;
    if (kind == CM_COLUMN_INTEGER)
        return sqlite3_bind_int64(s, at, row->values[column].number);
    return bind_bytes(s, at, kind, cm_row_bytes(row, column));
}

static int bind_where(sqlite3_stmt *s, const cm_row *probe, uint32_t where)
{
    int at = 1;
    for (unsigned i = 0; i < probe->table->column_count; i++) {
        if ((where & CM_WHERE(i)) == 0)
            continue;
        const int code = bind_column(s, at++, probe, i);
        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

/* All columns and the MAC, from parameter 1 on. */
static int bind_row(sqlite3_stmt *s, const cm_row *row)
{
    const unsigned count = row->table->column_count;
    for (unsigned i = 0; i < count; i++) {
        const int code = bind_column(s, (int)i + 1, row, i);
        if (code != SQLITE_OK)
            return code;
    }
    return bind_bytes(s, (int)count + 1, CM_COLUMN_BLOB, cm_slice_over(row->mac, sizeof row->mac));
}

/* NULL marks a column that does not hold what we write. */
static bool read_bytes(sqlite3_stmt *s, int at, int type, cm_slice *out)
{
    if (sqlite3_column_type(s, at) != type)
        return false;
    const void *bytes = sqlite3_column_blob(s, at);
    *out = cm_slice_over(bytes, (size_t)sqlite3_column_bytes(s, at));
    return true;
}

static bool read_column(sqlite3_stmt *s, int at, unsigned column, cm_row *out)
{
    const cm_column_kind kind = out->table->columns[column].kind;
    if (kind == CM_COLUMN_INTEGER) {
        out->values[column].number = sqlite3_column_int64(s, at);
        return sqlite3_column_type(s, at) == SQLITE_INTEGER;
    }
    cm_slice bytes;
    if (!read_bytes(s, at, kind == CM_COLUMN_TEXT ? SQLITE_TEXT : SQLITE_BLOB, &bytes) ||
        bytes.size > sizeof out->storage - out->used)
        return false;
    cm_row_set_bytes(out, column, bytes);
    return true;
}

static bool read_row(sqlite3_stmt *s, cm_table_id table, cm_row *out)
{
    cm_row_init(out, table);
    out->rowid = sqlite3_column_int64(s, 0);
    const unsigned count = out->table->column_count;
    for (unsigned i = 0; i < count; i++)
        if (!read_column(s, (int)i + 1, i, out))
            return false;
    cm_slice mac;
    if (!read_bytes(s, (int)count + 1, SQLITE_BLOB, &mac) || mac.size != sizeof out->mac)
        return false;
    cm_writer w = cm_writer_over(out->mac, sizeof out->mac);
    cm_write_slice(&w, mac);
    return true;
}

static cm_table_id id_of(const cm_table *table)
{
    return (cm_table_id)(table - cm_tables);
}

static cm_status step_to_row(cm_db *db, sqlite3_stmt *s, int bound, const cm_table *table,
                             cm_row *out)
{
    const int code = bound == SQLITE_OK ? sqlite3_step(s) : bound;
    cm_status status = judge(db, code, table->name);
    if (code == SQLITE_DONE)
        status = CM_ABSENT;
    else if (status == CM_OK && !read_row(s, id_of(table), out))
        status = CM_FOREIGN;
    sqlite3_reset(s);
    return status;
}

static cm_status step_to_end(cm_db *db, sqlite3_stmt *s, int bound, const cm_table *table)
{
    const int code = bound == SQLITE_OK ? sqlite3_step(s) : bound;
    const cm_status status = judge(db, code, name_of(table));
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

/* ---- operations ---- */

static cm_status run_prepared(cm_db *db, statement_kind kind)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, NULL, kind, 0, &s));
    return step_to_end(db, s, SQLITE_OK, NULL);
}

cm_status cm_db_begin(cm_db *db, bool writes)
{
    return run_prepared(db, writes ? BEGIN_WRITING : BEGIN_READING);
}

cm_status cm_db_commit(cm_db *db)
{
    return run_prepared(db, COMMIT);
}

cm_status cm_db_rollback(cm_db *db)
{
    return run_prepared(db, ROLLBACK);
}

static cm_status find(cm_db *db, statement_kind kind, const cm_row *probe, uint32_t where,
                      cm_row *out)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, probe->table, kind, where, &s));
    return step_to_row(db, s, bind_where(s, probe, where), probe->table, out);
}

cm_status cm_db_find(cm_db *db, const cm_row *probe, uint32_t where, cm_row *out)
{
    return find(db, FIND, probe, where, out);
}

cm_status cm_db_find_rowid(cm_db *db, cm_table_id table, int64_t rowid, cm_row *out)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, &cm_tables[table], FIND_ROWID, 0, &s));
    return step_to_row(db, s, sqlite3_bind_int64(s, 1, rowid), &cm_tables[table], out);
}

cm_status cm_db_insert(cm_db *db, cm_row *row)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, row->table, INSERT, 0, &s));
    CM_TRY(step_to_end(db, s, bind_row(s, row), row->table));
    row->rowid = sqlite3_last_insert_rowid(db->handle);
    return CM_OK;
}

cm_status cm_db_update(cm_db *db, const cm_row *row)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, row->table, UPDATE, 0, &s));
    int code = bind_row(s, row);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(s, (int)row->table->column_count + 2, row->rowid);
    CM_TRY(step_to_end(db, s, code, row->table));
    return sqlite3_changes(db->handle) == 1 ? CM_OK : CM_ABSENT;
}

cm_status cm_db_delete(cm_db *db, cm_table_id table, int64_t rowid)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, &cm_tables[table], DELETE, 0, &s));
    return step_to_end(db, s, sqlite3_bind_int64(s, 1, rowid), &cm_tables[table]);
}

cm_status cm_db_count(cm_db *db, const cm_row *probe, uint32_t where, size_t *out)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, probe->table, COUNT, where, &s));
    int code = bind_where(s, probe, where);
    code = code == SQLITE_OK ? sqlite3_step(s) : code;
    const cm_status status = judge(db, code, probe->table->name);
    if (status == CM_OK)
        *out = (size_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return status;
}

static cm_status add_rowid(int64_t **rowids, size_t count, size_t *capacity, int64_t rowid)
{
    if (count == *capacity) {
        const size_t larger = *capacity > 0 ? *capacity * 2 : 16;
        int64_t *moved = reallocarray(*rowids, larger, sizeof *moved);
        CM_ENSURE(moved != NULL, CM_BROKEN);
        *rowids = moved;
        *capacity = larger;
    }
    (*rowids)[count] = rowid;
    return CM_OK;
}

cm_status cm_db_rowids(cm_db *db, const cm_row *probe, uint32_t where, int64_t **out,
                       size_t *count_out)
{
    sqlite3_stmt *s;
    CM_TRY(prepare(db, probe->table, ROWIDS, where, &s));
    int64_t *rowids = NULL;
    size_t count = 0;
    size_t capacity = 0;
    cm_status status = CM_OK;
    int code = bind_where(s, probe, where);
    while (status == CM_OK && code == SQLITE_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        status = add_rowid(&rowids, count++, &capacity, sqlite3_column_int64(s, 0));
        code = SQLITE_OK;
    }
    if (status == CM_OK)
        status = judge(db, code, probe->table->name);
    sqlite3_reset(s);
    if (status != CM_OK) {
        free(rowids);
        return status;
    }
    *out = rowids;
    *count_out = count;
    return CM_OK;
}

#ifdef CM_FAULT_INJECTION
cm_status cm_db_find_any(cm_db *db, cm_table_id table, cm_row *out)
{
    cm_row probe;
    cm_row_init(&probe, table);
    return find(db, FIND_ANY, &probe, 0, out);
}

cm_status cm_db_find_stale(cm_db *db, const cm_row *probe, uint32_t where, cm_row *out)
{
    return find(db, FIND_STALE, probe, where, out);
}
#endif
