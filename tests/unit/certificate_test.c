/* net/certificate and net/tls: made, kept, renewed, replaced; files that are wrong. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/certificate_priv.h"
#include "net/tls.h"

#define DAYS(n) ((int64_t)(n)*24 * 60 * 60 * 1000000)
static const cm_wall START = {.us = INT64_C(1800000000) * 1000000};

static cm_wall later(int64_t days)
{
    return (cm_wall){.us = START.us + DAYS(days)};
}

static const cm_certificate_names NAMES = {
    .text = {"localhost", "casa.verdi.example", "127.0.0.1", "::1", "fd00::12"}, .count = 5};

static void a_certificate_is_renewed_at_two_thirds_of_its_life(void **state)
{
    (void)state;
    cm_certificate_pair ca, other, pair;
    assert_int_equal(cm_certificate_make_ca(START, &ca), CM_OK);
    assert_int_equal(cm_certificate_make_ca(START, &other), CM_OK);
    assert_int_equal(cm_certificate_make_server(&ca, &NAMES, START, &pair), CM_OK);
    assert_true(cm_certificate_is_fresh(&pair, &ca, &NAMES, START));
    assert_true(cm_certificate_is_fresh(&pair, &ca, &NAMES, later(240)));
    assert_false(cm_certificate_is_fresh(&pair, &ca, &NAMES, later(245)));
    assert_false(cm_certificate_is_fresh(&pair, &ca, &NAMES, later(-1)));
    assert_false(cm_certificate_is_fresh(&pair, &other, &NAMES, START));
    assert_true(cm_certificate_is_ca_valid(&ca, later(3600)));
    assert_false(cm_certificate_is_ca_valid(&ca, later(3640)));
    assert_false(cm_certificate_is_ca_valid(&pair, START)); /* it is no CA */
    cm_certificate_pair_deinit(&pair);
    cm_certificate_pair_deinit(&other);
    cm_certificate_pair_deinit(&ca);
}

static void other_names_want_another_certificate(void **state)
{
    (void)state;
    cm_certificate_pair ca, pair;
    cm_certificate_names fewer = NAMES, changed = NAMES;
    assert_int_equal(cm_certificate_make_ca(START, &ca), CM_OK);
    assert_int_equal(cm_certificate_make_server(&ca, &NAMES, START, &pair), CM_OK);
    fewer.count--;
    changed.text[4][7] = '3';
    assert_false(cm_certificate_is_fresh(&pair, &ca, &fewer, START));
    assert_false(cm_certificate_is_fresh(&pair, &ca, &changed, START));
    cm_certificate_pair_deinit(&pair);
    cm_certificate_pair_deinit(&ca);
}

/* ---- with files ---- */

typedef struct place {
    world w;
    cm_net *net;
    cm_tls *tls;
    char directory[64];
    char chain[96], key[96];
    size_t pairs;
    cm_status last;
} place;

static cm_status on_pair(void *owner, cm_slice chain, cm_slice key)
{
    place *p = owner;
    p->pairs++;
    return p->last = cm_tls_use(p->tls, chain, key);
}

static void place_open(place *p)
{
    *p = (place){.directory = "/tmp/casement-certificate-XXXXXX"};
    assert_non_null(mkdtemp(p->directory));
    (void)snprintf(p->chain, sizeof p->chain, "%s/server.crt", p->directory);
    (void)snprintf(p->key, sizeof p->key, "%s/server.key", p->directory);
    world_open(&p->w);
    assert_int_equal(cm_net_create(p->w.loop, &p->net), CM_OK);
    assert_int_equal(cm_tls_create(&p->tls), CM_OK);
}

