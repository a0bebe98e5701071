/* The form of a backup: what was written is read, and what was cut off, changed, exchanged or added
 * is found out and named. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "store/archive.h"
#include "unit.h"

enum { FILE_MAX = 1 << 20, HEAD = 96, STREAM = 24 };

static const char PASSPHRASE[] = "a long enough passphrase";

static cm_status keep(void *owner, cm_slice bytes)
{
    return cm_buffer_add(owner, bytes);
}

/* In pieces of what is asked for, as a file gives them. */
static cm_status take(void *owner, uint8_t *out, size_t capacity, size_t *size_out)
{
    cm_reader *source = owner;
    const size_t left = source->rest.size;
    *size_out = left < capacity ? left : capacity;
    const cm_slice piece = cm_read_slice(source, *size_out);
    cm_slice_copy(piece, out, capacity);
    return source->failed ? CM_BROKEN : CM_OK;
}

static cm_secret a_key(uint8_t fill)
{
    cm_secret key;
    memset(key.bytes, fill, sizeof key.bytes);
    return key;
}

static cm_archive_head a_head(void)
{
    return (cm_archive_head){.lock = CM_ARCHIVE_BY_KEY,
                             .created = {.us = 1795000000000000},
                             .version = "0.1.0",
                             .key_check = {7},
                             .salt = {9}};
}

static void add_part(cm_archive_writer *writer, const char *name, size_t size)
{
    assert_int_equal(cm_archive_begin_part(writer, name, size), CM_OK);
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + size);
    assert_int_equal(cm_archive_add(writer, cm_slice_over(bytes, size / 2)), CM_OK);
    assert_int_equal(cm_archive_add(writer, cm_slice_over(bytes + size / 2, size - size / 2)),
                     CM_OK);
    free(bytes);
}

static void write_file(const cm_archive_head *head, const cm_secret *key, cm_buffer *out)
{
    cm_buffer_init(out, FILE_MAX);
    cm_archive_writer *writer = NULL;
    assert_int_equal(cm_archive_begin(head, key, (cm_archive_sink){keep, out}, &writer), CM_OK);
    add_part(writer, "casement.db", 150000);
    add_part(writer, "empty", 0);
    add_part(writer, "audit/1", 1);
    assert_int_equal(cm_archive_end(writer), CM_OK);
    cm_archive_writer_destroy(writer);
}

typedef struct outcome {
    cm_status status;
    size_t parts;
    size_t bytes;
    char fault[CM_ARCHIVE_FAULT_SIZE];
} outcome;

static cm_status read_part(cm_archive_reader *reader, uint64_t size, outcome *o)
{
    size_t got = 0;
    for (;;) {
        cm_slice bytes;
        CM_TRY(cm_archive_read(reader, &bytes));
        if (bytes.size == 0)
            break;
        for (size_t i = 0; i < bytes.size; i++)
            assert_int_equal(bytes.bytes[i], (uint8_t)((got + i) * 7 + size));
        got += bytes.size;
    }
    assert_int_equal(got, size);
    o->bytes += got;
    return CM_OK;
}

static cm_status read_all(cm_archive_reader *reader, const cm_secret *key, outcome *o)
{
    cm_archive_head head;
    CM_TRY(cm_archive_read_head(reader, &head));
    CM_TRY(cm_archive_unlock(reader, key));
    for (;;) {
        char name[CM_ARCHIVE_NAME_SIZE];
        uint64_t size;
        const cm_status status = cm_archive_next(reader, name, &size);
        if (status == CM_ABSENT)
            return CM_OK;
        CM_TRY(status);
        o->parts++;
        CM_TRY(read_part(reader, size, o));
    }
}

static outcome read_file(cm_slice file, const cm_secret *key)
{
    outcome o = {.parts = 0};
    cm_reader source = cm_reader_over(file);
    cm_archive_reader *reader = NULL;
    assert_int_equal(cm_archive_open((cm_archive_source){take, &source}, &reader), CM_OK);
    o.status = read_all(reader, key, &o);
    snprintf(o.fault, sizeof o.fault, "%s", cm_archive_fault(reader));
    cm_archive_reader_destroy(reader);
    return o;
}

static void assert_fault(cm_slice file, const cm_secret *key, const char *words)
{
    const outcome o = read_file(file, key);
    assert_int_equal(o.status, CM_REFUSE);
    if (strstr(o.fault, words) == NULL)
        fail_msg("'%s' does not say '%s'", o.fault, words);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    const outcome o = read_file(cm_buffer_data(&file), &key);
    assert_int_equal(o.status, CM_OK);
    assert_int_equal(o.parts, 3);
    assert_int_equal(o.bytes, 150001);
    cm_buffer_deinit(&file);
}

