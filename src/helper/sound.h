/*
 * sound: `casement-helper sound`: encodes the tones of simulated cameras (simcam/tone.h) with
 * libavcodec's AAC encoder or libopus and writes them in the format of simcam/sound_file.h.
 */
#pragma once

#include "base/status.h"

/* `arguments` are those after "sound": --codec aac|opus. CM_REFUSE (said on standard error) for
 * wrong ones, CM_BROKEN if encoding or writing fails. */
cm_status sound_run(int count, char **arguments);
