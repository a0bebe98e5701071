/* One packet: a header for this viewer before a granule that is the same for all. */
#include <assert.h>

#include "base/fault.h"
#include "egress/webrtc/webrtc_priv.h"
#include "proto/rtp/ntp.h"
#include "proto/rtp/rtx.h"

/* RFC 3550 5.1: where in a header stands what differs from packet to packet. */
enum {
    FLAGS_AT = 0,
    MARKER_AT = 1,
    SEQUENCE_AT = 2,
    VERSION_2 = 0x80,
    PADDED = 0x20,
    EXTENDED = 0x10,
    MARKER = 0x80,
};

static void write_header(const cm_webrtc_viewer *viewer, const cm_rtp_packet *packet,
                         const cm_rtp_extensions *extensions, packet_header *out)
{
    cm_writer w = cm_writer_over(out->bytes, sizeof out->bytes);
    cm_rtp_header_write(&w, packet, extensions, &viewer->config.media.extensions);
    assert(!w.failed); /* what was negotiated was looked at when the viewer was made */
    out->size = w.used;
}

/* By the table of sealed sizes. Were it wrong, it would make padding, and no granule open. */
static void measure(const cm_frame *frame, packet_headers *headers)
{
    headers->packet_size = headers->small_size = 0;
    cm_frame_walk walk = cm_frame_walk_begin(frame);
    for (uint16_t i = 0; i < frame->count; i++) {
        const size_t header = i == 0 ? headers->first.size : headers->other.size;
        const size_t size = header + cm_frame_walk_next(&walk).size - CM_SEAL_TAG_SIZE;
        if (size > headers->packet_size)
            headers->packet_size = size;
        if (size <= SMALL_MAX && size > headers->small_size)
            headers->small_size = size;
    }
}

void cm_webrtc_headers_make(const cm_webrtc_viewer *viewer, const cm_frame *frame,
                            uint32_t timestamp, uint8_t flags, packet_headers *out)
{
    const cm_webrtc_media *media = &viewer->config.media;
    const cm_rtp_packet packet = {
        .payload_type = media->payload_type, .timestamp = timestamp, .ssrc = media->ssrc};
    cm_rtp_extensions extensions = {.has_transport_sequence = true};
    if ((flags & WITH_MID) != 0)
        extensions.mid = media->mid;
    write_header(viewer, &packet, &extensions, &out->other);
    extensions.has_capture_time = true;
    extensions.capture_time = cm_rtp_ntp_of(frame->captured);
    extensions.has_playout_delay = (flags & WITH_PLAYOUT_DELAY) != 0;
    write_header(viewer, &packet, &extensions, &out->first);
    measure(frame, out);
}

/*
 * The last look before a session: whatever was mixed up on the way, what goes into it is of the
 * camera and stream that it is for.
 */
static cm_status check_own(const cm_webrtc_viewer *viewer, const cm_opened_frame *opened)
{
    if (CM_FAULT(SEALING_OFF) || (cm_camera_key_equal(&opened->frame->camera, &viewer->camera) &&
                                  opened->frame->stream == viewer->config.stream))
        return CM_OK;
    cm_hub_report(viewer->config.hub, &viewer->camera, viewer->config.stream, CM_REFUSAL_FOREIGN);
    return CM_BROKEN;
}

static bool is_last(const cm_opened_frame *opened, uint16_t granule)
{
    return granule + 1u == opened->count;
}

static void fill_in(const cm_webrtc_viewer *viewer, packet_header *header,
                    const packet_place *place, bool is_marked, bool is_padded)
{
    cm_writer w = {.bytes = header->bytes, .capacity = header->size, .used = header->size};
    const bool is_extended = header->size > CM_RTP_HEADER_SIZE;
    cm_write_fill_u8(
        &w, FLAGS_AT,
        (uint8_t)(VERSION_2 | (is_padded ? PADDED : 0) | (is_extended ? EXTENDED : 0)));
    cm_write_fill_u8(&w, MARKER_AT,
                     (uint8_t)(viewer->config.media.payload_type | (is_marked ? MARKER : 0)));
    cm_write_fill_u16(&w, SEQUENCE_AT, place->sequence);
    if (viewer->config.media.extensions.transport_sequence > 0)
        cm_write_fill_u16(&w, CM_RTP_TRANSPORT_SEQUENCE_AT, place->number);
    assert(!w.failed);
}

