#include "proto/csv/csv.h"

#include "base/writer.h"

static const uint8_t BYTE_ORDER_MARK[] = {0xef, 0xbb, 0xbf};

cm_csv cm_csv_over(cm_slice text)
{
    const cm_slice mark = cm_slice_over(BYTE_ORDER_MARK, sizeof BYTE_ORDER_MARK);
    return (cm_csv){.rest = cm_slice_starts(text, mark) ? cm_slice_from(text, mark.size) : text,
                    .line = 1};
}

/* Reading one record. */
typedef struct reading {
    cm_csv *csv;
    cm_csv_record *out;
    cm_csv_fault *fault;
    cm_writer text;
} reading;

static cm_status refuse(const reading *r, const char *code, const char *cause)
{
    *r->fault = (cm_csv_fault){
        .line = r->csv->line, .field = r->out->count + 1, .code = code, .cause = cause};
    return CM_REFUSE;
}

static int peek(const cm_csv *csv)
{
    return csv->rest.size > 0 ? csv->rest.bytes[0] : -1;
}

static void skip(cm_csv *csv, size_t size)
{
    csv->rest = cm_slice_from(csv->rest, size);
}

/* How long the line's end here is: 0 if there is none. */
static size_t end_of_line(const cm_csv *csv)
{
    if (cm_slice_starts(csv->rest, CM_TEXT("\r\n")))
        return 2;
    return peek(csv) == '\n' ? 1 : 0;
}

static void skip_end_of_line(cm_csv *csv)
{
    const size_t size = end_of_line(csv);
    skip(csv, size);
    csv->line += size > 0 ? 1 : 0;
}

static bool is_control(int byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* After the opening quote, up to and with the closing one. */
static cm_status read_quoted(reading *r)
{
    for (;;) {
        const int byte = peek(r->csv);
        if (byte < 0)
            return refuse(r, "open-quote", "a quote is opened and never closed");
        if (end_of_line(r->csv) > 0) {
            cm_write_u8(&r->text, '\n');
            skip_end_of_line(r->csv);
            continue;
        }
        if (byte != '"' && is_control(byte))
            return refuse(r, "control-character", "a control character");
        skip(r->csv, 1);
        if (byte == '"' && peek(r->csv) != '"')
            return CM_OK;
        if (byte == '"')
            skip(r->csv, 1);
        cm_write_u8(&r->text, (uint8_t)byte);
    }
}

static cm_status read_plain(reading *r)
{
    for (int byte; (byte = peek(r->csv)) >= 0 && byte != ',' && end_of_line(r->csv) == 0;) {
        if (byte == '"')
            return refuse(r, "stray-quote", "a quote inside a field that is not quoted as a whole");
        if (is_control(byte))
            return refuse(r, "control-character", "a control character");
        cm_write_u8(&r->text, (uint8_t)byte);
        skip(r->csv, 1);
    }
    return CM_OK;
}

static cm_status read_field(reading *r)
{
    if (r->out->count == CM_CSV_FIELDS_MAX)
        return refuse(r, "too-many-fields", "too many fields");
    const size_t before = cm_writer_done(&r->text).size;
    const bool is_quoted = peek(r->csv) == '"';
    if (is_quoted)
        skip(r->csv, 1);
    CM_TRY(is_quoted ? read_quoted(r) : read_plain(r));
    if (r->text.failed)
        return refuse(r, "too-long-a-line", "the record is too long");
    if (peek(r->csv) >= 0 && peek(r->csv) != ',' && end_of_line(r->csv) == 0)
        return refuse(r, "behind-quote", "something stands behind the closing quote");
    const size_t size = cm_writer_done(&r->text).size - before;
    r->out->fields[r->out->count++] = cm_slice_over(&r->out->text[before], size);
    return CM_OK;
}

cm_status cm_csv_next(cm_csv *csv, cm_csv_record *out, cm_csv_fault *fault)
{
    while (end_of_line(csv) > 0)
        skip_end_of_line(csv);
    CM_ENSURE(csv->rest.size > 0, CM_ABSENT);
    out->line = csv->line;
    out->count = 0;
    reading r = {.csv = csv,
                 .out = out,
                 .fault = fault,
                 .text = cm_writer_over(out->text, sizeof out->text)};
    CM_TRY(read_field(&r));
    while (peek(csv) == ',') {
        skip(csv, 1);
        CM_TRY(read_field(&r));
    }
    skip_end_of_line(csv);
    return CM_OK;
}

static bool needs_quotes(cm_slice field)
{
    for (size_t i = 0; i < field.size; i++)
        if (field.bytes[i] == '"' || field.bytes[i] == ',' || is_control(field.bytes[i]))
            return true;
    return false;
}

bool cm_csv_write_field(cm_slice field, char *out, size_t capacity)
{
    const bool is_quoted = needs_quotes(field);
    cm_writer w = cm_writer_over(out, capacity);
    if (is_quoted)
        cm_write_u8(&w, '"');
    for (size_t i = 0; i < field.size; i++) {
        if (field.bytes[i] == '"')
            cm_write_u8(&w, '"');
        cm_write_u8(&w, field.bytes[i]);
    }
    if (is_quoted)
        cm_write_u8(&w, '"');
    cm_write_u8(&w, 0);
    if (w.failed && capacity > 0)
        out[0] = '\0';
    return !w.failed;
}
