#include "net/ice_agent.h"

#include <assert.h>

#include "base/secret.h"

enum {
    PWD_MIN = 22,        /* RFC 8839 5.4 */
    TRY_MS = 500,        /* RFC 8445 14.3; doubled with each repetition */
    CONSENT_MS = 5000,   /* RFC 7675 5.1: times 0.8 to 1.2 */
    CHALLENGE_MS = 1500, /* that a selected pair has to answer in, when another is nominated */
    PATIENCE_MS = 1000,  /* for a better pair, before a controlling agent nominates */
    REFLEXIVE_SENDS = 2, /* to an address that nobody but its own check has named */
    /* RFC 8445 5.1.2.1 */
    TYPE_HOST = 126,
    TYPE_PEER_REFLEXIVE = 110,
    TYPE_RELAYED = 0,
    LOCAL_PREFERENCE_MAX = 65535,
    COMPONENT = 1,
};

/* ---- states ---- */

#define BIT(state) (1u << (state))

static const unsigned NEXT_STATES[CM_ICE_PAIR_STATES] = {
    [CM_ICE_FREE] = BIT(CM_ICE_WAITING),
    [CM_ICE_WAITING] = BIT(CM_ICE_IN_PROGRESS) | BIT(CM_ICE_FAILED) | BIT(CM_ICE_FREE),
    [CM_ICE_IN_PROGRESS] =
        BIT(CM_ICE_WAITING) | BIT(CM_ICE_SUCCEEDED) | BIT(CM_ICE_FAILED) | BIT(CM_ICE_FREE),
    [CM_ICE_SUCCEEDED] = BIT(CM_ICE_WAITING) | BIT(CM_ICE_FREE),
    [CM_ICE_FAILED] = BIT(CM_ICE_WAITING) | BIT(CM_ICE_FREE),
};

bool cm_ice_pair_may_turn(cm_ice_pair_state from, cm_ice_pair_state to)
{
    return (NEXT_STATES[from] & BIT(to)) != 0;
}

static void turn_to(cm_ice_pair *pair, cm_ice_pair_state next)
{
    assert(cm_ice_pair_may_turn(pair->state, next));
    pair->state = next;
}

/* ---- priorities ---- */

static uint32_t candidate_priority(size_t base, uint32_t type)
{
    return type << 24 | (uint32_t)(LOCAL_PREFERENCE_MAX - base) << 8 | (256 - COMPONENT);
}

/* RFC 8445 6.1.2.3 */
static uint64_t priority_of(const cm_ice_agent *agent, const cm_ice_pair *pair)
{
    const bool is_relayed = agent->bases[pair->base].is_relayed;
    const uint32_t own = candidate_priority(pair->base, is_relayed ? TYPE_RELAYED : TYPE_HOST);
    const uint32_t theirs = pair->remote_priority;
    const bool is_controlling = agent->ice->role == CM_ICE_CONTROLLING;
    const uint32_t g = is_controlling ? own : theirs;
    const uint32_t d = is_controlling ? theirs : own;
    return (uint64_t)(g < d ? g : d) << 32 | (uint64_t)(g > d ? g : d) << 1 | (g > d ? 1 : 0);
}

/* ---- pairs ---- */

static cm_ice_pair *find(cm_ice_agent *agent, size_t base, const cm_address *peer)
{
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        cm_ice_pair *pair = &agent->pairs[i];
        if (pair->state != CM_ICE_FREE && pair->base == base && cm_address_equal(&pair->peer, peer))
            return pair;
    }
    return NULL;
}

static void release(cm_ice_agent *agent, cm_ice_pair *pair)
{
    if (agent->successor == pair)
        agent->successor = NULL;
    turn_to(pair, CM_ICE_FREE);
}

/* RFC 8445 6.1.2.5: of more than fit the lowest go. NULL: all others are better, or in use. */
static cm_ice_pair *find_place(cm_ice_agent *agent, uint64_t priority)
{
    cm_ice_pair *lowest = NULL;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        cm_ice_pair *pair = &agent->pairs[i];
        if (pair->state == CM_ICE_FREE)
            return pair;
        if (pair != agent->selected && pair->state != CM_ICE_SUCCEEDED &&
            (lowest == NULL || priority_of(agent, pair) < priority_of(agent, lowest)))
            lowest = pair;
    }
    if (lowest == NULL || priority_of(agent, lowest) >= priority)
        return NULL;
    release(agent, lowest);
    return lowest;
}

