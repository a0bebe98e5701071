#include "proto/rtcp/feedback.h"

#include "base/reader.h"
#include "proto/rtcp/rtcp_priv.h"

enum {
    FORMAT_NACK = 1,          /* RFC 4585 6.2 */
    FORMAT_TRANSPORT_CC = 15, /* draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1 */
    FORMAT_PLI = 1,           /* RFC 4585 6.3 */
    FORMAT_FIR = 4,           /* RFC 5104 4.3.1 */
    FORMAT_APPLICATION = 15,  /* RFC 4585 6.4: REMB is one */
    NACK_SIZE = 4,
    NACK_MASK_BITS = 16,
    FIR_SIZE = 8,
    REMB_MANTISSA_BITS = 18,
};

static const uint32_t REMB_NAME = 0x52454D42; // "REMB"

static bool kind_of(const cm_rtcp_item *item, cm_slice content, cm_rtcp_feedback_kind *out)
{
    if (item->type == CM_RTCP_TRANSPORT_FEEDBACK) {
        *out = item->count == FORMAT_NACK ? CM_RTCP_NACK : CM_RTCP_TRANSPORT_CC;
        return item->count == FORMAT_NACK || item->count == FORMAT_TRANSPORT_CC;
    }
    if (item->type != CM_RTCP_PAYLOAD_FEEDBACK)
        return false;
    cm_reader r = cm_reader_over(content);
    *out = item->count == FORMAT_PLI   ? CM_RTCP_PLI
           : item->count == FORMAT_FIR ? CM_RTCP_FIR
                                       : CM_RTCP_REMB;
    return item->count == FORMAT_PLI || item->count == FORMAT_FIR ||
           (item->count == FORMAT_APPLICATION && cm_read_u32(&r) == REMB_NAME);
}

/* RFC 3550 6.4.1: the last octet counts the padding. Transport-cc is padded by less than a word. */
static cm_status cut_padding(const cm_rtcp_item *item, cm_slice *content)
{
    *content = item->content;
    if (!item->is_padded)
        return CM_OK;
    CM_ENSURE(content->size > 0, CM_CLOSE);
    const uint8_t padding = content->bytes[content->size - 1];
    CM_ENSURE(padding > 0 && padding <= content->size, CM_CLOSE);
    *content = cm_slice_part(*content, 0, content->size - padding);
    return CM_OK;
}

/* What a kind's content must be at least, or exactly a multiple of. */
static bool is_whole(const cm_rtcp_feedback *feedback)
{
    const size_t size = feedback->content.size;
    switch (feedback->kind) {
    case CM_RTCP_NACK:
        return size > 0 && size % NACK_SIZE == 0;
    case CM_RTCP_FIR:
        return size > 0 && size % FIR_SIZE == 0;
    case CM_RTCP_TRANSPORT_CC:
    case CM_RTCP_PLI:
    case CM_RTCP_REMB:
        break;
    }
    return true;
}

cm_status cm_rtcp_feedback_parse(const cm_rtcp_item *item, cm_rtcp_feedback *out)
{
    CM_ENSURE(item->type == CM_RTCP_TRANSPORT_FEEDBACK || item->type == CM_RTCP_PAYLOAD_FEEDBACK,
              CM_ABSENT);
    cm_slice content;
    CM_TRY(cut_padding(item, &content));
    cm_reader r = cm_reader_over(content);
    cm_rtcp_feedback feedback;
    feedback.sender_ssrc = cm_read_u32(&r);
    feedback.media_ssrc = cm_read_u32(&r);
    feedback.content = r.rest;
    CM_ENSURE(!r.failed, CM_CLOSE);
    CM_ENSURE(kind_of(item, feedback.content, &feedback.kind), CM_ABSENT);
    CM_ENSURE(is_whole(&feedback), CM_CLOSE);
    *out = feedback;
    return CM_OK;
}

/* --- generic NACK --------------------------------------------------------------------------- */

cm_rtcp_nack cm_rtcp_nack_over(const cm_rtcp_feedback *feedback)
{
    return (cm_rtcp_nack){.rest = feedback->content};
}

bool cm_rtcp_nack_next(cm_rtcp_nack *nack, uint16_t *sequence_number)
{
    if (nack->mask == 0) {
        cm_reader r = cm_reader_over(nack->rest);
        const uint16_t first = cm_read_u16(&r);
        const uint16_t following = cm_read_u16(&r);
        if (r.failed)
            return false;
        nack->rest = r.rest;
        nack->next = first;
        nack->mask = (uint32_t)following << 1 | 1;
    }
    while (!(nack->mask & 1)) {
        nack->mask >>= 1;
        nack->next++;
    }
    *sequence_number = nack->next;
    nack->mask >>= 1;
    nack->next++;
    return true;
}

