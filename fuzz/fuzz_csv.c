/* One text in comma-separated values: what is read lies inside its record and comes back when it is
 * written and read again; a fault names a line and a field that are there. */
#include <string.h>

#include "fuzz.h"

#include "proto/csv/csv.h"

static void check_again(const cm_csv_record *record)
{
    static char text[4 * CM_CSV_RECORD_SIZE];
    size_t used = 0;
    for (size_t i = 0; i < record->count; i++) {
        CHECK(cm_csv_write_field(record->fields[i], &text[used], sizeof text - used - 2));
        used += strlen(&text[used]);
        text[used++] = i + 1 < record->count ? ',' : '\n';
    }
    cm_csv csv = cm_csv_over(cm_slice_over(text, used));
    static cm_csv_record again;
    cm_csv_fault fault;
    const cm_status status = cm_csv_next(&csv, &again, &fault);
    if (record->count == 1 && record->fields[0].size == 0)
        return; /* an empty line is no record */
    CHECK(status == CM_OK && again.count == record->count);
    for (size_t i = 0; i < again.count; i++)
        CHECK(cm_slice_equal(again.fields[i], record->fields[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_csv csv = cm_csv_over(cm_slice_over(data, size));
    static cm_csv_record record;
    cm_csv_fault fault;
    size_t line = 0;
    cm_status status;
    while ((status = cm_csv_next(&csv, &record, &fault)) == CM_OK) {
        CHECK(record.line > line && record.count > 0 && record.count <= CM_CSV_FIELDS_MAX);
        line = record.line;
        for (size_t i = 0; i < record.count; i++)
            touch(record.fields[i]);
        /* A byte order mark that a field begins with would be skipped when it is read again. */
        if (!cm_slice_starts(record.fields[0], CM_TEXT("\xef\xbb\xbf")))
            check_again(&record);
    }
    CHECK(status == CM_ABSENT || status == CM_REFUSE);
    if (status == CM_REFUSE)
        CHECK(fault.line > 0 && fault.line <= size + 1 && fault.field > 0 &&
              fault.field <= CM_CSV_FIELDS_MAX + 1 && fault.cause != NULL && fault.code != NULL);
    return 0;
}
