/*
 * homes_file: many homes at once, from a file in comma-separated values: read and judged as a whole
 * before anything is made of it.
 *
 * The first line names the columns, in any order: `home` (its name), and if they are wanted `owner`
 * (for whom the invitation is, in words of one's own), `camera` (its name), `address`, `sub`,
 * `user`, `password`. A home with several cameras has a line for each.
 *
 * Owner: the caller; cm_homes_file_destroy(), which wipes the passwords. Blocking: for the command
 * line.
 */
#pragma once

#include <stdio.h>

#include "store/invitations.h"

enum {
    CM_HOMES_FILE_SIZE_MAX = 1024 * 1024,
    CM_HOMES_FILE_LINES_MAX = 4000,
    CM_HOMES_FILE_FAULTS_MAX = 20,
};

typedef struct cm_homes_file cm_homes_file;

/* Reads and judges the text. Every fault is told to `err` as "NAME: line 3, column 2 (owner): …";
 * after CM_HOMES_FILE_FAULTS_MAX of them no more are looked for. `taken` are the homes that there
 * are: a name that one of them has is a fault, so that a file is not taken in twice. CM_REFUSE. */
cm_status cm_homes_file_read(const char *name, cm_slice text, const cm_stored_homes *taken,
                             FILE *err, cm_homes_file **out);
void cm_homes_file_destroy(cm_homes_file *file); /* NULL is fine */

/* Borrowed until then; the caller fills the hashes in. */
cm_import_home *cm_homes_file_homes(const cm_homes_file *file, size_t *count);
size_t cm_homes_file_camera_count(const cm_homes_file *file);