/* How many of `lost` fit behind the first, and the mask that says them. */
static size_t gather(const uint16_t *lost, size_t count, uint16_t *mask)
{
    size_t i = 1;
    *mask = 0;
    for (; i < count; i++) {
        const uint16_t distance = (uint16_t)(lost[i] - lost[0]);
        if (distance > NACK_MASK_BITS)
            break;
        if (distance > 0)
            *mask |= (uint16_t)(1u << (distance - 1));
    }
    return i;
}

void cm_rtcp_write_nack(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                        const uint16_t *lost, size_t count)
{
    if (count == 0)
        w->failed = true;
    const size_t length_at =
        cm_rtcp_write_header(w, FORMAT_NACK, CM_RTCP_TRANSPORT_FEEDBACK, sender_ssrc);
    cm_write_u32(w, media_ssrc);
    while (count > 0) {
        uint16_t mask;
        const size_t gathered = gather(lost, count, &mask);
        cm_write_u16(w, lost[0]);
        cm_write_u16(w, mask);
        lost += gathered;
        count -= gathered;
    }
    cm_rtcp_fill_length(w, length_at);
}

/* --- keyframes ------------------------------------------------------------------------------ */

void cm_rtcp_write_pli(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    const size_t length_at =
        cm_rtcp_write_header(w, FORMAT_PLI, CM_RTCP_PAYLOAD_FEEDBACK, sender_ssrc);
    cm_write_u32(w, media_ssrc);
    cm_rtcp_fill_length(w, length_at);
}

bool cm_rtcp_fir_find(const cm_rtcp_feedback *feedback, uint32_t media_ssrc, uint8_t *command)
{
    cm_reader r = cm_reader_over(feedback->content);
    while (r.rest.size >= FIR_SIZE) {
        const uint32_t ssrc = cm_read_u32(&r);
        const uint8_t number = cm_read_u8(&r);
        (void)cm_read_u24(&r); /* reserved */
        if (ssrc != media_ssrc)
            continue;
        *command = number;
        return true;
    }
    return false;
}

void cm_rtcp_write_fir(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t command)
{
    const size_t length_at =
        cm_rtcp_write_header(w, FORMAT_FIR, CM_RTCP_PAYLOAD_FEEDBACK, sender_ssrc);
    cm_write_u32(w, 0); /* RFC 5104, 4.3.1.2: whom it asks stands in the entry */
    cm_write_u32(w, media_ssrc);
    cm_write_u8(w, command);
    cm_write_u24(w, 0);
    cm_rtcp_fill_length(w, length_at);
}

/* --- rate ----------------------------------------------------------------------------------- */

cm_status cm_rtcp_remb_parse(const cm_rtcp_feedback *feedback, uint64_t *bits_per_second)
{
    cm_reader r = cm_reader_over(feedback->content);
    (void)cm_read_u32(&r); /* the name */
    (void)cm_read_u8(&r);  /* how many SSRCs follow, which we need not know */
    const uint32_t rate = cm_read_u24(&r);
    CM_ENSURE(!r.failed, CM_CLOSE);
    const unsigned exponent = rate >> REMB_MANTISSA_BITS;
    const uint64_t mantissa = rate & ((1u << REMB_MANTISSA_BITS) - 1);
    CM_ENSURE(mantissa <= UINT64_MAX >> exponent, CM_CLOSE);
    *bits_per_second = mantissa << exponent;
    return CM_OK;
}

void cm_rtcp_write_remb(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                        uint64_t bits_per_second)
{
    unsigned exponent = 0;
    while (bits_per_second >> exponent >= 1u << REMB_MANTISSA_BITS)
        exponent++;
    const size_t length_at =
        cm_rtcp_write_header(w, FORMAT_APPLICATION, CM_RTCP_PAYLOAD_FEEDBACK, sender_ssrc);
    cm_write_u32(w, 0);
    cm_write_u32(w, REMB_NAME);
    cm_write_u8(w, 1);
    cm_write_u24(w, (uint32_t)exponent << REMB_MANTISSA_BITS |
                        (uint32_t)(bits_per_second >> exponent));
    cm_write_u32(w, media_ssrc);
    cm_rtcp_fill_length(w, length_at);
}
