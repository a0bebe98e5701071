#include "proto/rtcp/rtcp.h"

#include "base/reader.h"
#include "proto/rtcp/rtcp_priv.h"

enum {
    VERSION = 2,
    PADDING_BIT = 0x20,
    WORD = 4,
    BLOCK_SIZE = 24,
    SDES_CNAME = 1,
    CUMULATIVE_MAX = 0x7FFFFF, /* 24 bits, signed */
    CUMULATIVE_MIN = -0x800000,
    ROUND_TRIP_MAX = 60 * 65536,
    ROUND_TRIP_SLACK = 65536 / 100, /* a peer that rounds up, on a path of no length */
};

/* RFC 3550 6.4.1: two's complement in 24 bits. */
static int32_t read_cumulative(cm_reader *r)
{
    const int32_t value = (int32_t)cm_read_u24(r);
    return value > CUMULATIVE_MAX ? value - (1 << 24) : value;
}

static cm_rtcp_block read_block(cm_reader *r)
{
    cm_rtcp_block block;
    block.ssrc = cm_read_u32(r);
    block.fraction_lost = cm_read_u8(r);
    block.cumulative_lost = read_cumulative(r);
    block.extended_highest_sequence = cm_read_u32(r);
    block.jitter = cm_read_u32(r);
    block.last_sr = cm_read_u32(r);
    block.delay_since_last_sr = cm_read_u32(r);
    return block;
}

/* The content of an SR, RR or BYE; `count` are the five bits of the header. False: does not fit. */
static bool read_content(cm_reader *r, uint8_t count, cm_rtcp_packet *out)
{
    if (out->type == CM_RTCP_BYE) {
        if (count > 0)
            out->ssrc = cm_read_u32(r);
        return count > 0 && !r->failed;
    }
    out->ssrc = cm_read_u32(r);
    if (out->type == CM_RTCP_SR) {
        out->sender.ntp_timestamp = cm_read_u64(r);
        out->sender.rtp_timestamp = cm_read_u32(r);
        out->sender.packet_count = cm_read_u32(r);
        out->sender.octet_count = cm_read_u32(r);
    }
    for (uint8_t i = 0; i < count && r->rest.size >= BLOCK_SIZE; i++)
        out->blocks[out->block_count++] = read_block(r);
    return !r->failed;
}

cm_status cm_rtcp_next_item(cm_slice *rest, cm_rtcp_item *out)
{
    CM_ENSURE(rest->size > 0, CM_ABSENT);
    cm_reader r = cm_reader_over(*rest);
    const uint8_t flags = cm_read_u8(&r);
    const uint8_t type = cm_read_u8(&r);
    const uint16_t words = cm_read_u16(&r);
    const cm_slice content = cm_read_slice(&r, (size_t)words * WORD);
    *rest = (cm_slice){0};
    CM_ENSURE(!r.failed && flags >> 6 == VERSION, CM_CLOSE);
    *rest = r.rest;
    *out = (cm_rtcp_item){
        .type = type, .count = flags & 0x1F, .is_padded = flags >> 5 & 1, .content = content};
    return CM_OK;
}

cm_status cm_rtcp_report_parse(const cm_rtcp_item *item, cm_rtcp_packet *out)
{
    CM_ENSURE(item->type == CM_RTCP_SR || item->type == CM_RTCP_RR || item->type == CM_RTCP_BYE,
              CM_ABSENT);
    cm_reader content = cm_reader_over(item->content);
    cm_rtcp_packet packet = {.type = (cm_rtcp_type)item->type};
    CM_ENSURE(read_content(&content, item->count, &packet), CM_CLOSE);
    *out = packet;
    return CM_OK;
}

cm_status cm_rtcp_next(cm_slice *rest, cm_rtcp_packet *out)
{
    for (;;) {
        cm_rtcp_item item;
        CM_TRY(cm_rtcp_next_item(rest, &item));
        if (cm_rtcp_report_parse(&item, out) == CM_OK)
            return CM_OK;
    }
}

