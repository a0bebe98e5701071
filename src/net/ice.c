#include "net/ice.h"

#include "base/secret.h"

enum {
    CHECKS_PER_SECOND = 100, /* of an impatient peer with several interfaces: 20 to 50 */
    CHECKS_BURST = 200,
    CHECK_COST_US = 1000000 / CHECKS_PER_SECOND,
};

/* RFC 8839 5.4: ice-char. */
static const char ICE_CHARS[64 + 1] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool is_ice_char(uint8_t c)
{
    return cm_slice_find(CM_TEXT("+/"), c) < 2 || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_ufrag(cm_slice text)
{
    if (text.size < CM_ICE_REMOTE_UFRAG_MIN || text.size > CM_ICE_REMOTE_UFRAG_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_ice_char(text.bytes[i]))
            return false;
    }
    return true;
}

/* 64 characters: six bits of each byte, evenly. */
static void make_text(cm_random *random, char *out, size_t size)
{
    uint8_t bytes[CM_ICE_PWD_SIZE];
    cm_random_fill(random, bytes, size);
    for (size_t i = 0; i < size; i++)
        out[i] = ICE_CHARS[bytes[i] & 63];
    out[size] = '\0';
    cm_secret_wipe(bytes, sizeof bytes);
}

static void make_generation(cm_ice_generation *generation, cm_random *random, cm_slice remote_ufrag)
{
    generation->is_valid = true;
    make_text(random, generation->local.ufrag, CM_ICE_UFRAG_SIZE);
    make_text(random, generation->local.pwd, CM_ICE_PWD_SIZE);
    generation->remote_size = (uint16_t)remote_ufrag.size;
    cm_slice_copy(remote_ufrag, generation->remote_ufrag, sizeof generation->remote_ufrag);
}

cm_status cm_ice_init(cm_ice *ice, cm_random *random, cm_slice remote_ufrag, cm_instant now)
{
    CM_ENSURE(is_ufrag(remote_ufrag), CM_REFUSE);
    *ice = (cm_ice){.heard = now, .credited = now};
    ice->credit_us = (int64_t)CHECKS_BURST * CHECK_COST_US;
    make_generation(&ice->generations[0], random, remote_ufrag);
    return CM_OK;
}

void cm_ice_deinit(cm_ice *ice)
{
    cm_secret_wipe(ice->generations, sizeof ice->generations);
}

void cm_ice_take_role(cm_ice *ice, cm_random *random, cm_ice_role role)
{
    ice->role = role;
    ice->tie_breaker = cm_random_u64(random);
}

cm_status cm_ice_restart(cm_ice *ice, cm_random *random, cm_slice remote_ufrag)
{
    CM_ENSURE(is_ufrag(remote_ufrag), CM_REFUSE);
    /* What the peer has used stays; what it has not used is replaced. */
    if (ice->is_confirmed)
        ice->current ^= 1;
    ice->is_confirmed = false;
    make_generation(&ice->generations[ice->current], random, remote_ufrag);
    return CM_OK;
}

const cm_ice_credentials *cm_ice_local(const cm_ice *ice)
{
    return &ice->generations[ice->current].local;
}

cm_slice cm_ice_remote_ufrag(const cm_ice *ice)
{
    const cm_ice_generation *g = &ice->generations[ice->current];
    return cm_slice_over(g->remote_ufrag, g->remote_size);
}

size_t cm_ice_ufrags(const cm_ice *ice, cm_slice out[2])
{
    size_t count = 0;
    for (size_t i = 0; i < CM_COUNT(ice->generations); i++) {
        if (ice->generations[i].is_valid)
            out[count++] = cm_slice_of(ice->generations[i].local.ufrag);
    }
    return count;
}

cm_slice cm_ice_ufrag_of(const cm_stun_message *request)
{
    const size_t colon = cm_slice_find(request->username, ':');
    const bool is_ours = colon == CM_ICE_UFRAG_SIZE && colon < request->username.size;
    return cm_slice_part(request->username, 0, is_ours ? colon : 0);
}

/* RFC 8445 7.3: the username is ours, a colon, the peer's. */
static cm_ice_generation *find_generation(cm_ice *ice, const cm_stun_message *request)
{
    const cm_slice ufrag = cm_ice_ufrag_of(request);
    for (size_t i = 0; i < CM_COUNT(ice->generations) && ufrag.size > 0; i++) {
        cm_ice_generation *g = &ice->generations[i];
        const cm_slice theirs = cm_slice_from(request->username, ufrag.size + 1);
        if (g->is_valid && cm_slice_equal(ufrag, cm_slice_of(g->local.ufrag)) &&
            cm_slice_equal(theirs, cm_slice_over(g->remote_ufrag, g->remote_size)))
            return g;
    }
    return NULL;
}

