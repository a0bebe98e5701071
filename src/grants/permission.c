#include "grants/permission.h"

/* Which roles may: bits 1 << cm_role. What is not a matter of a home has none. */
enum {
    ANY_MEMBER = 1 << CM_ROLE_OWNER | 1 << CM_ROLE_ADULT | 1 << CM_ROLE_CHILD | 1 << CM_ROLE_GUEST,
    OWNERS = 1 << CM_ROLE_OWNER,
};

typedef struct rule {
    const char *name;
    unsigned roles;
} rule;

static const rule RULES[CM_PERMISSIONS] = {
    [CM_PERMISSION_UNSET] = {"unset", 0},
    [CM_PERMISSION_ANYONE] = {"anyone", 0},
    [CM_PERMISSION_SETUP_TOKEN] = {"setup-token", 0},
    [CM_PERMISSION_INVITATION] = {"invitation", 0},
    [CM_PERMISSION_GUEST] = {"guest-link", 0},
    [CM_PERMISSION_SESSION] = {"session", 0},
    [CM_PERMISSION_VIEW] = {"view", ANY_MEMBER},
    [CM_PERMISSION_PUBLISH] = {"publish", ANY_MEMBER},
    [CM_PERMISSION_OWNER] = {"owner", OWNERS},
    [CM_PERMISSION_OPERATOR] = {"operator", 0},
    [CM_PERMISSION_OPERATOR_OR_LOOPBACK] = {"operator-or-loopback", 0},
};

const char *cm_permission_name(cm_permission permission)
{
    return (unsigned)permission < CM_PERMISSIONS ? RULES[permission].name : "unknown";
}

bool cm_role_may(cm_role role, cm_permission permission)
{
    return role > CM_ROLE_NONE && (unsigned)role < CM_ROLES &&
           (unsigned)permission < CM_PERMISSIONS && (RULES[permission].roles >> role & 1) != 0;
}

/* Named, or the only one there is. */
static cm_permission_verdict find_home(const cm_permission_ask *ask, const cm_identity_home **out)
{
    const cm_who *who = ask->who;
    if (ask->home == NULL) {
        if (who->home_count > 1)
            return CM_PERMISSION_WHICH_HOME;
        if (who->home_count == 0)
            return CM_PERMISSION_NO_SUCH_HOME;
        *out = &who->homes[0];
        return CM_PERMISSION_GIVEN;
    }
    for (size_t i = 0; i < who->home_count; i++) {
        if (cm_home_id_equal(&who->homes[i].home, ask->home)) {
            *out = &who->homes[i];
            return CM_PERMISSION_GIVEN;
        }
    }
    return CM_PERMISSION_NO_SUCH_HOME;
}

static cm_permission_verdict decide_in_home(const cm_permission_ask *ask, cm_home_id *home_out)
{
    if (ask->who == NULL)
        return CM_PERMISSION_SIGN_IN;
    if (ask->who->is_operator || cm_who_is_guest(ask->who))
        return CM_PERMISSION_NOT_ALLOWED;
    /* An API token only views and publishes. */
    if (ask->who->is_token && ask->permission != CM_PERMISSION_VIEW &&
        ask->permission != CM_PERMISSION_PUBLISH)
        return CM_PERMISSION_NOT_ALLOWED;
    const cm_identity_home *home = NULL;
    const cm_permission_verdict verdict = find_home(ask, &home);
    if (verdict != CM_PERMISSION_GIVEN)
        return verdict;
    if (!cm_role_may(home->role, ask->permission))
        return CM_PERMISSION_NOT_ALLOWED;
    /* Its owners may still see to its people. */
    if (home->suspension.since.us != 0 && ask->permission != CM_PERMISSION_OWNER)
        return CM_PERMISSION_SUSPENDED;
    *home_out = home->home;
    return CM_PERMISSION_GIVEN;
}

static cm_permission_verdict decide_person(const cm_permission_ask *ask, bool needs_operator)
{
    if (ask->who == NULL)
        return CM_PERMISSION_SIGN_IN;
    if (ask->who->is_token || cm_who_is_guest(ask->who) ||
        (needs_operator && !ask->who->is_operator))
        return CM_PERMISSION_NOT_ALLOWED;
    return CM_PERMISSION_GIVEN;
}

cm_permission_verdict cm_permission_decide(const cm_permission_ask *ask, cm_home_id *home_out)
{
    switch (ask->permission) {
    case CM_PERMISSION_ANYONE:
    case CM_PERMISSION_SETUP_TOKEN:
        return CM_PERMISSION_GIVEN;
    case CM_PERMISSION_INVITATION:
        return ask->who != NULL &&
                       (ask->who->is_token || ask->who->is_operator || cm_who_is_guest(ask->who))
                   ? CM_PERMISSION_NOT_ALLOWED
                   : CM_PERMISSION_GIVEN;
    case CM_PERMISSION_GUEST:
        return ask->who != NULL && cm_who_is_guest(ask->who) ? CM_PERMISSION_GIVEN
                                                             : CM_PERMISSION_LINK_OVER;
    case CM_PERMISSION_SESSION:
        return decide_person(ask, false);
    case CM_PERMISSION_OPERATOR:
        return decide_person(ask, true);
    case CM_PERMISSION_OPERATOR_OR_LOOPBACK:
        return ask->is_direct_loopback ? CM_PERMISSION_GIVEN : decide_person(ask, true);
    case CM_PERMISSION_VIEW:
    case CM_PERMISSION_PUBLISH:
    case CM_PERMISSION_OWNER:
        return decide_in_home(ask, home_out);
    case CM_PERMISSION_UNSET:
    case CM_PERMISSIONS:
        break;
    }
    return CM_PERMISSION_NOT_ALLOWED;
}
