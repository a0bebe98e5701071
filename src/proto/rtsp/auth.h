/*
 * auth: Basic (RFC 7617) and Digest (RFC 7616, and RFC 2069 where a camera gives no qop) for RTSP,
 * both sides: answering a camera's challenge, and challenging and checking a client.
 *
 * Passwords are borrowed for the call and never kept; what was derived from them is wiped. Slices
 * of parsed headers borrow from the header; keep a challenge with cm_rtsp_challenge_keep.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"
#include "proto/rtsp/message.h"

/* The two hash functions, fetched once. One per loop; not shared between threads. */
typedef struct cm_rtsp_hasher cm_rtsp_hasher;
cm_status cm_rtsp_hasher_create(cm_rtsp_hasher **out); /* CM_BROKEN without MD5 or SHA-256 */
void cm_rtsp_hasher_destroy(cm_rtsp_hasher *hasher);   /* NULL is fine */

typedef enum cm_rtsp_auth_scheme { /* weakest first */
                                   CM_RTSP_AUTH_BASIC,
                                   CM_RTSP_AUTH_DIGEST_MD5,
                                   CM_RTSP_AUTH_DIGEST_SHA256,
} cm_rtsp_auth_scheme;

typedef struct cm_rtsp_challenge {
    cm_rtsp_auth_scheme scheme;
    cm_slice realm;
    cm_slice nonce; // Digest
    bool has_opaque;
    cm_slice opaque;
    bool is_stale;     // the password was right, the nonce old: answer again at once
    bool has_qop_auth; // else RFC 2069
} cm_rtsp_challenge;

/* The strongest challenge we can answer, from all WWW-Authenticate headers (each may hold several).
 * CM_ABSENT when there is none; unknown schemes, algorithms and qops are passed over. */
cm_status cm_rtsp_challenge_choose(const cm_rtsp_message *response, cm_rtsp_challenge *out);
/* Copies what `from` borrows into `storage` (CM_FULL if it does not fit); *out borrows from that.
 */
cm_status cm_rtsp_challenge_keep(const cm_rtsp_challenge *from, cm_writer *storage,
                                 cm_rtsp_challenge *out);

typedef struct cm_rtsp_credentials {
    cm_slice user;
    cm_slice password;
} cm_rtsp_credentials;

/* What an answer is computed over. */
typedef struct cm_rtsp_auth_request {
    cm_slice method;
    cm_slice uri;    // exactly as in the request line
    cm_slice cnonce; // with qop: our random text; letters and digits
    uint32_t nc;     // with qop: how often this nonce was used, from 1
} cm_rtsp_auth_request;

/* Client: the value of the Authorization header. CM_REFUSE when user name or uri hold a quote or
 * control character (Basic: the user a colon); CM_FULL when it does not fit, or the challenge holds
 * text that can't be quoted back. */
cm_status cm_rtsp_authorization_write(cm_writer *w, cm_rtsp_hasher *hasher,
                                      const cm_rtsp_challenge *challenge,
                                      const cm_rtsp_credentials *credentials,
                                      const cm_rtsp_auth_request *request);

/* Server: the value of a WWW-Authenticate header. */
void cm_rtsp_challenge_write(cm_writer *w, const cm_rtsp_challenge *challenge);

enum { CM_RTSP_BASIC_SIZE = 512 }; /* of "user:password" */
/* Server: what a Basic value says (RFC 7617 2), for a caller that looks it up itself. Decoded into
 * `storage`, which the caller wipes; *out borrows from it. CM_REFUSE: it is no such value. */
cm_status cm_rtsp_basic_read(cm_slice value, uint8_t storage[CM_RTSP_BASIC_SIZE],
                             cm_rtsp_credentials *out);

/* Server: does `value` (of the Authorization header) prove `credentials` for a request with that
 * method and uri, against `challenge` as we sent it? CM_OK; CM_REFUSE when it does not: the
 * response is compared in constant time. `nc` and cnonce are not checked for reuse. The uri must be
 * the request's, or be its path (some clients), or a prefix of it ending before a '/' (base URL).
 */
cm_status cm_rtsp_authorization_check(cm_rtsp_hasher *hasher, const cm_rtsp_challenge *challenge,
                                      const cm_rtsp_credentials *credentials,
                                      const cm_rtsp_auth_request *request, cm_slice value);
