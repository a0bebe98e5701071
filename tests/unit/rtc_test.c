/* net/rtc, where all goes well: connecting, sending, receiving, moving, restarting, ending. One
 * behaviour a case. */
#include "rtc_rig.h"

/* ---- connecting ---- */

static void a_peer_connects_and_packets_pass_both_ways(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    assert_int_equal(counters(&r)->sessions_connected, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(viewer_send(v, 1000), CM_OK);
    assert_int_equal(viewer_send_rtcp(v), CM_OK);
    uint8_t sent[RTC_PEER_ROOM];
    rtc_peer_send_rtp(&v->peer, 300, sent);
    rtc_peer_send_rtcp(&v->peer);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 20);
    assert_int_equal(v->peer.disorder, 0);
    assert_int_equal(v->peer.rtcp, 1);
    assert_int_equal(v->peer.unread, 0);
    assert_int_equal(v->rtp, 1);
    assert_int_equal(v->rtcp, 1);
    assert_int_equal(v->last_size, 8);
    assert_int_equal(v->last[1], 201);
    assert_int_equal(v->connected, 1);
    rig_close(&r);
}

static void a_peer_on_ipv6_connects(void **state)
{
    (void)state;
    rig r;
    rig_open_at(&r, "[2001:db8::1]:8189");
    viewer *v = viewer_open_at(&r, 0, "2001:db8::2");
    rig_connect(&r, v);
    assert_int_equal(viewer_send(v, 1000), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    rig_close(&r);
}

static void a_peer_connects_within_three_round_trips_and_a_half(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    const cm_sim_path path = {.delay_us = CM_MS(50)};
    cm_sim_path_set(r.network, &r.address, &v->peer.addresses[0].local, &path);
    const cm_instant begin = cm_loop_now(r.w.loop);
    rig_connect(&r, v);
    /* Check and answer, two round trips of DTLS; the nomination is on its way with the first. */
    assert_true(cm_instant_since(cm_loop_now(r.w.loop), begin) <= CM_MS(350));
    rig_close(&r);
}

static void a_path_that_loses_a_quarter_still_connects(void **state)
{
    (void)state;
    for (rig_seed = 1; rig_seed <= 10; rig_seed++) {
        rig r;
        rig_open(&r);
        viewer *v = viewer_open(&r, 0);
        const cm_sim_path path = {
            .delay_us = CM_MS(30), .jitter_us = CM_MS(20), .loss_per_million = 250000};
        cm_sim_path_set(r.network, &r.address, &v->peer.addresses[0].local, &path);
        rig_connect(&r, v);
        for (int i = 0; i < 100; i++)
            assert_int_equal(viewer_send(v, 200), CM_OK);
        run_for(&r, CM_MS(200));
        assert_in_range(v->peer.rtp, 50, 98);
        rig_close(&r);
    }
    rig_seed = 1;
}

/* RFC 8445, 12.1.2: no media before a pair was nominated. */
static void without_a_nomination_nothing_may_be_sent(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.never_nominates = true;
    run_for(&r, CM_SECONDS(5));
    assert_true(v->peer.srtp != NULL); /* DTLS is done */
    assert_int_equal(v->connected, 0);
    assert_int_equal(viewer_send(v, 100), CM_RETRY);
    assert_int_equal(viewer_send_rtcp(v), CM_RETRY);
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->connected, 1);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    rig_close(&r);
}

/* One that publishes may begin before its nomination has arrived. */
static void packets_are_taken_before_the_nomination(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.never_nominates = true;
    run_for(&r, CM_SECONDS(1));
    uint8_t sent[RTC_PEER_ROOM];
    rtc_peer_send_rtp(&v->peer, 300, sent);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->rtp, 1);
    assert_int_equal(v->last_size, 300);
    assert_int_equal(v->connected, 0);
    rig_close(&r);
}

