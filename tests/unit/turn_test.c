/* net/turn: a client of a TURN server on a simulated network. One behaviour a case. */
#include "turn_fake.h"
#include "world.h"

#include "net/turn_priv.h"

typedef struct rig {
    world w;
    cm_sim_network *network;
    cm_net *net, *server_net, *peer_net;
    cm_udp *udp; /* the client's */
    turn_fake server;
    cm_turn *turn;
    cm_turn_counters counters;
    unsigned changes;
    unsigned data;
    cm_address from; /* of the last */
    size_t size;
    uint8_t bytes[2048];
    cm_udp *peer_udp;
    cm_address peer; /* and its address */
    unsigned peer_got;
    size_t peer_size;
    cm_address peer_from;
} rig;

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static void on_send(void *owner, cm_slice bytes)
{
    rig *r = owner;
    const cm_datagram d = {.bytes = bytes, .peer = r->server.address};
    size_t sent;
    assert_int_equal(cm_udp_send(r->udp, &d, 1, &sent), CM_OK);
}

static void on_change(void *owner)
{
    rig *r = owner;
    r->changes++;
}

static void on_data(void *owner, const cm_address *peer, cm_slice data)
{
    rig *r = owner;
    r->data++;
    r->from = *peer;
    r->size = data.size;
    cm_slice_copy(data, r->bytes, sizeof r->bytes);
}

static const cm_turn_events EVENTS = {
    .on_send = on_send, .on_change = on_change, .on_data = on_data};

static void on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    rig *r = owner;
    for (size_t i = 0; i < count && r->turn != NULL; i++)
        cm_turn_receive(r->turn, datagrams[i].bytes);
}

static void on_peer_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    rig *r = owner;
    r->peer_got += (unsigned)count;
    r->peer_size = datagrams[count - 1].bytes.size;
    r->peer_from = datagrams[count - 1].peer;
}

static cm_net *host_at(rig *r, const char *text)
{
    cm_net *net;
    const cm_address address = address_of(text);
    assert_int_equal(cm_sim_host_create(r->network, r->w.loop, &address, &net), CM_OK);
    return net;
}

static cm_udp *open_udp(rig *r, cm_net *net, const char *text,
                        void (*receive)(void *, const cm_datagram *, size_t))
{
    cm_udp *udp;
    const cm_udp_config config = {.local = address_of(text), .on_datagrams = receive, .owner = r};
    assert_int_equal(cm_udp_open(net, &config, &udp), CM_OK);
    return udp;
}

static void client_open(rig *r, const char *password)
{
    const cm_turn_config config = {.loop = r->w.loop,
                                   .username = CM_TEXT("casement"),
                                   .password = cm_slice_of(password),
                                   .name = CM_TEXT("turn.example"),
                                   .counters = &r->counters,
                                   .events = &EVENTS,
                                   .owner = r};
    assert_int_equal(cm_turn_create(&config, &r->turn), CM_OK);
}

static void rig_open(rig *r)
{
    *r = (rig){.turn = NULL};
    world_open_sim(&r->w, 1);
    assert_int_equal(cm_sim_network_create(r->w.sim, &r->network), CM_OK);
    r->net = host_at(r, "10.0.0.1");
    r->server_net = host_at(r, "192.0.2.1");
    r->peer_net = host_at(r, "198.51.100.7");
    r->udp = open_udp(r, r->net, "10.0.0.1:8189", on_datagrams);
    r->peer = address_of("198.51.100.7:4000");
    r->peer_udp = open_udp(r, r->peer_net, "198.51.100.7:4000", on_peer_datagrams);
    const cm_address server = address_of("192.0.2.1:3478");
    turn_fake_open(&r->server, r->server_net, &server);
}

static void run_for(rig *r, int64_t us)
{
    cm_sim_run_for(r->w.sim, us);
}

static void rig_close(rig *r)
{
    cm_turn_destroy(r->turn);
    r->turn = NULL;
    run_for(r, CM_SECONDS(1));
    turn_fake_close(&r->server);
    cm_udp_close(r->udp);
    cm_udp_close(r->peer_udp);
    run_for(r, CM_SECONDS(1));
    cm_net_destroy(r->net);
    cm_net_destroy(r->server_net);
    cm_net_destroy(r->peer_net);
    cm_sim_network_destroy(r->network);
    world_close(&r->w);
}

