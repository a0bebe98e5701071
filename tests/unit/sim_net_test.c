/* net in virtual time: the suite, and what only a simulated network does. One behaviour a case. */
#include "net_suite.h"

#include "net/sim.h"

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static uint64_t seed = 1;

static cm_sim_network *network_of(const place *p)
{
    return p->extra;
}

static void place_open(place *p)
{
    *p = (place){.here_host = address_of("10.0.0.1"),
                 .there_host = address_of("10.0.0.2"),
                 .nobody = address_of("10.0.0.99"),
                 .foreign = address_of("10.0.0.98")};
    world_open_sim(&p->w, seed);
    cm_sim_network *network;
    assert_int_equal(cm_sim_network_create(p->w.sim, &network), CM_OK);
    assert_int_equal(cm_sim_host_create(network, p->w.loop, &p->here_host, &p->here), CM_OK);
    assert_int_equal(cm_sim_host_create(network, p->w.loop, &p->there_host, &p->there), CM_OK);
    p->extra = network;
}

static void place_close(place *p)
{
    cm_net_destroy(p->here);
    cm_net_destroy(p->there);
    cm_sim_network_destroy(p->extra);
    world_close(&p->w);
}

static void set_path(place *p, cm_sim_path path)
{
    cm_sim_path_set(network_of(p), &p->here_host, &p->there_host, &path);
}

static void a_round_trip_takes_twice_the_delay(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    set_path(&p, (cm_sim_path){.delay_us = CM_MS(40)});
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    end c = {.peer = &s.ends[0]};
    const cm_instant before = cm_loop_now(p.w.loop);
    end_connect_to(&c, &p, &s);
    assert_true(world_run(&p.w, end_is_answered, &c));
    const int64_t took = cm_instant_since(cm_loop_now(p.w.loop), before);
    assert_true(took >= CM_MS(80) && took < CM_MS(81));
    pair_close(&p, &s, &c);
}

static void a_rate_bounds_tcp(void **state)
{
    (void)state;
    place p;
    server s = {.accepted = 0};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    set_path(&p, (cm_sim_path){.delay_us = CM_MS(5), .bits_per_second = 8000000});
    const cm_instant before = cm_loop_now(p.w.loop);
    c.to_send = 2000000;
    end_send(&c);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    const int64_t took = cm_instant_since(cm_loop_now(p.w.loop), before);
    assert_true(took >= CM_SECONDS(2) && took < CM_MS(2100));
    pair_close(&p, &s, &c);
}

static void loss_delays_tcp_and_corrupts_nothing(void **state)
{
    (void)state;
    int64_t took[2];
    for (int i = 0; i < 2; i++) {
        place p;
        server s = {.ends[0] = {.echoes = true}};
        end c = {.tcp = NULL};
        pair_open(&p, &s, &c);
        set_path(&p, (cm_sim_path){.delay_us = CM_MS(10),
                                   .jitter_us = CM_MS(5),
                                   .loss_per_million = i == 0 ? 0 : 20000});
        const cm_instant before = cm_loop_now(p.w.loop);
        c.to_send = 3000000;
        c.peer = &c;
        end_send(&c);
        assert_true(world_run(&p.w, end_has_all, &c));
        assert_false(c.is_wrong || s.ends[0].is_wrong);
        took[i] = cm_instant_since(cm_loop_now(p.w.loop), before);
        pair_close(&p, &s, &c);
    }
    assert_true(took[1] > 2 * took[0]);
}

static void a_path_that_is_down_lets_connects_time_out(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    set_path(&p, (cm_sim_path){.delay_us = 200, .is_down = true});
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    end c = {.tcp = NULL};
    const cm_instant before = cm_loop_now(p.w.loop);
    end_connect_to(&c, &p, &s);
    assert_true(world_run(&p.w, end_is_answered, &c));
    assert_int_equal(c.status, CM_RETRY);
    assert_true(cm_instant_since(cm_loop_now(p.w.loop), before) >= CM_SECONDS(1));
    assert_int_equal(s.accepted, 0);
    pair_close(&p, &s, &c);
}

static void a_path_that_was_down_holds_bytes_up_and_then_delivers_them(void **state)
{
    (void)state;
    place p;
    server s = {.accepted = 0};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    set_path(&p, (cm_sim_path){.delay_us = 200, .is_down = true});
    c.to_send = 5000;
    end_send(&c);
    place_wait(&p, CM_SECONDS(5));
    assert_int_equal(s.ends[0].received, 0);
    set_path(&p, (cm_sim_path){.delay_us = 200});
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_false(s.ends[0].is_wrong);
    pair_close(&p, &s, &c);
}