static void keys_may_come_after_the_nomination(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.sends_no_dtls = true;
    run_for(&r, CM_SECONDS(2));
    assert_int_equal(v->connected, 0);
    v->peer.sends_no_dtls = false;
    rig_connect(&r, v);
    assert_int_equal(counters(&r)->paths_moved, 0);
    rig_close(&r);
}

static void before_a_nomination_the_handshake_goes_where_it_comes_from(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    peer_add_address(&r, v, "10.0.2.1");
    v->peer.never_nominates = v->peer.sends_no_dtls = true;
    run_for(&r, CM_MS(100)); /* the first address is proven, and is then cut off */
    const cm_sim_path path = {.is_down = true};
    cm_sim_path_set(r.network, &r.address, &v->peer.addresses[0].local, &path);
    v->peer.active = 1;
    v->peer.sends_no_dtls = false;
    run_for(&r, CM_SECONDS(1));
    assert_true(v->peer.srtp != NULL);
    assert_int_equal(v->connected, 0);
    rig_close(&r);
}

/* RFC 6347, 4.2.4: the last flight is kept until the peer has shown that it has it. */
static void the_first_packet_confirms_the_keys(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    const uint64_t repeated = counters(&r)->dtls.repeated;
    const cm_slice finished = cm_slice_over(v->peer.last_dtls, v->peer.last_dtls_size);
    rtc_peer_send_bytes(&v->peer, finished);
    run_for(&r, CM_MS(100));
    assert_int_equal(counters(&r)->dtls.repeated, repeated + 1);
    rtc_peer_send_rtcp(&v->peer);
    rtc_peer_send_bytes(&v->peer, finished);
    run_for(&r, CM_MS(100));
    assert_int_equal(counters(&r)->dtls.repeated, repeated + 1);
    rig_close(&r);
}

/* ---- moving ---- */

static void a_nomination_of_another_address_moves_the_path(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    peer_add_address(&r, v, "10.0.2.1");
    rig_connect(&r, v);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[0].packets, 1);
    v->peer.active = 1; /* a phone that leaves its Wi-Fi */
    v->peer.sends_no_checks = true;
    rtc_peer_check_now(&v->peer, false);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[1].answers, 1);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[1].packets, 0); /* proven, but not chosen */
    assert_int_equal(counters(&r)->paths_moved + v->moved, 0);
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[0].packets, 2);
    assert_int_equal(v->peer.addresses[1].packets, 1);
    assert_int_equal(counters(&r)->paths_moved, 1);
    assert_int_equal(v->moved, 1);
    cm_rtc_figures figures;
    cm_rtc_session_read_figures(v->session, &figures);
    assert_true(figures.has_path);
    assert_true(cm_address_equal(&figures.path, &v->peer.addresses[1].local));
    rtc_peer_send_rtcp(&v->peer); /* from there as well */
    run_for(&r, CM_MS(10));
    assert_int_equal(v->rtcp, 1);
    assert_int_equal(v->connected, 1);
    rig_close(&r);
}

/* What waits for the old path leaves for it; what comes after leaves for the other one. */
static void packets_of_two_paths_do_not_share_a_message(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    peer_add_address(&r, v, "10.0.2.1");
    rig_connect(&r, v);
    v->peer.active = 1;
    v->peer.sends_no_checks = true;
    rtc_peer_check_now(&v->peer, false);
    run_for(&r, CM_MS(10));
    cm_rtc_pair *other = cm_rtc_find_pair(&(cm_rtc_route){
        .port = &r.endpoint->ports[0], .local = r.address, .peer = v->peer.addresses[1].local});
    assert_non_null(other);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    cm_rtc_session_proven(v->session, other, true);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[0].packets, 1);
    assert_int_equal(v->peer.addresses[1].packets, 1);
    rig_close(&r);
}

/* ---- restart ---- */

