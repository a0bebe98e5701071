/*
 * sim: a simulated network for virtual time: hosts with addresses, links with delay, jitter, loss,
 * reordering and a rate. TCP there is a reliable byte pipe with a send buffer, delay and rate
 * (losses become delay; a path that is down holds it up); UDP loses and reorders, and a link with a
 * rate drops what would wait over 200 ms. An address nobody has is CM_ABSENT to connects. Memory
 * for the simulation aborts when there is none.
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
void cm_sim_network_destroy(cm_sim_network *network); /* after its hosts */
/* A host with one address, on one loop. Several hosts may share a loop. CM_REFUSE: the address is
 * taken. Destroyed by cm_net_destroy. */
cm_status cm_sim_host_create(cm_sim_network *network, cm_loop *loop, const cm_address *address,
                             cm_net **out);
void cm_sim_path_set(cm_sim_network *network, const cm_address *a, const cm_address *b,
                     const cm_sim_path *path);
/*
 * A NAT before the host at `inside`, for UDP: what it sends comes from `outside`, which nobody has,
 * and what is sent there passes in as the kind says. A binding that nothing has left by for
 * `lasts_us` is forgotten. Its own network is the host alone: others reach `inside` as before.
 */
typedef enum cm_sim_nat_kind {
    CM_SIM_NAT_RESTRICTED, /* keeps the port; lets in addresses that were sent to, from any port */
    CM_SIM_NAT_SYMMETRIC,  /* a port for each destination; lets in that one alone */
} cm_sim_nat_kind;
void cm_sim_nat_set(cm_sim_network *network, const cm_address *inside, const cm_address *outside,
                    cm_sim_nat_kind kind, int64_t lasts_us);
/* Names for cm_net_resolve; the same name may be set again (rebinding). */
cm_status cm_sim_name_set(cm_sim_network *network, const char *name, const cm_address *address);
/* What has been sent to an address so far, also if nobody has it or nothing arrived: for tests of
 * what was never contacted. Attempts to connect, and bytes of TCP and UDP. */
uint64_t cm_sim_connects_to(cm_sim_network *network, const cm_address *address);
uint64_t cm_sim_bytes_to(cm_sim_network *network, const cm_address *address);
