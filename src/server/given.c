#include "server/given.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/writer.h"
#include "grants/rights.h"
#include "store/guest_links.h"

enum { LINE_SIZE = 640, TERMS_SIZE = 192 };

void cm_given_clear(cm_given *given)
{
    for (size_t i = 0; i < given->count; i++)
        free(given->lines[i]);
    free((void *)given->lines);
    *given = (cm_given){.count = 0};
}

static cm_status add(cm_given *given, const char *format, ...) CM_PRINTF(2, 3);

static cm_status add(cm_given *given, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char **more = reallocarray((void *)given->lines, given->count + 1, sizeof *more);
    CM_ENSURE(more != NULL, CM_BROKEN);
    given->lines = more;
    more[given->count] = strdup(line);
    CM_ENSURE(more[given->count] != NULL, CM_BROKEN);
    given->count++;
    return CM_OK;
}

static cm_status add_accounts(cm_store *store, cm_given *given)
{
    CM_AUTO(cm_stored_accounts_clear) cm_stored_accounts accounts = {.count = 0};
    CM_TRY(cm_store_accounts(store, &accounts));
    for (size_t i = 0; i < accounts.count; i++)
        if (accounts.items[i].is_active)
            CM_TRY(add(given, "%s may sign in%s", accounts.items[i].name,
                       accounts.items[i].is_operator ? " and is an operator" : ""));
    return CM_OK;
}

static void write_moment(cm_writer *w, const char *word, cm_wall when)
{
    const time_t seconds = (time_t)(when.us / CM_SECONDS(1));
    struct tm utc;
    char text[32] = "";
    if (when.us == 0)
        return;
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cm_write_format(w, ", %s %s", word, text);
}

static void write_hours(cm_writer *w, const cm_hours *hours)
{
    if (cm_hours_are_always(hours))
        return;
    cm_write_text(w, ", on");
    for (unsigned day = 0; day < CM_HOURS_DAYS; day++)
        if (hours->days == 0 || (hours->days >> day & 1) == 1)
            cm_write_format(w, " %s", cm_hours_day_name(day));
    cm_write_format(w, " %02u:%02u to %02u:%02u", hours->from / 60, hours->from % 60,
                    hours->to / 60, hours->to % 60);
}

/* "view, listen, on mon tue 08:00 to 18:00, until …": all of it, as another hour is another right.
 */
static void write_terms(const cm_grant_terms *terms, char out[TERMS_SIZE])
{
    cm_writer w = cm_writer_over(out, TERMS_SIZE - 1);
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++)
        if ((terms->rights & cm_right_at(i)) != 0)
            cm_write_format(&w, "%s%s", w.used > 0 ? ", " : "", cm_right_name(i));
    write_hours(&w, &terms->hours);
    write_moment(&w, "from", terms->not_before);
    write_moment(&w, "until", terms->not_after);
    out[w.used] = '\0';
}

static cm_status add_member(const cm_stored_home *home, const cm_stored_member *member,
                            cm_given *given)
{
    CM_TRY(
        add(given, "home %s: %s is %s", home->id.text, member->name, cm_role_name(member->role)));
    for (size_t i = 0; i < member->camera_count; i++) {
        char terms[TERMS_SIZE];
        write_terms(&member->cameras[i].terms, terms);
        CM_TRY(add(given, "home %s: camera %s: %s may %s", home->id.text,
                   member->cameras[i].camera.text, member->name, terms));
    }
    return CM_OK;
}

static const char *name_of(const cm_stored_members *members, const cm_account_id *account)
{
    for (size_t i = 0; i < members->count; i++)
        if (strcmp(members->items[i].account.text, account->text) == 0)
            return members->items[i].name;
    return account->text;
}

static cm_status add_group(const cm_stored_group *group, const cm_stored_members *members,
                           cm_given *given)
{
    const char *home = group->key.home.text;
    for (size_t i = 0; i < group->camera_count; i++)
        CM_TRY(add(given, "home %s: group %s: camera %s is in it", home, group->name,
                   group->cameras[i].text));
    for (size_t i = 0; i < group->right_count; i++) {
        char terms[TERMS_SIZE];
        write_terms(&group->rights[i].terms, terms);
        CM_TRY(add(given, "home %s: group %s: %s may %s", home, group->name,
                   name_of(members, &group->rights[i].account), terms));
    }
    return CM_OK;
}

/* Those that may be opened; nothing of them is given while they can't. */
static cm_status add_links(const cm_stored_guest_links *links, cm_wall now, cm_given *given)
{
    for (size_t i = 0; i < links->count; i++) {
        const cm_stored_guest_link *link = &links->items[i];
        char terms[TERMS_SIZE];
        const cm_guest_link_state state = cm_stored_guest_link_state(link, now);
        if (state != CM_GUEST_LINK_OPEN && state != CM_GUEST_LINK_NOT_YET &&
            state != CM_GUEST_LINK_USED_UP)
            continue;
        write_terms(&(cm_grant_terms){.rights = CM_RIGHT_VIEW,
                                      .not_before = link->from,
                                      .not_after = link->until},
                    terms);
        CM_TRY(add(given, "home %s: camera %s: guest link %s (%s) may %s", link->camera.home.text,
                   link->camera.camera.text, link->id, link->label, terms));
    }
    return CM_OK;
}

static cm_status add_home(cm_store *store, const cm_stored_home *home, cm_wall now, cm_given *given)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    CM_TRY(cm_store_members(store, &home->id, now, &members));
    for (size_t i = 0; i < members.count; i++)
        CM_TRY(add_member(home, &members.items[i], given));
    CM_AUTO(cm_stored_groups_clear) cm_stored_groups groups = {.count = 0};
    CM_TRY(cm_store_groups(store, &home->id, &groups));
    for (size_t i = 0; i < groups.count; i++)
        CM_TRY(add_group(&groups.items[i], &members, given));
    CM_AUTO(cm_stored_guest_links_clear) cm_stored_guest_links links = {.count = 0};
    CM_TRY(cm_store_guest_links(store, &home->id, &links));
    CM_TRY(add_links(&links, now, given));
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    CM_TRY(cm_store_cameras(store, &home->id, &cameras));
    for (size_t i = 0; i < cameras.count; i++)
        CM_TRY(add(given, "home %s: camera %s is there", home->id.text,
                   cameras.items[i].key.camera.text));
    return CM_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

cm_status cm_given_read(cm_store *store, cm_wall now, cm_given *out)
{
    CM_AUTO(cm_given_clear) cm_given given = {.count = 0};
    CM_TRY(add_accounts(store, &given));
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    CM_TRY(cm_store_homes(store, &homes));
    for (size_t i = 0; i < homes.count; i++)
        CM_TRY(add_home(store, &homes.items[i], now, &given));
    if (given.count > 0)
        qsort((void *)given.lines, given.count, sizeof *given.lines, compare);
    *out = given;
    given = (cm_given){.count = 0};
    return CM_OK;
}

bool cm_given_has(const cm_given *given, const char *line)
{
    return given->count > 0 && bsearch((const void *)&line, (const void *)given->lines,
                                       given->count, sizeof *given->lines, compare) != NULL;
}
