/*
 * net/rtc with a full agent of ICE: an endpoint behind nobody's forwarded port, a STUN and TURN
 * server beside it, and peers on a simulated network. One behaviour a case.
 */
#include "rtc_rig.h"
#include "turn_fake.h"

#include "net/turn_priv.h"

#define TURN_HOST   "93.184.216.1"
#define PWD_OF_PEER "a password of the peer's"

typedef struct full {
    rig r;
    cm_net *server_net;
    turn_fake server;
} full;

static void open_endpoint(full *f, const char *stun, const char *turn)
{
    rig *r = &f->r;
    r->config = (cm_rtc_endpoint_config){
        .net = r->net,
        .identity = identity,
        .addresses = &r->address,
        .address_count = 1,
        .stun = {.host = cm_slice_of(stun), .port = 3478},
        .turn = {.host = cm_slice_of(turn), .port = 3478},
        .turn_username = CM_TEXT("casement"),
        .turn_password = CM_TEXT("secret"),
    };
    assert_int_equal(cm_rtc_endpoint_create(&r->config, &r->endpoint), CM_OK);
}

static void open_network(full *f)
{
    rig *r = &f->r;
    *f = (full){.r = {.address = address_of("10.0.0.1:8189")}};
    world_open_sim(&r->w, rig_seed);
    virtual_time = r->w.loop;
    assert_int_equal(cm_sim_network_create(r->w.sim, &r->network), CM_OK);
    r->net = host_at(r, "10.0.0.1");
    f->server_net = host_at(r, TURN_HOST);
    const cm_address server = address_of(TURN_HOST ":3478");
    turn_fake_open(&f->server, f->server_net, &server);
    assert_int_equal(cm_sim_name_set(r->network, "turn.example", &server), CM_OK);
}

/* With an allocation. */
static void full_open(full *f)
{
    open_network(f);
    open_endpoint(f, "", "turn.example");
    run_for(&f->r, CM_SECONDS(2));
    assert_int_equal(counters(&f->r)->turn.allocations, 1);
}

static void full_close(full *f)
{
    for (size_t i = 0; i < VIEWERS_MAX; i++) {
        cm_rtc_session_destroy(f->r.viewers[i].session);
        f->r.viewers[i].session = NULL;
    }
    cm_rtc_endpoint_destroy(f->r.endpoint);
    f->r.endpoint = NULL;
    run_for(&f->r, CM_SECONDS(1));
    turn_fake_close(&f->server);
    run_for(&f->r, CM_SECONDS(1));
    cm_net_destroy(f->server_net);
    rig_close(&f->r);
}

/* A full session and its peer, which knows the direct address. */
static viewer *open_direct(full *f, unsigned index)
{
    viewer *v = viewer_open(&f->r, index);
    assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT(PWD_OF_PEER), false), CM_OK);
    return v;
}

static cm_rtc_remote remote_of(const char *text)
{
    return (cm_rtc_remote){.address = address_of(text), .priority = 126u << 24};
}

/* The peer's address, as a candidate of its offer says it. */
static void name_peer(viewer *v)
{
    const cm_rtc_remote remote = {.address = v->peer.addresses[0].local, .priority = 126u << 24};
    cm_rtc_session_add_remotes(v->session, &remote, 1);
}

/* One that reaches us through the relay alone. */
static viewer *open_relayed(full *f, unsigned index)
{
    viewer *v = open_direct(f, index);
    cm_sim_path down = {.is_down = true};
    cm_sim_path_set(f->r.network, &f->r.address, &v->peer.addresses[0].local, &down);
    assert_int_equal(cm_rtc_relay(f->r.endpoint, &v->peer.server), CM_OK);
    name_peer(v);
    return v;
}

/* ---- candidates ---- */

