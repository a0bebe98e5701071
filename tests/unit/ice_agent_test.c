/*
 * net/ice_agent: two agents and what lies between them: a wire with a delay, and NATs that keep
 * what they are told to. No socket and no clock but this file's. One behaviour a case.
 */
#include "unit.h"

#include <stdio.h>

#include "net/ice_agent.h"

enum { WIRE_MAX = 1024, MAPPINGS_MAX = 64, STEP_US = 10000, DELAY_US = 20000 };

typedef enum nat_kind {
    NAT_NONE,
    NAT_RESTRICTED, // one outside port for all; lets in addresses that were sent to
    NAT_SYMMETRIC,  // a port for each destination; lets that one in alone
} nat_kind;

typedef struct mapping {
    cm_address to; // the first destination; of a symmetric one the only
    uint16_t port;
} mapping;

typedef struct side side;
struct side {
    cm_ice ice;
    cm_ice_agent agent;
    cm_address host;
    cm_address relay;
    bool is_lite;   // sends no checks
    bool is_silent; // answers none
    nat_kind nat;
    cm_address outside; // of the NAT
    mapping mappings[MAPPINGS_MAX];
    size_t mapping_count;
    unsigned checks, consents;
    size_t largest;
    side *other;
};

typedef struct letter {
    side *to;
    size_t base;
    cm_address from;
    int64_t at_us;
    size_t size;
    uint8_t bytes[512];
} letter;

static cm_stun_hasher *hasher;
static cm_random rng;
static cm_instant now;
static side sides[2];
static letter wire[WIRE_MAX];
static size_t wire_count;
static unsigned dropped;

static cm_address address_of(const char *text)
{
    cm_address address;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &address), CM_OK);
    return address;
}

/* ---- the network ---- */

/* From where the other one sees it come. */
static cm_address pass_out(side *s, size_t base, const cm_address *to)
{
    if (base == 1)
        return s->relay;
    if (s->nat == NAT_NONE)
        return s->host;
    cm_address out = s->outside;
    for (size_t i = 0; i < s->mapping_count; i++) {
        const mapping *m = &s->mappings[i];
        const bool is_same = cm_address_equal(&m->to, to);
        if (is_same || (s->nat == NAT_RESTRICTED && cm_address_same_host(&m->to, to))) {
            out.port = m->port;
            return out;
        }
    }
    assert_true(s->mapping_count < MAPPINGS_MAX);
    const uint16_t port =
        (uint16_t)(s->nat == NAT_SYMMETRIC ? s->outside.port + 1 + s->mapping_count
                                           : s->outside.port);
    s->mappings[s->mapping_count++] = (mapping){.to = *to, .port = port};
    out.port = port;
    return out;
}

static bool lets_in(const side *s, const cm_address *to, const cm_address *from)
{
    for (size_t i = 0; i < s->mapping_count; i++) {
        const mapping *m = &s->mappings[i];
        if (m->port == to->port && (s->nat == NAT_RESTRICTED ? cm_address_same_host(&m->to, from)
                                                             : cm_address_equal(&m->to, from)))
            return true;
    }
    return false;
}

/* Which base of `s` hears what is sent to that address; 2: none. */
static size_t pass_in(const side *s, const cm_address *to, const cm_address *from)
{
    if (cm_address_equal(to, &s->relay))
        return 1;
    if (s->nat == NAT_NONE)
        return cm_address_equal(to, &s->host) ? 0 : 2;
    return cm_address_same_host(to, &s->outside) && lets_in(s, to, from) ? 0 : 2;
}

static void post(side *s, size_t base, const cm_address *to, cm_slice bytes)
{
    const cm_address from = pass_out(s, base, to);
    const size_t arrives_at = pass_in(s->other, to, &from);
    if (arrives_at == 2 || wire_count == WIRE_MAX) {
        dropped++;
        return;
    }
    letter *l = &wire[wire_count++];
    *l = (letter){.to = s->other,
                  .base = arrives_at,
                  .from = from,
                  .at_us = now.us + DELAY_US,
                  .size = bytes.size};
    cm_slice_copy(bytes, l->bytes, sizeof l->bytes);
}

/* ---- an agent at work, as net/rtc has it ---- */

