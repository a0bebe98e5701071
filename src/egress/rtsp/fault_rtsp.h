/*
 * fault_rtsp: mistakes of the RTSP output made on purpose (base/fault.h). In a release nothing of
 * it is there.
 */
#pragma once

#include "egress/rtsp/rtsp_priv.h"

#ifdef CM_FAULT_INJECTION

/* rtp.neighbour: true if the frame went into another viewer's connection instead. */
bool cm_fault_rtsp_misdelivered(const rtsp_track *track, const cm_opened_frame *opened);
void cm_fault_rtsp_viewer_add(cm_rtsp_viewer *viewer);
void cm_fault_rtsp_viewer_remove(const cm_rtsp_viewer *viewer);

#define CM_FAULT_MISDELIVERED(track, opened) cm_fault_rtsp_misdelivered(track, opened)
#define CM_FAULT_VIEWER_ADD(viewer)          cm_fault_rtsp_viewer_add(viewer)
#define CM_FAULT_VIEWER_REMOVE(viewer)       cm_fault_rtsp_viewer_remove(viewer)

#else

#define CM_FAULT_MISDELIVERED(track, opened) false
#define CM_FAULT_VIEWER_ADD(viewer)          ((void)0)
#define CM_FAULT_VIEWER_REMOVE(viewer)       ((void)0)

#endif
