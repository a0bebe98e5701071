/* net/ice: which checks prove what, and what is answered. One behaviour a case. */
#include "unit.h"

#include <stdio.h>

#include "net/ice.h"
#include "proto/stun/stun_priv.h"

static cm_stun_hasher *hasher;
static cm_random rng;
static cm_ice ice;
static cm_instant now;
static cm_address peer;

static int open_all(void **state)
{
    (void)state;
    rng = cm_random_seeded(7);
    return cm_stun_hasher_create(&hasher) == CM_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    cm_stun_hasher_destroy(hasher);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    now = (cm_instant){CM_SECONDS(5000)};
    assert_int_equal(cm_address_parse(CM_TEXT("192.0.2.9:4000"), 0, &peer), CM_OK);
    assert_int_equal(cm_ice_init(&ice, &rng, CM_TEXT("theirs"), now), CM_OK);
    return 0;
}

/* ---- checks, and what comes of them ---- */

typedef struct check {
    char username[300];
    char key[CM_ICE_PWD_SIZE + 1];
    cm_stun_message message;
    uint8_t bytes[1024];
    cm_writer w;
} check;

/* A check as a controlling peer makes it, with these credentials of ours and that ufrag of its. */
static void check_make(check *c, const cm_ice_credentials *ours, const char *theirs)
{
    *c = (check){.message = {.method = CM_STUN_BINDING, .role = CM_STUN_CONTROLLING}};
    snprintf(c->username, sizeof c->username, "%s:%s", ours->ufrag, theirs);
    snprintf(c->key, sizeof c->key, "%s", ours->pwd);
    c->message.username = cm_slice_of(c->username);
    c->message.has_priority = true;
    cm_random_fill(&rng, c->message.transaction, sizeof c->message.transaction);
}

static cm_slice written(check *c)
{
    c->w = cm_writer_over(c->bytes, sizeof c->bytes);
    assert_int_equal(cm_stun_write(hasher, &c->message, cm_slice_of(c->key), &c->w), CM_OK);
    return cm_writer_done(&c->w);
}

typedef struct result {
    cm_status status;
    cm_ice_outcome outcome;
    uint8_t bytes[CM_ICE_ANSWER_MAX];
    size_t size;
    cm_stun_message answer; /* if there is one */
} result;

static result receive_bytes(cm_slice bytes, const char *key)
{
    cm_stun_message request;
    result r = {.status = CM_OK};
    assert_int_equal(cm_stun_parse(bytes, &request), CM_OK);
    const cm_ice_check arrived = {.request = &request, .from = peer, .now = now};
    cm_writer w = cm_writer_over(r.bytes, sizeof r.bytes);
    r.status = cm_ice_receive(&ice, hasher, &arrived, &w, &r.outcome);
    r.size = w.used;
    if (r.status != CM_OK) {
        assert_int_equal(r.size, 0); /* not one byte for strangers */
        return r;
    }
    assert_int_equal(cm_stun_parse(cm_slice_over(r.bytes, r.size), &r.answer), CM_OK);
    assert_int_equal(cm_stun_check_integrity(hasher, &r.answer, cm_slice_of(key)), CM_OK);
    assert_true(r.answer.has_fingerprint);
    assert_memory_equal(r.answer.transaction, request.transaction, CM_STUN_TRANSACTION_SIZE);
    return r;
}

static result receive(check *c)
{
    return receive_bytes(written(c), c->key);
}

static result receive_plain(void)
{
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    return receive(&c);
}

/* ---- credentials ---- */

static void credentials_are_long_and_of_ice_chars(void **state)
{
    (void)state;
    static const char ALL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const cm_ice_credentials first = *cm_ice_local(&ice);
    assert_int_equal(strlen(first.ufrag), CM_ICE_UFRAG_SIZE);
    assert_int_equal(strlen(first.pwd), CM_ICE_PWD_SIZE);
    assert_int_equal(strspn(first.ufrag, ALL), CM_ICE_UFRAG_SIZE);
    assert_int_equal(strspn(first.pwd, ALL), CM_ICE_PWD_SIZE);
    assert_int_equal(begin(NULL), 0);
    assert_string_not_equal(cm_ice_local(&ice)->ufrag, first.ufrag);
    assert_string_not_equal(cm_ice_local(&ice)->pwd, first.pwd);
}