static void take_request(side *s, const letter *l, const cm_stun_message *m)
{
    uint8_t bytes[CM_ICE_ANSWER_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_ice_outcome outcome;
    const cm_ice_check check = {.request = m, .from = l->from, .now = now};
    if (s->is_silent || cm_ice_receive(&s->ice, hasher, &check, &w, &outcome) != CM_OK)
        return;
    post(s, l->base, &l->from, cm_writer_done(&w));
    if (outcome.has_switched)
        cm_ice_agent_switched(&s->agent, now);
    if (outcome.is_proven && !s->is_lite)
        cm_ice_agent_checked(&s->agent, l->base, &check, outcome.is_nominated);
}

static void take(const letter *l)
{
    cm_stun_message m;
    side *s = l->to;
    assert_int_equal(cm_stun_parse(cm_slice_over(l->bytes, l->size), &m), CM_OK);
    const cm_ice_check answer = {.request = &m, .from = l->from, .now = now};
    if (m.class == CM_STUN_REQUEST)
        take_request(s, l, &m);
    else
        CM_IGNORE(cm_ice_agent_answered(&s->agent, hasher, l->base, &answer), "seen in its state");
}

static void deliver(void)
{
    letter due[64];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < wire_count; i++) {
        if (wire[i].at_us <= now.us && count < CM_COUNT(due))
            due[count++] = wire[i];
        else
            wire[kept++] = wire[i];
    }
    wire_count = kept;
    for (size_t i = 0; i < count; i++)
        take(&due[i]);
}

static bool send_next(side *s)
{
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_ice_send send;
    if (s->is_lite || cm_ice_agent_next(&s->agent, hasher, now, &w, &send) != CM_OK)
        return false;
    s->checks++;
    s->consents += send.pair->state == CM_ICE_SUCCEEDED;
    s->largest = w.used > s->largest ? w.used : s->largest;
    post(s, send.base, &send.peer, cm_writer_done(&w));
    return true;
}

static void run_for(int64_t us)
{
    for (const cm_instant end = cm_instant_after(now, us); now.us < end.us;) {
        now.us += STEP_US;
        deliver();
        (void)send_next(&sides[0]);
        (void)send_next(&sides[1]);
    }
}

static const cm_ice_base BASES[2] = {{.is_relayed = false}, {.is_relayed = true}};

static void begin_agents(size_t base_count)
{
    for (size_t i = 0; i < 2; i++) {
        const cm_slice pwd = cm_slice_of(cm_ice_local(&sides[1 - i].ice)->pwd);
        assert_int_equal(cm_ice_agent_begin(&sides[i].agent, pwd, BASES, base_count), CM_OK);
    }
}

/* Side 0 is ours: controlled. Side 1 is the peer. */
static void open_sides(void)
{
    cm_ice_credentials one;
    memset(sides, 0, sizeof sides);
    wire_count = dropped = 0;
    now = (cm_instant){CM_SECONDS(5000)};
    sides[0].host = address_of("10.0.0.1:8189");
    sides[0].relay = address_of("192.0.2.1:50000");
    sides[0].outside = address_of("203.0.113.1:20000");
    sides[1].host = address_of("10.1.0.1:4000");
    sides[1].relay = address_of("192.0.2.1:50001");
    sides[1].outside = address_of("203.0.113.2:30000");
    sides[0].other = &sides[1];
    sides[1].other = &sides[0];
    /* Each must know the other's ufrag: the first one's is replaced once there is the second's. */
    assert_int_equal(cm_ice_init(&sides[0].ice, &rng, CM_TEXT("none"), now), CM_OK);
    one = *cm_ice_local(&sides[0].ice);
    assert_int_equal(cm_ice_init(&sides[1].ice, &rng, cm_slice_of(one.ufrag), now), CM_OK);
    cm_ice_generation *g = &sides[0].ice.generations[0];
    g->remote_size = CM_ICE_UFRAG_SIZE;
    cm_slice_copy(cm_slice_of(cm_ice_local(&sides[1].ice)->ufrag), g->remote_ufrag,
                  sizeof g->remote_ufrag);
    for (size_t i = 0; i < 2; i++)
        cm_ice_agent_init(&sides[i].agent, &sides[i].ice, &rng, i == 1, now);
    begin_agents(1);
}

static uint32_t priority_of_type(uint32_t type)
{
    return type << 24 | 65535u << 8 | 255;
}

