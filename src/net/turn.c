/* The allocation: asked for, kept, given back; and what all requests have in common. */
#include "net/turn.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "net/turn_priv.h"

enum {
    LIFETIME_SECONDS = 600,
    LIFETIME_LEAST_SECONDS = 4, /* whatever the server says: so often it is asked at most */
    RETRY_SECONDS = 5,          /* after silence; twice as long each time */
    RETRY_REFUSED_SECONDS = 60, /* after a refusal: somebody has to do something */
    RETRY_MOST_SECONDS = 300,
    TRY_MS = 500,
};

static cm_instant now_of(const cm_turn *turn)
{
    return cm_loop_now(turn->loop);
}

/* ---- requests ---- */

void cm_turn_request_begin(cm_turn *turn, cm_turn_request *request)
{
    *request = (cm_turn_request){.renewals = request->renewals};
    cm_random_fill(cm_loop_random(turn->loop), request->transaction, sizeof request->transaction);
}

cm_instant cm_turn_request_due(const cm_turn *turn, const cm_turn_request *request)
{
    return cm_instant_after(now_of(turn), CM_MS(TRY_MS) << (request->tries - 1));
}

void cm_turn_send_request(cm_turn *turn, cm_turn_request *request, cm_stun_message *message)
{
    uint8_t bytes[CM_TURN_REQUEST_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    message->class = CM_STUN_REQUEST;
    cm_slice_copy(cm_slice_over(request->transaction, sizeof request->transaction),
                  message->transaction, sizeof message->transaction);
    request->tries++;
    cm_slice key = {.size = 0};
    if (turn->has_key) {
        message->username = cm_slice_over(turn->username, turn->username_size);
        message->realm = cm_slice_over(turn->realm, turn->realm_size);
        message->nonce = cm_slice_over(turn->nonce, turn->nonce_size);
        key = cm_slice_over(turn->key, sizeof turn->key);
    }
    if (cm_stun_write(turn->hasher, message, key, &w) == CM_OK)
        turn->events->on_send(turn->owner, cm_writer_done(&w));
}

static bool keep_text(cm_slice text, uint8_t out[CM_TURN_TEXT_MAX], size_t *size_out)
{
    if (text.size == 0 || text.size > CM_TURN_TEXT_MAX)
        return false;
    cm_slice_copy(text, out, CM_TURN_TEXT_MAX);
    *size_out = text.size;
    return true;
}

/* RFC 8489 9.2.5: the server's realm and nonce; with them the key. */
static bool take_challenge(cm_turn *turn, const cm_stun_message *answer)
{
    if (!keep_text(answer->realm, turn->realm, &turn->realm_size) ||
        !keep_text(answer->nonce, turn->nonce, &turn->nonce_size))
        return false;
    turn->has_key = cm_stun_long_term_key(cm_slice_over(turn->username, turn->username_size),
                                          cm_slice_over(turn->realm, turn->realm_size),
                                          cm_slice_over(turn->password, turn->password_size),
                                          turn->key) == CM_OK;
    return turn->has_key;
}

bool cm_turn_renew(cm_turn *turn, cm_turn_request *request, const cm_stun_message *answer)
{
    /* RFC 8489, 9.2.5 MUST: a 401 to a request with credentials says that they are wrong. */
    if (answer->error != CM_STUN_STALE_NONCE || request->renewals >= CM_TURN_RENEWALS ||
        !keep_text(answer->nonce, turn->nonce, &turn->nonce_size))
        return false;
    request->renewals++;
    cm_turn_request_begin(turn, request);
    return true;
}

void cm_turn_schedule(cm_turn *turn)
{
    cm_instant due = turn->due;
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        if (turn->peers[i].state != CM_TURN_PEER_FREE && turn->peers[i].due.us < due.us)
            due = turn->peers[i].due;
    }
    cm_timer_start_at(&turn->timer, due);
}

