/*
 * tls: the server's side of TLS: which protocol, ciphers and certificate the handshakes of one loop
 * use. Not a connection: that is net/stream.h.
 *
 * TLS 1.2 and 1.3 only; no tickets, no session cache, no renegotiation, no early data, no
 * compression. TLS_AES_128_GCM_SHA256 first (the fastest where AES is in the processor), then the
 * other suites with forward secrecy. ALPN (RFC 7301): h2 before http/1.1.
 *
 * One per loop, made and used on it. The pair may be replaced at any time: handshakes that began
 * before keep the old one.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_tls cm_tls;

/* Has no certificate until cm_tls_use: handshakes before that fail. */
cm_status cm_tls_create(cm_tls **out);
void cm_tls_destroy(cm_tls *tls); /* after its streams; NULL is fine */

/*
 * `chain_pem`: the server's certificate first, then the intermediate ones. `key_pem`: its private
 * key, unencrypted. CM_REFUSE (and the former pair stays) if either cannot be read or they do not
 * belong together.
 */
cm_status cm_tls_use(cm_tls *tls, cm_slice chain_pem, cm_slice key_pem);