static cm_status status_of_ufrag(const char *text)
{
    cm_ice other;
    const cm_status status = cm_ice_init(&other, &rng, cm_slice_of(text), now);
    if (status == CM_OK)
        cm_ice_deinit(&other);
    return status;
}

/* RFC 8839, 5.4 */
static void the_peers_ufrag_is_4_to_256_ice_chars(void **state)
{
    (void)state;
    char text[258];
    memset(text, 'a', sizeof text);
    text[257] = '\0';
    assert_int_equal(status_of_ufrag("abc"), CM_REFUSE);
    assert_int_equal(status_of_ufrag("aZ+/"), CM_OK);
    assert_int_equal(status_of_ufrag("a:bc"), CM_REFUSE);
    assert_int_equal(status_of_ufrag("a bc"), CM_REFUSE);
    assert_int_equal(status_of_ufrag(""), CM_REFUSE);
    assert_int_equal(status_of_ufrag(text), CM_REFUSE);
    text[256] = '\0';
    assert_int_equal(status_of_ufrag(text), CM_OK);
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("abc")), CM_REFUSE);
    assert_int_equal(receive_plain().status, CM_OK);
}

/* ---- checks ---- */

static void a_check_is_answered_with_where_it_came_from(void **state)
{
    (void)state;
    now = cm_instant_after(now, CM_SECONDS(3));
    const result r = receive_plain();
    assert_int_equal(r.status, CM_OK);
    assert_true(r.outcome.is_proven && !r.outcome.is_nominated && !r.outcome.is_conflict);
    assert_int_equal(r.answer.class, CM_STUN_SUCCESS);
    assert_int_equal(r.answer.mapped.port, 4000);
    assert_memory_equal(r.answer.mapped.bytes, ((const uint8_t[]){192, 0, 2, 9}), 4);
    assert_true(ice.heard.us == now.us);
}

static void an_ipv6_address_is_told_as_such(void **state)
{
    (void)state;
    assert_int_equal(cm_address_parse(CM_TEXT("[2001:db8::7]:9"), 0, &peer), CM_OK);
    const result r = receive_plain();
    assert_int_equal(r.answer.mapped.size, 16);
    assert_memory_equal(r.answer.mapped.bytes, peer.bytes, 16);
}

static void use_candidate_nominates(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    c.message.uses_candidate = true;
    const result r = receive(&c);
    assert_true(r.outcome.is_proven && r.outcome.is_nominated);
}

static void a_peer_that_says_no_role_is_taken_for_controlling(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    c.message.role = CM_STUN_NO_ROLE;
    assert_true(receive(&c).outcome.is_proven);
}

/* RFC 8445, 7.3.1.1: a lite agent is never controlling, so it is the peer who changes. */
static void a_controlled_peer_is_told_of_the_conflict(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    c.message.role = CM_STUN_CONTROLLED;
    c.message.uses_candidate = true;
    const cm_instant before = ice.heard;
    now = cm_instant_after(now, CM_SECONDS(1));
    const result r = receive(&c);
    assert_int_equal(r.status, CM_OK);
    assert_true(r.outcome.is_conflict && !r.outcome.is_proven && !r.outcome.is_nominated);
    assert_int_equal(r.answer.class, CM_STUN_ERROR);
    assert_int_equal(r.answer.error, 487);
    assert_true(ice.heard.us == before.us);
}

/* A check with attributes that our own writer does not know. */
static cm_slice written_with_unknown(check *c, uint16_t count)
{
    uint8_t integrity[CM_STUN_INTEGRITY_SIZE];
    cm_writer *w = &c->w;
    const cm_slice plain = written(c);
    w->used = plain.size - 24 - 8; /* MESSAGE-INTEGRITY and FINGERPRINT come anew */
    for (uint16_t i = 0; i < count; i++) {
        cm_write_u16(w, (uint16_t)(0x7000 + i));
        cm_write_u16(w, 0);
    }
    const cm_slice key = cm_slice_of(c->key);
    assert_int_equal(cm_stun_sign(hasher, cm_writer_done(w), key, integrity), CM_OK);
    cm_write_u16(w, CM_STUN_MESSAGE_INTEGRITY);
    cm_write_u16(w, sizeof integrity);
    cm_write_slice(w, cm_slice_over(integrity, sizeof integrity));
    cm_write_fill_u16(w, 2, (uint16_t)(w->used - CM_STUN_HEADER_SIZE + 8));
    const uint32_t fingerprint = cm_stun_fingerprint(cm_writer_done(w));
    cm_write_u16(w, CM_STUN_FINGERPRINT);
    cm_write_u16(w, 4);
    cm_write_u32(w, fingerprint);
    assert_false(w->failed);
    return cm_writer_done(w);
}

