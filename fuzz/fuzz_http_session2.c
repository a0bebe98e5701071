/* A connection of HTTP/2 with handlers, slow writes, timers and resets: see http_session.h. The
 * connection preface (RFC 9113 3.4) and empty settings stand before the input. */
#include "http_session.h"

enum { INPUT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t storage[INPUT_MAX + 64];
    const cm_slice all = cm_slice_over(data, size);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_slice(&w, cm_slice_part(all, 0, SESSION_SIZES));
    cm_write_text(&w, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    cm_write_u32(&w, 0);
    cm_write_u8(&w, 0);
    cm_write_u32(&w, 0);
    storage[SESSION_SIZES + 24 + 3] = 4; /* SETTINGS */
    cm_write_slice(&w, cm_slice_part(all, SESSION_SIZES, INPUT_MAX));
    run_session(cm_writer_done(&w), cm_http2_connection_init);
    return 0;
}