static cm_ice_pair *add(cm_ice_agent *agent, const cm_ice_pair *as)
{
    const uint64_t rank = as->is_triggered ? UINT64_MAX : priority_of(agent, as);
    cm_ice_pair *pair = find_place(agent, rank);
    if (pair == NULL)
        return NULL;
    *pair = *as;
    turn_to(pair, CM_ICE_WAITING);
    return pair;
}

cm_status cm_ice_agent_add(cm_ice_agent *agent, const cm_address *peer, uint32_t priority,
                           cm_instant now)
{
    cm_status status = CM_OK;
    for (size_t i = 0; i < agent->base_count; i++) {
        const cm_ice_pair as = {.base = (uint8_t)i,
                                .peer = *peer,
                                .remote_priority = priority,
                                .sends_left = CM_ICE_SENDS_MAX,
                                .due = now};
        if (agent->bases[i].is_v6 != peer->is_v6)
            continue;
        cm_ice_pair *known = find(agent, i, peer);
        if (known != NULL)
            known->remote_priority = priority; /* it was peer-reflexive until now */
        else if (add(agent, &as) == NULL)
            status = CM_FULL;
    }
    return status;
}

/* ---- selecting ---- */

static void select_pair(cm_ice_agent *agent, cm_ice_pair *pair)
{
    agent->selected = pair;
    agent->successor = NULL;
    agent->consented = pair->answered;
}

/*
 * Aggressive peers nominate all pairs that work, so the best of them counts. A peer that moved (a
 * phone that left the house) nominates a worse one: then the selected pair has to answer at once.
 */
static void nominate(cm_ice_agent *agent, cm_ice_pair *pair, cm_instant now)
{
    cm_ice_pair *selected = agent->selected;
    pair->is_nominated = true;
    pair->is_wanted = false;
    if (pair == selected || pair == agent->successor)
        return;
    if (selected == NULL || priority_of(agent, pair) > priority_of(agent, selected)) {
        select_pair(agent, pair);
        return;
    }
    agent->successor = pair;
    agent->challenged = now;
    selected->due = now;
}

static void end_challenge(cm_ice_agent *agent, cm_instant now)
{
    const cm_instant end = cm_instant_after(agent->challenged, CM_MS(CHALLENGE_MS));
    if (agent->successor != NULL && now.us >= end.us)
        select_pair(agent, agent->successor);
}

/* ---- our own nomination ---- */

static bool is_open(const cm_ice_pair *pair)
{
    return pair->state == CM_ICE_WAITING || pair->state == CM_ICE_IN_PROGRESS;
}

/* The best pair that works, unless a better one may still come to. */
static cm_ice_pair *best_valid(cm_ice_agent *agent, bool is_patient)
{
    cm_ice_pair *best = NULL;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        cm_ice_pair *pair = &agent->pairs[i];
        const bool counts = pair->state == CM_ICE_SUCCEEDED || (is_patient && is_open(pair));
        if (counts && (best == NULL || priority_of(agent, pair) > priority_of(agent, best)))
            best = pair;
    }
    return best != NULL && best->state == CM_ICE_SUCCEEDED ? best : NULL;
}

/* There is a pair that works, and none is being nominated. */
static bool is_to_nominate(const cm_ice_agent *agent)
{
    bool has_valid = false;
    if (agent->ice->role != CM_ICE_CONTROLLING || agent->selected != NULL)
        return false;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        const cm_ice_pair *pair = &agent->pairs[i];
        if (pair->state != CM_ICE_FREE && pair->is_wanted)
            return false;
        has_valid = has_valid || pair->state == CM_ICE_SUCCEEDED;
    }
    return has_valid;
}

static void trigger(cm_ice_pair *pair, cm_instant now)
{
    pair->is_triggered = true;
    pair->tries = 0;
    pair->due = now;
    if (pair->state != CM_ICE_WAITING)
        turn_to(pair, CM_ICE_WAITING);
}

/* RFC 8445 8.1.1: a pair that works is checked once more, with USE-CANDIDATE. */
static void nominate_if_ready(cm_ice_agent *agent, cm_instant now)
{
    if (!is_to_nominate(agent))
        return;
    const bool is_patient = cm_instant_since(now, agent->first_valid) < CM_MS(PATIENCE_MS);
    cm_ice_pair *best = best_valid(agent, is_patient);
    if (best == NULL)
        return;
    best->is_wanted = true;
    best->sends_left = CM_ICE_SENDS_MAX;
    trigger(best, now);
}

/* ---- life ---- */