static void a_restart_keeps_keys_and_streams(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    peer_add_address(&r, v, "10.0.2.1");
    rig_connect(&r, v);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_MS(10));
    const cm_ice_credentials before = v->peer.theirs;
    assert_int_equal(cm_rtc_session_restart(v->session, CM_TEXT("peer2")), CM_OK);
    const cm_ice_credentials after = *cm_rtc_session_local(v->session);
    assert_string_not_equal(after.ufrag, before.ufrag);
    assert_int_equal(viewer_send(v, 100), CM_OK);
    const unsigned answers = v->peer.addresses[0].answers;
    rtc_peer_check_now(&v->peer, true); /* the old ones still count */
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[0].answers, answers + 1);
    assert_int_equal(v->peer.rtp, 1);
    v->peer.theirs = after;
    v->peer.ufrag = "peer2";
    v->peer.active = 1;
    rtc_peer_check_now(&v->peer, true);
    run_for(&r, CM_MS(10));
    assert_int_equal(viewer_send(v, 100), CM_OK);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.addresses[1].packets, 1);
    const uint64_t unknown = counters(&r)->checks_unknown;
    rtc_peer_send_check(
        &v->peer, &(rtc_peer_check){.ours = "peer", .theirs = before.ufrag, .pwd = before.pwd});
    run_for(&r, CM_MS(10));
    assert_int_equal(counters(&r)->checks_unknown, unknown + 1);
    assert_true(cm_list_is_empty(&v->session->names[1].node)); /* nothing is listed any more */
    assert_int_equal(v->connected, 1);
    assert_int_equal(v->peer.disorder, 0);
    rig_close(&r);
}

static void a_phone_that_changes_networks_goes_on_within_a_second(void **state)
{
    (void)state;
    const uint64_t kept = rig_seed;
    for (rig_seed = 1; rig_seed <= 20; rig_seed++) {
        rig r;
        rig_open(&r);
        viewer *v = viewer_open(&r, 0);
        peer_add_address(&r, v, "10.0.2.1");
        expect_going_on(&r, v, false);
        rig_close(&r);
    }
    rig_seed = kept;
}

static void a_restart_wants_a_ufrag_and_a_session_that_lives(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    assert_int_equal(cm_rtc_session_restart(v->session, CM_TEXT("?")), CM_REFUSE);
    rig_connect(&r, v);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_SECONDS(40));
    assert_int_equal(v->closed, 1);
    assert_int_equal(cm_rtc_session_restart(v->session, CM_TEXT("peer2")), CM_REFUSE);
    rig_close(&r);
}

/* ---- ending ---- */

static void a_peer_that_never_comes_is_absent(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    v->peer.sends_no_checks = true;
    run_for(&r, CM_MS(29900));
    assert_int_equal(v->closed, 0);
    run_for(&r, CM_MS(200));
    assert_int_equal(v->closed, 1);
    assert_int_equal(v->cause, CM_RTC_ABSENT);
    assert_int_equal(counters(&r)->sessions_ended[CM_RTC_ABSENT], 1);
    rig_close(&r);
}

static void a_peer_that_does_not_finish_is_late(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        rig r;
        rig_open(&r);
        viewer *v = viewer_open(&r, 0);
        v->peer.sends_no_dtls = i == 0;
        v->peer.never_nominates = i == 1;
        run_for(&r, CM_SECONDS(31));
        assert_int_equal(v->closed, 1);
        assert_int_equal(v->cause, CM_RTC_LATE);
        rig_close(&r);
    }
}

/* RFC 7675, 5.1 */
static void without_checks_consent_runs_out_after_30_s(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    run_for(&r, CM_SECONDS(300)); /* checks every two seconds keep it */
    assert_int_equal(v->closed, 0);
    v->peer.sends_no_checks = true;
    for (int i = 0; i < 27; i++) {
        rtc_peer_send_rtcp(&v->peer); /* packets are no consent */
        run_for(&r, CM_SECONDS(1));
    }
    assert_int_equal(v->closed, 0);
    run_for(&r, CM_SECONDS(4));
    assert_int_equal(v->closed, 1);
    assert_int_equal(v->cause, CM_RTC_CONSENT);
    assert_false(cm_rtc_session_is_connected(v->session));
    assert_int_equal(viewer_send(v, 100), CM_RETRY);
    cm_rtc_figures figures;
    cm_rtc_session_read_figures(v->session, &figures);
    assert_false(figures.has_path);
    rig_close(&r);
}

