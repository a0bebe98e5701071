/* Header extensions: the first two bytes are the negotiated ids, the rest is a packet. Its elements
 * are walked to their end; those we speak survive writing and reading; RTX restores within it. */
#include "fuzz.h"
#include "proto/rtp/extension.h"
#include "proto/rtp/rtx.h"

static void check_round_trip(const cm_rtp_extensions *extensions, const cm_rtp_extension_ids *ids)
{
    uint8_t room[CM_RTP_HEADER_MAX];
    cm_writer w = cm_writer_over(room, sizeof room);
    cm_rtp_header_write(&w, &(cm_rtp_packet){0}, extensions, ids);
    cm_slice written;
    cm_rtp_packet packet;
    cm_rtp_extensions back;
    /* The two-byte form has ids that we do not write. */
    const bool may_fail = ids->transport_sequence == 15 || ids->capture_time == 15 ||
                          ids->playout_delay == 15 || ids->mid == 15;
    if (cm_writer_finish(&w, &written) != CM_OK) {
        CHECK(may_fail);
        return;
    }
    CHECK(cm_rtp_parse(written, &packet) == CM_OK);
    cm_rtp_extensions_read(&packet, ids, &back);
    CHECK(back.has_transport_sequence == extensions->has_transport_sequence);
    CHECK(back.transport_sequence == extensions->transport_sequence);
    CHECK(back.has_capture_time == extensions->has_capture_time);
    CHECK(back.capture_time == extensions->capture_time);
    CHECK(back.has_playout_delay == extensions->has_playout_delay);
    CHECK(back.playout_min_10ms == extensions->playout_min_10ms);
    CHECK(back.playout_max_10ms == extensions->playout_max_10ms);
    CHECK(cm_slice_equal(back.mid, extensions->mid));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const cm_rtp_extension_ids ids = {.transport_sequence = data[0] >> 4,
                                      .capture_time = data[0] & 15,
                                      .playout_delay = data[1] >> 4,
                                      .mid = data[1] & 15};
    cm_rtp_packet packet;
    if (cm_rtp_parse(cm_slice_over(data + 2, size - 2), &packet) != CM_OK)
        return 0;
    cm_rtp_elements elements = cm_rtp_elements_of(&packet);
    cm_rtp_element element;
    size_t bytes = 0;
    while (cm_rtp_elements_next(&elements, &element)) {
        CHECK(element.id > 0);
        touch(element.data);
        bytes += element.data.size + 1;
    }
    CHECK(bytes <= packet.extension.size);
    cm_rtp_extensions extensions;
    cm_rtp_extensions_read(&packet, &ids, &extensions);
    check_round_trip(&extensions, &ids);
    cm_rtp_packet original;
    if (cm_rtp_rtx_restore(&packet, 96, 1, &original) == CM_OK)
        touch(original.payload);
    return 0;
}
