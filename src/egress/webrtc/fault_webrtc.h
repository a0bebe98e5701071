/*
 * fault_webrtc: mistakes of the WebRTC output made on purpose (base/fault.h). In a release nothing
 * of it is there.
 */
#pragma once

#include "egress/webrtc/sound_priv.h"
#include "egress/webrtc/webrtc_priv.h"

#ifdef CM_FAULT_INJECTION

/* rtp.neighbour: true if the picture went into another viewer's session instead. */
bool cm_fault_webrtc_misdelivered(const cm_webrtc_viewer *viewer, const cm_opened_frame *opened);
void cm_fault_webrtc_viewer_add(cm_webrtc_viewer *viewer);
void cm_fault_webrtc_viewer_remove(const cm_webrtc_viewer *viewer);
/* The same of sound, and of the sessions that get any. */
bool cm_fault_sound_misdelivered(const cm_webrtc_sound *sound, const cm_opened_frame *opened);
void cm_fault_sound_add(cm_webrtc_sound *sound);
void cm_fault_sound_remove(const cm_webrtc_sound *sound);

#define CM_FAULT_MISDELIVERED(viewer, opened)      cm_fault_webrtc_misdelivered(viewer, opened)
#define CM_FAULT_VIEWER_ADD(viewer)                cm_fault_webrtc_viewer_add(viewer)
#define CM_FAULT_VIEWER_REMOVE(viewer)             cm_fault_webrtc_viewer_remove(viewer)
#define CM_FAULT_SOUND_MISDELIVERED(sound, opened) cm_fault_sound_misdelivered(sound, opened)
#define CM_FAULT_SOUND_ADD(sound)                  cm_fault_sound_add(sound)
#define CM_FAULT_SOUND_REMOVE(sound)               cm_fault_sound_remove(sound)

#else

#define CM_FAULT_MISDELIVERED(viewer, opened)      false
#define CM_FAULT_VIEWER_ADD(viewer)                ((void)0)
#define CM_FAULT_VIEWER_REMOVE(viewer)             ((void)0)
#define CM_FAULT_SOUND_MISDELIVERED(sound, opened) false
#define CM_FAULT_SOUND_ADD(sound)                  ((void)0)
#define CM_FAULT_SOUND_REMOVE(sound)               ((void)0)

#endif
