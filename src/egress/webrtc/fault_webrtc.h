/*
 * fault_webrtc: mistakes of the WebRTC output made on purpose (base/fault.h). In a release nothing
 * of it is there.
 */
#pragma once

#include "egress/webrtc/webrtc_priv.h"

#ifdef CM_FAULT_INJECTION

/* rtp.neighbour: true if the picture went into another viewer's session instead. */
bool cm_fault_webrtc_misdelivered(const cm_webrtc_viewer *viewer, const cm_opened_frame *opened);
void cm_fault_webrtc_viewer_add(cm_webrtc_viewer *viewer);
void cm_fault_webrtc_viewer_remove(const cm_webrtc_viewer *viewer);

#define CM_FAULT_MISDELIVERED(viewer, opened) cm_fault_webrtc_misdelivered(viewer, opened)
#define CM_FAULT_VIEWER_ADD(viewer)           cm_fault_webrtc_viewer_add(viewer)
#define CM_FAULT_VIEWER_REMOVE(viewer)        cm_fault_webrtc_viewer_remove(viewer)

#else

#define CM_FAULT_MISDELIVERED(viewer, opened) false
#define CM_FAULT_VIEWER_ADD(viewer)           ((void)0)
#define CM_FAULT_VIEWER_REMOVE(viewer)        ((void)0)

#endif
