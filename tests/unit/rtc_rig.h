/*
 * rtc_rig: an endpoint with viewers on a simulated network, each viewer with its peer on a host of
 * its own; for rtc_test.c and rtc_trouble_test.c.
 */
#pragma once

#include "rtc_peer.h"
#include "world.h"

#include <sys/time.h>
#include <time.h>

#include "net/net_priv.h"
#include "net/rtc_priv.h"
#include "net/sim.h"

enum { VIEWERS_MAX = 3 };

typedef enum wrecking { /* in which event a viewer destroys its session */
                        WRECK_NEVER,
                        WRECK_CONNECTED,
                        WRECK_RTP,
                        WRECK_RTCP,
                        WRECK_CLOSED,
                        WRECK_MOVED,
} wrecking;

typedef struct viewer viewer;
struct viewer {
    cm_rtc_session *session;
    viewer *victim; /* whose session it destroys; NULL: its own */
    wrecking wrecks;
    unsigned connected, rtp, rtcp, closed, moved;
    cm_rtc_cause cause;
    size_t last_size;
    uint8_t last[2048];
    uint16_t sequence;
    cm_net *net;
    cm_net *second_net; /* its peer's other host */
    rtc_peer peer;
};

typedef struct rig {
    world w;
    cm_sim_network *network;
    cm_net *net;
    cm_rtc_endpoint *endpoint;
    cm_rtc_endpoint_config config;
    cm_address address;
    viewer viewers[VIEWERS_MAX];
} rig;

static cm_loop *virtual_time; /* NULL: the machine's */

