/* net/rtc among strangers, liars and owners who destroy things at any moment. One behaviour a case.
 */
#include "rtc_rig.h"

#include <malloc.h>
#include <stdlib.h>

/* ---- strangers ---- */

/* A host that sends what it likes to the endpoint, and hears what comes back. */
typedef struct stranger {
    cm_net *net;
    cm_udp *udp;
    cm_address local;
    cm_address to;
    unsigned heard;
} stranger;

static void stranger_on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    stranger *s = owner;
    (void)datagrams;
    s->heard += (unsigned)count;
}

static void stranger_open(rig *r, stranger *s)
{
    *s = (stranger){.net = host_at(r, "10.0.66.6"), .to = r->address};
    const cm_udp_config config = {
        .local = address_of("10.0.66.6:6666"), .on_datagrams = stranger_on_datagrams, .owner = s};
    assert_int_equal(cm_udp_open(s->net, &config, &s->udp), CM_OK);
    s->local = cm_udp_local(s->udp);
}

static void stranger_send(stranger *s, cm_slice bytes)
{
    const cm_datagram datagram = {.bytes = bytes, .peer = s->to};
    size_t sent;
    assert_int_equal(cm_udp_send(s->udp, &datagram, 1, &sent), CM_OK);
}

/* The stranger hears nothing, and goes. */
static void stranger_close(rig *r, stranger *s)
{
    run_for(r, CM_SECONDS(1));
    assert_int_equal(s->heard, 0);
    assert_int_equal(cm_sim_bytes_to(r->network, &s->local), 0);
    cm_udp_close(s->udp);
    run_for(r, CM_MS(1));
    cm_net_destroy(s->net);
}

/* AddressSanitizer's own count, where it is compiled in. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t heap_in_use(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

/* A check as a stranger may write it, who has seen a username but not the password. */
static cm_slice forged_check(rig *r, const char *username, const char *pwd, cm_writer *w)
{
    cm_stun_message m = {.method = CM_STUN_BINDING,
                         .username = cm_slice_of(username),
                         .role = CM_STUN_CONTROLLING,
                         .uses_candidate = true};
    cm_random_fill(cm_sim_random(r->w.sim), m.transaction, sizeof m.transaction);
    w->used = 0;
    assert_int_equal(cm_stun_write(r->endpoint->hasher, &m, cm_slice_of(pwd), w), CM_OK);
    return cm_writer_done(w);
}

static void a_flood_of_forged_checks_gets_no_byte_and_costs_no_memory(void **state)
{
    (void)state;
    rig r;
    stranger s;
    rig_open(&r);
    stranger_open(&r, &s);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    char username[64];
    uint8_t bytes[256];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    snprintf(username, sizeof username, "%s:peer", v->peer.theirs.ufrag);
    run_for(&r, CM_SECONDS(12)); /* until DTLS has let go of its last flight */
    stranger_send(&s, BYTES(0)); /* and the simulator has made itself a link */
    v->peer.sends_no_checks = true;
    run_for(&r, CM_MS(10));
    const cm_rtc_session before = *v->session;
    const size_t checks = counters(&r)->checks;
    const size_t heap = heap_in_use();
    for (int i = 0; i < 10000; i++) {
        stranger_send(&s, forged_check(&r, username, i % 2 == 0 ? "guessed" : "", &w));
        run_for(&r, CM_MS(1));
    }
    run_for(&r, CM_MS(10));
    assert_int_equal(heap_in_use(), heap);
    assert_int_equal(counters(&r)->checks_forged, 10000);
    assert_int_equal(counters(&r)->checks, checks);
    assert_memory_equal(&v->session->ice, &before.ice, sizeof before.ice);
    assert_memory_equal(v->session->pairs, before.pairs, sizeof before.pairs);
    assert_ptr_equal(v->session->path, before.path);
    rtc_peer_check_now(&v->peer, true); /* others are served as before */
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->checks, checks + 1);
    stranger_close(&r, &s);
    rig_close(&r);
}

