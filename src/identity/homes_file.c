#include "identity/homes_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/csv/csv.h"

typedef enum column {
    HOME,
    OWNER,
    CAMERA,
    ADDRESS,
    SUB,
    USER,
    PASSWORD,
    COLUMNS,
} column;

static const char *const NAMES[COLUMNS] = {"home", "owner", "camera",  "address",
                                           "sub",  "user",  "password"};
static_assert((int)COLUMNS <= (int)CM_CSV_FIELDS_MAX, "each column has a field");

/* One line: texts of its own. */
typedef struct row {
    cm_csv_record *record;
    cm_slice cells[COLUMNS]; /* empty where the line or the file has none */
    size_t home;             /* index of its home */
} row;

struct cm_homes_file {
    cm_homes_faults *faults;  /* the caller's */
    size_t field_of[COLUMNS]; /* the first is 1; 0: the file has no such column */
    row *rows;
    size_t row_count;
    cm_import_home *homes;
    size_t home_count;
    cm_new_camera *cameras;
    size_t camera_count;
};

size_t cm_homes_faults_told(const cm_homes_faults *faults)
{
    return faults->count < CM_HOMES_FILE_FAULTS_MAX ? faults->count : CM_HOMES_FILE_FAULTS_MAX;
}

/* What is wrong: for programs, and as a sentence's end. */
typedef struct words {
    const char *code, *text;
} words;

/* `named` COLUMNS: none, or one that is not known. */
static void tell(cm_homes_file *file, size_t line, size_t field, column named, words cause)
{
    cm_homes_faults *faults = file->faults;
    if (faults->count < CM_HOMES_FILE_FAULTS_MAX)
        faults->items[faults->count] =
            (cm_homes_fault){.line = line,
                             .column = field,
                             .name = named < COLUMNS ? NAMES[named] : NULL,
                             .code = cause.code,
                             .cause = cause.text};
    faults->count++;
}

static void tell_cell(cm_homes_file *file, const row *r, column named, words cause)
{
    tell(file, r->record->line, file->field_of[named] > 0 ? file->field_of[named] : 1, named,
         cause);
}

static void free_record(cm_csv_record **record)
{
    if (*record != NULL)
        cm_secret_wipe(*record, sizeof **record);
    free(*record);
}

/* ---- lines ---- */

static void read_header(cm_homes_file *file, const cm_csv_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        column c = HOME;
        while (c < COLUMNS &&
               !cm_slice_equal_nocase(cm_slice_trim(record->fields[i]), cm_slice_of(NAMES[c])))
            c++;
        if (c == COLUMNS)
            tell(
                file, record->line, i + 1, COLUMNS,
                (words){
                    "no-such-column",
                    "no such column; there are home, owner, camera, address, sub, user, password"});
        else if (file->field_of[c] != 0)
            tell(file, record->line, i + 1, c,
                 (words){"column-twice", "the column stands there twice"});
        else
            file->field_of[c] = i + 1;
    }
    if (file->field_of[HOME] == 0)
        tell(file, record->line, 1, HOME, (words){"column-missing", "the column is missing"});
}

static cm_status add_row(cm_homes_file *file, const cm_csv_record *record, size_t columns)
{
    if (record->count > columns)
        tell(file, record->line, columns + 1, COLUMNS,
             (words){"too-many-fields", "more fields than the first line names"});
    CM_ENSURE(file->row_count < CM_HOMES_FILE_LINES_MAX, CM_FULL);
    row *rows = reallocarray(file->rows, file->row_count + 1, sizeof *rows);
    CM_ENSURE(rows != NULL, CM_BROKEN);
    file->rows = rows;
    row *r = &rows[file->row_count];
    *r = (row){.record = malloc(sizeof *record)};
    CM_ENSURE(r->record != NULL, CM_BROKEN);
    file->row_count++;
    *r->record = *record;
    for (column c = HOME; c < COLUMNS; c++) {
        const size_t field = file->field_of[c];
        if (field == 0 || field > record->count)
            continue;
        const cm_slice text = record->fields[field - 1];
        const size_t offset = (size_t)((const char *)text.bytes - record->text);
        r->cells[c] = cm_slice_trim(cm_slice_over(&r->record->text[offset], text.size));
    }
    return CM_OK;
}

