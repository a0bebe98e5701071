/* passkeys: names, challenges, making one, signing in with one, and recovery codes. */
#include "store_world.h"

#include "authenticator.h"
#include "identity/passkeys.h"

#define SOON ((cm_instant){.us = CM_SECONDS(1000)})

typedef struct rig {
    store_world w;
    cm_identity *identity;
    cm_passkeys *passkeys;
    cm_passkey_site site;
    cm_address from;
    key_in_hand key;
} rig;

static cm_address address(const char *text)
{
    cm_address out;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &out), CM_OK);
    return out;
}

static void rig_open(rig *r)
{
    *r = (rig){.from = address("192.168.1.7")};
    store_world_open(&r->w);
    const cm_identity_config config = {.store = r->w.store,
                                       .cost = {.passes = 1, .memory_bytes = 8192}};
    assert_int_equal(cm_identity_create(&config, &r->identity), CM_OK);
    const cm_slice names[] = {CM_TEXT("Casement.Example"), CM_TEXT("192.168.1.2"),
                              CM_TEXT("other.example"),    CM_TEXT("casement.example"),
                              CM_TEXT("bad name"),         CM_TEXT("::1")};
    const cm_passkeys_config passkeys = {
        .identity = r->identity, .names = names, .name_count = CM_COUNT(names)};
    assert_int_equal(cm_passkeys_create(&passkeys, &r->passkeys), CM_OK);
    assert_int_equal(
        cm_passkeys_site(r->passkeys, CM_TEXT("casement.example:8443"), true, &r->site), CM_OK);
    key_make(&r->key, CM_COSE_ES256, 1);
}

static void rig_close(rig *r)
{
    key_destroy(&r->key);
    cm_passkeys_destroy(r->passkeys);
    cm_identity_destroy(r->identity);
    store_world_close(&r->w);
}

/* ---- names ---- */

static void passkeys_belong_to_names(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *names[CM_PASSKEY_NAMES_MAX];
    assert_int_equal(cm_passkeys_names(r.passkeys, names), 3);
    assert_string_equal(names[0], "casement.example");
    assert_string_equal(names[1], "other.example");
    assert_string_equal(names[2], "localhost");
    static const struct {
        const char *host;
        bool is_secure;
        const char *rp, *origin; /* NULL: there are none here */
    } CASES[] = {
        {"casement.example:8443", true, "casement.example", "https://casement.example:8443"},
        {"CASEMENT.example", true, "casement.example", "https://casement.example"},
        {"casement.example:443", true, "casement.example", "https://casement.example"},
        {"localhost:8080", false, "localhost", "http://localhost:8080"},
        {"localhost:80", false, "localhost", "http://localhost"},
        {"localhost:443", false, "localhost", "http://localhost:443"},
        {"localhost:8443", true, "localhost", "https://localhost:8443"},
        {"casement.example:8080", false, NULL, NULL},
        {"192.168.1.2:8443", true, NULL, NULL},
        {"127.0.0.1:8080", false, NULL, NULL},
        {"[::1]:8443", true, NULL, NULL},
        {"evil.example", true, NULL, NULL},
        {"casement.example.evil.example", true, NULL, NULL},
        {"", true, NULL, NULL},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_passkey_site site;
        const cm_status status =
            cm_passkeys_site(r.passkeys, cm_slice_of(CASES[i].host), CASES[i].is_secure, &site);
        assert_int_equal(status, CASES[i].rp != NULL ? CM_OK : CM_ABSENT);
        if (status != CM_OK)
            continue;
        assert_string_equal(site.rp, CASES[i].rp);
        assert_string_equal(site.origin, CASES[i].origin);
    }
    rig_close(&r);
}

/* ---- challenges ---- */

static void digest(const char *text, uint8_t out[CM_MAC_SIZE])
{
    cm_secret_hash(cm_slice_of(text), out);
}

