/* The queue: what any thread may call, and life. */
#include "audit/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_priv.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

enum { QUEUE_BYTES = 4 << 20, SEGMENT_BYTES = 16 << 20, ITEM_MAX = 1024, MINUTE_US = 60000000 };

/* ---- putting ---- */

/* Chooses the salt, and what the entry commits to. */
static cm_audit_private make_private(cm_audit_entry *entry, cm_slice bytes)
{
    cm_random random = cm_random_system();
    cm_audit_private slot = {.home = entry->home, .account = entry->account};
    const cm_slice kept = cm_slice_part(bytes, 0, sizeof slot.bytes);
    cm_random_fill(&random, slot.salt, sizeof slot.salt);
    cm_slice_copy(kept, slot.bytes, sizeof slot.bytes);
    slot.size = kept.size;
    cm_audit_private_commit(&slot, entry->commitment);
    entry->has_private = true;
    return slot;
}

/* As encode() in writer.c reads it. */
static cm_slice write_item(const cm_audit_entry *given, cm_slice private_bytes,
                           uint8_t storage[ITEM_MAX])
{
    cm_audit_entry entry = *given;
    const bool has_private = private_bytes.size > 0 && cm_audit_kind_has_private(entry.kind);
    entry.has_private = false;
    cm_writer w = cm_writer_over(storage, ITEM_MAX);
    const size_t size = cm_write_reserve(&w, 4);
    cm_write_u8(&w, has_private);
    if (has_private) {
        const cm_audit_private slot = make_private(&entry, private_bytes);
        cm_audit_private_write(&w, &slot);
    }
    cm_audit_entry_write(&w, &entry);
    cm_write_fill_u32(&w, size, (uint32_t)(w.used - 4));
    return cm_writer_done(&w);
}

/* Under the mutex. A quarter of the queue is for what must not be lost. */
static cm_status queue_item(cm_audit *audit, cm_slice item, cm_wall when, bool is_urgent)
{
    const size_t room = is_urgent ? audit->queue.max : audit->queue.max / 4 * 3;
    audit->newest = when;
    const size_t used = cm_buffer_data(&audit->queue).size;
    if (used + item.size > room || cm_buffer_add(&audit->queue, item) != CM_OK) {
        audit->dropped++;
        audit->counters.dropped++;
        return CM_FULL;
    }
    audit->put++;
    if (used == 0 || is_urgent)
        pthread_cond_signal(&audit->work);
    return CM_OK;
}

/* Under the mutex. */
static cm_status put(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes,
                     bool is_urgent)
{
    uint8_t storage[ITEM_MAX];
    return queue_item(audit, write_item(entry, private_bytes, storage), entry->when, is_urgent);
}

cm_status cm_audit_put(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes)
{
    uint8_t storage[ITEM_MAX];
    CM_ENSURE(audit != NULL, CM_OK);
    const cm_slice item = write_item(entry, private_bytes, storage);
    pthread_mutex_lock(&audit->mutex);
    const cm_status status = queue_item(audit, item, entry->when, false);
    pthread_mutex_unlock(&audit->mutex);
    return status;
}

/* Under the mutex: until what was put up to now is on the disk, or was refused by it. */
static cm_status wait_durable(cm_audit *audit)
{
    const uint64_t mine = audit->put;
    while (audit->durable < mine && audit->failed < mine)
        pthread_cond_wait(&audit->settled, &audit->mutex);
    return audit->durable >= mine ? CM_OK : CM_BROKEN;
}

cm_status cm_audit_keep(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes)
{
    uint8_t storage[ITEM_MAX];
    CM_ENSURE(audit != NULL, CM_OK);
    const cm_slice item = write_item(entry, private_bytes, storage);
    pthread_mutex_lock(&audit->mutex);
    cm_status status = queue_item(audit, item, entry->when, true);
    if (status == CM_OK)
        status = wait_durable(audit);
    pthread_mutex_unlock(&audit->mutex);
    return status;
}

cm_status cm_audit_flush(cm_audit *audit)
{
    pthread_mutex_lock(&audit->mutex);
    const cm_status status = wait_durable(audit);
    pthread_mutex_unlock(&audit->mutex);
    return status;
}

/* ---- what repeats ---- */

static bool is_alike(const cm_audit_entry *a, const cm_audit_entry *b)
{
    return a->kind == b->kind && a->cause == b->cause && cm_home_id_equal(&a->home, &b->home) &&
           cm_camera_id_equal(&a->camera, &b->camera) &&
           cm_account_id_equal(&a->account, &b->account);
}

static cm_audit_repeat_row *find_row(cm_audit *audit, const cm_audit_entry *entry, bool *is_fresh)
{
    cm_audit_repeat_row *place = NULL;
    *is_fresh = false;
    for (size_t i = 0; i < CM_AUDIT_REPEATS_MAX; i++) {
        cm_audit_repeat_row *row = &audit->repeats[i];
        if (row->is_used && is_alike(&row->entry, entry))
            return row;
        if (!row->is_used && place == NULL)
            place = row;
    }
    *is_fresh = place != NULL;
    return place;
}

