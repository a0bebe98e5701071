/* net/srtp: the vectors of the standards, indices and windows, and everything a stranger may try.
 */
#include "srtp_testing.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum { SSRC = 0x5501A0B2 };

static const cm_srtp_profile PROFILES[] = {CM_SRTP_AES128_CM_SHA1_80, CM_SRTP_AEAD_AES_128_GCM};
static const size_t TAG_SIZES[] = {10, 16};

/* Two ends of one session: what `a` protects, `b` unprotects, and the other way round. */
typedef struct ends {
    cm_srtp *a, *b;
    size_t tag_size;
} ends;

static ends ends_open(size_t profile)
{
    const cm_srtp_master first = testing_master(1), second = testing_master(2);
    ends e = {.tag_size = TAG_SIZES[profile]};
    assert_int_equal(cm_srtp_create(PROFILES[profile], &first, &second, &e.a), CM_OK);
    assert_int_equal(cm_srtp_create(PROFILES[profile], &second, &first, &e.b), CM_OK);
    return e;
}

static void ends_close(ends *e)
{
    cm_srtp_destroy(e->a);
    cm_srtp_destroy(e->b);
}

#define EACH_PROFILE(profile) for (size_t profile = 0; profile < CM_COUNT(PROFILES); profile++)

static testing_packet protect(cm_srtp *srtp, testing_packet p)
{
    assert_int_equal(cm_srtp_protect(srtp, p.bytes, p.size, &p.size), CM_OK);
    return p;
}

static testing_packet protect_rtcp(cm_srtp *srtp, testing_packet p)
{
    assert_int_equal(cm_srtp_protect_rtcp(srtp, p.bytes, p.size, &p.size), CM_OK);
    return p;
}

/* Each on a copy: what fails may spoil the bytes. */
static cm_status unprotect(cm_srtp *srtp, testing_packet p)
{
    return cm_srtp_unprotect(srtp, p.bytes, p.size, &p.size);
}

static cm_status unprotect_rtcp(cm_srtp *srtp, testing_packet p)
{
    return cm_srtp_unprotect_rtcp(srtp, p.bytes, p.size, &p.size);
}

/* Sends `sequence` from a to b. */
static cm_status pass(ends *e, uint16_t sequence)
{
    return unprotect(e->b, protect(e->a, testing_rtp_plain(SSRC, sequence)));
}

/* ---- vectors ---- */

