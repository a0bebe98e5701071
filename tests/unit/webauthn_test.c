/* webauthn: what browsers and authenticators say, and each way in which it can be wrong. */
#include "authenticator.h"
#include "identity/webauthn_priv.h"

static const cm_cose_algorithm KINDS[] = {CM_COSE_ES256, CM_COSE_EDDSA, CM_COSE_RS256};

static cm_webauthn_want want_of(const ceremony *c)
{
    return (cm_webauthn_want){.challenge = cm_slice_over(c->challenge, sizeof c->challenge),
                              .rp = CM_TEXT("casement.example"),
                              .origin = CM_TEXT("https://casement.example:8443")};
}

static cm_status check_made(const ceremony *c, cm_webauthn_made *out, const char **cause)
{
    /* What is wanted stands before what is said is bent. */
    const ceremony plain = ceremony_of("webauthn.create");
    const cm_webauthn_want want = want_of(&plain);
    *cause = "none";
    return cm_webauthn_check_made(&want, said_client_data(c), said_attestation(c), out, cause);
}

static cm_status check_shown(const ceremony *c, const key_in_hand *key, uint32_t stored,
                             cm_webauthn_shown *out, const char **cause)
{
    const ceremony plain = ceremony_of("webauthn.get");
    const cm_webauthn_want want = want_of(&plain);
    const cm_webauthn_known known = {.cose = key_cose(key), .sign_count = stored};
    const cm_webauthn_answer answer = {said_client_data(c), said_authenticator_data(c),
                                       said_signature(c)};
    *cause = "none";
    return cm_webauthn_check_shown(&want, &known, &answer, out, cause);
}

static void assert_not_made(const ceremony *c, const char *cause)
{
    cm_webauthn_made made;
    const char *found;
    assert_int_equal(check_made(c, &made, &found), CM_REFUSE);
    assert_string_equal(found, cause);
}

static void assert_not_shown(const ceremony *c, const key_in_hand *key, const char *cause)
{
    cm_webauthn_shown shown;
    const char *found;
    assert_int_equal(check_shown(c, key, 0, &shown, &found), CM_REFUSE);
    assert_string_equal(found, cause);
}

/* ---- what is right ---- */

static void each_kind_of_key_is_made_and_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(KINDS); i++) {
        key_in_hand key;
        key_make(&key, KINDS[i], 1);
        ceremony c = ceremony_of("webauthn.create");
        c.sign_count = 5;
        say_made(&c, &key);
        cm_webauthn_made made;
        const char *cause;
        assert_int_equal(check_made(&c, &made, &cause), CM_OK);
        assert_true(cm_slice_equal(made.credential, key_id(&key)));
        assert_true(cm_slice_equal(made.cose, key_cose(&key)));
        assert_int_equal(made.sign_count, 5);
        assert_false(made.is_backup_eligible || made.is_backed_up);
        c = ceremony_of("webauthn.get");
        c.sign_count = 6;
        say_shown(&c, &key);
        cm_webauthn_shown shown;
        assert_int_equal(check_shown(&c, &key, 5, &shown, &cause), CM_OK);
        assert_int_equal(shown.sign_count, 6);
        key_destroy(&key);
    }
}

static void a_key_may_vouch_for_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(KINDS); i++) {
        key_in_hand key;
        key_make(&key, KINDS[i], 1);
        ceremony c = ceremony_of("webauthn.create");
        c.format = "packed";
        c.signs_itself = true;
        say_made(&c, &key);
        cm_webauthn_made made;
        const char *cause;
        assert_int_equal(check_made(&c, &made, &cause), CM_OK);
        c.signature[c.signature_size - 1] ^= 1;
        say_attestation(&c, &key);
        assert_not_made(&c, "bad-attestation");
        say_made(&c, &key);
        c.says_algorithm = KINDS[(i + 1) % CM_COUNT(KINDS)];
        say_attestation(&c, &key);
        assert_not_made(&c, "bad-attestation");
        key_destroy(&key);
    }
}

