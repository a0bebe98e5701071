/*
 * certificate: the pair (chain and key) that the HTTPS listeners show: made by a local CA of our
 * own, or given by the operator as files. Watches over it: renews ours in time, reads the
 * operator's anew when the files change.
 *
 * The local CA lives in the data directory: ca.crt, ca.key, server.crt, server.key (keys 0600,
 * written to a temporary name, synced, renamed). The CA is ECDSA P-256, valid for ten years; the
 * server's certificate for one, renewed at two thirds, or at once when the names change.
 *
 * Owner: the control loop, on its thread. It does a little file work there, at the start and when
 * something changed.
 */
#pragma once

#include "net/net.h"

typedef struct cm_certificate cm_certificate;

enum {
    CM_CERTIFICATE_NAMES_MAX = 32,
    /* "AA:BB:...": 32 bytes in hex with colons, and the terminator. */
    CM_CERTIFICATE_FINGERPRINT_SIZE = 96,
};

typedef struct cm_certificate_config {
    const char *data_directory; /* exists; used by the local CA */
    /* Both: the operator's PEM files. Both NULL: the local CA. */
    const char *chain_file;
    const char *key_file;
    /* Further host names or addresses for the local CA's certificate, beside localhost, 127.0.0.1,
     * ::1, this machine's name and its addresses. */
    cm_slice names[CM_CERTIFICATE_NAMES_MAX];
    size_t name_count;
    /* There is another pair (PEM, borrowed for the call): for cm_tls_use on every loop. Comes once
     * inside cm_certificate_create. CM_REFUSE keeps the former one: it is logged here. */
    cm_status (*on_pair)(void *owner, cm_slice chain_pem, cm_slice key_pem);
    void *owner;
} cm_certificate_config;

/* CM_REFUSE: the operator's files can't be used. CM_BROKEN: the data directory can't. Both are
 * logged with file and cause. */
cm_status cm_certificate_create(cm_net *net, const cm_certificate_config *config,
                                cm_certificate **out);
void cm_certificate_destroy(cm_certificate *certificate); /* NULL is fine */

/* Looks now whether something changed, as it does by itself every 10 s. */
void cm_certificate_check(cm_certificate *certificate);

/* The local CA's certificate to be installed (PEM), valid until destroy. CM_ABSENT with files of
 * the operator's. */
cm_status cm_certificate_ca(const cm_certificate *certificate, cm_slice *pem);
/* SHA-256 of the local CA's certificate (DER), as "AA:BB:...". CM_ABSENT as above. */
cm_status cm_certificate_ca_fingerprint(const cm_certificate *certificate,
                                        char out[CM_CERTIFICATE_FINGERPRINT_SIZE]);