void cm_ice_agent_init(cm_ice_agent *agent, cm_ice *ice, cm_random *random, bool is_peer_lite,
                       cm_instant now)
{
    *agent = (cm_ice_agent){.ice = ice, .random = random, .consented = now};
    cm_random_fill(random, agent->tag, sizeof agent->tag);
    cm_ice_take_role(ice, random, is_peer_lite ? CM_ICE_CONTROLLING : CM_ICE_CONTROLLED);
}

void cm_ice_agent_deinit(cm_ice_agent *agent)
{
    cm_secret_wipe(agent, sizeof *agent);
}

cm_status cm_ice_agent_begin(cm_ice_agent *agent, cm_slice remote_pwd, const cm_ice_base *bases,
                             size_t base_count)
{
    assert(base_count <= CM_ICE_BASES_MAX);
    CM_ENSURE(remote_pwd.size >= PWD_MIN && remote_pwd.size <= sizeof agent->pwd, CM_REFUSE);
    agent->pwd_size = remote_pwd.size;
    cm_slice_copy(remote_pwd, agent->pwd, sizeof agent->pwd);
    agent->selected = agent->successor = NULL;
    agent->has_valid = false;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++)
        agent->pairs[i] = (cm_ice_pair){.state = CM_ICE_FREE};
    agent->base_count = base_count;
    for (size_t i = 0; i < base_count; i++)
        agent->bases[i] = bases[i];
    return CM_OK;
}

/* ---- sending ---- */

/* What a pair waits for, if anything. */
static bool is_due_ever(const cm_ice_agent *agent, const cm_ice_pair *pair)
{
    return is_open(pair) || (pair->state == CM_ICE_SUCCEEDED && pair == agent->selected);
}

static cm_ice_urgency urgency_of(const cm_ice_pair *pair)
{
    if (pair->state == CM_ICE_SUCCEEDED)
        return CM_ICE_CONSENT;
    return pair->is_triggered ? CM_ICE_TRIGGERED : CM_ICE_ORDINARY;
}

/* Of what is due by then the most urgent, and of equals the best; else what is due soonest. */
static const cm_ice_pair *first_due(const cm_ice_agent *agent, cm_instant now)
{
    const cm_ice_pair *first = NULL;
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        const cm_ice_pair *pair = &agent->pairs[i];
        if (!is_due_ever(agent, pair) || pair->due.us > now.us)
            continue;
        if (first == NULL || urgency_of(pair) > urgency_of(first) ||
            (urgency_of(pair) == urgency_of(first) &&
             priority_of(agent, pair) > priority_of(agent, first)))
            first = pair;
    }
    return first;
}

bool cm_ice_agent_due(const cm_ice_agent *agent, cm_instant *due, cm_ice_urgency *urgency)
{
    cm_instant soonest = {.us = INT64_MAX};
    if (agent->successor != NULL)
        soonest = cm_instant_after(agent->challenged, CM_MS(CHALLENGE_MS));
    if (is_to_nominate(agent))
        soonest = cm_instant_after(agent->first_valid, CM_MS(PATIENCE_MS));
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        const cm_ice_pair *pair = &agent->pairs[i];
        if (is_due_ever(agent, pair) && pair->due.us < soonest.us)
            soonest = pair->due;
    }
    const cm_ice_pair *first = first_due(agent, soonest);
    *due = soonest;
    *urgency = first != NULL ? urgency_of(first) : CM_ICE_CONSENT;
    return soonest.us != INT64_MAX;
}

static cm_stun_role role_of(const cm_ice_agent *agent)
{
    return agent->ice->role == CM_ICE_CONTROLLING ? CM_STUN_CONTROLLING : CM_STUN_CONTROLLED;
}

static cm_status write_check(cm_ice_agent *agent, cm_stun_hasher *hasher, cm_ice_pair *pair,
                             cm_writer *w)
{
    uint8_t username[CM_ICE_REMOTE_UFRAG_MAX + 1 + CM_ICE_UFRAG_SIZE];
    cm_writer name = cm_writer_over(username, sizeof username);
    cm_write_slice(&name, cm_ice_remote_ufrag(agent->ice));
    cm_write_u8(&name, ':');
    cm_write_text(&name, cm_ice_local(agent->ice)->ufrag);
    pair->role = role_of(agent);
    cm_stun_message check = {
        .class = CM_STUN_REQUEST,
        .method = CM_STUN_BINDING,
        .username = cm_writer_done(&name),
        .has_priority = true,
        .priority = candidate_priority(pair->base, TYPE_PEER_REFLEXIVE),
        .role = pair->role,
        .tie_breaker = agent->ice->tie_breaker,
        .uses_candidate = pair->is_wanted && pair->role == CM_STUN_CONTROLLING,
    };
    cm_slice_copy(cm_slice_over(pair->transaction, sizeof pair->transaction), check.transaction,
                  sizeof check.transaction);
    return cm_stun_write(hasher, &check, cm_slice_over(agent->pwd, agent->pwd_size), w);
}