void cm_audit_repeat(cm_audit *audit, const cm_audit_entry *entry, cm_slice private_bytes)
{
    if (audit == NULL)
        return;
    bool is_fresh;
    cm_audit_entry first = *entry;
    first.count = 1;
    first.since = entry->when;
    pthread_mutex_lock(&audit->mutex);
    cm_audit_repeat_row *row = find_row(audit, entry, &is_fresh);
    if (row == NULL) {
        audit->dropped++;
        audit->counters.dropped++;
        audit->newest = entry->when;
        pthread_cond_signal(&audit->work);
    } else if (is_fresh) {
        *row = (cm_audit_repeat_row){.is_used = true, .entry = first};
        row->entry.count = 0;
        CM_IGNORE(put(audit, &first, private_bytes, false), "counted as dropped");
    } else {
        row->entry.count++;
        row->entry.when = entry->when;
    }
    pthread_mutex_unlock(&audit->mutex);
}

/* Under the mutex. A clock that went back ends the minute too. */
static void end_minutes(cm_audit *audit, cm_wall now, bool is_end)
{
    for (size_t i = 0; i < CM_AUDIT_REPEATS_MAX; i++) {
        cm_audit_repeat_row *row = &audit->repeats[i];
        const int64_t age = now.us - row->entry.since.us;
        if (!row->is_used || (!is_end && age >= 0 && age < MINUTE_US))
            continue;
        row->is_used = false;
        if (row->entry.count > 0)
            CM_IGNORE(put(audit, &row->entry, (cm_slice){.size = 0}, false), "counted");
    }
}

void cm_audit_tick(cm_audit *audit, cm_wall now)
{
    if (audit == NULL)
        return;
    pthread_mutex_lock(&audit->mutex);
    end_minutes(audit, now, false);
    pthread_cond_signal(&audit->work); /* a batch that could not be written is tried again */
    pthread_mutex_unlock(&audit->mutex);
}

/* ---- heads ---- */

void cm_audit_read_head(cm_audit *audit, cm_audit_head *out)
{
    pthread_mutex_lock(&audit->mutex);
    *out = audit->head;
    pthread_mutex_unlock(&audit->mutex);
}

void cm_audit_head_format(const cm_audit_head *head, char out[CM_AUDIT_HEAD_TEXT_SIZE])
{
    char hex[CM_HEX_SIZE(CM_AUDIT_LINK_SIZE)];
    CM_IGNORE(cm_text_to_hex(cm_slice_over(head->link, sizeof head->link), hex, sizeof hex),
              "it fits");
    cm_writer w = cm_writer_over(out, CM_AUDIT_HEAD_TEXT_SIZE);
    cm_write_decimal(&w, head->count);
    cm_write_text(&w, ":");
    cm_write_text(&w, hex);
    cm_write_u8(&w, '\0');
}

cm_status cm_audit_head_parse(cm_slice text, cm_audit_head *out)
{
    cm_audit_head head;
    const cm_slice count = cm_slice_cut(&text, ':');
    CM_TRY(cm_slice_to_u64(count, UINT64_MAX, &head.count));
    CM_TRY(cm_text_from_hex(text, head.link, sizeof head.link));
    *out = head;
    return CM_OK;
}

void cm_audit_public_key(const cm_audit *audit, uint8_t out[CM_AUDIT_PUBLIC_KEY_SIZE])
{
    cm_slice_copy(cm_slice_over(audit->signer.public_key, CM_AUDIT_PUBLIC_KEY_SIZE), out,
                  CM_AUDIT_PUBLIC_KEY_SIZE);
}

static void make_signer(const cm_secret *key, cm_audit_signer *out)
{
    CM_AUTO(cm_secret_clear) cm_secret seed;
    cm_secret_derive(key, "audit signatures", (cm_slice){.size = 0}, &seed);
    cm_audit_signer_make(&seed, out);
}

void cm_audit_public_key_of(const cm_secret *key, uint8_t out[CM_AUDIT_PUBLIC_KEY_SIZE])
{
    cm_audit_signer signer;
    make_signer(key, &signer);
    cm_slice_copy(cm_slice_over(signer.public_key, sizeof signer.public_key), out,
                  CM_AUDIT_PUBLIC_KEY_SIZE);
    cm_audit_signer_clear(&signer);
}

void cm_audit_read_counters(cm_audit *audit, cm_audit_counters *out)
{
    pthread_mutex_lock(&audit->mutex);
    *out = audit->counters;
    pthread_mutex_unlock(&audit->mutex);
}

/* ---- life ---- */

