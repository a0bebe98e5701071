/*
 * fault_media: mistakes of the hub made on purpose (base/fault.h): what a channel hands out in
 * place of the frame it should. In a release nothing of it is there.
 */
#pragma once

#include "media/hub_priv.h"

#ifdef CM_FAULT_INJECTION

/*
 * The frame that is served in place of `frame`, with one hold by the hub's loop: the same, or
 * ring.swap: one of another camera's channel, best of another home;
 * frame.reuse: a copy whose memory was filled with another camera's granules;
 * frame.replay: an older one of this channel.
 */
cm_frame *cm_fault_frame(channel *c, cm_frame *frame);
/* rtx.swap: what is opened again in place of the frame that a viewer has had, borrowed. */
cm_frame *cm_fault_again(const channel *c, cm_frame *frame);
/* What a still is made of in place of the channel's keyframe (NULL: it has none); ring.swap. */
cm_frame *cm_fault_keyframe(const channel *c, cm_frame *keyframe);

#else

static inline cm_frame *cm_fault_keyframe(const channel *c, cm_frame *keyframe)
{
    (void)c;
    return keyframe;
}

static inline cm_frame *cm_fault_again(const channel *c, cm_frame *frame)
{
    (void)c;
    return frame;
}

static inline cm_frame *cm_fault_frame(channel *c, cm_frame *frame)
{
    cm_frame_hold(frame, c->hub->index);
    return frame;
}

#endif