/* Tells one side of an address of the other's. */
static void tell(side *s, const cm_address *address, uint32_t type)
{
    CM_IGNORE(cm_ice_agent_add(&s->agent, address, priority_of_type(type), now), "seen in pairs");
}

static void tell_hosts(void)
{
    tell(&sides[0], &sides[1].host, 126);
    tell(&sides[1], &sides[0].host, 126);
}

static bool has_selected(side *s, const cm_address *peer)
{
    size_t base;
    cm_address at;
    return cm_ice_agent_selected(&s->agent, &base, &at) && cm_address_equal(&at, peer);
}

static bool is_any_selected(side *s)
{
    size_t base;
    cm_address at;
    return cm_ice_agent_selected(&s->agent, &base, &at);
}

static size_t count_pairs(const side *s, cm_ice_pair_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++)
        count += s->agent.pairs[i].state == state;
    return count;
}

static int open_hasher(void **state)
{
    (void)state;
    rng = cm_random_seeded(7);
    return cm_stun_hasher_create(&hasher) == CM_OK ? 0 : -1;
}

static int close_hasher(void **state)
{
    (void)state;
    cm_stun_hasher_destroy(hasher);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    open_sides();
    return 0;
}

/* ---- through NATs ---- */

static void hosts_find_each_other(void **state)
{
    (void)state;
    tell_hosts();
    run_for(CM_SECONDS(1));
    assert_true(has_selected(&sides[0], &sides[1].host));
    assert_true(has_selected(&sides[1], &sides[0].host));
    assert_in_range(sides[0].largest, 60, 120);
}

/* RFC 8445 7.3.1.3: the peer's address is learnt from its check. */
static void a_peer_that_names_no_address_is_found_by_its_checks(void **state)
{
    (void)state;
    tell(&sides[1], &sides[0].host, 126);
    run_for(CM_SECONDS(1));
    assert_true(has_selected(&sides[0], &sides[1].host));
}

static void behind_restricted_nats(nat_kind first, nat_kind second)
{
    open_sides();
    sides[0].nat = first;
    sides[1].nat = second;
    tell_hosts();
    tell(&sides[0], &sides[1].outside, 100);
    tell(&sides[1], &sides[0].outside, 100);
    run_for(CM_SECONDS(3));
}

static void address_restricted_nats_are_passed(void **state)
{
    (void)state;
    behind_restricted_nats(NAT_RESTRICTED, NAT_RESTRICTED);
    assert_true(has_selected(&sides[0], &sides[1].outside));
    assert_true(has_selected(&sides[1], &sides[0].outside));
    behind_restricted_nats(NAT_RESTRICTED, NAT_NONE);
    assert_true(has_selected(&sides[0], &sides[1].host));
}

/* What comes through a symmetric one has a port that nobody knew before. */
static void a_symmetric_nat_is_passed_to_a_restricted_one(void **state)
{
    (void)state;
    size_t base;
    cm_address at;
    behind_restricted_nats(NAT_RESTRICTED, NAT_SYMMETRIC);
    assert_true(cm_ice_agent_selected(&sides[0].agent, &base, &at));
    assert_true(cm_address_same_host(&at, &sides[1].outside) && at.port > 30000);
    behind_restricted_nats(NAT_SYMMETRIC, NAT_RESTRICTED);
    assert_true(has_selected(&sides[0], &sides[1].outside));
}

static void between_symmetric_nats_only_the_relay_works(void **state)
{
    (void)state;
    size_t base;
    cm_address at;
    behind_restricted_nats(NAT_SYMMETRIC, NAT_SYMMETRIC);
    assert_false(is_any_selected(&sides[0]) || is_any_selected(&sides[1]));
    open_sides();
    sides[0].nat = sides[1].nat = NAT_SYMMETRIC;
    begin_agents(2);
    tell(&sides[0], &sides[1].outside, 100);
    tell(&sides[0], &sides[1].relay, 0);
    tell(&sides[1], &sides[0].outside, 100);
    tell(&sides[1], &sides[0].relay, 0);
    run_for(CM_SECONDS(10));
    assert_true(cm_ice_agent_selected(&sides[0].agent, &base, &at));
    assert_true(base == 1 || cm_address_equal(&at, &sides[1].relay));
    assert_true(is_any_selected(&sides[1]));
}