static void draw_transaction(const cm_ice_agent *agent, cm_ice_pair *pair)
{
    cm_random_fill(agent->random, pair->transaction, sizeof pair->transaction);
    cm_slice_copy(cm_ice_agent_tag(agent), pair->transaction, sizeof pair->transaction);
}

/* RFC 7675 5.1: each has a transaction of its own, and is not repeated. */
static void prepare_consent(cm_ice_agent *agent, cm_ice_pair *pair, cm_instant now)
{
    const int64_t us = CM_MS(CONSENT_MS);
    draw_transaction(agent, pair);
    pair->due = cm_instant_after(
        now, us * 4 / 5 + (int64_t)cm_random_below(agent->random, (uint64_t)us * 2 / 5));
}

/* False: the last answer did not come. */
static bool prepare(cm_ice_agent *agent, cm_ice_pair *pair, cm_instant now)
{
    if (pair->state == CM_ICE_SUCCEEDED) {
        prepare_consent(agent, pair, now);
        return true;
    }
    if (pair->sends_left == 0) {
        turn_to(pair, CM_ICE_FAILED);
        pair->is_wanted = pair->is_triggered = false;
        return false;
    }
    if (pair->state == CM_ICE_WAITING) {
        turn_to(pair, CM_ICE_IN_PROGRESS);
        draw_transaction(agent, pair);
    }
    pair->is_triggered = false;
    pair->sends_left--;
    pair->due = cm_instant_after(now, CM_MS(TRY_MS) << pair->tries);
    pair->tries++;
    return true;
}

cm_status cm_ice_agent_next(cm_ice_agent *agent, cm_stun_hasher *hasher, cm_instant now,
                            cm_writer *w, cm_ice_send *out)
{
    end_challenge(agent, now);
    nominate_if_ready(agent, now);
    for (;;) {
        const cm_ice_pair *first = first_due(agent, now);
        CM_ENSURE(first != NULL, CM_ABSENT);
        cm_ice_pair *pair = &agent->pairs[first - agent->pairs];
        if (!prepare(agent, pair, now)) {
            nominate_if_ready(agent, now);
            continue;
        }
        CM_ENSURE(write_check(agent, hasher, pair, w) == CM_OK, CM_BROKEN);
        *out = (cm_ice_send){.pair = pair, .base = pair->base, .peer = pair->peer};
        return CM_OK;
    }
}

void cm_ice_agent_postpone(cm_ice_agent *agent, const cm_ice_send *send, cm_instant until)
{
    (void)agent;
    if (send->pair->postponed == CM_ICE_POSTPONED_MAX)
        return;
    send->pair->postponed++;
    send->pair->due = until;
    if (send->pair->state == CM_ICE_SUCCEEDED)
        return;
    send->pair->sends_left++;
    send->pair->tries--;
}

/* ---- what arrives ---- */

/* RFC 8445 7.3.1.3: its priority is what the check says. */
static cm_ice_pair *add_reflexive(cm_ice_agent *agent, size_t base, const cm_ice_check *check)
{
    const cm_ice_pair as = {.base = (uint8_t)base,
                            .peer = check->from,
                            .remote_priority = check->request->priority,
                            .sends_left = REFLEXIVE_SENDS,
                            .is_triggered = true,
                            .due = check->now};
    return add(agent, &as);
}

/* RFC 8445 7.3.1.4 */
static void trigger_if_unproven(cm_ice_pair *pair, cm_instant now)
{
    if (pair->state == CM_ICE_SUCCEEDED)
        return;
    if (pair->sends_left < CM_ICE_SENDS_MAX)
        pair->sends_left++;
    /* One that is in progress and was sent just now may still be answered. */
    if (pair->state != CM_ICE_IN_PROGRESS || pair->tries > 1)
        trigger(pair, now);
}

void cm_ice_agent_checked(cm_ice_agent *agent, size_t base, const cm_ice_check *check,
                          bool is_nominated)
{
    cm_ice_pair *pair = find(agent, base, &check->from);
    if (pair != NULL)
        trigger_if_unproven(pair, check->now);
    else
        pair = add_reflexive(agent, base, check);
    if (pair == NULL || !is_nominated)
        return;
    /* RFC 8445 7.3.1.5 */
    if (pair->state == CM_ICE_SUCCEEDED)
        nominate(agent, pair, check->now);
    else
        pair->is_wanted = true;
}