/* Granules of a picture differ by a byte, and the first header by a few more. Packets of one size
 * leave as one datagram for the kernel to cut: those that are almost as large as the largest are
 * made so. What many cameras put before the slices (parameter sets, SEI) is small, and one such
 * packet is made as large as the other: a few bytes cost less than a datagram. */
static uint8_t padding_of(const packet_headers *headers, size_t size)
{
    const size_t missing = headers->packet_size - size;
    if (missing <= PADDING_MAX)
        return (uint8_t)missing;
    return size < headers->small_size ? (uint8_t)(headers->small_size - size) : 0;
}

cm_status cm_webrtc_put(cm_webrtc_viewer *viewer, packet_headers *headers,
                        const cm_opened_frame *opened, const packet_place *place, webrtc_send *send,
                        size_t *size_out)
{
    CM_TRY(check_own(viewer, opened));
    packet_header *header = place->granule == 0 ? &headers->first : &headers->other;
    const cm_slice granule = opened->granules[place->granule];
    const uint8_t padding_size = padding_of(headers, header->size + granule.size);
    uint8_t padding[SMALL_MAX] = {0};
    if (padding_size > 0)
        padding[padding_size - 1] = padding_size; /* RFC 3550 5.1: the last octet counts them */
    fill_in(viewer, header, place, is_last(opened, place->granule), padding_size > 0);
    const cm_slice parts[] = {granule, cm_slice_over(padding, padding_size)};
    *size_out = header->size + granule.size + padding_size;
    CM_IGNORE(send(viewer->config.transport->context, cm_slice_over(header->bytes, header->size),
                   parts, padding_size > 0 ? 2 : 1),
              "the peer asks for what is lost, wherever it was");
    return CM_OK;
}

cm_status cm_webrtc_put_rtx(cm_webrtc_viewer *viewer, const cm_opened_frame *opened,
                            uint32_t timestamp, const packet_place *place)
{
    CM_TRY(check_own(viewer, opened));
    const cm_webrtc_config *config = &viewer->config;
    const uint16_t number = config->transport->next_number++;
    const cm_rtp_packet packet = {.marker = is_last(opened, place->granule),
                                  .payload_type = config->media.rtx_payload_type,
                                  .sequence_number = viewer->rtx_sequence++,
                                  .timestamp = timestamp,
                                  .ssrc = config->media.rtx_ssrc};
    cm_rtp_extensions extensions = {.has_transport_sequence = true, .transport_sequence = number};
    if (!viewer->is_acknowledged)
        extensions.mid = config->media.mid;
    packet_header header;
    write_header(viewer, &packet, &extensions, &header);
    uint8_t original[CM_RTP_RTX_SIZE];
    cm_writer w = cm_writer_over(original, sizeof original);
    cm_rtp_rtx_write(&w, place->sequence);
    const cm_slice parts[] = {cm_writer_done(&w), opened->granules[place->granule]};
    CM_IGNORE(config->transport->send_rtp(config->transport->context,
                                          cm_slice_over(header.bytes, header.size), parts, 2),
              "the peer asks once more");
    cm_webrtc_note_sent(viewer, number, header.size + sizeof original + parts[1].size);
    return CM_OK;
}

void cm_webrtc_note_sent(const cm_webrtc_viewer *viewer, uint16_t number, size_t bytes)
{
    const cm_webrtc_estimator *estimator = viewer->config.estimator;
    if (estimator != NULL)
        estimator->on_sent(estimator->context, number, bytes, cm_loop_now(viewer->config.loop));
}