static bool has_allocation(const rig *r)
{
    cm_address relayed, mapped;
    return cm_turn_addresses(r->turn, &relayed, &mapped) == CM_OK;
}

/* With an allocation. */
static void rig_open_allocated(rig *r)
{
    rig_open(r);
    client_open(r, "secret");
    run_for(r, CM_SECONDS(1));
    assert_true(has_allocation(r));
}

static const cm_turn_counters *counters(const rig *r)
{
    return &r->counters;
}

static void permit(rig *r)
{
    (void)cm_turn_permit(r->turn, &r->peer);
    run_for(r, CM_MS(100));
    assert_int_equal(cm_turn_permit(r->turn, &r->peer), CM_OK);
}

static void peer_sends(rig *r, cm_udp *udp, size_t size)
{
    static const uint8_t BYTES[2000];
    const cm_datagram d = {.bytes = cm_slice_over(BYTES, size),
                           .peer = address_of("192.0.2.1:50000")};
    size_t sent;
    assert_int_equal(cm_udp_send(udp, &d, 1, &sent), CM_OK);
    run_for(r, CM_MS(100));
}

/* ---- the allocation ---- */

static void an_allocation_is_got_after_the_challenge(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    cm_address relayed, mapped;
    assert_int_equal(cm_turn_addresses(r.turn, &relayed, &mapped), CM_OK);
    const cm_address here = address_of("10.0.0.1:8189"), there = address_of("192.0.2.1:50000");
    assert_true(cm_address_equal(&mapped, &here));
    assert_true(cm_address_equal(&relayed, &there));
    assert_int_equal(r.changes, 1);
    assert_int_equal(r.server.asked[CM_STUN_ALLOCATE], 2);
    rig_close(&r);
}

static void it_is_kept_as_long_as_the_client_lives(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    run_for(&r, CM_SECONDS(3600));
    assert_true(has_allocation(&r));
    assert_int_equal(r.server.asked[CM_STUN_REFRESH], 3600 / 450);
    assert_int_equal(r.changes, 1);
    rig_close(&r);
    assert_int_equal(r.server.given_back, 1);
}

static void a_short_lifetime_is_refreshed_in_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.server.lifetime_s = 20;
    client_open(&r, "secret");
    run_for(&r, CM_SECONDS(151));
    assert_int_equal(r.server.asked[CM_STUN_REFRESH], 10);
    r.server.lifetime_s = 0; /* nonsense: not a flood */
    run_for(&r, CM_SECONDS(60));
    assert_in_range(r.server.asked[CM_STUN_REFRESH], 11, 40);
    rig_close(&r);
}

/* RFC 8489, 9.2.5: the request is repeated under the fresh nonce. */
static void a_stale_nonce_costs_one_more_request(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    for (unsigned i = 1; i <= 4; i++) {
        turn_fake_turn_nonce(&r.server);
        run_for(&r, CM_SECONDS(450));
        assert_true(r.server.stale >= i);
        assert_true(has_allocation(&r));
    }
    turn_fake_turn_nonce(&r.server);
    const unsigned stale = r.server.stale;
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_RETRY); /* long unused: forgotten */
    run_for(&r, CM_MS(100));
    assert_int_equal(r.server.stale, stale + 1);
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_OK);
    assert_int_equal(counters(&r)->losses, 0);
    rig_close(&r);
}

static void a_nonce_that_is_stale_forever_is_a_refusal(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.server.refuses_with[CM_STUN_ALLOCATE] = CM_STUN_STALE_NONCE;
    client_open(&r, "secret");
    run_for(&r, CM_SECONDS(5));
    assert_false(has_allocation(&r));
    assert_int_equal(counters(&r)->refusals, 1);
    assert_int_equal(r.server.asked[CM_STUN_ALLOCATE], 2 + CM_TURN_RENEWALS);
    rig_close(&r);
}

/* RFC 8489, 9.2.5 */
static void a_wrong_password_is_not_tried_over_and_over(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    client_open(&r, "wrong");
    run_for(&r, CM_SECONDS(25));
    assert_false(has_allocation(&r));
    assert_int_equal(counters(&r)->refusals, 1);
    assert_int_equal(r.server.asked[CM_STUN_ALLOCATE], 2);
    run_for(&r, CM_SECONDS(3600));
    assert_in_range(r.server.asked[CM_STUN_ALLOCATE], 10, 70);
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_ABSENT);
    rig_close(&r);
}