static void a_challenge_is_good_once_in_time_and_for_its_purpose(void **state)
{
    (void)state;
    cm_challenges *c;
    assert_int_equal(cm_challenges_create(0, &c), CM_OK);
    cm_random random = cm_random_seeded(1);
    const cm_address from = address("10.0.0.1");
    uint8_t one[CM_MAC_SIZE], other[CM_MAC_SIZE], challenge[CM_WEBAUTHN_CHALLENGE_SIZE];
    digest("one", one);
    digest("other", other);
    cm_challenges_make(c, &random, one, &from, SOON, challenge);
    assert_int_equal(cm_challenges_take(c, challenge, one, SOON), CM_OK);
    assert_int_equal(cm_challenges_take(c, challenge, one, SOON), CM_ABSENT);
    cm_challenges_make(c, &random, one, &from, SOON, challenge);
    assert_int_equal(cm_challenges_take(c, challenge, other, SOON), CM_ABSENT);
    assert_int_equal(cm_challenges_take(c, challenge, one, SOON), CM_ABSENT); /* used up by it */
    cm_challenges_make(c, &random, one, &from, SOON, challenge);
    const cm_instant last = {.us = SOON.us + CM_CHALLENGE_US - 1};
    assert_int_equal(cm_challenges_take(c, challenge, one, last), CM_OK);
    cm_challenges_make(c, &random, one, &from, SOON, challenge);
    const cm_instant late = {.us = SOON.us + CM_CHALLENGE_US};
    assert_int_equal(cm_challenges_take(c, challenge, one, late), CM_ABSENT);
    challenge[0] ^= 1;
    assert_int_equal(cm_challenges_take(c, challenge, one, SOON), CM_ABSENT);
    cm_challenges_destroy(c);
}

static void a_flood_ends_its_own_challenges(void **state)
{
    (void)state;
    cm_challenges *c;
    assert_int_equal(cm_challenges_create(64, &c), CM_OK);
    cm_random random = cm_random_seeded(1);
    const cm_address anna = address("10.0.0.1");
    uint8_t purpose[CM_MAC_SIZE], hers[CM_WEBAUTHN_CHALLENGE_SIZE];
    uint8_t flood[CM_CHALLENGES_PER_ADDRESS + 1][CM_WEBAUTHN_CHALLENGE_SIZE];
    digest("sign in", purpose);
    cm_challenges_make(c, &random, purpose, &anna, SOON, hers);
    for (size_t i = 0; i < CM_COUNT(flood); i++) {
        /* Another address of the same /64 each time. */
        char text[32];
        snprintf(text, sizeof text, "2001:db8::%zx", i + 1);
        const cm_address from = address(text);
        const cm_instant now = {.us = SOON.us + (int64_t)i};
        cm_challenges_make(c, &random, purpose, &from, now, flood[i]);
    }
    assert_int_equal(cm_challenges_take(c, flood[0], purpose, SOON), CM_ABSENT);
    assert_int_equal(cm_challenges_take(c, flood[1], purpose, SOON), CM_OK);
    assert_int_equal(cm_challenges_take(c, hers, purpose, SOON), CM_OK);
    /* From many places, the oldest goes; the table stays as it is. */
    cm_challenges_make(c, &random, purpose, &anna, SOON, hers);
    for (unsigned i = 0; i < 64; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.1.0.%u", i);
        const cm_address from = address(text);
        const cm_instant now = {.us = SOON.us + 100 + i};
        cm_challenges_make(c, &random, purpose, &from, now, flood[0]);
    }
    assert_int_equal(cm_challenges_take(c, hers, purpose, SOON), CM_ABSENT);
    assert_int_equal(cm_challenges_take(c, flood[0], purpose, SOON), CM_OK);
    cm_challenges_destroy(c);
}

/* ---- the ceremonies ---- */

/* `who` makes one, with a challenge asked for by `asker` and used by `user`: both that of `who`,
 * unless somebody cheats. */
