#include "server/listing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CELL_SIZE = 2048 };

/* The rows are few and ours: a command that has no memory for them has nothing to say. */
static void must(int failed)
{
    if (failed != 0)
        abort();
}

void cm_listing_init(cm_listing *listing)
{
    listing->rows = json_array();
    must(listing->rows == NULL);
}

void cm_listing_deinit(cm_listing *listing)
{
    json_decref(listing->rows);
}

static json_t *last(const cm_listing *listing)
{
    return json_array_get(listing->rows, json_array_size(listing->rows) - 1);
}

void cm_listing_add(cm_listing *listing)
{
    must(json_array_append_new(listing->rows, json_object()));
}

void cm_listing_drop(cm_listing *listing)
{
    must(json_array_remove(listing->rows, json_array_size(listing->rows) - 1));
}

void cm_listing_text(cm_listing *listing, const char *column, const char *text)
{
    must(
        json_object_set_new(last(listing), column, text != NULL ? json_string(text) : json_null()));
}

void cm_listing_number(cm_listing *listing, const char *column, int64_t value)
{
    must(json_object_set_new(last(listing), column, json_integer(value)));
}

void cm_listing_flag(cm_listing *listing, const char *column, bool value)
{
    must(json_object_set_new(last(listing), column, json_boolean(value)));
}

void cm_listing_time(cm_listing *listing, const char *column, cm_wall when)
{
    const time_t seconds = (time_t)(when.us / CM_SECONDS(1));
    struct tm utc;
    char text[32] = "";
    if (when.us != 0 && gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cm_listing_text(listing, column, text[0] != '\0' ? text : NULL);
}

void cm_listing_item(cm_listing *listing, const char *column, const char *text)
{
    json_t *list = json_object_get(last(listing), column);
    if (list == NULL) {
        list = json_array();
        must(json_object_set_new(last(listing), column, list));
    }
    if (text != NULL)
        must(json_array_append_new(list, json_string(text)));
}

/* ---- the table ---- */

static void write_list(const json_t *list, char out[CELL_SIZE])
{
    out[0] = '\0';
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const size_t used = strlen(out);
        (void)snprintf(out + used, CELL_SIZE - used, "%s%s", index > 0 ? "," : "",
                       json_string_value(item));
    }
}

static void write_cell(const json_t *value, char out[CELL_SIZE])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        (void)snprintf(out, CELL_SIZE, "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        (void)snprintf(out, CELL_SIZE, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        (void)snprintf(out, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        write_list(value, out);
        break;
    default:
        out[0] = '\0';
        break;
    }
    if (out[0] == '\0')
        (void)snprintf(out, CELL_SIZE, "-");
}

/* Characters, not bytes: a continuation byte of UTF-8 takes no room. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static int column_width(const cm_listing *listing, const char *column)
{
    int width = width_of(column);
    size_t index;
    const json_t *row;
    json_array_foreach(listing->rows, index, row)
    {
        char cell[CELL_SIZE];
        write_cell(json_object_get(row, column), cell);
        width = width_of(cell) > width ? width_of(cell) : width;
    }
    return width;
}

static void write_padded(const char *text, int width, bool is_last, FILE *out)
{
    fprintf(out, "%s%*s%s", text, is_last ? 0 : width - width_of(text), "", is_last ? "\n" : "  ");
}

static void write_table(const cm_listing *listing, FILE *out)
{
    enum { COLUMNS_MAX = 16 };
    const char *names[COLUMNS_MAX];
    int widths[COLUMNS_MAX];
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach(json_array_get(listing->rows, 0), key, value)
    {
        if (count == COLUMNS_MAX)
            abort();
        names[count] = key;
        widths[count++] = column_width(listing, key);
    }
    for (size_t i = 0; i < count; i++)
        write_padded(names[i], widths[i], i + 1 == count, out);
    size_t index;
    const json_t *row;
    json_array_foreach(listing->rows, index, row)
    {
        for (size_t i = 0; i < count; i++) {
            char cell[CELL_SIZE];
            write_cell(json_object_get(row, names[i]), cell);
            write_padded(cell, widths[i], i + 1 == count, out);
        }
    }
}

void cm_listing_write(const cm_listing *listing, bool is_json, FILE *out)
{
    if (!is_json) {
        if (json_array_size(listing->rows) > 0)
            write_table(listing, out);
        return;
    }
    must(json_dumpf(listing->rows, out, JSON_INDENT(2)) != 0 && ferror(out) == 0);
    fprintf(out, "\n");
}
