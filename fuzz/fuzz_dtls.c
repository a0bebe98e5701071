/*
 * An association on virtual time, its jobs performed inline, against a peer that the input directs:
 * the input is a program of steps, each a byte of what (raw bytes; a datagram of OpenSSL's own
 * client, as it is, spoiled, cut, again or out of order; a datagram of ours to that client; time;
 * confirmation; goodbye) and what goes with it. So the input reaches every state, and every state
 * is given nonsense. Whatever comes: nothing is sent inside a call, no datagram is too large, it
 * ends once, keys come out only for the announced certificate and are the client's, all is freed.
 *
 * OpenSSL's randomness comes from a counter here: the same input, the same run.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method is the short way to that */
#include <openssl/rand.h>

#include "../tests/unit/dtls_client.h"
#include "base/log.h"
#include "fuzz.h"
#include "loop/sim.h"

enum { SAID_MAX = 64, STEPS_MAX = 200, DATAGRAM_MAX = 2048 };

typedef struct said {
    uint8_t bytes[SAID_MAX][DATAGRAM_MAX];
    size_t sizes[SAID_MAX];
    size_t count;
} said;

typedef struct run {
    cm_sim *sim;
    cm_dtls *dtls;
    cm_dtls_counters counters;
    dtls_client client;
    bool is_inside; // cm_dtls_receive
    bool is_announced;
    unsigned done, closed;
    size_t sent;
    cm_status status;
    cm_srtp_profile profile;
    cm_srtp_master ours, theirs;
    said ours_said, clients_said;
} run;

/* ---- randomness ---- */

static uint64_t counter;

