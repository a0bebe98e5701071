/* dtls against OpenSSL's client, on virtual time over a path that a case can spoil datagram by
 * datagram; then on real threads; then against `openssl s_client` over a socket. */
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "dtls_client.h"
#include "net/net.h"

/* ---- time ---- */

static cm_loop *virtual_time;    // NULL: the machine's
static int64_t servers_clock_us; // what the server's clock is ahead of the client's
static bool is_servers_turn;

/* What OpenSSL reads for its timers: the client's must run on virtual time too. The server's must
 * not matter (the_clock_may_jump). */
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict zone)
{
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t us = virtual_time != NULL ? cm_loop_wall(virtual_time).us
                                            : (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    const int64_t read_us = us + (is_servers_turn ? servers_clock_us : 0);
    *tv = (struct timeval){.tv_sec = read_us / 1000000, .tv_usec = read_us % 1000000};
    return 0;
}

/* ---- the rig: an association, a client, and a path between ---- */

enum { DELAY_US = 10000, TRACE_MAX = 512 };

typedef enum direction { TO_SERVER, TO_CLIENT } direction;

typedef struct fate {
    unsigned copies;     // 0: lost
    int64_t delay_us;    // on top
    size_t cut;          // bytes taken from the end
    const uint8_t *junk; // 16 bytes over its first ones, or NULL
} fate;

typedef struct rig {
    world w;
    cm_dtls *dtls;
    dtls_client client;
    cm_timer client_timer;
    cm_dtls_counters counters;
    /* What becomes of the index-th datagram of a direction; NULL: all arrive. */
    fate (*judge)(struct rig *r, direction way, unsigned index, cm_slice datagram);
    unsigned number; // for `judge`
    unsigned sent[2];
    size_t server_bytes;
    uint64_t plain_numbers[TRACE_MAX]; // of the server's records in the clear
    size_t plain_count;
    /* What the association said. */
    unsigned done, closed;
    cm_status status;
    cm_srtp_profile profile;
    cm_srtp_master ours, theirs;
    bool destroys_when_done, destroys_when_closed;
} rig;

typedef struct parcel {
    rig *r;
    direction way;
    size_t size;
    uint8_t bytes[CM_DTLS_QUEUE_BYTES];
} parcel;

static cm_dtls_identity *identity;
static dtls_certificate certificates[DTLS_KEY_NONE + 1];

static void carry(rig *r, direction way, cm_slice datagram);

static void carry_clients(rig *r)
{
    struct timeval left;
    for (size_t i = 0; i < r->client.pipe.out.count; i++)
        carry(r, TO_SERVER, cm_dtls_queue_at(&r->client.pipe.out, i));
    cm_dtls_queue_deinit(&r->client.pipe.out);
    cm_timer_stop(&r->client_timer);
    if (DTLSv1_get_timeout(r->client.ssl, &left) == 1 && !r->client.has_failed)
        cm_timer_start(&r->client_timer, left.tv_sec * 1000000 + left.tv_usec);
}

static void on_client_timer(cm_timer *timer)
{
    rig *r = CM_HOLDER(timer, rig, client_timer);
    dtls_client_repeat(&r->client);
    carry_clients(r);
}

static void arrive(void *owner)
{
    parcel *p = owner;
    rig *r = p->r;
    const cm_slice datagram = cm_slice_over(p->bytes, p->size);
    if (p->way == TO_CLIENT) {
        dtls_client_go_on(&r->client, datagram);
        carry_clients(r);
    } else if (r->dtls != NULL) {
        const unsigned before = r->sent[TO_CLIENT];
        is_servers_turn = true; /* the simulator performs its job inside */
        cm_dtls_receive(r->dtls, datagram);
        is_servers_turn = false;
        assert_int_equal(r->sent[TO_CLIENT], before);
    }
    free(p);
}

static void carry(rig *r, direction way, cm_slice datagram)
{
    const unsigned index = r->sent[way]++;
    const fate fate_of = r->judge != NULL ? r->judge(r, way, index, datagram) : (fate){.copies = 1};
    for (unsigned i = 0; i < fate_of.copies; i++) {
        parcel *p = calloc(1, sizeof *p);
        assert_non_null(p);
        assert_true(datagram.size <= sizeof p->bytes && datagram.size > fate_of.cut);
        *p = (parcel){.r = r, .way = way, .size = datagram.size - fate_of.cut};
        memcpy(p->bytes, datagram.bytes, p->size);
        if (fate_of.junk != NULL)
            memcpy(p->bytes, fate_of.junk, 16);
        const cm_instant at =
            cm_instant_after(cm_loop_now(r->w.loop), DELAY_US + fate_of.delay_us + i);
        assert_int_equal(cm_sim_at(r->w.sim, at, arrive, p), CM_OK);
    }
}

/* RFC 6347, 4.2.2: a record sent again has a number of its own; RFC 6347, 4.1.1.1: datagrams fit
 * the path. */
static void on_send(void *owner, cm_slice datagram)
{
    rig *r = owner;
    cm_reader in = cm_reader_over(datagram);
    assert_true(datagram.size > 0 && datagram.size <= 1200);
    r->server_bytes += datagram.size;
    while (in.rest.size > 0) {
        cm_dtls_record record;
        assert_int_equal(cm_dtls_record_read(&in, &record), CM_OK);
        for (size_t i = 0; record.epoch == 0 && i < r->plain_count; i++)
            assert_int_not_equal(r->plain_numbers[i], record.sequence);
        assert_true(r->plain_count < TRACE_MAX);
        if (record.epoch == 0)
            r->plain_numbers[r->plain_count++] = record.sequence;
    }
    if (r->w.sim != NULL)
        carry(r, TO_CLIENT, datagram);
}

static void on_done(void *owner, cm_status status, cm_srtp_profile profile,
                    const cm_srtp_master *ours, const cm_srtp_master *theirs)
{
    rig *r = owner;
    r->done++;
    r->status = status;
    assert_int_equal(ours != NULL, status == CM_OK);
    assert_int_equal(theirs != NULL, status == CM_OK);
    if (status == CM_OK) {
        r->profile = profile;
        r->ours = *ours;
        r->theirs = *theirs;
    }
    if (r->destroys_when_done) {
        cm_dtls_destroy(r->dtls);
        r->dtls = NULL;
    }
}

static void on_closed(void *owner)
{
    rig *r = owner;
    r->closed++;
    if (r->destroys_when_closed) {
        cm_dtls_destroy(r->dtls);
        r->dtls = NULL;
    }
}

static const cm_dtls_events EVENTS = {
    .on_send = on_send, .on_done = on_done, .on_closed = on_closed};

static const dtls_certificate *certificate_of(dtls_key key)
{
    if (certificates[key].certificate == NULL)
        certificates[key] = dtls_certificate_make(key);
    return &certificates[key];
}

static cm_status open_association(rig *r, const cm_fingerprint *fingerprints, size_t count)
{
    return cm_dtls_create(&(cm_dtls_config){.loop = r->w.loop,
                                            .identity = identity,
                                            .fingerprints = fingerprints,
                                            .fingerprint_count = count,
                                            .counters = &r->counters,
                                            .events = &EVENTS,
                                            .owner = r},
                          &r->dtls);
}

static void rig_open_expecting(rig *r, const dtls_client_options *options,
                               const cm_fingerprint *fingerprints, size_t count)
{
    *r = (rig){.status = CM_BROKEN};
    world_open_sim(&r->w, 1);
    virtual_time = r->w.loop;
    dtls_client_open(&r->client, options, certificate_of(options->key));
    cm_timer_init(&r->client_timer, r->w.loop, on_client_timer);
    assert_int_equal(open_association(r, fingerprints, count), CM_OK);
}

static void rig_open(rig *r, const dtls_client_options *options)
{
    const cm_fingerprint announced =
        options->key == DTLS_KEY_NONE
            ? (cm_fingerprint){.size = 32}
            : dtls_certificate_digest(certificate_of(options->key), EVP_sha256());
    rig_open_expecting(r, options, &announced, 1);
}

static void rig_close(rig *r)
{
    cm_dtls_destroy(r->dtls);
    r->dtls = NULL;
    cm_sim_run_for(r->w.sim, CM_SECONDS(60)); /* parcels are freed where they arrive */
    dtls_client_close(&r->client);
    cm_timer_stop(&r->client_timer);
    virtual_time = NULL;
    world_close(&r->w);
}

static void begin(rig *r)
{
    dtls_client_go_on(&r->client, (cm_slice){0});
    carry_clients(r);
}

static bool is_over(void *owner)
{
    const rig *r = owner;
    return r->done > 0 && (r->client.is_done || r->client.has_failed);
}

/* Both are done within the time that the association takes at most; says how long it took. */
static int64_t run(rig *r)
{
    const cm_instant began = cm_loop_now(r->w.loop);
    begin(r);
    (void)cm_sim_run_until(r->w.sim, is_over, r, CM_SECONDS(31));
    return cm_instant_since(cm_loop_now(r->w.loop), began);
}

static void assert_keys(rig *r)
{
    cm_srtp_master clients, servers;
    assert_int_equal(r->done, 1);
    assert_int_equal(r->status, CM_OK);
    assert_true(r->client.is_done);
    assert_int_equal(dtls_client_masters(&r->client, &clients, &servers), r->profile);
    assert_memory_equal(&r->ours, &servers, sizeof servers);
    assert_memory_equal(&r->theirs, &clients, sizeof clients);
    assert_memory_not_equal(r->ours.key, r->theirs.key, 16);
    assert_int_equal(r->counters.completed, 1);
}

static void assert_refused(rig *r, cm_status status)
{
    assert_int_equal(r->done, 1);
    assert_int_equal(r->status, status);
    assert_int_equal(r->counters.completed, 0);
    assert_int_equal(r->counters.foreign, status == CM_FOREIGN);
    assert_int_equal(r->counters.failed, status == CM_CLOSE);
    assert_int_equal(r->counters.late, status == CM_RETRY);
    assert_true(r->client.has_failed || status == CM_RETRY);
    assert_false(r->client.is_done);
}

static void expect(const dtls_client_options *options, cm_status status)
{
    rig r;
    rig_open(&r, options);
    (void)run(&r);
    if (status == CM_OK)
        assert_keys(&r);
    else
        assert_refused(&r, status);
    rig_close(&r);
    assert_int_equal(r.done, 1);
}

/* ---- what is agreed upon ---- */

/* RFC 5764, 4.2; RFC 7714, 12; the suite of RFC 8827, 6.5. */
static void both_have_the_same_keys(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    const int64_t took = run(&r);
    assert_keys(&r);
    assert_int_equal(took, 4 * DELAY_US); /* two round trips: no HelloVerifyRequest */
    assert_int_equal(r.sent[TO_CLIENT], 2);
    assert_int_equal(r.profile, CM_SRTP_AEAD_AES_128_GCM);
    assert_string_equal(SSL_get_version(r.client.ssl), "DTLSv1.2");
    assert_string_equal(SSL_get_cipher_name(r.client.ssl), "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_int_equal(SSL_get_extms_support(r.client.ssl), 1);
    assert_int_equal(r.counters.repeated + r.counters.malformed + r.counters.dropped, 0);
    rig_close(&r);
}

static void a_client_with_one_profile_gets_that(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        cm_srtp_profile profile;
    } CASES[] = {
        {"SRTP_AES128_CM_SHA1_80", CM_SRTP_AES128_CM_SHA1_80},
        {"SRTP_AEAD_AES_128_GCM", CM_SRTP_AEAD_AES_128_GCM},
        {"SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80",
         CM_SRTP_AES128_CM_SHA1_80},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.profiles = CASES[i].offer});
        (void)run(&r);
        assert_keys(&r);
        assert_int_equal(r.profile, CASES[i].profile);
        rig_close(&r);
    }
}