static void candidates_are_of_all_kinds(void **state)
{
    (void)state;
    full f;
    cm_rtc_candidate c[CM_RTC_CANDIDATES_MAX];
    open_network(&f);
    /* As a NAT would have it: the server sees another address than ours. */
    open_endpoint(&f, "", "turn.example");
    run_for(&f.r, CM_SECONDS(2));
    f.r.endpoint->gather->reflexive = address_of("93.184.216.9:40000");
    assert_int_equal(cm_rtc_endpoint_candidates(f.r.endpoint, c), 3);
    assert_int_equal(c[0].type, CM_RTC_HOST);
    assert_int_equal(c[0].priority >> 24, 126);
    const cm_address relayed = address_of(TURN_HOST ":50000"), here = address_of("10.0.0.1:8189");
    assert_int_equal(c[1].type, CM_RTC_REFLEXIVE);
    assert_int_equal(c[1].priority >> 24, 100);
    assert_true(cm_address_equal(&c[1].related, &here));
    assert_int_equal(c[2].type, CM_RTC_RELAYED);
    assert_int_equal(c[2].priority >> 24, 0);
    assert_true(cm_address_equal(&c[2].address, &relayed));
    assert_true(cm_address_equal(&c[2].related, &here));
    full_close(&f);
}

/* Without a NAT we are seen as what we are. */
static void what_is_ours_anyway_is_not_told_twice(void **state)
{
    (void)state;
    full f;
    cm_rtc_candidate c[CM_RTC_CANDIDATES_MAX];
    open_network(&f);
    open_endpoint(&f, TURN_HOST, "");
    run_for(&f.r, CM_SECONDS(2));
    assert_true(f.r.endpoint->gather->has_reflexive);
    assert_int_equal(cm_rtc_endpoint_candidates(f.r.endpoint, c), 1);
    full_close(&f);
}

/* RFC 8445 11: the NAT's binding is kept. */
static void the_servers_are_asked_every_25_seconds(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    const unsigned before = f.server.bindings;
    run_for(&f.r, CM_SECONDS(250));
    assert_in_range(f.server.bindings - before, 9, 11);
    f.server.is_silent = true;
    run_for(&f.r, CM_SECONDS(1000));
    f.server.is_silent = false;
    run_for(&f.r, CM_SECONDS(400));
    assert_int_equal(counters(&f.r)->turn.allocations, 2);
    full_close(&f);
}

static void a_name_that_is_not_found_is_looked_up_again(void **state)
{
    (void)state;
    full f;
    open_network(&f);
    open_endpoint(&f, "stun.example", "later.example");
    run_for(&f.r, CM_SECONDS(100));
    assert_null(f.r.endpoint->gather->client);
    assert_int_equal(f.server.bindings, 0);
    assert_int_equal(cm_sim_name_set(f.r.network, "later.example", &f.server.address), CM_OK);
    run_for(&f.r, CM_SECONDS(40));
    assert_int_equal(counters(&f.r)->turn.allocations, 1);
    full_close(&f);
}

/* A stranger's word for what we are seen as does not count. */
static void answers_that_were_not_asked_for_change_nothing(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    const cm_address before = f.r.endpoint->gather->reflexive;
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const cm_stun_message m = {.class = CM_STUN_SUCCESS,
                               .method = CM_STUN_BINDING,
                               .mapped = {.bytes = {1, 2, 3, 4}, .size = 4, .port = 5}};
    assert_int_equal(cm_stun_write(f.server.hasher, &m, (cm_slice){.size = 0}, &w), CM_OK);
    turn_fake_send(&f.server, &f.r.address, cm_writer_done(&w));
    run_for(&f.r, CM_MS(100));
    assert_true(cm_address_equal(&before, &f.r.endpoint->gather->reflexive));
    assert_int_equal(counters(&f.r)->turn.malformed, 1);
    full_close(&f);
}

/* ---- direct ---- */