/* RFC 8489, 6.3.1 */
static void what_must_be_understood_and_is_not_is_told(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    const result r = receive_bytes(written_with_unknown(&c, 20), c.key);
    assert_int_equal(r.status, CM_OK);
    assert_false(r.outcome.is_proven);
    assert_int_equal(r.answer.class, CM_STUN_ERROR);
    assert_int_equal(r.answer.error, 420);
    assert_int_equal(r.answer.refused.count, CM_STUN_TYPES_MAX);
    assert_int_equal(r.answer.refused.types[1], 0x7001);
    assert_true(receive_bytes(written_with_unknown(&c, 0), c.key).outcome.is_proven);
}

/* ---- strangers ---- */

static void the_wrong_password_proves_nothing(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    c.key[5] ^= 1;
    now = cm_instant_after(now, CM_SECONDS(1));
    const cm_ice before = ice;
    assert_int_equal(receive(&c).status, CM_REFUSE);
    c.key[0] = '\0'; /* no MESSAGE-INTEGRITY at all */
    assert_int_equal(receive(&c).status, CM_REFUSE);
    assert_memory_equal(&ice, &before, sizeof ice);
}

static void usernames_of_others_are_unknown(void **state)
{
    (void)state;
    check c;
    const cm_ice_credentials *local = cm_ice_local(&ice);
    static const char *const THEIRS[] = {"their", "theirsx", "Theirs", ""};
    for (size_t i = 0; i < CM_COUNT(THEIRS); i++) {
        check_make(&c, local, THEIRS[i]);
        assert_int_equal(receive(&c).status, CM_ABSENT);
    }
    cm_ice_credentials foreign = *local;
    foreign.ufrag[7] ^= 1;
    check_make(&c, &foreign, "theirs");
    assert_int_equal(receive(&c).status, CM_ABSENT);
    static const char *const NONE[] = {"", ":", ":theirs", "a:theirs"};
    for (size_t i = 0; i < CM_COUNT(NONE); i++) {
        check_make(&c, local, "theirs");
        c.message.username = cm_slice_of(NONE[i]);
        assert_int_equal(receive(&c).status, CM_ABSENT);
    }
    check_make(&c, local, "theirs");
    c.message.username = cm_slice_of(local->ufrag);
    assert_int_equal(receive(&c).status, CM_ABSENT);
}

/* RFC 8445, 7.1: FINGERPRINT is in every check. */
static void a_check_without_fingerprint_is_refused(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    cm_slice bytes = written(&c);
    bytes.size -= 8;
    cm_write_fill_u16(&c.w, 2, (uint16_t)(bytes.size - 20));
    assert_int_equal(receive_bytes(bytes, c.key).status, CM_REFUSE);
}

/* ---- how many ---- */

static size_t answered_of(size_t count)
{
    size_t answered = 0;
    for (size_t i = 0; i < count; i++)
        answered += receive_plain().status == CM_OK;
    return answered;
}

static void checks_are_answered_200_at_once_and_100_a_second(void **state)
{
    (void)state;
    assert_int_equal(answered_of(300), 200);
    assert_int_equal(receive_plain().status, CM_FULL);
    now = cm_instant_after(now, CM_SECONDS(1));
    assert_int_equal(answered_of(300), 100);
    now = cm_instant_after(now, CM_SECONDS(3600));
    assert_int_equal(answered_of(300), 200);
}

static void forged_checks_use_up_nothing(void **state)
{
    (void)state;
    check c;
    check_make(&c, cm_ice_local(&ice), "theirs");
    c.key[0] ^= 1;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(receive(&c).status, CM_REFUSE);
    assert_int_equal(receive_plain().status, CM_OK);
}

