#include "net/dtls.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/writer.h"
#include "net/dtls_priv.h"

enum {
    HANDSHAKE_LIMIT_S = 30,
    KEPT_LIMIT_S = 10, // the last flight, for a peer that lost it
    /* RFC 6347, 4.2.4.1, doubled each time. Peers that wait less (browsers: 50 ms) repeat their
     * own flight, and that is answered. */
    REPEAT_FIRST_US = 1000 * 1000,
    REPEAT_LAST_US = 4 * 1000 * 1000,
    ANSWER_GAP_US = 40 * 1000, // a repeated flight is several datagrams and wants one answer
    POOL_GAP_US = 20 * 1000,   // a pool that was full is asked again
    /* What a peer can make us do with one association. A handshake over the worst of paths takes a
     * few dozen datagrams; and OpenSSL keeps records that come before their keys. */
    REPEATS_MAX = 24,
    DATAGRAMS_MAX = 256,
    SEALED_MAX = 32,
    HEADER_SIZE = 13,
    SEQUENCE_OFFSET = 5, // in a record's header (RFC 6347, 4.1)
};

typedef enum dtls_state {
    DTLS_HANDSHAKE,
    DTLS_KEYED,     // keys are out; the last flight is kept
    DTLS_CONFIRMED, // the peer uses them
    DTLS_CLOSING,   // the peer said goodbye; its owner hears of it in the next turn
    DTLS_OVER,
    DTLS_STATES
} dtls_state;

static const bool MAY_BECOME[DTLS_STATES][DTLS_STATES] = {
    [DTLS_HANDSHAKE] = {[DTLS_KEYED] = true, [DTLS_OVER] = true},
    [DTLS_KEYED] = {[DTLS_CONFIRMED] = true, [DTLS_CLOSING] = true},
    [DTLS_CONFIRMED] = {[DTLS_CLOSING] = true},
    [DTLS_CLOSING] = {[DTLS_OVER] = true},
};

/* What may come in each state; everything else is passed over. */
typedef enum dtls_inputs {
    TAKES_HANDSHAKE = 1,
    TAKES_FINISHED = 2, // repeated: our last flight was lost
    TAKES_GOODBYE = 4,
} dtls_inputs;
static const unsigned INPUTS[DTLS_STATES] = {
    [DTLS_HANDSHAKE] = TAKES_HANDSHAKE,
    [DTLS_KEYED] = TAKES_FINISHED | TAKES_GOODBYE,
    [DTLS_CONFIRMED] = TAKES_GOODBYE,
};

struct cm_dtls {
    cm_loop *loop;
    cm_dtls_counters *counters;
    const cm_dtls_events *events;
    void *owner;
    dtls_state state;
    uint32_t plain_count; // records sent in the clear: the next one's sequence number
    cm_timer timer;       // for the earliest of the three that follow
    cm_instant limit;     // of the handshake, then of the kept flight
    cm_instant repeat;    // when to send `flight` again
    cm_instant pool;      // when to ask for a job again
    cm_instant sent;      // when `flight` was sent last
    int64_t repeat_us;
    unsigned repeats_left;
    unsigned datagrams_left;
    unsigned sealed_left;
    cm_dtls_handshake *handshake; // NULL once its outcome is here, or it is over
    cm_dtls_queue flight;         // our newest, to be repeated
    cm_dtls_opener opener;        // from DTLS_KEYED on
    uint8_t goodbye[CM_DTLS_GOODBYE_MAX];
    size_t goodbye_size;
};

static const cm_instant NEVER = {.us = INT64_MAX};

static void become(cm_dtls *dtls, dtls_state next)
{
    static const char *const NAMES[] = {"handshake", "keyed", "confirmed", "closing", "over"};
    assert(MAY_BECOME[dtls->state][next]);
    cm_log(CM_LOG_DEBUG, "dtls", "event=state from=%s to=%s", NAMES[dtls->state], NAMES[next]);
    dtls->state = next;
}

/* ---- time ---- */

static cm_instant earlier(cm_instant a, cm_instant b)
{
    return a.us < b.us ? a : b;
}

static void plan(cm_dtls *dtls)
{
    const cm_instant due = earlier(dtls->limit, earlier(dtls->repeat, dtls->pool));
    if (due.us == NEVER.us)
        cm_timer_stop(&dtls->timer);
    else
        cm_timer_start_at(&dtls->timer, due);
}

static cm_instant after(const cm_dtls *dtls, int64_t us)
{
    return cm_instant_after(cm_loop_now(dtls->loop), us);
}

/* ---- sending ---- */

/*
 * Records in the clear are numbered here and not by OpenSSL, as a record that is sent again wants a
 * number of its own (RFC 6347, 4.2.2), and what follows it a higher one. Sealed ones keep theirs:
 * the only flight with one is the last, and a peer that has opened its Finished does not ask for
 * it again.
 */