static void a_full_agent_connects_when_its_own_check_is_answered(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    name_peer(v);
    assert_false(cm_rtc_session_is_lite(v->session));
    rig_connect(&f.r, v);
    assert_true(v->peer.checked > 0 && v->peer.last_role == CM_STUN_CONTROLLED);
    assert_false(v->peer.is_nominated);
    assert_int_equal(counters(&f.r)->checks_succeeded > 0, 1);
    assert_int_equal(viewer_send(v, 500), CM_OK);
    run_for(&f.r, CM_MS(100));
    assert_int_equal(v->peer.rtp, 1);
    full_close(&f);
}

static void without_an_answer_it_never_connects(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    v->peer.answers_none = true;
    run_for(&f.r, CM_SECONDS(31));
    assert_int_equal(v->connected, 0);
    assert_true(v->closed == 1 && v->cause == CM_RTC_LATE);
    full_close(&f);
}

/* RFC 7675, 5.1: though it checks us, it does not say that it wants what we send. */
static void consent_ends_when_our_checks_are_not_answered(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    rig_connect(&f.r, v);
    run_for(&f.r, CM_SECONDS(120));
    assert_int_equal(v->closed, 0);
    v->peer.answers_none = true;
    run_for(&f.r, CM_SECONDS(22));
    assert_int_equal(v->closed, 0);
    run_for(&f.r, CM_SECONDS(15));
    assert_true(v->closed == 1 && v->cause == CM_RTC_CONSENT);
    full_close(&f);
}

static void a_lite_session_beside_it_is_as_ever(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = viewer_open(&f.r, 0);
    const cm_rtc_remote remote = remote_of("10.9.9.9:5000");
    v->peer.answers_none = true;
    cm_rtc_session_add_remotes(v->session, &remote, 1);
    assert_true(cm_rtc_session_is_lite(v->session));
    rig_connect(&f.r, v);
    assert_int_equal(v->peer.checked, 0);
    assert_int_equal(counters(&f.r)->checks_sent, 0);
    assert_int_equal(cm_sim_bytes_to(f.r.network, &remote.address), 0);
    full_close(&f);
}

static void an_endpoint_without_servers_stays_lite(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT(PWD_OF_PEER), false), CM_ABSENT);
    assert_true(cm_rtc_session_is_lite(v->session));
    rig_connect(&r, v);
    rig_close(&r);
}

/* RFC 8445 6.1.1 */
static void a_lite_peer_is_nominated_a_pair(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = viewer_open(&f.r, 0);
    v->peer.sends_no_checks = true;
    assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT(PWD_OF_PEER), true), CM_OK);
    name_peer(v);
    run_for(&f.r, CM_SECONDS(1));
    assert_true(v->peer.is_nominated && v->peer.last_role == CM_STUN_CONTROLLING);
    assert_true(v->session->is_nominated);
    rtc_peer_go_on(&v->peer, (cm_slice){.size = 0});
    rig_connect(&f.r, v);
    full_close(&f);
}

static void a_restart_finds_the_path_again(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    rig_connect(&f.r, v);
    v->peer.pwd = "another password of the peer's";
    v->peer.ufrag = "other";
    assert_int_equal(cm_rtc_session_restart(v->session, CM_TEXT("other")), CM_OK);
    assert_int_equal(
        cm_rtc_session_check(v->session, CM_TEXT("another password of the peer's"), false), CM_OK);
    v->peer.theirs = *cm_rtc_session_local(v->session);
    run_for(&f.r, CM_SECONDS(100));
    assert_int_equal(v->closed, 0);
    assert_int_equal(viewer_send(v, 500), CM_OK);
    run_for(&f.r, CM_MS(100));
    assert_int_equal(v->peer.rtp, 1);
    full_close(&f);
}

static void a_phone_that_changes_networks_goes_on_within_a_second(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    peer_add_address(&f.r, v, "10.0.2.1");
    expect_going_on(&f.r, v, true);
    full_close(&f);
}

