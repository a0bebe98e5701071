/*
 * csv: reads text in comma-separated values (RFC 4180), record by record. It says where a fault is
 * in words for whoever edits the file: its line, and which field of the record.
 *
 * More than the RFC allows: lines that end in LF alone, a byte order mark at the start, and empty
 * lines, which are no records. Less: control characters other than a line's end, which stands in
 * quoted fields only.
 *
 * The reader is the caller's and borrows the text; a record borrows from nothing.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

enum { CM_CSV_FIELDS_MAX = 16, CM_CSV_RECORD_SIZE = 8192 };

typedef struct cm_csv {
    cm_slice rest;
    size_t line; /* of the next byte; the first is 1 */
} cm_csv;

typedef struct cm_csv_record {
    size_t line; /* where it begins */
    cm_slice fields[CM_CSV_FIELDS_MAX];
    size_t count;
    char text[CM_CSV_RECORD_SIZE]; /* the fields point into it */
} cm_csv_record;

typedef struct cm_csv_fault {
    size_t line, field; /* the first is 1 */
    const char *code;   /* static: "open-quote", for whoever says it in another language */
    const char *cause;  /* a sentence's end, static: "a quote is opened and never closed" */
} cm_csv_fault;

cm_csv cm_csv_over(cm_slice text);

/* CM_ABSENT: the text is at its end. CM_REFUSE: *fault says why; nothing can be read after it.
 * `out` must stay where it is as long as its fields are used. */
cm_status cm_csv_next(cm_csv *csv, cm_csv_record *out, cm_csv_fault *fault);

/* Writes a field, quoted if it must be. False: it does not fit; `out` has a terminator then too. */
bool cm_csv_write_field(cm_slice field, char *out, size_t capacity);