static cm_status make_for(rig *r, size_t who, size_t asker, size_t user, const char **cause)
{
    const cm_passkey_purpose asked = {.site = &r->site, .session = r->w.sessions[asker].token_hash};
    ceremony c = ceremony_of("webauthn.create");
    cm_passkeys_challenge(r->passkeys, &asked, &r->from, SOON, c.challenge);
    say_made(&c, &r->key);
    const cm_passkey_making making = {
        .purpose = {.site = &r->site, .session = r->w.sessions[user].token_hash},
        .account = r->w.people[who].id,
        .name = CM_TEXT("Phone"),
        .client_data = said_client_data(&c),
        .attestation = said_attestation(&c),
        .now = SOON,
        .today = NOW};
    cm_stored_passkey out;
    *cause = "none";
    const cm_status status = cm_passkeys_make(r->passkeys, &making, &out, cause);
    if (status == CM_OK) {
        const char *again = NULL;
        cm_stored_passkey unused;
        assert_string_equal(out.rp, "casement.example");
        assert_int_equal(cm_passkeys_make(r->passkeys, &making, &unused, &again), CM_REFUSE);
        assert_string_equal(again, "no-challenge"); /* replayed */
    }
    return status;
}

typedef struct shown {
    ceremony c;
    cm_passkey_showing showing;
} shown;

/* What an honest browser says for `who`. */
static void prepare(rig *r, size_t who, uint32_t count, shown *s)
{
    s->c = ceremony_of("webauthn.get");
    s->c.sign_count = count;
    const cm_passkey_purpose purpose = {.site = &r->site};
    cm_passkeys_challenge(r->passkeys, &purpose, &r->from, SOON, s->c.challenge);
    say_shown(&s->c, &r->key);
    s->showing = (cm_passkey_showing){
        .purpose = {.site = &r->site},
        .credential = key_id(&r->key),
        .user_handle = cm_slice_of(r->w.people[who].id.text),
        .answer = {said_client_data(&s->c), said_authenticator_data(&s->c), said_signature(&s->c)},
        .now = SOON,
        .today = NOW};
}

static cm_status sign_in(rig *r, const shown *s, const char **cause)
{
    cm_passkey_session session;
    *cause = "none";
    const cm_status status = cm_passkeys_sign_in(r->passkeys, &s->showing, &session, cause);
    if (status == CM_OK) {
        const cm_asker asker = asker_of(CM_ASKER_SESSION, session.token.text);
        CM_AUTO(cm_who_clear) cm_who who = {.home_count = 0};
        const char *unused;
        assert_int_equal(cm_store_who(r->w.store, &asker, NOW, &who, &unused), CM_OK);
        assert_true(cm_account_id_equal(&who.account, &session.account.id));
        cm_change_clear(&session.change);
    }
    return status;
}

static void assert_refused(rig *r, const shown *s, const char *expected)
{
    const char *cause;
    assert_int_equal(sign_in(r, s, &cause), CM_REFUSE);
    assert_string_equal(cause, expected);
}

static void one_is_made_and_signs_in(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    shown s;
    prepare(&r, ANNA, 1, &s);
    assert_int_equal(sign_in(&r, &s, &cause), CM_OK);
    assert_refused(&r, &s, "no-challenge"); /* replayed */
    prepare(&r, ANNA, 1, &s);
    assert_refused(&r, &s, "counter-went-back");
    prepare(&r, ANNA, 2, &s);
    assert_int_equal(sign_in(&r, &s, &cause), CM_OK);
    rig_close(&r);
}

