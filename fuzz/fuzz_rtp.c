/* RTP: what parses is written back to the very same bytes (but for the content of the padding). */
#include "fuzz.h"
#include "proto/rtp/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t storage[1 << 20];
    cm_rtp_packet packet;
    const cm_slice bytes = cm_slice_over(data, size);
    if (size > sizeof storage || cm_rtp_parse(bytes, &packet) != CM_OK)
        return 0;
    touch(packet.csrcs);
    touch(packet.extension);
    touch(packet.payload);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_slice out;
    cm_rtp_write(&w, &packet);
    CHECK(cm_writer_finish(&w, &out) == CM_OK);
    CHECK(out.size == size);
    const size_t unpadded = size - packet.padding_size;
    CHECK(cm_slice_equal(cm_slice_part(out, 0, unpadded), cm_slice_part(bytes, 0, unpadded)));
    return 0;
}
