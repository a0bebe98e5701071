#include "audit/segment.h"

#include <assert.h>
#include <sodium.h>

#define MAGIC CM_TEXT("CMAUDIT1")

/* ---- signatures ---- */

void cm_audit_signer_make(const cm_secret *seed, cm_audit_signer *out)
{
    const int made =
        crypto_sign_ed25519_seed_keypair(out->public_key, out->key, cm_secret_borrow(seed).bytes);
    assert(made == 0);
    (void)made;
}

void cm_audit_signer_clear(cm_audit_signer *signer)
{
    cm_secret_wipe(signer, sizeof *signer);
}

static void write_signature(cm_writer *w, cm_slice message, const cm_audit_signer *signer)
{
    uint8_t signature[CM_AUDIT_SIGNATURE_SIZE];
    crypto_sign_ed25519_detached(signature, NULL, message.bytes, message.size, signer->key);
    cm_write_slice(w, cm_slice_over(signature, sizeof signature));
}

static bool is_signed(cm_slice message, cm_slice signature, const uint8_t *public_key)
{
    return signature.size == CM_AUDIT_SIGNATURE_SIZE &&
           crypto_sign_ed25519_verify_detached(signature.bytes, message.bytes, message.size,
                                               public_key) == 0;
}

/* ---- the chain ---- */

static void write_chain(cm_writer *w, const cm_audit_chain *chain)
{
    cm_write_slice(w, cm_slice_over(chain->log_id, sizeof chain->log_id));
    cm_write_u64(w, chain->count);
    cm_write_slice(w, cm_slice_over(chain->link, sizeof chain->link));
}

void cm_audit_chain_begin(const uint8_t log_id[CM_AUDIT_ID_SIZE], cm_audit_chain *out)
{
    *out = (cm_audit_chain){.count = 0};
    cm_slice_copy(cm_slice_over(log_id, CM_AUDIT_ID_SIZE), out->log_id, sizeof out->log_id);
    crypto_hash_sha256(out->link, log_id, CM_AUDIT_ID_SIZE);
}

static void link_on(cm_audit_chain *chain, cm_slice hashed)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, chain->link, sizeof chain->link);
    crypto_hash_sha256_update(&state, hashed.bytes, hashed.size);
    crypto_hash_sha256_final(&state, chain->link);
}

bool cm_audit_chain_follow(cm_audit_chain *chain, const cm_audit_record *record)
{
    link_on(chain, record->hashed);
    chain->count += record->type == CM_AUDIT_RECORD_ENTRY ? 1 : 0;
    return cm_slice_equal(record->link, cm_slice_over(chain->link, sizeof chain->link));
}

/* ---- headers ---- */

enum { HEADER_SIGNED = CM_AUDIT_HEADER_SIZE - CM_AUDIT_SIGNATURE_SIZE };

void cm_audit_header_write(cm_writer *w, const cm_audit_header *header,
                           const cm_audit_signer *signer)
{
    uint8_t storage[HEADER_SIGNED];
    cm_writer message = cm_writer_over(storage, sizeof storage);
    cm_write_slice(&message, MAGIC);
    cm_write_u64(&message, header->sequence);
    write_chain(&message, &header->before);
    cm_write_slice(w, cm_writer_done(&message));
    write_signature(w, cm_writer_done(&message), signer);
}

cm_status cm_audit_header_parse(cm_slice bytes, const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE],
                                cm_audit_header *out)
{
    cm_reader r = cm_reader_over(cm_slice_part(bytes, 0, CM_AUDIT_HEADER_SIZE));
    const bool is_ours = cm_slice_equal(cm_read_slice(&r, MAGIC.size), MAGIC);
    cm_audit_header header = {.sequence = cm_read_u64(&r)};
    cm_audit_chain *before = &header.before;
    const cm_slice log_id = cm_read_slice(&r, sizeof before->log_id);
    before->count = cm_read_u64(&r);
    const cm_slice link = cm_read_slice(&r, sizeof before->link);
    const cm_slice signature = cm_read_slice(&r, CM_AUDIT_SIGNATURE_SIZE);
    CM_TRY(cm_reader_finish(&r));
    CM_ENSURE(is_ours, CM_CLOSE);
    CM_ENSURE(is_signed(cm_slice_part(bytes, 0, HEADER_SIGNED), signature, public_key), CM_FOREIGN);
    cm_slice_copy(log_id, before->log_id, sizeof before->log_id);
    cm_slice_copy(link, before->link, sizeof before->link);
    *out = header;
    return CM_OK;
}