static void other_attestations_count_as_none(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    ceremony c = ceremony_of("webauthn.create");
    c.format = "tpm";
    c.signs_itself = true; /* a statement that nobody looks at */
    say_made(&c, &key);
    c.signature[0] ^= 1;
    say_attestation(&c, &key);
    cm_webauthn_made made;
    const char *cause;
    assert_int_equal(check_made(&c, &made, &cause), CM_OK);
    c.format = "none"; /* which has no statement (8.7) */
    say_attestation(&c, &key);
    assert_not_made(&c, "bad-attestation");
    c.format = "packed"; /* without algorithm and signature */
    c.signs_itself = false;
    say_attestation(&c, &key);
    assert_not_made(&c, "bad-attestation");
    key_destroy(&key);
}

static void backup_flags_are_told_and_never_change(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    ceremony c = ceremony_of("webauthn.create");
    c.flags = SAID_FINE | SAID_ELIGIBLE | SAID_BACKED_UP;
    say_made(&c, &key);
    cm_webauthn_made made;
    const char *cause;
    assert_int_equal(check_made(&c, &made, &cause), CM_OK);
    assert_true(made.is_backup_eligible && made.is_backed_up);
    c.flags = SAID_FINE | SAID_BACKED_UP;
    say_made(&c, &key);
    assert_not_made(&c, "bad-backup-flags");
    c = ceremony_of("webauthn.get");
    c.flags = SAID_FINE | SAID_ELIGIBLE;
    say_shown(&c, &key);
    assert_not_shown(&c, &key, "bad-backup-flags"); /* it was stored as not eligible */
    key_destroy(&key);
}

static void extensions_and_further_members_are_let_pass(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    ceremony c = ceremony_of("webauthn.create");
    c.flags = SAID_FINE | SAID_EXTENSIONS;
    c.extensions = BYTES(0xa1, 0x63, 'x', 'y', 'z', 0xf5);
    c.more_client_data = ",\"crossOrigin\":false,\"other_keys_can_be_added_here\":\"do not "
                         "compare clientDataJSON against a template\"";
    say_made(&c, &key);
    cm_webauthn_made made;
    const char *cause;
    assert_int_equal(check_made(&c, &made, &cause), CM_OK);
    c.extensions = BYTES(0x01); /* no map */
    say_made(&c, &key);
    assert_not_made(&c, "authenticator-data");
    key_destroy(&key);
}

/* ---- what the browser says is wrong ---- */

typedef void bend(ceremony *c);

static void bend_type(ceremony *c)
{
    c->type = "webauthn.other";
}
static void bend_challenge(ceremony *c)
{
    c->challenge[31] ^= 1;
}
static void bend_scheme(ceremony *c)
{
    c->origin = "http://casement.example:8443";
}
static void bend_port(ceremony *c)
{
    c->origin = "https://casement.example";
}
static void bend_host(ceremony *c)
{
    c->origin = "https://casement.example.evil.example:8443";
}
static void bend_frame(ceremony *c)
{
    c->more_client_data = ",\"crossOrigin\":true";
}
static void bend_frame_kind(ceremony *c)
{
    c->more_client_data = ",\"crossOrigin\":\"no\"";
}
static void bend_top(ceremony *c)
{
    c->more_client_data = ",\"crossOrigin\":false,\"topOrigin\":\"https://evil.example\"";
}
static void bend_twice(ceremony *c)
{
    c->more_client_data = ",\"type\":\"webauthn.create\"";
}
static void bend_rp(ceremony *c)
{
    c->rp = "evil.example";
}
static void bend_presence(ceremony *c)
{
    c->flags &= (uint8_t)~SAID_PRESENT;
}
static void bend_verification(ceremony *c)
{
    c->flags &= (uint8_t)~SAID_VERIFIED;
}

static const struct {
    bend *bend;
    const char *cause;
} BENDS[] = {
    {bend_type, "wrong-type"},         {bend_challenge, "wrong-challenge"},
    {bend_scheme, "wrong-origin"},     {bend_port, "wrong-origin"},
    {bend_host, "wrong-origin"},       {bend_frame, "cross-origin"},
    {bend_frame_kind, "cross-origin"}, {bend_top, "cross-origin"},
    {bend_twice, "client-data"},       {bend_rp, "wrong-rp"},
    {bend_presence, "not-present"},    {bend_verification, "not-verified"},
};

