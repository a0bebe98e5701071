/* A User-Agent: whatever it says, the words are printable ASCII and fit. */
#include "fuzz.h"

#include <string.h>

#include "identity/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char device[CM_DEVICE_SIZE];
    memset(device, 'x', sizeof device);
    cm_origin_device(cm_slice_over(data, size), device);
    const size_t length = strnlen(device, sizeof device);
    CHECK(length < sizeof device);
    for (size_t i = 0; i < length; i++)
        CHECK(device[i] >= ' ' && device[i] <= '~');
    return 0;
}
