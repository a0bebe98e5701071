#include "store/archive.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

enum {
    HEAD_SIZE = 96,
    STREAM_HEAD = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    OVERHEAD = crypto_secretstream_xchacha20poly1305_ABYTES,
    PLAIN_MAX = 1 + CM_ARCHIVE_DATA_SIZE,
    SEALED_MAX = PLAIN_MAX + OVERHEAD,
    FRAME_MAX = 4 + SEALED_MAX,
};
#define MAGIC CM_TEXT("casement-backup\n")

_Static_assert(crypto_secretstream_xchacha20poly1305_KEYBYTES == CM_SECRET_SIZE, "one key");
_Static_assert(crypto_pwhash_SALTBYTES == CM_ARCHIVE_SALT_SIZE, "one salt");

/* ---- the clear part ---- */

static void write_head(const cm_archive_head *head, uint8_t out[HEAD_SIZE])
{
    cm_writer w = cm_writer_over(out, HEAD_SIZE);
    const size_t version = strnlen(head->version, CM_ARCHIVE_VERSION_SIZE);
    cm_write_slice(&w, MAGIC);
    cm_write_u16(&w, CM_ARCHIVE_FORMAT);
    cm_write_u16(&w, (uint16_t)head->lock);
    cm_write_u64(&w, (uint64_t)head->created.us);
    cm_write_slice(&w, cm_slice_over(head->version, version));
    cm_write_zeros(&w, CM_ARCHIVE_VERSION_SIZE - version);
    cm_write_slice(&w, cm_slice_over(head->key_check, sizeof head->key_check));
    cm_write_slice(&w, cm_slice_over(head->salt, sizeof head->salt));
    cm_write_u16(&w, head->passes);
    cm_write_u16(&w, head->memory_mib);
    assert(!w.failed && w.used == HEAD_SIZE);
}

static void read_head(cm_slice bytes, cm_archive_head *out)
{
    cm_reader r = cm_reader_over(cm_slice_from(bytes, MAGIC.size + 2));
    *out = (cm_archive_head){.lock = (cm_archive_lock)cm_read_u16(&r)};
    out->created.us = (int64_t)cm_read_u64(&r);
    const cm_slice version = cm_read_slice(&r, CM_ARCHIVE_VERSION_SIZE);
    cm_slice_copy(cm_slice_part(version, 0, cm_slice_find(version, 0)), out->version,
                  CM_ARCHIVE_VERSION_SIZE);
    cm_slice_copy(cm_read_slice(&r, CM_MAC_SIZE), out->key_check, sizeof out->key_check);
    cm_slice_copy(cm_read_slice(&r, CM_ARCHIVE_SALT_SIZE), out->salt, sizeof out->salt);
    out->passes = cm_read_u16(&r);
    out->memory_mib = cm_read_u16(&r);
}

static bool is_head_sound(const cm_archive_head *head)
{
    const bool has_work = head->passes > 0 && head->passes <= CM_ARCHIVE_PASSES_MAX &&
                          head->memory_mib > 0 && head->memory_mib <= CM_ARCHIVE_MEMORY_MIB_MAX;
    return cm_text_is_printable_utf8(cm_slice_of(head->version)) &&
           (head->lock == CM_ARCHIVE_BY_KEY ? head->passes == 0 && head->memory_mib == 0
                                            : head->lock == CM_ARCHIVE_BY_PASSPHRASE && has_work);
}

static cm_status stretch(const cm_archive_head *head, cm_slice passphrase, cm_secret *out)
{
    CM_ENSURE(sodium_init() >= 0, CM_BROKEN);
    return crypto_pwhash(out->bytes, sizeof out->bytes, (const char *)passphrase.bytes,
                         passphrase.size, head->salt, head->passes, (size_t)head->memory_mib << 20,
                         crypto_pwhash_ALG_ARGON2ID13) == 0
               ? CM_OK
               : CM_BROKEN;
}