static cm_status read_lines(cm_homes_file *file, cm_slice text)
{
    cm_csv csv = cm_csv_over(text);
    CM_AUTO(free_record) cm_csv_record *record = malloc(sizeof *record);
    CM_ENSURE(record != NULL, CM_BROKEN);
    cm_csv_fault fault;
    size_t columns = 0;
    cm_status status = CM_OK;
    while (file->faults->count == 0 && (status = cm_csv_next(&csv, record, &fault)) == CM_OK) {
        if (columns == 0) {
            columns = record->count;
            read_header(file, record);
        } else {
            CM_TRY(add_row(file, record, columns));
        }
    }
    if (file->faults->count == 0 && status == CM_REFUSE)
        tell(file, fault.line, fault.field, COLUMNS, (words){fault.code, fault.cause});
    else if (file->faults->count == 0 && file->row_count == 0)
        tell(file, csv.line, 1, COLUMNS, (words){"no-home", "the file names no home"});
    return CM_OK;
}

/* ---- what they say ---- */

static bool is_name(cm_slice text)
{
    return text.size > 0 && text.size < CM_NAME_SIZE && cm_text_is_printable_utf8(text);
}

static bool is_address(cm_slice text)
{
    return cm_slice_starts_nocase(text, CM_TEXT("rtsp://")) && text.size < CM_CAMERA_URL_SIZE &&
           cm_text_is_printable_utf8(text) && cm_slice_find(text, '@') == text.size &&
           cm_slice_find(text, ' ') == text.size;
}

static bool is_login(cm_slice text)
{
    return text.size < CM_CAMERA_LOGIN_SIZE && cm_text_is_printable_utf8(text);
}

static bool has_camera(const row *r)
{
    for (column c = CAMERA; c < COLUMNS; c++)
        if (r->cells[c].size > 0)
            return true;
    return false;
}

static void judge_camera(cm_homes_file *file, const row *r)
{
    static const words ADDRESS_FAULT = {
        "bad-address", "an address begins with rtsp:// and holds no user name, password or space"};
    if (!is_name(r->cells[CAMERA]))
        tell_cell(file, r, CAMERA,
                  (words){"camera-name", "a camera needs a name of at most 127 bytes"});
    if (!is_address(r->cells[ADDRESS]))
        tell_cell(file, r, ADDRESS, ADDRESS_FAULT);
    if (r->cells[SUB].size > 0 && !is_address(r->cells[SUB]))
        tell_cell(file, r, SUB, ADDRESS_FAULT);
    if (!is_login(r->cells[USER]))
        tell_cell(file, r, USER,
                  (words){"bad-text", "too long, or holds characters that it may not"});
    if (!is_login(r->cells[PASSWORD]))
        tell_cell(file, r, PASSWORD,
                  (words){"bad-text", "too long, or holds characters that it may not"});
}

static bool is_taken(const cm_stored_homes *taken, cm_slice name)
{
    for (size_t i = 0; i < taken->count; i++)
        if (cm_slice_equal_nocase(cm_slice_of(taken->items[i].name), name))
            return true;
    return false;
}

/* The home of this line: one of an earlier line, or another. */
static void place_in_home(cm_homes_file *file, row *r, const cm_stored_homes *taken)
{
    for (r->home = 0; r->home < file->home_count; r->home++)
        if (cm_slice_equal_nocase(file->homes[r->home].name, r->cells[HOME]))
            break;
    cm_import_home *home = &file->homes[r->home];
    if (r->home < file->home_count) {
        if (!has_camera(r))
            tell_cell(file, r, HOME,
                      (words){"home-twice", "the home stands in an earlier line already"});
        if (r->cells[OWNER].size > 0 && !cm_slice_equal(home->label, r->cells[OWNER]))
            tell_cell(file, r, OWNER,
                      (words){"other-owner", "an earlier line names another owner of this home"});
        return;
    }
    if (file->home_count == CM_IMPORT_HOMES_MAX) {
        tell_cell(file, r, HOME,
                  (words){"too-many-homes", "more than 200 homes: make two files of it"});
        r->home = 0;
        return;
    }
    if (is_taken(taken, r->cells[HOME]))
        tell_cell(file, r, HOME,
                  (words){"home-taken", "there is a home of this name on the server"});
    *home = (cm_import_home){.name = r->cells[HOME], .label = r->cells[OWNER]};
    file->home_count++;
}