static void foreign_ufrags_are_unknown(void **state)
{
    (void)state;
    rig r;
    stranger s;
    rig_open(&r);
    stranger_open(&r, &s);
    viewer *v = viewer_open(&r, 0);
    viewer *gone = viewer_open(&r, 1);
    char usernames[3][64] = {"AAAAAAAA:peer", "", ""};
    snprintf(usernames[1], sizeof usernames[1], "%s:other", v->peer.theirs.ufrag);
    snprintf(usernames[2], sizeof usernames[2], "%s:peer", gone->peer.theirs.ufrag);
    cm_rtc_session_destroy(gone->session);
    gone->session = NULL;
    gone->peer.sends_no_checks = v->peer.sends_no_checks = true;
    uint8_t bytes[256];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    stranger_send(&s, forged_check(&r, usernames[0], v->peer.theirs.pwd, &w));
    stranger_send(&s, forged_check(&r, usernames[1], v->peer.theirs.pwd, &w));
    stranger_send(&s, forged_check(&r, usernames[2], gone->peer.theirs.pwd, &w));
    stranger_close(&r, &s);
    assert_int_equal(counters(&r)->checks_unknown, 3);
    rig_close(&r);
}

static void dtls_and_srtp_of_strangers_are_not_looked_at(void **state)
{
    (void)state;
    rig r;
    stranger s;
    rig_open(&r);
    stranger_open(&r, &s);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    uint8_t packet[RTC_PEER_ROOM];
    const cm_slice good = rtc_peer_send_rtp(&v->peer, 100, packet);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->rtp, 1);
    const cm_dtls_counters before = counters(&r)->dtls;
    stranger_send(&s, good); /* seen on the way */
    dtls_client other;
    dtls_client_open(&other, &options, &certificate);
    dtls_client_go_on(&other, (cm_slice){.size = 0});
    stranger_send(&s, cm_dtls_queue_at(&other.pipe.out, 0)); /* a ClientHello */
    dtls_client_close(&other);
    stranger_close(&r, &s);
    assert_int_equal(counters(&r)->strangers, 2);
    assert_int_equal(counters(&r)->srtp_replayed, 0);
    assert_memory_equal(&counters(&r)->dtls, &before, sizeof before);
    assert_int_equal(v->rtp, 1);
    rig_close(&r);
}

static void a_neighbours_address_is_not_mine(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *neighbour = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, neighbour);
    uint8_t packet[RTC_PEER_ROOM];
    const cm_slice mine = rtc_peer_send_rtp(&v->peer, 100, packet);
    run_for(&r, CM_MS(10));
    rtc_peer_send_bytes(&neighbour->peer, mine); /* from an address proven for another session */
    run_for(&r, CM_MS(10));
    assert_int_equal(v->rtp, 1);
    assert_int_equal(neighbour->rtp, 0);
    assert_int_equal(counters(&r)->srtp_forged, 1);
    rig_close(&r);
}

static void replayed_and_spoiled_packets_are_dropped_by_cause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    uint8_t packet[RTC_PEER_ROOM];
    const cm_slice good = rtc_peer_send_rtp(&v->peer, 100, packet);
    rtc_peer_send_bytes(&v->peer, good);
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->srtp_replayed, 1);
    packet[50] ^= 1;
    packet[3]++;
    rtc_peer_send_bytes(&v->peer, good);
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->srtp_forged, 1);
    rtc_peer_send_bytes(&v->peer, cm_slice_part(good, 0, 13));
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->srtp_malformed, 1);
    static const uint8_t LONG[CM_RTC_DATAGRAM_MAX + 1] = {0x80, 96};
    rtc_peer_send_bytes(&v->peer, cm_slice_over(LONG, sizeof LONG));
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->malformed, 1);
    assert_int_equal(v->rtp, 1);
    assert_int_equal(v->closed, 0);
    rig_close(&r);
}

static void packets_before_there_are_keys_are_dropped(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.sends_no_dtls = true;
    run_for(&r, CM_MS(100));
    rtc_peer_send_bytes(&v->peer, BYTES(0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->srtp_early, 1);
    rig_close(&r);
}

/* RFC 7983, 7; and STUN that is not a request for Binding. */
static void what_is_nothing_of_ours_is_counted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    static const uint8_t FIRST[] = {4, 16, 19, 64, 79, 80, 127, 192, 255};
    for (size_t i = 0; i < sizeof FIRST; i++)
        rtc_peer_send_bytes(&v->peer, cm_slice_over(&FIRST[i], 1));
    rtc_peer_send_bytes(&v->peer, cm_slice_over(FIRST, 0));
    rtc_peer_send_bytes(&v->peer, BYTES(0, 1, 0, 0));
    for (int class = CM_STUN_INDICATION; class <= CM_STUN_ERROR; class ++) {
        uint8_t bytes[64];
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        const cm_stun_message m = {.class = (cm_stun_class) class, .method = CM_STUN_BINDING};
        assert_int_equal(cm_stun_write(v->peer.hasher, &m, cm_slice_of(v->peer.theirs.pwd), &w),
                         CM_OK);
        rtc_peer_send_bytes(&v->peer, cm_writer_done(&w));
    }
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->malformed, sizeof FIRST + 1 + 1 + 3);
    assert_int_equal(v->closed, 0);
    rig_close(&r);
}