/* Connections are the peer's: what it says on them counts, also of a full agent. */
static void a_peer_on_tcp_stays(void **state)
{
    (void)state;
    full f;
    open_network(&f);
    open_endpoint(&f, "stun.example", "");
    cm_rtc_endpoint_destroy(f.r.endpoint);
    f.r.config.takes_tcp = true;
    assert_int_equal(cm_rtc_endpoint_create(&f.r.config, &f.r.endpoint), CM_OK);
    viewer *v = open_direct(&f, 0);
    rtc_peer_connect_tcp(&v->peer, v->net);
    rig_connect(&f.r, v);
    run_for(&f.r, CM_SECONDS(100));
    assert_true(v->closed == 0 && v->session->path->route.stream != NULL);
    v->peer.sends_no_checks = true;
    run_for(&f.r, CM_SECONDS(35));
    assert_true(v->closed == 1 && v->cause == CM_RTC_CONSENT);
    full_close(&f);
}

static void passwords_that_are_none_are_refused(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = viewer_open(&f.r, 0);
    assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT("short"), false), CM_REFUSE);
    full_close(&f);
}

/* ---- behind a NAT ---- */

#define OUTSIDE "93.184.216.200"

/* The endpoint is behind it, and asks the STUN server what it is seen as. */
static void open_behind(full *f, cm_sim_nat_kind kind, const char *turn)
{
    open_network(f);
    const cm_address inside = address_of("10.0.0.1"), outside = address_of(OUTSIDE);
    cm_sim_nat_set(f->r.network, &inside, &outside, kind, CM_SECONDS(30));
    open_endpoint(f, TURN_HOST, turn);
    run_for(&f->r, CM_SECONDS(2));
}

/* A viewer out there, who has our candidate of that type alone. */
static viewer *open_outside(full *f, unsigned index, const char *address,
                            cm_rtc_candidate_type type)
{
    cm_rtc_candidate c[CM_RTC_CANDIDATES_MAX];
    const size_t count = cm_rtc_endpoint_candidates(f->r.endpoint, c);
    viewer *v = viewer_open_at(&f->r, index, address);
    for (size_t i = 0; i < count; i++) {
        if (c[i].type == type)
            v->peer.server = c[i].address;
    }
    return v;
}

static void become_full(viewer *v)
{
    assert_int_equal(cm_rtc_session_check(v->session, CM_TEXT(PWD_OF_PEER), false), CM_OK);
    name_peer(v);
}

static void a_restricted_nat_is_opened_by_our_checks(void **state)
{
    (void)state;
    full f;
    open_behind(&f, CM_SIM_NAT_RESTRICTED, "");
    viewer *v = open_outside(&f, 0, "93.184.217.5", CM_RTC_REFLEXIVE);
    const cm_address outside = address_of(OUTSIDE ":8189");
    assert_true(cm_address_equal(&v->peer.server, &outside));
    run_for(&f.r, CM_SECONDS(5));
    assert_int_equal(counters(&f.r)->checks, 0); /* it is a NAT: a lite agent hears nothing */
    become_full(v);
    rig_connect(&f.r, v);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(viewer_send(v, 900), CM_OK);
        run_for(&f.r, CM_SECONDS(1));
    }
    assert_true(v->peer.rtp == 100 && v->closed == 0);
    full_close(&f);
}

