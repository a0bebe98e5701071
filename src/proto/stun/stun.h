/*
 * stun: messages of RFC 8489 as ICE (RFC 8445) and clients of TURN (RFC 8656) use them, with short-
 * or long-term credentials and SHA-1. One struct is read from a datagram and written to one. TURN's
 * other framing is proto/stun/channel.h.
 *
 * Pure: no clock, no randomness, no I/O; the only memory is the hasher's. Slices borrow from the
 * datagram. Nothing of a message may be acted on before cm_stun_check_integrity.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_STUN_TRANSACTION_SIZE = 12,
    CM_STUN_INTEGRITY_SIZE = 20,
    CM_STUN_TYPES_MAX = 8,
    CM_STUN_USERNAME_MAX = 508, /* bytes; RFC 8489 14.3 */
    /* Bytes of SOFTWARE, REALM, NONCE and of a reason; RFC 8489 14.8 to 14.14. */
    CM_STUN_TEXT_MAX = 762,
    CM_STUN_KEY_SIZE = 16, /* of long-term credentials */
};

typedef enum cm_stun_class {
    CM_STUN_REQUEST = 0,
    CM_STUN_INDICATION = 1,
    CM_STUN_SUCCESS = 2,
    CM_STUN_ERROR = 3,
} cm_stun_class;

typedef enum cm_stun_method {
    CM_STUN_BINDING = 1,
    /* RFC 8656 17 */
    CM_STUN_ALLOCATE = 3,
    CM_STUN_REFRESH = 4,
    CM_STUN_SEND = 6, /* the last two are indications */
    CM_STUN_DATA = 7,
    CM_STUN_CREATE_PERMISSION = 8,
    CM_STUN_CHANNEL_BIND = 9,
} cm_stun_method;

/* What a peer of ICE says it is (RFC 8445 7.1.3): of the two attributes the first counts. */
typedef enum cm_stun_role {
    CM_STUN_NO_ROLE,
    CM_STUN_CONTROLLED,
    CM_STUN_CONTROLLING,
} cm_stun_role;

typedef enum cm_stun_error_code {
    CM_STUN_TRY_ALTERNATE = 300,
    CM_STUN_BAD_REQUEST = 400,
    CM_STUN_UNAUTHENTICATED = 401,
    CM_STUN_FORBIDDEN = 403,
    CM_STUN_UNKNOWN_ATTRIBUTE = 420,
    CM_STUN_ALLOCATION_MISMATCH = 437,
    CM_STUN_STALE_NONCE = 438,
    CM_STUN_WRONG_CREDENTIALS = 441,
    CM_STUN_UNSUPPORTED_TRANSPORT = 442,
    CM_STUN_QUOTA_REACHED = 486,
    CM_STUN_ROLE_CONFLICT = 487,
    CM_STUN_INSUFFICIENT_CAPACITY = 508,
} cm_stun_error_code;

enum { CM_STUN_UDP = 17 }; /* of REQUESTED-TRANSPORT: an IP protocol number */

typedef struct cm_stun_address {
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
    uint8_t size;      /* 4 or 16; 0: none */
    uint16_t port;
} cm_stun_address;

/* Types of attributes; those beyond CM_STUN_TYPES_MAX are left out. */
typedef struct cm_stun_types {
    uint16_t types[CM_STUN_TYPES_MAX];
    size_t count;
} cm_stun_types;

typedef struct cm_stun_message {
    cm_stun_class class;
    uint16_t method; /* 12 bits */
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];

    cm_slice software; /* empty: none; so for the other texts */
    cm_slice username;
    bool has_priority;
    uint32_t priority;
    bool uses_candidate; /* USE-CANDIDATE: the controlling side nominates this pair */
    cm_stun_role role;
    uint64_t tie_breaker;
    cm_stun_address mapped; /* XOR-MAPPED-ADDRESS, in the clear */
    uint16_t error;         /* 300 to 699; 0: no ERROR-CODE */
    cm_slice reason;
    cm_stun_types refused; /* UNKNOWN-ATTRIBUTES */
    cm_slice realm;        /* of long-term credentials */
    cm_slice nonce;

    /* TURN's (RFC 8656 18) */
    bool has_lifetime;
    uint32_t lifetime_s;
    uint16_t channel;        /* CHANNEL-NUMBER; 0: none */
    uint8_t transport;       /* REQUESTED-TRANSPORT; 0: none */
    cm_stun_address peer;    /* XOR-PEER-ADDRESS: of several the first */
    cm_stun_address relayed; /* XOR-RELAYED-ADDRESS */
    bool has_data;
    cm_slice data; /* DATA, borrowed; may be empty */

    /* Set by the parser, ignored by the writer. */
    cm_stun_types unknown; /* attributes that must be understood (below 0x8000) and are not */
    bool has_integrity;
    bool has_fingerprint; /* and it fits */
    cm_slice covered;     /* what MESSAGE-INTEGRITY was computed over, but for the length field */
    cm_slice integrity;
} cm_stun_message;

/*
 * CM_CLOSE: no STUN message, or a malformed one, or the FINGERPRINT does not fit. Of attributes
 * that stand twice the first counts; after MESSAGE-INTEGRITY all but FINGERPRINT are ignored (RFC
 * 8489, 14.5), and nothing may follow FINGERPRINT.
 */
cm_status cm_stun_parse(cm_slice datagram, cm_stun_message *out);

/* HMAC-SHA1, fetched once and kept. One per loop; not shared between threads. */
typedef struct cm_stun_hasher cm_stun_hasher;
cm_status cm_stun_hasher_create(cm_stun_hasher **out); /* CM_BROKEN without HMAC or SHA-1 */
void cm_stun_hasher_destroy(cm_stun_hasher *hasher);   /* NULL is fine */

/*
 * Was the message written by one who knows `key` (the ICE password)? CM_REFUSE: no, or it has no
 * MESSAGE-INTEGRITY, or the key is empty. Compared in constant time.
 */
cm_status cm_stun_check_integrity(cm_stun_hasher *hasher, const cm_stun_message *message,
                                  cm_slice key);

/* The key of long-term credentials (RFC 8489 9.2.2): wipe it. CM_BROKEN without MD5. */
cm_status cm_stun_long_term_key(cm_slice username, cm_slice realm, cm_slice password,
                                uint8_t out[CM_STUN_KEY_SIZE]);

/*
 * Writes the message at w's end, with FINGERPRINT, and MESSAGE-INTEGRITY unless `key` is empty.
 * CM_FULL when it does not fit, or a text is longer than the RFC allows. An address of a size other
 * than 4 or 16 is not written, nor an error that is none.
 */
cm_status cm_stun_write(cm_stun_hasher *hasher, const cm_stun_message *message, cm_slice key,
                        cm_writer *w);