static void each_wrong_word_is_refused_by_its_name(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    for (size_t i = 0; i < CM_COUNT(BENDS); i++) {
        ceremony c = ceremony_of("webauthn.create");
        BENDS[i].bend(&c);
        say_made(&c, &key);
        assert_not_made(&c, BENDS[i].cause);
        c = ceremony_of("webauthn.get");
        BENDS[i].bend(&c);
        say_shown(&c, &key);
        assert_not_shown(&c, &key, BENDS[i].cause);
    }
    /* One ceremony's words are no use in the other. */
    ceremony c = ceremony_of("webauthn.get");
    say_made(&c, &key);
    assert_not_made(&c, "wrong-type");
    c = ceremony_of("webauthn.create");
    say_shown(&c, &key);
    assert_not_shown(&c, &key, "wrong-type");
    key_destroy(&key);
}

static void client_data_is_one_whole_object(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "", "{", "[]", "null", "{}x", "\xEF\xBB\xBF{}", "{\"type\":1}", "{\"challenge\":\"AA\"}"};
    uint8_t challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        assert_int_equal(cm_webauthn_challenge_of(cm_slice_of(BAD[i]), challenge), CM_REFUSE);
    ceremony c = ceremony_of("webauthn.get");
    say_client_data(&c);
    assert_int_equal(cm_webauthn_challenge_of(said_client_data(&c), challenge), CM_OK);
    assert_memory_equal(challenge, c.challenge, sizeof challenge);
}

/* ---- cut off, left over, too large ---- */

static void every_cut_is_refused(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    ceremony c = ceremony_of("webauthn.create");
    say_made(&c, &key);
    const size_t whole = c.attestation_size;
    cm_webauthn_made made;
    const char *cause;
    for (size_t size = 0; size < whole; size++) {
        c.attestation_size = size;
        assert_int_equal(check_made(&c, &made, &cause), CM_REFUSE);
    }
    c.attestation_size = whole + 1;
    c.attestation[whole] = 0;
    assert_not_made(&c, "attestation");
    for (size_t size = 0; size < c.client_data_size; size++) {
        ceremony cut = c;
        cut.attestation_size = whole;
        cut.client_data_size = size;
        assert_not_made(&cut, "client-data");
    }
    c = ceremony_of("webauthn.get");
    say_shown(&c, &key);
    for (size_t size = 0; size < c.authenticator_data_size; size++) {
        ceremony cut = c;
        cut.authenticator_data_size = size;
        assert_not_shown(&cut, &key, "authenticator-data");
    }
    c.authenticator_data[c.authenticator_data_size++] = 0;
    assert_not_shown(&c, &key, "authenticator-data");
    key_destroy(&key);
}

static void what_is_too_large_is_not_read(void **state)
{
    (void)state;
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    char filler[CM_WEBAUTHN_CLIENT_DATA_MAX];
    memset(filler, ' ', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    ceremony c = ceremony_of("webauthn.create");
    c.more_client_data = filler;
    say_made(&c, &key);
    assert_not_made(&c, "too-large");
    c = ceremony_of("webauthn.get");
    say_shown(&c, &key);
    c.signature_size = CM_WEBAUTHN_SIGNATURE_MAX + 1;
    assert_not_shown(&c, &key, "too-large");
    static uint8_t huge[CM_WEBAUTHN_ATTESTATION_MAX + 1];
    c = ceremony_of("webauthn.create");
    say_made(&c, &key);
    const cm_webauthn_want want = want_of(&c);
    cm_webauthn_made made;
    const char *cause;
    assert_int_equal(cm_webauthn_check_made(&want, said_client_data(&c),
                                            cm_slice_over(huge, sizeof huge), &made, &cause),
                     CM_REFUSE);
    assert_string_equal(cause, "too-large");
    key_destroy(&key);
}

/* ---- signatures and counters ---- */

static void a_signature_fits_its_key_and_its_words_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(KINDS); i++) {
        key_in_hand key, other;
        key_make(&key, KINDS[i], 1);
        key_make(&other, KINDS[i], 2);
        ceremony c = ceremony_of("webauthn.get");
        say_shown(&c, &other);
        assert_not_shown(&c, &key, "bad-signature");
        say_shown(&c, &key);
        c.signature[c.signature_size / 2] ^= 1;
        assert_not_shown(&c, &key, "bad-signature");
        say_shown(&c, &key);
        c.sign_count = 9; /* said, not signed */
        say_authenticator_data(&c, &key);
        assert_not_shown(&c, &key, "bad-signature");
        say_shown(&c, &key);
        c.more_client_data = ",\"x\":1";
        say_client_data(&c);
        assert_not_shown(&c, &key, "bad-signature");
        say_shown(&c, &key);
        c.signature_size = 0;
        assert_not_shown(&c, &key, "bad-signature");
        key_destroy(&key);
        key_destroy(&other);
    }
}