static void judge_row(cm_homes_file *file, row *r, const cm_stored_homes *taken)
{
    if (!is_name(r->cells[HOME]))
        tell_cell(file, r, HOME, (words){"home-name", "a home needs a name of at most 127 bytes"});
    if (r->cells[OWNER].size > 0 && !is_name(r->cells[OWNER]))
        tell_cell(
            file, r, OWNER,
            (words){"bad-text", "longer than 127 bytes, or holds characters that it may not"});
    place_in_home(file, r, taken);
    if (has_camera(r))
        judge_camera(file, r);
}

/* The cameras of each home side by side, in the order of their lines. */
static void gather_cameras(cm_homes_file *file)
{
    for (size_t h = 0; h < file->home_count; h++) {
        cm_import_home *home = &file->homes[h];
        home->cameras = &file->cameras[file->camera_count];
        for (size_t i = 0; i < file->row_count; i++) {
            const row *r = &file->rows[i];
            if (r->home != h || !has_camera(r))
                continue;
            file->cameras[file->camera_count++] = (cm_new_camera){.name = r->cells[CAMERA],
                                                                  .main = r->cells[ADDRESS],
                                                                  .sub = r->cells[SUB],
                                                                  .user = r->cells[USER],
                                                                  .password = r->cells[PASSWORD],
                                                                  .keep = CM_KEEP_ALWAYS};
            home->camera_count++;
        }
    }
}

static cm_status judge(cm_homes_file *file, const cm_stored_homes *taken)
{
    file->homes = calloc(CM_IMPORT_HOMES_MAX + 1, sizeof *file->homes);
    file->cameras = calloc(file->row_count + 1, sizeof *file->cameras);
    CM_ENSURE(file->homes != NULL && file->cameras != NULL, CM_BROKEN);
    for (size_t i = 0; i < file->row_count; i++)
        judge_row(file, &file->rows[i], taken);
    CM_ENSURE(file->faults->count == 0, CM_REFUSE);
    gather_cameras(file);
    return CM_OK;
}

/* ---- the file ---- */

static cm_status read_file(cm_homes_file *file, cm_slice text, const cm_stored_homes *taken)
{
    const cm_status status = read_lines(file, text);
    if (status == CM_FULL)
        tell(file, 1, 1, COLUMNS,
             (words){"too-many-lines", "more than 4,000 lines: make two files of it"});
    CM_ENSURE(file->faults->count == 0, CM_REFUSE);
    CM_TRY(status);
    return judge(file, taken);
}

cm_status cm_homes_file_read(cm_slice text, const cm_stored_homes *taken, cm_homes_faults *faults,
                             cm_homes_file **out)
{
    *faults = (cm_homes_faults){.count = 0};
    cm_homes_file *file = calloc(1, sizeof *file);
    CM_ENSURE(file != NULL, CM_BROKEN);
    file->faults = faults;
    const cm_status status = read_file(file, text, taken);
    if (status != CM_OK) {
        cm_homes_file_destroy(file);
        return status;
    }
    *out = file;
    return CM_OK;
}

void cm_homes_file_destroy(cm_homes_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->row_count; i++)
        free_record(&file->rows[i].record);
    free(file->rows);
    free(file->homes);
    free(file->cameras);
    free(file);
}

cm_import_home *cm_homes_file_homes(const cm_homes_file *file, size_t *count)
{
    *count = file->home_count;
    return file->homes;
}

size_t cm_homes_file_camera_count(const cm_homes_file *file)
{
    return file->camera_count;
}