/* RFC 8445 11: an hour later the same address is open, to the server that was asked. */
static void the_reflexive_address_is_kept(void **state)
{
    (void)state;
    full f;
    open_behind(&f, CM_SIM_NAT_SYMMETRIC, "");
    const cm_address before = f.r.endpoint->gather->reflexive;
    run_for(&f.r, CM_SECONDS(3600));
    assert_true(cm_address_equal(&before, &f.r.endpoint->gather->reflexive));
    turn_fake_send(&f.server, &before, CM_TEXT("\x16 a hello"));
    run_for(&f.r, CM_MS(100));
    assert_int_equal(counters(&f.r)->strangers, 1);
    /* The NAT forgets us while nothing gets there; then we are seen as another. */
    cm_sim_path path = {.is_down = true};
    const cm_address server = address_of(TURN_HOST);
    cm_sim_path_set(f.r.network, &f.r.address, &server, &path);
    run_for(&f.r, CM_SECONDS(60));
    path.is_down = false;
    cm_sim_path_set(f.r.network, &f.r.address, &server, &path);
    run_for(&f.r, CM_SECONDS(60));
    assert_false(cm_address_equal(&before, &f.r.endpoint->gather->reflexive));
    full_close(&f);
}

static void behind_a_symmetric_nat_the_relay_is_used(void **state)
{
    (void)state;
    full f;
    open_behind(&f, CM_SIM_NAT_SYMMETRIC, TURN_HOST);
    viewer *direct = open_outside(&f, 0, "93.184.217.5", CM_RTC_REFLEXIVE);
    viewer *relayed = open_outside(&f, 1, "93.184.217.6", CM_RTC_RELAYED);
    become_full(direct);
    become_full(relayed);
    rig_connect(&f.r, relayed);
    assert_true(relayed->session->path->route.is_relayed);
    assert_int_equal(viewer_send(relayed, 900), CM_OK);
    run_for(&f.r, CM_SECONDS(31));
    assert_int_equal(relayed->peer.rtp, 1);
    assert_int_equal(direct->connected, 0);
    full_close(&f);
}

/* ---- through the relay ---- */

static void pictures_go_through_the_relay(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_relayed(&f, 0);
    rig_connect(&f.r, v);
    cm_rtc_figures figures;
    cm_rtc_session_read_figures(v->session, &figures);
    assert_true(figures.has_path && figures.is_relayed);
    run_for(&f.r, CM_MS(200));
    const unsigned indications = f.server.indications_in;
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned j = 0; j < 10; j++)
            assert_int_equal(viewer_send(v, j < 9 ? CM_RTC_PACKET_MAX : 300), CM_OK);
        cm_rtc_endpoint_flush(f.r.endpoint);
        run_for(&f.r, CM_MS(40));
    }
    assert_int_equal(v->peer.rtp, 1000);
    assert_int_equal(v->peer.disorder, 0);
    assert_int_equal(f.server.indications_in, indications);
    assert_true(f.server.channel_in >= 1000);
    /* And back. */
    uint8_t room[RTC_PEER_ROOM];
    (void)rtc_peer_send_rtp(&v->peer, 400, room);
    rtc_peer_send_rtcp(&v->peer);
    run_for(&f.r, CM_MS(100));
    assert_true(v->rtp == 1 && v->rtcp == 1);
    full_close(&f);
}

/* What a picture is sent as fits IPv6's least: 40 and 8 bytes of headers, and ChannelData's 4. */
static void relayed_packets_fit_1280_bytes(void **state)
{
    (void)state;
    assert_true(CM_RTC_PACKET_MAX + CM_SRTP_RTP_OVERHEAD + CM_STUN_CHANNEL_HEADER_SIZE + 48 <=
                1280);
}

static void before_there_is_a_channel_packets_go_as_indications(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    f.server.refuses_with[CM_STUN_CHANNEL_BIND] = CM_STUN_BAD_REQUEST;
    viewer *v = open_relayed(&f, 0);
    rig_connect(&f.r, v);
    const unsigned before = f.server.indications_in;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(viewer_send(v, 1000), CM_OK);
    run_for(&f.r, CM_MS(200));
    assert_true(v->peer.rtp == 20 && v->peer.disorder == 0);
    assert_true(f.server.indications_in >= before + 20 && f.server.channel_in == 0);
    full_close(&f);
}