static size_t send_numbered(place *p, catcher *from, const cm_address *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)i;
        const cm_datagram datagram = {.bytes = cm_slice_over(&number, 1), .peer = *to};
        size_t sent;
        assert_int_equal(cm_udp_send(from->udp, &datagram, 1, &sent), CM_OK);
        place_wait(p, CM_MS(1));
    }
    place_wait(p, CM_SECONDS(1));
    return count;
}

typedef struct order {
    size_t count;
    uint8_t numbers[256];
} order;

static void note_order(void *owner, const cm_datagram *datagrams, size_t count)
{
    order *o = owner;
    for (size_t i = 0; i < count; i++)
        o->numbers[o->count++] = datagrams[i].bytes.bytes[0];
}

/* Sends 200 numbered datagrams over such a path; says what arrived, in which order. */
static order send_over(cm_sim_path path)
{
    place p;
    place_open(&p);
    set_path(&p, path);
    order o = {.count = 0};
    catcher a = {.udp = NULL};
    catcher_open(&a, p.here, &p.here_host);
    const cm_udp_config config = {.local = p.there_host, .on_datagrams = note_order, .owner = &o};
    cm_udp *udp;
    assert_int_equal(cm_udp_open(p.there, &config, &udp), CM_OK);
    const cm_address to = cm_udp_local(udp);
    send_numbered(&p, &a, &to, 200);
    cm_udp_close(a.udp);
    cm_udp_close(udp);
    place_close(&p);
    return o;
}

static size_t count_swaps(const order *o)
{
    size_t swaps = 0;
    for (size_t i = 1; i < o->count; i++)
        swaps += o->numbers[i] < o->numbers[i - 1];
    return swaps;
}

static void udp_loses_and_reorders_as_its_path_says(void **state)
{
    (void)state;
    const order clean = send_over((cm_sim_path){.delay_us = CM_MS(5)});
    assert_int_equal(clean.count, 200);
    assert_int_equal(count_swaps(&clean), 0);
    const order lossy = send_over((cm_sim_path){.delay_us = CM_MS(5), .loss_per_million = 250000});
    assert_true(lossy.count > 110 && lossy.count < 190);
    const order jittery = send_over((cm_sim_path){.delay_us = CM_MS(5), .jitter_us = CM_MS(10)});
    assert_int_equal(jittery.count, 200);
    assert_true(count_swaps(&jittery) > 10);
    const order down = send_over((cm_sim_path){.is_down = true});
    assert_int_equal(down.count, 0);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    const cm_sim_path path = {
        .delay_us = CM_MS(5), .jitter_us = CM_MS(20), .loss_per_million = 100000};
    seed = 42;
    const order first = send_over(path);
    const order second = send_over(path);
    seed = 43;
    const order other = send_over(path);
    seed = 1;
    assert_int_equal(first.count, second.count);
    assert_memory_equal(first.numbers, second.numbers, first.count);
    assert_true(other.count != first.count ||
                memcmp(first.numbers, other.numbers, first.count) != 0);
}