static void a_destroyed_session_says_goodbye(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    cm_rtc_session_destroy(v->session);
    v->session = NULL;
    run_for(&r, CM_MS(10));
    assert_true(v->peer.dtls.has_seen_goodbye);
    assert_int_equal(v->closed, 0);
    assert_int_equal(counters(&r)->sessions, 0);
    rig_close(&r);
}

static void a_peer_that_says_goodbye_is_gone_at_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    rtc_peer_send_rtcp(&v->peer);
    run_for(&r, CM_MS(10));
    dtls_client_say_goodbye(&v->peer.dtls);
    rtc_peer_flush_dtls(&v->peer);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->closed, 1);
    assert_int_equal(v->cause, CM_RTC_GOODBYE);
    rig_close(&r);
}

static void causes_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < CM_RTC_CAUSES; i++)
        assert_non_null(cm_rtc_cause_name((cm_rtc_cause)i));
    assert_string_equal(cm_rtc_cause_name(CM_RTC_CONSENT), "consent");
}

static void every_pair_of_states_is_as_the_table_says(void **state)
{
    (void)state;
    static const bool MAY[CM_RTC_STATES][CM_RTC_STATES] = {
        [CM_RTC_WAITING] = {[CM_RTC_HANDSHAKING] = true, [CM_RTC_ENDED] = true},
        [CM_RTC_HANDSHAKING] = {[CM_RTC_CONNECTED] = true, [CM_RTC_ENDED] = true},
        [CM_RTC_CONNECTED] = {[CM_RTC_ENDED] = true},
    };
    for (int from = 0; from < CM_RTC_STATES; from++) {
        for (int to = 0; to < CM_RTC_STATES; to++)
            assert_int_equal(cm_rtc_may_turn((cm_rtc_state)from, (cm_rtc_state)to), MAY[from][to]);
    }
}

/* ---- sending ---- */

static void packets_leave_without_a_flush_and_in_order(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *other = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, other);
    const uint64_t before = counters(&r)->packets_out;
    for (int i = 0; i < 3000; i++) { /* several arenas full */
        assert_int_equal(viewer_send(v, (size_t)(i % 7 == 6 ? 300 : 1200)), CM_OK);
        if (i % 10 == 0)
            assert_int_equal(viewer_send(other, 500), CM_OK);
    }
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 3000);
    assert_int_equal(v->peer.disorder, 0);
    assert_int_equal(other->peer.rtp, 300);
    assert_int_equal(other->peer.disorder, 0);
    assert_int_equal(counters(&r)->packets_out, before + 3300);
    assert_int_equal(counters(&r)->packets_dropped, 0);
    cm_rtc_figures figures;
    cm_rtc_session_read_figures(v->session, &figures);
    assert_int_equal(figures.packets_out, 3000);
    assert_int_equal(figures.bytes_out, 428 * (300 + 16) + 2572 * (1200 + 16));
    rig_close(&r);
}

static void a_flush_sends_at_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    const uint64_t before = cm_sim_bytes_to(r.network, &v->peer.addresses[0].local);
    assert_int_equal(viewer_send(v, 1000), CM_OK);
    assert_int_equal(cm_sim_bytes_to(r.network, &v->peer.addresses[0].local), before);
    cm_rtc_endpoint_flush(r.endpoint);
    assert_int_equal(cm_sim_bytes_to(r.network, &v->peer.addresses[0].local), before + 1016);
    cm_rtc_endpoint_flush(r.endpoint); /* nothing twice */
    assert_int_equal(cm_sim_bytes_to(r.network, &v->peer.addresses[0].local), before + 1016);
    assert_int_equal(counters(&r)->flushes, 1);
    rig_close(&r);
}