/* RFC 8445 7.2.5.1: whatever was to be nominated by the other role is not. */
void cm_ice_agent_switched(cm_ice_agent *agent, cm_instant now)
{
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++)
        agent->pairs[i].is_wanted = false;
    nominate_if_ready(agent, now);
}

static cm_ice_pair *find_asking(cm_ice_agent *agent, const cm_stun_message *answer)
{
    const cm_slice wanted = cm_slice_over(answer->transaction, sizeof answer->transaction);
    for (size_t i = 0; i < CM_ICE_PAIRS_MAX; i++) {
        cm_ice_pair *pair = &agent->pairs[i];
        const bool is_asking = pair->state == CM_ICE_IN_PROGRESS || pair->state == CM_ICE_SUCCEEDED;
        if (is_asking &&
            cm_slice_equal(wanted, cm_slice_over(pair->transaction, sizeof pair->transaction)))
            return pair;
    }
    return NULL;
}

static void fail(cm_ice_pair *pair)
{
    if (pair->state == CM_ICE_IN_PROGRESS)
        turn_to(pair, CM_ICE_FAILED);
    pair->is_wanted = false;
}

static void refused(cm_ice_agent *agent, cm_ice_pair *pair, unsigned error, cm_instant now)
{
    if (error != CM_STUN_ROLE_CONFLICT) {
        fail(pair);
        return;
    }
    /* RFC 8445, 7.2.5.1 MUST: the other role, another tie-breaker, and once more; unless the role
     * was changed meanwhile. */
    if (pair->role == role_of(agent)) {
        cm_ice_take_role(agent->ice, agent->random,
                         agent->ice->role == CM_ICE_CONTROLLING ? CM_ICE_CONTROLLED
                                                                : CM_ICE_CONTROLLING);
        cm_ice_agent_switched(agent, now);
    }
    if (pair->state == CM_ICE_IN_PROGRESS && pair->sends_left > 0)
        trigger(pair, now);
}

static void succeeded(cm_ice_agent *agent, cm_ice_pair *pair, cm_instant now)
{
    const bool is_first = pair->state == CM_ICE_IN_PROGRESS;
    pair->answered = now;
    if (is_first) {
        turn_to(pair, CM_ICE_SUCCEEDED);
        pair->due = cm_instant_after(now, CM_MS(CONSENT_MS));
    }
    if (!agent->has_valid)
        agent->first_valid = now;
    agent->has_valid = true;
    if (pair->is_wanted)
        nominate(agent, pair, now);
    if (pair != agent->selected)
        return;
    agent->consented = now;
    if (!is_first)
        agent->successor = NULL; /* it has answered the challenge */
}

cm_status cm_ice_agent_answered(cm_ice_agent *agent, cm_stun_hasher *hasher, size_t base,
                                const cm_ice_check *answer)
{
    const cm_stun_message *message = answer->request;
    cm_ice_pair *pair = find_asking(agent, message);
    CM_ENSURE(pair != NULL, CM_ABSENT);
    CM_ENSURE(cm_stun_check_integrity(hasher, message,
                                      cm_slice_over(agent->pwd, agent->pwd_size)) == CM_OK,
              CM_FOREIGN);
    /* RFC 8445, 7.2.5.2.1 MUST: else the pair has failed. */
    if (pair->base != base || !cm_address_equal(&pair->peer, &answer->from)) {
        fail(pair);
        nominate_if_ready(agent, answer->now);
        return CM_FOREIGN;
    }
    if (message->class == CM_STUN_ERROR)
        refused(agent, pair, message->error, answer->now);
    else
        succeeded(agent, pair, answer->now);
    nominate_if_ready(agent, answer->now);
    return message->class == CM_STUN_ERROR ? CM_REFUSE : CM_OK;
}

cm_slice cm_ice_agent_tag(const cm_ice_agent *agent)
{
    return cm_slice_over(agent->tag, sizeof agent->tag);
}

cm_slice cm_ice_tag_of(const cm_stun_message *answer)
{
    return cm_slice_over(answer->transaction, CM_ICE_TAG_SIZE);
}

bool cm_ice_agent_selected(const cm_ice_agent *agent, size_t *base, cm_address *peer)
{
    if (agent->selected == NULL)
        return false;
    *base = agent->selected->base;
    *peer = agent->selected->peer;
    return true;
}

cm_instant cm_ice_agent_consented(const cm_ice_agent *agent)
{
    return agent->consented;
}
