/*
 * srtp_priv: what the files of srtp share: a session's innards, the index of a packet and the two
 * transforms. Only they and their tests include this.
 */
#pragma once

#include <openssl/types.h>

#include "base/aead.h"
#include "net/srtp.h"

/* ---- keys (srtp_keys.c) ---- */

enum { CM_SRTP_AUTH_KEY_SIZE = 20 };

/* What a direction's RTP, or its RTCP, is protected with (RFC 3711, 4.3). */
typedef struct cm_srtp_keys {
    uint8_t cipher[CM_SRTP_KEY_SIZE];
    uint8_t auth[CM_SRTP_AUTH_KEY_SIZE]; // of CM only
    uint8_t salt[CM_SRTP_SALT_SIZE];     // of GCM the first 12 bytes
} cm_srtp_keys;

/* Fetched once a process, never freed; NULL members where the system's OpenSSL has them not. */
typedef struct cm_srtp_algorithms {
    EVP_CIPHER *counter; // AES-128-CTR
    EVP_MAC *mac;        // HMAC
} cm_srtp_algorithms;
const cm_srtp_algorithms *cm_srtp_algorithms_get(void);

/* `salt_size` bytes of the master's salt count. CM_BROKEN. */
cm_status cm_srtp_keys_derive(const cm_srtp_master *master, size_t salt_size, cm_srtp_keys *rtp,
                              cm_srtp_keys *rtcp);
/* `size` bytes for `label` (RFC 3711, 4.3.1): the step that the above takes six times. */
cm_status cm_srtp_derive(const cm_srtp_master *master, size_t salt_size, uint8_t label,
                         uint8_t *out, size_t size);

/* ---- the index of a packet (srtp_index.c) ---- */

enum { CM_SRTP_WINDOW = 128 };
#define CM_SRTP_INDEX_MAX  ((INT64_C(1) << 48) - 1)
#define CM_SRTCP_INDEX_MAX ((INT64_C(1) << 31) - 1)

/* Which indices were seen: the highest, and those up to CM_SRTP_WINDOW - 1 below it. */
typedef struct cm_srtp_window {
    int64_t highest;  // of RTP: the rollover counter and s_l of RFC 3711, 3.3.1
    uint64_t seen[2]; // bit n of both together: highest - n was; all 0: nothing came yet
} cm_srtp_window;

/* The index that a packet with this sequence number has. Below 0: it is older than all that can be;
 * above CM_SRTP_INDEX_MAX: there is none left. */
int64_t cm_srtp_index_estimate(const cm_srtp_window *window, uint16_t sequence_number);
bool cm_srtp_window_is_open(const cm_srtp_window *window, int64_t index);
/* Of one that is open. */
void cm_srtp_window_close(cm_srtp_window *window, int64_t index);
/* One above the highest; 0 at first. */
int64_t cm_srtp_window_next(const cm_srtp_window *window);

/* ---- transforms (srtp_cm.c, srtp_gcm.c) ---- */

/* A packet as a transform sees it. */
typedef struct cm_srtp_packet {
    uint8_t *bytes;
    size_t header_size; // never encrypted
    size_t size;        // of header and payload
    size_t tag_at;
    uint32_t ssrc;
    int64_t index;
    /* Authenticated after all else. RTP: the rollover counter, which is not sent. RTCP: the E flag
     * and the index; it stands in the packet too. */
    uint32_t word;
    bool is_rtcp;
    bool is_encrypted;
} cm_srtp_packet;

/* Keyed for one cm_srtp_keys; either the first or the two others. */
typedef struct cm_srtp_cipher {
    cm_aead *aead;
    EVP_CIPHER_CTX *counter;
    EVP_MAC_CTX *mac;
} cm_srtp_cipher;

typedef struct cm_srtp_transform {
    size_t master_salt_size;
    size_t tag_size;
    bool is_tag_last; // of SRTCP: else the word with the index is
    /* CM_BROKEN, and `cipher` is as it was. */
    cm_status (*init)(cm_srtp_cipher *cipher, const cm_srtp_keys *keys);
    void (*deinit)(cm_srtp_cipher *cipher);
    /* Encrypts, and puts the tag where it belongs. */
    cm_status (*seal)(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                      const cm_srtp_packet *packet);
    /* CM_FOREIGN: the tag does not fit. */
    cm_status (*open)(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                      const cm_srtp_packet *packet);
} cm_srtp_transform;

extern const cm_srtp_transform cm_srtp_cm;
extern const cm_srtp_transform cm_srtp_gcm;

/* ---- a session (srtp.c) ---- */

typedef struct cm_srtp_stream {
    uint32_t ssrc;
    cm_srtp_window rtp;
    cm_srtp_window rtcp;
} cm_srtp_stream;

typedef struct cm_srtp_direction {
    cm_srtp_keys rtp;
    cm_srtp_keys rtcp;
    cm_srtp_cipher cipher; // of RTP; made for its first packet
    bool has_cipher;
    size_t stream_count;
    cm_srtp_stream streams[CM_SRTP_STREAMS_MAX];
} cm_srtp_direction;

/* The tag of a packet that went out. */
typedef struct cm_srtp_tag {
    int64_t index; // below 0: none
    uint8_t tag[CM_AEAD_TAG_SIZE];
} cm_srtp_tag;

/* Of one SSRC, the last CM_SRTP_REMEMBERED, each at its index modulo their number. */
typedef struct cm_srtp_sent {
    uint32_t ssrc;
    cm_srtp_tag tags[CM_SRTP_REMEMBERED];
} cm_srtp_sent;

struct cm_srtp {
    const cm_srtp_transform *transform;
    cm_srtp_direction out;
    cm_srtp_direction in;
    cm_srtp_sent *sent; // NULL: nothing is remembered
};

/* ---- once more (srtp_again.c) ---- */

/* `packet` was sealed and goes out. */
void cm_srtp_note_sent(cm_srtp *srtp, const cm_srtp_packet *packet);
/* As transform->seal. CM_ABSENT: nothing of this index is remembered, nothing was done. CM_FOREIGN:
 * it is not the packet that went out; its bytes are wiped. */
cm_status cm_srtp_seal_again(cm_srtp *srtp, const cm_srtp_packet *packet);