/* Sends packets of these sizes (0: RTCP of 8 bytes) and returns in how many messages they left. */
static uint64_t messages_of(rig *r, viewer *v, const size_t *sizes, size_t count)
{
    const uint64_t before = counters(r)->datagrams_out;
    const unsigned received = v->peer.rtp + v->peer.rtcp;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sizes[i] > 0 ? viewer_send(v, sizes[i]) : viewer_send_rtcp(v), CM_OK);
    cm_rtc_endpoint_flush(r->endpoint);
    run_for(r, CM_MS(5));
    assert_int_equal(v->peer.rtp + v->peer.rtcp, received + count);
    return counters(r)->datagrams_out - before;
}

#define MESSAGES_OF(...)                                                                           \
    messages_of(&r, v, (const size_t[]){__VA_ARGS__},                                              \
                sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static void packets_of_one_size_share_a_message(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    size_t sizes[CM_RTC_PACKETS_MAX + 1];
    for (size_t i = 0; i < CM_COUNT(sizes); i++)
        sizes[i] = 900;
    assert_int_equal(messages_of(&r, v, sizes, CM_RTC_PACKETS_MAX), 1);
    assert_int_equal(messages_of(&r, v, sizes, CM_RTC_PACKETS_MAX + 1), 2);
    assert_int_equal(MESSAGES_OF(900, 900, 200), 1);      /* the last may be shorter */
    assert_int_equal(MESSAGES_OF(900, 900, 200, 200), 2); /* but only the last */
    assert_int_equal(MESSAGES_OF(900, 901), 2);
    assert_int_equal(MESSAGES_OF(900, 900, 0), 1); /* a report goes with the frame */
    assert_int_equal(MESSAGES_OF(0, 900), 2);
    assert_int_equal(v->peer.disorder, 0);
    rig_close(&r);
}

static void what_waits_dies_with_its_session(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *other = viewer_open(&r, 1);
    rig_connect(&r, v);
    rig_connect(&r, other);
    for (int i = 0; i < CM_RTC_MESSAGES_MAX / 2; i++) { /* as many as wait without a flush */
        assert_int_equal(viewer_send(v, 1000), CM_OK);
        assert_int_equal(viewer_send(other, 1000), CM_OK);
    }
    cm_rtc_session_destroy(v->session);
    v->session = NULL;
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 0);
    assert_int_equal(other->peer.rtp, CM_RTC_MESSAGES_MAX / 2);
    rig_close(&r);
}

static void packets_too_large_or_wrong_are_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    rig_connect(&r, v);
    assert_int_equal(viewer_send(v, CM_RTC_PACKET_MAX + 1), CM_REFUSE);
    assert_int_equal(viewer_send(v, CM_RTC_PACKET_MAX), CM_OK);
    v->sequence--; /* under the same number once more: the key stream would be the same */
    assert_int_equal(viewer_send(v, 100), CM_REFUSE);
    static const uint8_t WRONG[CM_RTC_PACKET_MAX];
    assert_int_equal(cm_rtc_session_send_rtp(v->session, WRONG, 12, NULL, 0), CM_REFUSE);
    assert_int_equal(cm_rtc_session_send_rtcp(v->session, cm_slice_over(WRONG, 4)), CM_REFUSE);
    assert_int_equal(
        cm_rtc_session_send_rtcp(v->session, cm_slice_over(WRONG, CM_RTC_RTCP_MAX + 1)), CM_REFUSE);
    assert_int_equal(counters(&r)->packets_refused, 5);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    assert_int_equal(v->peer.last_size, CM_RTC_PACKET_MAX);
    assert_int_equal(v->peer.unread, 0);
    rig_close(&r);
}

