#include "net/srtp.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/secret.h"
#include "base/writer.h"
#include "net/srtp_priv.h"

enum {
    VERSION = 2,
    RTCP_HEADER_SIZE = 8, /* as much as names its sender */
    WORD_SIZE = 4,        /* of SRTCP: the E flag and the index */
    /* RFC 3711, 4.1.1: one packet's key stream has at most 2^16 blocks. */
    PAYLOAD_MAX = 1 << 20,
};
#define E_FLAG (UINT32_C(1) << 31)

/* ---- life ---- */

static const cm_srtp_transform *transform_of(cm_srtp_profile profile)
{
    switch (profile) {
    case CM_SRTP_AES128_CM_SHA1_80:
        return &cm_srtp_cm;
    case CM_SRTP_AEAD_AES_128_GCM:
        return &cm_srtp_gcm;
    }
    return NULL;
}

static cm_status derive(const cm_srtp_transform *transform, const cm_srtp_master *master,
                        cm_srtp_direction *direction)
{
    return cm_srtp_keys_derive(master, transform->master_salt_size, &direction->rtp,
                               &direction->rtcp);
}

cm_status cm_srtp_create(cm_srtp_profile profile, const cm_srtp_master *ours,
                         const cm_srtp_master *theirs, cm_srtp **out)
{
    const cm_srtp_transform *transform = transform_of(profile);
    CM_ENSURE(transform != NULL, CM_REFUSE);
    cm_srtp *srtp = calloc(1, sizeof *srtp);
    CM_ENSURE(srtp != NULL, CM_BROKEN);
    srtp->transform = transform;
    cm_status status = derive(transform, ours, &srtp->out);
    if (status == CM_OK)
        status = derive(transform, theirs, &srtp->in);
    if (status != CM_OK) {
        cm_srtp_destroy(srtp);
        return status;
    }
    *out = srtp;
    return CM_OK;
}

void cm_srtp_destroy(cm_srtp *srtp)
{
    if (srtp == NULL)
        return;
    if (srtp->out.has_cipher)
        srtp->transform->deinit(&srtp->out.cipher);
    if (srtp->in.has_cipher)
        srtp->transform->deinit(&srtp->in.cipher);
    free(srtp->sent);
    cm_secret_wipe(srtp, sizeof *srtp);
    free(srtp);
}

/* ---- what RTP and RTCP share ---- */

/* The stream of `ssrc`, or a blank one that note_stream() makes known: a packet that turns out to
 * be nobody's leaves nothing behind. */
static cm_status find_stream(cm_srtp_direction *direction, uint32_t ssrc, cm_srtp_stream **out)
{
    for (size_t i = 0; i < direction->stream_count; i++) {
        if (direction->streams[i].ssrc == ssrc) {
            *out = &direction->streams[i];
            return CM_OK;
        }
    }
    CM_ENSURE(direction->stream_count < CM_SRTP_STREAMS_MAX, CM_FULL);
    *out = &direction->streams[direction->stream_count];
    **out = (cm_srtp_stream){.ssrc = ssrc};
    return CM_OK;
}

static void note_stream(cm_srtp_direction *direction, const cm_srtp_stream *stream)
{
    if (stream == &direction->streams[direction->stream_count])
        direction->stream_count++;
}

/* ---- RTP ---- */

static cm_status ready(const cm_srtp *srtp, cm_srtp_direction *direction)
{
    if (!direction->has_cipher) {
        CM_TRY(srtp->transform->init(&direction->cipher, &direction->rtp));
        direction->has_cipher = true;
    }
    return CM_OK;
}