static void a_direct_way_is_preferred_to_the_relay(void **state)
{
    (void)state;
    size_t base;
    cm_address at;
    begin_agents(2);
    tell(&sides[0], &sides[1].relay, 0);
    tell(&sides[1], &sides[0].relay, 0);
    tell_hosts();
    run_for(CM_SECONDS(3));
    assert_true(cm_ice_agent_selected(&sides[0].agent, &base, &at));
    assert_true(base == 0 && cm_address_equal(&at, &sides[1].host));
}

/* ---- roles ---- */

/* RFC 8445, 7.3.1.1 */
static void two_of_one_role_agree_on_two(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        open_sides();
        const cm_ice_role both = i % 2 == 0 ? CM_ICE_CONTROLLED : CM_ICE_CONTROLLING;
        cm_ice_take_role(&sides[0].ice, &rng, both);
        cm_ice_take_role(&sides[1].ice, &rng, both);
        tell_hosts();
        run_for(CM_SECONDS(3));
        assert_true(sides[0].ice.role != sides[1].ice.role);
        assert_true(has_selected(&sides[0], &sides[1].host));
        assert_true(has_selected(&sides[1], &sides[0].host));
    }
}

/* RFC 8445, 7.2.5.1: a 487 to our check. */
static void a_conflict_that_the_peer_finds_changes_our_role(void **state)
{
    (void)state;
    cm_ice_take_role(&sides[1].ice, &rng, CM_ICE_CONTROLLED);
    sides[0].ice.tie_breaker = UINT64_MAX;
    sides[1].ice.tie_breaker = 1; /* it keeps its role and says so */
    sides[1].is_lite = true;      /* and does not check by itself */
    tell(&sides[0], &sides[1].host, 126);
    run_for(CM_SECONDS(3));
    assert_int_equal(sides[0].ice.role, CM_ICE_CONTROLLING);
    assert_true(sides[0].ice.tie_breaker != UINT64_MAX);
    assert_true(has_selected(&sides[0], &sides[1].host));
}

/* RFC 8445 6.1.1: then we nominate. */
static void a_lite_peer_is_nominated_by_us(void **state)
{
    (void)state;
    cm_ice_agent_init(&sides[0].agent, &sides[0].ice, &rng, true, now);
    begin_agents(1);
    sides[1].ice.role = CM_ICE_LITE;
    sides[1].is_lite = true;
    const cm_address nobody = address_of("10.1.0.2:4000");
    tell(&sides[0], &nobody, 126); /* the better one, by its order, is not there */
    tell(&sides[0], &sides[1].host, 100);
    run_for(CM_MS(500));
    assert_false(is_any_selected(&sides[0])); /* a better one may still answer */
    run_for(CM_SECONDS(2));
    assert_true(has_selected(&sides[0], &sides[1].host));
}

static void of_a_lite_peers_addresses_the_best_is_nominated_at_once(void **state)
{
    (void)state;
    cm_ice_agent_init(&sides[0].agent, &sides[0].ice, &rng, true, now);
    begin_agents(1);
    sides[1].ice.role = CM_ICE_LITE;
    sides[1].is_lite = true;
    tell(&sides[0], &sides[1].host, 126);
    run_for(CM_MS(300));
    assert_true(has_selected(&sides[0], &sides[1].host));
}

/* Nothing is due then, rather than something for ever. */
static void a_nomination_that_is_not_answered_leaves_nothing_to_do(void **state)
{
    (void)state;
    cm_instant due;
    cm_ice_urgency urgency;
    cm_ice_agent_init(&sides[0].agent, &sides[0].ice, &rng, true, now);
    begin_agents(1);
    sides[1].ice.role = CM_ICE_LITE;
    sides[1].is_lite = true;
    const cm_address nobody = address_of("10.1.0.2:4000");
    tell(&sides[0], &nobody, 126);
    tell(&sides[0], &sides[1].host, 100);
    run_for(CM_MS(900)); /* it answered once */
    sides[1].is_silent = true;
    run_for(CM_SECONDS(60));
    assert_false(is_any_selected(&sides[0]));
    assert_int_equal(count_pairs(&sides[0], CM_ICE_FAILED), 2);
    assert_false(cm_ice_agent_due(&sides[0].agent, &due, &urgency));
}

/* ---- nomination ---- */