static void without_a_common_profile_nothing_is_computed(void **state)
{
    (void)state;
    static const char *const OFFERS[] = {"", "SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_32"};
    for (size_t i = 0; i < CM_COUNT(OFFERS); i++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.profiles = OFFERS[i]});
        (void)run(&r);
        assert_refused(&r, CM_CLOSE);
        assert_true(r.server_bytes < 32); /* an alert */
        rig_close(&r);
    }
}

static void extended_master_secret_is_a_condition(void **state)
{
    (void)state;
    expect(&(dtls_client_options){.has_no_ems = true}, CM_CLOSE);
}

static void old_versions_and_suites_are_refused(void **state)
{
    (void)state;
    expect(&(dtls_client_options){.version_max = DTLS1_VERSION}, CM_CLOSE);
    expect(&(dtls_client_options){.suites = "ECDHE-ECDSA-AES128-SHA"}, CM_CLOSE);
    expect(&(dtls_client_options){.suites = "ECDHE-RSA-AES128-GCM-SHA256"}, CM_CLOSE);
    expect(&(dtls_client_options){.suites = "ECDHE-ECDSA-AES128-CCM"}, CM_CLOSE);
    expect(&(dtls_client_options){.suites = "AES128-GCM-SHA256"}, CM_CLOSE);
}

/* ---- who the peer is ---- */

static void peers_have_keys_of_these_kinds(void **state)
{
    (void)state;
    expect(&(dtls_client_options){.key = DTLS_KEY_P384}, CM_OK);
    expect(&(dtls_client_options){.key = DTLS_KEY_RSA_2048}, CM_OK);
    expect(&(dtls_client_options){.key = DTLS_KEY_RSA_1024}, CM_CLOSE);
    expect(&(dtls_client_options){.key = DTLS_KEY_P521}, CM_CLOSE);
    expect(&(dtls_client_options){.key = DTLS_KEY_ED25519}, CM_CLOSE);
}

static void a_peer_without_certificate_is_refused(void **state)
{
    (void)state;
    expect(&(dtls_client_options){.key = DTLS_KEY_NONE}, CM_CLOSE);
}

static cm_status status_with(const cm_fingerprint *fingerprints, size_t count)
{
    rig r;
    rig_open_expecting(&r, &(dtls_client_options){0}, fingerprints, count);
    (void)run(&r);
    if (r.status == CM_OK)
        assert_keys(&r);
    else
        assert_refused(&r, CM_FOREIGN);
    rig_close(&r);
    return r.status;
}

static cm_fingerprint spoiled(cm_fingerprint fingerprint)
{
    fingerprint.bytes[fingerprint.size - 1] ^= 1;
    return fingerprint;
}