cm_status cm_archive_key(const cm_archive_head *head, cm_slice master_or_passphrase, cm_secret *out)
{
    if (head->lock == CM_ARCHIVE_BY_PASSPHRASE)
        return stretch(head, master_or_passphrase, out);
    CM_AUTO(cm_secret_clear) cm_secret master = {{0}};
    CM_TRY(cm_secret_copy(master_or_passphrase, &master));
    cm_secret_derive(&master, "backup", cm_slice_over(head->salt, sizeof head->salt), out);
    return CM_OK;
}

/* ---- writing ---- */

struct cm_archive_writer {
    cm_archive_sink sink;
    crypto_secretstream_xchacha20poly1305_state stream;
    uint8_t head[HEAD_SIZE];
    bool has_begun; /* a message went out: the clear part is vouched for */
    uint32_t parts;
    uint64_t due; /* of the part that is being written */
    uint8_t plain[PLAIN_MAX];
    uint8_t frame[FRAME_MAX];
};

cm_status cm_archive_begin(const cm_archive_head *head, const cm_secret *key, cm_archive_sink sink,
                           cm_archive_writer **out)
{
    assert(is_head_sound(head));
    cm_archive_writer *writer = calloc(1, sizeof *writer);
    CM_ENSURE(writer != NULL, CM_BROKEN);
    writer->sink = sink;
    write_head(head, writer->head);
    uint8_t stream_head[STREAM_HEAD];
    crypto_secretstream_xchacha20poly1305_init_push(&writer->stream, stream_head, key->bytes);
    cm_status status = sink.write(sink.owner, cm_slice_over(writer->head, HEAD_SIZE));
    if (status == CM_OK)
        status = sink.write(sink.owner, cm_slice_over(stream_head, sizeof stream_head));
    if (status != CM_OK) {
        cm_archive_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return CM_OK;
}

void cm_archive_writer_destroy(cm_archive_writer *writer)
{
    if (writer == NULL)
        return;
    cm_secret_wipe(writer, sizeof *writer);
    free(writer);
}

static cm_status push(cm_archive_writer *writer, cm_slice plain, uint8_t tag)
{
    cm_writer w = cm_writer_over(writer->frame, sizeof writer->frame);
    cm_write_u32(&w, (uint32_t)(plain.size + OVERHEAD));
    const cm_slice vouched = cm_slice_over(writer->head, writer->has_begun ? 0 : HEAD_SIZE);
    crypto_secretstream_xchacha20poly1305_push(&writer->stream, writer->frame + w.used, NULL,
                                               plain.bytes, plain.size, vouched.bytes, vouched.size,
                                               tag);
    writer->has_begun = true;
    return writer->sink.write(writer->sink.owner,
                              cm_slice_over(writer->frame, w.used + plain.size + OVERHEAD));
}

cm_status cm_archive_begin_part(cm_archive_writer *writer, const char *name, uint64_t size)
{
    assert(writer->due == 0 && strlen(name) < CM_ARCHIVE_NAME_SIZE);
    CM_ENSURE(writer->parts < CM_ARCHIVE_PARTS_MAX, CM_FULL);
    writer->parts++;
    writer->due = size;
    cm_writer w = cm_writer_over(writer->plain, sizeof writer->plain);
    cm_write_u8(&w, 'P');
    cm_write_u64(&w, size);
    cm_write_text(&w, name);
    return push(writer, cm_writer_done(&w), 0);
}

cm_status cm_archive_add(cm_archive_writer *writer, cm_slice bytes)
{
    assert(bytes.size <= writer->due);
    writer->due -= bytes.size;
    while (bytes.size > 0) {
        const cm_slice now = cm_slice_part(bytes, 0, CM_ARCHIVE_DATA_SIZE);
        cm_writer w = cm_writer_over(writer->plain, sizeof writer->plain);
        cm_write_u8(&w, 'D');
        cm_write_slice(&w, now);
        CM_TRY(push(writer, cm_writer_done(&w), 0));
        bytes = cm_slice_from(bytes, now.size);
    }
    return CM_OK;
}

cm_status cm_archive_end(cm_archive_writer *writer)
{
    assert(writer->due == 0);
    cm_writer w = cm_writer_over(writer->plain, sizeof writer->plain);
    cm_write_u8(&w, 'E');
    cm_write_u32(&w, writer->parts);
    return push(writer, cm_writer_done(&w), crypto_secretstream_xchacha20poly1305_TAG_FINAL);
}

/* ---- reading ---- */

struct cm_archive_reader {
    cm_archive_source source;
    crypto_secretstream_xchacha20poly1305_state stream;
    uint8_t head[HEAD_SIZE];
    cm_archive_head said;
    bool is_recognized;
    bool has_begun;
    bool has_ended;
    uint64_t at; /* bytes of the source that were read */
    uint32_t parts;
    uint64_t due; /* of the part that is being read */
    char name[CM_ARCHIVE_NAME_SIZE];
    uint8_t frame[FRAME_MAX];
    uint8_t plain[PLAIN_MAX];
    char fault[CM_ARCHIVE_FAULT_SIZE];
};

const char *cm_archive_fault(const cm_archive_reader *reader)
{
    return reader->fault;
}

static cm_status complain(cm_archive_reader *reader, const char *sentence)
{
    snprintf(reader->fault, sizeof reader->fault, "%s", sentence);
    return CM_REFUSE;
}

/* Where in the file, and in which part. */
static cm_status complain_here(cm_archive_reader *reader, const char *sentence)
{
    snprintf(reader->fault, sizeof reader->fault, "%s, %" PRIu64 " bytes from its beginning%s%s",
             sentence, reader->at, reader->name[0] != '\0' ? ", in its part " : "", reader->name);
    return CM_REFUSE;
}

/* CM_ABSENT: there is not as much. */
static cm_status fetch(cm_archive_reader *reader, uint8_t *out, size_t size)
{
    size_t got = 0;
    CM_TRY(reader->source.read(reader->source.owner, out, size, &got));
    reader->at += got;
    return got == size ? CM_OK : CM_ABSENT;
}

cm_status cm_archive_open(cm_archive_source source, cm_archive_reader **out)
{
    cm_archive_reader *reader = calloc(1, sizeof *reader);
    CM_ENSURE(reader != NULL, CM_BROKEN);
    reader->source = source;
    const cm_status status = fetch(reader, reader->head, HEAD_SIZE);
    if (status != CM_OK && status != CM_ABSENT) {
        cm_archive_reader_destroy(reader);
        return status;
    }
    reader->is_recognized = status == CM_OK;
    *out = reader;
    return CM_OK;
}

void cm_archive_reader_destroy(cm_archive_reader *reader)
{
    if (reader == NULL)
        return;
    cm_secret_wipe(reader, sizeof *reader);
    free(reader);
}

cm_status cm_archive_read_head(cm_archive_reader *reader, cm_archive_head *out)
{
    const cm_slice head = cm_slice_over(reader->head, HEAD_SIZE);
    if (!cm_slice_starts(head, MAGIC))
        return complain(reader, "this is no backup of casement");
    if (!reader->is_recognized)
        return complain(reader, "it was cut off within its first bytes");
    cm_reader r = cm_reader_over(cm_slice_from(head, MAGIC.size));
    if (cm_read_u16(&r) != CM_ARCHIVE_FORMAT)
        return complain(reader, "it was made by a later version of casement, in a form that this "
                                "one does not know; restore it with that version");
    read_head(head, &reader->said);
    if (!is_head_sound(&reader->said))
        return complain(reader, "its first bytes are damaged");
    *out = reader->said;
    return CM_OK;
}

cm_status cm_archive_unlock(cm_archive_reader *reader, const cm_secret *key)
{
    uint8_t stream_head[STREAM_HEAD];
    const cm_status status = fetch(reader, stream_head, sizeof stream_head);
    if (status != CM_OK)
        return status == CM_ABSENT ? complain(reader, "it was cut off within its first bytes")
                                   : status;
    crypto_secretstream_xchacha20poly1305_init_pull(&reader->stream, stream_head, key->bytes);
    return CM_OK;
}

static cm_status complain_of_message(cm_archive_reader *reader)
{
    if (reader->has_begun)
        return complain_here(reader, "it is damaged: what stands there is not what was written");
    return complain(reader, reader->said.lock == CM_ARCHIVE_BY_PASSPHRASE
                                ? "the passphrase is not its own, or its beginning is damaged"
                                : "its beginning is damaged");
}

/* The next message, opened. */
static cm_status pull(cm_archive_reader *reader, cm_slice *out)
{
    if (reader->has_ended)
        return complain(reader, "it was read to its end already");
    cm_status status = fetch(reader, reader->frame, 4);
    cm_reader r = cm_reader_over(cm_slice_over(reader->frame, 4));
    const uint32_t size = cm_read_u32(&r);
    if (status == CM_OK && (size <= OVERHEAD || size > SEALED_MAX))
        return complain_of_message(reader);
    if (status == CM_OK)
        status = fetch(reader, reader->frame, size);
    if (status == CM_ABSENT)
        return complain_here(reader, "it was cut off");
    CM_TRY(status);
    const cm_slice vouched = cm_slice_over(reader->head, reader->has_begun ? 0 : HEAD_SIZE);
    uint8_t tag = 0;
    if (crypto_secretstream_xchacha20poly1305_pull(&reader->stream, reader->plain, NULL, &tag,
                                                   reader->frame, size, vouched.bytes,
                                                   vouched.size) != 0)
        return complain_of_message(reader);
    reader->has_begun = true;
    reader->has_ended = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    *out = cm_slice_over(reader->plain, size - OVERHEAD);
    return CM_OK;
}

/* What its writer vouched for and is none of the forms above comes from another version. */
static cm_status complain_of_form(cm_archive_reader *reader)
{
    return complain_here(reader, "it holds what this version of casement does not know");
}

static cm_status read_end(cm_archive_reader *reader, cm_reader *r)
{
    const uint32_t parts = cm_read_u32(r);
    if (cm_reader_finish(r) != CM_OK || parts != reader->parts || !reader->has_ended)
        return complain_of_form(reader);
    uint8_t more;
    const cm_status status = fetch(reader, &more, 1);
    CM_ENSURE(status != CM_OK, complain(reader, "something stands behind its end"));
    return status;
}

static cm_status read_part(cm_archive_reader *reader, cm_reader *r, uint64_t *size)
{
    *size = cm_read_u64(r);
    const cm_slice name = cm_read_slice(r, r->rest.size);
    if (cm_reader_finish(r) != CM_OK || reader->has_ended || name.size == 0 ||
        reader->parts == CM_ARCHIVE_PARTS_MAX || !cm_text_is_printable_utf8(name) ||
        cm_slice_to_cstr(name, reader->name, sizeof reader->name) != CM_OK)
        return complain_of_form(reader);
    reader->parts++;
    reader->due = *size;
    return CM_OK;
}

cm_status cm_archive_next(cm_archive_reader *reader, char name[CM_ARCHIVE_NAME_SIZE],
                          uint64_t *size)
{
    assert(reader->due == 0);
    cm_slice message;
    CM_TRY(pull(reader, &message));
    cm_reader r = cm_reader_over(message);
    const uint8_t kind = cm_read_u8(&r);
    if (kind == 'E')
        return read_end(reader, &r);
    if (kind != 'P')
        return complain_of_form(reader);
    CM_TRY(read_part(reader, &r, size));
    cm_slice_copy(cm_slice_over(reader->name, sizeof reader->name), name, CM_ARCHIVE_NAME_SIZE);
    return CM_OK;
}

cm_status cm_archive_read(cm_archive_reader *reader, cm_slice *out)
{
    *out = cm_slice_over(NULL, 0);
    if (reader->due == 0)
        return CM_OK;
    cm_slice message;
    CM_TRY(pull(reader, &message));
    cm_reader r = cm_reader_over(message);
    const bool is_data = cm_read_u8(&r) == 'D' && !reader->has_ended;
    const cm_slice data = cm_read_slice(&r, r.rest.size);
    if (!is_data || data.size == 0 || data.size > reader->due)
        return complain_of_form(reader);
    reader->due -= data.size;
    *out = data;
    return CM_OK;
}