/* An authentic check of the peer's that came from there, as cm_ice_receive() let it through. */
static void peer_checks(const cm_address *from, bool is_nominated)
{
    const cm_stun_message request = {.has_priority = true, .priority = priority_of_type(110)};
    const cm_ice_check check = {.request = &request, .from = *from, .now = now};
    cm_ice_agent_checked(&sides[0].agent, 0, &check, is_nominated);
}

static cm_ice_pair *pair_with(const cm_address *peer)
{
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        cm_ice_pair *pair = &sides[0].agent.pairs[i];
        if (pair->state != CM_ICE_FREE && cm_address_equal(&pair->peer, peer))
            return pair;
    }
    return NULL;
}

typedef struct forgery {
    cm_stun_class class;
    const char *pwd; // NULL: the peer's
    cm_address from;
    size_t base;
    uint16_t error;
} forgery;

/* An answer to the check under way on that pair. */
static cm_status answer_as(const cm_ice_pair *pair, const forgery *f)
{
    uint8_t bytes[256];
    cm_stun_message m = {.class = f->class, .method = CM_STUN_BINDING, .error = f->error}, read;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const char *pwd = f->pwd != NULL ? f->pwd : cm_ice_local(&sides[1].ice)->pwd;
    cm_slice_copy(cm_slice_over(pair->transaction, sizeof pair->transaction), m.transaction,
                  sizeof m.transaction);
    assert_int_equal(cm_stun_write(hasher, &m, cm_slice_of(pwd), &w), CM_OK);
    assert_int_equal(cm_stun_parse(cm_writer_done(&w), &read), CM_OK);
    const cm_ice_check answer = {.request = &read, .from = f->from, .now = now};
    return cm_ice_agent_answered(&sides[0].agent, hasher, f->base, &answer);
}

static void answer_well(const cm_address *peer)
{
    cm_ice_pair *pair = pair_with(peer);
    assert_non_null(pair);
    assert_int_equal(answer_as(pair, &(forgery){.class = CM_STUN_SUCCESS, .from = *peer}), CM_OK);
}

/* Our checks go out; nobody is there. */
static void send_all(void)
{
    sides[1].is_silent = true;
    sides[1].is_lite = true;
    while (send_next(&sides[0]))
        ;
    wire_count = 0;
}

/* RFC 8445 7.3.1.5: no pair is used that our own check has not proven. */
static void a_nomination_counts_when_our_check_succeeds(void **state)
{
    (void)state;
    peer_checks(&sides[1].host, true);
    assert_false(is_any_selected(&sides[0]));
    send_all();
    assert_false(is_any_selected(&sides[0]));
    answer_well(&sides[1].host);
    assert_true(has_selected(&sides[0], &sides[1].host));
}

static void a_pair_that_works_is_not_used_before_it_is_nominated(void **state)
{
    (void)state;
    peer_checks(&sides[1].host, false);
    send_all();
    answer_well(&sides[1].host);
    assert_false(is_any_selected(&sides[0]));
    peer_checks(&sides[1].host, true);
    assert_true(has_selected(&sides[0], &sides[1].host));
}

static void of_several_nominated_the_best_is_used(void **state)
{
    (void)state;
    const cm_address low = address_of("10.1.0.2:4000"), high = address_of("10.1.0.3:4000");
    tell(&sides[0], &low, 0);
    tell(&sides[0], &sides[1].host, 100);
    tell(&sides[0], &high, 126);
    peer_checks(&low, true);
    peer_checks(&sides[1].host, true);
    peer_checks(&high, true);
    send_all();
    answer_well(&sides[1].host);
    assert_true(has_selected(&sides[0], &sides[1].host));
    answer_well(&high);
    assert_true(has_selected(&sides[0], &high));
    answer_well(&low);
    assert_true(has_selected(&sides[0], &high));
}

/* The phone leaves the house: what it nominates then is worse, and what was better is silent. */
static void a_worse_nomination_counts_when_the_better_pair_is_silent(void **state)
{
    (void)state;
    const cm_address low = address_of("10.1.0.2:4000");
    tell_hosts();
    run_for(CM_SECONDS(2));
    assert_true(has_selected(&sides[0], &sides[1].host));
    peer_checks(&low, true);
    send_all();
    answer_well(&low);
    assert_true(has_selected(&sides[0], &sides[1].host));
    now.us += CM_MS(1000);
    send_all();
    assert_true(has_selected(&sides[0], &sides[1].host));
    now.us += CM_MS(600);
    send_all();
    assert_true(has_selected(&sides[0], &low));
}

