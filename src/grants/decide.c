/* The decision: pure, and denied unless every step says otherwise. */
#include "grants/grants.h"

const char *cm_grant_reason_name(cm_grant_reason reason)
{
    static const char *const NAMES[CM_GRANT_REASONS] = {
        [CM_GRANT_ALLOWED_OWNER] = "owner",         [CM_GRANT_ALLOWED_GRANT] = "grant",
        [CM_GRANT_DENIED_SESSION] = "session-over", [CM_GRANT_DENIED_ACCOUNT] = "account-held-off",
        [CM_GRANT_DENIED_OPERATOR] = "operator",    [CM_GRANT_DENIED_NO_MEMBER] = "no-member",
        [CM_GRANT_DENIED_NO_GRANT] = "no-grant",    [CM_GRANT_DENIED_TOKEN_LIMIT] = "token-limit",
        [CM_GRANT_DENIED_NO_CAMERA] = "no-camera",  [CM_GRANT_DENIED_EVIDENCE] = "evidence",
        [CM_GRANT_DENIED_TOO_MANY] = "too-many",
    };
    return (unsigned)reason < CM_GRANT_REASONS ? NAMES[reason] : "unknown";
}

cm_grant_facts cm_grant_facts_of(const cm_evidence *evidence)
{
    return (cm_grant_facts){
        .session_is_live = evidence->session_is_live,
        .account_is_active = evidence->account_is_active,
        .is_operator = evidence->is_operator,
        .role = evidence->role,
        .granted = evidence->has_grant ? evidence->granted : 0,
        .token_limit = evidence->token_limit,
        .camera_exists = evidence->camera_exists,
    };
}

static cm_grant_decision deny(cm_grant_reason reason)
{
    return (cm_grant_decision){.is_allowed = false, .reason = reason, .rights = 0};
}

/* Seeing comes first: who may not see may neither hear nor talk, whatever a row says. */
static cm_rights within_view(cm_rights rights)
{
    return (rights & CM_RIGHT_VIEW) != 0 ? rights
                                         : rights & ~(cm_rights)(CM_RIGHT_LISTEN | CM_RIGHT_TALK);
}

cm_grant_decision cm_grant_decide(const cm_grant_facts *facts, cm_rights wanted)
{
    if (!facts->session_is_live)
        return deny(CM_GRANT_DENIED_SESSION);
    if (!facts->account_is_active)
        return deny(CM_GRANT_DENIED_ACCOUNT);
    if (facts->is_operator)
        return deny(CM_GRANT_DENIED_OPERATOR);
    if (facts->role <= CM_ROLE_NONE || (unsigned)facts->role >= CM_ROLES)
        return deny(CM_GRANT_DENIED_NO_MEMBER);
    if (!facts->camera_exists)
        return deny(CM_GRANT_DENIED_NO_CAMERA);
    const bool is_owner = facts->role == CM_ROLE_OWNER;
    const cm_rights has = is_owner ? wanted : within_view(facts->granted) & wanted;
    if (has == 0)
        return deny(CM_GRANT_DENIED_NO_GRANT);
    const cm_rights rights = has & within_view(facts->token_limit);
    if (rights == 0)
        return deny(CM_GRANT_DENIED_TOKEN_LIMIT);
    return (cm_grant_decision){
        .is_allowed = true,
        .reason = is_owner ? CM_GRANT_ALLOWED_OWNER : CM_GRANT_ALLOWED_GRANT,
        .rights = rights,
    };
}
