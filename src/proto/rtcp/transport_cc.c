#include "proto/rtcp/transport_cc.h"

#include "proto/rtcp/rtcp_priv.h"

enum {
    FORMAT_TRANSPORT_CC = 15,
    /* Symbols: how many bytes of delta a packet has. */
    NOT_RECEIVED = 0,
    SMALL_DELTA = 1,
    LARGE_DELTA = 2,
    RESERVED = 3,
    /* Chunks. */
    IS_VECTOR = 0x8000,
    IS_OF_TWO_BITS = 0x4000,
    RUN_MAX = 0x1FFF,
    RUN_SYMBOL_AT = 13,
    ONE_BIT_SYMBOLS = 14,
    TWO_BIT_SYMBOLS = 7,
    /* Times. */
    TICK_US = 250,
    REFERENCE_TICKS = 256, /* 64 ms */
    REFERENCE_SIGN = 0x800000,
    SMALL_DELTA_MAX = UINT8_MAX,
    WORD = 4,
};

/* --- reading -------------------------------------------------------------------------------- */

static uint16_t chunk_size(uint16_t chunk)
{
    if (!(chunk & IS_VECTOR))
        return chunk & RUN_MAX;
    return chunk & IS_OF_TWO_BITS ? TWO_BIT_SYMBOLS : ONE_BIT_SYMBOLS;
}

static uint8_t symbol_of(uint16_t chunk, uint16_t index)
{
    if (!(chunk & IS_VECTOR))
        return chunk >> RUN_SYMBOL_AT & 3;
    if (chunk & IS_OF_TWO_BITS)
        return (uint8_t)(chunk >> 2 * (TWO_BIT_SYMBOLS - 1 - index) & 3);
    return (uint8_t)(chunk >> (ONE_BIT_SYMBOLS - 1 - index) & 1);
}

/* Reads chunks for `count` packets: how many bytes of delta they say there are. */
static cm_status read_chunks(cm_reader *r, uint16_t count, size_t *delta_bytes)
{
    *delta_bytes = 0;
    while (count > 0) {
        const uint16_t chunk = cm_read_u16(r);
        CM_ENSURE(!r->failed, CM_CLOSE);
        const uint16_t size = chunk_size(chunk) < count ? chunk_size(chunk) : count;
        for (uint16_t i = 0; i < size; i++) {
            const uint8_t symbol = symbol_of(chunk, i);
            CM_ENSURE(symbol != RESERVED, CM_CLOSE);
            *delta_bytes += symbol;
        }
        count = (uint16_t)(count - size);
    }
    return CM_OK;
}

static int64_t read_reference(cm_reader *r)
{
    const int64_t reference = cm_read_u24(r);
    return (reference ^ REFERENCE_SIGN) - REFERENCE_SIGN; /* two's complement in 24 bits */
}

cm_status cm_rtcp_transport_cc_parse(const cm_rtcp_feedback *feedback, cm_rtcp_transport_cc *out)
{
    cm_rtcp_transport_cc report = {0};
    cm_reader r = cm_reader_over(feedback->content);
    report.base_sequence_number = cm_read_u16(&r);
    report.count = cm_read_u16(&r);
    report.at_us = read_reference(&r) * REFERENCE_TICKS * TICK_US;
    report.feedback_count = cm_read_u8(&r);
    CM_ENSURE(!r.failed && report.count > 0 && report.count <= CM_RTCP_ARRIVALS_MAX, CM_CLOSE);
    report.chunks = r;
    size_t delta_bytes;
    CM_TRY(read_chunks(&r, report.count, &delta_bytes));
    CM_ENSURE(r.rest.size >= delta_bytes, CM_CLOSE);
    report.deltas = r;
    *out = report;
    return CM_OK;
}

bool cm_rtcp_transport_cc_next(cm_rtcp_transport_cc *report, cm_rtcp_arrival *out)
{
    if (report->done == report->count)
        return false;
    while (report->chunk_done == chunk_size(report->chunk)) {
        report->chunk = cm_read_u16(&report->chunks);
        report->chunk_done = 0;
    }
    const uint8_t symbol = symbol_of(report->chunk, report->chunk_done++);
    if (symbol == SMALL_DELTA)
        report->at_us += cm_read_u8(&report->deltas) * TICK_US;
    else if (symbol == LARGE_DELTA)
        report->at_us += (int16_t)cm_read_u16(&report->deltas) * TICK_US;
    *out = (cm_rtcp_arrival){
        .sequence_number = (uint16_t)(report->base_sequence_number + report->done++),
        .is_received = symbol != NOT_RECEIVED,
        .at_us = symbol != NOT_RECEIVED ? report->at_us : 0,
    };
    return true;
}

/* --- writing -------------------------------------------------------------------------------- */

