#include "api/fault_talk.h"

#ifdef CM_FAULT_INJECTION

#include "base/fault.h"

/* One who speaks to another camera, and has its floor. */
static cm_whep *neighbour_of(const cm_whep *whep)
{
    CM_LIST_EACH(&whep->place.api->wheps, node, next)
    {
        cm_whep *other = CM_HOLDER(node, cm_whep, node);
        const cm_whep_talk *talk = other->talk;
        if (talk != NULL && talk->floor.camera != NULL && talk->lease != NULL &&
            !cm_camera_key_equal(&other->place.camera, &whep->place.camera))
            return other;
    }
    return NULL;
}

cm_whep *cm_fault_talk_target(cm_whep *whep)
{
    cm_whep *other = neighbour_of(whep);
    return other != NULL && CM_FAULT(TALK_NEIGHBOUR) ? other : whep;
}

const cm_lease *cm_fault_talk_lease(const cm_whep *whep)
{
    const cm_whep *other = neighbour_of(whep);
    return other != NULL && CM_FAULT(TALK_LEASE_SWAP) ? other->talk->lease : whep->talk->lease;
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_talk_none;
#endif