/* RFC 3550, 5.1: where the header ends. What lies beyond may be encrypted, padding too. */
static cm_status read_rtp(uint8_t *bytes, size_t size, cm_srtp_packet *out, uint16_t *sequence)
{
    cm_reader r = cm_reader_over(cm_slice_over(bytes, size));
    const uint16_t flags = cm_read_u16(&r);
    *sequence = cm_read_u16(&r);
    (void)cm_read_u32(&r); /* timestamp */
    const uint32_t ssrc = cm_read_u32(&r);
    (void)cm_read_slice(&r, (size_t)(flags >> 8 & 0xF) * 4); /* CSRCs */
    if (flags >> 12 & 1) {
        (void)cm_read_u16(&r); /* the extension's kind */
        const uint16_t words = cm_read_u16(&r);
        (void)cm_read_slice(&r, (size_t)words * 4);
    }
    CM_ENSURE(!r.failed && flags >> 14 == VERSION && r.rest.size <= PAYLOAD_MAX, CM_CLOSE);
    *out = (cm_srtp_packet){.bytes = bytes,
                            .header_size = size - r.rest.size,
                            .size = size,
                            .tag_at = size,
                            .ssrc = ssrc,
                            .is_encrypted = true};
    return CM_OK;
}

static void set_index(cm_srtp_packet *packet, int64_t index)
{
    packet->index = index;
    packet->word = (uint32_t)(index >> 16);
}

cm_status cm_srtp_protect(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out)
{
    cm_srtp_direction *out = &srtp->out;
    cm_srtp_packet p;
    cm_srtp_stream *stream;
    uint16_t sequence;
    CM_TRY(read_rtp(packet, size, &p, &sequence));
    CM_TRY(find_stream(out, p.ssrc, &stream));
    const int64_t index = cm_srtp_index_estimate(&stream->rtp, sequence);
    /* RFC 3711, 9.2 MUST: at most 2^48 packets with a key. */
    CM_ENSURE(index <= CM_SRTP_INDEX_MAX, CM_FULL);
    CM_ENSURE(index >= 0 && cm_srtp_window_is_open(&stream->rtp, index), CM_REFUSE);
    set_index(&p, index);
    CM_TRY(ready(srtp, out));
    CM_TRY(srtp->transform->seal(&out->cipher, &out->rtp, &p));
    cm_srtp_window_close(&stream->rtp, index);
    note_stream(out, stream);
    cm_srtp_note_sent(srtp, &p);
    *size_out = size + srtp->transform->tag_size;
    return CM_OK;
}

cm_status cm_srtp_protect_again(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out)
{
    cm_srtp_packet p;
    cm_srtp_stream *stream;
    uint16_t sequence;
    CM_TRY(read_rtp(packet, size, &p, &sequence));
    CM_ENSURE(find_stream(&srtp->out, p.ssrc, &stream) == CM_OK, CM_ABSENT);
    const int64_t index = cm_srtp_index_estimate(&stream->rtp, sequence);
    CM_ENSURE(index >= 0 && srtp->out.has_cipher, CM_ABSENT);
    set_index(&p, index);
    CM_TRY(cm_srtp_seal_again(srtp, &p));
    *size_out = size + srtp->transform->tag_size;
    return CM_OK;
}

/* RFC 3711, 3.3: in this order; what is not authentic changes nothing (RFC 3711, 3.3 MUST: it is
 * discarded). */
cm_status cm_srtp_unprotect(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out)
{
    const cm_srtp_transform *transform = srtp->transform;
    cm_srtp_direction *in = &srtp->in;
    cm_srtp_packet p;
    cm_srtp_stream *stream;
    uint16_t sequence;
    CM_ENSURE(size >= transform->tag_size, CM_CLOSE);
    CM_TRY(read_rtp(packet, size - transform->tag_size, &p, &sequence));
    CM_TRY(find_stream(in, p.ssrc, &stream));
    const int64_t index = cm_srtp_index_estimate(&stream->rtp, sequence);
    CM_ENSURE(index >= 0 && index <= CM_SRTP_INDEX_MAX &&
                  cm_srtp_window_is_open(&stream->rtp, index),
              CM_REFUSE);
    set_index(&p, index);
    CM_TRY(ready(srtp, in));
    CM_TRY(transform->open(&in->cipher, &in->rtp, &p));
    cm_srtp_window_close(&stream->rtp, index);
    note_stream(in, stream);
    *size_out = p.size;
    return CM_OK;
}

/* ---- RTCP ---- */

