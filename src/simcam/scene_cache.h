/*
 * scene_cache: encoded scenes and sounds from a folder, made by casement-helper when they are not
 * there yet.
 *
 * Blocks for the seconds that encoding takes: before the loop runs, or in the pool. Any thread.
 */
#pragma once

#include "simcam/scene.h"
#include "simcam/sound_loop.h"

typedef struct cm_scene_wish {
    cm_video_codec codec;
    unsigned variant; /* helper/painting.h: 0 to 3 */
    unsigned width;
    unsigned height;
    unsigned fps;
    unsigned gop;
    unsigned kbps;
    unsigned pictures; /* a multiple of twice gop */
} cm_scene_wish;

/*
 * `helper` is the program's path. `folder` is where encoded scenes are kept (it must be there);
 * NULL keeps none. What is in the folder but can't be parsed is made anew. CM_REFUSE: the helper
 * says the wish is none. CM_BROKEN: it can't be started, dies, or the folder can't be written to.
 */
cm_status cm_scene_cache_get(const char *helper, const char *folder, const cm_scene_wish *wish,
                             cm_scene **out);

/* The same of sound: `codec` is "aac" or "opus". */
cm_status cm_sound_cache_get(const char *helper, const char *folder, const char *codec,
                             cm_sound_set **out);