/* RFC 8122, 5.1: one hash function is chosen, and one of its fingerprints has to match. */
static void the_certificate_is_the_announced_one(void **state)
{
    (void)state;
    const dtls_certificate *ours = certificate_of(DTLS_KEY_P256);
    const cm_fingerprint sha256 = dtls_certificate_digest(ours, EVP_sha256());
    const cm_fingerprint sha384 = dtls_certificate_digest(ours, EVP_sha384());
    const cm_fingerprint sha512 = dtls_certificate_digest(ours, EVP_sha512());
    const cm_fingerprint other =
        dtls_certificate_digest(certificate_of(DTLS_KEY_P384), EVP_sha256());
    assert_int_equal(status_with(&sha256, 1), CM_OK);
    assert_int_equal(status_with(&sha384, 1), CM_OK);
    assert_int_equal(status_with(&sha512, 1), CM_OK);
    assert_int_equal(status_with(&other, 1), CM_FOREIGN);
    for (size_t i = 0; i < 32; i++) {
        cm_fingerprint wrong = sha256;
        wrong.bytes[i] ^= 0x80;
        if (i % 8 == 7) /* each takes a handshake */
            assert_int_equal(status_with(&wrong, 1), CM_FOREIGN);
    }
    assert_int_equal(status_with((cm_fingerprint[]){other, sha256}, 2), CM_OK);
    assert_int_equal(status_with((cm_fingerprint[]){sha256, other}, 2), CM_OK);
    assert_int_equal(status_with((cm_fingerprint[]){spoiled(sha256), sha512}, 2), CM_OK);
    assert_int_equal(status_with((cm_fingerprint[]){sha256, spoiled(sha512)}, 2), CM_FOREIGN);
    assert_int_equal(status_with((cm_fingerprint[]){spoiled(sha512), sha384, sha256}, 3),
                     CM_FOREIGN);
}

/* RFC 5763, 5: then nothing goes on. */
static void a_foreign_peer_is_told_by_an_alert(void **state)
{
    (void)state;
    rig r;
    const cm_fingerprint other =
        dtls_certificate_digest(certificate_of(DTLS_KEY_P384), EVP_sha256());
    rig_open_expecting(&r, &(dtls_client_options){0}, &other, 1);
    (void)run(&r);
    assert_refused(&r, CM_FOREIGN);
    assert_int_equal(r.sent[TO_CLIENT], 2); /* its flight, and an alert */
    const unsigned sent = r.sent[TO_CLIENT];
    begin(&r);
    cm_dtls_confirm(r.dtls);
    cm_sim_run_for(r.w.sim, CM_SECONDS(60));
    assert_int_equal(r.sent[TO_CLIENT], sent);
    assert_int_equal(r.done, 1);
    rig_close(&r);
    assert_int_equal(r.sent[TO_CLIENT], sent); /* no goodbye to strangers */
}

static void what_cannot_be_expected_is_refused(void **state)
{
    (void)state;
    rig r = {.dtls = NULL};
    const cm_fingerprint good = {.size = 32}, sha1 = {.size = 20}, none = {.size = 0};
    const cm_fingerprint many[CM_DTLS_FINGERPRINTS_MAX + 1] = {good, good, good, good, good};
    world_open_sim(&r.w, 1);
    assert_int_equal(open_association(&r, &good, 0), CM_REFUSE);
    assert_int_equal(open_association(&r, &sha1, 1), CM_REFUSE);
    assert_int_equal(open_association(&r, &none, 1), CM_REFUSE);
    assert_int_equal(open_association(&r, (cm_fingerprint[]){good, sha1}, 2), CM_REFUSE);
    assert_int_equal(open_association(&r, many, CM_COUNT(many)), CM_REFUSE);
    assert_null(r.dtls);
    world_close(&r.w);
}

static cm_status parse(const char *text, cm_fingerprint *out)
{
    return cm_fingerprint_parse(cm_slice_of(text), out);
}

#define HEX_16 "01:23:45:67:89:ab:cd:ef:FE:DC:BA:98:76:54:32:10"

/* RFC 8122, 5. */
static void fingerprints_are_read(void **state)
{
    (void)state;
    cm_fingerprint f = {.size = 1};
    assert_int_equal(parse("sha-256 " HEX_16 ":" HEX_16, &f), CM_OK);
    assert_int_equal(f.size, 32);
    assert_int_equal(f.bytes[1], 0x23);
    assert_int_equal(f.bytes[31], 0x10);
    assert_int_equal(parse("SHA-384 " HEX_16 ":" HEX_16 ":" HEX_16, &f), CM_OK);
    assert_int_equal(f.size, 48);
    assert_int_equal(parse("Sha-512 " HEX_16 ":" HEX_16 ":" HEX_16 ":" HEX_16, &f), CM_OK);
    assert_int_equal(f.size, 64);
    f.size = 1;
    static const char *const WRONG[] = {
        "",
        "sha-256",
        "sha-256 ",
        "sha-1 01:23:45:67:89:ab:cd:ef:FE:DC:BA:98:76:54:32:10:01:23:45:67",
        "md5 " HEX_16,
        "sha-256 " HEX_16,
        "sha-256 " HEX_16 ":" HEX_16 ":",
        "sha-256  " HEX_16 ":" HEX_16,
        "sha-256 " HEX_16 "::" HEX_16,
        "sha-256 " HEX_16 ":" HEX_16 ":01",
        "sha-384 " HEX_16 ":" HEX_16,
        "sha-256 " HEX_16 ":01:23:45:67:89:ab:cd:ef:FE:DC:BA:98:76:54:32:1",
        "sha-256 " HEX_16 ":01:23:45:67:89:ab:cd:ef:FE:DC:BA:98:76:54:32:1g",
        "sha-256 " HEX_16 " " HEX_16,
        "sha-256 0123:4567:89:ab:cd:ef:FE:DC:BA:98:76:54:32:10::::" HEX_16,
    };
    for (size_t i = 0; i < CM_COUNT(WRONG); i++)
        assert_int_equal(parse(WRONG[i], &f), CM_REFUSE);
    assert_int_equal(f.size, 1);
}

static void our_certificate_is_the_one_we_announce(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    (void)run(&r);
    assert_keys(&r);
    char line[128];
    cm_fingerprint announced;
    uint8_t digest[EVP_MAX_MD_SIZE];
    snprintf(line, sizeof line, "sha-256 %s", cm_dtls_identity_fingerprint(identity));
    assert_int_equal(parse(line, &announced), CM_OK);
    X509 *shown = SSL_get1_peer_certificate(r.client.ssl);
    assert_int_equal(X509_digest(shown, EVP_sha256(), digest, NULL), 1);
    assert_memory_equal(announced.bytes, digest, 32);
    assert_int_equal(X509_cmp_time(X509_get0_notBefore(shown), &(time_t){1800000000}), -1);
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(shown), &(time_t){1800000000}), 1);
    assert_int_equal(X509_verify(shown, X509_get0_pubkey(shown)), 1);
    X509_free(shown);
    rig_close(&r);
}

static void each_identity_is_another(void **state)
{
    (void)state;
    cm_dtls_identity *other;
    assert_int_equal(cm_dtls_identity_create((cm_wall){CM_SECONDS(1800000000)}, &other), CM_OK);
    assert_int_equal(strlen(cm_dtls_identity_fingerprint(other)), 95);
    assert_string_not_equal(cm_dtls_identity_fingerprint(other),
                            cm_dtls_identity_fingerprint(identity));
    cm_dtls_identity_destroy(other);
    cm_dtls_identity_destroy(NULL);
}

