/*
 * webauthn: what a browser hands over when somebody makes a passkey or signs in with one, read and
 * judged (W3C Web Authentication Level 2, sections 7.1 and 7.2). Not the keeping of challenges
 * (challenges.h), nor who somebody is.
 *
 * What is judged: the kind of ceremony, the challenge, the page's origin, the relying party's id,
 * that a person was there and was verified (PIN, finger, face), the algorithm of the key, and that
 * nothing is cut off, left over or too large. libfido2 checks the signatures. The maker of a key is
 * nobody's business here: of attestation only "packed" by the key itself is checked, and no chain
 * is ever looked at; what else there is counts as "none".
 *
 * Pure but for libfido2's and jansson's own memory: no clock, no log. Any thread; a signature costs
 * about 0.1 ms, so off the loops. All slices that come out borrow from what went in.
 */
#pragma once

#include "base/slice.h"

enum {
    CM_WEBAUTHN_CHALLENGE_SIZE = 32,
    CM_WEBAUTHN_CLIENT_DATA_MAX = 2048, /* bytes of clientDataJSON */
    CM_WEBAUTHN_ATTESTATION_MAX = 8192, /* bytes of an attestation object */
    CM_WEBAUTHN_AUTHENTICATOR_DATA_MAX = 4096,
    CM_WEBAUTHN_SIGNATURE_MAX = 512,
    CM_WEBAUTHN_CREDENTIAL_MIN = 16, /* bytes of a credential's id: 7.1 asks for 100 random bits */
    CM_WEBAUTHN_CREDENTIAL_MAX = 1023,
    CM_WEBAUTHN_COSE_MAX = 512,   /* bytes of a public key */
    CM_WEBAUTHN_ORIGIN_MAX = 320, /* "https://" name ":" port */
    CM_WEBAUTHN_RP_MAX = 253,     /* a host name */
};

/* Numbers of the COSE registry (RFC 9053, RFC 8812). */
typedef enum cm_cose_algorithm {
    CM_COSE_ES256 = -7,
    CM_COSE_EDDSA = -8,
    CM_COSE_RS256 = -257,
} cm_cose_algorithm;

/* A public key. ES256: the point; EdDSA: x alone; RS256: modulus and exponent. */
typedef struct cm_cose_key {
    cm_cose_algorithm algorithm;
    cm_slice x, y;
    cm_slice modulus, exponent;
} cm_cose_key;

/* CM_REFUSE unless the bytes are one key of a kind that is taken, and nothing else. */
cm_status cm_cose_key_parse(cm_slice bytes, cm_cose_key *out);

/* What the server wants to see in this ceremony. */
typedef struct cm_webauthn_want {
    cm_slice challenge; /* CM_WEBAUTHN_CHALLENGE_SIZE bytes */
    cm_slice rp;        /* the relying party's id: a host name */
    cm_slice origin;    /* of our page: "https://name:port", as browsers write it */
} cm_webauthn_want;

typedef struct cm_webauthn_made {
    cm_slice credential; /* its id */
    cm_slice cose;       /* its public key, to be stored */
    uint32_t sign_count;
    bool is_backup_eligible; /* may be synchronised between a person's devices */
    bool is_backed_up;
} cm_webauthn_made;

/*
 * A passkey was made. CM_REFUSE with *cause, static: "too-large" "client-data" "wrong-type"
 * "wrong-challenge" "wrong-origin" "cross-origin" "attestation" "authenticator-data" "wrong-rp"
 * "not-present" "not-verified" "bad-backup-flags" "no-credential" "bad-key" "bad-attestation".
 */
cm_status cm_webauthn_check_made(const cm_webauthn_want *want, cm_slice client_data,
                                 cm_slice attestation, cm_webauthn_made *out, const char **cause);

/* What is stored of the passkey that somebody claims to hold. */
typedef struct cm_webauthn_known {
    cm_slice cose;
    uint32_t sign_count;
    bool is_backup_eligible;
} cm_webauthn_known;

typedef struct cm_webauthn_answer {
    cm_slice client_data, authenticator_data, signature;
} cm_webauthn_answer;

typedef struct cm_webauthn_shown {
    uint32_t sign_count;
    bool is_backed_up;
} cm_webauthn_shown;

/*
 * Somebody signs in with one. CM_REFUSE with *cause as above, or "bad-signature", or
 * "counter-went-back": then the key answers somewhere else too (a copy), and it is an alarm.
 */
cm_status cm_webauthn_check_shown(const cm_webauthn_want *want, const cm_webauthn_known *known,
                                  const cm_webauthn_answer *answer, cm_webauthn_shown *out,
                                  const char **cause);

/* Neither counter moves: an authenticator without one (most that synchronise). */
bool cm_webauthn_counter_is_fine(uint32_t stored, uint32_t shown);

/* What clientDataJSON says its challenge is: to find what it belongs to. CM_REFUSE. */
cm_status cm_webauthn_challenge_of(cm_slice client_data, uint8_t out[CM_WEBAUTHN_CHALLENGE_SIZE]);