static uint8_t nibble(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static testing_packet unhex(const char *text)
{
    testing_packet p = {.size = 0};
    for (; *text != '\0'; text += 2)
        p.bytes[p.size++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
    return p;
}

static void assert_hex(const uint8_t *bytes, const char *text)
{
    const testing_packet expected = unhex(text);
    assert_memory_equal(bytes, expected.bytes, expected.size);
}

/* A session whose keys are those given, in both directions, for RTP and RTCP. */
static cm_srtp *keyed_session(cm_srtp_profile profile, const char *cipher, const char *salt)
{
    const cm_srtp_master unused = testing_master(0);
    cm_srtp *srtp;
    cm_srtp_keys keys = {.cipher = {0}};
    const testing_packet key = unhex(cipher), salts = unhex(salt);
    cm_slice_copy(cm_slice_over(key.bytes, key.size), keys.cipher, sizeof keys.cipher);
    cm_slice_copy(cm_slice_over(salts.bytes, salts.size), keys.salt, sizeof keys.salt);
    assert_int_equal(cm_srtp_create(profile, &unused, &unused, &srtp), CM_OK);
    srtp->out.rtp = srtp->out.rtcp = srtp->in.rtp = srtp->in.rtcp = keys;
    return srtp;
}

/* RFC 3711, B.2 (and RFC 3711, 4.1.1): the key stream, seen through a packet of zeros. */
static void the_key_stream_is_that_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        size_t block;
        const char *bytes;
    } BLOCKS[] = {
        {0x0000, "e03ead0935c95e80e166b16dd92b4eb4"}, {0x0001, "d23513162b02d0f72a43a2fe4a5f97ab"},
        {0x0002, "41e95b3bb0a2e8dd477901e4fca894c0"}, {0xFEFF, "ec8cdf7398607cb0f2d21675ea9ea1e4"},
        {0xFF00, "362b7c3c6773516318a077d7fc5073ae"}, {0xFF01, "6a2cc3787889374fbeb4c81b17ba6c44"}};
    enum { HEADER = 12, PAYLOAD = 0xFF02 * 16 };
    cm_srtp *srtp = keyed_session(CM_SRTP_AES128_CM_SHA1_80, "2b7e151628aed2a6abf7158809cf4f3c",
                                  "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
    uint8_t *packet = calloc(1, HEADER + PAYLOAD + CM_SRTP_RTP_OVERHEAD);
    size_t size;
    packet[0] = 0x80;
    assert_int_equal(cm_srtp_protect(srtp, packet, HEADER + PAYLOAD, &size), CM_OK);
    for (size_t i = 0; i < CM_COUNT(BLOCKS); i++)
        assert_hex(packet + HEADER + BLOCKS[i].block * 16, BLOCKS[i].bytes);
    free(packet);
    cm_srtp_destroy(srtp);
}

/* RFC 3711, B.3; RFC 3711, 4.3.1; RFC 3711, 4.3.3. */
static void keys_are_derived_as_the_standard_says(void **state)
{
    (void)state;
    cm_srtp_master master;
    uint8_t out[94];
    const testing_packet key = unhex("e1f97a0d3e018be0d64fa32c06de4139");
    const testing_packet salt = unhex("0ec675ad498afeebb6960b3aabe6");
    cm_slice_copy(cm_slice_over(key.bytes, key.size), master.key, sizeof master.key);
    cm_slice_copy(cm_slice_over(salt.bytes, salt.size), master.salt, sizeof master.salt);
    assert_int_equal(cm_srtp_derive(&master, 14, 0, out, 16), CM_OK);
    assert_hex(out, "c61e7a93744f39ee10734afe3ff7a087");
    assert_int_equal(cm_srtp_derive(&master, 14, 2, out, 14), CM_OK);
    assert_hex(out, "30cbbc08863d8c85d49db34a9ae1");
    assert_int_equal(cm_srtp_derive(&master, 14, 1, out, 94), CM_OK);
    assert_hex(out, "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce"
                    "e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25"
                    "6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2");
}

/* RFC 3711, 4.3.2: six labels, in this order; RFC 7714, 11: a salt of 12 bytes, then zeros. */
static void every_key_has_its_own_label(void **state)
{
    (void)state;
    cm_srtp_master master = testing_master(3);
    cm_srtp_keys rtp, rtcp;
    assert_int_equal(cm_srtp_keys_derive(&master, 12, &rtp, &rtcp), CM_OK);
    master.salt[12] = master.salt[13] = 0;
    const struct {
        const uint8_t *key;
        size_t size;
    } keys[] = {{rtp.cipher, 16},  {rtp.auth, 20},  {rtp.salt, 14},
                {rtcp.cipher, 16}, {rtcp.auth, 20}, {rtcp.salt, 14}};
    for (uint8_t label = 0; label < CM_COUNT(keys); label++) {
        uint8_t out[20];
        assert_int_equal(cm_srtp_derive(&master, 14, label, out, keys[label].size), CM_OK);
        assert_memory_equal(keys[label].key, out, keys[label].size);
    }
}

#define GCM_KEY  "000102030405060708090a0b0c0d0e0f"
#define GCM_SALT "517569642070726f2071756f"

/* RFC 7714, 16.1.1; RFC 7714, 8.1; RFC 7714, 8.2 */
static void gcm_protects_rtp_as_the_standard_says(void **state)
{
    (void)state;
    const testing_packet plain = unhex(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e2070617274"
        "65732074726573");
    const testing_packet expected = unhex(
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d1"
        "9b36de3adf8833899d7f27beb16a9152cf765ee4390cce");
    cm_srtp *srtp = keyed_session(CM_SRTP_AEAD_AES_128_GCM, GCM_KEY, GCM_SALT);
    testing_packet p = protect(srtp, plain);
    assert_same(&p, &expected);
    assert_int_equal(cm_srtp_unprotect(srtp, p.bytes, p.size, &p.size), CM_OK);
    assert_same(&p, &plain);
    cm_srtp_destroy(srtp);
}

#define SRTCP_PLAIN                                                                                \
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeef"     \
    "deadbeefdeadbeef"

/* RFC 7714, 17.1; RFC 7714, 9.1; RFC 7714, 9.2. The packet is not the first one. */
static void gcm_protects_rtcp_as_the_standard_says(void **state)
{
    (void)state;
    const testing_packet plain = unhex(SRTCP_PLAIN);
    const testing_packet expected = unhex(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b"
        "4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4");
    cm_srtp *srtp = keyed_session(CM_SRTP_AEAD_AES_128_GCM, GCM_KEY, GCM_SALT);
    srtp->out.streams[0] =
        (cm_srtp_stream){.ssrc = 0x4d617273, .rtcp = {.highest = 0x5d3, .seen = {1}}};
    srtp->out.stream_count = 1;
    testing_packet p = protect_rtcp(srtp, plain);
    assert_same(&p, &expected);
    assert_int_equal(cm_srtp_unprotect_rtcp(srtp, p.bytes, p.size, &p.size), CM_OK);
    assert_same(&p, &plain);
    cm_srtp_destroy(srtp);
}

/* RFC 7714, 17.3; RFC 7714, 9.3 */
static void gcm_takes_rtcp_in_the_clear_that_is_authentic(void **state)
{
    (void)state;
    const testing_packet plain = unhex(SRTCP_PLAIN);
    const testing_packet sent = unhex(SRTCP_PLAIN "841dd9683dd78ec92ae58790125f62b3000005d4");
    cm_srtp *srtp = keyed_session(CM_SRTP_AEAD_AES_128_GCM, GCM_KEY, GCM_SALT);
    for (size_t bit = 0; bit < sent.size * 8; bit++) {
        testing_packet forged = sent;
        forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(unprotect_rtcp(srtp, forged), CM_OK);
    }
    testing_packet p = sent;
    assert_int_equal(cm_srtp_unprotect_rtcp(srtp, p.bytes, p.size, &p.size), CM_OK);
    assert_same(&p, &plain);
    assert_int_equal(unprotect_rtcp(srtp, sent), CM_REFUSE);
    cm_srtp_destroy(srtp);
}

/* RFC 3711, 3.4: the E flag, with the other profile. */
static void cm_takes_rtcp_in_the_clear_that_is_authentic(void **state)
{
    (void)state;
    ends e = ends_open(0);
    const testing_packet plain = testing_rtcp(SSRC, 1);
    testing_packet sent = plain;
    uint8_t digest[EVP_MAX_MD_SIZE];
    cm_writer w = cm_writer_over(sent.bytes + sent.size, 14);
    cm_write_u32(&w, 5);
    (void)HMAC(EVP_sha1(), e.b->in.rtcp.auth, 20, sent.bytes, sent.size + 4, digest, NULL);
    cm_write_slice(&w, cm_slice_over(digest, 10));
    sent.size += w.used;
    testing_packet p = sent;
    assert_int_equal(cm_srtp_unprotect_rtcp(e.b, p.bytes, p.size, &p.size), CM_OK);
    assert_same(&p, &plain);
    ends_close(&e);
}

/* ---- index and window ---- */

static int64_t estimate(int64_t highest, uint16_t sequence)
{
    const cm_srtp_window window = {.highest = highest, .seen = {1}};
    return cm_srtp_index_estimate(&window, sequence);
}

/* RFC 3711, 3.3.1 and appendix A: each branch, and each side of each comparison. */
static void an_index_is_the_nearest_with_its_sequence_number(void **state)
{
    (void)state;
    const int64_t five = INT64_C(5) << 16, cycle = 1 << 16;
    const cm_srtp_window nothing_yet = {0};
    assert_int_equal(cm_srtp_index_estimate(&nothing_yet, 65535), 65535);
    assert_int_equal(estimate(five + 100, 101), five + 101);
    assert_int_equal(estimate(five + 100, 99), five + 99);
    assert_int_equal(estimate(five + 100, 32868), five + 32868);         /* 32,768 ahead */
    assert_int_equal(estimate(five + 100, 32869), five - cycle + 32869); /* nearer behind */
    assert_int_equal(estimate(five + 32767, 65535), five + 65535);
    assert_int_equal(estimate(five + 0, 65535), five - 1);
    assert_int_equal(estimate(five + 32768, 0), five + 0); /* as far either way: this cycle's */
    assert_int_equal(estimate(five + 32769, 0), five + cycle);
    assert_int_equal(estimate(five + 65535, 0), five + cycle);
    assert_int_equal(estimate(five + 65535, 32766), five + cycle + 32766);
    assert_int_equal(estimate(five + 65535, 32767), five + 32767);
    /* There is nothing before the first cycle, and nothing after the last. */
    assert_true(estimate(10, 65530) < 0);
    assert_int_equal(estimate(CM_SRTP_INDEX_MAX, 65535), CM_SRTP_INDEX_MAX);
    assert_true(estimate(CM_SRTP_INDEX_MAX, 0) > CM_SRTP_INDEX_MAX);
}

/* RFC 3711, 3.3.2: against a plain list of what was seen. */
static void the_window_remembers_what_it_saw(void **state)
{
    (void)state;
    enum { INDICES = 60000 };
    bool *seen = calloc(INDICES, sizeof *seen);
    cm_random random = cm_random_seeded(7);
    cm_srtp_window window = {0};
    int64_t highest = -1, at = 200;
    size_t refused = 0, closed = 0;
    while (at < INDICES - 600) {
        /* Mostly a little ahead or behind, at times a leap over the whole window. */
        const uint64_t dice = cm_random_below(&random, 100);
        int64_t index = at + (int64_t)cm_random_below(&random, 8) - 3;
        if (dice < 20)
            index = at - (int64_t)cm_random_below(&random, 160);
        else if (dice < 26)
            index = at + 40 + (int64_t)cm_random_below(&random, 120);
        const bool is_open = index > highest || (highest - index < CM_SRTP_WINDOW && !seen[index]);
        assert_int_equal(cm_srtp_window_is_open(&window, index), is_open);
        refused += !is_open;
        if (is_open) {
            cm_srtp_window_close(&window, index);
            seen[index] = true;
            closed++;
            highest = index > highest ? index : highest;
        }
        at = highest + 1 > at ? highest + 1 : at + 1;
    }
    assert_int_equal(window.highest, highest);
    assert_true(refused > 100 && closed > 1000);
    free(seen);
}

/* RFC 3711, 3.3.1: the counter goes up on both sides. */
static void sequence_numbers_wrap(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        for (uint32_t i = 30000; i<30000 + 3 * 65536; i += i % 65536> 65500 ? 1 : 97)
            assert_int_equal(pass(&e, (uint16_t)i), CM_OK);
        assert_int_equal(e.a->out.stream_count, 1);
        assert_int_equal(e.b->in.stream_count, 1);
        assert_int_equal(e.b->in.streams[0].rtp.highest >> 16, 3);
        assert_int_equal(e.a->out.streams[0].rtp.highest, e.b->in.streams[0].rtp.highest);
        ends_close(&e);
    }
}

