/*
 * sim: a simulated network for virtual time: hosts with addresses, links with delay, jitter, loss,
 * reordering and a rate. TCP there is a reliable byte pipe with a send buffer, delay and rate
 * (losses become delay); UDP loses and reorders.
 */
#pragma once

#include "loop/sim.h"
#include "net/net.h"

typedef struct cm_sim_network cm_sim_network;

typedef struct cm_sim_path {
    int64_t delay_us;  /* one way; default 200 */
    int64_t jitter_us; /* uniform in [0, jitter) on top */
    uint32_t loss_per_million;
    uint64_t bits_per_second; /* 0: no limit */
    bool is_down;             /* nothing passes; connects time out */
} cm_sim_path;

cm_status cm_sim_network_create(cm_sim *sim, cm_sim_network **out);
void cm_sim_network_destroy(cm_sim_network *network);
/* A host with one address, on one loop. Several hosts may share a loop. */
cm_status cm_sim_host_create(cm_sim_network *network, cm_loop *loop, const cm_address *address,
                             cm_net **out);
void cm_sim_path_set(cm_sim_network *network, const cm_address *a, const cm_address *b,
                     const cm_sim_path *path);
/* Names for cm_net_resolve; the same name may be set again (rebinding). */
cm_status cm_sim_name_set(cm_sim_network *network, const char *name, const cm_address *address);
/* How many TCP bytes and connects have gone to an address so far: tests of what was never
 * contacted. */
uint64_t cm_sim_connects_to(const cm_sim_network *network, const cm_address *address);
