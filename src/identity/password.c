#include "identity/password.h"

#include <assert.h>
#include <sodium.h>

#include "base/text.h"
#include "base/writer.h"

enum { TOKEN_BYTES = 32, PREFIX_SIZE = 4 };

#define DEFAULT_PASSES       2
#define DEFAULT_MEMORY_BYTES (64u << 20)

/* What is tried first everywhere; shorter ones are refused by their length. Lower case. */
static const char *const COMMON[] = {
    "1234567890",       "12345678910",      "123456789a",   "0123456789",  "9876543210",
    "1q2w3e4r5t",       "1qaz2wsx3edc",     "qwertyuiop",   "qwerty12345", "qwerty123456",
    "qwertyuiop1",      "asdfghjkl1",       "zxcvbnm123",   "password12",  "password123",
    "password1234",     "password12345",    "passw0rd123",  "p@ssw0rd123", "passwordpassword",
    "administrator",    "admin12345",       "admin123456",  "adminadmin",  "letmein123",
    "welcome123",       "welcome1234",      "iloveyou123",  "iloveyou12",  "sunshine123",
    "princess123",      "football123",      "baseball123",  "superman123", "changeme123",
    "changeme1234",     "default123",       "security123",  "camera12345", "homecamera",
    "casement123",      "casementcasement", "hello12345",   "abcdefghij",  "abcdefghijk",
    "abc1234567",       "1111122222",       "1122334455",   "1212121212",  "1231231231",
    "123123123123",     "147258369147",     "qazwsxedcrfv", "secret12345", "test123456",
    "trustno1trustno1",
};

static bool is_one_character(cm_slice text)
{
    for (size_t i = 1; i < text.size; i++)
        if (text.bytes[i] != text.bytes[0])
            return false;
    return true;
}

cm_password_fault cm_password_judge(cm_slice password, cm_slice account_name)
{
    if (password.size < CM_PASSWORD_MIN)
        return CM_PASSWORD_TOO_SHORT;
    if (password.size > CM_PASSWORD_MAX)
        return CM_PASSWORD_TOO_LONG;
    if (!cm_text_is_printable_utf8(password))
        return CM_PASSWORD_NOT_TEXT;
    if (is_one_character(password) || cm_slice_equal_nocase(password, account_name))
        return CM_PASSWORD_TOO_COMMON;
    for (size_t i = 0; i < CM_COUNT(COMMON); i++)
        if (cm_slice_equal_nocase(password, cm_slice_of(COMMON[i])))
            return CM_PASSWORD_TOO_COMMON;
    return CM_PASSWORD_FINE;
}

const char *cm_password_fault_text(cm_password_fault fault)
{
    switch (fault) {
    case CM_PASSWORD_FINE:
        return "The password is fine.";
    case CM_PASSWORD_TOO_SHORT:
        return "The password is too short: use at least 10 characters.";
    case CM_PASSWORD_TOO_LONG:
        return "The password is too long: at most 256 bytes.";
    case CM_PASSWORD_TOO_COMMON:
        return "This password is among the first that anybody tries: choose another.";
    case CM_PASSWORD_NOT_TEXT:
        return "The password holds characters that can't be typed: choose another.";
    case CM_PASSWORD_A_WORD:
        return "This password is a word with little around it: use several words, or another.";
    case CM_PASSWORD_LEAKED:
        return "This password is on the list of those that leaked elsewhere: choose another.";
    }
    return "The password can't be used.";
}

/* ---- Argon2id ---- */

static unsigned long long passes_of(const cm_password_cost *cost)
{
    return cost->passes != 0 ? cost->passes : DEFAULT_PASSES;
}

static size_t memory_of(const cm_password_cost *cost)
{
    return cost->memory_bytes != 0 ? cost->memory_bytes : DEFAULT_MEMORY_BYTES;
}

static_assert(crypto_pwhash_argon2id_STRBYTES <= CM_PASSWORD_HASH_SIZE, "a hash fits its column");

cm_status cm_password_hash(cm_slice password, const cm_password_cost *cost,
                           char out[CM_PASSWORD_HASH_SIZE])
{
    CM_ENSURE(sodium_init() >= 0, CM_BROKEN);
    CM_ENSURE(crypto_pwhash_argon2id_str(out, (const char *)password.bytes, password.size,
                                         passes_of(cost), memory_of(cost)) == 0,
              CM_BROKEN);
    return CM_OK;
}

cm_status cm_password_verify(cm_slice password, const char *hash, const cm_password_cost *cost)
{
    CM_ENSURE(sodium_init() >= 0, CM_BROKEN);
    if (hash[0] == '\0') {
        /* As much work as a real one, so that time tells nobody which names there are. */
        char unused[CM_PASSWORD_HASH_SIZE];
        CM_TRY(cm_password_hash(password, cost, unused));
        cm_secret_wipe(unused, sizeof unused);
        return CM_REFUSE;
    }
    CM_ENSURE(password.size <= CM_PASSWORD_MAX, CM_REFUSE);
    return crypto_pwhash_argon2id_str_verify(hash, (const char *)password.bytes, password.size) == 0
               ? CM_OK
               : CM_REFUSE;
}

bool cm_password_needs_rehash(const char *hash, const cm_password_cost *cost)
{
    return crypto_pwhash_argon2id_str_needs_rehash(hash, passes_of(cost), memory_of(cost)) != 0;
}

/* ---- tokens ---- */

static const char *prefix_of(cm_token_kind kind)
{
    switch (kind) {
    case CM_TOKEN_SESSION:
        return "cms_";
    case CM_TOKEN_API:
        return "cmt_";
    case CM_TOKEN_SETUP:
        return "cmu_";
    case CM_TOKEN_INVITATION:
        return "cmi_";
    case CM_TOKEN_PENDING:
        return "cmp_";
    case CM_TOKEN_GUEST_LINK:
        return "cmg_";
    case CM_TOKEN_GUEST_LOOK:
        return "cml_";
    }
    return "";
}

void cm_token_make(cm_random *random, cm_token_kind kind, cm_token *out)
{
    uint8_t bytes[TOKEN_BYTES];
    cm_random_fill(random, bytes, sizeof bytes);
    *out = (cm_token){.text = {0}};
    cm_writer w = cm_writer_over(out->text, PREFIX_SIZE);
    cm_write_text(&w, prefix_of(kind));
    CM_IGNORE(cm_text_to_base64url(cm_slice_over(bytes, sizeof bytes), &out->text[PREFIX_SIZE],
                                   sizeof out->text - PREFIX_SIZE),
              "43 characters fit");
    cm_secret_hash(cm_slice_of(out->text), out->hash);
    cm_secret_wipe(bytes, sizeof bytes);
}

cm_status cm_token_read(cm_slice text, cm_token_kind kind, uint8_t hash_out[CM_MAC_SIZE])
{
    uint8_t bytes[TOKEN_BYTES];
    size_t size;
    CM_ENSURE(cm_slice_starts(text, cm_slice_of(prefix_of(kind))), CM_REFUSE);
    CM_ENSURE(text.size == PREFIX_SIZE + 43, CM_REFUSE);
    CM_ENSURE(cm_text_from_base64url(cm_slice_from(text, PREFIX_SIZE), bytes, sizeof bytes,
                                     &size) == CM_OK &&
                  size == sizeof bytes,
              CM_REFUSE);
    cm_secret_wipe(bytes, sizeof bytes);
    cm_secret_hash(text, hash_out);
    return CM_OK;
}
