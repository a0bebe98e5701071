/*
 * dtls: one DTLS 1.2 association for DTLS-SRTP (RFC 5764), we always the server (a=setup:passive of
 * RFC 8842). It is given datagrams and gives datagrams, and hands out the two SRTP masters once the
 * peer has shown the certificate that its SDP announced (RFC 8122). Not a socket and not ICE (that
 * is net/rtc.h), and it carries no data of its own.
 *
 * What computes (key exchange, signatures) runs in the pool, one job at a time per association;
 * the loop only queues datagrams. Lost flights are repeated by us, on the loop's time, from a copy:
 * OpenSSL's own timer reads the wall clock. So OpenSSL's state (65 KB) exists from the first
 * ClientHello until the keys are out and not longer; what stays are 400 bytes, which can repeat the
 * last flight, say goodbye, and understand the peer's goodbye.
 *
 * Owner: an object of one loop, on its thread. cm_dtls_identity alone is shared by all.
 */
#pragma once

#include "loop/loop.h"
#include "net/srtp.h"

/* ---- who we are ---- */

/* A P-256 key and its self-signed certificate, made at the start of the process and never written
 * anywhere. Immutable: any thread. */
typedef struct cm_dtls_identity cm_dtls_identity;

/* CM_BROKEN if OpenSSL refuses. `now` dates the certificate, which is valid for a year. */
cm_status cm_dtls_identity_create(cm_wall now, cm_dtls_identity **out);
/* After the loops whose associations used it: their jobs may still. NULL is fine. */
void cm_dtls_identity_destroy(cm_dtls_identity *identity);
/* SHA-256 of the certificate as in a=fingerprint (RFC 8122, 5), without the "sha-256 " in front:
 * "AB:CD:…". */
const char *cm_dtls_identity_fingerprint(const cm_dtls_identity *identity);

/* ---- who the peer must be ---- */

typedef struct cm_fingerprint {
    uint8_t bytes[64];
    uint8_t size; // 32: SHA-256, 48: SHA-384, 64: SHA-512
} cm_fingerprint;

/* The value of an a=fingerprint line: "sha-256 AB:CD:…", either case. CM_REFUSE: another hash
 * (also SHA-1), or not as many bytes as the hash has. */
cm_status cm_fingerprint_parse(cm_slice value, cm_fingerprint *out);

/* ---- an association ---- */

typedef struct cm_dtls cm_dtls;

enum {
    CM_DTLS_FINGERPRINTS_MAX = 4,
    CM_DTLS_DATAGRAM_MAX = 1200, // of what we send; a peer's may be as large as the queue
};

/* Of the associations of one loop; the owner reads and keeps them. */
typedef struct cm_dtls_counters {
    uint64_t completed; // keys were handed out
    uint64_t foreign;   // the certificate was not the announced one
    uint64_t failed;    // the peer broke the protocol, or has nothing in common with us
    uint64_t late;      // not done in time
    uint64_t malformed; // datagrams that are not DTLS, or nothing that can be meant now
    uint64_t dropped;   // datagrams beyond a bound
    uint64_t repeated;  // flights sent again
} cm_dtls_counters;

typedef struct cm_dtls_events {
    /* A datagram for the peer, at most CM_DTLS_DATAGRAM_MAX, borrowed for the call. Never inside
     * cm_dtls_receive; inside cm_dtls_destroy the goodbye. Must not destroy the association. */
    void (*on_send)(void *owner, cm_slice datagram);
    /*
     * Once, never inside a call of ours. CM_OK: the peer is the announced one, and these are the
     * keys (borrowed: wiped after the call). Otherwise the association is over, and keys are NULL:
     * CM_FOREIGN, another certificate than announced; CM_CLOSE, the protocol was broken or nothing
     * is in common; CM_RETRY, 30 s were not enough; CM_BROKEN, this machine. May destroy it.
     */
    void (*on_done)(void *owner, cm_status status, cm_srtp_profile profile,
                    const cm_srtp_master *ours, const cm_srtp_master *theirs);
    /* The peer said goodbye after on_done(CM_OK): close_notify or a fatal alert, authenticated.
     * Once, never inside a call of ours; may destroy it. */
    void (*on_closed)(void *owner);
} cm_dtls_events;

typedef struct cm_dtls_config {
    cm_loop *loop;
    const cm_dtls_identity *identity;
    /* Of the peer's SDP, copied. Those of the strongest hash count: one of them must be the
     * certificate's. */
    const cm_fingerprint *fingerprints;
    size_t fingerprint_count; // 1 to CM_DTLS_FINGERPRINTS_MAX
    cm_dtls_counters *counters;
    const cm_dtls_events *events;
    void *owner;
} cm_dtls_config;

/* The 30 s of the handshake begin. CM_REFUSE: no fingerprint, too many, or one of no known size. */
cm_status cm_dtls_create(const cm_dtls_config *config, cm_dtls **out);

/* A datagram of the validated path whose first byte says DTLS (20 to 63: RFC 7983, 7). Copied. */
void cm_dtls_receive(cm_dtls *dtls, cm_slice datagram);

/* The first authentic SRTP or SRTCP of the peer came: it has our last flight, which is dropped. It
 * is dropped after 10 s at the latest. Later calls do nothing. */
void cm_dtls_confirm(cm_dtls *dtls);

/* Says goodbye (close_notify, by on_send) if keys were handed out. NULL is fine; at any time but
 * inside on_send. */
void cm_dtls_destroy(cm_dtls *dtls);
