#include "audit/verify.h"

#include <stdarg.h>
#include <stdio.h>

#include "audit/files.h"
#include "audit/private.h"
#include "base/file.h"

typedef struct verifying {
    int directory;
    const uint8_t *public_key;
    const cm_audit_head *before;
    bool is_last; /* the newest segment */
    uint64_t sequence;
    cm_audit_chain chain;
    cm_audit_chain signed_upto; /* at the newest head */
    cm_slice slots;             /* private parts of the segment, not looked at yet */
    bool has_slots;
    bool has_met_before; /* the entry that `before` names came by, and fits */
    cm_audit_verdict *out;
} verifying;

/* Says no more than the first thing. CM_CLOSE. */
static cm_status fault(verifying *v, uint64_t first, uint64_t last, const char *format, ...)
    CM_PRINTF(4, 5);
static cm_status fault(verifying *v, uint64_t first, uint64_t last, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    v->out->is_sound = false;
    v->out->wrong_first = first;
    v->out->wrong_last = last;
    vsnprintf(v->out->sentence, sizeof v->out->sentence, format, arguments);
    va_end(arguments);
    return CM_CLOSE;
}

#define N(number) ((unsigned long long)(number))

/* ---- what can be erased ---- */

static cm_status check_slot(verifying *v, const cm_audit_entry *entry, const cm_audit_private *slot)
{
    uint8_t commitment[CM_AUDIT_LINK_SIZE];
    if (slot->is_erased) {
        v->out->erased++;
        return CM_OK;
    }
    cm_audit_private_commit(slot, commitment);
    if (!cm_slice_equal(cm_slice_over(commitment, sizeof commitment),
                        cm_slice_over(entry->commitment, sizeof entry->commitment)))
        return fault(v, entry->number, entry->number,
                     "the private part of entry %llu is not what the entry was written with",
                     N(entry->number));
    v->out->kept++;
    return CM_OK;
}

static cm_status check_private(verifying *v, const cm_audit_entry *entry)
{
    cm_audit_private slot;
    if (!entry->has_private || !v->has_slots)
        return CM_OK;
    const cm_slice bytes = cm_slice_part(v->slots, 0, CM_AUDIT_SLOT_SIZE);
    v->slots = cm_slice_from(v->slots, bytes.size);
    if (cm_audit_private_parse(bytes, &slot) != CM_OK || slot.number != entry->number)
        return fault(v, entry->number, entry->number,
                     "the private part of entry %llu is missing or damaged", N(entry->number));
    return check_slot(v, entry, &slot);
}

/* ---- records ---- */

static cm_status check_before(verifying *v, uint64_t number)
{
    if (v->before == NULL || v->before->count != number)
        return CM_OK;
    if (!cm_slice_equal(cm_slice_over(v->before->link, sizeof v->before->link),
                        cm_slice_over(v->chain.link, sizeof v->chain.link)))
        return fault(v, v->out->first, number,
                     "this is another log than the one whose head was written down at entry %llu",
                     N(number));
    v->has_met_before = true;
    return CM_OK;
}

static cm_status check_entry(verifying *v, const cm_audit_record *record)
{
    cm_audit_entry entry;
    const uint64_t expected = v->chain.count + 1;
    const bool fits = cm_audit_chain_follow(&v->chain, record);
    if (cm_audit_entry_parse(record->body, &entry) != CM_OK)
        return fault(v, expected, expected, "entry %llu is none that this version writes",
                     N(expected));
    if (entry.number != expected)
        return fault(v, expected, expected, "entry %llu stands where entry %llu should",
                     N(entry.number), N(expected));
    if (!fits)
        return fault(v, expected, expected,
                     "entry %llu is not as it was written: its link does "
                     "not fit",
                     N(expected));
    CM_TRY(check_private(v, &entry));
    return check_before(v, expected);
}

static cm_status check_head(verifying *v, const cm_audit_record *record)
{
    const uint64_t first = v->signed_upto.count + 1;
    const bool is_signed = cm_audit_head_fits(&v->chain, record, v->public_key);
    const bool fits = cm_audit_chain_follow(&v->chain, record);
    /* An entry may be missing right before it. */
    const uint64_t last = v->chain.count >= first ? v->chain.count : first;
    if (!is_signed || !fits)
        return fault(v, first, last,
                     "the head behind entry %llu is not this server's signature of what stands "
                     "before it: one of the entries from %llu on is not as it was written",
                     N(v->chain.count), N(first));
    v->signed_upto = v->chain;
    v->out->heads++;
    return CM_OK;
}

/* What a crash may leave stands behind the newest head of the newest segment only. */
static cm_status check_end(verifying *v, size_t left)
{
    v->out->unacknowledged = left;
    if (left > 0 && !v->is_last)
        return fault(v, v->signed_upto.count + 1, v->chain.count + 1,
                     "segment %llu ends without a head: entries from %llu on are missing or "
                     "damaged",
                     N(v->sequence), N(v->signed_upto.count + 1));
    return CM_OK;
}