static void each_refusal_waits_and_ends(void **state)
{
    (void)state;
    static const uint16_t ERRORS[] = {300, 403, 441, 442, 486, 508, 599};
    for (size_t i = 0; i < CM_COUNT(ERRORS); i++) {
        rig r;
        rig_open(&r);
        r.server.refuses_with[CM_STUN_ALLOCATE] = ERRORS[i];
        client_open(&r, "secret");
        run_for(&r, CM_SECONDS(25));
        assert_int_equal(counters(&r)->refusals, 1);
        assert_int_equal(r.server.asked[CM_STUN_ALLOCATE], 2);
        r.server.refuses_with[CM_STUN_ALLOCATE] = 0;
        run_for(&r, CM_SECONDS(100));
        assert_true(has_allocation(&r));
        rig_close(&r);
    }
}

/* RFC 8656 7.3: we were started anew on the same port. */
static void a_former_allocation_is_given_back_first(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    cm_turn *former = r.turn;
    cm_timer_stop(&former->timer);
    client_open(&r, "secret");
    run_for(&r, CM_SECONDS(20));
    assert_true(has_allocation(&r));
    assert_int_equal(r.server.given_back, 1);
    former->state = CM_TURN_WAITING; /* it is dead: says nothing more */
    cm_turn_destroy(former);
    rig_close(&r);
}

static void a_silent_server_is_asked_less_and_less(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.server.is_silent = true;
    client_open(&r, "secret");
    const cm_address server = address_of("192.0.2.1");
    run_for(&r, CM_SECONDS(60));
    const uint64_t bytes = cm_sim_bytes_to(r.network, &server);
    assert_in_range(bytes, 5 * 36, 20 * 36);
    run_for(&r, CM_SECONDS(3600));
    assert_in_range(cm_sim_bytes_to(r.network, &server) - bytes, 5 * 36, 200 * 36);
    r.server.is_silent = false;
    run_for(&r, CM_SECONDS(600));
    assert_true(has_allocation(&r));
    rig_close(&r);
}

static void a_server_that_forgot_us_is_asked_anew(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    turn_fake_restart(&r.server);
    run_for(&r, CM_SECONDS(500));
    assert_true(has_allocation(&r));
    assert_int_equal(counters(&r)->losses, 1);
    assert_int_equal(counters(&r)->allocations, 2);
    assert_int_equal(r.changes, 3);
    rig_close(&r);
}

static void a_server_that_fell_silent_is_noticed(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    r.server.is_silent = true;
    run_for(&r, CM_SECONDS(480));
    assert_false(has_allocation(&r));
    assert_int_equal(counters(&r)->losses, 1);
    rig_close(&r);
}

/* RFC 8489, 9.2.5: a success that is not signed under our key is no success. */
static void forged_successes_are_dropped(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.server.signs_wrong = true;
    client_open(&r, "secret");
    run_for(&r, CM_SECONDS(10));
    assert_false(has_allocation(&r));
    assert_true(counters(&r)->malformed > 0);
    rig_close(&r);
}

static void a_success_without_addresses_is_none(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.server.says_no_relayed = true;
    client_open(&r, "secret");
    run_for(&r, CM_SECONDS(10));
    assert_false(has_allocation(&r));
    assert_int_equal(counters(&r)->refusals, 1);
    rig_close(&r);
}

/* ---- peers ---- */

static void nothing_is_sent_before_there_is_a_permission(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("hello")), CM_RETRY);
    run_for(&r, CM_MS(100));
    assert_int_equal(r.server.indications_in, 0);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("hello")), CM_OK);
    run_for(&r, CM_MS(100));
    assert_int_equal(r.server.indications_in, 1);
    assert_true(r.peer_got == 1 && r.peer_size == 5);
    const cm_address relayed = address_of("192.0.2.1:50000");
    assert_true(cm_address_equal(&r.peer_from, &relayed));
    rig_close(&r);
}

static void a_peer_is_heard_and_says_from_where(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    peer_sends(&r, r.peer_udp, 7);
    assert_int_equal(r.data, 0); /* it was not named */
    permit(&r);
    peer_sends(&r, r.peer_udp, 7);
    assert_true(r.data == 1 && r.size == 7 && cm_address_equal(&r.from, &r.peer));
    rig_close(&r);
}