/* Refreshes, renewals of permissions and channels, and nonces that go stale, for two hours. */
static void the_relayed_path_lasts(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_relayed(&f, 0);
    rig_connect(&f.r, v);
    run_for(&f.r, CM_SECONDS(1));
    for (unsigned i = 0; i < 7200; i++) {
        assert_int_equal(viewer_send(v, 700), CM_OK);
        if (i % 100 == 0)
            turn_fake_turn_nonce(&f.server);
        run_for(&f.r, CM_SECONDS(1));
    }
    assert_int_equal(v->peer.rtp, 7200);
    assert_int_equal(v->closed, 0);
    assert_true(f.server.asked[CM_STUN_REFRESH] >= 16 && f.server.stale >= 16);
    full_close(&f);
}

/* The path is dead, and the allocation is asked for anew. */
static void nothing_breaks_when_the_relay_forgets_us(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_relayed(&f, 0);
    rig_connect(&f.r, v);
    turn_fake_restart(&f.server);
    for (unsigned i = 0; i < 600; i++) {
        if (cm_rtc_session_is_connected(v->session))
            assert_int_equal(viewer_send(v, 700), CM_OK);
        run_for(&f.r, CM_SECONDS(1));
    }
    assert_int_equal(counters(&f.r)->turn.allocations, 2);
    full_close(&f);
}

static void a_forbidden_peer_is_not_reached(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    f.server.refuses_with[CM_STUN_CREATE_PERMISSION] = CM_STUN_FORBIDDEN;
    viewer *v = open_relayed(&f, 0);
    run_for(&f.r, CM_SECONDS(31));
    assert_true(v->closed == 1 && v->connected == 0);
    assert_int_equal(f.server.indications_in, 0);
    full_close(&f);
}

/* DTLS or SRTP that the server passes on from one who has proven nothing. */
static void strangers_at_the_relay_get_nothing(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    viewer *v = open_relayed(&f, 0);
    rig_connect(&f.r, v);
    const uint64_t strangers = counters(&f.r)->strangers;
    const unsigned out = f.server.indications_in + f.server.channel_in;
    cm_net *net = host_at(&f.r, "10.0.1.77");
    cm_udp *udp;
    const cm_udp_config config = {.local = address_of("10.0.1.77:4000"),
                                  .on_datagrams = rtc_peer_on_datagrams,
                                  .owner = &v->peer.addresses[0]};
    assert_int_equal(cm_udp_open(net, &config, &udp), CM_OK);
    f.server.has_no_permissions = true;
    const cm_datagram d = {.bytes = CM_TEXT("\x16 a hello"), .peer = v->peer.server};
    size_t sent;
    assert_int_equal(cm_udp_send(udp, &d, 1, &sent), CM_OK);
    run_for(&f.r, CM_MS(100));
    assert_int_equal(counters(&f.r)->strangers, strangers);
    assert_int_equal(counters(&f.r)->turn.strangers, 1);
    /* From another port of the peer's own address, which has a permission: no more than direct. */
    cm_udp_close(udp);
    run_for(&f.r, CM_MS(100));
    assert_in_range(f.server.indications_in + f.server.channel_in - out, 0, 3);
    cm_net_destroy(net);
    full_close(&f);
}

/* ---- what a peer names ---- */