/* ---- a path that loses, turns round, doubles and cuts ---- */

static fate lose_one(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)datagram;
    return (fate){.copies =
                      !(way == (r->number & 1 ? TO_CLIENT : TO_SERVER) && index == r->number / 2)};
}

/* RFC 6347, 4.2.4. The client fragments, so that there is more to be lost. */
static void any_datagram_may_be_lost(void **state)
{
    (void)state;
    static const long MTUS[] = {1150, 300};
    for (size_t m = 0; m < CM_COUNT(MTUS); m++) {
        for (unsigned number = 0; number < 24; number++) {
            rig r;
            rig_open(&r, &(dtls_client_options){.mtu = MTUS[m]});
            r.judge = lose_one;
            r.number = number;
            const int64_t took = run(&r);
            assert_keys(&r);
            assert_true(took < CM_MS(1200)); /* one timer of OpenSSL's at most */
            rig_close(&r);
        }
    }
}

/* A browser asks again after 50 ms, and is answered then, not when our own timer is due. */
static void a_quick_client_gets_quick_answers(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 6; number++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.first_timer_us = 50000});
        r.judge = lose_one;
        r.number = number;
        const int64_t took = run(&r);
        assert_keys(&r);
        assert_true(took < CM_MS(150));
        rig_close(&r);
    }
}

static fate lose_clients_repetitions(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)r;
    (void)datagram;
    return (fate){.copies = !(way == TO_CLIENT && index < 2) &&
                            !(way == TO_SERVER && index > 0 && index < 3)};
}

/* Nobody asks, so our own timer has to. */
static void an_unanswered_flight_is_repeated(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){.first_timer_us = 900000});
    r.judge = lose_clients_repetitions;
    const int64_t took = run(&r);
    assert_keys(&r);
    assert_true(took > CM_SECONDS(3) && took < CM_MS(3100)); /* after 1 s and 2 s more */
    rig_close(&r);
}

static fate lose_a_third(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)way;
    (void)index;
    (void)datagram;
    return (fate){.copies = cm_random_below(cm_sim_random(r->w.sim), 3) > 0,
                  .delay_us = (int64_t)cm_random_below(cm_sim_random(r->w.sim), 40000)};
}

static void a_third_of_all_may_be_lost(void **state)
{
    (void)state;
    unsigned completed = 0;
    for (unsigned number = 0; number < 20; number++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.first_timer_us = 50000});
        *cm_sim_random(r.w.sim) = cm_random_seeded(number);
        r.judge = lose_a_third;
        (void)run(&r);
        assert_int_equal(r.done, 1);
        if (r.status == CM_OK && r.client.is_done)
            completed++;
        rig_close(&r);
    }
    assert_true(completed >= 18);
}

static fate delay_one(rig *r, direction way, unsigned index, cm_slice datagram)
{
    const fate lost = lose_one(r, way, index, datagram);
    return (fate){.copies = 1, .delay_us = lost.copies == 0 ? 35000 : 0};
}

static void any_datagram_may_come_late(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 24; number++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.mtu = 300});
        r.judge = delay_one;
        r.number = number;
        (void)run(&r);
        assert_keys(&r);
        rig_close(&r);
    }
}

static fate double_all(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)r;
    (void)way;
    (void)datagram;
    return (fate){.copies = 2 + index % 2};
}

static void every_datagram_may_come_more_than_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){.mtu = 300});
    r.judge = double_all;
    (void)run(&r);
    assert_keys(&r);
    rig_close(&r);
}

static fate cut_one(rig *r, direction way, unsigned index, cm_slice datagram)
{
    const fate lost = lose_one(r, way, index, datagram);
    return (fate){.copies = 1, .cut = lost.copies == 0 ? 1 + datagram.size / 2 : 0};
}

static void any_datagram_may_be_cut(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 12; number += 2) {
        rig r;
        rig_open(&r, &(dtls_client_options){.mtu = 300});
        r.judge = cut_one;
        r.number = number;
        (void)run(&r);
        assert_keys(&r);
        assert_true(r.counters.malformed == 1 || number >= 2 * r.sent[TO_SERVER]);
        rig_close(&r);
    }
}

static fate junk_one(rig *r, direction way, unsigned index, cm_slice datagram)
{
    static const uint8_t JUNK[16] = {22, 0xfe, 0xfd, 0, 0, 0xff, 0xff, 0xff};
    const fate lost = lose_one(r, way, index, datagram);
    return (fate){.copies = 1, .junk = lost.copies == 0 ? JUNK : NULL};
}

static void any_datagram_may_be_spoiled(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 8; number += 2) {
        rig r;
        rig_open(&r, &(dtls_client_options){.mtu = 300});
        r.judge = junk_one;
        r.number = number;
        (void)run(&r);
        assert_keys(&r);
        rig_close(&r);
    }
}

static void receive(rig *r, cm_slice datagram)
{
    cm_dtls_receive(r->dtls, datagram);
    cm_sim_run_for(r->w.sim, 0);
}

static void garbage_is_counted_and_costs_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    receive(&r, (cm_slice){0});
    receive(&r, BYTES(22));
    receive(&r, BYTES(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1));           /* too short */
    receive(&r, BYTES(22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1));                 /* TLS */
    receive(&r, BYTES(23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1));           /* data */
    receive(&r, BYTES(22, 0xfe, 0xfd, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1));           /* epoch 2 */
    receive(&r, BYTES(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2));           /* not a hello */
    receive(&r, BYTES(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));              /* empty */
    receive(&r, BYTES(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0));        /* an alert */
    receive(&r, BYTES(22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 22, 0xfe)); /* and more */
    assert_int_equal(r.counters.malformed, 10);
    assert_int_equal(r.sent[TO_CLIENT], 0);
    (void)run(&r);
    assert_keys(&r);
    rig_close(&r);
}

#define RECORD(type, epoch, ...)                                                                   \
    type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7, 0, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__

/* What is decided without keys. */
static void datagrams_show_what_they_hold(void **state)
{
    (void)state;
    const struct {
        cm_slice datagram;
        cm_status status;
        cm_dtls_sight sight;
    } CASES[] = {
        {BYTES(RECORD(22, 0, 1, 0, 0)), CM_OK, {.has_client_hello = true}},
        {BYTES(RECORD(22, 0, 11, 0), RECORD(22, 0, 1, 0)), CM_OK, {.sealed_count = 0}},
        {BYTES(RECORD(22, 0, 11, 0), RECORD(20, 0, 1), RECORD(22, 1, 1, 0)),
         CM_OK,
         {.has_finished = true, .sealed_count = 1}},
        {BYTES(RECORD(22, 1, 1)), CM_OK, {.has_finished = true, .sealed_count = 1}},
        {BYTES(RECORD(21, 1, 1, 0), RECORD(21, 1, 1, 0)),
         CM_OK,
         {.has_sealed_alert = true, .sealed_count = 2}},
        {BYTES(RECORD(21, 0, 2, 40)), CM_OK, {.sealed_count = 0}},
        {BYTES(RECORD(22, 2, 1, 0, 0)), CM_CLOSE, {0}},
        {BYTES(RECORD(23, 1, 1, 0, 0)), CM_CLOSE, {0}},
        {BYTES(RECORD(19, 0, 1, 0, 0)), CM_CLOSE, {0}},
        {BYTES(RECORD(22, 0, 1, 0), RECORD(23, 1, 1)), CM_CLOSE, {0}},
        {BYTES(RECORD(22, 0, 1, 0), 22), CM_CLOSE, {0}},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_dtls_sight sight = {.sealed_count = 99};
        assert_int_equal(cm_dtls_look(CASES[i].datagram, &sight), CASES[i].status);
        if (CASES[i].status == CM_OK) {
            assert_int_equal(sight.has_client_hello, CASES[i].sight.has_client_hello);
            assert_int_equal(sight.has_finished, CASES[i].sight.has_finished);
            assert_int_equal(sight.has_sealed_alert, CASES[i].sight.has_sealed_alert);
            assert_int_equal(sight.sealed_count, CASES[i].sight.sealed_count);
        }
    }
}