/* ---- liars with a session ---- */

static void a_wrong_fingerprint_ends_the_session(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    dtls_certificate other = dtls_certificate_make(DTLS_KEY_P256);
    const dtls_certificate right = certificate;
    certificate = other; /* announced */
    viewer *v = &r.viewers[0];
    assert_int_equal(session_create(&r, v), CM_OK);
    certificate = right; /* shown */
    v->net = host_at(&r, "10.0.1.1");
    const cm_address local = address_of("10.0.1.1");
    rtc_peer_open(&v->peer, v->net, &local, &options, &certificate);
    v->peer.server = r.address;
    v->peer.theirs = *cm_rtc_session_local(v->session);
    run_for(&r, CM_SECONDS(5));
    assert_int_equal(v->closed, 1);
    assert_int_equal(v->cause, CM_RTC_FOREIGN);
    assert_int_equal(v->connected, 0);
    assert_int_equal(counters(&r)->sessions_ended[CM_RTC_FOREIGN], 1);
    rig_close(&r);
    dtls_certificate_free(&other);
}

static void a_handshake_with_nothing_in_common_ends_the_session(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const dtls_client_options before = options;
    options.profiles = ""; /* no SRTP */
    viewer *v = viewer_open(&r, 0);
    run_for(&r, CM_SECONDS(5));
    assert_int_equal(v->closed, 1);
    assert_int_equal(v->cause, CM_RTC_HANDSHAKE);
    rig_close(&r);
    options = before;
}

static void a_peer_that_takes_itself_for_controlled_is_corrected(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.role = CM_STUN_CONTROLLED;
    run_for(&r, CM_MS(100));
    assert_int_equal(v->peer.error, 487);
    assert_int_equal(v->peer.addresses[0].answers, 0);
    assert_true(counters(&r)->checks_refused > 0);
    assert_int_equal(v->session->state, CM_RTC_WAITING);
    v->peer.role = CM_STUN_CONTROLLING;
    rig_connect(&r, v);
    rig_close(&r);
}

static void too_many_checks_are_not_answered(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    run_for(&r, CM_SECONDS(3));
    v->peer.sends_no_checks = true;
    const unsigned before = v->peer.addresses[0].answers;
    for (int i = 0; i < 1000; i++)
        rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(5));
    assert_in_range(v->peer.addresses[0].answers - before, 200, 201);
    assert_int_equal(counters(&r)->checks_excessive,
                     1000 - (v->peer.addresses[0].answers - before));
    assert_int_equal(v->closed, 0);
    rig_close(&r);
}

/* Who has a session knows how to write checks; not from where. */
static void a_live_neighbours_address_cannot_be_taken(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *thief = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, thief);
    run_for(&r, CM_MS(10));
    const cm_ice_credentials own = v->peer.theirs;
    v->peer.theirs = thief->peer.theirs; /* the thief writes the neighbour's address as his */
    const unsigned answers = v->peer.addresses[0].answers;
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[0].answers, answers);
    assert_int_equal(counters(&r)->checks_taken, 1);
    v->peer.theirs = own;
    assert_int_equal(viewer_send(thief, 100), CM_OK);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    rtc_peer_send_rtcp(&v->peer);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    assert_int_equal(thief->peer.rtp, 1);
    assert_int_equal(v->peer.unread, 0);
    assert_int_equal(v->rtcp, 1);
    rig_close(&r);
}

static cm_rtc_route route_from(rig *r, const cm_address *peer)
{
    return (cm_rtc_route){.port = &r->endpoint->ports[0], .local = r->address, .peer = *peer};
}

static void an_abandoned_address_passes_to_the_next(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *next = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, next);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_SECONDS(16));
    v->peer.theirs = next->peer.theirs;
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->checks_taken, 0);
    const cm_rtc_route route = route_from(&r, &v->peer.addresses[0].local);
    const cm_rtc_pair *pair = cm_rtc_find_pair(&route);
    assert_non_null(pair);
    assert_ptr_equal(pair->session, next->session);
    assert_int_equal(viewer_send(v, 100), CM_RETRY); /* it has no path any more */
    run_for(&r, CM_SECONDS(20));
    assert_int_equal(v->cause, CM_RTC_CONSENT);
    rig_close(&r);
}

