/*
 * reach: may a camera of this home be at that address? Making a server connect somewhere is a
 * weapon: it stands inside the house.
 *
 * A home whose `allow` was given in the YAML has cameras there and nowhere else. Any other home:
 * private and public addresses, but never loopback, link-local (cloud metadata lives there),
 * multicast, reserved, or an address of this machine itself. The demo home may reach the simulated
 * cameras of this very process, by exact address and port.
 *
 * Threads: any; the list of own addresses is read anew every 30 s on the control loop.
 */
#pragma once

#include "net/net.h"
#include "server/config.h"

typedef struct cm_reach cm_reach;

cm_status cm_reach_create(cm_net *net, const cm_config *config, cm_reach **out);
void cm_reach_destroy(cm_reach *reach);
/* Any thread. */
void cm_reach_allow_demo(cm_reach *reach, const cm_home_id *home, const cm_address *address);
bool cm_reach_may_connect(cm_reach *reach, const cm_home_id *home, const cm_address *address);