/* ---- a ClientHello of many parts ---- */

/* As a browser's with a post-quantum key share. */
static const dtls_client_options HUGE_HELLO = {.padding = 2200, .mtu = 1000};

typedef struct parts {
    uint8_t bytes[CM_DTLS_QUEUE_COUNT][1200];
    cm_slice at[CM_DTLS_QUEUE_COUNT];
    size_t count;
} parts;

/* The client's first flight, taken out of its hands. */
static void take_parts(rig *r, parts *out)
{
    dtls_client_go_on(&r->client, (cm_slice){0});
    const cm_dtls_queue *said = &r->client.pipe.out;
    out->count = said->count;
    for (size_t i = 0; i < said->count; i++) {
        const cm_slice part = cm_dtls_queue_at(said, i);
        memcpy(out->bytes[i], part.bytes, part.size);
        out->at[i] = cm_slice_over(out->bytes[i], part.size);
    }
    cm_dtls_queue_deinit(&r->client.pipe.out);
}

/* Goes on with the client as if it had sent them. */
static void assert_completes(rig *r)
{
    (void)cm_sim_run_until(r->w.sim, is_over, r, CM_MS(200));
    assert_keys(r);
}

static void parts_may_come_in_any_order(void **state)
{
    (void)state;
    static const size_t ORDERS[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t order = 0; order < CM_COUNT(ORDERS); order++) {
        rig r;
        parts p;
        rig_open(&r, &HUGE_HELLO);
        take_parts(&r, &p);
        assert_int_equal(p.count, 3);
        for (size_t i = 0; i < p.count; i++)
            receive(&r, p.at[ORDERS[order][i]]);
        assert_completes(&r);
        rig_close(&r);
    }
}

static void parts_may_come_twice_and_late(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){.padding = 2000, .mtu = 300});
    take_parts(&r, &p);
    assert_true(p.count > 7 && p.count <= CM_DTLS_QUEUE_COUNT);
    for (size_t i = p.count; i-- > 1;) {
        receive(&r, p.at[i]);
        receive(&r, p.at[i]);
    }
    assert_int_equal(r.sent[TO_CLIENT], 0);
    cm_sim_run_for(r.w.sim, CM_MS(100));
    receive(&r, p.at[0]);
    assert_completes(&r);
    rig_close(&r);
}

static void parts_may_come_all_at_once(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &HUGE_HELLO);
    take_parts(&r, &p);
    for (size_t i = 0; i < p.count; i++)
        cm_dtls_receive(r.dtls, p.at[i]);
    assert_completes(&r);
    rig_close(&r);
}

/* ---- after the keys are out ---- */

static fate lose_last_flight(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)datagram;
    return (fate){.copies = !(way == TO_CLIENT && index > 0 && index <= r->number)};
}

static void the_last_flight_is_repeated_when_asked_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){.first_timer_us = 50000});
    r.judge = lose_last_flight;
    r.number = 5;
    (void)run(&r);
    assert_keys(&r);
    assert_int_equal(r.counters.repeated, 5);
    assert_int_equal(r.sent[TO_CLIENT], 1 + 6);
    rig_close(&r);
}

static bool is_done(void *owner)
{
    return ((const rig *)owner)->done > 0;
}

/* The client never hears of the last flight, and repeats its own for a minute. */
static void lose_the_last_flight_for_good(rig *r)
{
    rig_open(r, &(dtls_client_options){.first_timer_us = 200000});
    r->judge = lose_last_flight;
    r->number = 1000;
    begin(r);
    assert_true(cm_sim_run_until(r->w.sim, is_done, r, CM_SECONDS(1)));
    assert_int_equal(r->status, CM_OK);
    assert_int_equal(r->sent[TO_CLIENT], 2);
}

static void once_confirmed_nothing_is_repeated(void **state)
{
    (void)state;
    rig r;
    lose_the_last_flight_for_good(&r);
    cm_sim_run_for(r.w.sim, CM_MS(700));
    assert_int_equal(r.sent[TO_CLIENT], 4); /* asked for at 200 and 600 ms */
    cm_dtls_confirm(r.dtls);
    cm_dtls_confirm(r.dtls);
    cm_sim_run_for(r.w.sim, CM_SECONDS(30));
    assert_int_equal(r.sent[TO_CLIENT], 4);
    assert_int_equal(r.counters.repeated, 2);
    assert_int_equal(r.done, 1);
    rig_close(&r);
}

static void after_ten_seconds_nothing_is_repeated(void **state)
{
    (void)state;
    rig r;
    lose_the_last_flight_for_good(&r);
    cm_sim_run_for(r.w.sim, CM_MS(10100));
    const unsigned sent = r.sent[TO_CLIENT];
    assert_int_equal(sent, 2 + 5); /* at 0.2, 0.6, 1.4, 3 and 6.2 s */
    cm_sim_run_for(r.w.sim, CM_SECONDS(60));
    assert_int_equal(r.sent[TO_CLIENT], sent);
    rig_close(&r);
}

static void a_hello_after_the_end_is_not_answered(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){0});
    take_parts(&r, &p);
    receive(&r, p.at[0]);
    assert_completes(&r);
    const unsigned sent = r.sent[TO_CLIENT];
    for (int i = 0; i < 20; i++)
        receive(&r, p.at[0]);
    cm_sim_run_for(r.w.sim, CM_SECONDS(1));
    assert_int_equal(r.sent[TO_CLIENT], sent);
    cm_dtls_confirm(r.dtls);
    receive(&r, p.at[0]);
    cm_sim_run_for(r.w.sim, CM_SECONDS(1));
    assert_int_equal(r.sent[TO_CLIENT], sent);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.counters.malformed, 21); /* nothing that can be meant now */
    rig_close(&r);
}

static const char *const SUITES[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                     "ECDHE-ECDSA-AES256-GCM-SHA384",
                                     "ECDHE-ECDSA-CHACHA20-POLY1305"};

static void our_goodbye_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(SUITES); i++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.suites = SUITES[i]});
        (void)run(&r);
        assert_keys(&r);
        cm_dtls_confirm(r.dtls);
        cm_sim_run_for(r.w.sim, CM_SECONDS(100));
        cm_dtls_destroy(r.dtls);
        r.dtls = NULL;
        cm_sim_run_for(r.w.sim, CM_MS(100));
        assert_true(r.client.has_seen_goodbye);
        rig_close(&r);
    }
}