static void a_session_has_so_many_addresses_and_keeps_its_path(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    v->peer.sends_no_checks = true;
    cm_address from = address_of("10.7.0.1:1000");
    cm_rtc_route route = route_from(&r, &from);
    for (int i = 0; i < 100; i++) {
        run_for(&r, CM_MS(10));
        route.peer.port++;
        assert_non_null(cm_rtc_prove_pair(v->session, &route));
    }
    const cm_rtc_route path = route_from(&r, &v->peer.addresses[0].local);
    assert_non_null(cm_rtc_find_pair(&path));
    size_t known = 0;
    for (uint16_t i = 1001; i <= 1100; i++) {
        route.peer.port = i;
        const bool is_known = cm_rtc_find_pair(&route) != NULL;
        known += is_known;
        assert_int_equal(is_known, i > 1100 - (CM_RTC_PAIRS_MAX - 1));
    }
    assert_int_equal(known, CM_RTC_PAIRS_MAX - 1);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    rig_close(&r);
}

/* ---- a kernel that is full ---- */

static size_t kernel_takes;

static cm_status full_send(cm_udp *udp, const cm_datagram *datagrams, size_t count,
                           size_t *sent_out)
{
    (void)udp;
    (void)datagrams;
    *sent_out = count < kernel_takes ? count : kernel_takes;
    return *sent_out > 0 || count == 0 ? CM_OK : CM_RETRY;
}

static void what_the_kernel_does_not_take_is_dropped_and_counted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    const cm_net_backend *real = r.net->backend;
    cm_net_backend full = *real;
    full.udp_send = full_send;
    for (kernel_takes = 0; kernel_takes < 2; kernel_takes++) {
        r.net->backend = &full;
        const uint64_t dropped = counters(&r)->packets_dropped;
        for (int i = 0; i < 40; i++)
            assert_int_equal(viewer_send(v, 1000), CM_OK);
        cm_rtc_endpoint_flush(r.endpoint);
        const uint64_t taken = counters(&r)->datagrams_out;
        r.net->backend = real;
        assert_int_equal(counters(&r)->packets_dropped,
                         dropped + 40 - (kernel_takes == 0 ? 0 : CM_RTC_PACKETS_MAX));
        run_for(&r, CM_MS(10));
        assert_int_equal(counters(&r)->datagrams_out, taken); /* nothing waited */
    }
    assert_int_equal(v->peer.rtp, 0);
    rig_close(&r);
}

/* ---- destroyed at any moment ---- */

static void sessions_may_be_destroyed_at_every_step(void **state)
{
    (void)state;
    for (int64_t step_us = 0; step_us <= CM_MS(120); step_us += 400) {
        rig r;
        rig_open(&r);
        viewer *v = viewer_open(&r, 0);
        run_for(&r, step_us);
        if (v->connected)
            assert_int_equal(viewer_send(v, 1000), CM_OK);
        cm_rtc_session_destroy(v->session);
        v->session = NULL;
        run_for(&r, CM_SECONDS(1));
        assert_int_equal(v->closed, 0);
        assert_int_equal(v->peer.rtp, 0);
        rig_close(&r);
    }
}

static void a_session_may_be_destroyed_in_each_event(void **state)
{
    (void)state;
    for (wrecking which = WRECK_CONNECTED; which <= WRECK_CLOSED; which++) {
        for (int whose = 0; whose < 2; whose++) {
            rig r;
            rig_open(&r);
            viewer *other = viewer_open(&r, 1);
            rig_connect(&r, other);
            viewer *v = viewer_open(&r, 0);
            v->wrecks = which;
            v->victim = whose == 0 ? v : other;
            run_for(&r, CM_MS(500));
            if (v->session != NULL && which != WRECK_CONNECTED) {
                uint8_t sent[RTC_PEER_ROOM];
                for (int i = 0; i < 5; i++) { /* in one batch: the rest finds nobody */
                    rtc_peer_send_rtp(&v->peer, 100, sent);
                    rtc_peer_send_rtcp(&v->peer);
                }
                run_for(&r, CM_MS(10));
                v->peer.sends_no_checks = true;
                run_for(&r, CM_SECONDS(40));
            }
            assert_null(v->victim->session);
            assert_true(v->rtp <= 5 && v->rtcp <= 5);
            if (whose == 0 && which == WRECK_RTP)
                assert_int_equal(v->rtp, 1);
            rig_close(&r);
        }
    }
}

