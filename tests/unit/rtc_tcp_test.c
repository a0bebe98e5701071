/* net/rtc over TCP: framed messages, bounded strangers, slow readers. One behaviour a case. */
#include "rtc_rig.h"

static void tcp_rig_open(rig *r)
{
    rig_open(r);
    cm_rtc_endpoint_destroy(r->endpoint);
    r->config.takes_tcp = true;
    assert_int_equal(cm_rtc_endpoint_create(&r->config, &r->endpoint), CM_OK);
}

/* Its peer begins over TCP. */
static viewer *tcp_viewer_open(rig *r, unsigned index)
{
    viewer *v = viewer_open(r, index);
    rtc_peer_connect_tcp(&v->peer, v->net);
    return v;
}

static void packets_pass_both_ways_over_tcp(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    rig_connect(&r, v);
    assert_non_null(v->session->path->route.stream);
    for (int i = 0; i < 20; i++)
        assert_int_equal(viewer_send(v, (size_t)(i % 5 == 4 ? 300 : 1200)), CM_OK);
    assert_int_equal(viewer_send_rtcp(v), CM_OK);
    uint8_t sent[RTC_PEER_ROOM];
    rtc_peer_send_rtp(&v->peer, 1000, sent);
    rtc_peer_send_rtcp(&v->peer);
    run_for(&r, CM_MS(50));
    assert_int_equal(v->peer.rtp, 20);
    assert_int_equal(v->peer.disorder, 0);
    assert_int_equal(v->peer.rtcp, 1);
    assert_int_equal(v->peer.unread, 0);
    assert_int_equal(v->rtp, 1);
    assert_int_equal(v->rtcp, 1);
    assert_int_equal(counters(&r)->connections, 1);
    run_for(&r, CM_SECONDS(60)); /* who is proven may stay */
    assert_int_equal(v->closed, 0);
    rig_close(&r);
}

static void frames_may_come_in_pieces_and_many_at_once(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 8; piece += 3) {
        rig r;
        tcp_rig_open(&r);
        viewer *v = tcp_viewer_open(&r, 0);
        v->peer.piece = piece;
        const cm_sim_path path = {.delay_us = CM_MS(1), .jitter_us = CM_MS(1)};
        cm_sim_path_set(r.network, &r.address, &v->peer.addresses[0].local, &path);
        rig_connect(&r, v);
        uint8_t sent[RTC_PEER_ROOM];
        for (int i = 0; i < 50; i++)
            rtc_peer_send_rtp(&v->peer, 900, sent);
        run_for(&r, CM_SECONDS(1));
        assert_int_equal(v->rtp, 50);
        assert_int_equal(counters(&r)->srtp_forged + counters(&r)->malformed, 0);
        rig_close(&r);
    }
}

static void the_path_moves_between_udp_and_tcp(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    run_for(&r, CM_MS(10));
    v->peer.sends_no_checks = true;
    const cm_address udp = v->peer.addresses[0].local;
    rtc_peer_connect_tcp(&v->peer, v->net);
    run_for(&r, CM_MS(10));
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_non_null(v->session->path->route.stream);
    assert_int_equal(counters(&r)->paths_moved, 1);
    assert_int_equal(viewer_send(v, 500), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    cm_tcp_close(v->peer.tcp);
    v->peer.tcp = NULL;
    v->peer.addresses[0].local = udp;
    run_for(&r, CM_MS(10));
    assert_null(v->session->path); /* its connection is gone, and no other was nominated since */
    assert_int_equal(viewer_send(v, 500), CM_RETRY);
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(viewer_send(v, 500), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 2);
    assert_int_equal(v->closed, 0);
    rig_close(&r);
}

static void what_waits_for_a_connection_that_ends_is_dropped(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    viewer *other = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, other);
    for (int i = 0; i < CM_RTC_MESSAGES_MAX / 2; i++) {
        assert_int_equal(viewer_send(v, 1000), CM_OK);
        assert_int_equal(viewer_send(other, 1000), CM_OK);
    }
    cm_rtc_forget_pair(v->session->path);
    cm_rtc_endpoint_flush(r.endpoint);
    run_for(&r, CM_MS(50));
    assert_int_equal(v->peer.rtp, 0);
    assert_int_equal(other->peer.rtp, CM_RTC_MESSAGES_MAX / 2);
    rig_close(&r);
}