/* RFC 3711, 3.4: `size` is that of the plain packet; the first 8 bytes stay as they are. */
static cm_status read_rtcp(const cm_srtp_transform *transform, uint8_t *bytes, size_t size,
                           cm_srtp_packet *out)
{
    cm_reader r = cm_reader_over(cm_slice_over(bytes, size));
    const uint32_t start = cm_read_u32(&r);
    const uint32_t ssrc = cm_read_u32(&r);
    CM_ENSURE(!r.failed && start >> 30 == VERSION && r.rest.size <= PAYLOAD_MAX, CM_CLOSE);
    *out = (cm_srtp_packet){.bytes = bytes,
                            .header_size = RTCP_HEADER_SIZE,
                            .size = size,
                            .tag_at = transform->is_tag_last ? size + WORD_SIZE : size,
                            .ssrc = ssrc,
                            .is_rtcp = true};
    return CM_OK;
}

static uint8_t *word_of(const cm_srtp_transform *transform, const cm_srtp_packet *packet)
{
    return packet->bytes + packet->size + (transform->is_tag_last ? 0 : transform->tag_size);
}

static void set_word(cm_srtp_packet *packet, uint32_t word)
{
    packet->word = word;
    packet->index = word & ~E_FLAG;
    packet->is_encrypted = (word & E_FLAG) != 0;
}

/* Runs seal or open with a cipher that lives as long. */
static cm_status transform_rtcp(const cm_srtp_transform *transform, const cm_srtp_keys *keys,
                                const cm_srtp_packet *packet, bool is_sealing)
{
    cm_srtp_cipher cipher;
    CM_TRY(transform->init(&cipher, keys));
    const cm_status status = is_sealing ? transform->seal(&cipher, keys, packet)
                                        : transform->open(&cipher, keys, packet);
    transform->deinit(&cipher);
    return status;
}

cm_status cm_srtp_protect_rtcp(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out)
{
    const cm_srtp_transform *transform = srtp->transform;
    cm_srtp_direction *out = &srtp->out;
    cm_srtp_packet p;
    cm_srtp_stream *stream;
    CM_TRY(read_rtcp(transform, packet, size, &p));
    CM_TRY(find_stream(out, p.ssrc, &stream));
    /* RFC 3711, 3.4 MUST: zero at first, and one more for each packet. */
    const int64_t index = cm_srtp_window_next(&stream->rtcp);
    /* RFC 3711, 9.2 MUST: at most 2^31 packets with a key. */
    CM_ENSURE(index <= CM_SRTCP_INDEX_MAX, CM_FULL);
    set_word(&p, E_FLAG | (uint32_t)index);
    cm_writer w = cm_writer_over(word_of(transform, &p), WORD_SIZE);
    cm_write_u32(&w, p.word);
    CM_TRY(transform_rtcp(transform, &out->rtcp, &p, true));
    cm_srtp_window_close(&stream->rtcp, index);
    note_stream(out, stream);
    *size_out = size + WORD_SIZE + transform->tag_size;
    return CM_OK;
}

cm_status cm_srtp_unprotect_rtcp(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out)
{
    const cm_srtp_transform *transform = srtp->transform;
    const size_t overhead = WORD_SIZE + transform->tag_size;
    cm_srtp_direction *in = &srtp->in;
    cm_srtp_packet p;
    cm_srtp_stream *stream;
    CM_ENSURE(size >= overhead, CM_CLOSE);
    CM_TRY(read_rtcp(transform, packet, size - overhead, &p));
    CM_TRY(find_stream(in, p.ssrc, &stream));
    cm_reader r = cm_reader_over(cm_slice_over(word_of(transform, &p), WORD_SIZE));
    set_word(&p, cm_read_u32(&r));
    CM_ENSURE(cm_srtp_window_is_open(&stream->rtcp, p.index), CM_REFUSE);
    CM_TRY(transform_rtcp(transform, &in->rtcp, &p, false));
    cm_srtp_window_close(&stream->rtcp, p.index);
    note_stream(in, stream);
    *size_out = p.size;
    return CM_OK;
}