static void send_datagram(cm_dtls *dtls, cm_slice datagram)
{
    uint8_t storage[CM_DTLS_DATAGRAM_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_reader in = cm_reader_over(datagram);
    cm_dtls_record record;
    cm_write_slice(&w, datagram);
    while (in.rest.size > 0 && cm_dtls_record_read(&in, &record) == CM_OK) {
        const size_t at = datagram.size - in.rest.size - record.body.size - HEADER_SIZE;
        if (record.epoch > 0)
            continue;
        cm_write_fill_u16(&w, at + SEQUENCE_OFFSET, 0);
        cm_write_fill_u32(&w, at + SEQUENCE_OFFSET + 2, dtls->plain_count++);
    }
    assert(!w.failed); /* cm_dtls_queue's BIO takes none that is larger */
    dtls->events->on_send(dtls->owner, cm_writer_done(&w));
}

static void send_flight(cm_dtls *dtls)
{
    dtls->sent = cm_loop_now(dtls->loop);
    for (size_t i = 0; i < dtls->flight.count; i++)
        send_datagram(dtls, cm_dtls_queue_at(&dtls->flight, i));
    /* The last flight waits for no answer: it is repeated when asked for (RFC 6347, 4.2.4). */
    dtls->repeat = dtls->state == DTLS_HANDSHAKE ? after(dtls, dtls->repeat_us) : NEVER;
}

static void repeat_flight(cm_dtls *dtls)
{
    dtls->repeat = NEVER;
    if (dtls->repeats_left == 0)
        return;
    dtls->repeats_left--;
    dtls->counters->repeated++;
    if (dtls->repeat_us < REPEAT_LAST_US)
        dtls->repeat_us *= 2;
    send_flight(dtls);
}

/* The peer repeats its flight, so it has not seen all of ours (RFC 6347, 4.2.4). */
static void answer_soon(cm_dtls *dtls)
{
    dtls->repeat = earlier(dtls->repeat, cm_instant_after(dtls->sent, ANSWER_GAP_US));
}

/* ---- the handshake ---- */

/* Leaves the job to end by itself if one runs. */
static void release_handshake(cm_dtls *dtls)
{
    cm_dtls_handshake *handshake = dtls->handshake;
    dtls->handshake = NULL;
    if (handshake != NULL && handshake->is_running)
        handshake->association = NULL;
    else
        cm_dtls_handshake_destroy(handshake);
}

static void start_job(cm_dtls *dtls)
{
    cm_dtls_handshake *handshake = dtls->handshake;
    dtls->pool = NEVER;
    if (handshake->is_running || handshake->waiting.count == 0)
        return;
    cm_dtls_queue_move(&handshake->waiting, &handshake->pipe.in);
    handshake->is_running = true;
    if (cm_loop_submit(dtls->loop, &handshake->job) != CM_OK) {
        handshake->is_running = false;
        cm_dtls_queue_move(&handshake->pipe.in, &handshake->waiting);
        dtls->pool = after(dtls, POOL_GAP_US);
    }
}

/* A flight; or an alert, which is not repeated, as the association is over with it. */
static void take_output(cm_dtls *dtls)
{
    cm_dtls_queue *out = &dtls->handshake->pipe.out;
    if (out->count == 0)
        return;
    cm_dtls_queue_move(out, &dtls->flight);
    dtls->repeat_us = REPEAT_FIRST_US;
    dtls->repeats_left = REPEATS_MAX;
    send_flight(dtls);
}

static void count_failure(cm_dtls_counters *counters, cm_status status)
{
    if (status == CM_FOREIGN)
        counters->foreign++;
    else if (status == CM_RETRY)
        counters->late++;
    else
        counters->failed++;
}

/* The association may be gone after this. */
static void fail(cm_dtls *dtls, cm_status status)
{
    become(dtls, DTLS_OVER);
    release_handshake(dtls);
    cm_dtls_queue_deinit(&dtls->flight);
    cm_timer_stop(&dtls->timer);
    count_failure(dtls->counters, status);
    dtls->events->on_done(dtls->owner, status, 0, NULL, NULL);
}

/* As fail. */
static void succeed(cm_dtls *dtls)
{
    cm_dtls_outcome outcome = dtls->handshake->outcome;
    become(dtls, DTLS_KEYED);
    release_handshake(dtls);
    dtls->opener = outcome.opener;
    dtls->goodbye_size = outcome.goodbye_size;
    cm_slice_copy(cm_slice_over(outcome.goodbye, outcome.goodbye_size), dtls->goodbye,
                  sizeof dtls->goodbye);
    dtls->limit = after(dtls, CM_SECONDS(KEPT_LIMIT_S));
    dtls->repeat = NEVER;
    plan(dtls);
    dtls->counters->completed++;
    dtls->events->on_done(dtls->owner, CM_OK, outcome.profile, &outcome.ours, &outcome.theirs);
    cm_secret_wipe(&outcome, sizeof outcome);
}

static void on_job_done(cm_job *job)
{
    cm_dtls_handshake *handshake = CM_HOLDER(job, cm_dtls_handshake, job);
    cm_dtls *dtls = handshake->association;
    handshake->is_running = false;
    if (dtls == NULL) {
        cm_dtls_handshake_destroy(handshake);
        return;
    }
    take_output(dtls);
    if (handshake->status == CM_OK) {
        succeed(dtls);
    } else if (handshake->status != CM_RETRY) {
        fail(dtls, handshake->status);
    } else {
        start_job(dtls);
        plan(dtls);
    }
}

/* ---- receiving ---- */

static bool is_within_bounds(const cm_dtls *dtls, const cm_dtls_sight *sight)
{
    return dtls->datagrams_left > 0 && sight->sealed_count <= dtls->sealed_left;
}

static void take_handshake(cm_dtls *dtls, cm_slice datagram, const cm_dtls_sight *sight)
{
    const bool has_begun = dtls->datagrams_left < DATAGRAMS_MAX;
    if (sight->has_client_hello && dtls->flight.count > 0) {
        answer_soon(dtls);
    } else if (!has_begun && !sight->has_client_hello) {
        dtls->counters->malformed++; /* nothing is spent on a peer before its ClientHello */
    } else if (!is_within_bounds(dtls, sight) ||
               cm_dtls_queue_add(&dtls->handshake->waiting, datagram) != CM_OK) {
        dtls->counters->dropped++;
    } else {
        dtls->datagrams_left--;
        dtls->sealed_left -= sight->sealed_count;
        start_job(dtls);
    }
}

/* After the handshake. */
static void take_rest(cm_dtls *dtls, cm_slice datagram, const cm_dtls_sight *sight)
{
    const bool is_flight = sight->has_finished && (INPUTS[dtls->state] & TAKES_FINISHED) != 0;
    if (is_flight)
        answer_soon(dtls);
    if (sight->has_sealed_alert && cm_dtls_opener_finds_end(&dtls->opener, datagram)) {
        become(dtls, DTLS_CLOSING);
        dtls->limit = cm_loop_now(dtls->loop);
    } else if (!is_flight) {
        dtls->counters->malformed++;
    }
}

void cm_dtls_receive(cm_dtls *dtls, cm_slice datagram)
{
    cm_dtls_sight sight;
    if (INPUTS[dtls->state] == 0)
        return;
    if (cm_dtls_look(datagram, &sight) != CM_OK) {
        dtls->counters->malformed++;
        return;
    }
    if ((INPUTS[dtls->state] & TAKES_HANDSHAKE) != 0)
        take_handshake(dtls, datagram, &sight);
    else
        take_rest(dtls, datagram, &sight);
    plan(dtls);
}

/* ---- life ---- */

void cm_dtls_confirm(cm_dtls *dtls)
{
    if (dtls->state != DTLS_KEYED)
        return;
    become(dtls, DTLS_CONFIRMED);
    cm_dtls_queue_deinit(&dtls->flight);
    dtls->limit = dtls->repeat = NEVER;
    plan(dtls);
}

static void on_limit(cm_dtls *dtls)
{
    if (dtls->state == DTLS_HANDSHAKE) {
        fail(dtls, CM_RETRY);
    } else if (dtls->state == DTLS_KEYED) {
        cm_dtls_confirm(dtls); /* or so we hope: the session has a limit of its own */
    } else {
        become(dtls, DTLS_OVER);
        dtls->events->on_closed(dtls->owner);
    }
}

static void on_due(cm_timer *timer)
{
    cm_dtls *dtls = CM_HOLDER(timer, cm_dtls, timer);
    const cm_instant now = cm_loop_now(dtls->loop);
    if (now.us >= dtls->limit.us) {
        on_limit(dtls);
        return;
    }
    if (now.us >= dtls->repeat.us)
        repeat_flight(dtls);
    if (now.us >= dtls->pool.us)
        start_job(dtls);
    plan(dtls);
}

cm_status cm_dtls_create(const cm_dtls_config *config, cm_dtls **out)
{
    cm_dtls *dtls = calloc(1, sizeof *dtls);
    CM_ENSURE(dtls != NULL, CM_BROKEN);
    const cm_status status = cm_dtls_handshake_create(config, &dtls->handshake);
    if (status != CM_OK) {
        free(dtls);
        return status;
    }
    dtls->handshake->association = dtls;
    dtls->handshake->job = (cm_job){.work = cm_dtls_handshake_work, .done = on_job_done};
    dtls->loop = config->loop;
    dtls->counters = config->counters;
    dtls->events = config->events;
    dtls->owner = config->owner;
    dtls->datagrams_left = DATAGRAMS_MAX;
    dtls->sealed_left = SEALED_MAX;
    dtls->limit = after(dtls, CM_SECONDS(HANDSHAKE_LIMIT_S));
    dtls->repeat = dtls->pool = NEVER;
    cm_dtls_queue_init(&dtls->flight);
    cm_timer_init(&dtls->timer, dtls->loop, on_due);
    plan(dtls);
    *out = dtls;
    return CM_OK;
}

void cm_dtls_destroy(cm_dtls *dtls)
{
    if (dtls == NULL)
        return;
    if (dtls->goodbye_size > 0)
        send_datagram(dtls, cm_slice_over(dtls->goodbye, dtls->goodbye_size));
    cm_timer_stop(&dtls->timer);
    release_handshake(dtls);
    cm_dtls_queue_deinit(&dtls->flight);
    cm_secret_wipe(dtls, sizeof *dtls);
    free(dtls);
}
