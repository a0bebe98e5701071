/*
 * fault_talk: mistakes with what viewers say made on purpose (base/fault.h). In a release nothing
 * of it is there.
 */
#pragma once

#include "api/whep.h"

#ifdef CM_FAULT_INJECTION

/* talk.neighbour: one who speaks to another camera, in whose place the packet is put; else himself.
 */
cm_whep *cm_fault_talk_target(cm_whep *whep);
/* talk.lease.swap: the lease of one who speaks to another camera; else his own. */
const cm_lease *cm_fault_talk_lease(const cm_whep *whep);

#define CM_FAULT_TALK_TARGET(whep) cm_fault_talk_target(whep)
#define CM_FAULT_TALK_LEASE(whep)  cm_fault_talk_lease(whep)

#else

#define CM_FAULT_TALK_TARGET(whep) (whep)
#define CM_FAULT_TALK_LEASE(whep)  ((whep)->talk->lease)

#endif
