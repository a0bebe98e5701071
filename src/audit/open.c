/* Where an earlier process left off: the last signed head of the newest segment. */
#include <fcntl.h>
#include <unistd.h>

#include "audit/audit_priv.h"
#include "base/log.h"

static cm_status complain(char message[CM_AUDIT_MESSAGE_SIZE], uint64_t sequence)
{
    cm_writer w = cm_writer_over(message, CM_AUDIT_MESSAGE_SIZE);
    cm_write_format(&w,
                    "segment %llu of the audit does not begin as this server's key signed it; "
                    "`casement audit verify` says more. Move the folder audit/ aside to go on "
                    "with a fresh log",
                    (unsigned long long)sequence);
    cm_write_u8(&w, '\0');
    return CM_REFUSE;
}

/*
 * Up to the last head that is signed for the link before it. What a signature covers needs no
 * second look here; `casement audit verify` is for the rest. Behind it is what was never
 * acknowledged.
 */
static void scan(const cm_audit *audit, cm_slice file, cm_audit_tail *tail)
{
    cm_slice rest = cm_slice_from(file, CM_AUDIT_HEADER_SIZE);
    cm_audit_chain chain = tail->chain;
    cm_audit_record record;
    while (cm_audit_record_next(&rest, &record) == CM_OK) {
        if (record.type == CM_AUDIT_RECORD_HEAD) {
            chain.count = record.count;
            if (cm_audit_head_fits(&chain, &record, audit->signer.public_key)) {
                tail->head.count = chain.count;
                cm_slice_copy(cm_slice_over(chain.link, sizeof chain.link), tail->head.link,
                              sizeof tail->head.link);
                tail->size = file.size - rest.size;
                (void)cm_audit_chain_follow(&chain, &record);
                tail->chain = chain;
                continue;
            }
        }
        cm_slice_copy(record.link, chain.link, sizeof chain.link);
    }
}

static void fill_index(cm_slice file, cm_audit_tail *tail)
{
    cm_slice rest = cm_slice_part(file, 0, tail->size);
    rest = cm_slice_from(rest, CM_AUDIT_HEADER_SIZE);
    cm_audit_record record;
    cm_audit_entry entry;
    while (cm_audit_record_next(&rest, &record) == CM_OK)
        if (record.type == CM_AUDIT_RECORD_ENTRY &&
            cm_audit_entry_parse(record.body, &entry) == CM_OK)
            cm_audit_index_add(&tail->index, &entry);
}

static cm_status open_file(const cm_audit *audit, uint64_t sequence, const char *kind, int *out)
{
    char name[CM_AUDIT_NAME_SIZE];
    *out = openat(audit->directory, cm_audit_name(sequence, kind, name),
                  O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return *out >= 0 ? CM_OK : CM_BROKEN;
}

/* What can be erased of entries that are there. */
static cm_status cut_private(cm_audit *audit)
{
    char name[CM_AUDIT_NAME_SIZE];
    cm_audit_tail *tail = &audit->tail;
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes file = {.size = 0};
    CM_TRY(open_file(audit, tail->sequence, CM_AUDIT_PRIVATE, &tail->private_fd));
    CM_TRY(cm_audit_read(audit->directory, cm_audit_name(tail->sequence, CM_AUDIT_PRIVATE, name),
                         SIZE_MAX, &file));
    cm_reader r = cm_reader_over(cm_slice_over(file.bytes, file.size));
    while (r.rest.size >= CM_AUDIT_SLOT_SIZE) {
        cm_reader slot = cm_reader_sub(&r, CM_AUDIT_SLOT_SIZE);
        if (cm_read_u64(&slot) > tail->chain.count)
            break;
        tail->private_size += CM_AUDIT_SLOT_SIZE;
    }
    return ftruncate(tail->private_fd, (off_t)tail->private_size) == 0 ? CM_OK : CM_BROKEN;
}

/* CM_ABSENT: a segment that a crash left without a whole header: it never counted. */
static cm_status take_up(cm_audit *audit, uint64_t sequence, char message[CM_AUDIT_MESSAGE_SIZE],
                         uint64_t *torn_out)
{
    char name[CM_AUDIT_NAME_SIZE];
    cm_audit_tail *tail = &audit->tail;
    cm_audit_header header;
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes bytes = {.size = 0};
    cm_audit_name(sequence, CM_AUDIT_LOG, name);
    CM_TRY(cm_audit_read(audit->directory, name, SIZE_MAX, &bytes));
    const cm_slice file = cm_slice_over(bytes.bytes, bytes.size);
    const cm_status parsed = cm_audit_header_parse(file, audit->signer.public_key, &header);
    if (parsed != CM_OK && file.size <= CM_AUDIT_HEADER_SIZE)
        return CM_ABSENT;
    if (parsed != CM_OK || header.sequence != sequence)
        return complain(message, sequence);
    tail->sequence = sequence;
    tail->chain = header.before;
    tail->size = CM_AUDIT_HEADER_SIZE;
    scan(audit, file, tail);
    fill_index(file, tail);
    CM_TRY(open_file(audit, sequence, CM_AUDIT_LOG, &tail->fd));
    CM_TRY(cut_private(audit));
    *torn_out = file.size - tail->size;
    CM_ENSURE(ftruncate(tail->fd, (off_t)tail->size) == 0 && fdatasync(tail->fd) == 0, CM_BROKEN);
    if (*torn_out > 0)
        cm_log(CM_LOG_WARN, "audit", "event=repaired segment=%s bytes=%llu", name,
               (unsigned long long)*torn_out);
    return CM_OK;
}

static cm_status begin_log(cm_audit *audit)
{
    uint8_t log_id[CM_AUDIT_ID_SIZE];
    cm_random random = cm_random_system();
    cm_random_fill(&random, log_id, sizeof log_id);
    cm_audit_chain_begin(log_id, &audit->tail.chain);
    return cm_audit_begin_segment(audit);
}

cm_status cm_audit_find_tail(cm_audit *audit, char message[CM_AUDIT_MESSAGE_SIZE],
                             uint64_t *torn_out)
{
    CM_AUTO(cm_audit_sequences_clear) cm_audit_sequences sequences = {.count = 0};
    CM_TRY(cm_audit_list(audit->directory, &sequences));
    for (size_t i = sequences.count; i-- > 0;) {
        const cm_status status = take_up(audit, sequences.items[i], message, torn_out);
        if (status != CM_ABSENT)
            return status;
    }
    return begin_log(audit);
}
