/* stun_priv: what parsing, writing and integrity share. Only this folder includes it. */
#pragma once

#include "proto/stun/stun.h"

enum {
    CM_STUN_HEADER_SIZE = 20,
    CM_STUN_ATTRIBUTE_HEADER_SIZE = 4,
    CM_STUN_COOKIE = 0x2112A442,
    CM_STUN_FAMILY_V4 = 1,
    CM_STUN_FAMILY_V6 = 2,
    CM_STUN_MUST_UNDERSTAND = 0x8000, /* attribute types below it; RFC 8489 18.3 */
};

/* RFC 8489 18.3.1, RFC 8445 16.1, RFC 8656 18 */
typedef enum cm_stun_type {
    CM_STUN_MAPPED_ADDRESS = 0x0001,
    CM_STUN_USERNAME = 0x0006,
    CM_STUN_MESSAGE_INTEGRITY = 0x0008,
    CM_STUN_ERROR_CODE = 0x0009,
    CM_STUN_UNKNOWN_ATTRIBUTES = 0x000A,
    CM_STUN_CHANNEL_NUMBER = 0x000C,
    CM_STUN_LIFETIME = 0x000D,
    CM_STUN_XOR_PEER_ADDRESS = 0x0012,
    CM_STUN_DATA_VALUE = 0x0013,
    CM_STUN_REALM = 0x0014,
    CM_STUN_NONCE = 0x0015,
    CM_STUN_XOR_RELAYED_ADDRESS = 0x0016,
    CM_STUN_REQUESTED_TRANSPORT = 0x0019,
    CM_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    CM_STUN_PRIORITY = 0x0024,
    CM_STUN_USE_CANDIDATE = 0x0025,
    CM_STUN_SOFTWARE = 0x8022,
    CM_STUN_FINGERPRINT = 0x8028,
    CM_STUN_ICE_CONTROLLED = 0x8029,
    CM_STUN_ICE_CONTROLLING = 0x802A,
} cm_stun_type;

/* Bytes that fill an attribute up to 32 bits. */
static inline size_t cm_stun_padding(size_t size)
{
    return (4 - size % 4) % 4;
}

/* The value of FINGERPRINT over what stands before it (RFC 8489 14.7). */
uint32_t cm_stun_fingerprint(cm_slice before);

/* HMAC-SHA1 over `covered`, its length field taken as if MESSAGE-INTEGRITY were the last attribute
 * (RFC 8489 14.5). `key` is not empty. */
cm_status cm_stun_sign(cm_stun_hasher *hasher, cm_slice covered, cm_slice key,
                       uint8_t out[CM_STUN_INTEGRITY_SIZE]);

/* XORs an address with cookie and transaction; twice gives it back (RFC 8489 14.2). */
void cm_stun_xor(cm_stun_address *address, const uint8_t transaction[CM_STUN_TRANSACTION_SIZE]);
