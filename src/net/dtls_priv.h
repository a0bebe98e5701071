/*
 * dtls_priv: the parts of an association: datagrams in order (dtls_queue.c), what records show
 * without keys and the opening of one (dtls_record.c), who we are and what we accept
 * (dtls_identity.c, dtls_context.c), the handshake as a job of the pool (dtls_handshake.c), and
 * the association on its loop (dtls.c).
 */
#pragma once

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "net/dtls.h"

/* ---- datagrams, their boundaries kept ---- */

enum { CM_DTLS_QUEUE_COUNT = 16, CM_DTLS_QUEUE_BYTES = 16 * 1024 };

typedef struct cm_dtls_queue {
    cm_buffer bytes;
    uint16_t sizes[CM_DTLS_QUEUE_COUNT];
    size_t count;
} cm_dtls_queue;

void cm_dtls_queue_init(cm_dtls_queue *queue);   /* allocates nothing */
void cm_dtls_queue_deinit(cm_dtls_queue *queue); /* as init left it */
/* CM_FULL beyond either bound. */
cm_status cm_dtls_queue_add(cm_dtls_queue *queue, cm_slice datagram);
/* Borrowed until the queue changes; index < count. */
cm_slice cm_dtls_queue_at(const cm_dtls_queue *queue, size_t index);
/* Moves everything; `to` is emptied before. */
void cm_dtls_queue_move(cm_dtls_queue *from, cm_dtls_queue *to);

/* A datagram BIO between two queues: each read takes one datagram, each write adds one. */
typedef struct cm_dtls_pipe {
    cm_dtls_queue in;
    size_t taken; // of `in`
    cm_dtls_queue out;
} cm_dtls_pipe;

BIO_METHOD *cm_dtls_bio_method_create(void); /* NULL: no memory; BIO_meth_free */
/* `pipe` outlives the BIO, which SSL_set_bio takes. NULL: no memory. */
BIO *cm_dtls_bio_create(const BIO_METHOD *method, cm_dtls_pipe *pipe);

/* ---- records ---- */

typedef enum cm_dtls_type {
    CM_DTLS_CHANGE_CIPHER_SPEC = 20,
    CM_DTLS_ALERT = 21,
    CM_DTLS_HANDSHAKE = 22,
} cm_dtls_type;

/* DTLSPlaintext, DTLSCiphertext (RFC 6347, 4.1). */
typedef struct cm_dtls_record {
    uint8_t type;
    uint16_t version;
    uint16_t epoch;    // 0: in the clear, 1: under the keys of the handshake
    uint64_t sequence; // 48 bits
    cm_slice body;     // borrowed
} cm_dtls_record;

/* The next record; CM_CLOSE unless it is whole and of DTLS 1.0 or 1.2 (a first ClientHello says
 * 1.0). */
cm_status cm_dtls_record_read(cm_reader *in, cm_dtls_record *out);

/* What a datagram shows without keys. */
typedef struct cm_dtls_sight {
    bool has_client_hello; // begins with a ClientHello, or a part of one
    bool has_finished;     // a handshake record of epoch 1: it can only be Finished
    bool has_sealed_alert; // an alert of epoch 1
    unsigned sealed_count; // records of epoch 1
} cm_dtls_sight;

/* CM_CLOSE unless the datagram is records of a handshake from its first byte to its last. */
cm_status cm_dtls_look(cm_slice datagram, cm_dtls_sight *out);

/* The keys of the peer's direction, to open what it still says after the handshake. */
typedef struct cm_dtls_opener {
    uint16_t suite;
    uint8_t key[32];
    uint8_t iv[12];
} cm_dtls_opener;

/* Of a finished handshake. CM_BROKEN if OpenSSL refuses. */
cm_status cm_dtls_opener_derive(const SSL *ssl, cm_dtls_opener *out);
/* Holds the datagram an authentic close_notify or fatal alert? */
bool cm_dtls_opener_finds_end(const cm_dtls_opener *opener, cm_slice datagram);

/* ---- who we are, and what we accept ---- */

struct cm_dtls_identity {
    SSL_CTX *context;
    BIO_METHOD *bio;
    char fingerprint[3 * 32]; // "AB:CD:…" and the terminator
};

/* What handshakes take their algorithms from: one for the process, for its life. Any thread. NULL
 * if OpenSSL refuses. */
OSSL_LIB_CTX *cm_dtls_library(void);

/* A context for servers, without key and certificate; its callbacks look for the
 * cm_dtls_handshake in SSL_get_app_data. NULL if OpenSSL refuses. */
SSL_CTX *cm_dtls_context_create(void);

/* ---- the handshake ---- */

enum { CM_DTLS_GOODBYE_MAX = 64 };

/* What comes of it. */
typedef struct cm_dtls_outcome {
    cm_srtp_profile profile;
    cm_srtp_master ours;
    cm_srtp_master theirs;
    cm_dtls_opener opener;
    uint8_t goodbye[CM_DTLS_GOODBYE_MAX]; // a datagram: close_notify, sealed
    size_t goodbye_size;
} cm_dtls_outcome;

typedef struct cm_dtls_handshake {
    cm_dtls *association;  // the loop's; NULL: destroyed while the job ran, whose end frees this
    bool is_running;       // the loop's
    cm_dtls_queue waiting; // the loop's: what the next job will read
    /* While the job runs all below is its own. */
    cm_job job; // its `done` is the association's
    const cm_dtls_identity *identity;
    cm_fingerprint fingerprints[CM_DTLS_FINGERPRINTS_MAX]; // all of one hash
    size_t fingerprint_count;
    SSL *ssl; // NULL before the first job and after the last
    cm_dtls_pipe pipe;
    bool is_foreign; // the certificate was refused
    bool is_known;   // the certificate was accepted
    /* CM_RETRY: goes on with what comes next. Anything else is the end. */
    cm_status status;
    cm_dtls_outcome outcome; // with CM_OK
} cm_dtls_handshake;

/* Takes the fingerprints of the strongest hash. CM_REFUSE as cm_dtls_create. */
cm_status cm_dtls_handshake_create(const cm_dtls_config *config, cm_dtls_handshake **out);
void cm_dtls_handshake_destroy(cm_dtls_handshake *handshake); /* while no job runs; wipes */
/* cm_job.work: goes on with what is in pipe.in, and puts what is to be sent into pipe.out. */
void cm_dtls_handshake_work(cm_job *job);
/* Is it the announced one? Constant time in the digest. */
bool cm_dtls_handshake_knows(const cm_dtls_handshake *handshake, const X509 *certificate);
