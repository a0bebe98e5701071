/* A NAT before a host, in the simulated network: UDP's addresses on their way out and in. */
#include <assert.h>
#include <stdlib.h>

#include "net/net_sim_priv.h"

enum {
    BINDINGS_MAX = 256,
    SYMMETRIC_PORT = 20000, /* the first that is given out; others keep theirs */
};

/* What is let in through one port of the outside. */
typedef struct binding {
    cm_address inside;
    cm_address to; /* who was sent to */
    uint16_t port;
    cm_instant used;
} binding;

struct cm_sim_nat {
    cm_sim_nat_kind kind;
    cm_sim_host *host;
    cm_address outside;
    int64_t lasts_us;
    uint16_t next_port;
    binding bindings[BINDINGS_MAX];
    size_t count;
};

static bool is_over(const cm_sim_nat *nat, const binding *b, cm_instant now)
{
    return cm_instant_since(now, b->used) > nat->lasts_us;
}

static void forget_old(cm_sim_nat *nat, cm_instant now)
{
    size_t kept = 0;
    for (size_t i = 0; i < nat->count; i++) {
        if (!is_over(nat, &nat->bindings[i], now))
            nat->bindings[kept++] = nat->bindings[i];
    }
    nat->count = kept;
}

cm_address cm_sim_nat_out(cm_sim_nat *nat, const cm_address *from, const cm_address *to,
                          cm_instant now)
{
    const bool is_symmetric = nat->kind == CM_SIM_NAT_SYMMETRIC;
    cm_address outside = nat->outside;
    binding *b = NULL;
    forget_old(nat, now);
    for (size_t i = 0; i < nat->count && b == NULL; i++) {
        binding *other = &nat->bindings[i];
        if (cm_address_equal(&other->inside, from) && cm_address_equal(&other->to, to))
            b = other;
    }
    if (b == NULL) {
        assert(nat->count < BINDINGS_MAX);
        b = &nat->bindings[nat->count++];
        *b = (binding){
            .inside = *from, .to = *to, .port = is_symmetric ? nat->next_port++ : from->port};
    }
    b->used = now;
    outside.port = b->port;
    return outside;
}

cm_sim_host *cm_sim_nat_in(cm_sim_nat *nat, const cm_address *from, cm_instant now, cm_address *to)
{
    const bool is_symmetric = nat->kind == CM_SIM_NAT_SYMMETRIC;
    forget_old(nat, now);
    for (size_t i = 0; i < nat->count; i++) {
        const binding *b = &nat->bindings[i];
        const bool is_known =
            is_symmetric ? cm_address_equal(&b->to, from) : cm_address_same_host(&b->to, from);
        if (b->port == to->port && is_known) {
            *to = b->inside;
            return nat->host;
        }
    }
    return NULL;
}

void cm_sim_nat_destroy(cm_sim_nat *nat)
{
    free(nat);
}

void cm_sim_nat_set(cm_sim_network *network, const cm_address *inside, const cm_address *outside,
                    cm_sim_nat_kind kind, int64_t lasts_us)
{
    cm_sim_site *in = cm_sim_site_of(network, inside);
    cm_sim_site *out = cm_sim_site_of(network, outside);
    assert(in->host != NULL && in->nat_before == NULL && out->host == NULL && out->nat == NULL);
    cm_sim_nat *nat = calloc(1, sizeof *nat);
    if (nat == NULL)
        abort(); /* a simulation is no server */
    *nat = (cm_sim_nat){.kind = kind,
                        .host = in->host,
                        .outside = *outside,
                        .lasts_us = lasts_us,
                        .next_port = SYMMETRIC_PORT};
    in->nat_before = nat;
    out->nat = nat;
}
