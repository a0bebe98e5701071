/*
 * listing: what the list commands print: the same rows as a table for people or as JSON for
 * programs.
 *
 * Owner: the command. Memory: bounded by what the store holds; without it the program aborts.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"

typedef struct cm_listing {
    json_t *rows; /* private: an array of objects */
} cm_listing;

void cm_listing_init(cm_listing *listing);
void cm_listing_deinit(cm_listing *listing);

/* A row that the following calls fill. */
void cm_listing_add(cm_listing *listing);
void cm_listing_drop(cm_listing *listing); /* the row that was added last */
void cm_listing_text(cm_listing *listing, const char *column, const char *text); /* NULL: none */
void cm_listing_number(cm_listing *listing, const char *column, int64_t value);
void cm_listing_flag(cm_listing *listing, const char *column, bool value);
/* RFC 3339, in UTC, to the second; us 0: never. */
void cm_listing_time(cm_listing *listing, const char *column, cm_wall when);
/* Appends to a list of texts, which begins empty. */
void cm_listing_item(cm_listing *listing, const char *column, const char *text); /* NULL: none */

/* Columns in the order of the first row. Without rows: JSON is [], the table nothing. */
void cm_listing_write(const cm_listing *listing, bool is_json, FILE *out);
