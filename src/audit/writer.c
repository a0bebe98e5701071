/* The writer's thread: batches to the disk, segment after segment. */
#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "audit/audit_priv.h"
#include "base/file.h"
#include "base/log.h"

/* ---- segments ---- */

static cm_status create_file(const cm_audit *audit, uint64_t sequence, const char *kind, int *out)
{
    char name[CM_AUDIT_NAME_SIZE];
    *out = openat(audit->directory, cm_audit_name(sequence, kind, name),
                  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return *out >= 0 ? CM_OK : CM_BROKEN;
}

static cm_status write_header(const cm_audit *audit, const cm_audit_tail *tail)
{
    uint8_t bytes[CM_AUDIT_HEADER_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const cm_audit_header header = {.sequence = tail->sequence, .before = tail->chain};
    cm_audit_header_write(&w, &header, &audit->signer);
    CM_TRY(cm_file_write(tail->fd, cm_writer_done(&w), 0));
    CM_ENSURE(fdatasync(tail->fd) == 0 && fsync(audit->directory) == 0, CM_BROKEN);
    return CM_OK;
}

cm_status cm_audit_begin_segment(cm_audit *audit)
{
    cm_audit_tail *old = &audit->tail;
    cm_audit_tail fresh = {.sequence = old->sequence + 1,
                           .fd = -1,
                           .private_fd = -1,
                           .size = CM_AUDIT_HEADER_SIZE,
                           .chain = old->chain,
                           .head = old->head};
    cm_audit_index_init(&fresh.index);
    cm_status status = create_file(audit, fresh.sequence, CM_AUDIT_PRIVATE, &fresh.private_fd);
    if (status == CM_OK)
        status = create_file(audit, fresh.sequence, CM_AUDIT_LOG, &fresh.fd);
    if (status == CM_OK)
        status = write_header(audit, &fresh);
    if (status != CM_OK) {
        cm_file_close(&fresh.fd);
        cm_file_close(&fresh.private_fd);
        return status;
    }
    if (old->sequence > 0)
        CM_IGNORE(cm_audit_index_write(audit->directory, old->sequence, &audit->key, &old->index),
                  "without it the segment is read");
    cm_audit_index_clear(&old->index);
    cm_file_close(&old->fd);
    cm_file_close(&old->private_fd);
    *old = fresh;
    return CM_OK;
}

/* ---- a batch ---- */

/* Room for `size` more, and a writer over it. */
static cm_status more(cm_buffer *buffer, size_t size, cm_writer *out)
{
    uint8_t *room = NULL;
    CM_TRY(cm_buffer_room(buffer, size, &room));
    assert(room != NULL); /* size is not 0 */
    *out = cm_writer_over(room, size);
    return CM_OK;
}

static cm_status add_private(cm_audit *audit, cm_slice slot, uint64_t number)
{
    cm_writer w;
    CM_TRY(more(&audit->private, CM_AUDIT_SLOT_SIZE, &w));
    cm_write_u64(&w, number);
    cm_write_slice(&w, cm_slice_from(slot, 8));
    cm_buffer_commit(&audit->private, cm_writer_done(&w).size);
    return CM_OK;
}

static cm_status add_record(cm_audit *audit, cm_slice body, cm_audit_chain *chain)
{
    cm_writer w;
    CM_TRY(more(&audit->bytes, CM_AUDIT_RECORD_SIZE_MAX, &w));
    cm_audit_record_write(&w, body, chain);
    cm_buffer_commit(&audit->bytes, cm_writer_done(&w).size);
    cm_audit_entry entry;
    if (cm_audit_entry_parse(body, &entry) == CM_OK)
        cm_audit_index_add(&audit->tail.index, &entry); /* twice, should the batch fail: the same */
    return CM_OK;
}

static cm_status add_gap(cm_audit *audit, cm_audit_chain *chain)
{
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    const cm_audit_entry gap = {
        .kind = CM_AUDIT_GAP, .when = audit->batch_time, .count = audit->gap};
    cm_audit_entry_write(&w, &gap);
    return add_record(audit, cm_writer_done(&w), chain);
}

/* As audit.c put it there: size 4, then a slot if the byte behind it says so, then the entry. */
static cm_status encode(cm_audit *audit, cm_audit_chain *chain, cm_audit_head *head)
{
    cm_reader r = cm_reader_over(cm_buffer_data(&audit->batch));
    cm_buffer_clear(&audit->bytes);
    cm_buffer_clear(&audit->private);
    while (r.rest.size > 0) {
        cm_reader item = cm_reader_sub(&r, cm_read_u32(&r));
        if (cm_read_u8(&item) != 0)
            CM_TRY(add_private(audit, cm_read_slice(&item, CM_AUDIT_SLOT_SIZE), chain->count + 1));
        CM_TRY(add_record(audit, item.rest, chain));
    }
    if (audit->gap > 0)
        CM_TRY(add_gap(audit, chain));
    *head = (cm_audit_head){.count = chain->count};
    cm_slice_copy(cm_slice_over(chain->link, sizeof chain->link), head->link, sizeof head->link);
    cm_writer w;
    CM_TRY(more(&audit->bytes, CM_AUDIT_HEAD_SIZE, &w));
    cm_audit_head_write(&w, audit->batch_time, &audit->signer, chain);
    cm_buffer_commit(&audit->bytes, cm_writer_done(&w).size);
    return CM_OK;
}

/* What can be erased first: an entry never commits to what is not there. */
static cm_status write_out(const cm_audit *audit)
{
    const cm_audit_tail *tail = &audit->tail;
    const cm_slice private = cm_buffer_data(&audit->private);
    if (private.size > 0) {
        CM_TRY(cm_file_write(tail->private_fd, private, tail->private_size));
        CM_ENSURE(fdatasync(tail->private_fd) == 0, CM_BROKEN);
    }
    CM_TRY(cm_file_write(tail->fd, cm_buffer_data(&audit->bytes), tail->size));
    return fdatasync(tail->fd) == 0 ? CM_OK : CM_BROKEN;
}

/* All of the batch, or as if nothing had been. */
static cm_status write_batch(cm_audit *audit)
{
    cm_audit_tail *tail = &audit->tail;
    cm_audit_chain chain = tail->chain;
    cm_audit_head head;
    CM_TRY(encode(audit, &chain, &head));
    if (write_out(audit) != CM_OK) {
        const bool is_cut = ftruncate(tail->fd, (off_t)tail->size) == 0 &&
                            ftruncate(tail->private_fd, (off_t)tail->private_size) == 0;
        (void)is_cut; /* else it is written over, or cut off at the next start */
        return CM_BROKEN;
    }
    tail->chain = chain;
    tail->head = head;
    tail->size += cm_buffer_data(&audit->bytes).size;
    tail->private_size += cm_buffer_data(&audit->private).size;
    return CM_OK;
}

static void roll(cm_audit *audit)
{
    if (audit->tail.size < audit->config.segment_bytes_max)
        return;
    if (cm_audit_begin_segment(audit) != CM_OK)
        cm_log(CM_LOG_ERROR, "audit", "event=segment-not-begun sequence=%llu",
               (unsigned long long)audit->tail.sequence + 1); /* goes on in the full one */
}

/* ---- the thread ---- */

/* Under the mutex. False: nothing more comes. */
static bool take_batch(cm_audit *audit)
{
    const bool is_again = cm_buffer_data(&audit->batch).size > 0 || audit->gap > 0;
    while (!is_again && cm_buffer_data(&audit->queue).size == 0 && audit->dropped == 0) {
        if (audit->is_stopping)
            return false;
        pthread_cond_wait(&audit->work, &audit->mutex);
    }
    if (is_again)
        return true;
    const cm_buffer empty = audit->batch;
    audit->batch = audit->queue;
    audit->queue = empty;
    audit->gap = audit->dropped;
    audit->dropped = 0;
    audit->batch_time = audit->newest;
    audit->batch_upto = audit->put;
    return true;
}

/* Under the mutex. */
static void settle(cm_audit *audit, cm_status status, uint64_t count_before)
{
    cm_audit_counters *counters = &audit->counters;
    if (status == CM_OK) {
        audit->durable = audit->batch_upto;
        audit->head = audit->tail.head;
        counters->batches++;
        counters->entries += audit->tail.chain.count - count_before;
        counters->segments += audit->active != audit->tail.sequence;
        audit->active = audit->tail.sequence;
        audit->active_size = audit->tail.size;
        cm_buffer_clear(&audit->batch);
        audit->gap = 0;
    } else {
        audit->failed = audit->put; /* nobody waits for a disk that may never come back */
        if (counters->write_failures++ == 0)
            cm_log(CM_LOG_ERROR, "audit", "event=not-written cause=disk");
    }
    pthread_cond_broadcast(&audit->settled);
}

void *cm_audit_run(void *argument)
{
    cm_audit *audit = argument;
    pthread_mutex_lock(&audit->mutex);
    while (take_batch(audit)) {
        const uint64_t count_before = audit->tail.chain.count;
        pthread_mutex_unlock(&audit->mutex);
        const cm_status status = write_batch(audit);
        if (status == CM_OK)
            roll(audit);
        pthread_mutex_lock(&audit->mutex);
        settle(audit, status, count_before);
        if (status != CM_OK && audit->is_stopping)
            break;
        if (status != CM_OK)
            pthread_cond_wait(&audit->work, &audit->mutex); /* cm_audit_tick */
    }
    pthread_mutex_unlock(&audit->mutex);
    return NULL;
}
