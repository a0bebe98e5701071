/* net on sockets: the suite, and what only sockets do. One behaviour a case. */
#include "net_suite.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

static void place_open(place *p)
{
    *p = (place){.here_host = address_of("127.0.0.1"),
                 .there_host = address_of("127.0.0.1"),
                 .nobody = address_of("255.255.255.255"),
                 .foreign = address_of("192.0.2.1")};
    world_open(&p->w);
    assert_int_equal(cm_net_create(p->w.loop, &p->here), CM_OK);
    assert_int_equal(cm_net_create(p->w.loop, &p->there), CM_OK);
}

static void place_close(place *p)
{
    cm_net_destroy(p->here);
    cm_net_destroy(p->there);
    world_close(&p->w);
}

static void the_same_works_over_ipv6(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    p.here_host = p.there_host = address_of("::1");
    catcher a = {.udp = NULL}, b = {.wanted = 1};
    const cm_address from = catcher_open(&a, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    send_text(&a, &to, "six");
    assert_true(world_run(&p.w, has_caught, &b));
    assert_true(cm_address_equal(&b.last_peer, &from));
    assert_true(from.is_v6);
    server s = {.ends[0] = {.echoes = true}};
    server_open(&s, &p, 0);
    end c = {.to_send = 5000, .peer = &c};
    end_connect_to(&c, &p, &s);
    assert_true(world_run(&p.w, end_has_all, &c));
    assert_true(cm_tcp_peer(s.ends[0].tcp).is_v6);
    cm_udp_close(a.udp);
    cm_udp_close(b.udp);
    pair_close(&p, &s, &c);
}

static void a_peer_that_does_not_answer_times_out(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    /* A backlog that is full: the system drops what comes beyond it. */
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    const int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(deaf >= 0);
    assert_int_equal(listen(deaf, 0), 0); /* any free port */
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&bound, &size), 0);
    cm_address to = p.there_host;
    to.port = (uint16_t)(((const uint8_t *)&bound)[2] << 8 | ((const uint8_t *)&bound)[3]);
    end c[4] = {{.tcp = NULL}};
    for (int i = 0; i < 4; i++)
        assert_int_equal(cm_tcp_connect(p.here, &to, CM_MS(100), &END_EVENTS, &c[i], &c[i].tcp),
                         CM_OK);
    for (int i = 0; i < 4; i++)
        assert_true(world_run(&p.w, end_is_answered, &c[i]));
    assert_int_equal(c[3].status, CM_RETRY);
    for (int i = 0; i < 4; i++)
        cm_tcp_reset(c[i].tcp);
    close(deaf);
    server_close(&s);
    place_close(&p);
}

static void listeners_on_one_address_share_it_if_told_so(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    cm_tcp_listener_config config = {
        .address = p.there_host, .is_shared = true, .on_accept = server_on_accept};
    cm_tcp_listener *first, *second;
    assert_int_equal(cm_tcp_listener_open(p.here, &config, &first), CM_OK);
    config.address = cm_tcp_listener_address(first);
    assert_int_equal(cm_tcp_listener_open(p.there, &config, &second), CM_OK);
    cm_tcp_listener_close(first);
    cm_tcp_listener_close(second);
    place_close(&p);
}

static bool four_accepted(void *owner)
{
    return ((const server *)owner)->accepted == 4;
}

static void accepting_goes_on_after_descriptors_ran_out(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    server s = {.accepted = 0};
    server_open(&s, &p, 0);
    end c[4] = {{.tcp = NULL}};
    for (int i = 0; i < 4; i++)
        end_connect_to(&c[i], &p, &s);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3; /* those open stay open; no other can be had */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 4; i++)
        assert_true(world_run(&p.w, end_is_answered, &c[i]));
    place_wait(&p, CM_MS(30));
    assert_int_equal(s.accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(world_run(&p.w, four_accepted, &s));
    for (int i = 0; i < 4; i++)
        cm_tcp_close(c[i].tcp);
    server_close(&s);
    place_close(&p);
}

static void what_strangers_sent_before_connect_is_thrown_away(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    catcher friend = {.udp = NULL}, stranger = {.udp = NULL}, b = {.wanted = 1};
    const cm_address peer = catcher_open(&friend, p.here, &p.here_host);
    catcher_open(&stranger, p.here, &p.here_host);
    const cm_address to = catcher_open(&b, p.there, &p.there_host);
    for (int i = 0; i < 100; i++)
        send_text(&stranger, &to, "queued in the kernel");
    assert_int_equal(cm_udp_connect(b.udp, &peer), CM_OK);
    send_text(&friend, &to, "welcome");
    assert_true(world_run(&p.w, has_caught, &b));
    assert_int_equal(b.count, 1);
    assert_text(cm_slice_over(b.last, b.last_size), "welcome");
    cm_udp_close(friend.udp);
    cm_udp_close(stranger.udp);
    cm_udp_close(b.udp);
    place_close(&p);
}

static void localhost_is_found_and_an_invalid_name_not(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    const answer a = ask(&p, "localhost");
    assert_int_equal(a.status, CM_OK);
    assert_true(a.count >= 1);
    assert_int_equal(cm_address_kind_of(&a.first), CM_ADDRESS_LOOPBACK);
    assert_int_equal(a.first.port, 0);
    const answer b = ask(&p, "no-such-host.invalid");
    assert_int_not_equal(b.status, CM_OK);
    assert_int_equal(b.count, 0);
    place_close(&p);
}

static void a_lookup_may_outlive_its_net(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    answer a = {.is_answered = false};
    cm_resolve *resolve;
    assert_int_equal(cm_net_resolve(p.here, CM_TEXT("localhost"), note_answer, &a, &resolve),
                     CM_OK);
    cm_resolve_cancel(resolve);
    place_close(&p);
    assert_false(a.is_answered);
}

static void own_addresses_leave_out_loopback(void **state)
{
    (void)state;
    place p;
    place_open(&p);
    cm_address own[16];
    size_t count;
    assert_int_equal(cm_net_own_addresses(p.here, own, CM_COUNT(own), &count), CM_OK);
    assert_true(count <= CM_COUNT(own));
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(cm_address_kind_of(&own[i]), CM_ADDRESS_LOOPBACK);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_SUITE,
        cmocka_unit_test(the_same_works_over_ipv6),
        cmocka_unit_test(a_peer_that_does_not_answer_times_out),
        cmocka_unit_test(listeners_on_one_address_share_it_if_told_so),
        cmocka_unit_test(accepting_goes_on_after_descriptors_ran_out),
        cmocka_unit_test(what_strangers_sent_before_connect_is_thrown_away),
        cmocka_unit_test(localhost_is_found_and_an_invalid_name_not),
        cmocka_unit_test(a_lookup_may_outlive_its_net),
        cmocka_unit_test(own_addresses_leave_out_loopback),
    };
    return cmocka_run_group_tests_name("net on sockets", tests, NULL, NULL);
}