static void a_session_may_be_destroyed_when_its_peer_moves(void **state)
{
    (void)state;
    for (int whose = 0; whose < 2; whose++) {
        rig r;
        rig_open(&r);
        viewer *other = viewer_open(&r, 1);
        rig_connect(&r, other);
        viewer *v = viewer_open(&r, 0);
        peer_add_address(&r, v, "10.0.2.1");
        rig_connect(&r, v);
        v->wrecks = WRECK_MOVED;
        v->victim = whose == 0 ? v : other;
        v->peer.active = 1;
        rtc_peer_check_now(&v->peer, true);
        run_for(&r, CM_MS(10));
        assert_int_equal(v->moved, 1);
        assert_null(v->victim->session);
        rig_close(&r);
    }
}

static void a_closed_session_waits_to_be_destroyed(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_SECONDS(40));
    assert_int_equal(v->closed, 1);
    assert_int_equal(counters(&r)->sessions, 1);
    uint8_t sent[RTC_PEER_ROOM];
    rtc_peer_send_rtp(&v->peer, 100, sent);
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_SECONDS(100));
    assert_int_equal(v->rtp, 0);
    assert_int_equal(counters(&r)->strangers, 1);
    assert_int_equal(counters(&r)->checks_unknown, 1);
    rig_close(&r);
}

/* ---- on sockets and threads ---- */

typedef struct real {
    world w;
    cm_net *net;
    cm_rtc_endpoint *endpoint;
    viewer viewers[2];
} real;

/* Whose peer asks `server`, at the endpoint's port. */
static void real_viewer_open(real *r, unsigned index, const char *server)
{
    viewer *v = &r->viewers[index];
    const cm_fingerprint fingerprint = dtls_certificate_digest(&certificate, EVP_sha256());
    const cm_rtc_session_config config = {.remote_ufrag = CM_TEXT("peer"),
                                          .fingerprints = &fingerprint,
                                          .fingerprint_count = 1,
                                          .events = &EVENTS,
                                          .owner = v};
    cm_rtc_candidate list[CM_RTC_CANDIDATES_MAX];
    const cm_address local = address_of("127.0.0.1");
    assert_int_equal(cm_rtc_session_create(r->endpoint, &config, &v->session), CM_OK);
    assert_true(cm_rtc_endpoint_candidates(r->endpoint, list) > 0);
    rtc_peer_open(&v->peer, r->net, &local, &options, &certificate);
    v->peer.server = address_of(server);
    v->peer.server.port = list[0].address.port;
    v->peer.theirs = *cm_rtc_session_local(v->session);
}

static void real_open(real *r, const char *address)
{
    *r = (real){.net = NULL};
    world_open(&r->w);
    assert_int_equal(cm_net_create(r->w.loop, &r->net), CM_OK);
    const cm_address local = address_of(address);
    const cm_rtc_endpoint_config config = {
        .net = r->net, .identity = identity, .addresses = &local, .address_count = 1};
    assert_int_equal(cm_rtc_endpoint_create(&config, &r->endpoint), CM_OK);
}

static void real_close(real *r)
{
    for (size_t i = 0; i < 2; i++) {
        cm_rtc_session_destroy(r->viewers[i].session);
        if (r->viewers[i].peer.hasher != NULL)
            rtc_peer_close(&r->viewers[i].peer);
    }
    cm_rtc_endpoint_destroy(r->endpoint);
    cm_net_destroy(r->net);
    world_close(&r->w);
}

static bool first_connected(void *owner)
{
    real *r = owner;
    return is_connected(&r->viewers[0]);
}

static bool both_connected(void *owner)
{
    real *r = owner;
    return first_connected(r) && is_connected(&r->viewers[1]);
}

static bool both_have_all(void *owner)
{
    const real *r = owner;
    return r->viewers[0].peer.rtp == 50 && r->viewers[1].peer.rtp == 50;
}

static void on_sockets_it_is_the_same(void **state)
{
    (void)state;
    real r;
    real_open(&r, "127.0.0.1");
    real_viewer_open(&r, 0, "127.0.0.1");
    real_viewer_open(&r, 1, "127.0.0.1");
    assert_true(world_run(&r.w, both_connected, &r));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(viewer_send(&r.viewers[0], (size_t)(i % 9 == 8 ? 700 : 1200)), CM_OK);
        assert_int_equal(viewer_send(&r.viewers[1], (size_t)(i % 4 == 3 ? 100 : 900)), CM_OK);
        if (i % 10 == 9)
            cm_rtc_endpoint_flush(r.endpoint);
    }
    assert_true(world_run(&r.w, both_have_all, &r));
    assert_int_equal(r.viewers[0].peer.disorder + r.viewers[1].peer.disorder, 0);
    real_close(&r);
}

