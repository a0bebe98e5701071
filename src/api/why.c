/* Why somebody may see a camera now, or may not, and when next: for owners, and for oneself. */
#include <stdlib.h>

#include "api/api_priv.h"

typedef struct why {
    cm_account_id account;
    cm_camera_key camera;
    cm_grant_facts facts;
    const cm_zone *zone;
} why;

static const char *sentence_of(cm_grant_reason reason)
{
    static const char *const SENTENCES[CM_GRANT_REASONS] = {
        [CM_GRANT_ALLOWED_OWNER] = "An owner may see every camera of the home.",
        [CM_GRANT_ALLOWED_GRANT] = "An owner of the home has allowed it.",
        [CM_GRANT_DENIED_ACCOUNT] = "The account is held off.",
        [CM_GRANT_DENIED_OPERATOR] = "Who runs the server never sees pictures.",
        [CM_GRANT_DENIED_NO_MEMBER] = "The person does not belong to the home.",
        [CM_GRANT_DENIED_NO_GRANT] = "Nobody has allowed it.",
        [CM_GRANT_DENIED_NOT_YET] = "It is allowed from a later day on.",
        [CM_GRANT_DENIED_OVER] = "It was allowed, and is over.",
        [CM_GRANT_DENIED_HOURS] = "It is allowed at other hours or on other days.",
        [CM_GRANT_DENIED_NO_CAMERA] = "There is no such camera.",
    };
    return SENTENCES[reason] != NULL ? SENTENCES[reason] : "It is not allowed.";
}

/* The rows of this very camera, if it is there. */
static cm_status find_granted(cm_store *store, why *w)
{
    CM_AUTO(cm_granted_cameras_clear) cm_granted_cameras cameras = {.count = 0};
    CM_TRY(cm_store_granted_cameras(store, &w->account, &w->camera.home, &cameras));
    w->zone = cameras.zone;
    for (size_t i = 0; i < cameras.count; i++) {
        if (!cm_camera_key_equal(&cameras.items[i].camera.key, &w->camera))
            continue;
        w->facts.camera_exists = true;
        w->facts.granted = cameras.items[i].granted;
    }
    return w->facts.camera_exists ? CM_OK : CM_ABSENT;
}

/* As a session of the person would be decided. */
static cm_status find_facts(cm_call *call, why *w)
{
    cm_store *store = call->api->config.store;
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    cm_stored_account account;
    CM_TRY(cm_store_member_find(store, &call->home, &w->account,
                                cm_loop_wall(call->api->config.loop), &members));
    CM_TRY(cm_store_account_find(store, &w->account, &account));
    w->facts = (cm_grant_facts){.session_is_live = true,
                                .account_is_active = account.is_active,
                                .is_operator = account.is_operator,
                                .role = members.items[0].role,
                                .token_limit = ~(cm_rights)0};
    return find_granted(store, w);
}

static void read_why(cm_call *call)
{
    call->status = find_facts(call, call->data);
}

static json_t *row_json(const why *w, const cm_grant_decision *decision)
{
    if (decision->row < 0)
        return json_null();
    json_t *row = json_object();
    cm_terms_add_json(&w->facts.granted.items[decision->row], row);
    return row;
}

static json_t *until_json(cm_wall until)
{
    return until.us == INT64_MAX ? json_null() : cm_time_json(until);
}

static void answer_why(cm_call *call)
{
    const why *w = call->data;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "no-such-grant");
        return;
    }
    const cm_wall now = cm_loop_wall(call->api->config.loop);
    const cm_moment at = cm_zone_at(w->zone, now);
    const cm_grant_decision seeing = cm_grant_decide(&w->facts, &at, CM_RIGHT_VIEW);
    const cm_grant_decision all = cm_grant_decide(&w->facts, &at, CM_RIGHTS_ALL);
    cm_wall opens = {.us = 0};
    if (!seeing.is_allowed)
        CM_IGNORE(cm_grant_opens(&w->facts, w->zone, now, CM_RIGHT_VIEW, &opens),
                  "never: it stays 0, which is null");
    cm_call_json(call, 200,
                 json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "account",
                           w->account.text, "camera", w->camera.camera.text, "allowed",
                           seeing.is_allowed, "reason", cm_grant_reason_name(seeing.reason),
                           "sentence", sentence_of(seeing.reason), "rights",
                           cm_rights_json(all.rights), "grant", row_json(w, &seeing), "until",
                           until_json(all.until), "opens", cm_time_json(opens), "history_from",
                           cm_time_json(all.history_from)));
}

/* Of somebody else only an owner is told; of oneself everybody, but not a token. */
static bool may_ask(const cm_call *call, const cm_account_id *account)
{
    const bool is_own = cm_account_id_equal(account, &call->who.account);
    const bool is_owner = cm_role_may(cm_who_role(&call->who, &call->home), CM_PERMISSION_OWNER);
    return !call->who.is_token && (is_own || is_owner);
}

void cm_route_grant(cm_call *call)
{
    why *w = calloc(1, sizeof *w);
    if (w == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = w;
    call->free_data = free;
    if (!cm_call_account(call, 0, &w->account) || !cm_call_camera(call, 1, &w->camera))
        return;
    if (!may_ask(call, &w->account)) {
        cm_call_problem(call, &(cm_call_fault){403, "not-allowed", "Not allowed",
                                               "Why somebody else may see a camera is told to "
                                               "owners of the home.",
                                               NULL, 0});
        return;
    }
    cm_call_read(call, read_why, answer_why);
}
