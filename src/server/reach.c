#include "server/reach.h"

#include <pthread.h>
#include <stdlib.h>

enum { OWN_MAX = 64, OWN_EVERY_SECONDS = 30 };

struct cm_reach {
    cm_net *net;
    const cm_config *config;
    cm_timer timer;
    pthread_mutex_t lock; /* over what follows: written on the control loop, read on all; never on
                             the media path */
    cm_address own[OWN_MAX];
    size_t own_count;
    bool knows_own;
    bool has_demo;
    cm_home_id demo_home;
    cm_address demo_address;
};

static void read_own(cm_reach *reach)
{
    cm_address found[OWN_MAX];
    size_t count = 0;
    const bool is_known = cm_net_own_addresses(reach->net, found, OWN_MAX, &count) == CM_OK;
    pthread_mutex_lock(&reach->lock);
    if (is_known) {
        for (size_t i = 0; i < count; i++)
            reach->own[i] = found[i];
        reach->own_count = count;
    }
    reach->knows_own = reach->knows_own || is_known;
    pthread_mutex_unlock(&reach->lock);
}

static void on_timer(cm_timer *timer)
{
    cm_reach *reach = CM_HOLDER(timer, cm_reach, timer);
    read_own(reach);
    cm_timer_start(&reach->timer, CM_SECONDS(OWN_EVERY_SECONDS));
}

cm_status cm_reach_create(cm_net *net, const cm_config *config, cm_reach **out)
{
    cm_reach *reach = calloc(1, sizeof *reach);
    CM_ENSURE(reach != NULL, CM_BROKEN);
    reach->net = net;
    reach->config = config;
    pthread_mutex_init(&reach->lock, NULL);
    cm_timer_init(&reach->timer, cm_net_loop(net), on_timer);
    read_own(reach);
    cm_timer_start(&reach->timer, CM_SECONDS(OWN_EVERY_SECONDS));
    *out = reach;
    return CM_OK;
}

void cm_reach_destroy(cm_reach *reach)
{
    if (reach == NULL)
        return;
    cm_timer_stop(&reach->timer);
    pthread_mutex_destroy(&reach->lock);
    free(reach);
}

void cm_reach_allow_demo(cm_reach *reach, const cm_home_id *home, const cm_address *address)
{
    pthread_mutex_lock(&reach->lock);
    reach->has_demo = true;
    reach->demo_home = *home;
    reach->demo_address = *address;
    pthread_mutex_unlock(&reach->lock);
}

static const cm_declared_home *find_home(const cm_config *config, const cm_home_id *home)
{
    for (size_t i = 0; i < config->home_count; i++)
        if (cm_home_id_equal(&config->homes[i].id, home))
            return &config->homes[i];
    return NULL;
}

/* An address of this machine, or (when they could not be read) possibly one. */
static bool is_own(cm_reach *reach, const cm_address *address)
{
    pthread_mutex_lock(&reach->lock);
    bool is_ours = !reach->knows_own;
    for (size_t i = 0; i < reach->own_count && !is_ours; i++)
        is_ours = cm_address_same_host(&reach->own[i], address);
    pthread_mutex_unlock(&reach->lock);
    return is_ours;
}

static bool is_demo(cm_reach *reach, const cm_home_id *home, const cm_address *address)
{
    pthread_mutex_lock(&reach->lock);
    const bool is_it = reach->has_demo && cm_home_id_equal(home, &reach->demo_home) &&
                       cm_address_equal(address, &reach->demo_address);
    pthread_mutex_unlock(&reach->lock);
    return is_it;
}

bool cm_reach_may_connect(cm_reach *reach, const cm_home_id *home, const cm_address *address)
{
    if (is_demo(reach, home, address))
        return true;
    const cm_declared_home *declared = find_home(reach->config, home);
    if (declared != NULL && declared->allow_count > 0) {
        for (size_t i = 0; i < declared->allow_count; i++)
            if (cm_range_contains(&declared->allow[i], address))
                return true;
        return false;
    }
    const cm_address_kind kind = cm_address_kind_of(address);
    return (kind == CM_ADDRESS_PRIVATE || kind == CM_ADDRESS_PUBLIC) && !is_own(reach, address);
}
