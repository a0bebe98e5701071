/*
 * Recovery codes: 80 random bits each, in the letters and digits that are not mistaken for one
 * another (Crockford's base32). Stored as a digest under a key outside the database, over account
 * and code, so that neither a copy of the database nor another account's code is of use.
 */
#include "base/writer.h"
#include "identity/passkeys_priv.h"

enum { CODE_LETTERS = 16, CODE_BYTES = 10, GROUP = 4 };

static const char ALPHABET[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void write_code(const uint8_t bytes[CODE_BYTES], char out[CM_RECOVERY_CODE_SIZE])
{
    cm_writer w = cm_writer_over(out, CM_RECOVERY_CODE_SIZE);
    for (unsigned i = 0; i < CODE_LETTERS; i++) {
        unsigned value = 0;
        for (unsigned bit = 5 * i; bit < 5 * i + 5; bit++)
            value = value << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
        if (i > 0 && i % GROUP == 0)
            cm_write_u8(&w, '-');
        cm_write_u8(&w, (uint8_t)ALPHABET[value]);
    }
    cm_write_u8(&w, 0);
}

static uint8_t plain_letter(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        c = (uint8_t)(c - 'a' + 'A');
    if (c == 'O')
        return '0';
    return c == 'I' || c == 'L' ? '1' : c;
}

/* As people type it: any case, with or without dashes and spaces, O for 0. What is no code comes
 * out as something that fits none. */
static cm_slice normalize(cm_slice typed, char out[CM_RECOVERY_CODE_SIZE])
{
    cm_writer w = cm_writer_over(out, CM_RECOVERY_CODE_SIZE);
    for (size_t i = 0; i < typed.size; i++)
        if (typed.bytes[i] != '-' && typed.bytes[i] != ' ')
            cm_write_u8(&w, plain_letter(typed.bytes[i]));
    return w.failed ? (cm_slice){0} : cm_writer_done(&w);
}

void cm_recovery_digest(const cm_store *store, const cm_account_id *account, cm_slice typed,
                        uint8_t out[CM_MAC_SIZE])
{
    char plain[CM_RECOVERY_CODE_SIZE];
    uint8_t bytes[16 + CM_ID_SIZE + CM_RECOVERY_CODE_SIZE];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_text(&w, "recovery code");
    cm_write_u8(&w, 0);
    cm_write_slice(&w, cm_slice_over(account->text, CM_ID_SIZE));
    cm_write_slice(&w, normalize(typed, plain));
    cm_store_fingerprint(store, cm_writer_done(&w), out);
    cm_secret_wipe(bytes, sizeof bytes);
    cm_secret_wipe(plain, sizeof plain);
}

cm_status cm_passkeys_make_codes(cm_passkeys *passkeys, const cm_account_id *account, cm_wall now,
                                 char out[CM_RECOVERY_CODES][CM_RECOVERY_CODE_SIZE],
                                 cm_change *change)
{
    cm_random system = cm_random_system();
    const cm_identity *identity = passkeys->identity;
    cm_random *random = identity->config.random != NULL ? identity->random : &system;
    uint8_t hashes[CM_RECOVERY_CODES][CM_MAC_SIZE];
    for (size_t i = 0; i < CM_RECOVERY_CODES; i++) {
        uint8_t bytes[CODE_BYTES];
        cm_random_fill(random, bytes, sizeof bytes);
        write_code(bytes, out[i]);
        cm_recovery_digest(identity->config.store, account, cm_slice_of(out[i]), hashes[i]);
        cm_secret_wipe(bytes, sizeof bytes);
    }
    CM_TRY(cm_store_recovery_set(identity->config.store, account, hashes, now, change));
    cm_passkeys_record(passkeys,
                       &(cm_audit_entry){.kind = CM_AUDIT_RECOVERY_MADE,
                                         .when = now,
                                         .account = *account,
                                         .count = CM_RECOVERY_CODES},
                       NULL);
    return CM_OK;
}

cm_status cm_passkeys_prepare_recovery(cm_passkeys *passkeys, const cm_recovery_ask *ask,
                                       cm_recovery_use *out)
{
    const cm_identity *identity = passkeys->identity;
    *out = (cm_recovery_use){.ends_sessions = ask->ends_sessions,
                             .removes_passkeys = ask->removes_passkeys,
                             .removes_totp = ask->removes_totp,
                             .origin = ask->origin};
    cm_stored_account account;
    const cm_status found =
        cm_store_account_find_name(identity->config.store, ask->name, &account, NULL);
    CM_ENSURE(found == CM_OK || found == CM_ABSENT, found);
    if (found == CM_OK)
        out->account = account.id;
    cm_recovery_digest(identity->config.store, &out->account, ask->code, out->code_hash);
    /* What there is and what is not take the same long step; a guess costs as much as one of a
     * password. */
    CM_IGNORE(cm_password_verify(ask->code, "", &identity->config.cost), "always refused");
    return CM_OK;
}

static void record_use(const cm_passkeys *passkeys, const cm_recovery_use *use, cm_wall now,
                       cm_status status)
{
    cm_audit_entry entry = {.kind = CM_AUDIT_RECOVERY_USED, .when = now, .account = use->account};
    if (status == CM_OK) {
        cm_passkeys_record(passkeys, &entry, &use->origin);
        entry.kind = CM_AUDIT_SIGN_IN;
        entry.value = use->origin.method;
        cm_passkeys_record(passkeys, &entry, &use->origin);
    } else if (status == CM_ABSENT || status == CM_REFUSE) {
        entry.kind = CM_AUDIT_SIGN_IN_REFUSED;
        entry.cause = CM_AUDIT_CAUSE_WRONG_CODE;
        cm_passkeys_record_refusal(passkeys, &entry, &use->origin);
    }
}

cm_status cm_passkeys_recover(cm_passkeys *passkeys, cm_recovery_use *use, cm_wall now,
                              cm_passkey_session *out)
{
    *out = (cm_passkey_session){.change = {.raised_count = 0}};
    cm_passkeys_token(passkeys, &out->token);
    cm_slice_copy(cm_slice_over(out->token.hash, CM_MAC_SIZE), use->session_token_hash,
                  CM_MAC_SIZE);
    const cm_status status = cm_store_recovery_sign_in(passkeys->identity->config.store, use, now,
                                                       &out->account, &out->change);
    record_use(passkeys, use, now, status);
    return status == CM_ABSENT ? CM_REFUSE : status;
}
