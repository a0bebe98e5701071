/*
 * nal_rewrite: a NAL unit of either codec taken out of its emulation prevention, its bits written
 * anew by the caller, and put back into it.
 *
 * Pure but for scratch memory.
 */
#pragma once

#include "base/buffer.h"
#include "simcam/bit_writer.h"

/* Reads the bits behind the NAL header and writes those that stand there afterwards, to a whole
 * byte; at most CM_NAL_GROWTH bytes more. */
typedef cm_status cm_nal_rewriter(void *context, cm_bits *from, cm_bit_writer *to);

enum { CM_NAL_GROWTH = 64 };

/* `header_size` bytes stay as they are. The NAL unit is added to `out`, or nothing is. CM_FULL if
 * that is at its bound, CM_REFUSE if it is too short, else what `rewrite` says. */
cm_status cm_nal_rewrite(cm_slice nal, size_t header_size, cm_nal_rewriter *rewrite, void *context,
                         cm_buffer *out);