/* ---- the allocation ---- */

static void send_main(cm_turn *turn)
{
    const bool is_refresh = turn->state == CM_TURN_ALLOCATED;
    cm_stun_message message = {.method = is_refresh ? CM_STUN_REFRESH : CM_STUN_ALLOCATE,
                               .has_lifetime = true,
                               .lifetime_s = LIFETIME_SECONDS,
                               .transport = is_refresh ? 0 : CM_STUN_UDP};
    turn->was_authenticated = turn->has_key;
    cm_turn_send_request(turn, &turn->request, &message);
    turn->due = cm_turn_request_due(turn, &turn->request);
}

static void begin_main(cm_turn *turn)
{
    cm_turn_request_begin(turn, &turn->request);
    send_main(turn);
}

static void ask(cm_turn *turn)
{
    turn->state = CM_TURN_ASKING;
    turn->has_key = false; /* the realm may be another one */
    turn->request.renewals = 0;
    begin_main(turn);
}

/* One that nobody waits for: RFC 8656 7.2, a lifetime of zero gives the allocation back. */
static void give_back(cm_turn *turn)
{
    cm_turn_request request = {.tries = 0};
    cm_stun_message message = {.method = CM_STUN_REFRESH, .has_lifetime = true};
    cm_turn_request_begin(turn, &request);
    cm_turn_send_request(turn, &request, &message);
}

/* Asks again later: a little more or less, so that many clients don't come together. */
static void wait(cm_turn *turn, int64_t seconds)
{
    for (unsigned i = 0; i < turn->failures && seconds < RETRY_MOST_SECONDS; i++)
        seconds *= 2;
    if (seconds > RETRY_MOST_SECONDS)
        seconds = RETRY_MOST_SECONDS;
    const int64_t us = CM_SECONDS(seconds);
    turn->failures++;
    turn->state = CM_TURN_WAITING;
    turn->request.tries = 0;
    turn->due = cm_instant_after(
        now_of(turn), us / 2 + (int64_t)cm_random_below(cm_loop_random(turn->loop), (uint64_t)us));
}

/* Once for each trouble: an hour of the same says nothing more. */
static void tell(cm_turn *turn, unsigned error, const char *cause)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    if (!turn->has_told)
        cm_log(CM_LOG_WARN, "turn", "event=refused server=%s error=%u cause=%s",
               cm_log_quote(turn->name, quoted), error, cause);
    turn->has_told = true;
}

static const char *cause_of(unsigned error)
{
    switch (error) {
    case CM_STUN_TRY_ALTERNATE:
        return "try-alternate";
    case CM_STUN_UNAUTHENTICATED:
        return "wrong-user-or-password";
    case CM_STUN_FORBIDDEN:
        return "forbidden";
    case CM_STUN_ALLOCATION_MISMATCH:
        return "allocation-mismatch";
    case CM_STUN_STALE_NONCE:
        return "stale-nonce";
    case CM_STUN_WRONG_CREDENTIALS:
        return "wrong-credentials";
    case CM_STUN_UNSUPPORTED_TRANSPORT:
        return "unsupported-transport";
    case CM_STUN_QUOTA_REACHED:
        return "quota-reached";
    case CM_STUN_INSUFFICIENT_CAPACITY:
        return "insufficient-capacity";
    default:
        return "other";
    }
}

void cm_turn_lose(cm_turn *turn, const char *cause)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    cm_log(CM_LOG_WARN, "turn", "event=lost server=%s cause=%s", cm_log_quote(turn->name, quoted),
           cause);
    turn->counters->losses++;
    cm_turn_peers_forget(turn);
    ask(turn);
    turn->events->on_change(turn->owner);
}

