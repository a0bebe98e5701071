#include "identity/factors.h"

#include <assert.h>

#include "base/writer.h"
#include "identity/identity_priv.h"

static_assert((int)CM_TOTP_KEY_SIZE == (int)CM_TOTP_SECRET_SIZE, "what is stored is the key");

#define ISSUER "casement"

static cm_totp_key key_of(const cm_stored_totp *totp)
{
    cm_totp_key key;
    cm_slice_copy(cm_slice_over(totp->secret, sizeof totp->secret), key.bytes, sizeof key.bytes);
    return key;
}

static cm_status judge(const cm_stored_totp *totp, cm_slice code, cm_wall now, int64_t *step)
{
    cm_totp_key key = key_of(totp);
    const cm_status status = cm_totp_judge(&key, code, now, totp->last_step, step);
    cm_secret_wipe(&key, sizeof key);
    return status;
}

/* ---- its making ---- */

static cm_status tell(const cm_totp_key *key, cm_slice name, cm_factor_told *out)
{
    cm_totp_key_text(key, out->secret);
    return cm_totp_uri(key, CM_TEXT(ISSUER), name, out->uri);
}

cm_status cm_factor_begin(cm_identity *identity, const cm_account_id *account, cm_slice name,
                          cm_wall now, cm_factor_told *out)
{
    cm_random system = cm_random_system();
    cm_totp_key key;
    cm_random_fill(identity->config.random != NULL ? identity->random : &system, key.bytes,
                   sizeof key.bytes);
    cm_status status = cm_store_totp_begin(identity->config.store, account, key.bytes, now);
    if (status == CM_OK)
        status = tell(&key, name, out);
    cm_secret_wipe(&key, sizeof key);
    return status;
}

/* By a clock that was set back meanwhile it was begun in the future: too long ago as well. */
static bool is_begun(const cm_stored_totp *totp, cm_wall now)
{
    return totp->is_confirmed ||
           (totp->created.us <= now.us && now.us - totp->created.us < CM_FACTOR_BEGUN_US);
}

static cm_status refuse(const char **cause, const char *what)
{
    *cause = what;
    return CM_REFUSE;
}

cm_status cm_factor_confirm(cm_identity *identity, const cm_account_id *account, cm_slice code,
                            cm_wall now, cm_change *change, const char **cause)
{
    cm_store *store = identity->config.store;
    cm_stored_totp totp;
    *change = (cm_change){.raised_count = 0};
    CM_TRY(cm_store_totp_find(store, account, &totp));
    int64_t step = -1;
    const bool is_begun_still = is_begun(&totp, now);
    const cm_status judged = judge(&totp, code, now, &step);
    cm_secret_wipe(totp.secret, sizeof totp.secret);
    CM_ENSURE(is_begun_still, CM_ABSENT);
    if (totp.is_confirmed)
        return refuse(cause, "totp-there");
    if (judged == CM_REFUSE)
        return refuse(cause, "wrong-code");
    CM_TRY(judged);
    return cm_store_totp_confirm(store, account, step, change);
}

/* ---- its use ---- */

/* However it is grouped: what is longer or has a letter is a recovery code. */
static bool is_six_digits(cm_slice code)
{
    size_t digits = 0;
    for (size_t i = 0; i < code.size; i++) {
        if (code.bytes[i] == ' ')
            continue;
        if (code.bytes[i] < '0' || code.bytes[i] > '9')
            return false;
        digits++;
    }
    return digits > 0 && digits <= CM_TOTP_DIGITS;
}

static cm_status judge_code(cm_store *store, const cm_factor_shown *shown, cm_factor_use *out,
                            const char **cause)
{
    cm_stored_totp totp;
    const cm_status status = cm_store_totp_find(store, &shown->account, &totp);
    if (status == CM_ABSENT)
        return refuse(cause, "wrong-code"); /* removed since it was asked for */
    CM_TRY(status);
    const cm_status judged = judge(&totp, shown->code, shown->now, &out->step);
    cm_secret_wipe(totp.secret, sizeof totp.secret);
    if (totp.wrong >= CM_TOTP_WRONG_MAX)
        return refuse(cause, "code-held-off");
    if (judged != CM_REFUSE)
        return judged;
    const cm_status noted = cm_store_totp_note_wrong(store, &shown->account);
    CM_ENSURE(noted == CM_OK || noted == CM_ABSENT, noted);
    return refuse(cause, "wrong-code");
}

cm_status cm_factor_judge(cm_identity *identity, const cm_factor_shown *shown, cm_factor_use *out,
                          const char **cause)
{
    cm_store *store = identity->config.store;
    out->account = shown->account;
    out->is_recovery = !is_six_digits(shown->code);
    if (!out->is_recovery)
        return judge_code(store, shown, out, cause);
    out->origin.method = CM_METHOD_RECOVERY;
    cm_recovery_digest(store, &shown->account, shown->code, out->code_hash);
    return CM_OK;
}