static void a_full_link_drops_datagrams(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    set_path(&p, (cm_sim_path){.delay_us = 200, .bits_per_second = 1000000});
    catcher a = {.udp = NULL}, b = {.wanted = 1};
    catcher_open(&a, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    static const uint8_t BYTES[1222]; /* with headers 10 ms at this rate */
    for (int i = 0; i < 100; i++) {
        const cm_datagram datagram = {.bytes = cm_slice_over(BYTES, sizeof BYTES), .peer = to};
        size_t sent;
        assert_int_equal(cm_udp_send(a.udp, &datagram, 1, &sent), CM_OK);
    }
    place_wait(&p, CM_SECONDS(2));
    assert_in_range(b.count, 20, 22); /* 200 ms of them */
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

/* All even ports are used up but for those that rest. */
static void a_port_rests_for_a_minute_after_it_was_closed(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    enum { PAIRS = 12000 };
    order o = {.count = 0};
    const cm_udp_config config = {.local = p.here_host, .on_datagrams = note_order, .owner = &o};
    uint16_t *ports = calloc(PAIRS, sizeof *ports);
    for (int i = 0; i < PAIRS; i++) {
        cm_udp *a, *b;
        assert_int_equal(cm_udp_open_pair(p.here, &config, &config, &a, &b), CM_OK);
        ports[i] = cm_udp_local(a).port;
        cm_udp_close(a);
        cm_udp_close(b);
    }
    bool *was_given = calloc(UINT16_MAX + 1, sizeof *was_given);
    for (int i = 0; i < PAIRS; i++) {
        assert_false(was_given[ports[i]]); /* none twice within the minute */
        was_given[ports[i]] = true;
    }
    cm_sim_run_for(p.w.sim, CM_SECONDS(59));
    cm_udp *a, *b;
    assert_int_equal(cm_udp_open_pair(p.here, &config, &config, &a, &b), CM_OK);
    assert_false(was_given[cm_udp_local(a).port]);
    cm_udp_close(a);
    cm_udp_close(b);
    place_wait(&p, CM_SECONDS(2));
    int given_again = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(cm_udp_open_pair(p.here, &config, &config, &a, &b), CM_OK);
        given_again += was_given[cm_udp_local(a).port];
        cm_udp_close(a);
        cm_udp_close(b);
    }
    assert_true(given_again > 0); /* most of the range rested, and may be used again */
    free(ports);
    free(was_given);
    place_close(&p);
}

static void names_are_found_and_may_be_bound_again(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    assert_int_equal(cm_sim_name_set(network_of(&p), "camera.example", &p.there_host), CM_OK);
    answer a = ask(&p, "Camera.Example");
    assert_int_equal(a.status, CM_OK);
    assert_true(cm_address_equal(&a.first, &p.there_host));
    const cm_address metadata = address_of("169.254.169.254");
    assert_int_equal(cm_sim_name_set(network_of(&p), "camera.example", &metadata), CM_OK);
    a = ask(&p, "camera.example");
    assert_true(cm_address_equal(&a.first, &metadata));
    assert_int_equal(ask(&p, "other.example").status, CM_ABSENT);
    place_close(&p);
}

static void what_was_sent_to_an_address_is_counted(void **state)
{
    (void)state;
    place p;
    server s = {.accepted = 0};
    end c = {.to_send = 700};
    pair_open(&p, &s, &c);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_int_equal(cm_sim_connects_to(network_of(&p), &p.there_host), 1);
    assert_int_equal(cm_sim_bytes_to(network_of(&p), &p.there_host), 700);
    assert_int_equal(cm_sim_connects_to(network_of(&p), &p.nobody), 0);
    catcher a = {.udp = NULL};
    catcher_open(&a, p.here, &p.here_host);
    cm_address to = p.nobody;
    to.port = 9;
    send_text(&a, &to, "hello");
    assert_int_equal(cm_sim_bytes_to(network_of(&p), &p.nobody), 5);
    cm_udp_close(a.udp);
    pair_close(&p, &s, &c);
}

/* Here is behind it; there has two ports. */
typedef struct behind_nat {
    place p;
    catcher here, there, other;
    cm_address here_at, there_at, other_at;
} behind_nat;

static void behind_nat_open(behind_nat *b, cm_sim_nat_kind kind)
{
    *b = (behind_nat){.here = {.udp = NULL}};
    place_open(&b->p);
    cm_sim_nat_set(network_of(&b->p), &b->p.here_host, &b->p.foreign, kind, CM_SECONDS(30));
    b->here_at = catcher_open(&b->here, b->p.here, &b->p.here_host);
    b->there_at = catcher_open(&b->there, b->p.there, &b->p.there_host);
    b->other_at = catcher_open(&b->other, b->p.there, &b->p.there_host);
}

static void behind_nat_close(behind_nat *b)
{
    cm_udp_close(b->here.udp);
    cm_udp_close(b->there.udp);
    cm_udp_close(b->other.udp);
    place_wait(&b->p, CM_SECONDS(1));
    place_close(&b->p);
}

/* How many more have come behind it after these have sent to that address. */
static size_t let_in(behind_nat *b, catcher *from, const cm_address *to)
{
    const size_t before = b->here.count;
    send_text(from, to, "in");
    place_wait(&b->p, CM_MS(100));
    return b->here.count - before;
}

static void a_restricted_nat_lets_in_addresses_that_were_sent_to(void **state)
{
    (void)state;
    behind_nat b;
    behind_nat_open(&b, CM_SIM_NAT_RESTRICTED);
    cm_address outside = b.p.foreign;
    outside.port = b.here_at.port;
    assert_int_equal(let_in(&b, &b.there, &outside), 0);
    send_text(&b.here, &b.there_at, "out");
    place_wait(&b.p, CM_MS(100));
    assert_true(b.there.count == 1 && cm_address_equal(&b.there.last_peer, &outside));
    assert_int_equal(let_in(&b, &b.there, &outside), 1);
    assert_true(cm_address_equal(&b.here.last_peer, &b.there_at));
    assert_true(cm_address_equal(&b.here.last_local, &b.here_at));
    assert_int_equal(let_in(&b, &b.other, &outside), 1);
    for (int i = 0; i < 31; i++)
        place_wait(&b.p, CM_SECONDS(1));
    assert_int_equal(let_in(&b, &b.there, &outside), 0);
    behind_nat_close(&b);
}

static void a_symmetric_nat_has_a_port_for_each_destination(void **state)
{
    (void)state;
    behind_nat b;
    behind_nat_open(&b, CM_SIM_NAT_SYMMETRIC);
    send_text(&b.here, &b.there_at, "out");
    send_text(&b.here, &b.other_at, "out");
    place_wait(&b.p, CM_MS(100));
    const cm_address first = b.there.last_peer, second = b.other.last_peer;
    assert_true(cm_address_same_host(&first, &b.p.foreign) && first.port != second.port);
    assert_int_equal(let_in(&b, &b.there, &first), 1);
    assert_int_equal(let_in(&b, &b.other, &second), 1);
    assert_int_equal(let_in(&b, &b.other, &first), 0);
    assert_int_equal(let_in(&b, &b.there, &second), 0);
    behind_nat_close(&b);
}

static void a_host_hears_itself_on_loopback_and_nobody_else_there(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    const cm_address loopback = address_of("127.0.0.1");
    server s = {.accepted = 0};
    const cm_tcp_listener_config config = {
        .address = loopback, .on_accept = server_on_accept, .owner = &s};
    assert_int_equal(cm_tcp_listener_open(p.there, &config, &s.listener), CM_OK);
    cm_address outside = p.there_host;
    outside.port = cm_tcp_listener_address(s.listener).port;
    end c = {.tcp = NULL};
    end_connect(&c, &p, &outside);
    assert_true(world_run(&p.w, end_is_answered, &c));
    assert_int_equal(c.status, CM_REFUSE);
    end d = {.peer = &s.ends[0]};
    const cm_address inside = cm_tcp_listener_address(s.listener);
    assert_int_equal(cm_tcp_connect(p.there, &inside, CM_SECONDS(1), &END_EVENTS, &d, &d.tcp),
                     CM_OK);
    assert_true(world_run(&p.w, both_connected, &d));
    cm_tcp_close(d.tcp);
    pair_close(&p, &s, &c);
}

static void a_host_that_goes_ends_what_its_peers_had_open(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.to_send = 1u << 20}; /* more than the window: bytes are under way both ways */
    pair_open(&p, &s, &c);
    server_close(&s);
    cm_net_destroy(p.there);
    p.there = NULL;
    assert_true(world_run(&p.w, end_has_ended, &c));
    end d = {.tcp = NULL};
    cm_address gone = p.there_host;
    gone.port = 80;
    end_connect(&d, &p, &gone);
    assert_true(world_run(&p.w, end_is_answered, &d));
    assert_int_equal(d.status, CM_ABSENT);
    cm_tcp_close(c.tcp);
    cm_tcp_close(d.tcp);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_SUITE,
        cmocka_unit_test(a_round_trip_takes_twice_the_delay),
        cmocka_unit_test(a_rate_bounds_tcp),
        cmocka_unit_test(loss_delays_tcp_and_corrupts_nothing),
        cmocka_unit_test(a_path_that_is_down_lets_connects_time_out),
        cmocka_unit_test(a_path_that_was_down_holds_bytes_up_and_then_delivers_them),
        cmocka_unit_test(udp_loses_and_reorders_as_its_path_says),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(a_full_link_drops_datagrams),
        cmocka_unit_test(a_port_rests_for_a_minute_after_it_was_closed),
        cmocka_unit_test(names_are_found_and_may_be_bound_again),
        cmocka_unit_test(what_was_sent_to_an_address_is_counted),
        cmocka_unit_test(a_restricted_nat_lets_in_addresses_that_were_sent_to),
        cmocka_unit_test(a_symmetric_nat_has_a_port_for_each_destination),
        cmocka_unit_test(a_host_hears_itself_on_loopback_and_nobody_else_there),
        cmocka_unit_test(a_host_that_goes_ends_what_its_peers_had_open),
    };
    return cmocka_run_group_tests_name("net in virtual time", tests, NULL, NULL);
}