static void place_close(place *p)
{
    static const char *const FILES[] = {"ca.crt", "ca.key", "server.crt", "server.key"};
    cm_tls_destroy(p->tls);
    cm_net_destroy(p->net);
    world_close(&p->w);
    for (size_t i = 0; i < CM_COUNT(FILES); i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%s", p->directory, FILES[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(p->directory), 0); /* nothing half-written was left */
}

static cm_status create(place *p, bool is_operators, cm_certificate **out)
{
    const cm_certificate_config config = {
        .data_directory = p->directory,
        .chain_file = is_operators ? p->chain : NULL,
        .key_file = is_operators ? p->key : NULL,
        .names = {CM_TEXT("casa.example"), CM_TEXT("bad,IP:1.2.3.4"), CM_TEXT("10.1.2.3")},
        .name_count = 3,
        .on_pair = on_pair,
        .owner = p,
    };
    return cm_certificate_create(p->net, &config, out);
}

static void fingerprint_of(cm_certificate *certificate, char out[CM_CERTIFICATE_FINGERPRINT_SIZE])
{
    assert_int_equal(cm_certificate_ca_fingerprint(certificate, out), CM_OK);
    assert_int_equal(strlen(out), 95);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void the_local_ca_is_made_once_and_kept(void **state)
{
    (void)state;
    place p;
    cm_certificate *certificate;
    char first[CM_CERTIFICATE_FINGERPRINT_SIZE], second[CM_CERTIFICATE_FINGERPRINT_SIZE];
    struct stat about;
    place_open(&p);
    assert_int_equal(create(&p, false, &certificate), CM_OK);
    assert_int_equal(p.pairs, 1);
    fingerprint_of(certificate, first);
    cm_certificate_check(certificate);
    assert_int_equal(p.pairs, 1); /* nothing changed */
    cm_certificate_destroy(certificate);
    assert_int_equal(stat(p.key, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(create(&p, false, &certificate), CM_OK);
    fingerprint_of(certificate, second);
    assert_string_equal(first, second);
    cm_certificate_destroy(certificate);
    place_close(&p);
}

static void a_lost_or_broken_server_pair_is_made_anew_under_the_same_ca(void **state)
{
    (void)state;
    place p;
    cm_certificate *certificate;
    char first[CM_CERTIFICATE_FINGERPRINT_SIZE], second[CM_CERTIFICATE_FINGERPRINT_SIZE];
    place_open(&p);
    assert_int_equal(create(&p, false, &certificate), CM_OK);
    fingerprint_of(certificate, first);
    cm_certificate_destroy(certificate);
    write_text(p.key, "cut off half-w");
    assert_int_equal(create(&p, false, &certificate), CM_OK);
    assert_int_equal(p.last, CM_OK);
    fingerprint_of(certificate, second);
    assert_string_equal(first, second);
    cm_certificate_destroy(certificate);
    place_close(&p);
}

static void a_damaged_ca_is_not_replaced_silently(void **state)
{
    (void)state;
    place p;
    cm_certificate *certificate = NULL;
    char path[96];
    place_open(&p);
    assert_int_equal(create(&p, false, &certificate), CM_OK);
    cm_certificate_destroy(certificate);
    certificate = NULL;
    (void)snprintf(path, sizeof path, "%s/ca.key", p.directory);
    write_text(path, "garbage");
    assert_int_equal(create(&p, false, &certificate), CM_BROKEN);
    assert_null(certificate);
    (void)unlink(path);
    assert_int_equal(create(&p, false, &certificate), CM_BROKEN);
    assert_null(certificate);
    place_close(&p);
}

static void operators_files_are_read_anew_and_a_bad_pair_keeps_the_old(void **state)
{
    (void)state;
    place p;
    cm_certificate *local, *certificate;
    cm_slice pem;
    place_open(&p);
    assert_int_equal(create(&p, true, &certificate), CM_REFUSE); /* no files yet */
    assert_int_equal(create(&p, false, &local), CM_OK);          /* which makes some */
    cm_certificate_destroy(local);
    assert_int_equal(create(&p, true, &certificate), CM_OK);
    assert_int_equal(cm_certificate_ca(certificate, &pem), CM_ABSENT);
    const size_t before = p.pairs;
    cm_certificate_check(certificate);
    assert_int_equal(p.pairs, before);
    write_text(p.key, "not a key");
    cm_certificate_check(certificate);
    assert_int_equal(p.pairs, before + 1);
    assert_int_equal(p.last, CM_REFUSE); /* tls keeps what it has: cm_tls_use's own case */
    cm_certificate_check(certificate);
    assert_int_equal(p.pairs, before + 1); /* the same bad file is not complained of each 10 s */
    (void)unlink(p.key);
    assert_int_equal(create(&p, false, &local), CM_OK); /* a new good pair */
    cm_certificate_destroy(local);
    cm_certificate_check(certificate);
    assert_int_equal(p.last, CM_OK);
    cm_certificate_destroy(certificate);
    place_close(&p);
}

static void pairs_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    place p;
    cm_certificate_pair a, b;
    cm_buffer chain, key, other_key;
    place_open(&p);
    cm_buffer_init(&chain, 1 << 16);
    cm_buffer_init(&key, 1 << 16);
    cm_buffer_init(&other_key, 1 << 16);
    assert_int_equal(cm_certificate_make_ca(START, &a), CM_OK);
    assert_int_equal(cm_certificate_make_ca(START, &b), CM_OK);
    assert_int_equal(cm_certificate_write_pem(a.certificate, &chain), CM_OK);
    assert_int_equal(cm_certificate_write_key_pem(a.key, &key), CM_OK);
    assert_int_equal(cm_certificate_write_key_pem(b.key, &other_key), CM_OK);
    const cm_slice good = cm_buffer_data(&chain), good_key = cm_buffer_data(&key);
    assert_int_equal(cm_tls_use(p.tls, good, good_key), CM_OK);
    assert_int_equal(cm_tls_use(p.tls, good, cm_buffer_data(&other_key)), CM_REFUSE);
    assert_int_equal(cm_tls_use(p.tls, (cm_slice){0}, good_key), CM_REFUSE);
    assert_int_equal(cm_tls_use(p.tls, good, (cm_slice){0}), CM_REFUSE);
    assert_int_equal(cm_tls_use(p.tls, good_key, good), CM_REFUSE);
    for (size_t cut = 1; cut < good.size - 2; cut += 37)
        assert_int_equal(cm_tls_use(p.tls, cm_slice_part(good, 0, cut), good_key), CM_REFUSE);
    cm_certificate_pair_deinit(&a);
    cm_certificate_pair_deinit(&b);
    cm_buffer_deinit(&chain);
    cm_buffer_deinit(&key);
    cm_buffer_deinit(&other_key);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_certificate_is_renewed_at_two_thirds_of_its_life),
        cmocka_unit_test(other_names_want_another_certificate),
        cmocka_unit_test(the_local_ca_is_made_once_and_kept),
        cmocka_unit_test(a_lost_or_broken_server_pair_is_made_anew_under_the_same_ca),
        cmocka_unit_test(a_damaged_ca_is_not_replaced_silently),
        cmocka_unit_test(operators_files_are_read_anew_and_a_bad_pair_keeps_the_old),
        cmocka_unit_test(pairs_that_do_not_belong_together_are_refused),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