/* ---- restart (RFC 8445, 9) ---- */

static void what_the_peer_uses_stays_until_it_uses_the_other(void **state)
{
    (void)state;
    check before, after;
    cm_slice ufrags[2];
    check_make(&before, cm_ice_local(&ice), "theirs");
    assert_true(receive(&before).outcome.is_confirmed);
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("others")), CM_OK);
    check_make(&after, cm_ice_local(&ice), "others");
    assert_string_not_equal(before.username, after.username);
    assert_string_not_equal(before.key, after.key);
    assert_int_equal(cm_ice_ufrags(&ice, ufrags), 2);
    result r = receive(&before);
    assert_true(r.status == CM_OK && !r.outcome.is_confirmed);
    r = receive(&after);
    assert_true(r.status == CM_OK && r.outcome.is_confirmed);
    assert_int_equal(receive(&before).status, CM_ABSENT);
    assert_false(receive(&after).outcome.is_confirmed); /* once */
    assert_int_equal(cm_ice_ufrags(&ice, ufrags), 1);
}

static void halves_of_two_generations_do_not_mix(void **state)
{
    (void)state;
    check c;
    const cm_ice_credentials first = *cm_ice_local(&ice);
    assert_int_equal(receive_plain().status, CM_OK);
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("others")), CM_OK);
    check_make(&c, &first, "others");
    assert_int_equal(receive(&c).status, CM_ABSENT);
    check_make(&c, cm_ice_local(&ice), "theirs");
    assert_int_equal(receive(&c).status, CM_ABSENT);
    check_make(&c, cm_ice_local(&ice), "others");
    snprintf(c.key, sizeof c.key, "%s", first.pwd);
    assert_int_equal(receive(&c).status, CM_REFUSE);
}

static void a_conflict_or_a_forged_check_confirms_nothing(void **state)
{
    (void)state;
    check before, after;
    check_make(&before, cm_ice_local(&ice), "theirs");
    assert_int_equal(receive(&before).status, CM_OK);
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("others")), CM_OK);
    check_make(&after, cm_ice_local(&ice), "others");
    after.message.role = CM_STUN_CONTROLLED;
    assert_true(receive(&after).outcome.is_conflict);
    after.key[0] ^= 1;
    assert_int_equal(receive(&after).status, CM_REFUSE);
    assert_int_equal(receive(&before).status, CM_OK);
}

static void of_two_restarts_the_second_counts(void **state)
{
    (void)state;
    check first, second, third;
    check_make(&first, cm_ice_local(&ice), "theirs");
    assert_int_equal(receive(&first).status, CM_OK);
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("second")), CM_OK);
    check_make(&second, cm_ice_local(&ice), "second");
    assert_int_equal(cm_ice_restart(&ice, &rng, CM_TEXT("third")), CM_OK);
    check_make(&third, cm_ice_local(&ice), "third");
    assert_int_equal(receive(&first).status, CM_OK);
    assert_int_equal(receive(&second).status, CM_ABSENT);
    assert_int_equal(receive(&third).status, CM_OK);
    assert_int_equal(receive(&first).status, CM_ABSENT);
}

#define CASE(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(credentials_are_long_and_of_ice_chars),
        CASE(the_peers_ufrag_is_4_to_256_ice_chars),
        CASE(a_check_is_answered_with_where_it_came_from),
        CASE(an_ipv6_address_is_told_as_such),
        CASE(use_candidate_nominates),
        CASE(a_peer_that_says_no_role_is_taken_for_controlling),
        CASE(a_controlled_peer_is_told_of_the_conflict),
        CASE(what_must_be_understood_and_is_not_is_told),
        CASE(the_wrong_password_proves_nothing),
        CASE(usernames_of_others_are_unknown),
        CASE(a_check_without_fingerprint_is_refused),
        CASE(checks_are_answered_200_at_once_and_100_a_second),
        CASE(forged_checks_use_up_nothing),
        CASE(what_the_peer_uses_stays_until_it_uses_the_other),
        CASE(halves_of_two_generations_do_not_mix),
        CASE(a_conflict_or_a_forged_check_confirms_nothing),
        CASE(of_two_restarts_the_second_counts),
    };
    return cmocka_run_group_tests_name("ice", tests, open_all, close_all);
}