static cm_status check_records(verifying *v, cm_slice rest)
{
    cm_audit_record record;
    cm_status status;
    size_t left = rest.size;
    while ((status = cm_audit_record_next(&rest, &record)) == CM_OK) {
        CM_TRY(record.type == CM_AUDIT_RECORD_HEAD ? check_head(v, &record)
                                                   : check_entry(v, &record));
        if (record.type == CM_AUDIT_RECORD_HEAD)
            left = rest.size;
    }
    CM_TRY(check_end(v, left));
    v->chain = v->signed_upto;
    return CM_OK;
}

/* ---- segments ---- */

static bool is_same_chain(const cm_audit_chain *a, const cm_audit_chain *b)
{
    return a->count == b->count &&
           cm_slice_equal(cm_slice_over(a->log_id, sizeof a->log_id),
                          cm_slice_over(b->log_id, sizeof b->log_id)) &&
           cm_slice_equal(cm_slice_over(a->link, sizeof a->link),
                          cm_slice_over(b->link, sizeof b->link));
}

/* The first segment that is there says where the log begins; a log's very first is empty before. */
static cm_status check_first(verifying *v, const cm_audit_header *header)
{
    cm_audit_chain begin;
    cm_audit_chain_begin(header->before.log_id, &begin);
    v->chain = v->signed_upto = header->before;
    v->out->first = header->before.count + 1;
    if (header->sequence == 1 && !is_same_chain(&begin, &header->before))
        return fault(v, 1, 1, "the first segment does not begin a log");
    return CM_OK;
}

static cm_status check_header(verifying *v, cm_slice file)
{
    cm_audit_header header;
    const uint64_t next = v->chain.count + 1;
    const cm_status parsed = cm_audit_header_parse(file, v->public_key, &header);
    if (parsed == CM_FOREIGN)
        return fault(v, next, next, "segment %llu is not signed by this key", N(v->sequence));
    if (parsed != CM_OK || header.sequence != v->sequence)
        return fault(v, next, next, "segment %llu does not begin as one", N(v->sequence));
    if (v->out->segments == 0)
        return check_first(v, &header);
    if (!is_same_chain(&v->chain, &header.before))
        return fault(v, next, next,
                     "segment %llu does not go on where the one before it ends (entry %llu)",
                     N(v->sequence), N(v->chain.count));
    return CM_OK;
}

static cm_status check_segment(verifying *v)
{
    char name[CM_AUDIT_NAME_SIZE];
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes slots = {.size = 0};
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes file = {.size = 0};
    CM_TRY(cm_audit_read(v->directory, cm_audit_name(v->sequence, CM_AUDIT_LOG, name), SIZE_MAX,
                         &file));
    v->has_slots = cm_audit_read(v->directory, cm_audit_name(v->sequence, CM_AUDIT_PRIVATE, name),
                                 SIZE_MAX, &slots) == CM_OK;
    v->slots = cm_slice_over(slots.bytes, slots.size);
    const cm_slice all = cm_slice_over(file.bytes, file.size);
    if (v->is_last && v->out->segments > 0 && all.size < CM_AUDIT_HEADER_SIZE)
        return CM_OK; /* a crash while it was made: nothing was ever in it */
    CM_TRY(check_header(v, all));
    v->out->segments++;
    return check_records(v, cm_slice_from(all, CM_AUDIT_HEADER_SIZE));
}

static cm_status check_all(verifying *v, const cm_audit_sequences *sequences)
{
    for (size_t i = 0; i < sequences->count; i++) {
        const uint64_t sequence = sequences->items[i];
        if (i > 0 && sequence != v->sequence + 1)
            return fault(v, v->chain.count + 1, v->chain.count + 1, "segment %llu is missing",
                         N(v->sequence + 1));
        v->sequence = sequence;
        v->is_last = i + 1 == sequences->count;
        CM_TRY(check_segment(v));
    }
    const uint64_t last = v->chain.count;
    if (v->before != NULL && v->before->count > last)
        return fault(v, last + 1, v->before->count,
                     "the log ends with entry %llu, and had %llu once: it was cut off", N(last),
                     N(v->before->count));
    if (v->before != NULL && v->before->count >= v->out->first && !v->has_met_before)
        return fault(v, v->before->count, v->before->count, "entry %llu is missing",
                     N(v->before->count));
    return CM_OK;
}

cm_status cm_audit_verify(const char *directory, const uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE],
                          const cm_audit_head *before, cm_audit_verdict *out)
{
    CM_AUTO(cm_file_close) int fd = -1;
    CM_AUTO(cm_audit_sequences_clear) cm_audit_sequences sequences = {.count = 0};
    *out = (cm_audit_verdict){.is_sound = true};
    CM_TRY(cm_audit_open_directory(directory, &fd));
    CM_TRY(cm_audit_list(fd, &sequences));
    CM_ENSURE(sequences.count > 0, CM_ABSENT);
    verifying v = {.directory = fd,
                   .public_key = public_key,
                   .before = before != NULL && before->count > 0 ? before : NULL,
                   .out = out};
    const cm_status status = check_all(&v, &sequences);
    out->last = v.chain.count;
    return status == CM_CLOSE ? CM_OK : status;
}