static void the_peers_goodbye_is_understood(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CM_COUNT(SUITES); i++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.suites = SUITES[i / 2]});
        (void)run(&r);
        assert_keys(&r);
        if (i % 2 == 0)
            cm_dtls_confirm(r.dtls);
        else
            r.destroys_when_closed = true;
        dtls_client_say_goodbye(&r.client);
        carry_clients(&r);
        cm_sim_run_for(r.w.sim, CM_MS(100));
        assert_int_equal(r.closed, 1);
        assert_int_equal(r.done, 1);
        rig_close(&r);
        assert_int_equal(r.closed, 1);
        assert_true(r.client.has_seen_goodbye); /* RFC 5246, 7.2.1: and is returned */
    }
}

/* Whoever has no keys can't end an association. */
static void a_forged_goodbye_is_not_believed(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    (void)run(&r);
    assert_keys(&r);
    dtls_client_say_goodbye(&r.client);
    const cm_slice said = cm_dtls_queue_at(&r.client.pipe.out, 0);
    uint8_t forged[64];
    assert_int_equal(said.size, 13 + 8 + 2 + 16);
    for (size_t i = 3; i < said.size; i++) { /* the version is a part of what is sealed too */
        memcpy(forged, said.bytes, said.size);
        forged[i] ^= 1;
        receive(&r, cm_slice_over(forged, said.size));
    }
    receive(&r, cm_slice_part(said, 0, said.size - 1));
    receive(&r, BYTES(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0));
    receive(&r, BYTES(21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0));
    cm_sim_run_for(r.w.sim, CM_MS(100));
    assert_int_equal(r.closed, 0);
    receive(&r, said);
    cm_sim_run_for(r.w.sim, CM_MS(100));
    assert_int_equal(r.closed, 1);
    receive(&r, said);
    cm_sim_run_for(r.w.sim, CM_MS(100));
    assert_int_equal(r.closed, 1);
    rig_close(&r);
}

/* ---- bounds ---- */

static void a_silent_peer_has_thirty_seconds(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    cm_sim_run_for(r.w.sim, CM_MS(29900));
    assert_int_equal(r.done, 0);
    cm_sim_run_for(r.w.sim, CM_MS(200));
    assert_int_equal(r.done, 1);
    assert_int_equal(r.status, CM_RETRY);
    assert_int_equal(r.counters.late, 1);
    begin(&r);
    cm_sim_run_for(r.w.sim, CM_SECONDS(100));
    assert_int_equal(r.sent[TO_CLIENT], 0);
    assert_int_equal(r.done, 1);
    rig_close(&r);
}

static fate lose_all_answers(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)r;
    (void)index;
    (void)datagram;
    return (fate){.copies = way == TO_SERVER};
}

static fate lose_clients_second(rig *r, direction way, unsigned index, cm_slice datagram)
{
    (void)r;
    (void)datagram;
    return (fate){.copies = way == TO_CLIENT || index == 0};
}

static void a_peer_that_falls_silent_costs_little(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){0});
    r.judge = lose_clients_second;
    begin(&r);
    cm_sim_run_for(r.w.sim, CM_SECONDS(100));
    assert_int_equal(r.done, 1);
    assert_int_equal(r.status, CM_RETRY);
    assert_int_equal(r.sent[TO_CLIENT], 1 + 8); /* after 1, 3, 7, 11, 15, 19, 23, 27 s */
    rig_close(&r);
}

static void repeated_hellos_are_answered_so_often_only(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){0});
    r.judge = lose_all_answers;
    take_parts(&r, &p);
    for (int i = 0; i < 2000; i++) {
        receive(&r, p.at[0]);
        cm_sim_run_for(r.w.sim, CM_MS(5));
    }
    assert_int_equal(r.counters.repeated, 24);
    rig_close(&r);
}

static void more_than_fits_is_dropped(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){.padding = 2000, .mtu = 300});
    take_parts(&r, &p);
    for (int i = 0; i < 40; i++)
        cm_dtls_receive(r.dtls, p.at[1]);
    assert_int_equal(r.counters.dropped, 40 - 1 - 16); /* one in the job, 16 wait */
    cm_sim_run_for(r.w.sim, 0);
    uint8_t large[5000] = {
        22, 0xfe, 0xfd, [11] = (sizeof large - 13) >> 8, (sizeof large - 13) & 255, 1};
    for (int i = 0; i < 6; i++)
        cm_dtls_receive(r.dtls, cm_slice_over(large, sizeof large));
    assert_int_equal(r.counters.dropped, 23 + 2); /* 16 KiB */
    rig_close(&r);
}

static void an_association_takes_so_many_datagrams(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){.padding = 2000, .mtu = 300});
    take_parts(&r, &p);
    for (int i = 0; i < 300; i++)
        receive(&r, p.at[1]);
    assert_int_equal(r.counters.dropped, 300 - 256);
    rig_close(&r);
}

/* Records that come before their keys are kept by OpenSSL. */
static void sealed_records_are_taken_sparingly(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){.padding = 2000, .mtu = 300});
    take_parts(&r, &p);
    receive(&r, p.at[0]);
    for (uint8_t i = 0; i < 40; i++)
        receive(&r, BYTES(22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, i, 0, 1, 1));
    assert_int_equal(r.counters.dropped, 40 - 32);
    for (size_t i = 1; i < p.count; i++)
        receive(&r, p.at[i]);
    cm_sim_run_for(r.w.sim, CM_MS(1));
    assert_int_equal(r.sent[TO_CLIENT], 1); /* none of it did harm so far */
    rig_close(&r);
}

static void larger_datagrams_are_not_made(void **state)
{
    (void)state;
    const uint8_t bytes[CM_DTLS_DATAGRAM_MAX + 1] = {0};
    cm_dtls_pipe pipe = {.taken = 0};
    cm_dtls_queue_init(&pipe.in);
    cm_dtls_queue_init(&pipe.out);
    BIO_METHOD *method = cm_dtls_bio_method_create();
    BIO *bio = cm_dtls_bio_create(method, &pipe);
    assert_true(BIO_write(bio, bytes, sizeof bytes) <= 0);
    assert_int_equal(BIO_write(bio, bytes, sizeof bytes - 1), sizeof bytes - 1);
    assert_int_equal(pipe.out.count, 1);
    BIO_free(bio);
    BIO_meth_free(method);
    cm_dtls_queue_deinit(&pipe.out);
}

static void nothing(cm_job *job)
{
    (void)job;
}

/* A pool that takes no job now is asked again. */
static void a_full_pool_is_waited_for(void **state)
{
    (void)state;
    rig r;
    cm_job jobs[1024];
    rig_open(&r, &(dtls_client_options){0});
    for (size_t i = 0; i < CM_COUNT(jobs); i++) {
        jobs[i] = (cm_job){.work = nothing, .done = nothing};
        assert_int_equal(cm_loop_submit(r.w.loop, &jobs[i]), CM_OK);
    }
    parts p;
    take_parts(&r, &p);
    cm_dtls_receive(r.dtls, p.at[0]);
    cm_sim_run_for(r.w.sim, CM_MS(1));
    assert_int_equal(r.sent[TO_CLIENT], 0);
    assert_completes(&r);
    rig_close(&r);
}

