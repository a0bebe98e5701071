/*
 * segment: the bytes of the log. Pure, but for hashing and signatures.
 *
 * A segment is a file: a header, then records, each chained to the one before it, over the
 * segments' borders. All numbers big-endian.
 *
 *   header  magic 8, sequence 8, log id 16, entries before it 8, link before it 32, signature 64
 *   record  size 4 (of what follows but the link), type 1, body, link 32
 *           link = SHA-256(link before, type, body)
 *   entry   type 'E': audit/entry.h
 *   head    type 'H': count 8, time 8, signature 64 over (log id, count, time, link before it)
 *
 * The log id is random, made with the log: an entry, segment or head of another log fits nowhere.
 * Each durable batch ends with a head; what follows the last head was never acknowledged. Heads and
 * headers are signed with Ed25519 (RFC 8032); the key is derived from the master key and lies in no
 * file of the log.
 */
#pragma once

#include "audit/entry.h"
#include "base/secret.h"

enum {
    CM_AUDIT_ID_SIZE = 16,
    CM_AUDIT_PUBLIC_KEY_SIZE = 32,
    CM_AUDIT_SIGNATURE_SIZE = 64,
    CM_AUDIT_HEADER_SIZE = 8 + 8 + CM_AUDIT_ID_SIZE + 8 + CM_AUDIT_LINK_SIZE + 64,
    CM_AUDIT_HEAD_SIZE = 4 + 1 + 8 + 8 + 64 + CM_AUDIT_LINK_SIZE, /* as a whole record */
    CM_AUDIT_RECORD_SIZE_MAX = 4 + 1 + CM_AUDIT_ENTRY_SIZE_MAX + CM_AUDIT_LINK_SIZE,
};

/* Wipe with cm_audit_signer_clear. */
typedef struct cm_audit_signer {
    uint8_t key[64];
    uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE];
} cm_audit_signer;
void cm_audit_signer_make(const cm_secret *seed, cm_audit_signer *out);
void cm_audit_signer_clear(cm_audit_signer *signer);

/* How far a log goes: the number of its last entry, and the link of its last record. */
typedef struct cm_audit_chain {
    uint8_t log_id[CM_AUDIT_ID_SIZE];
    uint64_t count;
    uint8_t link[CM_AUDIT_LINK_SIZE];
} cm_audit_chain;
void cm_audit_chain_begin(const uint8_t log_id[CM_AUDIT_ID_SIZE], cm_audit_chain *out);

typedef struct cm_audit_header {
    uint64_t sequence; /* 1, 2, 3 … */
    cm_audit_chain before;
} cm_audit_header;
void cm_audit_header_write(cm_writer *w, const cm_audit_header *header,
                           const cm_audit_signer *signer);
/* Of the first CM_AUDIT_HEADER_SIZE bytes. CM_CLOSE: not a header, or not whole. CM_FOREIGN: not
 * signed with this key. */
cm_status cm_audit_header_parse(cm_slice bytes, const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE],
                                cm_audit_header *out);

/* Both move the chain on. `body` is an entry as cm_audit_entry_write made it, but for its number:
 * that is the next one. */
void cm_audit_record_write(cm_writer *w, cm_slice body, cm_audit_chain *chain);
void cm_audit_head_write(cm_writer *w, cm_wall when, const cm_audit_signer *signer,
                         cm_audit_chain *chain);

typedef enum cm_audit_record_type {
    CM_AUDIT_RECORD_ENTRY = 'E',
    CM_AUDIT_RECORD_HEAD = 'H',
} cm_audit_record_type;

typedef struct cm_audit_record {
    cm_audit_record_type type;
    cm_slice hashed; /* type and body, borrowed */
    cm_slice link;   /* as it says, borrowed */
    cm_slice body;   /* of an entry */
    /* of a head */
    uint64_t count;
    cm_wall when;
    cm_slice signature;
} cm_audit_record;

/* The records behind the header: from the first on, *rest moves past each. CM_ABSENT: the end.
 * CM_CLOSE: no whole record; *rest stays. */
cm_status cm_audit_record_next(cm_slice *rest, cm_audit_record *out);

/* Moves the chain on by what the record says. True: its link fits. */
bool cm_audit_chain_follow(cm_audit_chain *chain, const cm_audit_record *record);
/* Is `head` signed for the chain as it is before it? */
bool cm_audit_head_fits(const cm_audit_chain *before, const cm_audit_record *head,
                        const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE]);
