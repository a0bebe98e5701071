/* fleet_priv: what probe.c and ear.c borrow of the fleet: where cameras live and what they are made
 * with. */
#pragma once

#include "devices/fleet.h"

/* What works beside the cameras and must end before the fleet has stopped. Embedded in its owner;
 * all on the control loop. */
typedef struct cm_fleet_guest cm_fleet_guest;
struct cm_fleet_guest {
    cm_list node;
    void (*stop)(cm_fleet_guest *guest); /* end soon, not inside */
};

/* CM_FULL: the fleet is stopping. */
cm_status cm_fleet_guest_enter(cm_fleet *fleet, cm_fleet_guest *guest);
/* One has left the list. May end the loops. */
void cm_fleet_guest_left(cm_fleet *fleet);

/* On the camera's own loop, of that index: what makes its sound over. NULL: nothing does. */
cm_transcode *cm_fleet_transcode_here(const cm_fleet *fleet, size_t loop, const cm_camera_key *key);

const cm_fleet_config *cm_fleet_parts(const cm_fleet *fleet);
cm_connect_gate *cm_fleet_gate(const cm_fleet *fleet, size_t loop);