static void refuse(cm_turn *turn, unsigned error)
{
    turn->counters->refusals++;
    if (turn->state == CM_TURN_ALLOCATED) {
        cm_turn_lose(turn, cause_of(error));
        return;
    }
    tell(turn, error, cause_of(error));
    /* RFC 8656 7.3: the server still has an allocation of this port, from before a restart. */
    if (error == CM_STUN_ALLOCATION_MISMATCH)
        give_back(turn);
    wait(turn, error == CM_STUN_ALLOCATION_MISMATCH ? RETRY_SECONDS : RETRY_REFUSED_SECONDS);
}

static void refused(cm_turn *turn, const cm_stun_message *answer)
{
    const bool is_challenge = answer->error == CM_STUN_UNAUTHENTICATED && !turn->was_authenticated;
    if (is_challenge && take_challenge(turn, answer))
        begin_main(turn);
    else if (cm_turn_renew(turn, &turn->request, answer))
        send_main(turn);
    else
        refuse(turn, answer->error);
}

static cm_address address_from(const cm_stun_address *address)
{
    return cm_address_make(cm_slice_over(address->bytes, address->size), address->port);
}

/* RFC 8656 7.3: a while before it runs out. */
static void keep(cm_turn *turn, const cm_stun_message *answer)
{
    int64_t lifetime_s = answer->has_lifetime ? answer->lifetime_s : LIFETIME_SECONDS;
    if (lifetime_s > LIFETIME_SECONDS)
        lifetime_s = LIFETIME_SECONDS;
    if (lifetime_s < LIFETIME_LEAST_SECONDS)
        lifetime_s = LIFETIME_LEAST_SECONDS;
    turn->request = (cm_turn_request){.tries = 0};
    turn->due = cm_instant_after(now_of(turn), CM_SECONDS(lifetime_s) * 3 / 4);
}

static void allocated(cm_turn *turn, const cm_stun_message *answer)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    if (answer->relayed.size == 0 || answer->mapped.size == 0) {
        refuse(turn, 0);
        return;
    }
    turn->relayed = address_from(&answer->relayed);
    turn->mapped = address_from(&answer->mapped);
    turn->state = CM_TURN_ALLOCATED;
    turn->failures = 0;
    turn->has_told = false;
    turn->counters->allocations++;
    cm_log(CM_LOG_INFO, "turn", "event=allocated server=%s", cm_log_quote(turn->name, quoted));
    keep(turn, answer);
    turn->events->on_change(turn->owner);
}

static void main_answered(cm_turn *turn, const cm_stun_message *answer)
{
    if (answer->class == CM_STUN_ERROR)
        refused(turn, answer);
    else if (turn->state == CM_TURN_ASKING)
        allocated(turn, answer);
    else
        keep(turn, answer);
}

static void main_due(cm_turn *turn)
{
    if (turn->state == CM_TURN_WAITING) {
        ask(turn);
    } else if (turn->state == CM_TURN_ALLOCATED && turn->request.tries == 0) {
        begin_main(turn);
    } else if (turn->request.tries < CM_TURN_TRIES) {
        send_main(turn);
    } else if (turn->state == CM_TURN_ALLOCATED) {
        cm_turn_lose(turn, "silence");
    } else {
        tell(turn, 0, "silence");
        wait(turn, RETRY_SECONDS);
    }
}

static void on_timer(cm_timer *timer)
{
    cm_turn *turn = CM_HOLDER(timer, cm_turn, timer);
    const cm_instant now = now_of(turn);
    if (turn->due.us <= now.us)
        main_due(turn);
    for (size_t i = 0; i < CM_TURN_PEERS_MAX; i++) {
        cm_turn_peer *peer = &turn->peers[i];
        if (peer->state != CM_TURN_PEER_FREE && peer->due.us <= now.us)
            cm_turn_peer_due(turn, peer);
    }
    cm_turn_schedule(turn);
}

/* ---- what arrives ---- */

/*
 * RFC 8489, 9.2.5 MUST: a success without a right MESSAGE-INTEGRITY is dropped. Errors need none:
 * some come before there is a key; who could write one has seen the transaction.
 */