static void the_head_says_when_by_what_and_for_whom(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    cm_reader source = cm_reader_over(cm_buffer_data(&file));
    cm_archive_reader *reader = NULL;
    assert_int_equal(cm_archive_open((cm_archive_source){take, &source}, &reader), CM_OK);
    cm_archive_head back;
    assert_int_equal(cm_archive_read_head(reader, &back), CM_OK);
    assert_int_equal(back.lock, head.lock);
    assert_int_equal(back.created.us, head.created.us);
    assert_string_equal(back.version, "0.1.0");
    assert_memory_equal(back.key_check, head.key_check, sizeof head.key_check);
    assert_memory_equal(back.salt, head.salt, sizeof head.salt);
    cm_archive_reader_destroy(reader);
    cm_buffer_deinit(&file);
}

/* Neither a name nor a byte of a part, nor that the key's own bytes are in it. */
static void nothing_of_the_parts_stands_in_the_clear(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    const cm_slice all = cm_buffer_data(&file);
    assert_null(memmem(all.bytes, all.size, "casement.db", 11));
    assert_null(memmem(all.bytes, all.size, "audit", 5));
    assert_null(memmem(all.bytes, all.size, key.bytes, sizeof key.bytes));
    cm_buffer_deinit(&file);
}

static void a_cut_anywhere_is_found_out(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    const cm_slice all = cm_buffer_data(&file);
    for (size_t size = 0; size < all.size; size += size < 400 || all.size - size < 400 ? 1 : 997)
        assert_fault(cm_slice_part(all, 0, size), &key, size < 16 ? "no backup" : "cut off");
    assert_fault(cm_slice_part(all, 0, 70000), &key, "in its part casement.db");
    cm_buffer_deinit(&file);
}

static void a_changed_byte_anywhere_is_found_out(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    const cm_slice all = cm_buffer_data(&file);
    uint8_t *copy = malloc(all.size);
    for (size_t at = 0; at < all.size; at += at < 400 || all.size - at < 400 ? 1 : 997) {
        cm_slice_copy(all, copy, all.size);
        copy[at] ^= 0x10;
        assert_int_equal(read_file(cm_slice_over(copy, all.size), &key).status, CM_REFUSE);
    }
    free(copy);
    cm_buffer_deinit(&file);
}

static void each_fault_has_its_own_words(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    const cm_secret other = a_key(2);
    cm_buffer file;
    write_file(&head, &key, &file);
    const cm_slice all = cm_buffer_data(&file);
    uint8_t *copy = malloc(all.size + 1);
    cm_slice_copy(all, copy, all.size);
    copy[all.size] = 0;
    assert_fault(cm_slice_over(copy, all.size + 1), &key, "behind its end");
    assert_fault(all, &other, "its beginning is damaged");
    copy[17] = 99;
    assert_fault(cm_slice_over(copy, all.size), &key, "later version");
    copy[17] = CM_ARCHIVE_FORMAT;
    copy[19] = 9;
    assert_fault(cm_slice_over(copy, all.size), &key, "first bytes are damaged");
    cm_slice_copy(all, copy, all.size);
    copy[70000] ^= 1;
    assert_fault(cm_slice_over(copy, all.size), &key, "in its part casement.db");
    assert_fault(CM_TEXT("SQLite format 3"), &key, "no backup of casement");
    free(copy);
    cm_buffer_deinit(&file);
}

/* Two backups of the same server: the messages of one are not those of the other. */
static void parts_of_another_backup_do_not_fit(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    cm_buffer one;
    cm_buffer two;
    write_file(&head, &key, &one);
    write_file(&head, &key, &two);
    const cm_slice a = cm_buffer_data(&one);
    const cm_slice b = cm_buffer_data(&two);
    assert_int_equal(a.size, b.size);
    uint8_t *mixed = malloc(a.size);
    cm_slice_copy(a, mixed, a.size);
    cm_slice_copy(cm_slice_from(b, 100000), mixed + 100000, a.size - 100000);
    assert_fault(cm_slice_over(mixed, a.size), &key, "damaged");
    free(mixed);
    cm_buffer_deinit(&one);
    cm_buffer_deinit(&two);
}

