/*
 * password: Argon2id (libsodium) of passwords, and which passwords are taken at all.
 *
 * Hashing costs about 64 MiB and 100 ms on purpose: these functions block and belong in the pool.
 */
#pragma once

#include "base/slice.h"
#include "store/store.h"

enum {
    CM_PASSWORD_MIN = 10,  /* bytes */
    CM_PASSWORD_MAX = 256, /* bytes */
    CM_TOKEN_TEXT_SIZE = 64,
};

typedef enum cm_password_fault {
    CM_PASSWORD_FINE,
    CM_PASSWORD_TOO_SHORT,
    CM_PASSWORD_TOO_LONG,
    CM_PASSWORD_TOO_COMMON, /* on the list of the worst, or the account's own name */
    CM_PASSWORD_NOT_TEXT,   /* not UTF-8, or control characters in it */
    CM_PASSWORD_A_WORD,     /* see identity/listed.h */
    CM_PASSWORD_LEAKED,     /* the same */
} cm_password_fault;
/* By itself, without any list: see cm_identity_judge_password. */
cm_password_fault cm_password_judge(cm_slice password, cm_slice account_name);
const char *cm_password_fault_text(cm_password_fault fault); /* a sentence for people; static */

/* What hashing costs. Zeros mean the defaults: 2 passes over 64 MiB. Tests use the least. */
typedef struct cm_password_cost {
    uint64_t passes;
    size_t memory_bytes;
} cm_password_cost;

/* CM_BROKEN without memory. */
cm_status cm_password_hash(cm_slice password, const cm_password_cost *cost,
                           char out[CM_PASSWORD_HASH_SIZE]);
/* CM_OK if it is the one; CM_REFUSE. `hash` "" (no such account, or without a password) costs as
 * much time and is always refused. */
cm_status cm_password_verify(cm_slice password, const char *hash, const cm_password_cost *cost);
bool cm_password_needs_rehash(const char *hash, const cm_password_cost *cost);

/* ---- tokens: 256 random bits as base64url, with a prefix that says what it is ---- */

typedef enum cm_token_kind {
    CM_TOKEN_SESSION,    /* "cms_" */
    CM_TOKEN_API,        /* "cmt_" */
    CM_TOKEN_SETUP,      /* "cmu_" */
    CM_TOKEN_INVITATION, /* "cmi_" */
    CM_TOKEN_PENDING,    /* "cmp_": see identity/pending.h */
    CM_TOKEN_GUEST_LINK, /* "cmg_": the secret of a guest link */
    CM_TOKEN_GUEST_LOOK, /* "cml_": what a browser that opened one has */
} cm_token_kind;

typedef struct cm_token {
    char text[CM_TOKEN_TEXT_SIZE]; /* wipe it after use */
    uint8_t hash[CM_MAC_SIZE];     /* what is stored and compared */
} cm_token;

void cm_token_make(cm_random *random, cm_token_kind kind, cm_token *out);
/* The hash of a token that came with a request; CM_REFUSE unless it looks like one of this kind. */
cm_status cm_token_read(cm_slice text, cm_token_kind kind, uint8_t hash_out[CM_MAC_SIZE]);