/* OpenSSL's timer reads the wall clock, and ours does not: nothing is sent because of it. */
static void the_clock_may_jump(void **state)
{
    (void)state;
    static const int64_t JUMPS[] = {CM_SECONDS(3600), -CM_SECONDS(3600), -CM_SECONDS(4000000)};
    for (size_t i = 0; i < CM_COUNT(JUMPS); i++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.mtu = 300});
        begin(&r);
        cm_sim_run_for(r.w.sim, DELAY_US + 5000);
        assert_int_equal(r.sent[TO_CLIENT], 1);
        servers_clock_us = JUMPS[i];
        assert_completes(&r);
        assert_int_equal(r.sent[TO_CLIENT], 2);
        rig_close(&r);
        servers_clock_us = 0;
    }
}

/* Further than its timer can be put: it repeats a flight, which does no harm. */
static void the_clock_may_jump_by_weeks(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, &(dtls_client_options){.mtu = 300});
    begin(&r);
    cm_sim_run_for(r.w.sim, DELAY_US + 5000);
    servers_clock_us = CM_SECONDS(4000000);
    assert_completes(&r);
    rig_close(&r);
    servers_clock_us = 0;
}

/* ---- being destroyed ---- */

static unsigned steps_left;

static bool has_stepped(void *owner)
{
    (void)owner;
    return steps_left-- == 0;
}

/* After every single thing that can happen in a handshake; also while a job is under way. */
static void it_can_be_destroyed_at_any_step(void **state)
{
    (void)state;
    bool has_completed = false;
    for (unsigned steps = 0; !has_completed; steps++) {
        rig r;
        rig_open(&r, &(dtls_client_options){.mtu = 400});
        begin(&r);
        steps_left = steps;
        (void)cm_sim_run_until(r.w.sim, has_stepped, &r, CM_SECONDS(1));
        has_completed = r.done > 0 && r.client.is_done;
        rig_close(&r);
        assert_true(r.done <= 1);
        assert_true(steps < 1000);
    }
}

static void it_can_be_destroyed_while_its_job_is_done(void **state)
{
    (void)state;
    rig r;
    parts p;
    rig_open(&r, &(dtls_client_options){0});
    take_parts(&r, &p);
    cm_dtls_receive(r.dtls, p.at[0]); /* the job is performed, its end waits for the next turn */
    cm_dtls_destroy(r.dtls);
    r.dtls = NULL;
    cm_sim_run_for(r.w.sim, CM_SECONDS(1));
    assert_int_equal(r.sent[TO_CLIENT], 0);
    assert_int_equal(r.done, 0);
    rig_close(&r);
}

static void it_can_be_destroyed_when_done(void **state)
{
    (void)state;
    static const dtls_client_options CASES[] = {
        {.key = DTLS_KEY_P256}, {.profiles = ""}, {.key = DTLS_KEY_RSA_1024}};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        rig r;
        rig_open(&r, &CASES[i]);
        r.destroys_when_done = true;
        (void)run(&r);
        assert_int_equal(r.done, 1);
        assert_null(r.dtls);
        rig_close(&r);
    }
    cm_dtls_destroy(NULL);
}

/* ---- threads ---- */

enum { CROWD = 16 };

typedef struct crowd {
    world w;
    rig rigs[CROWD];
} crowd;

static bool are_all_over(void *owner)
{
    crowd *c = owner;
    bool are_over = true;
    for (size_t i = 0; i < CROWD; i++) {
        rig *r = &c->rigs[i];
        /* What the clients say goes straight to the associations. */
        for (size_t k = 0; r->dtls != NULL && k < r->client.pipe.out.count; k++)
            cm_dtls_receive(r->dtls, cm_dtls_queue_at(&r->client.pipe.out, k));
        cm_dtls_queue_deinit(&r->client.pipe.out);
        are_over = are_over && is_over(r);
    }
    return are_over;
}

static void on_send_at_once(void *owner, cm_slice datagram)
{
    rig *r = owner;
    dtls_client_go_on(&r->client, datagram);
}

static void crowd_open(crowd *c)
{
    static const dtls_client_options OPTIONS = {0};
    static const cm_dtls_events AT_ONCE = {
        .on_send = on_send_at_once, .on_done = on_done, .on_closed = on_closed};
    const cm_fingerprint announced =
        dtls_certificate_digest(certificate_of(DTLS_KEY_P256), EVP_sha256());
    world_open(&c->w);
    for (size_t i = 0; i < CROWD; i++) {
        rig *r = &c->rigs[i];
        *r = (rig){.status = CM_BROKEN};
        dtls_client_open(&r->client, &OPTIONS, certificate_of(DTLS_KEY_P256));
        const cm_dtls_config config = {.loop = c->w.loop,
                                       .identity = identity,
                                       .fingerprints = &announced,
                                       .fingerprint_count = 1,
                                       .counters = &r->counters,
                                       .events = &AT_ONCE,
                                       .owner = r};
        assert_int_equal(cm_dtls_create(&config, &r->dtls), CM_OK);
        dtls_client_go_on(&r->client, (cm_slice){0});
    }
}

static void crowd_close(crowd *c)
{
    for (size_t i = 0; i < CROWD; i++)
        cm_dtls_destroy(c->rigs[i].dtls);
    world_close(&c->w); /* waits for jobs whose associations are gone */
    for (size_t i = 0; i < CROWD; i++)
        dtls_client_close(&c->rigs[i].client);
    free(c);
}

static void many_at_once_share_the_pool(void **state)
{
    (void)state;
    crowd *c = calloc(1, sizeof *c);
    assert_non_null(c);
    crowd_open(c);
    assert_true(world_run(&c->w, are_all_over, c));
    for (size_t i = 0; i < CROWD; i++) {
        assert_keys(&c->rigs[i]);
        assert_memory_not_equal(&c->rigs[i].ours, &c->rigs[(i + 1) % CROWD].ours,
                                sizeof c->rigs[i].ours);
    }
    crowd_close(c);
}

static bool have_begun(void *owner)
{
    (void)are_all_over(owner);
    return true;
}

static void they_can_go_while_their_jobs_run(void **state)
{
    (void)state;
    crowd *c = calloc(1, sizeof *c);
    assert_non_null(c);
    crowd_open(c);
    assert_true(world_run(&c->w, have_begun, c));
    crowd_close(c);
}

/* ---- `openssl s_client` ---- */

typedef struct stranger {
    rig r;
    cm_net *net;
    cm_udp *udp;
    cm_address peer;
    pid_t pid;
    int in, out; // of the program
    char said[32768];
    size_t said_size;
} stranger;

static void send_to_stranger(void *owner, cm_slice datagram)
{
    stranger *s = owner;
    size_t sent;
    const cm_datagram one = {.bytes = datagram, .peer = s->peer};
    assert_int_equal(cm_udp_send(s->udp, &one, 1, &sent), CM_OK);
}

static void strangers_done(void *owner, cm_status status, cm_srtp_profile profile,
                           const cm_srtp_master *ours, const cm_srtp_master *theirs)
{
    stranger *s = owner;
    on_done(&s->r, status, profile, ours, theirs);
}

static void stranger_closed(void *owner)
{
    stranger *s = owner;
    on_closed(&s->r);
}

static void on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    stranger *s = owner;
    for (size_t i = 0; i < count; i++) {
        s->peer = datagrams[i].peer;
        cm_dtls_receive(s->r.dtls, datagrams[i].bytes);
    }
}

static void read_what_it_says(stranger *s)
{
    const ssize_t size = read(s->out, s->said + s->said_size, sizeof s->said - 1 - s->said_size);
    if (size > 0)
        s->said_size += (size_t)size;
    s->said[s->said_size] = '\0';
}