static void a_worse_nomination_does_not_count_while_the_better_pair_answers(void **state)
{
    (void)state;
    const cm_address low = address_of("10.1.0.2:4000");
    tell_hosts();
    run_for(CM_SECONDS(2));
    peer_checks(&low, true);
    (void)send_next(&sides[0]);
    (void)send_next(&sides[0]);
    answer_well(&low);
    run_for(CM_SECONDS(10));
    assert_true(has_selected(&sides[0], &sides[1].host));
}

/* ---- who may say so ---- */

static void forged_answers_prove_nothing(void **state)
{
    (void)state;
    tell(&sides[0], &sides[1].host, 126);
    send_all();
    const cm_ice_pair *pair = pair_with(&sides[1].host);
    forgery f = {
        .class = CM_STUN_SUCCESS, .pwd = "a password of somebody else", .from = sides[1].host};
    assert_int_equal(answer_as(pair, &f), CM_FOREIGN);
    assert_int_equal(pair->state, CM_ICE_IN_PROGRESS);
    cm_ice_pair other = *pair;
    other.transaction[0] ^= 1;
    f.pwd = NULL;
    assert_int_equal(answer_as(&other, &f), CM_ABSENT);
    assert_int_equal(pair->state, CM_ICE_IN_PROGRESS);
}

/* RFC 8445, 7.2.5.2.1 */
static void an_answer_from_elsewhere_fails_the_pair(void **state)
{
    (void)state;
    const forgery WRONG[] = {{.class = CM_STUN_SUCCESS, .from = address_of("10.1.0.9:4000")},
                             {.class = CM_STUN_SUCCESS, .from = sides[1].host, .base = 1}};
    for (size_t i = 0; i < CM_COUNT(WRONG); i++) {
        open_sides();
        tell(&sides[0], &sides[1].host, 126);
        send_all();
        cm_ice_pair *pair = pair_with(&sides[1].host);
        assert_int_equal(answer_as(pair, &WRONG[i]), CM_FOREIGN);
        assert_int_equal(pair->state, CM_ICE_FAILED);
    }
}

static void an_error_fails_the_pair(void **state)
{
    (void)state;
    tell(&sides[0], &sides[1].host, 126);
    send_all();
    cm_ice_pair *pair = pair_with(&sides[1].host);
    const forgery f = {.class = CM_STUN_ERROR, .error = 400, .from = sides[1].host};
    assert_int_equal(answer_as(pair, &f), CM_REFUSE);
    assert_int_equal(pair->state, CM_ICE_FAILED);
    peer_checks(&sides[1].host, true); /* it may come back */
    send_all();
    answer_well(&sides[1].host);
    assert_true(has_selected(&sides[0], &sides[1].host));
}

/* ---- bounds ---- */

static void a_silent_address_gets_five_checks(void **state)
{
    (void)state;
    sides[1].is_silent = sides[1].is_lite = true;
    tell(&sides[0], &sides[1].host, 126);
    run_for(CM_SECONDS(60));
    assert_int_equal(sides[0].checks, CM_ICE_SENDS_MAX);
    assert_int_equal(count_pairs(&sides[0], CM_ICE_FAILED), 1);
}

static void many_addresses_make_32_pairs_of_the_best(void **state)
{
    (void)state;
    sides[1].is_silent = sides[1].is_lite = true;
    for (uint16_t i = 0; i < 200; i++) {
        cm_address address = address_of("10.1.0.3");
        address.port = (uint16_t)(1024 + i);
        CM_IGNORE(cm_ice_agent_add(&sides[0].agent, &address, 1000u + i, now), "bounded");
    }
    assert_int_equal(count_pairs(&sides[0], CM_ICE_WAITING), CM_ICE_PAIRS_MAX);
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++)
        assert_true(sides[0].agent.pairs[i].remote_priority >= 1200 - CM_ICE_PAIRS_MAX);
    run_for(CM_SECONDS(120));
    assert_int_equal(sides[0].checks, CM_ICE_PAIRS_MAX * CM_ICE_SENDS_MAX);
}