/* Rounded down, below zero too. */
static int64_t divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/* How many symbols, up to `max`, are the first one over again. */
static size_t run_of(const uint8_t *symbols, size_t max)
{
    size_t run = 1;
    while (run < max && symbols[run] == symbols[0])
        run++;
    return run;
}

static bool fits_one_bit(const uint8_t *symbols, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (symbols[i] > SMALL_DELTA)
            return false;
    return true;
}

/* One chunk; returns how many symbols it took. */
static size_t write_chunk(cm_writer *w, const uint8_t *symbols, size_t left)
{
    const size_t run = run_of(symbols, left < RUN_MAX ? left : RUN_MAX);
    const size_t most = left < ONE_BIT_SYMBOLS ? left : ONE_BIT_SYMBOLS;
    const bool is_one_bit = fits_one_bit(symbols, most);
    if (run >= most || (!is_one_bit && run >= TWO_BIT_SYMBOLS)) {
        cm_write_u16(w, (uint16_t)((unsigned)symbols[0] << RUN_SYMBOL_AT | run));
        return run;
    }
    const unsigned bits = is_one_bit ? 1 : 2;
    const size_t room = is_one_bit ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
    unsigned chunk = IS_VECTOR | (is_one_bit ? 0 : IS_OF_TWO_BITS);
    size_t taken = 0;
    for (; taken < room && taken < left; taken++)
        chunk |= (unsigned)symbols[taken] << bits * (room - 1 - taken);
    cm_write_u16(w, (uint16_t)chunk);
    return taken;
}

/* The symbol of each packet. False: a step in time that no delta can say. */
static bool choose_symbols(const cm_rtcp_arrival *arrivals, size_t count, int64_t tick,
                           uint8_t symbols[CM_RTCP_ARRIVALS_MAX])
{
    for (size_t i = 0; i < count; i++) {
        symbols[i] = NOT_RECEIVED;
        if (!arrivals[i].is_received)
            continue;
        const int64_t delta = divide(arrivals[i].at_us, TICK_US) - tick;
        if (delta < INT16_MIN || delta > INT16_MAX)
            return false;
        symbols[i] = delta >= 0 && delta <= SMALL_DELTA_MAX ? SMALL_DELTA : LARGE_DELTA;
        tick += delta;
    }
    return true;
}

static void write_deltas(cm_writer *w, const cm_rtcp_arrival *arrivals, size_t count, int64_t tick,
                         const uint8_t *symbols)
{
    for (size_t i = 0; i < count; i++) {
        if (symbols[i] == NOT_RECEIVED)
            continue;
        const int64_t delta = divide(arrivals[i].at_us, TICK_US) - tick;
        if (symbols[i] == SMALL_DELTA)
            cm_write_u8(w, (uint8_t)delta);
        else
            cm_write_u16(w, (uint16_t)delta);
        tick += delta;
    }
}

/* To a whole word; the last octet counts. */
static void write_padding(cm_writer *w, size_t begin)
{
    const size_t padding = (WORD - (w->used - begin) % WORD) % WORD;
    if (padding == 0)
        return;
    cm_write_zeros(w, padding - 1);
    cm_write_u8(w, (uint8_t)padding);
    cm_rtcp_mark_padded(w, begin);
}

static void write_report(cm_writer *w, uint8_t feedback_count, const cm_rtcp_arrival *arrivals,
                         size_t count, int64_t reference)
{
    uint8_t symbols[CM_RTCP_ARRIVALS_MAX];
    const int64_t tick = reference * REFERENCE_TICKS;
    if (!choose_symbols(arrivals, count, tick, symbols)) {
        w->failed = true;
        return;
    }
    cm_write_u16(w, arrivals[0].sequence_number);
    cm_write_u16(w, (uint16_t)count);
    cm_write_u24(w, (uint32_t)reference & 0xFFFFFF);
    cm_write_u8(w, feedback_count);
    for (size_t done = 0; done < count;)
        done += write_chunk(w, symbols + done, count - done);
    write_deltas(w, arrivals, count, tick, symbols);
}

void cm_rtcp_write_transport_cc(cm_writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                                uint8_t feedback_count, const cm_rtcp_arrival *arrivals,
                                size_t count)
{
    size_t first = 0;
    while (first < count && !arrivals[first].is_received)
        first++;
    if (first == count || count > CM_RTCP_ARRIVALS_MAX) {
        w->failed = true;
        return;
    }
    const size_t begin = w->used;
    const size_t length_at =
        cm_rtcp_write_header(w, FORMAT_TRANSPORT_CC, CM_RTCP_TRANSPORT_FEEDBACK, sender_ssrc);
    cm_write_u32(w, media_ssrc);
    write_report(w, feedback_count, arrivals, count,
                 divide(arrivals[first].at_us, (int64_t)REFERENCE_TICKS * TICK_US));
    write_padding(w, begin);
    cm_rtcp_fill_length(w, length_at);
}
