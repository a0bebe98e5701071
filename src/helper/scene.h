/*
 * scene: `casement-helper scene`: paints one loop for the simulated camera (painting.h), encodes
 * it with libx264 or libx265 and writes it in the format of simcam/scene_file.h.
 *
 * What is encoded is the picture below the strip only (simcam/code.h), as a picture of its own:
 * Constrained Baseline or Main, one slice a picture, one reference, nothing deblocked, so that
 * simcam can move it down below a strip without looking inside.
 */
#pragma once

#include "base/status.h"

/* `arguments` are those after "scene": --variant N --size WxH --fps N --gop N --kbps N --frames N
 * --codec h264|h265, each optional. CM_REFUSE (said on standard error) for wrong ones, CM_BROKEN if
 * encoding or writing fails. */
cm_status scene_run(int count, char **arguments);