static void what_waits_for_udp_outlives_a_connection(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    run_for(&r, CM_MS(10));
    v->peer.sends_no_checks = true;
    rtc_peer_connect_tcp(&v->peer, v->net);
    run_for(&r, CM_MS(10));
    rtc_peer_check_now(&v->peer, false);
    run_for(&r, CM_MS(10));
    assert_false(cm_list_is_empty(&r.endpoint->streams));
    const cm_rtc_stream *stream = CM_HOLDER(r.endpoint->streams.next, cm_rtc_stream, node);
    assert_int_equal(viewer_send(v, 1000), CM_OK);
    cm_rtc_forget_pair(cm_rtc_find_pair(&stream->route));
    cm_rtc_endpoint_flush(r.endpoint);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    rig_close(&r);
}

static void without_a_connection_consent_runs_out(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    rig_connect(&r, v);
    v->peer.sends_no_checks = true;
    cm_tcp_reset(v->peer.tcp);
    v->peer.tcp = NULL;
    run_for(&r, CM_SECONDS(29));
    assert_int_equal(v->closed, 0);
    run_for(&r, CM_SECONDS(3));
    assert_int_equal(v->cause, CM_RTC_CONSENT);
    rig_close(&r);
}

static void a_destroyed_session_resets_its_connection(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    rig_connect(&r, v);
    cm_rtc_session_destroy(v->session);
    v->session = NULL;
    run_for(&r, CM_MS(50));
    assert_true(v->peer.has_tcp_ended);
    assert_true(cm_list_is_empty(&r.endpoint->streams));
    assert_true(cm_list_is_empty(&r.endpoint->closed_streams));
    rig_close(&r);
}

/* The frames that are left belong to nobody. */
static void a_session_may_go_in_the_middle_of_what_came(void **state)
{
    (void)state;
    for (wrecking which = WRECK_CONNECTED; which <= WRECK_CLOSED; which++) {
        rig r;
        tcp_rig_open(&r);
        viewer *v = tcp_viewer_open(&r, 0);
        v->wrecks = which;
        run_for(&r, CM_MS(500));
        if (v->session != NULL) {
            uint8_t sent[RTC_PEER_ROOM];
            for (int i = 0; i < 10; i++) {
                rtc_peer_send_rtp(&v->peer, 500, sent);
                rtc_peer_send_rtcp(&v->peer);
            }
            v->peer.sends_no_checks = true;
            run_for(&r, CM_SECONDS(40));
        }
        assert_null(v->session);
        assert_int_equal(v->rtp, which == WRECK_CONNECTED ? 0 : which == WRECK_CLOSED ? 10 : 1);
        assert_true(v->peer.has_tcp_ended);
        assert_int_equal(counters(&r)->strangers, 0); /* the rest was not even looked at */
        rig_close(&r);
    }
}

/* ---- slow readers ---- */

static void a_slow_reader_loses_packets_and_nothing_else(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    rig_connect(&r, v);
    cm_tcp_pause(v->peer.tcp, true);
    const cm_rtc_stream *stream = v->session->path->route.stream;
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(viewer_send(v, 1000), CM_OK);
        if (i % 8 == 7) {
            cm_rtc_endpoint_flush(r.endpoint);
            run_for(&r, CM_MS(1));
        }
        assert_true(stream->out.capacity <= 32 * 1024);
    }
    const uint64_t dropped = counters(&r)->packets_dropped;
    /* In the peer's window, in the kernel's memory, in ours. */
    const size_t most = 262144 + 2 * 32 * 1024;
    assert_true((3000 - dropped) * (2 + 1000 + 16) <= most);
    assert_true(dropped > 500);
    cm_tcp_pause(v->peer.tcp, false);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_MS(500));
    assert_int_equal(v->peer.rtp, 3000 - dropped);
    assert_int_equal(v->peer.unread, 0); /* every frame whole */
    assert_int_equal(viewer_send(v, 1000), CM_OK);
    run_for(&r, CM_MS(50));
    assert_int_equal(v->peer.rtp, 3001 - dropped);
    assert_int_equal(stream->out.capacity, 0);
    rig_close(&r);
}

/* ---- strangers ---- */

typedef struct caller {
    cm_tcp *tcp;
    bool has_ended;
    size_t heard;
} caller;

static void caller_on_connected(void *owner, cm_status status)
{
    caller *c = owner;
    c->has_ended = status != CM_OK;
}

static void caller_on_readable(void *owner)
{
    caller *c = owner;
    uint8_t bytes[256];
    size_t size;
    cm_status status;
    while ((status = cm_tcp_read(c->tcp, bytes, sizeof bytes, &size)) == CM_OK)
        c->heard += size;
    c->has_ended = status == CM_CLOSE;
}