static void a_challenge_is_its_sessions_alone(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    assert_int_equal(make_for(&r, CARLA, ANNA, CARLA, &cause), CM_REFUSE);
    assert_string_equal(cause, "no-challenge");
    /* One for signing in makes no passkey. */
    const cm_passkey_purpose purpose = {.site = &r.site};
    ceremony c = ceremony_of("webauthn.create");
    cm_passkeys_challenge(r.passkeys, &purpose, &r.from, SOON, c.challenge);
    say_made(&c, &r.key);
    const cm_passkey_making making = {
        .purpose = {.site = &r.site, .session = r.w.sessions[ANNA].token_hash},
        .account = r.w.people[ANNA].id,
        .name = CM_TEXT("Phone"),
        .client_data = said_client_data(&c),
        .attestation = said_attestation(&c),
        .now = SOON,
        .today = NOW};
    cm_stored_passkey out;
    assert_int_equal(cm_passkeys_make(r.passkeys, &making, &out, &cause), CM_REFUSE);
    assert_string_equal(cause, "no-challenge");
    /* One that a page of another name asked for. */
    cm_passkey_site other;
    assert_int_equal(cm_passkeys_site(r.passkeys, CM_TEXT("other.example:8443"), true, &other),
                     CM_OK);
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    shown s;
    prepare(&r, ANNA, 1, &s);
    s.showing.purpose.site = &other;
    assert_refused(&r, &s, "no-challenge");
    rig_close(&r);
}

/* Who is signed in shows again who he is: `asker` asked for the challenge, `user` answers it, both
 * that of `who`, unless somebody cheats. */
static cm_status show_again(rig *r, size_t who, size_t asker, size_t user, uint32_t count,
                            const char **cause)
{
    shown s;
    prepare(r, who, count, &s);
    const cm_passkey_purpose asked = {&r->site, r->w.sessions[asker].token_hash, true};
    cm_passkeys_challenge(r->passkeys, &asked, &r->from, SOON, s.c.challenge);
    say_shown(&s.c, &r->key);
    s.showing.purpose = (cm_passkey_purpose){&r->site, r->w.sessions[user].token_hash, true};
    s.showing.answer = (cm_webauthn_answer){said_client_data(&s.c), said_authenticator_data(&s.c),
                                            said_signature(&s.c)};
    return sign_in(r, &s, cause);
}

static bool is_signed_in(rig *r, size_t who)
{
    CM_AUTO(cm_who_clear) cm_who w = {.home_count = 0};
    const char *unused;
    return cm_store_who(r->w.store, &r->w.sessions[who], NOW, &w, &unused) == CM_OK;
}

static void one_shows_again_who_has_the_session(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    /* The challenge of another's session, and another's session by one's own passkey. */
    assert_int_equal(show_again(&r, ANNA, BRUNO, ANNA, 1, &cause), CM_REFUSE);
    assert_string_equal(cause, "no-challenge");
    assert_int_equal(show_again(&r, ANNA, CARLA, CARLA, 1, &cause), CM_REFUSE);
    assert_string_equal(cause, "another-account");
    assert_true(is_signed_in(&r, ANNA) && is_signed_in(&r, CARLA));
    /* One for signing in, or for a further passkey, shows nothing again. */
    shown s;
    prepare(&r, ANNA, 1, &s);
    s.showing.purpose = (cm_passkey_purpose){&r.site, r.w.sessions[ANNA].token_hash, true};
    assert_refused(&r, &s, "no-challenge");
    prepare(&r, ANNA, 1, &s);
    const cm_passkey_purpose further = {&r.site, r.w.sessions[ANNA].token_hash, false};
    cm_passkeys_challenge(r.passkeys, &further, &r.from, SOON, s.c.challenge);
    say_shown(&s.c, &r.key);
    s.showing.purpose = (cm_passkey_purpose){&r.site, r.w.sessions[ANNA].token_hash, true};
    s.showing.answer = (cm_webauthn_answer){said_client_data(&s.c), said_authenticator_data(&s.c),
                                            said_signature(&s.c)};
    assert_refused(&r, &s, "no-challenge");
    assert_int_equal(show_again(&r, ANNA, ANNA, ANNA, 1, &cause), CM_OK);
    assert_false(is_signed_in(&r, ANNA)); /* under another token */
    assert_int_equal(show_again(&r, ANNA, ANNA, ANNA, 2, &cause), CM_ABSENT);
    rig_close(&r);
}