static void a_lost_packet_may_go_once_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    viewer *v = viewer_open(&r, 0);
    viewer *forgetful = viewer_open(&r, 1);
    cm_rtc_session_remember(v->session, VIEWER_SSRC);
    rig_connect(&r, v);
    rig_connect(&r, forgetful);
    const uint16_t sequence = v->sequence;
    assert_int_equal(viewer_send(v, 500), CM_OK);
    assert_int_equal(viewer_resend(v, sequence, 500), CM_OK);
    assert_int_equal(viewer_resend(v, sequence, 501), CM_FOREIGN);
    assert_int_equal(counters(&r)->packets_refused, 1);
    assert_int_equal(viewer_resend(v, (uint16_t)(sequence + 1), 500), CM_ABSENT);
    const uint16_t other = forgetful->sequence;
    assert_int_equal(viewer_send(forgetful, 500), CM_OK);
    assert_int_equal(viewer_resend(forgetful, other, 500), CM_ABSENT);
    assert_int_equal(counters(&r)->packets_refused, 1);
    run_for(&r, CM_MS(10));
    assert_int_equal(v->peer.rtp, 1);
    assert_int_equal(v->peer.unread, 1); /* its SRTP had that one */
    assert_int_equal(forgetful->peer.rtp, 1);
    assert_int_equal(forgetful->peer.unread, 0);
    rig_close(&r);
}

/* ---- what peers are told ---- */

static void candidates_are_what_is_bound_and_what_is_announced(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_endpoint_destroy(r.endpoint);
    const cm_address announced[] = {address_of("203.0.113.5"), address_of("203.0.113.5:443"),
                                    address_of("10.0.0.1:8189")};
    r.config.announced = announced;
    r.config.announced_count = 3;
    assert_int_equal(cm_rtc_endpoint_create(&r.config, &r.endpoint), CM_OK);
    cm_rtc_candidate list[CM_RTC_CANDIDATES_MAX];
    assert_int_equal(cm_rtc_endpoint_candidates(r.endpoint, list), 3); /* the last is the first */
    assert_true(cm_address_equal(&list[0].address, &r.address));
    assert_int_equal(list[0].priority, 2130706431); /* RFC 8445, 5.1.2.1 */
    assert_int_equal(list[1].address.port, 8189);
    assert_true(cm_address_same_host(&list[1].address, &announced[0]));
    assert_int_equal(list[2].address.port, 443);
    assert_true(list[1].priority < list[0].priority && list[2].priority < list[1].priority);
    assert_true(list[0].foundation != list[1].foundation);
    assert_string_equal(cm_rtc_endpoint_fingerprint(r.endpoint),
                        cm_dtls_identity_fingerprint(identity));
    rig_close(&r);
}

static void an_address_in_use_or_not_ours_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_endpoint *second;
    assert_int_equal(cm_rtc_endpoint_create(&r.config, &second), CM_REFUSE);
    const cm_address foreign = address_of("10.9.9.9:8189");
    cm_rtc_endpoint_config config = r.config;
    config.addresses = &foreign;
    assert_int_equal(cm_rtc_endpoint_create(&config, &second), CM_REFUSE);
    rig_close(&r);
}

static void all_addresses_are_told_as_those_we_have(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_endpoint *second;
    cm_rtc_candidate list[CM_RTC_CANDIDATES_MAX];
    cm_address any = address_of("0.0.0.0:0");
    cm_rtc_endpoint_config config = r.config;
    config.addresses = &any;
    assert_int_equal(cm_rtc_endpoint_create(&config, &second), CM_OK);
    assert_int_equal(cm_rtc_endpoint_candidates(second, list), 1);
    assert_true(cm_address_same_host(&list[0].address, &r.address));
    assert_true(list[0].address.port != 0);
    cm_rtc_endpoint_destroy(second);
    any = address_of("[::]:8190"); /* this machine has none of that family */
    assert_int_equal(cm_rtc_endpoint_create(&config, &second), CM_OK);
    assert_int_equal(cm_rtc_endpoint_candidates(second, list), 1);
    assert_int_equal(cm_address_kind_of(&list[0].address), CM_ADDRESS_LOOPBACK);
    cm_rtc_endpoint_destroy(second);
    rig_close(&r);
}