static void caller_open(rig *r, cm_net *net, caller *c)
{
    static const cm_tcp_events CALLER_EVENTS = {.on_connected = caller_on_connected,
                                                .on_readable = caller_on_readable};
    *c = (caller){.tcp = NULL};
    assert_int_equal(cm_tcp_connect(net, &r->address, CM_SECONDS(5), &CALLER_EVENTS, c, &c->tcp),
                     CM_OK);
    run_for(r, CM_MS(5));
    assert_false(c->has_ended);
}

static void caller_send(rig *r, caller *c, cm_slice bytes)
{
    size_t taken;
    assert_int_equal(cm_tcp_write(c->tcp, &bytes, 1, &taken), CM_OK);
    assert_int_equal(taken, bytes.size);
    run_for(r, CM_MS(5));
}

static void who_says_nothing_is_cut_off_after_ten_seconds(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    cm_net *net = host_at(&r, "10.0.66.6");
    caller silent, halting;
    caller_open(&r, net, &silent);
    caller_open(&r, net, &halting);
    for (int i = 0; i < 9; i++) {
        caller_send(&r, &halting, BYTES(1)); /* a byte a second of a frame of 257 */
        run_for(&r, CM_SECONDS(1));
    }
    assert_false(silent.has_ended || halting.has_ended);
    run_for(&r, CM_SECONDS(2));
    assert_true(silent.has_ended && halting.has_ended);
    assert_int_equal(r.endpoint->strangers, 0);
    assert_int_equal(silent.heard + halting.heard, 0);
    cm_tcp_close(silent.tcp);
    cm_tcp_close(halting.tcp);
    run_for(&r, CM_SECONDS(3));
    cm_net_destroy(net);
    rig_close(&r);
}

static void frames_of_no_size_or_too_large_end_the_connection(void **state)
{
    (void)state;
    static const uint8_t WRONG[][2] = {{0, 0}, {8, 1}, {0xFF, 0xFF}, {'G', 'E'}};
    rig r;
    tcp_rig_open(&r);
    cm_net *net = host_at(&r, "10.0.66.6");
    for (size_t i = 0; i < CM_COUNT(WRONG); i++) {
        caller c;
        caller_open(&r, net, &c);
        caller_send(&r, &c, cm_slice_over(WRONG[i], 2));
        assert_true(c.has_ended);
        cm_tcp_close(c.tcp);
    }
    assert_int_equal(r.endpoint->strangers, 0);
    run_for(&r, CM_SECONDS(3));
    cm_net_destroy(net);
    rig_close(&r);
}

/* A frame with a first byte, then nothing of sense. */
static void frame(uint8_t out[64], uint8_t first)
{
    memset(out, 0, 64);
    out[1] = 62;
    out[2] = first;
}

static void strangers_frames_are_counted_and_get_no_answer(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    cm_net *net = host_at(&r, "10.0.66.6");
    caller c;
    uint8_t bytes[64];
    caller_open(&r, net, &c);
    frame(bytes, 0x80);
    caller_send(&r, &c, cm_slice_over(bytes, sizeof bytes));
    frame(bytes, 22);
    caller_send(&r, &c, cm_slice_over(bytes, sizeof bytes));
    assert_int_equal(counters(&r)->strangers, 2);
    for (int i = 2; i < 16; i++) {
        assert_false(c.has_ended);
        caller_send(&r, &c, cm_slice_over(bytes, sizeof bytes));
    }
    caller_send(&r, &c, cm_slice_over(bytes, sizeof bytes)); /* the seventeenth */
    assert_true(c.has_ended);
    assert_int_equal(c.heard, 0);
    assert_int_equal(counters(&r)->strangers, 16);
    cm_tcp_close(c.tcp);
    run_for(&r, CM_SECONDS(3));
    cm_net_destroy(net);
    rig_close(&r);
}

