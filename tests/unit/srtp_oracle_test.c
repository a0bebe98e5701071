/* net/srtp against libsrtp2: each reads what the other wrote, with both profiles. */
#include "srtp_testing.h"

#include <srtp2/srtp.h>

static const cm_srtp_profile PROFILES[] = {CM_SRTP_AES128_CM_SHA1_80, CM_SRTP_AEAD_AES_128_GCM};
#define EACH_PROFILE(profile) for (size_t profile = 0; profile < CM_COUNT(PROFILES); profile++)

/* `ours` and, at the other end, libsrtp's two halves. */
typedef struct ends {
    cm_srtp *ours;
    srtp_t sends;
    srtp_t receives;
} ends;

static srtp_t oracle_open(cm_srtp_profile profile, const cm_srtp_master *master, bool is_sender)
{
    uint8_t key[CM_SRTP_KEY_SIZE + CM_SRTP_SALT_SIZE]; /* of GCM the last two bytes are not read */
    srtp_policy_t policy = {.ssrc = {.type = is_sender ? ssrc_any_outbound : ssrc_any_inbound},
                            .key = key,
                            .window_size = CM_SRTP_WINDOW};
    srtp_t srtp;
    memcpy(key, master->key, CM_SRTP_KEY_SIZE);
    memcpy(key + CM_SRTP_KEY_SIZE, master->salt, CM_SRTP_SALT_SIZE);
    if (profile == CM_SRTP_AEAD_AES_128_GCM) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_rtp_default(&policy.rtp);
        srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    }
    assert_int_equal(srtp_create(&srtp, &policy), srtp_err_status_ok);
    return srtp;
}

static ends ends_open(size_t profile)
{
    const cm_srtp_master ours = testing_master(11), theirs = testing_master(12);
    ends e = {.sends = oracle_open(PROFILES[profile], &theirs, true),
              .receives = oracle_open(PROFILES[profile], &ours, false)};
    assert_int_equal(cm_srtp_create(PROFILES[profile], &ours, &theirs, &e.ours), CM_OK);
    return e;
}

static void ends_close(ends *e)
{
    cm_srtp_destroy(e->ours);
    assert_int_equal(srtp_dealloc(e->sends), srtp_err_status_ok);
    assert_int_equal(srtp_dealloc(e->receives), srtp_err_status_ok);
}

typedef srtp_err_status_t (*oracle_call)(srtp_t srtp, void *packet, int *size);

static testing_packet by_oracle(oracle_call call, srtp_t srtp, testing_packet p)
{
    int size = (int)p.size;
    assert_int_equal(call(srtp, p.bytes, &size), srtp_err_status_ok);
    p.size = (size_t)size;
    return p;
}

static testing_packet by_us(cm_status (*call)(cm_srtp *, uint8_t *, size_t, size_t *),
                            cm_srtp *srtp, testing_packet p)
{
    assert_int_equal(call(srtp, p.bytes, p.size, &p.size), CM_OK);
    return p;
}

/* RTP one way and the other; what is on the wire is the same as the oracle would have written. */
static void exchange_rtp(ends *e, const testing_packet *plain)
{
    const testing_packet sent = by_us(cm_srtp_protect, e->ours, *plain);
    const testing_packet heard = by_oracle(srtp_unprotect, e->receives, sent);
    assert_same(&heard, plain);
    const testing_packet theirs = by_oracle(srtp_protect, e->sends, *plain);
    assert_int_equal(theirs.size, sent.size);
    const testing_packet read = by_us(cm_srtp_unprotect, e->ours, theirs);
    assert_same(&read, plain);
}

static void exchange_rtcp(ends *e, const testing_packet *plain)
{
    const testing_packet sent = by_us(cm_srtp_protect_rtcp, e->ours, *plain);
    const testing_packet heard = by_oracle(srtp_unprotect_rtcp, e->receives, sent);
    assert_same(&heard, plain);
    const testing_packet theirs = by_oracle(srtp_protect_rtcp, e->sends, *plain);
    assert_int_equal(theirs.size, sent.size);
    const testing_packet read = by_us(cm_srtp_unprotect_rtcp, e->ours, theirs);
    assert_same(&read, plain);
}

static void packets_of_random_shapes_pass_both_ways(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        cm_random random = cm_random_seeded(profile + 1);
        for (uint16_t i = 0; i < 2000; i++) {
            const testing_shape shape = {.csrcs = (uint8_t)cm_random_below(&random, 16),
                                         .has_extension = cm_random_below(&random, 2) == 1,
                                         .extension_words = (uint8_t)cm_random_below(&random, 20),
                                         .payload_size = (size_t)cm_random_below(&random, 1300)};
            const testing_packet rtp = testing_rtp(1 + i % 4u, (uint16_t)(100 + i), &shape);
            exchange_rtp(&e, &rtp);
            const testing_packet rtcp =
                testing_rtcp(1 + i % 4u, (uint8_t)cm_random_below(&random, 32));
            exchange_rtcp(&e, &rtcp);
        }
        ends_close(&e);
    }
}

/* RFC 3711, 3.3.1: both count the same wraps, with losses. */
static void both_count_the_same_wraps(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        cm_random random = cm_random_seeded(profile + 5);
        for (uint32_t at = 20000; at<4 * 65536; at += at % 65536> 65400
                                      ? 1
                                      : 1 + (uint32_t)cm_random_below(&random, 700)) {
            const testing_packet plain = testing_rtp_plain(7, (uint16_t)at);
            exchange_rtp(&e, &plain);
        }
        assert_int_equal(e.ours->out.streams[0].rtp.highest >> 16, 3);
        assert_int_equal(e.ours->in.streams[0].rtp.highest >> 16, 3);
        ends_close(&e);
    }
}

/* A master in, the same bytes out: the oracle with our own master writes what we write. */
static void the_bytes_on_the_wire_are_the_same(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        const cm_srtp_master ours = testing_master(11);
        srtp_t twin = oracle_open(PROFILES[profile], &ours, true);
        for (uint16_t i = 0; i < 20; i++) {
            const testing_packet plain = testing_rtp_plain(3, i);
            const testing_packet sent = by_us(cm_srtp_protect, e.ours, plain);
            const testing_packet expected = by_oracle(srtp_protect, twin, plain);
            assert_same(&sent, &expected);
        }
        assert_int_equal(srtp_dealloc(twin), srtp_err_status_ok);
        ends_close(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_random_shapes_pass_both_ways),
        cmocka_unit_test(both_count_the_same_wraps),
        cmocka_unit_test(the_bytes_on_the_wire_are_the_same),
    };
    if (srtp_init() != srtp_err_status_ok)
        return 1;
    const int failed = cmocka_run_group_tests_name("srtp against libsrtp2", tests, NULL, NULL);
    return srtp_shutdown() == srtp_err_status_ok ? failed : 1;
}