/* ---- records ---- */

/* What stands between size and link was written from `begin` on. */
static void finish_record(cm_writer *w, size_t begin, cm_audit_chain *chain)
{
    const cm_slice hashed = cm_slice_from(cm_writer_done(w), begin + 4);
    cm_write_fill_u32(w, begin, (uint32_t)hashed.size);
    link_on(chain, hashed);
    cm_write_slice(w, cm_slice_over(chain->link, sizeof chain->link));
}

void cm_audit_record_write(cm_writer *w, cm_slice body, cm_audit_chain *chain)
{
    const size_t begin = cm_write_reserve(w, 4);
    cm_write_u8(w, CM_AUDIT_RECORD_ENTRY);
    cm_write_u64(w, chain->count + 1);
    cm_write_slice(w, cm_slice_from(body, 8));
    finish_record(w, begin, chain);
    chain->count++;
}

/* What a head's signature is over. */
static cm_slice head_message(const cm_audit_chain *before, cm_wall when, uint8_t storage[128])
{
    cm_writer w = cm_writer_over(storage, 128);
    cm_write_text(&w, "casement audit head 1");
    write_chain(&w, before);
    cm_write_u64(&w, (uint64_t)when.us);
    return cm_writer_done(&w);
}

void cm_audit_head_write(cm_writer *w, cm_wall when, const cm_audit_signer *signer,
                         cm_audit_chain *chain)
{
    uint8_t storage[128];
    const size_t begin = cm_write_reserve(w, 4);
    cm_write_u8(w, CM_AUDIT_RECORD_HEAD);
    cm_write_u64(w, chain->count);
    cm_write_u64(w, (uint64_t)when.us);
    write_signature(w, head_message(chain, when, storage), signer);
    finish_record(w, begin, chain);
}

bool cm_audit_head_fits(const cm_audit_chain *before, const cm_audit_record *head,
                        const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE])
{
    uint8_t storage[128];
    return head->count == before->count &&
           is_signed(head_message(before, head->when, storage), head->signature, public_key);
}

cm_status cm_audit_record_next(cm_slice *rest, cm_audit_record *out)
{
    CM_ENSURE(rest->size > 0, CM_ABSENT);
    cm_reader r = cm_reader_over(*rest);
    const uint32_t size = cm_read_u32(&r);
    CM_ENSURE(size > 0 && size <= 1 + CM_AUDIT_ENTRY_SIZE_MAX, CM_CLOSE);
    cm_audit_record record = {.hashed = cm_read_slice(&r, size)};
    record.link = cm_read_slice(&r, CM_AUDIT_LINK_SIZE);
    CM_ENSURE(!r.failed, CM_CLOSE);
    record.type = (cm_audit_record_type)record.hashed.bytes[0];
    if (record.type == CM_AUDIT_RECORD_HEAD) {
        cm_reader head = cm_reader_over(cm_slice_from(record.hashed, 1));
        record.count = cm_read_u64(&head);
        record.when.us = (int64_t)cm_read_u64(&head);
        record.signature = cm_read_slice(&head, CM_AUDIT_SIGNATURE_SIZE);
        CM_TRY(cm_reader_finish(&head));
    } else {
        CM_ENSURE(record.type == CM_AUDIT_RECORD_ENTRY, CM_CLOSE);
        record.body = cm_slice_from(record.hashed, 1);
    }
    *rest = r.rest;
    *out = record;
    return CM_OK;
}
