/*
 * srtp: both directions of one SRTP session (RFC 3711) with the two profiles that browsers have:
 * AES_CM_128_HMAC_SHA1_80 and AEAD_AES_128_GCM (RFC 7714). Protects and unprotects whole packets
 * where they lie. It makes no keys (net/dtls.h does) and sends nothing.
 *
 * Life: made from the keys of one handshake, destroyed with its session; keys are wiped. One
 * thread. A direction knows at most CM_SRTP_STREAMS_MAX SSRCs, each with its own rollover counter
 * and replay windows; those of the peer are learned from packets that are authentic, never before.
 *
 * Memory: 1.2 KB, and 1.1 KB (GCM) or 1.5 KB (CM) for each direction in which RTP has passed. RTCP
 * is rare: its cipher lives for one packet.
 */
#pragma once

#include "base/slice.h"

/* The values of the DTLS extension use_srtp (RFC 5764, 4.1.2; RFC 7714, 14.2). */
typedef enum cm_srtp_profile {
    CM_SRTP_AES128_CM_SHA1_80 = 0x0001,
    CM_SRTP_AEAD_AES_128_GCM = 0x0007,
} cm_srtp_profile;

enum {
    CM_SRTP_KEY_SIZE = 16,
    CM_SRTP_SALT_SIZE = 14,
    CM_SRTP_STREAMS_MAX = 8,    // SSRCs of one direction
    CM_SRTP_REMEMBERED = 256,   // packets that can go once more
    CM_SRTP_RTP_OVERHEAD = 16,  // the most that a protected packet is longer
    CM_SRTP_RTCP_OVERHEAD = 20, // tag, and the word with the index
};

typedef struct cm_srtp_master {
    uint8_t key[CM_SRTP_KEY_SIZE];
    uint8_t salt[CM_SRTP_SALT_SIZE]; // GCM uses the first 12 bytes
} cm_srtp_master;

typedef struct cm_srtp cm_srtp;

/* The masters are copied from, and stay the caller's to wipe. CM_REFUSE: no such profile.
 * CM_BROKEN. */
cm_status cm_srtp_create(cm_srtp_profile profile, const cm_srtp_master *ours,
                         const cm_srtp_master *theirs, cm_srtp **out);
void cm_srtp_destroy(cm_srtp *srtp); /* wipes; NULL is fine */

/*
 * `packet` is a whole RTP packet (header, CSRCs, extension, payload) of `size` bytes with
 * CM_SRTP_RTP_OVERHEAD bytes of room after it; *size_out is its size with the tag. Should an SSRC
 * begin at a sequence number above 32,767 and its first packets be lost, the peer may be unable to
 * follow (RFC 3711, 3.3.1): begin lower.
 *
 * CM_REFUSE: this sequence number was protected before, or is too old to know; a cipher's key
 * stream is never used twice. CM_FULL: one SSRC too many, or the key is used up after 2^48 packets.
 * CM_CLOSE: no RTP packet. CM_BROKEN. The packet is not to be sent then.
 */
cm_status cm_srtp_protect(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

/*
 * From here on the last CM_SRTP_REMEMBERED packets of `ssrc` can be protected once more; 6 KB. At
 * most one SSRC: another one takes its place. CM_BROKEN without memory.
 */
cm_status cm_srtp_remember(cm_srtp *srtp, uint32_t ssrc);
/*
 * cm_srtp_protect for a packet that went out before and was lost: the same bytes give the same
 * packet. That they are the same is checked, as another packet under its number would give the key
 * stream away: CM_FOREIGN, and the bytes are wiped. CM_ABSENT: its SSRC is not remembered, or the
 * packet no longer, or was never sent. CM_CLOSE, CM_BROKEN.
 */
cm_status cm_srtp_protect_again(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

/* cm_srtp_protect for a compound RTCP packet with CM_SRTP_RTCP_OVERHEAD bytes of room after it.
 * CM_FULL: one SSRC too many, or the key is used up after 2^31 packets. */
cm_status cm_srtp_protect_rtcp(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

/*
 * What came from the peer. *size_out is the size without tag. RTP is what was sent, to the byte,
 * whether or not its padding makes sense.
 *
 * CM_FOREIGN: the tag does not fit: nobody who has the key sent this. CM_REFUSE: it came before, or
 * is older than the replay window (128 packets). CM_FULL: the ninth SSRC. CM_CLOSE: malformed.
 * CM_BROKEN. Only CM_FOREIGN and CM_OK say something about the peer's key; what the packet holds
 * after a failure is not to be used.
 */
cm_status cm_srtp_unprotect(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

/* The same for SRTCP. One that is authentic but was sent in the clear (RFC 3711, 3.4: the E flag)
 * is as good. */
cm_status cm_srtp_unprotect_rtcp(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);
