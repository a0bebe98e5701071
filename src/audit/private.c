#include "audit/private.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "audit/files.h"
#include "base/file.h"

enum { STATE_KEPT = 1, STATE_ERASED = 2 };

void cm_audit_private_write(cm_writer *w, const cm_audit_private *slot)
{
    cm_write_u64(w, slot->number);
    if (slot->is_erased) {
        cm_write_u8(w, STATE_ERASED);
        cm_write_zeros(w, CM_AUDIT_SLOT_SIZE - 9);
        return;
    }
    cm_write_u8(w, STATE_KEPT);
    cm_write_slice(w, cm_slice_over(slot->home.text, CM_ID_SIZE));
    cm_write_slice(w, cm_slice_over(slot->account.text, CM_ID_SIZE));
    cm_write_slice(w, cm_slice_over(slot->salt, sizeof slot->salt));
    cm_write_u8(w, (uint8_t)slot->size);
    cm_write_slice(w, cm_slice_over(slot->bytes, slot->size));
    cm_write_zeros(w, CM_AUDIT_PRIVATE_MAX - slot->size);
}

cm_status cm_audit_private_parse(cm_slice bytes, cm_audit_private *out)
{
    cm_reader r = cm_reader_over(bytes);
    cm_audit_private slot = {.number = cm_read_u64(&r)};
    const uint8_t state = cm_read_u8(&r);
    const cm_slice home = cm_read_slice(&r, CM_ID_SIZE);
    const cm_slice account = cm_read_slice(&r, CM_ID_SIZE);
    const cm_slice salt = cm_read_slice(&r, sizeof slot.salt);
    slot.size = cm_read_u8(&r);
    const cm_slice content = cm_read_slice(&r, CM_AUDIT_PRIVATE_MAX);
    CM_TRY(cm_reader_finish(&r));
    CM_ENSURE(state == STATE_KEPT || state == STATE_ERASED, CM_CLOSE);
    CM_ENSURE(slot.size <= CM_AUDIT_PRIVATE_MAX, CM_CLOSE);
    slot.is_erased = state == STATE_ERASED;
    cm_slice_copy(home, slot.home.text, CM_ID_SIZE);
    cm_slice_copy(account, slot.account.text, CM_ID_SIZE);
    CM_ENSURE(slot.home.text[CM_ID_SIZE - 1] == '\0' && slot.account.text[CM_ID_SIZE - 1] == '\0',
              CM_CLOSE);
    cm_slice_copy(salt, slot.salt, sizeof slot.salt);
    cm_slice_copy(cm_slice_part(content, 0, slot.size), slot.bytes, sizeof slot.bytes);
    *out = slot;
    return CM_OK;
}

void cm_audit_private_commit(const cm_audit_private *slot, uint8_t out[CM_AUDIT_LINK_SIZE])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, slot->salt, sizeof slot->salt);
    crypto_hash_sha256_update(&state, slot->bytes, slot->size);
    crypto_hash_sha256_final(&state, out);
}

/* ---- erasing ---- */

typedef struct erasing {
    const cm_home_id *home;
    const cm_account_id *account;
    uint64_t count;
} erasing;

static bool is_meant(const erasing *e, const cm_audit_private *slot)
{
    if (slot->is_erased)
        return false;
    if (e->home != NULL && cm_home_id_equal(e->home, &slot->home))
        return true;
    return e->account != NULL && cm_account_id_equal(e->account, &slot->account);
}

static cm_status erase_slot(int fd, uint64_t at, uint64_t number, erasing *e)
{
    uint8_t bytes[CM_AUDIT_SLOT_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_audit_private_write(&w, &(cm_audit_private){.number = number, .is_erased = true});
    e->count++;
    return cm_file_write(fd, cm_writer_done(&w), at);
}

static cm_status erase_in(int directory, const char *name, erasing *e)
{
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes file = {.size = 0};
    const cm_status read = cm_audit_read(directory, name, SIZE_MAX, &file);
    CM_ENSURE(read != CM_ABSENT, CM_OK);
    CM_TRY(read);
    CM_AUTO(cm_file_close) const int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    const uint64_t before = e->count;
    const cm_slice all = cm_slice_over(file.bytes, file.size);
    for (size_t at = 0; at + CM_AUDIT_SLOT_SIZE <= all.size; at += CM_AUDIT_SLOT_SIZE) {
        cm_audit_private slot;
        if (cm_audit_private_parse(cm_slice_part(all, at, CM_AUDIT_SLOT_SIZE), &slot) == CM_OK &&
            is_meant(e, &slot))
            CM_TRY(erase_slot(fd, at, slot.number, e));
    }
    CM_ENSURE(e->count == before || fdatasync(fd) == 0, CM_BROKEN);
    return CM_OK;
}

cm_status cm_audit_erase(const char *directory, const cm_home_id *home,
                         const cm_account_id *account, uint64_t *erased_out)
{
    CM_AUTO(cm_file_close) int fd = -1;
    CM_AUTO(cm_audit_sequences_clear) cm_audit_sequences sequences = {.count = 0};
    erasing e = {.home = home, .account = account};
    *erased_out = 0;
    const cm_status opened = cm_audit_open_directory(directory, &fd);
    CM_ENSURE(opened != CM_ABSENT, CM_OK);
    CM_TRY(opened);
    CM_TRY(cm_audit_list(fd, &sequences));
    for (size_t i = 0; i < sequences.count; i++) {
        char name[CM_AUDIT_NAME_SIZE];
        CM_TRY(erase_in(fd, cm_audit_name(sequences.items[i], CM_AUDIT_PRIVATE, name), &e));
    }
    *erased_out = e.count;
    return CM_OK;
}
