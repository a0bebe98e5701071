/* A sound file: every frame of every tone lies in its set, and any moment names one. */
#include "fuzz.h"

#include "simcam/sound_loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_sound_set *set;
    if (cm_sound_set_parse(cm_slice_over(data, size), &set) != CM_OK)
        return 0;
    CHECK(set->config_size <= CM_SOUND_FILE_CONFIG_MAX && set->clock_rate > 0);
    for (size_t tone = 0; tone < CM_TONES; tone++) {
        const cm_sound_loop *loop = &set->loops[tone];
        CHECK(loop->frame_count > 0 && loop->frame_us > 0);
        CHECK((uint64_t)loop->frame_us * loop->frame_count % 1000000 == 0);
        for (uint64_t i = 0; i < loop->frame_count; i++) {
            const cm_slice frame = cm_sound_loop_frame(loop, UINT64_MAX - i);
            CHECK(frame.size > 0 && frame.size <= CM_SOUND_FILE_FRAME_MAX);
            touch(frame);
        }
    }
    cm_sound_set_destroy(set);
    return 0;
}