static cm_status open_directory(cm_audit *audit, char message[CM_AUDIT_MESSAGE_SIZE])
{
    const char *path = audit->config.directory;
    CM_TRY(cm_slice_to_cstr(cm_slice_of(path), audit->path, sizeof audit->path));
    audit->config.directory = NULL;
    CM_ENSURE(mkdir(path, 0700) == 0 || errno == EEXIST, CM_BROKEN);
    CM_TRY(cm_audit_open_directory(path, &audit->directory));
    if (flock(audit->directory, LOCK_EX | LOCK_NB) == 0)
        return CM_OK;
    cm_writer w = cm_writer_over(message, CM_AUDIT_MESSAGE_SIZE);
    cm_write_text(&w, "another process writes the audit; is the server running already?");
    return CM_REFUSE;
}

static cm_audit *allocate(const cm_audit_config *config)
{
    cm_audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL)
        return NULL;
    audit->config = *config;
    audit->directory = audit->tail.fd = audit->tail.private_fd = -1;
    if (config->queue_bytes_max == 0)
        audit->config.queue_bytes_max = QUEUE_BYTES;
    if (config->segment_bytes_max == 0)
        audit->config.segment_bytes_max = SEGMENT_BYTES;
    make_signer(config->key, &audit->signer);
    cm_secret_derive(config->key, "audit indexes", (cm_slice){.size = 0}, &audit->key);
    audit->config.key = NULL;
    cm_audit_index_init(&audit->tail.index);
    cm_buffer_init(&audit->queue, audit->config.queue_bytes_max);
    cm_buffer_init(&audit->batch, audit->config.queue_bytes_max);
    cm_buffer_init(&audit->bytes, 4 * audit->config.queue_bytes_max);
    cm_buffer_init(&audit->private, 4 * audit->config.queue_bytes_max);
    pthread_mutex_init(&audit->mutex, NULL);
    pthread_cond_init(&audit->work, NULL);
    pthread_cond_init(&audit->settled, NULL);
    return audit;
}

static void destroy(cm_audit *audit)
{
    cm_file_close(&audit->tail.fd);
    cm_file_close(&audit->tail.private_fd);
    cm_file_close(&audit->directory);
    cm_audit_index_clear(&audit->tail.index);
    cm_buffer_deinit(&audit->queue);
    cm_buffer_deinit(&audit->batch);
    cm_buffer_deinit(&audit->bytes);
    cm_buffer_deinit(&audit->private);
    pthread_mutex_destroy(&audit->mutex);
    pthread_cond_destroy(&audit->work);
    pthread_cond_destroy(&audit->settled);
    cm_audit_signer_clear(&audit->signer);
    cm_secret_clear(&audit->key);
    free(audit);
}

/* What the log itself says of how it was found. */
static void tell_how_found(cm_audit *audit, uint64_t torn)
{
    const cm_audit_entry repaired = {
        .kind = CM_AUDIT_LOG_REPAIRED, .when = audit->config.now, .count = torn};
    const cm_audit_entry shortened = {.kind = CM_AUDIT_LOG_SHORTENED,
                                      .when = audit->config.now,
                                      .count = audit->config.count_before};
    if (torn > 0)
        CM_IGNORE(cm_audit_put(audit, &repaired, (cm_slice){.size = 0}), "the queue is empty");
    if (audit->tail.chain.count >= audit->config.count_before)
        return;
    cm_log(CM_LOG_ERROR, "audit", "event=log-shortened entries=%llu expected=%llu",
           (unsigned long long)audit->tail.chain.count,
           (unsigned long long)audit->config.count_before);
    CM_IGNORE(cm_audit_put(audit, &shortened, (cm_slice){.size = 0}), "the queue is empty");
}

cm_status cm_audit_open(const cm_audit_config *config, char message[CM_AUDIT_MESSAGE_SIZE],
                        cm_audit **out)
{
    uint64_t torn = 0;
    cm_audit *audit = allocate(config);
    CM_ENSURE(audit != NULL, CM_BROKEN);
    cm_status status = open_directory(audit, message);
    if (status == CM_OK)
        status = cm_audit_find_tail(audit, message, &torn);
    if (status == CM_OK) {
        audit->head = audit->tail.head;
        audit->active = audit->tail.sequence;
        audit->active_size = audit->tail.size;
        tell_how_found(audit, torn);
        audit->has_thread = pthread_create(&audit->thread, NULL, cm_audit_run, audit) == 0;
        status = audit->has_thread ? CM_OK : CM_BROKEN;
    }
    if (status != CM_OK) {
        destroy(audit);
        return status;
    }
    *out = audit;
    return CM_OK;
}

void cm_audit_close(cm_audit *audit)
{
    if (audit == NULL)
        return;
    pthread_mutex_lock(&audit->mutex);
    end_minutes(audit, audit->newest, true);
    audit->is_stopping = true;
    pthread_cond_broadcast(&audit->work);
    pthread_mutex_unlock(&audit->mutex);
    pthread_join(audit->thread, NULL);
    destroy(audit);
}