/* Whoever has a session may send checks that say they come from elsewhere. */
static void an_address_that_only_checks_name_gets_little(void **state)
{
    (void)state;
    sides[1].is_silent = sides[1].is_lite = true;
    const cm_address victim = address_of("198.51.100.1:5000");
    peer_checks(&victim, true);
    run_for(CM_SECONDS(60));
    assert_int_equal(sides[0].checks, 2);
    for (unsigned i = 0; i < 10; i++) {
        peer_checks(&victim, true);
        run_for(CM_SECONDS(30));
    }
    assert_in_range(sides[0].checks, 3, 12);
    for (uint16_t i = 0; i < 200; i++) {
        cm_address address = victim;
        address.port = (uint16_t)(1024 + i);
        peer_checks(&address, false);
    }
    assert_true(count_pairs(&sides[0], CM_ICE_FREE) == 0);
}

static void the_selected_pair_keeps_its_place(void **state)
{
    (void)state;
    tell_hosts();
    run_for(CM_SECONDS(1));
    cm_address address = address_of("198.51.100.1");
    for (uint16_t i = 0; i < 200; i++) {
        address.port = (uint16_t)(1024 + i);
        peer_checks(&address, false);
    }
    assert_true(has_selected(&sides[0], &sides[1].host));
    assert_non_null(pair_with(&sides[1].host));
}

static void other_families_are_not_paired(void **state)
{
    (void)state;
    const cm_address v6 = address_of("[2001:db8::1]:4000");
    tell(&sides[0], &v6, 126);
    assert_int_equal(count_pairs(&sides[0], CM_ICE_WAITING), 0);
}

static void passwords_that_are_none_are_refused(void **state)
{
    (void)state;
    static const uint8_t LONG[CM_ICE_REMOTE_PWD_MAX + 1] = {'a'};
    cm_ice_agent *agent = &sides[0].agent;
    assert_int_equal(cm_ice_agent_begin(agent, CM_TEXT("short"), BASES, 1), CM_REFUSE);
    assert_int_equal(cm_ice_agent_begin(agent, cm_slice_over(LONG, sizeof LONG), BASES, 1),
                     CM_REFUSE);
}

/* ---- consent ---- */

/* RFC 7675, 5.1 */
static void consent_is_asked_for_every_five_seconds(void **state)
{
    (void)state;
    tell_hosts();
    run_for(CM_SECONDS(2));
    const unsigned before = sides[0].consents;
    for (unsigned i = 0; i < 20; i++) {
        run_for(CM_SECONDS(10));
        assert_true(cm_instant_since(now, cm_ice_agent_consented(&sides[0].agent)) < CM_SECONDS(7));
    }
    assert_in_range(sides[0].consents - before, 200 / 6 - 1, 200 / 4 + 1);
    sides[1].is_silent = sides[1].is_lite = true;
    run_for(CM_SECONDS(40));
    assert_true(cm_instant_since(now, cm_ice_agent_consented(&sides[0].agent)) >= CM_SECONDS(34));
}

/* ---- restarts, postponing ---- */

static void a_restart_begins_with_no_pairs(void **state)
{
    (void)state;
    tell_hosts();
    run_for(CM_SECONDS(1));
    const cm_instant consented = cm_ice_agent_consented(&sides[0].agent);
    begin_agents(1);
    assert_false(is_any_selected(&sides[0]));
    assert_int_equal(count_pairs(&sides[0], CM_ICE_FREE), CM_ICE_PAIRS_MAX);
    assert_true(cm_ice_agent_consented(&sides[0].agent).us == consented.us);
    tell_hosts();
    run_for(CM_SECONDS(1));
    assert_true(has_selected(&sides[0], &sides[1].host));
}

static void what_could_not_be_sent_does_not_count(void **state)
{
    (void)state;
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_ice_send send;
    sides[1].is_silent = sides[1].is_lite = true;
    tell(&sides[0], &sides[1].host, 126);
    for (unsigned i = 0; i < 50; i++) {
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        assert_int_equal(cm_ice_agent_next(&sides[0].agent, hasher, now, &w, &send), CM_OK);
        cm_ice_agent_postpone(&sides[0].agent, &send, cm_instant_after(now, CM_MS(50)));
        cm_instant due;
        cm_ice_urgency urgency;
        assert_true(cm_ice_agent_due(&sides[0].agent, &due, &urgency));
        assert_int_equal(cm_instant_since(due, now), CM_MS(50));
        now = due;
    }
    run_for(CM_SECONDS(60));
    assert_int_equal(sides[0].checks, CM_ICE_SENDS_MAX);
}

