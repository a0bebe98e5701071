/* The decision: pure, and denied unless every step says otherwise. */
#include "grants/grants.h"
#include "grants/rights.h"

/* Beginnings and ends looked at to find the next one that matters: over a year of three rows. */
enum { STEPS_MAX = 4096 };

const char *cm_grant_reason_name(cm_grant_reason reason)
{
    static const char *const NAMES[CM_GRANT_REASONS] = {
        [CM_GRANT_ALLOWED_OWNER] = "owner",
        [CM_GRANT_ALLOWED_GRANT] = "grant",
        [CM_GRANT_DENIED_SESSION] = "session-over",
        [CM_GRANT_DENIED_ACCOUNT] = "account-held-off",
        [CM_GRANT_DENIED_OPERATOR] = "operator",
        [CM_GRANT_DENIED_NO_MEMBER] = "no-member",
        [CM_GRANT_DENIED_NO_GRANT] = "no-grant",
        [CM_GRANT_DENIED_NOT_YET] = "not-yet",
        [CM_GRANT_DENIED_OVER] = "over",
        [CM_GRANT_DENIED_HOURS] = "not-these-hours",
        [CM_GRANT_DENIED_TOKEN_LIMIT] = "token-limit",
        [CM_GRANT_DENIED_NO_CAMERA] = "no-camera",
        [CM_GRANT_DENIED_EVIDENCE] = "evidence",
        [CM_GRANT_DENIED_TOO_MANY] = "too-many",
        [CM_GRANT_DENIED_SUSPENDED] = "home-suspended",
        [CM_GRANT_DENIED_LINK] = "link-ended",
        [CM_GRANT_DENIED_MAKER] = "link-maker",
    };
    return (unsigned)reason < CM_GRANT_REASONS ? NAMES[reason] : "unknown";
}

/* A guest sees while his link lasts, and nothing more, whatever its maker may. */
static void lend(const cm_guest *guest, cm_grant_facts *facts)
{
    facts->is_guest = true;
    facts->link_has_ended = guest->has_ended;
    facts->token_limit &= CM_RIGHT_VIEW;
    facts->granted = (cm_grant_rows){
        .count = 1,
        .items = {{.rights = CM_RIGHT_VIEW, .not_before = guest->from, .not_after = guest->until}}};
}

cm_grant_facts cm_grant_facts_of(const cm_evidence *evidence)
{
    cm_grant_facts facts = {
        .session_is_live = evidence->session_is_live,
        .account_is_active = evidence->account_is_active,
        .is_operator = evidence->is_operator,
        .camera_exists = evidence->camera_exists,
        .role = evidence->role,
        .token_limit = evidence->token_limit,
        .granted = evidence->granted,
        .home_is_suspended = evidence->home_is_suspended,
    };
    if (evidence->guest.link[0] != '\0')
        lend(&evidence->guest, &facts);
    return facts;
}

static const cm_wall NEVER = {.us = INT64_MAX};

static cm_grant_decision deny(cm_grant_reason reason)
{
    return (cm_grant_decision){.reason = reason, .row = -1, .until = NEVER};
}

static cm_wall earlier(cm_wall a, cm_wall b)
{
    return a.us < b.us ? a : b;
}

/* ---- one row ---- */

typedef struct row_state {
    cm_grant_reason reason; /* CM_GRANT_ALLOWED_GRANT: it gives */
    cm_wall until;
} row_state;

static row_state judge_row(const cm_grant_terms *terms, const cm_moment *at)
{
    if (at->now.us < terms->not_before.us)
        return (row_state){CM_GRANT_DENIED_NOT_YET, terms->not_before};
    const cm_wall end = terms->not_after.us != 0 ? terms->not_after : NEVER;
    if (at->now.us >= end.us)
        return (row_state){CM_GRANT_DENIED_OVER, NEVER};
    const cm_hours_state hours = cm_hours_at(&terms->hours, at);
    return (row_state){hours.is_open ? CM_GRANT_ALLOWED_GRANT : CM_GRANT_DENIED_HOURS,
                       earlier(hours.until, end)};
}

/* ---- all of them ---- */

/* Nearest to giving: a higher one is told rather than a lower. */
static int nearness(cm_grant_reason reason)
{
    return reason == CM_GRANT_ALLOWED_GRANT    ? 4
           : reason == CM_GRANT_DENIED_HOURS   ? 3
           : reason == CM_GRANT_DENIED_NOT_YET ? 2
           : reason == CM_GRANT_DENIED_OVER    ? 1
                                               : 0;
}