/* RFC 8656 9: a permission is for all ports of an address. */
static void another_port_of_a_peer_is_heard_and_answered(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    cm_udp *other = open_udp(&r, r.peer_net, "198.51.100.7:4001", on_peer_datagrams);
    peer_sends(&r, other, 9);
    assert_true(r.data == 1 && r.from.port == 4001);
    assert_int_equal(cm_turn_send(r.turn, &r.from, CM_TEXT("hello")), CM_OK);
    run_for(&r, CM_MS(100));
    assert_int_equal(r.peer_got, 1);
    cm_udp_close(other);
    rig_close(&r);
}

static void what_a_server_passes_on_from_strangers_is_not_taken(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    r.server.has_no_permissions = true;
    peer_sends(&r, r.peer_udp, 7);
    assert_int_equal(r.data, 0);
    assert_int_equal(counters(&r)->strangers, 1);
    cm_turn_receive(r.turn, BYTES(0x40, 0, 0, 1, 7));
    assert_int_equal(counters(&r)->strangers, 2);
    rig_close(&r);
}

static void a_channel_carries_both_ways(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    assert_int_equal(cm_turn_channel(r.turn, &r.peer), 0);
    assert_int_equal(cm_turn_bind(r.turn, &r.peer), CM_OK);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("early")), CM_OK);
    run_for(&r, CM_MS(100));
    assert_int_equal(r.server.indications_in, 1);
    assert_int_equal(cm_turn_channel(r.turn, &r.peer), CM_STUN_CHANNEL_FIRST);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("hello")), CM_OK);
    run_for(&r, CM_MS(100));
    assert_true(r.server.channel_in == 1 && r.peer_got == 2);
    peer_sends(&r, r.peer_udp, 3);
    assert_true(r.data == 1 && r.size == 3 && cm_address_equal(&r.from, &r.peer));
    rig_close(&r);
}

static void what_is_used_is_renewed_and_the_rest_forgotten(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    (void)cm_turn_bind(r.turn, &r.peer);
    const cm_address idle = address_of("198.51.100.8:1");
    (void)cm_turn_permit(r.turn, &idle);
    for (unsigned i = 0; i < 1000; i++) {
        run_for(&r, CM_SECONDS(1));
        assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("x")), CM_OK);
    }
    assert_int_equal(r.server.asked[CM_STUN_CHANNEL_BIND], 1 + 1000 / 240);
    assert_int_equal(r.server.asked[CM_STUN_CREATE_PERMISSION], 2);
    assert_int_equal(cm_turn_permit(r.turn, &idle), CM_RETRY);
    rig_close(&r);
}

static void a_refused_channel_leaves_the_permission(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    r.server.refuses_with[CM_STUN_CHANNEL_BIND] = CM_STUN_BAD_REQUEST;
    (void)cm_turn_bind(r.turn, &r.peer);
    run_for(&r, CM_MS(200));
    assert_int_equal(cm_turn_channel(r.turn, &r.peer), 0);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("hello")), CM_OK);
    run_for(&r, CM_MS(200));
    assert_int_equal(r.peer_got, 1);
    rig_close(&r);
}

static void a_forbidden_peer_is_refused_and_not_asked_for_again(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    r.server.refuses_with[CM_STUN_CREATE_PERMISSION] = CM_STUN_FORBIDDEN;
    (void)cm_turn_permit(r.turn, &r.peer);
    run_for(&r, CM_SECONDS(1));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(cm_turn_send(r.turn, &r.peer, CM_TEXT("x")), CM_REFUSE);
        run_for(&r, CM_SECONDS(1));
    }
    assert_int_equal(r.server.asked[CM_STUN_CREATE_PERMISSION], 1);
    assert_int_equal(counters(&r)->forbidden, 1);
    run_for(&r, CM_SECONDS(60));
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_RETRY); /* asked once more */
    rig_close(&r);
}

static void peers_have_a_bound_and_those_in_use_stay(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    permit(&r);
    cm_address other = address_of("198.51.100.8");
    for (uint16_t i = 1; i < CM_TURN_PEERS_MAX; i++) {
        other.port = i;
        assert_int_equal(cm_turn_permit(r.turn, &other), CM_RETRY);
    }
    other.port = 1000;
    assert_int_equal(cm_turn_permit(r.turn, &other), CM_FULL);
    run_for(&r, CM_SECONDS(11));
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_OK);
    assert_int_equal(cm_turn_permit(r.turn, &other), CM_OK); /* by its neighbours' permission */
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_OK);
    rig_close(&r);
}