static void many_strangers_keep_nobody_out(void **state)
{
    (void)state;
    enum { MANY = 100 };
    rig r;
    tcp_rig_open(&r);
    cm_net *net = host_at(&r, "10.0.66.6");
    static caller callers[MANY];
    for (int i = 0; i < MANY; i++)
        caller_open(&r, net, &callers[i]);
    assert_int_equal(r.endpoint->strangers, CM_RTC_STRANGERS_MAX);
    for (int i = 0; i < MANY; i++) /* the oldest made room */
        assert_int_equal(callers[i].has_ended, i < MANY - CM_RTC_STRANGERS_MAX);
    viewer *v = tcp_viewer_open(&r, 0);
    rig_connect(&r, v);
    for (int i = 0; i < MANY; i++)
        cm_tcp_close(callers[i].tcp);
    run_for(&r, CM_SECONDS(3));
    assert_int_equal(r.endpoint->strangers, 0);
    cm_net_destroy(net);
    rig_close(&r);
}

static void an_endpoint_may_go_while_strangers_wait(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    cm_net *net = host_at(&r, "10.0.66.6");
    caller c;
    caller_open(&r, net, &c);
    caller_send(&r, &c, BYTES(0, 100, 0));
    cm_rtc_endpoint_destroy(r.endpoint);
    r.endpoint = NULL;
    run_for(&r, CM_MS(10));
    assert_true(c.has_ended);
    cm_tcp_close(c.tcp);
    run_for(&r, CM_SECONDS(3));
    cm_net_destroy(net);
    rig_close(&r);
}

static void a_connection_belongs_to_one_session(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    viewer *v = tcp_viewer_open(&r, 0);
    viewer *other = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, other);
    run_for(&r, CM_MS(10));
    v->peer.sends_no_checks = true;
    run_for(&r, CM_SECONDS(16)); /* abandoned, were it UDP */
    const cm_ice_credentials own = v->peer.theirs;
    v->peer.theirs = other->peer.theirs;
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->checks_taken, 1);
    v->peer.theirs = own;
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    rig_close(&r);
}

/* ---- what peers are told ---- */

/* RFC 6544, 4.2: UDP is better than any TCP. */
static void candidates_on_tcp_come_last(void **state)
{
    (void)state;
    rig r;
    tcp_rig_open(&r);
    cm_rtc_candidate list[CM_RTC_CANDIDATES_MAX];
    assert_int_equal(cm_rtc_endpoint_candidates(r.endpoint, list), 2);
    assert_true(!list[0].is_tcp && list[1].is_tcp);
    assert_true(cm_address_equal(&list[0].address, &list[1].address));
    assert_true(list[0].priority > list[1].priority);
    assert_int_equal(list[1].priority >> 24, 90);
    assert_int_equal(list[1].priority >> 21 & 7, 4); /* passive */
    assert_true(list[0].foundation != list[1].foundation);
    rig_close(&r);
}

static void a_port_in_use_on_tcp_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_endpoint_destroy(r.endpoint);
    r.endpoint = NULL;
    cm_tcp_listener *listener;
    const cm_tcp_listener_config config = {.address = r.address};
    assert_int_equal(cm_tcp_listener_open(r.net, &config, &listener), CM_OK);
    r.config.takes_tcp = true;
    assert_int_equal(cm_rtc_endpoint_create(&r.config, &r.endpoint), CM_REFUSE);
    cm_tcp_listener_close(listener);
    assert_int_equal(cm_rtc_endpoint_create(&r.config, &r.endpoint), CM_OK);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_pass_both_ways_over_tcp),
        cmocka_unit_test(frames_may_come_in_pieces_and_many_at_once),
        cmocka_unit_test(the_path_moves_between_udp_and_tcp),
        cmocka_unit_test(what_waits_for_a_connection_that_ends_is_dropped),
        cmocka_unit_test(what_waits_for_udp_outlives_a_connection),
        cmocka_unit_test(without_a_connection_consent_runs_out),
        cmocka_unit_test(a_destroyed_session_resets_its_connection),
        cmocka_unit_test(a_session_may_go_in_the_middle_of_what_came),
        cmocka_unit_test(a_slow_reader_loses_packets_and_nothing_else),
        cmocka_unit_test(who_says_nothing_is_cut_off_after_ten_seconds),
        cmocka_unit_test(frames_of_no_size_or_too_large_end_the_connection),
        cmocka_unit_test(strangers_frames_are_counted_and_get_no_answer),
        cmocka_unit_test(many_strangers_keep_nobody_out),
        cmocka_unit_test(an_endpoint_may_go_while_strangers_wait),
        cmocka_unit_test(a_connection_belongs_to_one_session),
        cmocka_unit_test(candidates_on_tcp_come_last),
        cmocka_unit_test(a_port_in_use_on_tcp_is_refused),
    };
    return cmocka_run_group_tests_name("rtc over tcp", tests, open_identity, close_identity);
}
