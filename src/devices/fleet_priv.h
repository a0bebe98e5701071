/* fleet_priv: what probe.c borrows of the fleet: where cameras live and what they are made with. */
#pragma once

#include "devices/fleet.h"

const cm_fleet_config *cm_fleet_parts(const cm_fleet *fleet);
cm_connect_gate *cm_fleet_gate(const cm_fleet *fleet, size_t loop);