static void add_row(cm_grant_decision *d, int32_t index, const cm_grant_terms *terms,
                    const cm_moment *at, cm_rights wanted)
{
    const cm_rights gives = cm_rights_that_stand(terms->rights) & wanted;
    if (gives == 0)
        return;
    const row_state state = judge_row(terms, at);
    d->until = earlier(d->until, state.until);
    if (nearness(state.reason) > nearness(d->reason)) {
        d->reason = state.reason;
        d->row = index;
    }
    if (state.reason != CM_GRANT_ALLOWED_GRANT)
        return;
    if ((gives & CM_RIGHT_HISTORY) != 0)
        d->history_from = (d->rights & CM_RIGHT_HISTORY) != 0
                              ? earlier(d->history_from, terms->not_before)
                              : terms->not_before;
    d->rights |= gives;
}

static cm_grant_decision decide_rows(const cm_grant_rows *rows, const cm_moment *at,
                                     cm_rights wanted)
{
    cm_grant_decision d = deny(CM_GRANT_DENIED_NO_GRANT);
    for (uint32_t i = 0; i < rows->count && i < CM_GRANT_ROWS_MAX; i++)
        add_row(&d, (int32_t)i, &rows->items[i], at, wanted);
    d.is_allowed = d.rights != 0;
    return d;
}

cm_grant_decision cm_grant_decide(const cm_grant_facts *facts, const cm_moment *at,
                                  cm_rights wanted)
{
    if (!facts->session_is_live)
        return deny(CM_GRANT_DENIED_SESSION);
    if (facts->is_guest && facts->link_has_ended)
        return deny(CM_GRANT_DENIED_LINK);
    if (!facts->account_is_active)
        return deny(CM_GRANT_DENIED_ACCOUNT);
    if (facts->is_operator)
        return deny(CM_GRANT_DENIED_OPERATOR);
    if (facts->role <= CM_ROLE_NONE || (unsigned)facts->role >= CM_ROLES)
        return deny(CM_GRANT_DENIED_NO_MEMBER);
    if (facts->is_guest && facts->role != CM_ROLE_OWNER)
        return deny(CM_GRANT_DENIED_MAKER);
    if (facts->home_is_suspended)
        return deny(CM_GRANT_DENIED_SUSPENDED);
    if (!facts->camera_exists)
        return deny(CM_GRANT_DENIED_NO_CAMERA);
    cm_grant_decision d = {.is_allowed = wanted != 0,
                           .reason =
                               wanted != 0 ? CM_GRANT_ALLOWED_OWNER : CM_GRANT_DENIED_NO_GRANT,
                           .rights = wanted,
                           .row = -1,
                           .until = NEVER};
    if (facts->role != CM_ROLE_OWNER || facts->is_guest)
        d = decide_rows(&facts->granted, at, wanted);
    if (!d.is_allowed)
        return d;
    d.rights &= cm_rights_that_stand(facts->token_limit);
    return d.rights != 0 ? d : deny(CM_GRANT_DENIED_TOKEN_LIMIT);
}

/* ---- when it becomes another one ---- */

cm_wall cm_grant_holds_until(const cm_grant_facts *facts, const cm_zone *zone, cm_wall from,
                             cm_rights rights, cm_wall latest)
{
    cm_wall at = from;
    for (int step = 0; step < STEPS_MAX && at.us < latest.us; step++) {
        const cm_moment moment = cm_zone_at(zone, at);
        const cm_grant_decision d = cm_grant_decide(facts, &moment, rights);
        if ((rights & ~d.rights) != 0)
            return at;
        at = d.until;
    }
    return earlier(at, latest);
}

cm_status cm_grant_opens(const cm_grant_facts *facts, const cm_zone *zone, cm_wall from,
                         cm_rights wanted, cm_wall *out)
{
    cm_wall at = from;
    for (int step = 0; step < STEPS_MAX && at.us < INT64_MAX; step++) {
        const cm_moment moment = cm_zone_at(zone, at);
        const cm_grant_decision d = cm_grant_decide(facts, &moment, wanted);
        if (d.is_allowed && step > 0) {
            *out = at;
            return CM_OK;
        }
        at = d.until;
    }
    return CM_ABSENT;
}