static void packets_may_be_lost_and_late_where_numbers_wrap(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        testing_packet sent[8];
        for (uint16_t i = 0; i < 8; i++)
            sent[i] = protect(e.a, testing_rtp_plain(SSRC, (uint16_t)(65532 + i)));
        static const size_t ORDER[] = {1, 5, 3, 0, 7, 4}; /* 2 and 6 are lost */
        for (size_t i = 0; i < CM_COUNT(ORDER); i++)
            assert_int_equal(unprotect(e.b, sent[ORDER[i]]), CM_OK);
        for (size_t i = 0; i < CM_COUNT(ORDER); i++)
            assert_int_equal(unprotect(e.b, sent[ORDER[i]]), CM_REFUSE);
        ends_close(&e);
    }
}

/* RFC 3711, 3.3.2 */
static void what_came_before_or_is_too_old_is_refused(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        testing_packet sent[CM_SRTP_WINDOW + 2];
        for (uint16_t i = 0; i < CM_COUNT(sent); i++)
            sent[i] = protect(e.a, testing_rtp_plain(SSRC, (uint16_t)(i + 1000)));
        assert_int_equal(unprotect(e.b, sent[CM_SRTP_WINDOW + 1]), CM_OK);
        assert_int_equal(unprotect(e.b, sent[CM_SRTP_WINDOW + 1]), CM_REFUSE);
        assert_int_equal(unprotect(e.b, sent[0]), CM_REFUSE);
        assert_int_equal(unprotect(e.b, sent[1]), CM_REFUSE);
        assert_int_equal(unprotect(e.b, sent[2]), CM_OK);
        assert_int_equal(unprotect(e.b, sent[2]), CM_REFUSE);
        ends_close(&e);
    }
}

