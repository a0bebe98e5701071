/*
 * listed: passwords that stand on lists: the words of Debian's cracklib (package cracklib-runtime),
 * and hashes of leaked ones that an operator imported (`casement passwords build FILE`).
 *
 * A list that is not there refuses nothing; one that is there and can't be read is CM_BROKEN: no
 * password is set unjudged. Judging takes a bounded time and a few KiB whatever the lists' size,
 * reads the disk, and so belongs in the pool, beside Argon2id.
 *
 * The file `passwords.list` of the data directory: "casement passwords 1\n" and zeros up to 24
 * bytes, the count of entries 8, then each entry 8: the first 64 bits of a SHA-1, ascending. Among
 * a billion entries a password that is not listed is taken for one once in 18 billion.
 */
#pragma once

#include <stdio.h>

#include "identity/password.h"

#define CM_LISTED_WORDS "/usr/share/dict/cracklib-small"
#define CM_LISTED_FILE  "passwords.list"

enum { CM_LISTED_WORDS_MAX_BYTES = 16 << 20 }; /* of the list of words: more is not read */

typedef struct cm_listed {
    const char *words;     /* a word a line; NULL: CM_LISTED_WORDS */
    const char *directory; /* where CM_LISTED_FILE may be; NULL: nowhere */
} cm_listed;

/* CM_PASSWORD_FINE, CM_PASSWORD_A_WORD or CM_PASSWORD_LEAKED. */
cm_status cm_listed_judge(const cm_listed *lists, cm_slice password, cm_password_fault *out);

typedef struct cm_listed_built {
    uint64_t lines, entries;
} cm_listed_built;

/*
 * Makes the file from lines "SHA-1 in hex", or "SHA-1:how often it was seen" as the lists of leaked
 * passwords have them, in ascending order. Those seen less than `least` times are left out. It
 * stands whole or not at all, whenever the process ends, and the former one serves until then.
 * CM_REFUSE with a sentence in `message` that names the line; CM_BROKEN (also a sentence): the
 * disk, or another process is building.
 */
enum { CM_LISTED_MESSAGE_SIZE = 256 };
cm_status cm_listed_build(FILE *in, const char *directory, uint64_t least,
                          char message[CM_LISTED_MESSAGE_SIZE], cm_listed_built *out);