static bool is_authentic(const cm_turn *turn, const cm_stun_message *answer)
{
    const cm_slice key = cm_slice_over(turn->key, sizeof turn->key);
    if (answer->class == CM_STUN_ERROR && !answer->has_integrity)
        return true;
    if (!turn->has_key)
        return false;
    return cm_stun_check_integrity(turn->hasher, answer, key) == CM_OK;
}

static bool is_for(const cm_turn_request *request, const cm_stun_message *answer)
{
    return request->tries > 0 &&
           cm_slice_equal(cm_slice_over(request->transaction, sizeof request->transaction),
                          cm_slice_over(answer->transaction, sizeof answer->transaction));
}

static void receive_answer(cm_turn *turn, const cm_stun_message *answer)
{
    const bool is_main = is_for(&turn->request, answer);
    cm_turn_peer *peer = is_main ? NULL : cm_turn_peer_asking(turn, answer);
    if ((!is_main && peer == NULL) || !is_authentic(turn, answer)) {
        turn->counters->malformed++;
        return;
    }
    if (is_main)
        main_answered(turn, answer);
    else
        cm_turn_peer_answered(turn, peer, answer);
    cm_turn_schedule(turn);
}

static void receive_message(cm_turn *turn, cm_slice datagram)
{
    cm_stun_message message;
    if (cm_stun_parse(datagram, &message) != CM_OK || message.class == CM_STUN_REQUEST)
        turn->counters->malformed++;
    else if (message.class == CM_STUN_INDICATION)
        cm_turn_take_indication(turn, &message);
    else
        receive_answer(turn, &message);
}

void cm_turn_receive(cm_turn *turn, cm_slice datagram)
{
    const uint8_t first = datagram.size > 0 ? datagram.bytes[0] : UINT8_MAX;
    if (first >= CM_STUN_CHANNEL_FIRST >> 8 && first <= CM_STUN_CHANNEL_LAST >> 8)
        cm_turn_take_channel(turn, datagram);
    else
        receive_message(turn, datagram);
}

cm_status cm_turn_addresses(const cm_turn *turn, cm_address *relayed, cm_address *mapped)
{
    CM_ENSURE(turn->state == CM_TURN_ALLOCATED, CM_ABSENT);
    *relayed = turn->relayed;
    *mapped = turn->mapped;
    return CM_OK;
}

/* ---- life ---- */

static cm_status init(cm_turn *turn, const cm_turn_config *config)
{
    CM_ENSURE(keep_text(config->username, turn->username, &turn->username_size) &&
                  keep_text(config->password, turn->password, &turn->password_size),
              CM_REFUSE);
    return cm_stun_hasher_create(&turn->hasher);
}

cm_status cm_turn_create(const cm_turn_config *config, cm_turn **out)
{
    cm_turn *turn = calloc(1, sizeof *turn);
    CM_ENSURE(turn != NULL, CM_BROKEN);
    turn->loop = config->loop;
    turn->events = config->events;
    turn->owner = config->owner;
    turn->name = config->name;
    turn->counters = config->counters;
    turn->state = CM_TURN_WAITING;
    turn->due = now_of(turn);
    cm_turn_peers_init(turn);
    cm_timer_init(&turn->timer, config->loop, on_timer);
    const cm_status status = init(turn, config);
    if (status != CM_OK) {
        cm_turn_destroy(turn);
        return status;
    }
    cm_timer_start(&turn->timer, 0);
    *out = turn;
    return CM_OK;
}

void cm_turn_destroy(cm_turn *turn)
{
    if (turn == NULL)
        return;
    if (turn->state == CM_TURN_ALLOCATED)
        give_back(turn);
    cm_timer_stop(&turn->timer);
    cm_stun_hasher_destroy(turn->hasher);
    cm_secret_wipe(turn, sizeof *turn);
    free(turn);
}