/* Nothing was before the first cycle, and nothing comes after the last. */
static void what_no_index_can_name_is_refused(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        assert_int_equal(pass(&e, 5), CM_OK);
        testing_packet early = testing_rtp_plain(SSRC, 65533);
        early.size += e.tag_size;
        assert_int_equal(unprotect(e.b, early), CM_REFUSE);
        e.b->in.streams[0].rtp = (cm_srtp_window){.highest = CM_SRTP_INDEX_MAX, .seen = {1}};
        assert_int_equal(unprotect(e.b, protect(e.a, testing_rtp_plain(SSRC, 6))), CM_REFUSE);
        ends_close(&e);
    }
}

/* ---- there and back ---- */

static void packets_of_every_shape_come_back_as_they_were(void **state)
{
    (void)state;
    static const testing_shape SHAPES[] = {
        {0},
        {.payload_size = 1},
        {.payload_size = 1136},
        {.csrcs = 15, .payload_size = 100},
        {.has_extension = true, .payload_size = 3},
        {.csrcs = 2, .has_extension = true, .extension_words = 9, .payload_size = 17},
        {.has_extension = true, .extension_words = 4},
    };
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        for (uint16_t i = 0; i < CM_COUNT(SHAPES); i++) {
            const testing_packet plain = testing_rtp(SSRC, i, &SHAPES[i]);
            const size_t header = plain.size - SHAPES[i].payload_size;
            testing_packet p = protect(e.a, plain);
            assert_int_equal(p.size, plain.size + e.tag_size);
            assert_memory_equal(p.bytes, plain.bytes, header);
            if (SHAPES[i].payload_size > 16)
                assert_memory_not_equal(p.bytes + header, plain.bytes + header, 16);
            assert_int_equal(cm_srtp_unprotect(e.b, p.bytes, p.size, &p.size), CM_OK);
            assert_same(&p, &plain);
        }
        for (uint8_t blocks = 0; blocks < 32; blocks++) {
            const testing_packet plain = testing_rtcp(SSRC, blocks);
            testing_packet p = protect_rtcp(e.a, plain);
            assert_int_equal(p.size, plain.size + e.tag_size + 4);
            assert_memory_equal(p.bytes, plain.bytes, 8);
            assert_int_equal(cm_srtp_unprotect_rtcp(e.b, p.bytes, p.size, &p.size), CM_OK);
            assert_same(&p, &plain);
        }
        ends_close(&e);
    }
}

