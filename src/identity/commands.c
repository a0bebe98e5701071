/* Blocking calls: the start and the command line. */
#include "base/text.h"
#include "identity/identity_priv.h"
#include "store/totp.h"

cm_status cm_identity_judge_password(const cm_identity *identity, cm_slice password, cm_slice name,
                                     cm_password_fault *out)
{
    *out = cm_password_judge(password, name);
    return *out == CM_PASSWORD_FINE ? cm_listed_judge(&identity->config.lists, password, out)
                                    : CM_OK;
}

cm_status cm_identity_make_setup_token(cm_identity *identity, cm_wall now, cm_token *out)
{
    cm_token_make(identity->random, CM_TOKEN_SETUP, out);
    return cm_store_setup_begin(identity->config.store, out->hash, now);
}

cm_status cm_identity_reset_password(cm_identity *identity, cm_slice name,
                                     char out[CM_RESET_PASSWORD_SIZE], cm_change *change)
{
    cm_stored_account account;
    *change = (cm_change){.raised_count = 0};
    CM_TRY(cm_store_account_find_name(identity->config.store, name, &account, NULL));
    uint8_t bytes[15]; /* 120 bits in 20 characters: to be typed once */
    cm_random_fill(identity->random, bytes, sizeof bytes);
    CM_TRY(cm_text_to_base64url(cm_slice_over(bytes, sizeof bytes), out, CM_RESET_PASSWORD_SIZE));
    cm_secret_wipe(bytes, sizeof bytes);
    char hash[CM_PASSWORD_HASH_SIZE];
    CM_TRY(cm_password_hash(cm_slice_of(out), &identity->config.cost, hash));
    CM_TRY(cm_store_account_set_password(identity->config.store, &account.id, cm_slice_of(hash),
                                         NULL, change));
    CM_AUTO(cm_change_clear) cm_change none = {.raised_count = 0}; /* `change` says it all */
    const cm_status removed = cm_store_totp_remove(identity->config.store, &account.id, &none);
    return removed == CM_ABSENT ? CM_OK : removed;
}

cm_status cm_identity_make_api_token(cm_identity *identity, const cm_identity_new_token *ask,
                                     cm_wall now, cm_token *token, cm_stored_token *stored)
{
    cm_stored_account account = {.id = ask->account};
    if (account.id.text[0] == '\0')
        CM_TRY(
            cm_store_account_find_name(identity->config.store, ask->account_name, &account, NULL));
    cm_random system = cm_random_system();
    cm_token_make(identity->config.random != NULL ? identity->random : &system, CM_TOKEN_API,
                  token);
    const cm_new_token fresh = {.camera = ask->camera,
                                .account = account.id,
                                .name = ask->name,
                                .rights = ask->rights,
                                .expires = ask->expires,
                                .token_hash = token->hash};
    const cm_status status = cm_store_token_create(identity->config.store, &fresh, now, stored);
    if (status != CM_OK)
        cm_secret_wipe(token, sizeof *token);
    return status;
}

cm_status cm_identity_make_invitation(cm_identity *identity, const cm_new_invitation *ask,
                                      cm_wall now, cm_token *token, cm_stored_invitation *stored)
{
    cm_random system = cm_random_system();
    cm_token_make(identity->config.random != NULL ? identity->random : &system, CM_TOKEN_INVITATION,
                  token);
    cm_new_invitation fresh = *ask;
    fresh.token_hash = token->hash;
    const cm_status status =
        cm_store_invitation_create(identity->config.store, &fresh, now, stored);
    if (status != CM_OK)
        cm_secret_wipe(token, sizeof *token);
    return status;
}
