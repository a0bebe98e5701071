/*
 * id: names of homes, cameras and accounts, each a type of its own so that the compiler refuses one
 * where another is wanted. Chosen by a person in YAML ("verdi", "door") or made at random; 1 to 31
 * characters of a-z 0-9 - _, zero-padded to 32 bytes: compared whole, fit for associated data and
 * keys of maps.
 */
#pragma once

#include "base/random.h"
#include "base/slice.h"

enum { CM_ID_SIZE = 32 };

typedef struct cm_home_id {
    char text[CM_ID_SIZE];
} cm_home_id;
typedef struct cm_camera_id {
    char text[CM_ID_SIZE]; /* unique within its home only: see cm_camera_key */
} cm_camera_id;
typedef struct cm_account_id {
    char text[CM_ID_SIZE];
} cm_account_id;

/* A camera of a home: what every key, cache and log line about a camera starts with. */
typedef struct cm_camera_key {
    cm_home_id home;
    cm_camera_id camera;
} cm_camera_key;

/* CM_REFUSE unless `text` is an id as described above; `out` (32 bytes) is then untouched. */
cm_status cm_id_parse(cm_slice text, char out[CM_ID_SIZE]);
cm_status cm_home_id_parse(cm_slice text, cm_home_id *out);
cm_status cm_camera_id_parse(cm_slice text, cm_camera_id *out);
cm_status cm_account_id_parse(cm_slice text, cm_account_id *out);

/* 16 random characters (80 bits). */
void cm_id_make(cm_random *random, char out[CM_ID_SIZE]);

bool cm_home_id_equal(const cm_home_id *a, const cm_home_id *b);
bool cm_camera_id_equal(const cm_camera_id *a, const cm_camera_id *b);
bool cm_account_id_equal(const cm_account_id *a, const cm_account_id *b);
bool cm_camera_key_equal(const cm_camera_key *a, const cm_camera_key *b);
/* For hash tables of ours; not for strangers' input. */
uint64_t cm_camera_key_hash(const cm_camera_key *key);