/* RFC 3711, 3.4: the index of SRTCP counts from zero, for each SSRC by itself. */
static void rtcp_counts_its_own_packets(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        const size_t from_end = profile == 0 ? 14 : 4;
        testing_packet sent[3];
        for (uint8_t i = 0; i < 3; i++) {
            sent[i] = protect_rtcp(e.a, testing_rtcp(SSRC, 1));
            const uint8_t expected[4] = {0x80, 0, 0, i};
            assert_memory_equal(sent[i].bytes + sent[i].size - from_end, expected, 4);
            assert_int_equal(pass(&e, i), CM_OK); /* RTP has nothing to do with it */
        }
        const testing_packet other = protect_rtcp(e.a, testing_rtcp(SSRC + 1, 1));
        assert_int_equal(other.bytes[other.size - from_end + 3], 0);
        assert_int_equal(unprotect_rtcp(e.b, sent[2]), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, sent[0]), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, other), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, sent[0]), CM_REFUSE);
        assert_int_equal(unprotect_rtcp(e.b, sent[1]), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, sent[1]), CM_REFUSE);
        assert_int_equal(unprotect_rtcp(e.b, sent[2]), CM_REFUSE);
        ends_close(&e);
    }
}

/* ---- what we must not do ourselves ---- */

/* RFC 3711, 9.1 and RFC 7714, 8.4: two packets of one index would share their key stream. */
static void no_sequence_number_is_protected_twice(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        (void)protect(e.a, testing_rtp_plain(SSRC, 500));
        (void)protect(e.a, testing_rtp_plain(SSRC, 700));
        (void)protect(e.a, testing_rtp_plain(SSRC, 600)); /* late, and never sent before */
        static const uint16_t USED[] = {500, 700, 600, 572};
        for (size_t i = 0; i < CM_COUNT(USED); i++) {
            const testing_packet plain = testing_rtp_plain(SSRC, USED[i]);
            testing_packet p = plain;
            assert_int_equal(cm_srtp_protect(e.a, p.bytes, p.size, &p.size), CM_REFUSE);
            assert_same(&p, &plain);
        }
        (void)protect(e.a, testing_rtp_plain(SSRC + 1, 700)); /* another SSRC is another stream */
        ends_close(&e);
    }
}

/* RFC 3711, 9.2 */
/* ---- once more ---- */

static cm_status protect_again(cm_srtp *srtp, testing_packet *p)
{
    return cm_srtp_protect_again(srtp, p->bytes, p->size, &p->size);
}

static void assert_same_packet(const testing_packet *a, const testing_packet *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
}

static void a_lost_packet_goes_once_more_as_it_was(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        enum { FIRST = 65400, COUNT = 300 }; /* over the turn of the sequence number */
        ends e = ends_open(profile);
        testing_packet sent[COUNT];
        assert_int_equal(cm_srtp_remember(e.a, SSRC), CM_OK);
        for (unsigned i = 0; i < COUNT; i++)
            sent[i] = protect(e.a, testing_rtp_plain(SSRC, (uint16_t)(FIRST + i)));
        for (unsigned i = 0; i < COUNT; i++) {
            testing_packet again = testing_rtp_plain(SSRC, (uint16_t)(FIRST + i));
            if (i < COUNT - CM_SRTP_REMEMBERED) {
                assert_int_equal(protect_again(e.a, &again), CM_ABSENT);
                continue;
            }
            assert_int_equal(protect_again(e.a, &again), CM_OK);
            assert_same_packet(&again, &sent[i]);
        }
        /* And the next one goes on where it was. */
        for (unsigned i = 0; i < COUNT - 1; i++)
            assert_int_equal(unprotect(e.b, sent[i]), CM_OK);
        assert_int_equal(pass(&e, (uint16_t)(FIRST + COUNT)), CM_OK);
        assert_int_equal(unprotect(e.b, sent[COUNT - 1]), CM_OK);
        ends_close(&e);
    }
}

static bool is_wiped(const testing_packet *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p->bytes[i] != 0)
            return false;
    return true;
}

/* One byte is enough, of header or payload: it would be another packet under the same key stream.
 */
static void another_packet_under_its_number_does_not_leave(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        const testing_packet plain = testing_rtp_plain(SSRC, 500);
        assert_int_equal(cm_srtp_remember(e.a, SSRC), CM_OK);
        const testing_packet sent = protect(e.a, plain);
        for (size_t i = 4; i < plain.size; i++) {
            testing_packet other = plain;
            if (i >= 8 && i < 12)
                continue; /* of another SSRC, see below */
            other.bytes[i] ^= 1;
            assert_int_equal(protect_again(e.a, &other), CM_FOREIGN);
            assert_true(is_wiped(&other, sent.size));
        }
        testing_packet shorter = plain;
        shorter.size--;
        assert_int_equal(protect_again(e.a, &shorter), CM_FOREIGN);
        testing_packet again = plain;
        assert_int_equal(protect_again(e.a, &again), CM_OK);
        assert_same_packet(&again, &sent);
        ends_close(&e);
    }
}