/* What OpenSSL reads for its timers: the peer's must run on virtual time too. */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict zone)
{
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t us = virtual_time != NULL ? cm_loop_wall(virtual_time).us
                                            : (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    *tv = (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    return 0;
}

static uint64_t rig_seed = 1;
static cm_dtls_identity *identity;
static dtls_certificate certificate;
static dtls_client_options options;

static inline int open_identity(void **state)
{
    (void)state;
    certificate = dtls_certificate_make(DTLS_KEY_P256);
    options.first_timer_us = 50000; /* as browsers do */
    return cm_dtls_identity_create((cm_wall){CM_SECONDS(1800000000)}, &identity) == CM_OK ? 0 : -1;
}

static inline int close_identity(void **state)
{
    (void)state;
    cm_dtls_identity_destroy(identity);
    dtls_certificate_free(&certificate);
    return 0;
}

static inline cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

/* ---- events ---- */

static inline void wreck_if(viewer *v, wrecking which)
{
    if (v->wrecks != which)
        return;
    viewer *victim = v->victim != NULL ? v->victim : v;
    cm_rtc_session_destroy(victim->session);
    victim->session = NULL;
}

static inline void on_connected(void *owner)
{
    viewer *v = owner;
    assert_true(v->closed == 0 && cm_rtc_session_is_connected(v->session));
    v->connected++;
    wreck_if(v, WRECK_CONNECTED);
}

static inline void keep_packet(viewer *v, cm_slice packet)
{
    assert_int_equal(v->closed, 0);
    v->last_size = packet.size;
    cm_slice_copy(packet, v->last, sizeof v->last);
}

static inline void on_rtp(void *owner, cm_slice packet)
{
    viewer *v = owner;
    v->rtp++;
    keep_packet(v, packet);
    wreck_if(v, WRECK_RTP);
}

static inline void on_rtcp(void *owner, cm_slice compound)
{
    viewer *v = owner;
    v->rtcp++;
    keep_packet(v, compound);
    wreck_if(v, WRECK_RTCP);
}

static inline void on_closed(void *owner, cm_rtc_cause cause)
{
    viewer *v = owner;
    assert_int_equal(v->closed, 0);
    v->closed++;
    v->cause = cause;
    wreck_if(v, WRECK_CLOSED);
}

static inline void on_moved(void *owner)
{
    viewer *v = owner;
    assert_true(v->closed == 0 && cm_rtc_session_is_connected(v->session));
    v->moved++;
    wreck_if(v, WRECK_MOVED);
}

static const cm_rtc_events EVENTS = {.on_moved = on_moved,
                                     .on_connected = on_connected,
                                     .on_rtp = on_rtp,
                                     .on_rtcp = on_rtcp,
                                     .on_closed = on_closed};

/* ---- the rig ---- */

static inline void rig_open_at(rig *r, const char *address)
{
    *r = (rig){.address = address_of(address)};
    world_open_sim(&r->w, rig_seed);
    virtual_time = r->w.loop;
    assert_int_equal(cm_sim_network_create(r->w.sim, &r->network), CM_OK);
    cm_address host = r->address;
    host.port = 0;
    assert_int_equal(cm_sim_host_create(r->network, r->w.loop, &host, &r->net), CM_OK);
    r->config = (cm_rtc_endpoint_config){
        .net = r->net, .identity = identity, .addresses = &r->address, .address_count = 1};
    assert_int_equal(cm_rtc_endpoint_create(&r->config, &r->endpoint), CM_OK);
}

static inline void rig_open(rig *r)
{
    rig_open_at(r, "10.0.0.1:8189");
}

static inline void run_for(rig *r, int64_t us)
{
    cm_sim_run_for(r->w.sim, us);
}

static inline const cm_rtc_counters *counters(const rig *r)
{
    return cm_rtc_endpoint_counters(r->endpoint);
}

static inline cm_net *host_at(rig *r, const char *address)
{
    cm_net *net;
    const cm_address host = address_of(address);
    assert_int_equal(cm_sim_host_create(r->network, r->w.loop, &host, &net), CM_OK);
    return net;
}

static inline cm_status session_create(rig *r, viewer *v)
{
    const cm_fingerprint fingerprint = dtls_certificate_digest(&certificate, EVP_sha256());
    const cm_rtc_session_config config = {.remote_ufrag = CM_TEXT("peer"),
                                          .fingerprints = &fingerprint,
                                          .fingerprint_count = 1,
                                          .events = &EVENTS,
                                          .owner = v};
    return cm_rtc_session_create(r->endpoint, &config, &v->session);
}

/* A session and its peer, which begins in the next turn. */
static inline viewer *viewer_open_at(rig *r, unsigned index, const char *address)
{
    viewer *v = &r->viewers[index];
    const cm_address local = address_of(address);
    assert_int_equal(session_create(r, v), CM_OK);
    v->net = host_at(r, address);
    rtc_peer_open(&v->peer, v->net, &local, &options, &certificate);
    v->peer.server = r->address;
    v->peer.theirs = *cm_rtc_session_local(v->session);
    return v;
}

static inline viewer *viewer_open(rig *r, unsigned index)
{
    static const char *const ADDRESSES[VIEWERS_MAX] = {"10.0.1.1", "10.0.1.2", "10.0.1.3"};
    return viewer_open_at(r, index, ADDRESSES[index]);
}

static inline void peer_add_address(rig *r, viewer *v, const char *address)
{
    const cm_address local = address_of(address);
    v->second_net = host_at(r, address);
    rtc_peer_add_address(&v->peer, 1, v->second_net, &local);
}

static inline void rig_close(rig *r)
{
    for (size_t i = 0; i < VIEWERS_MAX; i++)
        cm_rtc_session_destroy(r->viewers[i].session);
    cm_rtc_endpoint_destroy(r->endpoint);
    for (size_t i = 0; i < VIEWERS_MAX; i++) {
        if (r->viewers[i].net != NULL)
            rtc_peer_close(&r->viewers[i].peer);
    }
    run_for(r, CM_SECONDS(3));
    for (size_t i = 0; i < VIEWERS_MAX; i++) {
        cm_net_destroy(r->viewers[i].net);
        cm_net_destroy(r->viewers[i].second_net);
    }
    cm_net_destroy(r->net);
    cm_sim_network_destroy(r->network);
    virtual_time = NULL;
    world_close(&r->w);
}

static inline bool is_connected(void *owner)
{
    const viewer *v = owner;
    return v->connected > 0 && v->peer.srtp != NULL;
}

static inline void rig_connect(rig *r, viewer *v)
{
    assert_true(cm_sim_run_until(r->w.sim, is_connected, v, CM_SECONDS(20)));
}

/* ---- packets of ours ---- */

enum { VIEWER_SSRC = 0x1234 };

typedef cm_status viewer_sender(cm_rtc_session *session, const uint8_t *header, size_t header_size,
                                const cm_slice *payload, size_t parts);

static inline cm_status viewer_send_by(viewer_sender *send, viewer *v, uint16_t sequence,
                                       size_t size)
{
    static const uint8_t PAYLOAD[4096];
    uint8_t header[12];
    rtc_rtp_header(header, 96, sequence, VIEWER_SSRC);
    const cm_slice parts[2] = {cm_slice_over(PAYLOAD, (size - 12) / 2),
                               cm_slice_over(PAYLOAD, size - 12 - (size - 12) / 2)};
    return send(v->session, header, sizeof header, parts, 2);
}

/* `size` with the header of 12 bytes. */
static inline cm_status viewer_send(viewer *v, size_t size)
{
    return viewer_send_by(cm_rtc_session_send_rtp, v, v->sequence++, size);
}

static inline cm_status viewer_resend(viewer *v, uint16_t sequence, size_t size)
{
    return viewer_send_by(cm_rtc_session_resend_rtp, v, sequence, size);
}

static inline cm_status viewer_send_rtcp(viewer *v)
{
    uint8_t report[8];
    const size_t size = rtc_receiver_report(report, 0x1234);
    return cm_rtc_session_send_rtcp(v->session, cm_slice_over(report, size));
}

/* ---- a phone that changes networks ---- */

#define MOVED_PWD "another password of the peer's"

/* On its way from a network that is gone to one that is 100 ms away and loses packets. */
static inline void rig_cut_off(rig *r, const viewer *v, uint32_t loss_per_million)
{
    const cm_sim_path gone = {.is_down = true};
    const cm_sim_path other = {.delay_us = CM_MS(50), .loss_per_million = loss_per_million};
    cm_sim_path_set(r->network, &r->address, &v->peer.addresses[0].local, &gone);
    cm_sim_path_set(r->network, &r->address, &v->peer.addresses[1].local, &other);
}

/*
 * The peer goes on from its second address by an ICE restart: three round trips to ask for it, on a
 * connection of its own, then checks as often as browsers send them. Meanwhile a packet of ours
 * leaves every 20 ms. How long until one arrives there, from the moment its first network is gone.
 */
static inline int64_t rig_restart_elsewhere(rig *r, viewer *v, bool is_full, uint32_t loss)
{
    const cm_instant from = cm_loop_now(r->w.loop);
    rig_cut_off(r, v, loss);
    v->peer.active = 1;
    run_for(r, CM_MS(250)); /* the request has arrived; */
    assert_int_equal(cm_rtc_session_restart(v->session, CM_TEXT("moved")), CM_OK);
    if (is_full)
        assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT(MOVED_PWD), false), CM_OK);
    run_for(r, CM_MS(50)); /* and so has the answer */
    v->peer.theirs = *cm_rtc_session_local(v->session);
    v->peer.ufrag = "moved";
    v->peer.pwd = MOVED_PWD;
    for (unsigned i = 0; v->peer.addresses[1].packets == 0; i++) {
        assert_true(i < 1000);
        if (i % RTC_PEER_CHECK_TICKS == 0)
            rtc_peer_check_now(&v->peer, true);
        assert_int_equal(viewer_send(v, 100), CM_OK);
        run_for(r, CM_MS(20));
    }
    return cm_instant_since(cm_loop_now(r->w.loop), from);
}

/* As cut off, connected and moved once; one in five packets is lost on the other network. */
static inline void expect_going_on(rig *r, viewer *v, bool is_full)
{
    rig_connect(r, v);
    v->peer.sends_no_checks = true; /* but those of rig_restart_elsewhere */
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(r, CM_MS(20));
    assert_int_equal(v->peer.addresses[0].packets, 1);
    const int64_t took = rig_restart_elsewhere(r, v, is_full, 200000);
    assert_true(took <= CM_SECONDS(1));
    assert_int_equal(counters(r)->paths_moved, 1);
    assert_int_equal(v->moved, 1);
    assert_int_equal(v->connected, 1); /* no other handshake */
    assert_int_equal(v->peer.addresses[0].packets, 1);
    assert_int_equal(v->closed, 0);
}
