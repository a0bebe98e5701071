#include "identity/guests.h"

#include "base/writer.h"
#include "identity/identity_priv.h"

/* In the pool: a generator of the test's is one for all threads, the system's is this thread's. */
static void make_token(const cm_identity *identity, cm_token_kind kind, cm_token *out)
{
    cm_random system = cm_random_system();
    cm_token_make(identity->config.random != NULL ? identity->random : &system, kind, out);
}

cm_status cm_guests_make(cm_identity *identity, const cm_new_guest_link *ask, cm_wall now,
                         cm_token *secret, cm_stored_guest_link *out)
{
    cm_new_guest_link fresh = *ask;
    make_token(identity, CM_TOKEN_GUEST_LINK, secret);
    fresh.secret_hash = secret->hash;
    const cm_status status = cm_store_guest_link_create(identity->config.store, &fresh, now, out);
    if (status != CM_OK)
        cm_secret_wipe(secret, sizeof *secret);
    return status;
}

/* ---- limits: the secret stands for the name ---- */

cm_status cm_guests_may_try(cm_identity *identity, const cm_guest_ask *ask, cm_instant now,
                            int64_t *wait_us)
{
    return cm_limits_take(identity->limits, &ask->from, ask->secret, now, wait_us);
}

void cm_guests_tried(cm_identity *identity, const cm_guest_ask *ask, cm_status status,
                     cm_instant now)
{
    if (status == CM_ABSENT)
        cm_limits_failed(identity->limits, &ask->from, ask->secret, now);
    else
        cm_limits_spared(identity->limits, &ask->from, ask->secret, now);
}

/* ---- account: by the link's id, never by its secret ---- */

static cm_slice private_of(const cm_session_origin *origin, char storage[CM_AUDIT_PRIVATE_MAX])
{
    cm_writer w = cm_writer_over(storage, CM_AUDIT_PRIVATE_MAX);
    cm_write_text(&w, origin->network);
    cm_write_text(&w, "\n");
    cm_write_text(&w, origin->device);
    return cm_writer_done(&w);
}

static void record_opened(const cm_identity *identity, const cm_guest_answer *answer,
                          const cm_session_origin *origin, cm_wall now)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    const cm_stored_guest_link *link = &answer->link;
    cm_audit_entry entry = {.kind = CM_AUDIT_GUEST_LINK_OPENED,
                            .when = now,
                            .home = link->camera.home,
                            .camera = link->camera.camera};
    cm_slice_copy(cm_slice_over(link->id, CM_ID_SIZE), entry.other, CM_ID_SIZE);
    CM_IGNORE(cm_audit_keep(identity->audit, &entry, private_of(origin, storage)),
              "it has happened: the audit says in the log that it fails");
}

/* Of a secret that was one: in its home's account. Else in the server's, as any wrong token. */
static void record_refused(const cm_identity *identity, const cm_guest_answer *answer,
                           const cm_session_origin *origin, cm_wall now)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    cm_audit_entry entry = {
        .kind = CM_AUDIT_SIGN_IN_REFUSED, .when = now, .cause = CM_AUDIT_CAUSE_NO_SUCH_TOKEN};
    if (answer->status == CM_REFUSE) {
        entry.kind = CM_AUDIT_GUEST_LINK_REFUSED;
        entry.home = answer->link.camera.home;
        entry.camera = answer->link.camera.camera;
        entry.cause = CM_AUDIT_CAUSE_LINK;
        cm_slice_copy(cm_slice_over(answer->link.id, CM_ID_SIZE), entry.account.text, CM_ID_SIZE);
    }
    cm_audit_repeat(identity->audit, &entry, private_of(origin, storage));
}

/* ---- opening ---- */

static cm_status open_link(const cm_identity *identity, const cm_guest_ask *ask,
                           const cm_session_origin *origin, cm_wall now, cm_guest_answer *out)
{
    cm_guest_opening opening = {.present = ask->has_look ? ask->look_hash : NULL,
                                .device = origin->device,
                                .network = origin->network};
    if (cm_token_read(ask->secret, CM_TOKEN_GUEST_LINK, opening.secret_hash) != CM_OK)
        return CM_ABSENT;
    make_token(identity, CM_TOKEN_GUEST_LOOK, &out->token);
    cm_slice_copy(cm_slice_over(out->token.hash, CM_MAC_SIZE), opening.token_hash, CM_MAC_SIZE);
    return cm_store_guest_link_open(identity->config.store, &opening, now, &out->how, &out->link);
}

void cm_guests_open(cm_identity *identity, const cm_guest_ask *ask, cm_wall now,
                    cm_guest_answer *out)
{
    cm_session_origin origin;
    *out = (cm_guest_answer){.status = CM_ABSENT};
    cm_origin_make(CM_METHOD_UNKNOWN, ask->user_agent, &ask->from, &origin);
    out->status = open_link(identity, ask, &origin, now, out);
    if (out->status == CM_OK && out->how == CM_GUEST_OPENED)
        record_opened(identity, out, &origin, now);
    else
        cm_secret_wipe(&out->token, sizeof out->token);
    if (out->status == CM_ABSENT || out->status == CM_REFUSE) {
        record_refused(identity, out, &origin, now);
        *out = (cm_guest_answer){.status = CM_ABSENT};
    }
}
