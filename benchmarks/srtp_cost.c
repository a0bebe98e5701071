/*
 * srtp_cost: what it costs to protect an RTP packet of 1,200 bytes, with both profiles, on both
 * back ends of AES-128-GCM, in one session and in 1,000 that take turns (each with its own keys, as
 * viewers are), beside the cipher's bare calls on as many contexts in the same run.
 *
 * Prints a line {"backend", "profile", "sessions", "protect_ns", "bare_ns", "rtcp_ns",
 * "session_bytes"} for each: medians of `runs`, per packet (RTCP: of 60 bytes), and what the heap
 * gave for a session that sends.
 */
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/random.h"
#include "common.h"
#include "net/srtp.h"

enum {
    PACKET_SIZE = 1200,
    HEADER_SIZE = 12,
    RTCP_SIZE = 60,
    SESSIONS_MAX = 1000,
    PACKETS = 20000, /* a run */
    RTCP_PACKETS = 5000,
    RUNS_MAX = 101,
};

/* Whatever the bare cipher needs for one key. */
typedef struct bare {
    cm_aead *aead;
    EVP_CIPHER_CTX *counter;
    EVP_MAC_CTX *mac;
} bare;

typedef struct rig {
    cm_srtp_profile profile;
    size_t count;
    cm_srtp *sessions[SESSIONS_MAX + 1]; /* the last is not measured */
    bare bares[SESSIONS_MAX];
    uint16_t sequence;
    size_t session_bytes;
} rig;

static uint8_t packet[PACKET_SIZE + CM_SRTP_RTP_OVERHEAD] = {0x80, 96};
static uint8_t report[RTCP_SIZE + CM_SRTP_RTCP_OVERHEAD] = {0x81, 201, 0, 14};

static void must(cm_status status)
{
    if (status != CM_OK)
        bench_die("srtp: %s", cm_status_name(status));
}

static void must_1(int result)
{
    if (result != 1)
        bench_die("OpenSSL refused");
}

static void send_rtp(rig *r, size_t session)
{
    size_t size;
    packet[2] = (uint8_t)(r->sequence >> 8);
    packet[3] = (uint8_t)r->sequence;
    must(cm_srtp_protect(r->sessions[session], packet, PACKET_SIZE, &size));
}

static void open_session(rig *r, size_t session, cm_random *random)
{
    cm_srtp_master master[2];
    cm_random_fill(random, master, sizeof master);
    must(cm_srtp_create(r->profile, &master[0], &master[1], &r->sessions[session]));
    send_rtp(r, session); /* makes its cipher */
}

static void prepare(rig *r)
{
    cm_random random = cm_random_system();
    open_session(r, r->count, &random); /* what the process needs once is not a session's */
    const size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < r->count; i++)
        open_session(r, i, &random);
    r->session_bytes = (mallinfo2().uordblks - before) / r->count;
}

static void prepare_bare(rig *r)
{
    cm_random random = cm_random_system();
    EVP_CIPHER *counter = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA1";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    for (size_t i = 0; i < r->count; i++) {
        bare *b = &r->bares[i];
        uint8_t key[20];
        cm_random_fill(&random, key, sizeof key);
        must(cm_aead_create(&b->aead));
        must(cm_aead_set_key(b->aead, key));
        b->counter = EVP_CIPHER_CTX_new();
        b->mac = EVP_MAC_CTX_new(mac);
        must_1(EVP_EncryptInit_ex2(b->counter, counter, key, NULL, NULL));
        must_1(EVP_MAC_init(b->mac, key, sizeof key, parameters));
    }
    EVP_CIPHER_free(counter);
    EVP_MAC_free(mac);
}

static void finish(rig *r)
{
    cm_srtp_destroy(r->sessions[r->count]);
    for (size_t i = 0; i < r->count; i++) {
        cm_srtp_destroy(r->sessions[i]);
        cm_aead_destroy(r->bares[i].aead);
        EVP_CIPHER_CTX_free(r->bares[i].counter);
        EVP_MAC_CTX_free(r->bares[i].mac);
    }
}