/* Peers drop what comes from another address than the one they asked (RFC 8445, 7.2.5.2.1). */
static void on_all_addresses_each_is_answered_from_the_one_it_asked(void **state)
{
    (void)state;
    real r;
    real_open(&r, "0.0.0.0");
    real_viewer_open(&r, 0, "127.0.0.1");
    real_viewer_open(&r, 1, "127.0.0.2");
    assert_true(world_run(&r.w, both_connected, &r));
    for (int i = 0; i < 50; i++) {
        assert_int_equal(viewer_send(&r.viewers[0], 200), CM_OK);
        assert_int_equal(viewer_send(&r.viewers[1], 200), CM_OK);
    }
    assert_true(world_run(&r.w, both_have_all, &r));
    assert_int_equal(r.viewers[0].peer.unread + r.viewers[1].peer.unread, 0);
    real_close(&r);
}

static bool has_moved(void *owner)
{
    const real *r = owner;
    return cm_rtc_endpoint_counters(r->endpoint)->paths_moved == 1;
}

static bool first_has_one(void *owner)
{
    const real *r = owner;
    return r->viewers[0].peer.rtp == 1;
}

/* The peer's address is the same; that of ours is part of the pair. */
static void the_path_may_move_to_another_address_of_ours(void **state)
{
    (void)state;
    real r;
    real_open(&r, "0.0.0.0");
    real_viewer_open(&r, 0, "127.0.0.1");
    viewer *v = &r.viewers[0];
    assert_true(world_run(&r.w, first_connected, &r));
    v->peer.server.bytes[3] = 2;
    rtc_peer_check_now(&v->peer, true);
    assert_true(world_run(&r.w, has_moved, &r));
    assert_int_equal(viewer_send(v, 100), CM_OK);
    assert_true(world_run(&r.w, first_has_one, &r));
    real_close(&r);
}

static bool has_hello(void *owner)
{
    const real *r = owner;
    const viewer *v = &r->viewers[0];
    return v->session->state == CM_RTC_HANDSHAKING && v->peer.has_begun;
}

/* The ClientHello is with the pool when session, endpoint and loop go. */
static void a_handshake_may_outlive_its_session(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        real r;
        real_open(&r, "127.0.0.1");
        real_viewer_open(&r, 0, "127.0.0.1");
        assert_true(world_run(&r.w, has_hello, &r));
        real_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_forged_checks_gets_no_byte_and_costs_no_memory),
        cmocka_unit_test(foreign_ufrags_are_unknown),
        cmocka_unit_test(dtls_and_srtp_of_strangers_are_not_looked_at),
        cmocka_unit_test(a_neighbours_address_is_not_mine),
        cmocka_unit_test(replayed_and_spoiled_packets_are_dropped_by_cause),
        cmocka_unit_test(packets_before_there_are_keys_are_dropped),
        cmocka_unit_test(what_is_nothing_of_ours_is_counted),
        cmocka_unit_test(a_wrong_fingerprint_ends_the_session),
        cmocka_unit_test(a_handshake_with_nothing_in_common_ends_the_session),
        cmocka_unit_test(a_peer_that_takes_itself_for_controlled_is_corrected),
        cmocka_unit_test(too_many_checks_are_not_answered),
        cmocka_unit_test(a_live_neighbours_address_cannot_be_taken),
        cmocka_unit_test(an_abandoned_address_passes_to_the_next),
        cmocka_unit_test(a_session_has_so_many_addresses_and_keeps_its_path),
        cmocka_unit_test(what_the_kernel_does_not_take_is_dropped_and_counted),
        cmocka_unit_test(sessions_may_be_destroyed_at_every_step),
        cmocka_unit_test(a_session_may_be_destroyed_in_each_event),
        cmocka_unit_test(a_session_may_be_destroyed_when_its_peer_moves),
        cmocka_unit_test(a_closed_session_waits_to_be_destroyed),
        cmocka_unit_test(on_sockets_it_is_the_same),
        cmocka_unit_test(on_all_addresses_each_is_answered_from_the_one_it_asked),
        cmocka_unit_test(the_path_may_move_to_another_address_of_ours),
        cmocka_unit_test(a_handshake_may_outlive_its_session),
    };
    return cmocka_run_group_tests_name("rtc in trouble", tests, open_identity, close_identity);
}
