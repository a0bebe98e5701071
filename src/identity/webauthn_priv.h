/* webauthn_priv: the parts of webauthn: CBOR, keys, what the authenticator says, and what libfido2
 * is asked. */
#pragma once

#include "base/reader.h"
#include "identity/webauthn.h"

/* ---- CBOR (RFC 8949), as authenticators write it: definite lengths, shortest heads ---- */

typedef enum cm_cbor_major {
    CM_CBOR_UNSIGNED = 0,
    CM_CBOR_NEGATIVE = 1, /* -1 - value */
    CM_CBOR_BYTES = 2,
    CM_CBOR_TEXT = 3,
    CM_CBOR_ARRAY = 4,
    CM_CBOR_MAP = 5,
    CM_CBOR_TAG = 6,
    CM_CBOR_OTHER = 7, /* simple values and floats */
} cm_cbor_major;

enum { CM_CBOR_DEPTH_MAX = 8, CM_CBOR_PAIRS_MAX = 32 };

/* A head: what follows, and its value, length or count. A failure is the reader's. */
cm_cbor_major cm_cbor_read_head(cm_reader *r, uint64_t *value);
int64_t cm_cbor_read_integer(cm_reader *r); /* 0 and failed beyond what 32 bits hold */
cm_slice cm_cbor_read_bytes(cm_reader *r);  /* a byte string, borrowed */
cm_slice cm_cbor_read_text(cm_reader *r);
size_t cm_cbor_read_map(cm_reader *r); /* its pairs, at most CM_CBOR_PAIRS_MAX */
void cm_cbor_skip(cm_reader *r);       /* one item, whatever it is */
/* One item as it stands, borrowed. */
cm_slice cm_cbor_read_item(cm_reader *r);

/* ---- what the authenticator says (section 6.1) ---- */

enum { CM_AUTHENTICATOR_RP_HASH_SIZE = 32, CM_AAGUID_SIZE = 16 };

typedef struct cm_authenticator_data {
    cm_slice rp_hash;
    bool is_present, is_verified, is_backup_eligible, is_backed_up;
    bool has_credential, has_extensions;
    uint32_t sign_count;
    cm_slice credential; /* with has_credential */
    cm_slice cose;       /* the key's own bytes */
} cm_authenticator_data;

/* CM_REFUSE: cut off, left over, sizes. */
cm_status cm_authenticator_data_parse(cm_slice bytes, cm_authenticator_data *out);

/* ---- the attestation object (section 6.5) ---- */

typedef struct cm_attestation {
    cm_slice format;
    cm_slice authenticator_data;
    bool has_statement; /* a statement that holds something */
    bool has_chain;     /* "x5c" */
    bool has_algorithm;
    int64_t algorithm;
    cm_slice signature;
} cm_attestation;

cm_status cm_attestation_parse(cm_slice bytes, cm_attestation *out);

/* ---- signatures: libfido2 ---- */

typedef struct cm_signed {
    cm_slice rp;
    cm_slice client_data;
    cm_slice authenticator_data;
    cm_slice signature;
} cm_signed;

/* CM_REFUSE: it does not fit. CM_BROKEN: no memory. */
cm_status cm_webauthn_verify_shown(const cm_cose_key *key, const cm_signed *what);
/* "packed", signed with the key that it is about. */
cm_status cm_webauthn_verify_made(cm_cose_algorithm algorithm, const cm_signed *what);
