/* A connection of HTTP/1.1 with handlers, slow writes, timers and resets: see http_session.h. */
#include "http_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_session(cm_slice_over(data, size), cm_http1_connection_init);
    return 0;
}