static bool may_answer(cm_ice *ice, cm_instant now)
{
    const int64_t max_us = (int64_t)CHECKS_BURST * CHECK_COST_US;
    const int64_t credit_us = ice->credit_us + cm_instant_since(now, ice->credited);
    ice->credit_us = credit_us < max_us ? credit_us : max_us;
    ice->credited = now;
    if (ice->credit_us < CHECK_COST_US)
        return false;
    ice->credit_us -= CHECK_COST_US;
    return true;
}

static cm_stun_address mapped_of(const cm_address *from)
{
    const cm_slice bytes = cm_address_bytes(from);
    cm_stun_address mapped = {.size = (uint8_t)bytes.size, .port = from->port};
    cm_slice_copy(bytes, mapped.bytes, sizeof mapped.bytes);
    return mapped;
}

/*
 * RFC 8445, 7.3.1.1: both take the same role. The greater tie-breaker controls; whoever finds that
 * he has the wrong role changes it, and says 487 when it is the other who has. A lite agent can't.
 */
static bool has_conflict(cm_ice *ice, const cm_stun_message *request, cm_ice_outcome *outcome)
{
    const bool is_greater = ice->tie_breaker >= request->tie_breaker;
    const cm_stun_role own =
        ice->role == CM_ICE_CONTROLLING ? CM_STUN_CONTROLLING : CM_STUN_CONTROLLED;
    if (request->role != own)
        return false;
    if (ice->role == CM_ICE_LITE || is_greater == (own == CM_STUN_CONTROLLING))
        return true;
    ice->role = own == CM_STUN_CONTROLLING ? CM_ICE_CONTROLLED : CM_ICE_CONTROLLING;
    outcome->has_switched = true;
    return false;
}

static cm_stun_message answer_to(cm_ice *ice, const cm_ice_check *check, cm_ice_outcome *outcome)
{
    const cm_stun_message *request = check->request;
    cm_stun_message answer = {.class = CM_STUN_ERROR, .method = CM_STUN_BINDING};
    cm_slice_copy(cm_slice_over(request->transaction, sizeof request->transaction),
                  answer.transaction, sizeof answer.transaction);
    if (request->unknown.count > 0) { /* RFC 8489 6.3.1 */
        answer.error = CM_STUN_UNKNOWN_ATTRIBUTE;
        answer.refused = request->unknown;
    } else if (has_conflict(ice, request, outcome)) {
        answer.error = CM_STUN_ROLE_CONFLICT;
        outcome->is_conflict = true;
    } else {
        answer.class = CM_STUN_SUCCESS;
        answer.mapped = mapped_of(&check->from);
        outcome->is_proven = true;
        /* Only the controlling side nominates (RFC 8445 8.1.1). */
        outcome->is_nominated = request->uses_candidate && ice->role != CM_ICE_CONTROLLING;
    }
    return answer;
}

/* The first check under the current credentials ends those before. */
static bool confirm(cm_ice *ice, const cm_ice_generation *used)
{
    if (ice->is_confirmed || used != &ice->generations[ice->current])
        return false;
    ice->is_confirmed = true;
    cm_ice_generation *before = &ice->generations[ice->current ^ 1];
    cm_secret_wipe(before, sizeof *before);
    return true;
}

cm_status cm_ice_receive(cm_ice *ice, cm_stun_hasher *hasher, const cm_ice_check *check,
                         cm_writer *answer, cm_ice_outcome *out)
{
    const cm_stun_message *request = check->request;
    cm_ice_outcome outcome = {.is_proven = false};
    const cm_ice_generation *generation = find_generation(ice, request);
    CM_ENSURE(generation != NULL, CM_ABSENT);
    /* RFC 8445, 7.1 MUST: checks carry FINGERPRINT as well. */
    CM_ENSURE(request->has_fingerprint, CM_REFUSE);
    const cm_slice key = cm_slice_over(generation->local.pwd, CM_ICE_PWD_SIZE);
    CM_TRY(cm_stun_check_integrity(hasher, request, key));
    CM_ENSURE(may_answer(ice, check->now), CM_FULL);
    const cm_stun_message message = answer_to(ice, check, &outcome);
    const cm_status status = cm_stun_write(hasher, &message, key, answer);
    CM_ENSURE(status == CM_OK, CM_BROKEN);
    if (outcome.is_proven) {
        ice->heard = check->now;
        outcome.is_confirmed = confirm(ice, generation);
    }
    *out = outcome;
    return CM_OK;
}
