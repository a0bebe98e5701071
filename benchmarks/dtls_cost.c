/*
 * dtls_cost: what a DTLS handshake of a viewer costs the server, and what its association holds in
 * memory in each of its states. The client (OpenSSL's, P-256, as a browser) runs in between and is
 * not counted; on virtual time, so that the jobs of the pool run here and are counted.
 *
 * Prints {"handshake_us", "handshakes_a_second", "created_bytes", "begun_bytes", "keyed_bytes",
 * "confirmed_bytes"}: CPU time of one core, the median of `runs` of 200; memory as malloc has it,
 * the mean: created, after the ClientHello, with keys out and the last flight kept, and confirmed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../tests/unit/dtls_client.h"
#include "common.h"
#include "loop/sim.h"

enum { CROWD = 200, RUNS_MAX = 101, WARM_UP = 20 };

typedef enum stage { CREATED, BEGUN, KEYED, CONFIRMED, STAGES } stage;

typedef struct bench {
    cm_sim *sim;
    cm_loop *loop;
    cm_dtls_identity *identity;
    dtls_certificate certificate;
    cm_fingerprint announced;
    cm_dtls_counters counters;
    int64_t cpu_us;
    int64_t bytes[STAGES]; // added up
} bench;

typedef struct viewer {
    cm_dtls *dtls;
    dtls_client client;
    cm_dtls_queue for_client;
    bool is_keyed;
    int64_t bytes; // held by its association
} viewer;

static void must(cm_status status)
{
    if (status != CM_OK)
        bench_die("dtls: %s", cm_status_name(status));
}

static void on_send(void *owner, cm_slice datagram)
{
    viewer *v = owner;
    must(cm_dtls_queue_add(&v->for_client, datagram));
}

static void on_done(void *owner, cm_status status, cm_srtp_profile profile,
                    const cm_srtp_master *ours, const cm_srtp_master *theirs)
{
    viewer *v = owner;
    (void)profile;
    (void)ours;
    (void)theirs;
    must(status);
    v->is_keyed = true;
}

static void on_closed(void *owner)
{
    (void)owner;
}

static int64_t held_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
}

/* Everything that the server does for what the client has said. */
static void serve(bench *b, viewer *v)
{
    const int64_t bytes = held_bytes();
    const int64_t began = bench_cpu_us();
    for (size_t i = 0; i < v->client.pipe.out.count; i++) {
        cm_dtls_receive(v->dtls, cm_dtls_queue_at(&v->client.pipe.out, i));
        cm_sim_run_for(b->sim, 0);
    }
    b->cpu_us += bench_cpu_us() - began;
    v->bytes += held_bytes() - bytes - (int64_t)v->for_client.bytes.capacity;
    cm_dtls_queue_deinit(&v->client.pipe.out);
}

static void answer(viewer *v)
{
    cm_dtls_queue said;
    cm_dtls_queue_init(&said);
    cm_dtls_queue_move(&v->for_client, &said);
    for (size_t i = 0; i < said.count; i++)
        dtls_client_go_on(&v->client, cm_dtls_queue_at(&said, i));
    cm_dtls_queue_deinit(&said);
}

static void join(bench *b, viewer *v)
{
    static const dtls_client_options OPTIONS = {0};
    static const cm_dtls_events EVENTS = {
        .on_send = on_send, .on_done = on_done, .on_closed = on_closed};
    const cm_dtls_config config = {.loop = b->loop,
                                   .identity = b->identity,
                                   .fingerprints = &b->announced,
                                   .fingerprint_count = 1,
                                   .counters = &b->counters,
                                   .events = &EVENTS,
                                   .owner = v};
    dtls_client_open(&v->client, &OPTIONS, &b->certificate);
    cm_dtls_queue_init(&v->for_client);
    const int64_t before = held_bytes();
    must(cm_dtls_create(&config, &v->dtls));
    v->bytes = held_bytes() - before;
    b->bytes[CREATED] += v->bytes;
    dtls_client_go_on(&v->client, (cm_slice){0});
    serve(b, v);
    b->bytes[BEGUN] += v->bytes;
    answer(v);
    serve(b, v);
    b->bytes[KEYED] += v->bytes;
    answer(v);
    if (!v->is_keyed || !v->client.is_done)
        bench_die("a handshake was not completed");
    const int64_t keyed = held_bytes();
    cm_dtls_confirm(v->dtls);
    v->bytes += held_bytes() - keyed;
    b->bytes[CONFIRMED] += v->bytes;
}

/* Microseconds a handshake; all associations stay until the last has joined. */
static double run(bench *b, size_t count)
{
    viewer *viewers = calloc(count, sizeof *viewers);
    if (viewers == NULL)
        bench_die("no memory");
    b->cpu_us = 0;
    for (size_t i = 0; i < STAGES; i++)
        b->bytes[i] = 0;
    for (size_t i = 0; i < count; i++)
        join(b, &viewers[i]);
    for (size_t i = 0; i < count; i++) {
        cm_dtls_destroy(viewers[i].dtls);
        dtls_client_close(&viewers[i].client);
        cm_dtls_queue_deinit(&viewers[i].for_client);
    }
    free(viewers);
    return (double)b->cpu_us / (double)count;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    uint64_t runs = 9;
    /* malloc's cache per thread counts as held what was freed; it can be turned off at the start
     * only, and costs 3 % here. */
    if (getenv("GLIBC_TUNABLES") == NULL) {
        (void)setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        (void)execv("/proc/self/exe", argv);
        bench_die("can't execute itself");
    }
    bench_read_options(argc, argv, (const bench_option[]){{.name = "runs", .number = &runs}, {0}});
    if (runs == 0 || runs > RUNS_MAX)
        bench_die("--runs: 1 to %d", RUNS_MAX);
    bench b = {.certificate = dtls_certificate_make(DTLS_KEY_P256)};
    double took[RUNS_MAX];
    const cm_wall now = {bench_wall_us()};
    must(cm_sim_create(1, now, &b.sim));
    must(cm_sim_loop_create(b.sim, &(cm_loop_config){.index = 0}, &b.loop));
    must(cm_dtls_identity_create(now, &b.identity));
    b.announced = dtls_certificate_digest(&b.certificate, EVP_sha256());
    (void)run(&b, WARM_UP); /* OpenSSL looks its algorithms up once */
    for (size_t i = 0; i < runs; i++)
        took[i] = run(&b, CROWD);
    qsort(took, runs, sizeof *took, by_value);
    printf("{\"handshake_us\": %.0f, \"handshakes_a_second\": %.0f, \"created_bytes\": %lld, "
           "\"begun_bytes\": %lld, \"keyed_bytes\": %lld, \"confirmed_bytes\": %lld}\n",
           took[runs / 2], 1e6 / took[runs / 2], (long long)b.bytes[CREATED] / CROWD,
           (long long)b.bytes[BEGUN] / CROWD, (long long)b.bytes[KEYED] / CROWD,
           (long long)b.bytes[CONFIRMED] / CROWD);
    cm_loop_destroy(b.loop);
    cm_sim_destroy(b.sim);
    cm_dtls_identity_destroy(b.identity);
    dtls_certificate_free(&b.certificate);
    return 0;
}