static void a_lost_permission_request_is_repeated_then_given_up(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    const cm_address server = address_of("192.0.2.1");
    r.server.is_silent = true;
    (void)cm_turn_permit(r.turn, &r.peer);
    const uint64_t before = cm_sim_bytes_to(r.network, &server);
    run_for(&r, CM_SECONDS(40));
    const uint64_t sent = cm_sim_bytes_to(r.network, &server) - before;
    assert_in_range(sent, (CM_TURN_TRIES - 1) * 100, CM_TURN_TRIES * 200);
    r.server.is_silent = false;
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_RETRY);
    run_for(&r, CM_MS(100));
    assert_int_equal(cm_turn_permit(r.turn, &r.peer), CM_OK);
    rig_close(&r);
}

static void an_address_of_the_other_family_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    const cm_address v6 = address_of("[2001:db8::1]:5000");
    assert_int_equal(cm_turn_permit(r.turn, &v6), CM_REFUSE);
    static const uint8_t LARGE[CM_TURN_DATA_MAX + 1];
    permit(&r);
    assert_int_equal(cm_turn_send(r.turn, &r.peer, cm_slice_over(LARGE, sizeof LARGE)), CM_REFUSE);
    rig_close(&r);
}

static void nonsense_is_counted(void **state)
{
    (void)state;
    rig r;
    rig_open_allocated(&r);
    cm_turn_receive(r.turn, (cm_slice){.size = 0});
    cm_turn_receive(r.turn, CM_TEXT("\x01\x01nonsense"));
    cm_turn_receive(r.turn, BYTES(0x40, 0, 0, 9, 7));
    assert_int_equal(counters(&r)->malformed, 3);
    assert_int_equal(r.data, 0);
    rig_close(&r);
}

static void a_user_or_password_that_is_none_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    static const uint8_t LONG[CM_TURN_TEXT_MAX + 1] = {'x'};
    cm_turn_config config = {
        .loop = r.w.loop, .counters = &r.counters, .events = &EVENTS, .owner = &r};
    config.password = CM_TEXT("secret");
    assert_int_equal(cm_turn_create(&config, &r.turn), CM_REFUSE);
    config.username = cm_slice_over(LONG, sizeof LONG);
    assert_int_equal(cm_turn_create(&config, &r.turn), CM_REFUSE);
    config.username = CM_TEXT("casement");
    config.password = (cm_slice){.size = 0};
    assert_int_equal(cm_turn_create(&config, &r.turn), CM_REFUSE);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_got_after_the_challenge),
        cmocka_unit_test(it_is_kept_as_long_as_the_client_lives),
        cmocka_unit_test(a_short_lifetime_is_refreshed_in_time),
        cmocka_unit_test(a_stale_nonce_costs_one_more_request),
        cmocka_unit_test(a_nonce_that_is_stale_forever_is_a_refusal),
        cmocka_unit_test(a_wrong_password_is_not_tried_over_and_over),
        cmocka_unit_test(each_refusal_waits_and_ends),
        cmocka_unit_test(a_former_allocation_is_given_back_first),
        cmocka_unit_test(a_silent_server_is_asked_less_and_less),
        cmocka_unit_test(a_server_that_forgot_us_is_asked_anew),
        cmocka_unit_test(a_server_that_fell_silent_is_noticed),
        cmocka_unit_test(forged_successes_are_dropped),
        cmocka_unit_test(a_success_without_addresses_is_none),
        cmocka_unit_test(nothing_is_sent_before_there_is_a_permission),
        cmocka_unit_test(a_peer_is_heard_and_says_from_where),
        cmocka_unit_test(another_port_of_a_peer_is_heard_and_answered),
        cmocka_unit_test(what_a_server_passes_on_from_strangers_is_not_taken),
        cmocka_unit_test(a_channel_carries_both_ways),
        cmocka_unit_test(what_is_used_is_renewed_and_the_rest_forgotten),
        cmocka_unit_test(a_refused_channel_leaves_the_permission),
        cmocka_unit_test(a_forbidden_peer_is_refused_and_not_asked_for_again),
        cmocka_unit_test(peers_have_a_bound_and_those_in_use_stay),
        cmocka_unit_test(a_lost_permission_request_is_repeated_then_given_up),
        cmocka_unit_test(an_address_of_the_other_family_is_refused),
        cmocka_unit_test(nonsense_is_counted),
        cmocka_unit_test(a_user_or_password_that_is_none_is_refused),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