static int count_bytes(unsigned char *out, int size)
{
    for (int i = 0; i < size; i++) {
        counter = counter * 6364136223846793005u + 1442695040888963407u;
        out[i] = (unsigned char)(counter >> 56);
    }
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

static const RAND_METHOD COUNTER = {
    .bytes = count_bytes, .pseudorand = count_bytes, .status = is_seeded};

/* ---- the association's side ---- */

static void add_said(said *s, cm_slice datagram)
{
    if (s->count == SAID_MAX)
        return;
    cm_slice_copy(datagram, s->bytes[s->count], DATAGRAM_MAX);
    s->sizes[s->count++] = datagram.size;
}

static cm_slice said_at(const said *s, size_t index)
{
    if (s->count == 0)
        return (cm_slice){0};
    return cm_slice_over(s->bytes[index % s->count], s->sizes[index % s->count]);
}

static void on_send(void *owner, cm_slice datagram)
{
    run *r = owner;
    CHECK(!r->is_inside);
    CHECK(datagram.size > 0 && datagram.size <= CM_DTLS_DATAGRAM_MAX);
    touch(datagram);
    r->sent += datagram.size;
    add_said(&r->ours_said, datagram);
}

static void on_done(void *owner, cm_status status, cm_srtp_profile profile,
                    const cm_srtp_master *ours, const cm_srtp_master *theirs)
{
    run *r = owner;
    CHECK(!r->is_inside && r->done++ == 0);
    r->status = status;
    CHECK((status == CM_OK) == (ours != NULL) && (status == CM_OK) == (theirs != NULL));
    if (status != CM_OK)
        return;
    CHECK(r->is_announced);
    r->profile = profile;
    r->ours = *ours;
    r->theirs = *theirs;
}

static void on_closed(void *owner)
{
    run *r = owner;
    CHECK(!r->is_inside && r->closed++ == 0 && r->status == CM_OK && r->done == 1);
}

/* ---- the input's side ---- */

static void collect(run *r)
{
    for (size_t i = 0; i < r->client.pipe.out.count; i++)
        add_said(&r->clients_said, cm_dtls_queue_at(&r->client.pipe.out, i));
    cm_dtls_queue_deinit(&r->client.pipe.out);
}

static void receive(run *r, cm_slice datagram)
{
    r->is_inside = true;
    cm_dtls_receive(r->dtls, datagram);
    r->is_inside = false;
    cm_sim_run_for(r->sim, 0);
}

static void spoil(run *r, cm_slice datagram, cm_reader *in)
{
    uint8_t copy[DATAGRAM_MAX];
    const size_t at = cm_read_u16(in);
    const uint8_t flip = cm_read_u8(in);
    if (datagram.size == 0)
        return;
    cm_slice_copy(datagram, copy, sizeof copy);
    copy[at % datagram.size] ^= flip;
    receive(r, cm_slice_over(copy, datagram.size));
}

static void give_client(run *r, cm_slice datagram)
{
    if (r->client.has_failed)
        return;
    dtls_client_go_on(&r->client, datagram);
    collect(r);
}

static void step(run *r, cm_reader *in)
{
    const uint8_t what = cm_read_u8(in);
    const uint8_t number = cm_read_u8(in);
    const cm_slice clients = said_at(&r->clients_said, number);
    switch (what % 8) {
    case 0: {
        const size_t size = (size_t)(what >> 3) << 8 | number;
        receive(r, cm_read_slice(in, size < in->rest.size ? size : in->rest.size));
        break;
    }
    case 1:
        receive(r, clients);
        break;
    case 2:
        spoil(r, clients, in);
        break;
    case 3:
        receive(r, cm_slice_part(clients, 0, cm_read_u16(in)));
        break;
    case 4:
        give_client(r, said_at(&r->ours_said, number));
        break;
    case 5:
        cm_sim_run_for(r->sim, CM_MS(20) * number);
        break;
    case 6:
        if ((number & 1) != 0)
            cm_dtls_confirm(r->dtls);
        else
            dtls_client_say_goodbye(&r->client);
        collect(r);
        break;
    default:
        give_client(r, (cm_slice){0});
        break;
    }
}

static void compare_keys(run *r)
{
    cm_srtp_master clients, servers;
    if (r->status != CM_OK || !r->client.is_done || r->client.has_failed)
        return;
    CHECK(dtls_client_masters(&r->client, &clients, &servers) == r->profile);
    CHECK(cm_slice_equal(cm_slice_over(&clients, sizeof clients),
                         cm_slice_over(&r->theirs, sizeof r->theirs)));
    CHECK(cm_slice_equal(cm_slice_over(&servers, sizeof servers),
                         cm_slice_over(&r->ours, sizeof r->ours)));
}

static void play(run *r, cm_reader *in)
{
    for (int i = 0; i < STEPS_MAX && in->rest.size > 0; i++)
        step(r, in);
    CHECK(r->sent < 100000);
    compare_keys(r);
}

/* ---- a run ---- */

static const dtls_client_options OPTIONS[] = {
    {.mtu = 300},
    {.profiles = "SRTP_AES128_CM_SHA1_80"},
    {.padding = 2000, .mtu = 700},
    {.suites = "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {.suites = "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {.key = DTLS_KEY_NONE},
    {.profiles = ""},
    {.has_no_ems = true},
};

static cm_dtls_identity *identity;
static dtls_certificate certificate, no_certificate;

static void prepare(void)
{
    if (identity != NULL)
        return;
    CHECK(RAND_set_rand_method(&COUNTER) == 1);
    CHECK(cm_dtls_identity_create((cm_wall){CM_SECONDS(1800000000)}, &identity) == CM_OK);
    certificate = dtls_certificate_make(DTLS_KEY_P256);
    cm_log_set_level(CM_LOG_ERROR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r;
    static const cm_dtls_events EVENTS = {
        .on_send = on_send, .on_done = on_done, .on_closed = on_closed};
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    prepare();
    counter = 1;
    const uint8_t kind = cm_read_u8(&in);
    const dtls_client_options *options = &OPTIONS[kind % CM_COUNT(OPTIONS)];
    const bool has_certificate = options->key != DTLS_KEY_NONE;
    cm_fingerprint announced = dtls_certificate_digest(&certificate, EVP_sha256());
    cm_loop *loop;
    r = (run){.is_announced = has_certificate && (kind & 0x80) == 0};
    announced.bytes[7] ^= r.is_announced ? 0 : 1;
    CHECK(cm_sim_create(1, (cm_wall){CM_SECONDS(1800000000)}, &r.sim) == CM_OK);
    CHECK(cm_sim_loop_create(r.sim, &(cm_loop_config){.index = 0}, &loop) == CM_OK);
    dtls_client_open(&r.client, options, has_certificate ? &certificate : &no_certificate);
    const cm_dtls_config config = {.loop = loop,
                                   .identity = identity,
                                   .fingerprints = &announced,
                                   .fingerprint_count = 1,
                                   .counters = &r.counters,
                                   .events = &EVENTS,
                                   .owner = &r};
    CHECK(cm_dtls_create(&config, &r.dtls) == CM_OK);
    play(&r, &in);
    if ((kind & 0x40) != 0) { /* left alone it ends */
        cm_sim_run_for(r.sim, CM_SECONDS(40));
        CHECK(r.done == 1);
    }
    cm_dtls_destroy(r.dtls);
    cm_sim_run_for(r.sim, 0);
    dtls_client_close(&r.client);
    cm_loop_destroy(loop);
    cm_sim_destroy(r.sim);
    return 0;
}
