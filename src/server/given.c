#include "server/given.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/writer.h"
#include "grants/rights.h"

enum { LINE_SIZE = 512, RIGHTS_SIZE = 64 };

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

static void write_rights(uint32_t rights, char out[RIGHTS_SIZE])
{
    cm_writer w = cm_writer_over(out, RIGHTS_SIZE - 1);
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++)
        if ((rights & cm_right_at(i)) != 0)
            cm_write_format(&w, "%s%s", w.used > 0 ? ", " : "", cm_right_name(i));
    out[w.used] = '\0';
}

static cm_status add_member(const cm_stored_home *home, const cm_stored_member *member,
                            cm_given *given)
{
    CM_TRY(
        add(given, "home %s: %s is %s", home->id.text, member->name, cm_role_name(member->role)));
    for (size_t i = 0; i < member->camera_count; i++) {
        char rights[RIGHTS_SIZE];
        write_rights(member->cameras[i].terms.rights, rights);
        CM_TRY(add(given, "home %s: %s may %s at camera %s", home->id.text, member->name, rights,
                   member->cameras[i].camera.text));
    }
    return CM_OK;
}

static cm_status add_home(cm_store *store, const cm_stored_home *home, cm_wall now, cm_given *given)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    CM_TRY(cm_store_members(store, &home->id, now, &members));
    for (size_t i = 0; i < members.count; i++)
        CM_TRY(add_member(home, &members.items[i], given));
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    CM_TRY(cm_store_cameras(store, &home->id, &cameras));
    for (size_t i = 0; i < cameras.count; i++)
        CM_TRY(add(given, "home %s: there is the camera %s", home->id.text,
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