static void only_what_was_sent_and_is_remembered_goes_once_more(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        testing_packet p = testing_rtp_plain(SSRC, 500);
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT); /* nothing was sent at all */
        (void)protect(e.a, testing_rtp_plain(SSRC, 500));
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT); /* before anything was remembered */
        assert_int_equal(cm_srtp_remember(e.a, SSRC), CM_OK);
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT);
        (void)protect(e.a, testing_rtp_plain(SSRC, 501));
        (void)protect(e.a, testing_rtp_plain(SSRC + 1, 501));
        p = testing_rtp_plain(SSRC, 502);
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT);
        p = testing_rtp_plain(SSRC + 1, 501);
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT);
        p = testing_rtp_plain(SSRC + 2, 501);
        assert_int_equal(protect_again(e.a, &p), CM_ABSENT);
        p = (testing_packet){.size = 3};
        assert_int_equal(protect_again(e.a, &p), CM_CLOSE);
        p = testing_rtp_plain(SSRC, 501);
        assert_int_equal(protect_again(e.a, &p), CM_OK);
        ends_close(&e);
    }
}

static void a_key_that_is_used_up_protects_no_more(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        (void)protect(e.a, testing_rtp_plain(SSRC, 1));
        cm_srtp_stream *stream = &e.a->out.streams[0];
        stream->rtp = (cm_srtp_window){.highest = CM_SRTP_INDEX_MAX - 1, .seen = {1}};
        (void)protect(e.a, testing_rtp_plain(SSRC, 65535));
        testing_packet p = testing_rtp_plain(SSRC, 0);
        assert_int_equal(cm_srtp_protect(e.a, p.bytes, p.size, &p.size), CM_FULL);
        stream->rtcp = (cm_srtp_window){.highest = CM_SRTCP_INDEX_MAX - 1, .seen = {1}};
        (void)protect_rtcp(e.a, testing_rtcp(SSRC, 1));
        p = testing_rtcp(SSRC, 1);
        assert_int_equal(cm_srtp_protect_rtcp(e.a, p.bytes, p.size, &p.size), CM_FULL);
        ends_close(&e);
    }
}

static void a_ninth_ssrc_of_ours_is_refused(void **state)
{
    (void)state;
    ends e = ends_open(1);
    for (uint32_t i = 0; i < CM_SRTP_STREAMS_MAX; i++)
        (void)protect(e.a, testing_rtp_plain(SSRC + i, 1));
    testing_packet p = testing_rtp_plain(SSRC + 8, 1);
    assert_int_equal(cm_srtp_protect(e.a, p.bytes, p.size, &p.size), CM_FULL);
    p = testing_rtcp(SSRC + 8, 0);
    assert_int_equal(cm_srtp_protect_rtcp(e.a, p.bytes, p.size, &p.size), CM_FULL);
    (void)protect(e.a, testing_rtp_plain(SSRC + 7, 2));
    ends_close(&e);
}

/* ---- what a stranger may try ---- */

/* RFC 3711, 3.3 and RFC 3711, 4.2: not one bit may differ; what is refused changes nothing. */
static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    static const testing_shape SHAPE = {
        .csrcs = 1, .has_extension = true, .extension_words = 1, .payload_size = 30};
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        assert_int_equal(pass(&e, 1000), CM_OK);
        const testing_packet rtp = protect(e.a, testing_rtp(SSRC, 1001, &SHAPE));
        const testing_packet rtcp = protect_rtcp(e.a, testing_rtcp(SSRC, 1));
        cm_srtp_stream before[CM_SRTP_STREAMS_MAX];
        memcpy(before, e.b->in.streams, sizeof before);
        for (size_t bit = 0; bit < rtp.size * 8; bit++) {
            testing_packet forged = rtp;
            forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(unprotect(e.b, forged), CM_OK);
        }
        for (size_t bit = 0; bit < rtcp.size * 8; bit++) {
            testing_packet forged = rtcp;
            forged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(unprotect_rtcp(e.b, forged), CM_OK);
        }
        assert_int_equal(e.b->in.stream_count, 1);
        assert_memory_equal(before, e.b->in.streams, sizeof before[0]);
        assert_int_equal(unprotect(e.b, rtp), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, rtcp), CM_OK);
        ends_close(&e);
    }
}

