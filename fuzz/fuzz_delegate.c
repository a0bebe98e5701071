/* Frames from a wire, delegation records and both messages of the helper's wire. */
#include "fuzz.h"

#include "helper/wire.h"

static void read_frame(cm_slice wire)
{
    cm_frame *frame = NULL;
    if (cm_frame_read(wire, 0, &frame) != CM_OK)
        return;
    CHECK(cm_frame_wire_size(frame) == wire.size);
    cm_frame_walk walk = cm_frame_walk_begin(frame);
    size_t count = 0;
    for (cm_slice g = cm_frame_walk_next(&walk); g.size > 0; g = cm_frame_walk_next(&walk)) {
        touch(g);
        count++;
    }
    CHECK(count == frame->count && walk.rest.size == 0);
    uint8_t *again = malloc(wire.size);
    CHECK(again != NULL);
    cm_writer w = cm_writer_over(again, wire.size);
    cm_frame_write(&w, frame);
    CHECK(!w.failed && cm_slice_equal(cm_writer_done(&w), wire));
    free(again);
    cm_frame_release(frame, 0);
}

/* Bytes that name a frame do not open it. */
static void use_record(const uint8_t *record, cm_slice wire)
{
    cm_delegated *delegated = NULL;
    cm_frame *frame = NULL;
    cm_opened_frame opened;
    if (cm_delegated_create(record, &delegated) != CM_OK)
        return;
    if (cm_frame_read(wire, 0, &frame) == CM_OK) {
        CHECK(cm_delegated_open(delegated, frame, &opened) != CM_OK);
        cm_frame_release(frame, 0);
    }
    cm_delegated_destroy(delegated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cm_slice input = cm_slice_over(data, size);
    cm_helper_job job;
    cm_helper_answer answer;
    read_frame(input);
    if (cm_helper_job_parse(input, &job) == CM_OK) {
        CHECK(job.delegation.size == CM_DELEGATION_SIZE);
        read_frame(job.frame);
        use_record(job.delegation.bytes, job.frame);
    }
    if (cm_helper_answer_parse(input, &answer) == CM_OK)
        read_frame(answer.still);
    return 0;
}