static void a_counter_only_rises(void **state)
{
    (void)state;
    static const struct {
        uint32_t stored, said;
        cm_status status;
    } CASES[] = {{0, 0, CM_OK},     {0, 1, CM_OK},     {5, 6, CM_OK},    {5, UINT32_MAX, CM_OK},
                 {5, 5, CM_REFUSE}, {5, 4, CM_REFUSE}, {5, 0, CM_REFUSE}};
    key_in_hand key;
    key_make(&key, CM_COSE_ES256, 1);
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        ceremony c = ceremony_of("webauthn.get");
        c.sign_count = CASES[i].said;
        say_shown(&c, &key);
        cm_webauthn_shown shown;
        const char *cause;
        assert_int_equal(check_shown(&c, &key, CASES[i].stored, &shown, &cause), CASES[i].status);
        if (CASES[i].status == CM_REFUSE)
            assert_string_equal(cause, "counter-went-back");
    }
    key_destroy(&key);
}

/* ---- keys and CBOR ---- */

static cm_status parse_key(cm_slice bytes)
{
    cm_cose_key key;
    return cm_cose_key_parse(bytes, &key);
}

static void keys_are_of_the_kinds_taken(void **state)
{
    (void)state;
    for (size_t k = 0; k < CM_COUNT(KINDS); k++) {
        key_in_hand key;
        key_make(&key, KINDS[k], 1);
        cm_cose_key parsed;
        assert_int_equal(cm_cose_key_parse(key_cose(&key), &parsed), CM_OK);
        assert_int_equal(parsed.algorithm, KINDS[k]);
        for (size_t size = 0; size < key.cose_size; size++)
            assert_int_equal(parse_key(cm_slice_over(key.cose, size)), CM_REFUSE);
        key.cose[key.cose_size] = 0;
        assert_int_equal(parse_key(cm_slice_over(key.cose, key.cose_size + 1)), CM_REFUSE);
        /* Another type, algorithm, curve: the second bytes of the first three members. */
        static const size_t VALUES[] = {2, 4};
        for (size_t i = 0; i < CM_COUNT(VALUES); i++) {
            key.cose[VALUES[i]] ^= 1;
            assert_int_equal(parse_key(key_cose(&key)), CM_REFUSE);
            key.cose[VALUES[i]] ^= 1;
        }
        key.cose[0]++; /* a member more than there is */
        assert_int_equal(parse_key(key_cose(&key)), CM_REFUSE);
        uint8_t twice[CM_WEBAUTHN_COSE_MAX]; /* that many, the first of them twice */
        cm_writer w = cm_writer_over(twice, sizeof twice);
        cm_write_slice(&w, cm_slice_part(key_cose(&key), 0, 3));
        cm_write_slice(&w, cm_slice_from(key_cose(&key), 1));
        assert_int_equal(parse_key(cm_writer_done(&w)), CM_REFUSE);
        key_destroy(&key);
    }
}

static cm_status skip_all(cm_slice bytes)
{
    cm_reader r = cm_reader_over(bytes);
    cm_cbor_skip(&r);
    return cm_reader_finish(&r);
}

