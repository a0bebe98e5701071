/*
 * The form of a backup: any bytes, and any messages that its own key vouches for, give parts or a
 * sentence. The first byte chooses: 0, the rest is a file; else the rest is messages, each with its
 * size in two bytes in front, which are sealed here as a writer would.
 */
#include <sodium.h>
#include <string.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "fuzz.h"
#include "store/archive.h"

enum {
    STREAM = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    HEAD = 96,
    FILE_MAX = 1 << 20,
    INPUT_MAX = 1 << 15
};

static const cm_secret KEY = {{1, 2, 3}};

static cm_status take(void *owner, uint8_t *out, size_t capacity, size_t *size_out)
{
    cm_reader *r = owner;
    *size_out = capacity < r->rest.size ? capacity : r->rest.size;
    cm_slice_copy(cm_read_slice(r, *size_out), out, capacity);
    return CM_OK;
}

static cm_status keep(void *owner, cm_slice bytes)
{
    return cm_buffer_add(owner, bytes);
}

static void seal_message(crypto_secretstream_xchacha20poly1305_state *stream, cm_reader *r,
                         cm_slice vouched, cm_buffer *out)
{
    const uint16_t size = cm_read_u16(r);
    const uint8_t tag = (size & 0x8000) != 0 ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0;
    const cm_slice plain = cm_read_slice(r, size & 0x7FFF);
    uint8_t sealed[0x8000 + crypto_secretstream_xchacha20poly1305_ABYTES];
    uint8_t length[4];
    cm_writer w = cm_writer_over(length, sizeof length);
    const size_t whole = plain.size + crypto_secretstream_xchacha20poly1305_ABYTES;
    cm_write_u32(&w, (uint32_t)whole);
    crypto_secretstream_xchacha20poly1305_push(stream, sealed, NULL, plain.bytes, plain.size,
                                               vouched.bytes, vouched.size, tag);
    CHECK(cm_buffer_add(out, cm_writer_done(&w)) == CM_OK);
    CHECK(cm_buffer_add(out, cm_slice_over(sealed, whole)) == CM_OK);
}

/* The clear part of an archive of ours, then the input's messages. */
static void make_file(cm_reader *r, cm_buffer *out)
{
    const cm_archive_head head = {.lock = CM_ARCHIVE_BY_KEY, .version = "0.1.0"};
    cm_archive_writer *writer = NULL;
    CHECK(cm_archive_begin(&head, &KEY, (cm_archive_sink){keep, out}, &writer) == CM_OK);
    cm_archive_writer_destroy(writer);
    uint8_t clear[HEAD];
    cm_slice_copy(cm_slice_part(cm_buffer_data(out), 0, HEAD), clear, sizeof clear);
    cm_buffer_clear(out);
    CHECK(cm_buffer_add(out, cm_slice_over(clear, sizeof clear)) == CM_OK);
    crypto_secretstream_xchacha20poly1305_state stream;
    uint8_t stream_head[STREAM];
    crypto_secretstream_xchacha20poly1305_init_push(&stream, stream_head, KEY.bytes);
    CHECK(cm_buffer_add(out, cm_slice_over(stream_head, sizeof stream_head)) == CM_OK);
    for (bool is_first = true; r->rest.size > 0 && !r->failed; is_first = false)
        seal_message(&stream, r, cm_slice_over(clear, is_first ? sizeof clear : 0), out);
}

static cm_status read_parts(cm_archive_reader *reader)
{
    cm_archive_head head;
    CM_TRY(cm_archive_read_head(reader, &head));
    CM_TRY(cm_archive_unlock(reader, &KEY));
    for (;;) {
        char name[CM_ARCHIVE_NAME_SIZE];
        uint64_t size;
        CM_TRY(cm_archive_next(reader, name, &size));
        CHECK(strnlen(name, sizeof name) < sizeof name && name[0] != '\0');
        uint64_t got = 0;
        for (cm_slice bytes = {.size = 1}; bytes.size > 0; got += bytes.size) {
            CM_TRY(cm_archive_read(reader, &bytes));
            touch(bytes);
        }
        CHECK(got == size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    cm_reader r = cm_reader_over(cm_slice_over(data + 1, size - 1));
    cm_buffer file;
    cm_buffer_init(&file, FILE_MAX);
    if (data[0] == 0)
        CHECK(cm_buffer_add(&file, r.rest) == CM_OK);
    else
        make_file(&r, &file);
    cm_reader rest = cm_reader_over(cm_buffer_data(&file));
    cm_archive_reader *reader = NULL;
    CHECK(cm_archive_open((cm_archive_source){take, &rest}, &reader) == CM_OK);
    const cm_status status = read_parts(reader);
    CHECK(status == CM_REFUSE || status == CM_ABSENT);
    CHECK(status == CM_ABSENT || cm_archive_fault(reader)[0] != '\0');
    cm_archive_reader_destroy(reader);
    cm_buffer_deinit(&file);
    return 0;
}