/* A tag of another packet, of another key, of our own direction, and RTP where RTCP belongs. */
static void what_is_authentic_elsewhere_is_foreign_here(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        const testing_packet first = protect(e.a, testing_rtp_plain(SSRC, 1));
        const testing_packet second = protect(e.a, testing_rtp_plain(SSRC, 2));
        testing_packet mixed = second;
        cm_slice_copy(cm_slice_over(first.bytes + first.size - e.tag_size, e.tag_size),
                      mixed.bytes + mixed.size - e.tag_size, e.tag_size);
        assert_int_equal(unprotect(e.b, mixed), CM_FOREIGN);
        assert_int_equal(unprotect(e.a, first), CM_FOREIGN); /* reflected */
        assert_int_equal(unprotect_rtcp(e.a, protect_rtcp(e.a, testing_rtcp(SSRC, 1))), CM_FOREIGN);
        assert_int_equal(unprotect_rtcp(e.b, first), CM_FOREIGN);
        const cm_srtp_master other = testing_master(9);
        cm_srtp *stranger;
        assert_int_equal(cm_srtp_create(PROFILES[profile], &other, &other, &stranger), CM_OK);
        assert_int_equal(unprotect(e.b, protect(stranger, testing_rtp_plain(SSRC, 3))), CM_FOREIGN);
        assert_int_equal(unprotect(e.b, first), CM_OK);
        cm_srtp_destroy(stranger);
        ends_close(&e);
    }
}

/* A forged packet from far ahead must not move the window past what is yet to come. */
static void a_forged_number_moves_nothing(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        assert_int_equal(pass(&e, 10), CM_OK);
        testing_packet forged = protect(e.a, testing_rtp_plain(SSRC, 11));
        forged.bytes[2] = 0x70; /* the sequence number's upper half */
        assert_int_equal(unprotect(e.b, forged), CM_FOREIGN);
        assert_int_equal(pass(&e, 12), CM_OK);
        ends_close(&e);
    }
}

static void every_shorter_packet_is_refused(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        const testing_packet rtp = protect(e.a, testing_rtp_plain(SSRC, 1));
        const testing_packet rtcp = protect_rtcp(e.a, testing_rtcp(SSRC, 1));
        for (size_t size = 0; size < rtp.size; size++) {
            /* In memory of its own size, for the sanitizer to see a read past it. */
            uint8_t *bytes = malloc(size + 1);
            size_t out;
            memcpy(bytes, rtp.bytes, size);
            const cm_status status = cm_srtp_unprotect(e.b, bytes, size, &out);
            assert_int_equal(status, size < 12 + e.tag_size ? CM_CLOSE : CM_FOREIGN);
            free(bytes);
        }
        for (size_t size = 0; size < rtcp.size; size++) {
            uint8_t *bytes = malloc(size + 1);
            size_t out;
            memcpy(bytes, rtcp.bytes, size);
            const cm_status status = cm_srtp_unprotect_rtcp(e.b, bytes, size, &out);
            assert_int_equal(status, size < 8 + 4 + e.tag_size ? CM_CLOSE : CM_FOREIGN);
            free(bytes);
        }
        assert_int_equal(unprotect(e.b, rtp), CM_OK);
        assert_int_equal(unprotect_rtcp(e.b, rtcp), CM_OK);
        ends_close(&e);
    }
}

static void what_is_no_packet_is_refused_both_ways(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        size_t size;
        testing_packet wrong[] = {
            testing_rtp_plain(SSRC, 1), /* version 1 */
            testing_rtp(SSRC, 2, &(testing_shape){.csrcs = 2}),
            testing_rtp(SSRC, 3, &(testing_shape){.has_extension = true, .extension_words = 2}),
            testing_rtp(SSRC, 4, &(testing_shape){.has_extension = true}),
            testing_rtp(SSRC, 5, &(testing_shape){0}),
        };
        wrong[0].bytes[0] = 0x40;
        wrong[1].size -= 1;
        wrong[2].size -= 1;
        wrong[3].size -= 1;
        wrong[4].size -= 1;
        for (size_t i = 0; i < CM_COUNT(wrong); i++) {
            testing_packet p = wrong[i];
            assert_int_equal(cm_srtp_protect(e.a, p.bytes, p.size, &size), CM_CLOSE);
            assert_int_equal(cm_srtp_unprotect(e.b, p.bytes, p.size + e.tag_size, &size), CM_CLOSE);
        }
        testing_packet p = testing_rtcp(SSRC, 0);
        p.bytes[0] = 0x40;
        assert_int_equal(cm_srtp_protect_rtcp(e.a, p.bytes, p.size, &size), CM_CLOSE);
        assert_int_equal(cm_srtp_unprotect_rtcp(e.b, p.bytes, p.size + e.tag_size + 4, &size),
                         CM_CLOSE);
        assert_int_equal(cm_srtp_protect_rtcp(e.a, p.bytes, 7, &size), CM_CLOSE);
        assert_int_equal(e.a->out.stream_count + e.b->in.stream_count, 0);
        ends_close(&e);
    }
}

