/* The estimate under a peer that reports what it likes: the input is a run of steps, each a packet
 * sent, a while, a receiver report, or a transport-cc report with content from the input. The rate
 * stays within its bounds, and the figures are figures. */
#include "base/reader.h"
#include "egress/webrtc/estimate.h"
#include "fuzz.h"

enum { LEAST = 20000, MOST = 9000000 };

static void check(const cm_webrtc_estimate *estimate)
{
    const uint64_t rate = cm_webrtc_estimate_bits_per_second(estimate);
    CHECK(rate == 0 || (rate >= LEAST && rate <= MOST));
    cm_webrtc_estimate_figures figures;
    cm_webrtc_estimate_read(estimate, &figures);
    CHECK(figures.loss_permille <= 1000 && figures.queue_us >= 0);
}

static void send_packets(cm_webrtc_estimate *estimate, cm_reader *r, uint16_t *number,
                         cm_instant now)
{
    const unsigned count = cm_read_u8(r);
    *number = (uint16_t)(*number + (count == 255)); /* a number that is left out */
    for (unsigned i = 0; i < count; i++)
        cm_webrtc_estimate_sent(estimate, (*number)++, 40 + count * 5, now);
}

static void take_report(cm_webrtc_estimate *estimate, cm_reader *r, cm_instant now)
{
    const cm_slice content = cm_read_slice(r, cm_read_u8(r));
    const cm_rtcp_feedback feedback = {.kind = CM_RTCP_TRANSPORT_CC, .content = content};
    cm_rtcp_transport_cc report;
    if (cm_rtcp_transport_cc_parse(&feedback, &report) == CM_OK)
        cm_webrtc_estimate_feedback(estimate, &report, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_reader r = cm_reader_over(cm_slice_over(data, size));
    cm_instant now = {.us = 1000000};
    uint16_t number = cm_read_u16(&r);
    const cm_webrtc_estimate_config config = {.start_bits_per_second = 1000000,
                                              .least_bits_per_second = LEAST,
                                              .most_bits_per_second = MOST};
    static cm_webrtc_estimate estimate;
    cm_webrtc_estimate_init(&estimate, &config, now);
    while (r.rest.size > 0 && !r.failed) {
        const uint8_t what = cm_read_u8(&r);
        if (what < 96)
            send_packets(&estimate, &r, &number, now);
        else if (what < 160)
            now = cm_instant_after(now, (int64_t)cm_read_u16(&r) << (what & 15));
        else if (what < 176)
            cm_webrtc_estimate_loss(&estimate, cm_read_u8(&r), cm_read_u16(&r), now);
        else
            take_report(&estimate, &r, now);
        check(&estimate);
    }
    return 0;
}