/* A relay that never lets it through: the pair fails in the end. */
static void what_can_never_be_sent_is_given_up(void **state)
{
    (void)state;
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_ice_send send;
    unsigned count = 0;
    tell(&sides[0], &sides[1].host, 126);
    for (unsigned i = 0; i < 2000; i++, now.us += CM_MS(50)) {
        cm_writer w = cm_writer_over(bytes, sizeof bytes);
        if (cm_ice_agent_next(&sides[0].agent, hasher, now, &w, &send) != CM_OK)
            continue;
        count++;
        cm_ice_agent_postpone(&sides[0].agent, &send, cm_instant_after(now, CM_MS(50)));
    }
    assert_int_equal(count, CM_ICE_POSTPONED_MAX + CM_ICE_SENDS_MAX);
    assert_int_equal(count_pairs(&sides[0], CM_ICE_FAILED), 1);
}

static void triggered_checks_go_first(void **state)
{
    (void)state;
    cm_instant due;
    cm_ice_urgency urgency;
    const cm_address high = address_of("10.1.0.3:4000");
    assert_false(cm_ice_agent_due(&sides[0].agent, &due, &urgency));
    tell(&sides[0], &high, 126);
    assert_true(cm_ice_agent_due(&sides[0].agent, &due, &urgency) && urgency == CM_ICE_ORDINARY);
    peer_checks(&sides[1].host, false);
    assert_true(cm_ice_agent_due(&sides[0].agent, &due, &urgency) && urgency == CM_ICE_TRIGGERED);
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_ice_send send;
    assert_int_equal(cm_ice_agent_next(&sides[0].agent, hasher, now, &w, &send), CM_OK);
    assert_true(cm_address_equal(&send.peer, &sides[1].host));
}

static void pairs_turn_as_the_table_says(void **state)
{
    (void)state;
    static const char *const MAY[CM_ICE_PAIR_STATES] = {
        /* free, waiting, in progress, succeeded, failed */
        "01000", "10101", "11011", "11000", "11000"};
    for (unsigned from = 0; from < CM_ICE_PAIR_STATES; from++) {
        for (unsigned to = 0; to < CM_ICE_PAIR_STATES; to++)
            assert_int_equal(cm_ice_pair_may_turn((cm_ice_pair_state)from, (cm_ice_pair_state)to),
                             MAY[from][to] == '1');
    }
}

#define CASE(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hosts_find_each_other),
        CASE(a_peer_that_names_no_address_is_found_by_its_checks),
        CASE(address_restricted_nats_are_passed),
        CASE(a_symmetric_nat_is_passed_to_a_restricted_one),
        CASE(between_symmetric_nats_only_the_relay_works),
        CASE(a_direct_way_is_preferred_to_the_relay),
        CASE(two_of_one_role_agree_on_two),
        CASE(a_conflict_that_the_peer_finds_changes_our_role),
        CASE(a_lite_peer_is_nominated_by_us),
        CASE(of_a_lite_peers_addresses_the_best_is_nominated_at_once),
        CASE(a_nomination_that_is_not_answered_leaves_nothing_to_do),
        CASE(a_nomination_counts_when_our_check_succeeds),
        CASE(a_pair_that_works_is_not_used_before_it_is_nominated),
        CASE(of_several_nominated_the_best_is_used),
        CASE(a_worse_nomination_counts_when_the_better_pair_is_silent),
        CASE(a_worse_nomination_does_not_count_while_the_better_pair_answers),
        CASE(forged_answers_prove_nothing),
        CASE(an_answer_from_elsewhere_fails_the_pair),
        CASE(an_error_fails_the_pair),
        CASE(a_silent_address_gets_five_checks),
        CASE(many_addresses_make_32_pairs_of_the_best),
        CASE(an_address_that_only_checks_name_gets_little),
        CASE(the_selected_pair_keeps_its_place),
        CASE(other_families_are_not_paired),
        CASE(passwords_that_are_none_are_refused),
        CASE(consent_is_asked_for_every_five_seconds),
        CASE(a_restart_begins_with_no_pairs),
        CASE(what_could_not_be_sent_does_not_count),
        CASE(what_can_never_be_sent_is_given_up),
        CASE(triggered_checks_go_first),
        CASE(pairs_turn_as_the_table_says),
    };
    return cmocka_run_group_tests_name("ice_agent", tests, open_hasher, close_hasher);
}
