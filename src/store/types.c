/* What needs no database: names of enums, copies, and giving memory back. */
#include <stdlib.h>
#include <string.h>

#include "store/evidence.h"
#include "store/guest_links.h"
#include "store/invitations.h"
#include "store/passkeys.h"
#include "store/store.h"

static const char *const ROLE_NAMES[CM_ROLES] = {"none", "owner", "adult", "child", "guest"};
static const char *const METHOD_NAMES[CM_METHODS] = {"unknown",  "password", "passkey",
                                                     "recovery", "setup",    "password-and-code"};
static const char *const KEEP_NAMES[] = {"on-demand", "always"};

const char *cm_role_name(cm_role role)
{
    return (unsigned)role < CM_ROLES ? ROLE_NAMES[role] : "none";
}

cm_status cm_role_parse(cm_slice text, cm_role *out)
{
    for (size_t i = CM_ROLE_OWNER; i < CM_ROLES; i++) {
        if (cm_slice_equal(text, cm_slice_of(ROLE_NAMES[i]))) {
            *out = (cm_role)i;
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

const char *cm_keep_name(cm_keep keep)
{
    return KEEP_NAMES[keep == CM_KEEP_ALWAYS ? 1 : 0];
}

cm_status cm_keep_parse(cm_slice text, cm_keep *out)
{
    for (size_t i = 0; i < CM_COUNT(KEEP_NAMES); i++) {
        if (cm_slice_equal(text, cm_slice_of(KEEP_NAMES[i]))) {
            *out = (cm_keep)i;
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

bool cm_stored_camera_is_pushed(const cm_stored_camera *camera)
{
    return cm_slice_equal(cm_slice_of(camera->main), CM_TEXT(CM_CAMERA_PUSHED));
}

bool cm_grant_terms_are_sound(const cm_grant_terms *terms)
{
    return terms->rights != 0 && cm_hours_are_sound(&terms->hours) && terms->not_before.us >= 0 &&
           terms->not_after.us >= 0 &&
           (terms->not_after.us == 0 || terms->not_before.us < terms->not_after.us);
}

static int64_t end_of(const cm_grant_terms *terms)
{
    return terms->not_after.us != 0 ? terms->not_after.us : INT64_MAX;
}

bool cm_grant_terms_take_away(const cm_grant_terms *before, const cm_grant_terms *after)
{
    return (before->rights & ~after->rights) != 0 || after->not_before.us > before->not_before.us ||
           end_of(after) < end_of(before) || !cm_hours_include(&after->hours, &before->hours);
}

bool cm_grant_terms_equal(const cm_grant_terms *a, const cm_grant_terms *b)
{
    return a->rights == b->rights && a->hours.days == b->hours.days &&
           a->hours.from == b->hours.from && a->hours.to == b->hours.to &&
           a->not_before.us == b->not_before.us && a->not_after.us == b->not_after.us;
}

cm_wall cm_session_expires(cm_wall created, cm_wall last_used)
{
    const int64_t idle = last_used.us + CM_SESSION_IDLE_US;
    const int64_t absolute = created.us + CM_SESSION_ABSOLUTE_US;
    return (cm_wall){.us = idle < absolute ? idle : absolute};
}

bool cm_session_is_live(cm_wall created, cm_wall last_used, cm_wall now)
{
    return created.us - CM_SESSION_AHEAD_US <= now.us &&
           now.us < cm_session_expires(created, last_used).us;
}

bool cm_session_is_fresh(cm_wall authenticated, cm_wall now)
{
    return authenticated.us != 0 && authenticated.us <= now.us &&
           now.us - authenticated.us < CM_SESSION_FRESH_US;
}

const char *cm_session_method_name(cm_session_method method)
{
    return (unsigned)method < CM_METHODS ? METHOD_NAMES[method] : METHOD_NAMES[CM_METHOD_UNKNOWN];
}

cm_status cm_change_copy(const cm_change *change, cm_change *out)
{
    cm_epoch_raise *raised = NULL;
    if (change->raised_count > 0) {
        raised = calloc(change->raised_count, sizeof *raised);
        if (raised == NULL) {
            *out = (cm_change){.raised_count = 0};
            return CM_BROKEN;
        }
        for (size_t i = 0; i < change->raised_count; i++)
            raised[i] = change->raised[i];
    }
    *out = *change;
    out->raised = raised;
    return CM_OK;
}

void cm_change_clear(cm_change *change)
{
    free(change->raised);
    *change = (cm_change){.raised_count = 0};
}

void cm_stored_homes_clear(cm_stored_homes *homes)
{
    free(homes->items);
    *homes = (cm_stored_homes){.count = 0};
}

void cm_stored_accounts_clear(cm_stored_accounts *accounts)
{
    free(accounts->items);
    *accounts = (cm_stored_accounts){.count = 0};
}

void cm_stored_members_clear(cm_stored_members *members)
{
    for (size_t i = 0; i < members->count; i++)
        free(members->items[i].cameras);
    free(members->items);
    *members = (cm_stored_members){.count = 0};
}

void cm_stored_cameras_clear(cm_stored_cameras *cameras)
{
    free(cameras->items);
    *cameras = (cm_stored_cameras){.count = 0};
}

void cm_stored_passkeys_clear(cm_stored_passkeys *passkeys)
{
    free(passkeys->items);
    *passkeys = (cm_stored_passkeys){.count = 0};
}

void cm_stored_groups_clear(cm_stored_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        free(groups->items[i].cameras);
        free(groups->items[i].rights);
    }
    free(groups->items);
    *groups = (cm_stored_groups){.count = 0};
}

void cm_stored_sessions_clear(cm_stored_sessions *sessions)
{
    free(sessions->items);
    *sessions = (cm_stored_sessions){.count = 0};
}

void cm_stored_tokens_clear(cm_stored_tokens *tokens)
{
    free(tokens->items);
    *tokens = (cm_stored_tokens){.count = 0};
}

void cm_granted_cameras_clear(cm_granted_cameras *cameras)
{
    free(cameras->items);
    *cameras = (cm_granted_cameras){.count = 0};
}

void cm_who_clear(cm_who *who)
{
    free(who->homes);
    who->homes = NULL;
    who->home_count = 0;
}

cm_role cm_who_role(const cm_who *who, const cm_home_id *home)
{
    for (size_t i = 0; i < who->home_count; i++)
        if (cm_home_id_equal(&who->homes[i].home, home))
            return who->homes[i].role;
    return CM_ROLE_NONE;
}

void cm_stored_invitations_clear(cm_stored_invitations *invitations)
{
    free(invitations->items);
    *invitations = (cm_stored_invitations){.count = 0};
}

cm_invitation_state cm_stored_invitation_state(const cm_stored_invitation *invitation, cm_wall now)
{
    if (invitation->used.us != 0)
        return CM_INVITATION_USED;
    const bool is_live =
        now.us < invitation->expires.us && invitation->created.us - now.us <= CM_SESSION_AHEAD_US;
    return is_live ? CM_INVITATION_OPEN : CM_INVITATION_EXPIRED;
}

bool cm_who_is_guest(const cm_who *who)
{
    return who->guest.link[0] != '\0';
}

void cm_stored_guest_links_clear(cm_stored_guest_links *links)
{
    free(links->items);
    *links = (cm_stored_guest_links){.count = 0};
}

cm_guest_link_state cm_stored_guest_link_state(const cm_stored_guest_link *link, cm_wall now)
{
    if (link->end == CM_GUEST_LINK_REVOKED)
        return CM_GUEST_LINK_IS_REVOKED;
    if (link->end != CM_GUEST_LINK_GOES_ON)
        return CM_GUEST_LINK_WITHOUT_MAKER;
    if (now.us >= link->until.us || link->created.us - now.us > CM_SESSION_AHEAD_US)
        return CM_GUEST_LINK_OVER;
    if (now.us < link->from.us)
        return CM_GUEST_LINK_NOT_YET;
    return link->openings_max != 0 && link->openings >= link->openings_max ? CM_GUEST_LINK_USED_UP
                                                                           : CM_GUEST_LINK_OPEN;
}

const char *cm_guest_link_state_name(cm_guest_link_state state)
{
    static const char *const NAMES[] = {
        [CM_GUEST_LINK_OPEN] = "open",          [CM_GUEST_LINK_NOT_YET] = "not-yet",
        [CM_GUEST_LINK_USED_UP] = "used-up",    [CM_GUEST_LINK_OVER] = "over",
        [CM_GUEST_LINK_IS_REVOKED] = "revoked", [CM_GUEST_LINK_WITHOUT_MAKER] = "without-maker",
    };
    return NAMES[state];
}

const char *cm_invitation_state_name(cm_invitation_state state)
{
    static const char *const NAMES[] = {
        [CM_INVITATION_OPEN] = "open",
        [CM_INVITATION_USED] = "used",
        [CM_INVITATION_EXPIRED] = "expired",
    };
    return NAMES[state];
}