static void a_passphrase_opens_and_another_does_not(void **state)
{
    (void)state;
    cm_archive_head head = a_head();
    head.lock = CM_ARCHIVE_BY_PASSPHRASE;
    head.passes = 1;
    head.memory_mib = 8;
    cm_secret key;
    cm_secret wrong;
    assert_int_equal(cm_archive_key(&head, cm_slice_of(PASSPHRASE), &key), CM_OK);
    assert_int_equal(cm_archive_key(&head, CM_TEXT("another passphrase"), &wrong), CM_OK);
    cm_buffer file;
    write_file(&head, &key, &file);
    assert_int_equal(read_file(cm_buffer_data(&file), &key).status, CM_OK);
    assert_fault(cm_buffer_data(&file), &wrong, "passphrase");
    cm_buffer_deinit(&file);
}

static void another_salt_makes_another_key(void **state)
{
    (void)state;
    cm_archive_head head = a_head();
    const cm_secret master = a_key(3);
    cm_secret one;
    cm_secret two;
    assert_int_equal(cm_archive_key(&head, cm_secret_borrow(&master), &one), CM_OK);
    head.salt[0]++;
    assert_int_equal(cm_archive_key(&head, cm_secret_borrow(&master), &two), CM_OK);
    assert_false(cm_secret_equal(cm_secret_borrow(&one), cm_secret_borrow(&two)));
    assert_false(cm_secret_equal(cm_secret_borrow(&one), cm_secret_borrow(&master)));
    assert_int_equal(cm_archive_key(&head, CM_TEXT("short"), &one), CM_REFUSE);
}

/* A stranger's file may not make us compute for hours, or take all memory. */
static void work_beyond_the_bounds_is_refused(void **state)
{
    (void)state;
    cm_archive_head head = a_head();
    head.lock = CM_ARCHIVE_BY_PASSPHRASE;
    head.passes = 1;
    head.memory_mib = 8;
    const cm_secret key = a_key(1);
    cm_buffer file;
    write_file(&head, &key, &file);
    const cm_slice all = cm_buffer_data(&file);
    uint8_t *copy = malloc(all.size);
    cm_slice_copy(all, copy, all.size);
    copy[HEAD - 4] = 1; /* 257 passes */
    assert_fault(cm_slice_over(copy, all.size), &key, "first bytes are damaged");
    cm_slice_copy(all, copy, all.size);
    copy[HEAD - 2] = 8; /* over 2,048 MiB */
    assert_fault(cm_slice_over(copy, all.size), &key, "first bytes are damaged");
    free(copy);
    cm_buffer_deinit(&file);
}

typedef struct small_disk {
    size_t left;
} small_disk;

static cm_status keep_little(void *owner, cm_slice bytes)
{
    small_disk *d = owner;
    CM_ENSURE(bytes.size <= d->left, CM_BROKEN);
    d->left -= bytes.size;
    return CM_OK;
}

static void a_full_disk_is_told_wherever_it_is_full(void **state)
{
    (void)state;
    const cm_archive_head head = a_head();
    const cm_secret key = a_key(1);
    for (size_t room = 0; room < 300; room += 10) {
        small_disk disk = {.left = room};
        cm_archive_writer *writer = NULL;
        cm_status status =
            cm_archive_begin(&head, &key, (cm_archive_sink){keep_little, &disk}, &writer);
        if (status == CM_OK)
            status = cm_archive_begin_part(writer, "casement.db", 150);
        if (status == CM_OK)
            status = cm_archive_add(writer, cm_slice_over("0123456789", 10));
        for (int i = 0; i < 14 && status == CM_OK; i++)
            status = cm_archive_add(writer, cm_slice_over("0123456789", 10));
        assert_int_equal(status, CM_BROKEN);
        cm_archive_writer_destroy(writer);
    }
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_head_says_when_by_what_and_for_whom),
        cmocka_unit_test(nothing_of_the_parts_stands_in_the_clear),
        cmocka_unit_test(a_cut_anywhere_is_found_out),
        cmocka_unit_test(a_changed_byte_anywhere_is_found_out),
        cmocka_unit_test(each_fault_has_its_own_words),
        cmocka_unit_test(parts_of_another_backup_do_not_fit),
        cmocka_unit_test(a_passphrase_opens_and_another_does_not),
        cmocka_unit_test(another_salt_makes_another_key),
        cmocka_unit_test(work_beyond_the_bounds_is_refused),
        cmocka_unit_test(a_full_disk_is_told_wherever_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