/* The program says the keying material when it is done. */
static bool has_said_its_keys(void *owner)
{
    stranger *s = owner;
    read_what_it_says(s);
    const char *at = strstr(s->said, "    Keying material: ");
    return s->r.done > 0 && at != NULL && strchr(at, '\n') != NULL;
}

static bool has_said_goodbye(void *owner)
{
    stranger *s = owner;
    read_what_it_says(s);
    return s->r.closed > 0;
}

static void start_stranger(stranger *s, const char *pem)
{
    char address[32];
    int in[2], out[2];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)cm_udp_local(s->udp).port);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        if (dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1 && dup2(out[1], 2) == 2)
            execlp("openssl", "openssl", "s_client", "-dtls1_2", "-connect", address, "-cert", pem,
                   "-key", pem, "-use_srtp", "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80",
                   "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "56", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    s->out = out[0];
    assert_int_equal(fcntl(s->out, F_SETFL, O_NONBLOCK), 0);
}

static void write_pem(const char *path)
{
    const dtls_certificate *certificate = certificate_of(DTLS_KEY_P256);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate->certificate), 1);
    assert_int_equal(PEM_write_PrivateKey(file, certificate->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

/* "0123…" of client's key, server's key, client's salt, server's salt. */
static void assert_said_keys(const stranger *s)
{
    char expected[2 * 56 + 1];
    size_t at = 0;
    const struct {
        const uint8_t *bytes;
        size_t size;
    } PARTS[] = {
        {s->r.theirs.key, 16}, {s->r.ours.key, 16}, {s->r.theirs.salt, 12}, {s->r.ours.salt, 12}};
    for (size_t i = 0; i < CM_COUNT(PARTS); i++)
        for (size_t k = 0; k < PARTS[i].size; k++)
            at += (size_t)snprintf(expected + at, sizeof expected - at, "%02X", PARTS[i].bytes[k]);
    const char *said = strstr(s->said, "    Keying material: ");
    assert_non_null(said);
    assert_memory_equal(said + strlen("    Keying material: "), expected, 2 * 56);
    assert_non_null(strstr(s->said, "SRTP Extension negotiated, profile=SRTP_AEAD_AES_128_GCM"));
}

static void s_client_agrees(void **state)
{
    (void)state;
    static const cm_dtls_events TO_STRANGER = {
        .on_send = send_to_stranger, .on_done = strangers_done, .on_closed = stranger_closed};
    stranger *s = calloc(1, sizeof *s);
    assert_non_null(s);
    char pem[] = "/tmp/casement-dtls-XXXXXX";
    const int file = mkstemp(pem);
    assert_true(file >= 0);
    close(file);
    write_pem(pem);
    world_open(&s->r.w);
    cm_udp_config udp = {.on_datagrams = on_datagrams, .owner = s};
    assert_int_equal(cm_address_parse(CM_TEXT("127.0.0.1:0"), 0, &udp.local), CM_OK);
    assert_int_equal(cm_net_create(s->r.w.loop, &s->net), CM_OK);
    assert_int_equal(cm_udp_open(s->net, &udp, &s->udp), CM_OK);
    const cm_fingerprint announced =
        dtls_certificate_digest(certificate_of(DTLS_KEY_P256), EVP_sha256());
    const cm_dtls_config config = {.loop = s->r.w.loop,
                                   .identity = identity,
                                   .fingerprints = &announced,
                                   .fingerprint_count = 1,
                                   .counters = &s->r.counters,
                                   .events = &TO_STRANGER,
                                   .owner = s};
    assert_int_equal(cm_dtls_create(&config, &s->r.dtls), CM_OK);
    start_stranger(s, pem);
    const bool has_keys = world_run(&s->r.w, has_said_its_keys, s);
    if (!has_keys)
        print_error("%s\n", s->said);
    assert_true(has_keys);
    assert_int_equal(s->r.status, CM_OK);
    assert_said_keys(s);
    close(s->in); /* the end of its input, at which it says goodbye */
    assert_true(world_run(&s->r.w, has_said_goodbye, s));
    cm_dtls_destroy(s->r.dtls);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    close(s->out);
    cm_udp_close(s->udp);
    cm_net_destroy(s->net);
    world_close(&s->r.w);
    unlink(pem);
    free(s);
}

/* ---- running ---- */

static int make_identity(void **state)
{
    (void)state;
    return cm_dtls_identity_create((cm_wall){CM_SECONDS(1800000000)}, &identity) == CM_OK ? 0 : -1;
}

static int free_identity(void **state)
{
    (void)state;
    cm_dtls_identity_destroy(identity);
    for (size_t i = 0; i < CM_COUNT(certificates); i++)
        dtls_certificate_free(&certificates[i]);
    return 0;
}

#define CASE(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(both_have_the_same_keys),
        CASE(a_client_with_one_profile_gets_that),
        CASE(without_a_common_profile_nothing_is_computed),
        CASE(extended_master_secret_is_a_condition),
        CASE(old_versions_and_suites_are_refused),
        CASE(peers_have_keys_of_these_kinds),
        CASE(a_peer_without_certificate_is_refused),
        CASE(the_certificate_is_the_announced_one),
        CASE(a_foreign_peer_is_told_by_an_alert),
        CASE(what_cannot_be_expected_is_refused),
        CASE(fingerprints_are_read),
        CASE(our_certificate_is_the_one_we_announce),
        CASE(each_identity_is_another),
        CASE(any_datagram_may_be_lost),
        CASE(a_quick_client_gets_quick_answers),
        CASE(an_unanswered_flight_is_repeated),
        CASE(a_third_of_all_may_be_lost),
        CASE(any_datagram_may_come_late),
        CASE(every_datagram_may_come_more_than_once),
        CASE(any_datagram_may_be_cut),
        CASE(any_datagram_may_be_spoiled),
        CASE(garbage_is_counted_and_costs_nothing),
        CASE(datagrams_show_what_they_hold),
        CASE(parts_may_come_in_any_order),
        CASE(parts_may_come_twice_and_late),
        CASE(parts_may_come_all_at_once),
        CASE(the_last_flight_is_repeated_when_asked_for),
        CASE(once_confirmed_nothing_is_repeated),
        CASE(after_ten_seconds_nothing_is_repeated),
        CASE(a_hello_after_the_end_is_not_answered),
        CASE(our_goodbye_is_understood),
        CASE(the_peers_goodbye_is_understood),
        CASE(a_forged_goodbye_is_not_believed),
        CASE(a_silent_peer_has_thirty_seconds),
        CASE(a_peer_that_falls_silent_costs_little),
        CASE(repeated_hellos_are_answered_so_often_only),
        CASE(more_than_fits_is_dropped),
        CASE(an_association_takes_so_many_datagrams),
        CASE(sealed_records_are_taken_sparingly),
        CASE(larger_datagrams_are_not_made),
        CASE(a_full_pool_is_waited_for),
        CASE(the_clock_may_jump),
        CASE(the_clock_may_jump_by_weeks),
        CASE(it_can_be_destroyed_at_any_step),
        CASE(it_can_be_destroyed_while_its_job_is_done),
        CASE(it_can_be_destroyed_when_done),
        CASE(many_at_once_share_the_pool),
        CASE(they_can_go_while_their_jobs_run),
        CASE(s_client_agrees),
    };
    return cmocka_run_group_tests(cases, make_identity, free_identity);
}