/* Nanoseconds a packet, as all of these. */
static double protect(rig *r)
{
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < PACKETS; i++) {
        if (i % r->count == 0)
            r->sequence++;
        send_rtp(r, i % r->count);
    }
    return (double)(bench_cpu_us() - began) * 1000 / PACKETS;
}

static double protect_rtcp(rig *r)
{
    size_t size;
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < RTCP_PACKETS; i++)
        must(cm_srtp_protect_rtcp(r->sessions[i % r->count], report, RTCP_SIZE, &size));
    return (double)(bench_cpu_us() - began) * 1000 / RTCP_PACKETS;
}

static void call_gcm(const bare *b, const uint8_t *nonce)
{
    must(cm_aead_seal(b->aead, nonce, cm_slice_over(packet, HEADER_SIZE), packet + HEADER_SIZE,
                      PACKET_SIZE - HEADER_SIZE));
}

static void call_cm(const bare *b, const uint8_t *iv)
{
    uint8_t digest[20];
    size_t digest_size;
    int done;
    must_1(EVP_EncryptInit_ex2(b->counter, NULL, NULL, iv, NULL));
    must_1(EVP_EncryptUpdate(b->counter, packet + HEADER_SIZE, &done, packet + HEADER_SIZE,
                             PACKET_SIZE - HEADER_SIZE));
    must_1(EVP_MAC_init(b->mac, NULL, 0, NULL));
    must_1(EVP_MAC_update(b->mac, packet, PACKET_SIZE));
    must_1(EVP_MAC_final(b->mac, digest, &digest_size, sizeof digest));
}

static double call_bare(rig *r)
{
    uint8_t iv[16] = {0};
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < PACKETS; i++) {
        const bare *b = &r->bares[i % r->count];
        iv[8] = (uint8_t)i;
        if (r->profile == CM_SRTP_AEAD_AES_128_GCM)
            call_gcm(b, iv);
        else
            call_cm(b, iv);
    }
    return (double)(bench_cpu_us() - began) * 1000 / PACKETS;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void measure(cm_srtp_profile profile, size_t sessions, size_t runs)
{
    static rig r;
    double protecting[RUNS_MAX], bare_calls[RUNS_MAX], reports[RUNS_MAX];
    r = (rig){.profile = profile, .count = sessions};
    prepare(&r);
    prepare_bare(&r);
    for (size_t run = 0; run < runs; run++) {
        protecting[run] = protect(&r);
        bare_calls[run] = call_bare(&r);
        reports[run] = protect_rtcp(&r);
    }
    printf("{\"backend\": \"%s\", \"profile\": \"%s\", \"sessions\": %zu, \"protect_ns\": %.0f, "
           "\"bare_ns\": %.0f, \"rtcp_ns\": %.0f, \"session_bytes\": %zu}\n",
           profile == CM_SRTP_AEAD_AES_128_GCM ? cm_aead_backend() : "evp",
           profile == CM_SRTP_AEAD_AES_128_GCM ? "AEAD_AES_128_GCM" : "AES_CM_128_HMAC_SHA1_80",
           sessions, median(protecting, runs), median(bare_calls, runs), median(reports, runs),
           r.session_bytes);
    fflush(stdout);
    finish(&r);
}

/* In a process of its own: a process chooses its back end once. */
static void measure_apart(const char *backend, cm_srtp_profile profile, size_t sessions,
                          size_t runs)
{
    const pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (backend != NULL)
            setenv("CASEMENT_AEAD", backend, 1);
        measure(profile, sessions, runs);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_die("a measurement failed");
}

int main(int argc, char **argv)
{
    uint64_t runs = 9;
    bench_read_options(argc, argv, (const bench_option[]){{.name = "runs", .number = &runs}, {0}});
    if (runs == 0 || runs > RUNS_MAX)
        bench_die("--runs: 1 to %d", RUNS_MAX);
    for (size_t sessions = 1; sessions <= SESSIONS_MAX; sessions *= SESSIONS_MAX) {
        measure_apart(NULL, CM_SRTP_AEAD_AES_128_GCM, sessions, runs);
        measure_apart("evp", CM_SRTP_AEAD_AES_128_GCM, sessions, runs);
        measure_apart(NULL, CM_SRTP_AES128_CM_SHA1_80, sessions, runs);
    }
    return 0;
}
