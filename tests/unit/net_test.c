/* net on sockets: the suite, and what only sockets do. One behaviour a case. */
#include "net_suite.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a kernel that refuses, is full, or is old: these stand before libc's ---- */

static struct {
    int refusal;      /* errno for messages that are to be cut; 0: none */
    long room;        /* messages that are taken before the kernel is full */
    bool is_ignorant; /* knows nothing of segments, and sends them as one */
    size_t asked;     /* messages it was asked to cut */
    size_t refused;
    size_t bytes; /* taken */
} kernel = {.room = LONG_MAX};

static void kernel_reset(bool is_ignorant)
{
    kernel.refusal = 0;
    kernel.room = LONG_MAX;
    kernel.is_ignorant = is_ignorant;
    kernel.asked = kernel.refused = kernel.bytes = 0;
}

static bool is_to_be_cut(const struct msghdr *message)
{
    for (const struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, (struct cmsghdr *)(uintptr_t)c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
            return true;
    }
    return false;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned taken = 0;
    for (; taken < count && (long)taken < kernel.room; taken++) {
        if (!is_to_be_cut(&messages[taken].msg_hdr))
            continue;
        if (kernel.refusal != 0)
            break;
    }
    for (unsigned i = 0; i < taken; i++) {
        kernel.asked += is_to_be_cut(&messages[i].msg_hdr);
        kernel.bytes += messages[i].msg_hdr.msg_iov->iov_len;
    }
    if (taken == 0) {
        errno = kernel.room == 0 ? EAGAIN : kernel.refusal;
        kernel.refused += kernel.room != 0;
        return -1;
    }
    kernel.room -= taken;
    return (int)syscall(SYS_sendmmsg, fd, messages, taken, flags);
}

/* As many datagrams as are asked for, `flood` times, from one who is not there. */
static int flood;

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    static const struct sockaddr_in NOBODY = {.sin_family = AF_INET};
    if (flood == 0)
        return (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
    flood--;
    for (unsigned i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        cm_slice_copy(cm_slice_over(&NOBODY, sizeof NOBODY), message->msg_name,
                      message->msg_namelen);
        message->msg_namelen = sizeof NOBODY;
        message->msg_controllen = 0;
        message->msg_flags = 0;
        messages[i].msg_len = 1;
    }
    return (int)count;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    if (level == SOL_UDP && kernel.is_ignorant) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}

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

static void what_is_larger_than_the_limit_goes_at_once_where_there_is_room(void **state)
{
    (void)state;
    place p;
    server s = {.stays_paused = true};
    end c = {.tcp = NULL};
    pair_open(&p, &s, &c);
    cm_tcp_limit_unsent(c.tcp, 4096);
    c.to_send = 40000; /* in one write; the receiver's first window holds it */
    end_send(&c);
    assert_int_equal(c.sent, 40000);
    assert_int_equal(c.writable_calls, 0);
    cm_tcp_listen_to(s.ends[0].tcp, &END_EVENTS, &s.ends[0]);
    assert_true(world_run(&p.w, end_has_all, &s.ends[0]));
    assert_false(s.ends[0].is_wrong);
    pair_close(&p, &s, &c);
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

/* ---- datagrams in segments ---- */

typedef struct segment_place {
    place p;
    catcher a;
    recorder b;
    recorder expected;
    cm_address to;
} segment_place;

static void segments_open(segment_place *s, bool is_ignorant)
{
    kernel_reset(is_ignorant);
    *s = (segment_place){.to = {.port = 0}};
    place_open(&s->p);
    catcher_open(&s->a, s->p.here, &s->p.here_host);
    s->to = recorder_open(&s->b, s->p.there, &s->p.there_host);
}

static void segments_arrive(segment_place *s)
{
    s->b.wanted = s->expected.count;
    assert_true(world_run(&s->p.w, has_recorded, &s->b));
    place_wait(&s->p, CM_MS(5));
    assert_recorded(&s->b, &s->expected);
    s->b.count = s->expected.count = 0;
}

static void segments_close(segment_place *s)
{
    cm_udp_close(s->a.udp);
    cm_udp_close(s->b.udp);
    place_close(&s->p);
    kernel_reset(false);
}

/* `count` datagrams of so many segments of 100 bytes in one call: how many were sent. */
static size_t send_segments(segment_place *s, size_t count, size_t segments)
{
    cm_datagram datagrams[16];
    const cm_slice bytes = counting_bytes(segments * 100);
    size_t sent = 0;
    for (size_t i = 0; i < count; i++)
        datagrams[i] = (cm_datagram){.bytes = bytes, .peer = s->to, .segment_size = 100};
    const cm_status status = cm_udp_send(s->a.udp, datagrams, count, &sent);
    assert_int_equal(status, sent > 0 ? CM_OK : CM_RETRY);
    return sent;
}

static size_t send_eights(segment_place *s, size_t count)
{
    return send_segments(s, count, 8);
}

static void expect_eights(segment_place *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_segments(&s->expected, 8 * 100, 100);
}

static void the_kernel_cuts_what_has_segments(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    send_cuts(s.a.udp, &s.to, &s.expected);
    segments_arrive(&s);
    assert_int_equal(kernel.asked, 6); /* of CUTS those of more than one */
    segments_close(&s);
}

static void what_the_kernel_refuses_to_cut_we_cut(void **state)
{
    (void)state;
    static const int REFUSALS[] = {EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP, EMSGSIZE};
    for (size_t i = 0; i < CM_COUNT(REFUSALS); i++) {
        segment_place s;
        segments_open(&s, false);
        kernel.refusal = REFUSALS[i];
        send_cuts(s.a.udp, &s.to, &s.expected);
        segments_arrive(&s);
        assert_int_equal(kernel.refused, 6);
        assert_int_equal(kernel.asked, 0);
        segments_close(&s);
    }
}

/* One peer's way that takes no segments does not make the others dearer; a kernel that refuses all
 * of them is left alone, but for a try now and then. */
static void a_kernel_that_always_refuses_is_seldom_asked(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    for (int i = 0; i < 7; i++) {
        kernel.refusal = EIO;
        assert_int_equal(send_eights(&s, 1), 1);
    }
    kernel.refusal = 0;
    assert_int_equal(send_eights(&s, 1), 1);
    assert_int_equal(kernel.asked, 1); /* which begins the count anew */
    kernel.refusal = EIO;
    for (int i = 0; i < 20; i++)
        assert_int_equal(send_eights(&s, 1), 1);
    assert_int_equal(kernel.refused, 7 + 8);
    expect_eights(&s, 28);
    segments_arrive(&s);
    kernel.refusal = 0;
    for (int i = 0; i < 1024; i++)
        assert_int_equal(send_eights(&s, 1), 1);
    assert_true(kernel.asked > 1); /* and it is as before */
    kernel.asked = 0;
    assert_int_equal(send_eights(&s, 4), 4);
    assert_int_equal(kernel.asked, 4);
    segments_close(&s);
}

static void a_kernel_that_knows_no_segments_is_never_asked(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, true);
    send_cuts(s.a.udp, &s.to, &s.expected);
    segments_arrive(&s);
    assert_int_equal(kernel.asked + kernel.refused, 0);
    segments_close(&s);
}

