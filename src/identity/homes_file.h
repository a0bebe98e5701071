/*
 * homes_file: many homes at once, from a file in comma-separated values: read and judged as a whole
 * before anything is made of it.
 *
 * The first line names the columns, in any order: `home` (its name), and if they are wanted `owner`
 * (for whom the invitation is, in words of one's own), `camera` (its name), `address`, `sub`,
 * `user`, `password`. A home with several cameras has a line for each.
 *
 * Owner: the caller; cm_homes_file_destroy(), which wipes the passwords. Pure but for memory.
 */
#pragma once

#include "store/invitations.h"

enum {
    CM_HOMES_FILE_SIZE_MAX = 1024 * 1024,
    CM_HOMES_FILE_LINES_MAX = 4000,
    CM_HOMES_FILE_FAULTS_MAX = 20,
};

typedef struct cm_homes_fault {
    size_t line, column; /* the first is 1 */
    const char *name;    /* of the column; NULL: it is none, or not known */
    const char *code;    /* "home-taken", static: for whoever says it in another language */
    const char *cause;   /* a sentence's end, static */
} cm_homes_fault;

typedef struct cm_homes_faults {
    cm_homes_fault items[CM_HOMES_FILE_FAULTS_MAX];
    size_t count; /* of all; those that there is no room for are only counted */
} cm_homes_faults;
size_t cm_homes_faults_told(const cm_homes_faults *faults); /* how many items there are */

typedef struct cm_homes_file cm_homes_file;

/* Reads and judges the text. `taken` are the homes that there are: a name that one of them has is a
 * fault, so that a file is not taken in twice. CM_REFUSE: *faults says all that is wrong. */
cm_status cm_homes_file_read(cm_slice text, const cm_stored_homes *taken, cm_homes_faults *faults,
                             cm_homes_file **out);
void cm_homes_file_destroy(cm_homes_file *file); /* NULL is fine */

/* Borrowed until then; the caller fills the hashes in. */
cm_import_home *cm_homes_file_homes(const cm_homes_file *file, size_t *count);
size_t cm_homes_file_camera_count(const cm_homes_file *file);
