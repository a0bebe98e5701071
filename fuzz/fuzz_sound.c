/* The format in front of a frame of sound: what is read can be written, to the same bytes. */
#include "fuzz.h"

#include "media/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cm_slice input = cm_slice_over(data, size);
    cm_sound_format format;
    if (cm_sound_format_read(input, &format) != CM_OK)
        return 0;
    CHECK(format.config_size <= CM_SOUND_CONFIG_MAX && format.channels > 0 && format.rate > 0);
    uint8_t again[CM_SOUND_FORMAT_MAX];
    cm_writer w = cm_writer_over(again, sizeof again);
    CHECK(cm_sound_format_write(&w, &format) == CM_OK);
    CHECK(cm_slice_equal(cm_writer_done(&w), input));
    return 0;
}