static void the_bound_on_sessions_holds(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_endpoint_destroy(r.endpoint);
    r.config.sessions_max = 2;
    assert_int_equal(cm_rtc_endpoint_create(&r.config, &r.endpoint), CM_OK);
    assert_int_equal(session_create(&r, &r.viewers[0]), CM_OK);
    assert_int_equal(session_create(&r, &r.viewers[1]), CM_OK);
    assert_int_equal(session_create(&r, &r.viewers[2]), CM_FULL);
    assert_int_equal(counters(&r)->sessions_refused, 1);
    cm_rtc_session_destroy(r.viewers[0].session);
    r.viewers[0].session = NULL;
    assert_int_equal(session_create(&r, &r.viewers[2]), CM_OK);
    assert_int_equal(counters(&r)->sessions, 2);
    rig_close(&r);
}

static void a_session_wants_a_ufrag_and_a_fingerprint(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_rtc_session *session;
    const cm_fingerprint fingerprint = dtls_certificate_digest(&certificate, EVP_sha256());
    cm_rtc_session_config config = {.remote_ufrag = CM_TEXT("abc"),
                                    .fingerprints = &fingerprint,
                                    .fingerprint_count = 1,
                                    .events = &EVENTS};
    assert_int_equal(cm_rtc_session_create(r.endpoint, &config, &session), CM_REFUSE);
    config.remote_ufrag = CM_TEXT("abcd");
    config.fingerprint_count = 0;
    assert_int_equal(cm_rtc_session_create(r.endpoint, &config, &session), CM_REFUSE);
    assert_int_equal(counters(&r)->sessions, 0);
    cm_rtc_session_destroy(NULL);
    cm_rtc_endpoint_destroy(NULL);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_connects_and_packets_pass_both_ways),
        cmocka_unit_test(a_peer_on_ipv6_connects),
        cmocka_unit_test(a_peer_connects_within_three_round_trips_and_a_half),
        cmocka_unit_test(a_path_that_loses_a_quarter_still_connects),
        cmocka_unit_test(without_a_nomination_nothing_may_be_sent),
        cmocka_unit_test(packets_are_taken_before_the_nomination),
        cmocka_unit_test(keys_may_come_after_the_nomination),
        cmocka_unit_test(before_a_nomination_the_handshake_goes_where_it_comes_from),
        cmocka_unit_test(the_first_packet_confirms_the_keys),
        cmocka_unit_test(a_nomination_of_another_address_moves_the_path),
        cmocka_unit_test(packets_of_two_paths_do_not_share_a_message),
        cmocka_unit_test(a_restart_keeps_keys_and_streams),
        cmocka_unit_test(a_phone_that_changes_networks_goes_on_within_a_second),
        cmocka_unit_test(a_restart_wants_a_ufrag_and_a_session_that_lives),
        cmocka_unit_test(a_peer_that_never_comes_is_absent),
        cmocka_unit_test(a_peer_that_does_not_finish_is_late),
        cmocka_unit_test(without_checks_consent_runs_out_after_30_s),
        cmocka_unit_test(a_destroyed_session_says_goodbye),
        cmocka_unit_test(a_peer_that_says_goodbye_is_gone_at_once),
        cmocka_unit_test(causes_have_names),
        cmocka_unit_test(every_pair_of_states_is_as_the_table_says),
        cmocka_unit_test(packets_leave_without_a_flush_and_in_order),
        cmocka_unit_test(a_flush_sends_at_once),
        cmocka_unit_test(packets_of_one_size_share_a_message),
        cmocka_unit_test(what_waits_dies_with_its_session),
        cmocka_unit_test(packets_too_large_or_wrong_are_refused),
        cmocka_unit_test(a_lost_packet_may_go_once_more),
        cmocka_unit_test(candidates_are_what_is_bound_and_what_is_announced),
        cmocka_unit_test(an_address_in_use_or_not_ours_is_refused),
        cmocka_unit_test(all_addresses_are_told_as_those_we_have),
        cmocka_unit_test(the_bound_on_sessions_holds),
        cmocka_unit_test(a_session_wants_a_ufrag_and_a_fingerprint),
    };
    return cmocka_run_group_tests_name("rtc", tests, open_identity, close_identity);
}