static void each_lie_is_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    shown s;
    prepare(&r, CARLA, 1, &s); /* her passkey, another's account */
    assert_refused(&r, &s, "another-account");
    prepare(&r, ANNA, 1, &s);
    s.showing.user_handle = (cm_slice){0};
    assert_refused(&r, &s, "another-account");
    prepare(&r, ANNA, 1, &s);
    s.showing.credential = CM_TEXT("a credential nobody has");
    assert_refused(&r, &s, "no-such-passkey");
    prepare(&r, ANNA, 1, &s);
    s.showing.now.us += CM_CHALLENGE_US;
    assert_refused(&r, &s, "no-challenge");
    prepare(&r, ANNA, 1, &s);
    s.c.signature[8] ^= 1;
    assert_refused(&r, &s, "bad-signature");
    /* The credential is another's already. */
    assert_int_equal(make_for(&r, CARLA, CARLA, CARLA, &cause), CM_REFUSE);
    assert_string_equal(cause, "already-there");
    cm_change change;
    assert_int_equal(cm_store_account_set_active(r.w.store, &r.w.people[ANNA].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    prepare(&r, ANNA, 1, &s);
    assert_refused(&r, &s, "not-active");
    rig_close(&r);
}

/* Made under one name, shown under another that is ours as well: browsers do not, somebody might.
 */
static void a_passkey_is_of_the_name_it_was_made_under(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    cm_passkey_site other;
    assert_int_equal(cm_passkeys_site(r.passkeys, CM_TEXT("other.example"), true, &other), CM_OK);
    const cm_passkey_purpose purpose = {.site = &other};
    shown s;
    prepare(&r, ANNA, 1, &s);
    cm_passkeys_challenge(r.passkeys, &purpose, &r.from, SOON, s.c.challenge);
    s.c.rp = "other.example";
    s.c.origin = "https://other.example";
    say_shown(&s.c, &r.key);
    s.showing.purpose = purpose;
    s.showing.answer = (cm_webauthn_answer){said_client_data(&s.c), said_authenticator_data(&s.c),
                                            said_signature(&s.c)};
    assert_refused(&r, &s, "wrong-rp");
    rig_close(&r);
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    for (int i = 0; i < CM_ACCOUNT_PASSKEYS_MAX; i++) {
        r.key.id[0] = (uint8_t)(100 + i);
        assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    }
    r.key.id[0] = 99;
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_FULL);
    assert_int_equal(make_for(&r, CARLA, CARLA, CARLA, &cause), CM_OK);
    rig_close(&r);
}

/* ---- recovery codes ---- */

static cm_status recover(rig *r, const char *name, const char *code, bool is_lost)
{
    const cm_recovery_ask ask = {.name = cm_slice_of(name),
                                 .code = cm_slice_of(code),
                                 .ends_sessions = is_lost,
                                 .removes_passkeys = is_lost};
    cm_recovery_use use;
    assert_int_equal(cm_passkeys_prepare_recovery(r->passkeys, &ask, &use), CM_OK);
    cm_passkey_session session;
    const cm_status status = cm_passkeys_recover(r->passkeys, &use, NOW, &session);
    if (status == CM_OK)
        cm_change_clear(&session.change);
    return status;
}

static void make_codes(rig *r, size_t who, char codes[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE])
{
    cm_change change;
    assert_int_equal(cm_passkeys_make_codes(r->passkeys, &r->w.people[who].id, NOW, codes, &change),
                     CM_OK);
    cm_change_clear(&change);
}