static void addresses_that_may_not_be_checked_are_not(void **state)
{
    (void)state;
    static const char *const NEVER[] = {
        "127.0.0.1:5000",       "0.0.0.0:5000",     "169.254.169.254:5000", "224.0.0.1:5000",
        "255.255.255.255:5000", "240.0.0.1:5000",   "192.0.2.1:5000",       "10.0.0.1:8189",
        TURN_HOST ":3478",      TURN_HOST ":50000", "93.184.216.7:53",      "93.184.216.7:0",
        "[::1]:5000",           "[fe80::1]:5000",   "[ff02::1]:5000",       "[fd00:ec2::254]:5000",
        "[64:ff9b::a00:1]:5000"};
    full f;
    full_open(&f);
    viewer *v = open_direct(&f, 0);
    v->peer.sends_no_checks = true;
    for (size_t i = 0; i < CM_COUNT(NEVER); i++) {
        const cm_rtc_remote remote = remote_of(NEVER[i]);
        cm_rtc_session_add_remotes(v->session, &remote, 1);
        assert_int_equal(counters(&f.r)->candidates_refused, i + 1);
    }
    run_for(&f.r, CM_SECONDS(20));
    assert_int_equal(counters(&f.r)->checks_sent, 0);
    const cm_rtc_remote good = remote_of("93.184.216.7:5000");
    cm_rtc_session_add_remotes(v->session, &good, 1);
    run_for(&f.r, CM_SECONDS(9));
    assert_true(cm_sim_bytes_to(f.r.network, &good.address) > 0);
    full_close(&f);
}

/* What three sessions can make us send to addresses that nobody answers from. */
static void checks_are_paced_and_bounded(void **state)
{
    (void)state;
    full f;
    full_open(&f);
    const uint64_t before = counters(&f.r)->checks_sent;
    for (unsigned i = 0; i < VIEWERS_MAX; i++) {
        viewer *v = open_direct(&f, i);
        v->peer.sends_no_checks = true;
        for (uint16_t j = 0; j < 100; j++) {
            cm_rtc_remote remote = remote_of("93.184.216.7:2000");
            remote.address.port = (uint16_t)(2000 + j);
            cm_rtc_session_add_remotes(v->session, &remote, 1);
        }
    }
    for (unsigned i = 1; i <= 25; i++) {
        run_for(&f.r, CM_SECONDS(1));
        assert_in_range(counters(&f.r)->checks_sent - before, 1, i * 20 + 1);
    }
    const cm_address victim = address_of("93.184.216.7");
    const uint64_t most = VIEWERS_MAX * CM_ICE_PAIRS_MAX * CM_ICE_SENDS_MAX;
    run_for(&f.r, CM_SECONDS(10));
    assert_in_range(counters(&f.r)->checks_sent - before, 100, most);
    assert_in_range(cm_sim_bytes_to(f.r.network, &victim), 1, most * 120);
    full_close(&f);
}

#define CASE(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(candidates_are_of_all_kinds),
        CASE(what_is_ours_anyway_is_not_told_twice),
        CASE(the_servers_are_asked_every_25_seconds),
        CASE(a_name_that_is_not_found_is_looked_up_again),
        CASE(answers_that_were_not_asked_for_change_nothing),
        CASE(a_full_agent_connects_when_its_own_check_is_answered),
        CASE(without_an_answer_it_never_connects),
        CASE(consent_ends_when_our_checks_are_not_answered),
        CASE(a_lite_session_beside_it_is_as_ever),
        CASE(an_endpoint_without_servers_stays_lite),
        CASE(a_lite_peer_is_nominated_a_pair),
        CASE(a_restart_finds_the_path_again),
        CASE(a_phone_that_changes_networks_goes_on_within_a_second),
        CASE(a_peer_on_tcp_stays),
        CASE(passwords_that_are_none_are_refused),
        CASE(a_restricted_nat_is_opened_by_our_checks),
        CASE(the_reflexive_address_is_kept),
        CASE(behind_a_symmetric_nat_the_relay_is_used),
        CASE(pictures_go_through_the_relay),
        CASE(relayed_packets_fit_1280_bytes),
        CASE(before_there_is_a_channel_packets_go_as_indications),
        CASE(the_relayed_path_lasts),
        CASE(nothing_breaks_when_the_relay_forgets_us),
        CASE(a_forbidden_peer_is_not_reached),
        CASE(strangers_at_the_relay_get_nothing),
        CASE(addresses_that_may_not_be_checked_are_not),
        CASE(checks_are_paced_and_bounded),
    };
    return cmocka_run_group_tests_name("rtc_full", tests, open_identity, close_identity);
}