static void a_full_kernel_says_how_many_it_took(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    kernel.room = 3;
    assert_int_equal(send_eights(&s, 5), 3);
    assert_int_equal(send_eights(&s, 2), 0);
    kernel.room = 2;
    assert_int_equal(send_eights(&s, 2), 2);
    expect_eights(&s, 5);
    segments_arrive(&s);
    segments_close(&s);
}

/* Where we cut, it may be full inside a datagram: that one is sent again, whole. */
static void a_datagram_taken_in_part_counts_as_not_sent(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    kernel.refusal = EIO;
    kernel.room = 2 * 8 + 3;
    assert_int_equal(send_eights(&s, 4), 2);
    expect_eights(&s, 2);
    expect_segments(&s.expected, 3 * 100, 100);
    segments_arrive(&s);
    kernel.room = 5;
    assert_int_equal(send_eights(&s, 2), 0);
    expect_segments(&s.expected, 5 * 100, 100);
    segments_arrive(&s);
    kernel.room = LONG_MAX;
    assert_int_equal(send_segments(&s, 16, 9), 16); /* three calls, which end inside of some */
    for (int i = 0; i < 16; i++)
        expect_segments(&s.expected, 9 * 100, 100);
    segments_arrive(&s);
    segments_close(&s);
}

/* Whenever the kernel is tried again, also where a call ended inside a datagram: nothing is sent
 * twice or left out. */
static void trying_again_sends_no_byte_twice(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    for (size_t round = 0; round < 16; round++) {
        kernel.refusal = EIO;
        for (size_t i = 0; i < 8 + round; i++)
            assert_int_equal(send_eights(&s, 1), 1);
        kernel.refusal = 0;
        kernel.bytes = kernel.asked = 0;
        for (size_t i = 0; i < 66; i++)
            assert_int_equal(send_segments(&s, 16, 9), 16);
        assert_true(kernel.asked > 0);
        assert_int_equal(kernel.bytes, 66 * 16 * 900);
    }
    segments_close(&s);
}

/* A datagram that nobody can send is lost, and holds up none. */
static void what_cannot_be_sent_counts_as_sent(void **state)
{
    (void)state;
    segment_place s;
    segments_open(&s, false);
    cm_address nowhere = s.p.nobody; /* broadcast, which this socket may not send to */
    nowhere.port = 9;
    const cm_datagram datagrams[] = {
        {.bytes = counting_bytes(300), .peer = s.to, .segment_size = 100},
        {.bytes = counting_bytes(300), .peer = nowhere, .segment_size = 100},
        {.bytes = counting_bytes(300), .peer = s.to, .segment_size = 100}};
    for (int i = 0; i < 2; i++) {
        size_t sent;
        kernel.refusal = i == 0 ? 0 : EINVAL;
        assert_int_equal(cm_udp_send(s.a.udp, datagrams, 3, &sent), CM_OK);
        assert_int_equal(sent, 3);
        expect_segments(&s.expected, 300, 100);
        expect_segments(&s.expected, 300, 100);
        segments_arrive(&s);
    }
    segments_close(&s);
}