static void codes_are_read_as_people_type_them_and_work_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    char codes[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE];
    make_codes(&r, ANNA, codes);
    for (size_t i = 0; i < CM_RECOVERY_CODES; i++) {
        assert_int_equal(strlen(codes[i]), CM_RECOVERY_CODE_SIZE - 1);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(codes[i], codes[j]);
    }
    char typed[64];
    size_t n = 0;
    for (const char *c = codes[0]; *c != '\0'; c++) {
        if (*c == '-')
            continue;
        typed[n++] = *c == '0' ? 'o' : *c == '1' ? 'l' : (char)(*c | 0x20);
        typed[n++] = ' ';
    }
    typed[n] = '\0';
    assert_int_equal(recover(&r, "ANNA", typed, false), CM_OK);
    assert_int_equal(recover(&r, "anna", codes[0], false), CM_REFUSE);
    assert_int_equal(recover(&r, "carla", codes[1], false), CM_REFUSE);
    assert_int_equal(recover(&r, "nobody", codes[1], false), CM_REFUSE);
    assert_int_equal(recover(&r, "", codes[1], false), CM_REFUSE);
    assert_int_equal(recover(&r, "anna", "", false), CM_REFUSE);
    assert_int_equal(recover(&r, "anna", "----", false), CM_REFUSE);
    assert_int_equal(recover(&r, "anna", "0000-0000-0000-0000-0000-0000", false), CM_REFUSE);
    codes[1][18] ^= 1;
    assert_int_equal(recover(&r, "anna", codes[1], false), CM_REFUSE);
    codes[1][18] ^= 1;
    assert_int_equal(recover(&r, "anna", codes[1], false), CM_OK);
    rig_close(&r);
}

static void a_lost_phone_is_out(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    const char *cause;
    char codes[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE];
    assert_int_equal(make_for(&r, ANNA, ANNA, ANNA, &cause), CM_OK);
    make_codes(&r, ANNA, codes);
    assert_int_equal(recover(&r, "anna", codes[0], true), CM_OK);
    CM_AUTO(cm_who_clear) cm_who who = {.home_count = 0};
    assert_int_equal(cm_store_who(r.w.store, &r.w.sessions[ANNA], NOW, &who, &cause), CM_ABSENT);
    shown s;
    prepare(&r, ANNA, 1, &s);
    assert_refused(&r, &s, "no-such-passkey");
    rig_close(&r);
}

/* A copy of the database is of no use for guessing: the digests are under a key that is not in it,
 * and bound to their account. */
static void equal_codes_of_two_people_are_two_digests(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    cm_recovery_use uses[3];
    const cm_recovery_ask asks[] = {{.name = CM_TEXT("anna"), .code = CM_TEXT("AAAA")},
                                    {.name = CM_TEXT("carla"), .code = CM_TEXT("AAAA")},
                                    {.name = CM_TEXT("nobody"), .code = CM_TEXT("AAAA")}};
    for (size_t i = 0; i < CM_COUNT(asks); i++)
        assert_int_equal(cm_passkeys_prepare_recovery(r.passkeys, &asks[i], &uses[i]), CM_OK);
    assert_memory_not_equal(uses[0].code_hash, uses[1].code_hash, CM_MAC_SIZE);
    assert_memory_not_equal(uses[0].code_hash, uses[2].code_hash, CM_MAC_SIZE);
    assert_string_equal(uses[2].account.text, "");
    rig_close(&r);
}

static void tries_count_like_those_of_passwords(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    int64_t wait = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(cm_passkeys_may_try(r.passkeys, &r.from, CM_TEXT("anna"), SOON, &wait),
                         CM_OK);
        cm_passkeys_tried(r.passkeys, &r.from, CM_TEXT("anna"), false, SOON);
    }
    assert_int_equal(cm_passkeys_may_try(r.passkeys, &r.from, CM_TEXT("anna"), SOON, &wait),
                     CM_RETRY);
    assert_true(wait > 0);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passkeys_belong_to_names),
        cmocka_unit_test(a_challenge_is_good_once_in_time_and_for_its_purpose),
        cmocka_unit_test(a_flood_ends_its_own_challenges),
        cmocka_unit_test(one_is_made_and_signs_in),
        cmocka_unit_test(a_challenge_is_its_sessions_alone),
        cmocka_unit_test(one_shows_again_who_has_the_session),
        cmocka_unit_test(each_lie_is_refused),
        cmocka_unit_test(a_passkey_is_of_the_name_it_was_made_under),
        cmocka_unit_test(their_number_is_bounded),
        cmocka_unit_test(codes_are_read_as_people_type_them_and_work_once),
        cmocka_unit_test(a_lost_phone_is_out),
        cmocka_unit_test(equal_codes_of_two_people_are_two_digests),
        cmocka_unit_test(tries_count_like_those_of_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
