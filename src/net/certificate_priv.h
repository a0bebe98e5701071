/* certificate_priv: making keys and certificates (certificate_make.c), apart from files and time
 * (certificate.c). Pure but for OpenSSL's own generator. */
#pragma once

#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "net/certificate.h"

enum { CM_CERTIFICATE_ALL_NAMES_MAX = 64 };

/* What a certificate is for, each as text: a host name or an address. */
typedef struct cm_certificate_names {
    char text[CM_CERTIFICATE_ALL_NAMES_MAX][256];
    size_t count;
} cm_certificate_names;

typedef struct cm_certificate_pair {
    X509 *certificate;
    EVP_PKEY *key;
} cm_certificate_pair;

void cm_certificate_pair_deinit(cm_certificate_pair *pair);

/* A self-signed CA that may sign servers only (path length 0). */
cm_status cm_certificate_make_ca(cm_wall now, cm_certificate_pair *out);
/* A server's certificate for `names`, signed by `ca`. */
cm_status cm_certificate_make_server(const cm_certificate_pair *ca,
                                     const cm_certificate_names *names, cm_wall now,
                                     cm_certificate_pair *out);

/* Is it signed by `ca`, for exactly these names, and not past two thirds of its life? */
bool cm_certificate_is_fresh(const cm_certificate_pair *pair, const cm_certificate_pair *ca,
                             const cm_certificate_names *names, cm_wall now);
/* Valid at `now`, and for another 30 days. */
bool cm_certificate_is_ca_valid(const cm_certificate_pair *ca, cm_wall now);

cm_status cm_certificate_write_pem(const X509 *certificate, cm_buffer *out);
cm_status cm_certificate_write_key_pem(const EVP_PKEY *key, cm_buffer *out);
/* CM_REFUSE unless both are there and belong together. */
cm_status cm_certificate_read_pair(cm_slice chain_pem, cm_slice key_pem, cm_certificate_pair *out);