/* Of the many addresses of loopback the system would choose the first; over IPv6 there is one. */
static void any_of_our_addresses_may_answer(void **state)
{
    (void)state;
    static const char *const HOSTS[][2] = {{"0.0.0.0", "127.0.0.5"}, {"::", "::1"}};
    for (size_t i = 0; i < CM_COUNT(HOSTS); i++) {
        place p;
        place_open(&p);
        const cm_address all = address_of(HOSTS[i][0]);
        cm_address asked = address_of(HOSTS[i][1]);
        catcher a = {.udp = NULL}, b = {.udp = NULL};
        const cm_address first = asked.is_v6 ? asked : p.here_host;
        catcher_open(&a, p.here, &first);
        asked.port = catcher_open(&b, p.there, &all).port;
        ask_and_answer(&p, &a, &b, &asked, 0);
        ask_and_answer(&p, &a, &b, &asked, 2);
        cm_udp_close(a.udp);
        cm_udp_close(b.udp);
        place_close(&p);
    }
}

/* How many datagrams came in each turn, as the loop's time is that of the turn. */
typedef struct turns {
    cm_loop *loop;
    cm_udp *udp;
    bool closes;
    cm_instant turn;
    size_t in_turn;
    size_t most; /* of all turns */
} turns;

static void note_turn(void *owner, const cm_datagram *datagrams, size_t count)
{
    turns *t = owner;
    (void)datagrams;
    if (cm_loop_now(t->loop).us != t->turn.us)
        t->in_turn = 0;
    t->turn = cm_loop_now(t->loop);
    t->in_turn += count;
    t->most = t->in_turn > t->most ? t->in_turn : t->most;
    if (t->closes) {
        cm_udp_close(t->udp);
        t->udp = NULL;
    }
}

static bool is_flood_over(void *owner)
{
    const turns *t = owner;
    return flood == 0 || t->udp == NULL;
}

static void flood_one(bool closes, turns *t)
{
    enum { BATCHES = 100 };
    place p;
    place_open(&p);
    catcher a = {.udp = NULL};
    *t = (turns){.loop = p.w.loop, .closes = closes};
    const cm_udp_config config = {.local = p.there_host, .on_datagrams = note_turn, .owner = t};
    assert_int_equal(cm_udp_open(p.there, &config, &t->udp), CM_OK);
    const cm_address to = cm_udp_local(t->udp);
    catcher_open(&a, p.here, &p.here_host);
    send_text(&a, &to, "ready"); /* and it stays so */
    flood = BATCHES;
    assert_true(world_run(&p.w, is_flood_over, t));
    flood = 0;
    cm_udp_close(a.udp);
    cm_udp_close(t->udp);
    place_close(&p);
}

/* So that reports are not lost while there is much to send, nor senders starved by reports. */
static void a_turn_reads_several_batches_but_not_without_end(void **state)
{
    (void)state;
    turns t;
    flood_one(false, &t);
    assert_int_equal(t.most, 8 * 64);
}

static void who_closes_at_one_batch_gets_no_other(void **state)
{
    (void)state;
    turns t;
    flood_one(true, &t);
    assert_int_equal(t.most, 64);
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
        cmocka_unit_test(what_is_larger_than_the_limit_goes_at_once_where_there_is_room),
        cmocka_unit_test(the_same_works_over_ipv6),
        cmocka_unit_test(a_peer_that_does_not_answer_times_out),
        cmocka_unit_test(listeners_on_one_address_share_it_if_told_so),
        cmocka_unit_test(accepting_goes_on_after_descriptors_ran_out),
        cmocka_unit_test(what_strangers_sent_before_connect_is_thrown_away),
        cmocka_unit_test(the_kernel_cuts_what_has_segments),
        cmocka_unit_test(what_the_kernel_refuses_to_cut_we_cut),
        cmocka_unit_test(a_kernel_that_always_refuses_is_seldom_asked),
        cmocka_unit_test(a_kernel_that_knows_no_segments_is_never_asked),
        cmocka_unit_test(a_full_kernel_says_how_many_it_took),
        cmocka_unit_test(a_datagram_taken_in_part_counts_as_not_sent),
        cmocka_unit_test(trying_again_sends_no_byte_twice),
        cmocka_unit_test(what_cannot_be_sent_counts_as_sent),
        cmocka_unit_test(any_of_our_addresses_may_answer),
        cmocka_unit_test(a_turn_reads_several_batches_but_not_without_end),
        cmocka_unit_test(who_closes_at_one_batch_gets_no_other),
        cmocka_unit_test(localhost_is_found_and_an_invalid_name_not),
        cmocka_unit_test(a_lookup_may_outlive_its_net),
        cmocka_unit_test(own_addresses_leave_out_loopback),
    };
    return cmocka_run_group_tests_name("net on sockets", tests, NULL, NULL);
}