size_t cm_rtcp_write_header(cm_writer *w, uint8_t count, cm_rtcp_type type, uint32_t ssrc)
{
    cm_write_u8(w, (uint8_t)(VERSION << 6 | count));
    cm_write_u8(w, (uint8_t)type);
    const size_t length_at = cm_write_reserve(w, 2);
    cm_write_u32(w, ssrc);
    return length_at;
}

void cm_rtcp_fill_length(cm_writer *w, size_t length_at)
{
    const size_t words = (w->used - length_at - 2) / WORD;
    w->failed = w->failed || words > UINT16_MAX;
    cm_write_fill_u16(w, length_at, (uint16_t)words);
}

void cm_rtcp_mark_padded(cm_writer *w, size_t begin)
{
    if (!w->failed)
        cm_write_fill_u8(w, begin, w->bytes[begin] | PADDING_BIT);
}

static void write_block(cm_writer *w, const cm_rtcp_block *block)
{
    int32_t lost = block->cumulative_lost;
    if (lost > CUMULATIVE_MAX)
        lost = CUMULATIVE_MAX;
    if (lost < CUMULATIVE_MIN)
        lost = CUMULATIVE_MIN;
    cm_write_u32(w, block->ssrc);
    cm_write_u8(w, block->fraction_lost);
    cm_write_u24(w, (uint32_t)lost & 0xFFFFFF);
    cm_write_u32(w, block->extended_highest_sequence);
    cm_write_u32(w, block->jitter);
    cm_write_u32(w, block->last_sr);
    cm_write_u32(w, block->delay_since_last_sr);
}

void cm_rtcp_write_rr(cm_writer *w, uint32_t ssrc, const cm_rtcp_block *block)
{
    const size_t length_at = cm_rtcp_write_header(w, block != NULL, CM_RTCP_RR, ssrc);
    if (block != NULL)
        write_block(w, block);
    cm_rtcp_fill_length(w, length_at);
}

void cm_rtcp_write_sr(cm_writer *w, uint32_t ssrc, const cm_rtcp_sender_info *sender,
                      const cm_rtcp_block *block)
{
    const size_t length_at = cm_rtcp_write_header(w, block != NULL, CM_RTCP_SR, ssrc);
    cm_write_u64(w, sender->ntp_timestamp);
    cm_write_u32(w, sender->rtp_timestamp);
    cm_write_u32(w, sender->packet_count);
    cm_write_u32(w, sender->octet_count);
    if (block != NULL)
        write_block(w, block);
    cm_rtcp_fill_length(w, length_at);
}

void cm_rtcp_write_cname(cm_writer *w, uint32_t ssrc, cm_slice cname)
{
    if (cname.size == 0 || cname.size > UINT8_MAX) {
        w->failed = true;
        return;
    }
    const size_t length_at = cm_rtcp_write_header(w, 1, CM_RTCP_SDES, ssrc);
    cm_write_u8(w, SDES_CNAME);
    cm_write_u8(w, (uint8_t)cname.size);
    cm_write_slice(w, cname);
    /* RFC 3550 6.5: a null octet ends the items, then nulls up to the next 32-bit boundary. */
    cm_write_zeros(w, WORD - (2 + cname.size) % WORD);
    cm_rtcp_fill_length(w, length_at);
}

void cm_rtcp_write_bye(cm_writer *w, uint32_t ssrc)
{
    cm_rtcp_fill_length(w, cm_rtcp_write_header(w, 1, CM_RTCP_BYE, ssrc));
}

cm_status cm_rtcp_round_trip(const cm_rtcp_block *block, uint64_t ntp_now, int64_t *us)
{
    CM_ENSURE(block->last_sr != 0, CM_ABSENT);
    /* In 1/65,536 s, modulo 18 hours. */
    const uint32_t middle = (uint32_t)(ntp_now >> 16);
    const int32_t ticks = (int32_t)(middle - block->last_sr - block->delay_since_last_sr);
    CM_ENSURE(ticks >= -ROUND_TRIP_SLACK && ticks <= ROUND_TRIP_MAX, CM_REFUSE);
    *us = ticks > 0 ? (int64_t)ticks * 1000000 / 65536 : 0;
    return CM_OK;
}
