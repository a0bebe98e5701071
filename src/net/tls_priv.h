/* tls_priv: what stream.c needs of a cm_tls. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls.h"

struct cm_tls {
    SSL_CTX *context;
    BIO_METHOD *bio; /* stream.c's: made with its first stream */
};