static void cbor_is_definite_short_and_shallow(void **state)
{
    (void)state;
    assert_int_equal(skip_all(BYTES(0x00)), CM_OK);
    assert_int_equal(skip_all(BYTES(0x18, 0x18)), CM_OK);
    assert_int_equal(skip_all(BYTES(0x18, 0x17)), CM_CLOSE); /* fits the head */
    assert_int_equal(skip_all(BYTES(0x19, 0x00, 0xff)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x1a, 0x00, 0x00, 0xff, 0xff)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x1b, 0, 0, 0, 1, 0, 0, 0, 0)), CM_OK);
    assert_int_equal(skip_all(BYTES(0x1c)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x5f, 0x41, 0, 0xff)), CM_CLOSE); /* no end told */
    assert_int_equal(skip_all(BYTES(0x9f, 0xff)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0xf5)), CM_OK);
    assert_int_equal(skip_all(BYTES(0xf9, 0x3c, 0x00)), CM_OK);
    assert_int_equal(skip_all(BYTES(0xfb, 0, 0, 0, 0, 0, 0, 0)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x82, 0x01)), CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
                     CM_CLOSE);
    assert_int_equal(skip_all(BYTES(0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0, 0)), CM_CLOSE);
    uint8_t deep[CM_CBOR_DEPTH_MAX + 2];
    memset(deep, 0x81, sizeof deep);
    deep[sizeof deep - 2] = 0x80;
    assert_int_equal(skip_all(cm_slice_over(deep + 1, sizeof deep - 2)), CM_OK);
    deep[sizeof deep - 2] = 0x81;
    deep[sizeof deep - 1] = 0x00;
    assert_int_equal(skip_all(cm_slice_over(deep, sizeof deep)), CM_CLOSE);
}

static void an_attestation_says_each_thing_once(void **state)
{
    (void)state;
    cm_attestation a;
    static const uint8_t MISSING[] = {0xa1, 0x63, 'f', 'm', 't', 0x64, 'n', 'o', 'n', 'e'};
    assert_int_equal(cm_attestation_parse(cm_slice_over(MISSING, sizeof MISSING), &a), CM_REFUSE);
    static const uint8_t TWICE[] = {0xa4, 0x63, 'f',  'm', 't', 0x61, 'x', 0x63, 'f', 'm', 't',
                                    0x61, 'x',  0x67, 'a', 't', 't',  'S', 't',  'm', 't', 0xa0,
                                    0x68, 'a',  'u',  't', 'h', 'D',  'a', 't',  'a', 0x40};
    assert_int_equal(cm_attestation_parse(cm_slice_over(TWICE, sizeof TWICE), &a), CM_REFUSE);
    static const uint8_t FINE[] = {0xa4, 0x61, 'z', 0xf6, 0x63, 'f', 'm', 't', 0x61, 'x',
                                   0x67, 'a',  't', 't',  'S',  't', 'm', 't', 0xa0, 0x68,
                                   'a',  'u',  't', 'h',  'D',  'a', 't', 'a', 0x40};
    assert_int_equal(cm_attestation_parse(cm_slice_over(FINE, sizeof FINE), &a), CM_OK);
    assert_text(a.format, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_key_is_made_and_shown),
        cmocka_unit_test(a_key_may_vouch_for_itself),
        cmocka_unit_test(other_attestations_count_as_none),
        cmocka_unit_test(backup_flags_are_told_and_never_change),
        cmocka_unit_test(extensions_and_further_members_are_let_pass),
        cmocka_unit_test(each_wrong_word_is_refused_by_its_name),
        cmocka_unit_test(client_data_is_one_whole_object),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(what_is_too_large_is_not_read),
        cmocka_unit_test(a_signature_fits_its_key_and_its_words_alone),
        cmocka_unit_test(a_counter_only_rises),
        cmocka_unit_test(keys_are_of_the_kinds_taken),
        cmocka_unit_test(cbor_is_definite_short_and_shallow),
        cmocka_unit_test(an_attestation_says_each_thing_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