/* RFC 3711, 4.1.1: one packet's key stream is bounded. */
static void a_packet_beyond_its_key_stream_is_refused(void **state)
{
    (void)state;
    enum { LARGEST = 12 + (1 << 20) };
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        uint8_t *bytes = calloc(1, LARGEST + 1 + CM_SRTP_RTCP_OVERHEAD);
        size_t size;
        bytes[0] = 0x80;
        assert_int_equal(cm_srtp_protect(e.a, bytes, LARGEST + 1, &size), CM_CLOSE);
        assert_int_equal(cm_srtp_protect(e.a, bytes, LARGEST, &size), CM_OK);
        assert_int_equal(cm_srtp_protect_rtcp(e.a, bytes, LARGEST + 1, &size), CM_CLOSE);
        free(bytes);
        ends_close(&e);
    }
}

/* An SSRC costs nothing before its packet is authentic. */
static void forged_ssrcs_leave_nothing_behind(void **state)
{
    (void)state;
    EACH_PROFILE(profile)
    {
        ends e = ends_open(profile);
        for (uint32_t i = 0; i < 5000; i++) {
            testing_packet forged = testing_rtp_plain(i * 2654435761u, (uint16_t)i);
            forged.size += e.tag_size;
            assert_int_equal(unprotect(e.b, forged), CM_FOREIGN);
            forged = testing_rtcp(i * 2654435761u, 1);
            forged.size += e.tag_size + 4;
            assert_int_equal(unprotect_rtcp(e.b, forged), CM_FOREIGN);
        }
        assert_int_equal(e.b->in.stream_count, 0);
        for (uint32_t i = 0; i < CM_SRTP_STREAMS_MAX; i++)
            assert_int_equal(unprotect(e.b, protect(e.a, testing_rtp_plain(SSRC + i, 9))), CM_OK);
        /* All places are taken, and their owners keep them. */
        testing_packet ninth = testing_rtp_plain(SSRC + 8, 9);
        ninth.size += e.tag_size;
        assert_int_equal(unprotect(e.b, ninth), CM_FULL);
        ninth.size += 4;
        assert_int_equal(unprotect_rtcp(e.b, ninth), CM_FULL);
        for (uint32_t i = 0; i < CM_SRTP_STREAMS_MAX; i++)
            assert_int_equal(unprotect(e.b, protect(e.a, testing_rtp_plain(SSRC + i, 10))), CM_OK);
        ends_close(&e);
    }
}

static void an_unknown_profile_is_refused(void **state)
{
    (void)state;
    const cm_srtp_master master = testing_master(1);
    cm_srtp *srtp = NULL;
    assert_int_equal(cm_srtp_create((cm_srtp_profile)2, &master, &master, &srtp), CM_REFUSE);
    assert_null(srtp);
    cm_srtp_destroy(NULL);
}

static void a_session_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(cm_srtp) <= 1280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_stream_is_that_of_the_standard),
        cmocka_unit_test(keys_are_derived_as_the_standard_says),
        cmocka_unit_test(every_key_has_its_own_label),
        cmocka_unit_test(gcm_protects_rtp_as_the_standard_says),
        cmocka_unit_test(gcm_protects_rtcp_as_the_standard_says),
        cmocka_unit_test(gcm_takes_rtcp_in_the_clear_that_is_authentic),
        cmocka_unit_test(cm_takes_rtcp_in_the_clear_that_is_authentic),
        cmocka_unit_test(an_index_is_the_nearest_with_its_sequence_number),
        cmocka_unit_test(the_window_remembers_what_it_saw),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(packets_may_be_lost_and_late_where_numbers_wrap),
        cmocka_unit_test(what_came_before_or_is_too_old_is_refused),
        cmocka_unit_test(what_no_index_can_name_is_refused),
        cmocka_unit_test(packets_of_every_shape_come_back_as_they_were),
        cmocka_unit_test(rtcp_counts_its_own_packets),
        cmocka_unit_test(no_sequence_number_is_protected_twice),
        cmocka_unit_test(a_lost_packet_goes_once_more_as_it_was),
        cmocka_unit_test(another_packet_under_its_number_does_not_leave),
        cmocka_unit_test(only_what_was_sent_and_is_remembered_goes_once_more),
        cmocka_unit_test(a_key_that_is_used_up_protects_no_more),
        cmocka_unit_test(a_ninth_ssrc_of_ours_is_refused),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(what_is_authentic_elsewhere_is_foreign_here),
        cmocka_unit_test(a_forged_number_moves_nothing),
        cmocka_unit_test(every_shorter_packet_is_refused),
        cmocka_unit_test(what_is_no_packet_is_refused_both_ways),
        cmocka_unit_test(a_packet_beyond_its_key_stream_is_refused),
        cmocka_unit_test(forged_ssrcs_leave_nothing_behind),
        cmocka_unit_test(an_unknown_profile_is_refused),
        cmocka_unit_test(a_session_is_small),
    };
    return cmocka_run_group_tests_name("srtp", tests, NULL, NULL);
}
