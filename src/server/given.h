/*
 * given: what a database gives to whom, as lines for a person: who may sign in, who is what in
 * which home, who may do what with which camera. Two of them can be compared: what an older
 * database gives that a newer one does not any more.
 */
#pragma once

#include "store/store.h"

typedef struct cm_given {
    char **lines; /* sorted; each a text of its own */
    size_t count;
} cm_given;

/* Reads all of it. */
cm_status cm_given_read(cm_store *store, cm_wall now, cm_given *out);
void cm_given_clear(cm_given *given);
bool cm_given_has(const cm_given *given, const char *line);
