/*
 * fault_mp4: mistakes of the MP4 output made on purpose (base/fault.h). In a release nothing of it
 * is there.
 */
#pragma once

#include "egress/mp4/mp4_priv.h"

#ifdef CM_FAULT_INJECTION

/* part.swap: *layout becomes what was laid out last for another camera. Keeps copies for that. */
void cm_fault_layout(cm_mp4_muxer *muxer, cm_mp4_layout *layout);
void cm_fault_muxer_end(cm_mp4_muxer *muxer);

/* write.neighbour: true if the picture went to another viewer's response instead. */
bool cm_fault_misdelivered(const cm_mp4_viewer *viewer, const cm_opened_frame *opened);
void cm_fault_viewer_add(cm_mp4_viewer *viewer);
void cm_fault_viewer_remove(const cm_mp4_viewer *viewer);

#define CM_FAULT_LAYOUT(muxer, layout)        cm_fault_layout(muxer, layout)
#define CM_FAULT_MUXER_END(muxer)             cm_fault_muxer_end(muxer)
#define CM_FAULT_MISDELIVERED(viewer, opened) cm_fault_misdelivered(viewer, opened)
#define CM_FAULT_VIEWER_ADD(viewer)           cm_fault_viewer_add(viewer)
#define CM_FAULT_VIEWER_REMOVE(viewer)        cm_fault_viewer_remove(viewer)

#else

#define CM_FAULT_LAYOUT(muxer, layout)        ((void)0)
#define CM_FAULT_MUXER_END(muxer)             ((void)0)
#define CM_FAULT_MISDELIVERED(viewer, opened) false
#define CM_FAULT_VIEWER_ADD(viewer)           ((void)0)
#define CM_FAULT_VIEWER_REMOVE(viewer)        ((void)0)

#endif
