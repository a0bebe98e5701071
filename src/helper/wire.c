#include "helper/wire.h"

size_t cm_helper_job_size(const cm_frame *frame)
{
    return CM_HELPER_LENGTH_SIZE + CM_HELPER_JOB_HEAD + cm_frame_wire_size(frame);
}

size_t cm_helper_answer_size(const cm_frame *still)
{
    return CM_HELPER_LENGTH_SIZE + CM_HELPER_ANSWER_HEAD +
           (still != NULL ? cm_frame_wire_size(still) : 0);
}

cm_status cm_helper_length_parse(cm_slice bytes, size_t min, size_t max, size_t *out)
{
    cm_reader r = cm_reader_over(bytes);
    const size_t size = cm_read_u32(&r);
    CM_TRY(cm_reader_finish(&r));
    CM_ENSURE(size >= min && size <= max, CM_CLOSE);
    *out = size;
    return CM_OK;
}

cm_status cm_helper_job_write(cm_writer *w, const cm_helper_job *job, const cm_frame *frame)
{
    const size_t size = cm_helper_job_size(frame) - CM_HELPER_LENGTH_SIZE;
    CM_ENSURE(size <= CM_HELPER_JOB_MAX && job->delegation.size == CM_DELEGATION_SIZE, CM_FULL);
    cm_write_u32(w, (uint32_t)size);
    cm_write_u64(w, job->id);
    cm_write_u16(w, job->width);
    cm_write_slice(w, job->delegation);
    cm_frame_write(w, frame);
    return w->failed ? CM_FULL : CM_OK;
}

cm_status cm_helper_answer_write(cm_writer *w, uint64_t id, cm_status status, const cm_frame *still)
{
    const size_t size = cm_helper_answer_size(still) - CM_HELPER_LENGTH_SIZE;
    CM_ENSURE(size <= CM_HELPER_ANSWER_MAX, CM_FULL);
    cm_write_u32(w, (uint32_t)size);
    cm_write_u64(w, id);
    cm_write_u8(w, (uint8_t)status);
    if (still != NULL)
        cm_frame_write(w, still);
    return w->failed ? CM_FULL : CM_OK;
}

cm_status cm_helper_job_parse(cm_slice message, cm_helper_job *out)
{
    CM_ENSURE(message.size <= CM_HELPER_JOB_MAX, CM_CLOSE);
    cm_reader r = cm_reader_over(message);
    const uint64_t id = cm_read_u64(&r);
    const uint16_t width = cm_read_u16(&r);
    const cm_slice delegation = cm_read_slice(&r, CM_DELEGATION_SIZE);
    CM_ENSURE(!r.failed && r.rest.size > 0, CM_CLOSE);
    *out = (cm_helper_job){.id = id, .width = width, .delegation = delegation, .frame = r.rest};
    return CM_OK;
}

static bool is_answer(uint8_t status)
{
    return status == CM_OK || status == CM_FOREIGN || status == CM_FULL || status == CM_BROKEN ||
           status == CM_ABSENT;
}

cm_status cm_helper_answer_parse(cm_slice message, cm_helper_answer *out)
{
    CM_ENSURE(message.size <= CM_HELPER_ANSWER_MAX, CM_CLOSE);
    cm_reader r = cm_reader_over(message);
    const uint64_t id = cm_read_u64(&r);
    const uint8_t status = cm_read_u8(&r);
    CM_ENSURE(!r.failed && is_answer(status), CM_CLOSE);
    CM_ENSURE((status == CM_OK) == (r.rest.size > 0), CM_CLOSE);
    *out = (cm_helper_answer){.id = id, .status = (cm_status)status, .still = r.rest};
    return CM_OK;
}
