/*
 * Role x route x ownership: what every row of src/api/routes.h answers to everybody, compared byte
 * for byte with permissions.golden. A change of it is a change of who may do what, seen in review.
 *
 *   build/debug/tests/unit/permissions_test --write tests/unit/permissions.golden
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "grants/grants.h"
#include "grants/permission.h"
#include "media/kinds.h"
#include "unit.h"

#define ROW(id, method, path, permission, body, body_max, summary, words)                          \
    {#method, path, CM_PERMISSION_##permission, words},
#define CM_ROUTE(...)       ROW(__VA_ARGS__, "")
#define CM_ROUTE_FRESH(...) ROW(__VA_ARGS__, ", fresh")
static const struct row {
    const char *method, *path;
    cm_permission permission;
    const char *words;
} ROWS[] = {
#include "api/routes.h"
};
#undef CM_ROUTE
#undef CM_ROUTE_FRESH

/* ---- who asks ---- */

typedef struct person {
    const char *name;
    bool is_somebody, is_operator, is_token, is_on_loopback, has_two_homes, is_held_off;
    bool is_by_link; /* of one that `role`, in the home "own", has made */
    cm_role role;    /* in the home "own" */
} person;

static const person PEOPLE[] = {
    {.name = "nobody"},
    {.name = "nobody, on loopback", .is_on_loopback = true},
    {.name = "owner", .is_somebody = true, .role = CM_ROLE_OWNER},
    {.name = "adult", .is_somebody = true, .role = CM_ROLE_ADULT},
    {.name = "child", .is_somebody = true, .role = CM_ROLE_CHILD},
    {.name = "guest", .is_somebody = true, .role = CM_ROLE_GUEST},
    {.name = "owner of two", .is_somebody = true, .role = CM_ROLE_OWNER, .has_two_homes = true},
    {.name = "owner, held off", .is_somebody = true, .role = CM_ROLE_OWNER, .is_held_off = true},
    {.name = "adult, held off", .is_somebody = true, .role = CM_ROLE_ADULT, .is_held_off = true},
    {.name = "without a home", .is_somebody = true},
    {.name = "operator", .is_somebody = true, .is_operator = true},
    /* An operator whose rows claim a membership all the same: refused as well. */
    {.name = "operator as owner", .is_somebody = true, .is_operator = true, .role = CM_ROLE_OWNER},
    {.name = "owner's API token", .is_somebody = true, .is_token = true, .role = CM_ROLE_OWNER},
    {.name = "guest's API token", .is_somebody = true, .is_token = true, .role = CM_ROLE_GUEST},
    {.name = "guest link", .is_somebody = true, .is_by_link = true, .role = CM_ROLE_OWNER},
    {.name = "link, maker lost", .is_somebody = true, .is_by_link = true, .role = CM_ROLE_ADULT},
};

static cm_home_id home_named(const char *text)
{
    cm_home_id id;
    assert_int_equal(cm_home_id_parse(cm_slice_of(text), &id), CM_OK);
    return id;
}

static const char *verdict_name(cm_permission_verdict verdict)
{
    switch (verdict) {
    case CM_PERMISSION_GIVEN:
        return "yes";
    case CM_PERMISSION_SIGN_IN:
        return "401";
    case CM_PERMISSION_WHICH_HOME:
        return "409";
    case CM_PERMISSION_NO_SUCH_HOME:
        return "404";
    case CM_PERMISSION_NOT_ALLOWED:
        return "403";
    case CM_PERMISSION_SUSPENDED:
        return "held off";
    case CM_PERMISSION_LINK_OVER:
        return "401 link over";
    }
    return "?";
}

/* `home` NULL: none is named. */
static const char *ask_permission(const struct row *row, const person *p, const char *home)
{
    cm_identity_home homes[2] = {{.home = home_named("own"), .role = p->role},
                                 {.home = home_named("second"), .role = p->role}};
    homes[0].suspension.since.us = p->is_held_off ? 1 : 0;
    /* Rows that claim a membership of a guest's, too: refused all the same. */
    const cm_who who = {
        .guest = {.link = {p->is_by_link ? 'l' : '\0'}},
        .is_operator = p->is_operator,
        .is_token = p->is_token,
        .homes = homes,
        .home_count = p->role == CM_ROLE_NONE ? 0
                      : p->has_two_homes      ? 2
                                              : 1,
    };
    cm_home_id named;
    if (home != NULL)
        named = home_named(home);
    const cm_permission_ask ask = {
        .permission = row->permission,
        .who = p->is_somebody ? &who : NULL,
        .home = home != NULL ? &named : NULL,
        .is_direct_loopback = p->is_on_loopback,
    };
    cm_home_id decided = home_named("undecided");
    const cm_permission_verdict verdict = cm_permission_decide(&ask, &decided);
    /* A right in one home is never given as a right in another. */
    const cm_home_id own = home_named("own");
    const bool is_of_a_home = row->permission == CM_PERMISSION_VIEW ||
                              row->permission == CM_PERMISSION_PUBLISH ||
                              row->permission == CM_PERMISSION_OWNER;
    if (verdict == CM_PERMISSION_GIVEN && is_of_a_home)
        assert_true(cm_home_id_equal(&decided, home != NULL ? &named : &own));
    return verdict_name(verdict);
}

/* ---- a camera's pictures ---- */

typedef struct ownership {
    const char *name;
    bool is_own_home, is_granted, is_there, is_tokens_camera;
} ownership;

static const ownership OWNERSHIPS[] = {
    {"granted", true, true, true, true},
    {"not granted", true, false, true, true},
    {"another home's", false, false, true, false},
    {"another home's, with a grant", false, true, true, false},
    {"removed", true, true, false, true},
    {"not the token's", true, true, true, false},
};

/* As the rows say it; what a guest link gives of it is the code's to say. */
static cm_evidence evidence_of(const person *p, const ownership *o)
{
    const bool is_limited = p->is_token || p->is_by_link;
    return (cm_evidence){
        .session_is_live = p->is_somebody,
        .account_is_active = p->is_somebody,
        .is_operator = p->is_operator,
        .role = o->is_own_home ? p->role : CM_ROLE_NONE,
        .granted = {.count = o->is_granted, .items = {{.rights = CM_RIGHT_VIEW}}},
        .token_limit = !is_limited           ? ~(cm_rights)0
                       : o->is_tokens_camera ? CM_RIGHT_VIEW
                                             : 0,
        .camera_exists = o->is_there,
        .home_is_suspended = p->is_held_off && o->is_own_home,
        .guest = {.link = {p->is_by_link ? 'l' : '\0'},
                  .until = {.us = INT64_MAX},
                  .has_ended = !o->is_granted},
    };
}

static const char *ask_picture(const person *p, const ownership *o)
{
    const cm_evidence evidence = evidence_of(p, o);
    const cm_grant_facts facts = cm_grant_facts_of(&evidence);
    const cm_grant_decision decision =
        cm_grant_decide(&facts, &(cm_moment){.is_known = false}, CM_RIGHT_VIEW);
    assert_int_equal(decision.is_allowed, decision.rights != 0);
    static char text[64];
    snprintf(text, sizeof text, "%s %s",
             decision.is_allowed ? "yes:" : "no:", cm_grant_reason_name(decision.reason));
    return text;
}

/* ---- the file ---- */

static void add(cm_buffer *out, const char *text)
{
    assert_int_equal(cm_buffer_add_text(out, text), CM_OK);
}

static bool shows_a_camera(const struct row *row)
{
    return row->permission == CM_PERMISSION_GUEST ||
           (row->permission == CM_PERMISSION_VIEW && strstr(row->path, "{camera}") != NULL);
}

static void write_route(const struct row *row, cm_buffer *out)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s %s  [%s%s]\n", row->method, row->path,
             cm_permission_name(row->permission), row->words);
    add(out, line);
    for (size_t i = 0; i < CM_COUNT(PEOPLE); i++) {
        snprintf(line, sizeof line, "  %-20s own %s  another's %s  unnamed %s\n", PEOPLE[i].name,
                 ask_permission(row, &PEOPLE[i], "own"), ask_permission(row, &PEOPLE[i], "another"),
                 ask_permission(row, &PEOPLE[i], NULL));
        add(out, line);
    }
    if (shows_a_camera(row))
        add(out, "  and then, of the camera, as said at the end\n");
}

static void write_pictures(cm_buffer *out)
{
    char line[256];
    add(out, "\nThe camera of a [view] route with {camera}, and of a [guest-link] route; of a "
             "guest link "
             "\"granted\" is\none that has not ended, \"the token's\" camera the link's\n");
    for (size_t o = 0; o < CM_COUNT(OWNERSHIPS); o++) {
        snprintf(line, sizeof line, "  %s\n", OWNERSHIPS[o].name);
        add(out, line);
        for (size_t i = 0; i < CM_COUNT(PEOPLE); i++) {
            snprintf(line, sizeof line, "    %-20s %s\n", PEOPLE[i].name,
                     ask_picture(&PEOPLE[i], &OWNERSHIPS[o]));
            add(out, line);
        }
    }
}

static void write_golden(cm_buffer *out)
{
    cm_buffer_init(out, 1 << 20);
    add(out, "Who may do what: role x route x ownership. Made by permissions_test --write.\n"
             "\"own\" and \"another's\": the home that ?home= names; \"unnamed\": none is.\n"
             "\"fresh\": and who may has shown a short while ago who he is.\n");
    for (size_t i = 0; i < CM_COUNT(ROWS); i++)
        write_route(&ROWS[i], out);
    write_pictures(out);
}

static void test_golden(void **state)
{
    (void)state;
    cm_buffer now;
    write_golden(&now);
    FILE *file = fopen(GOLDEN, "rb");
    assert_non_null(file);
    static char before[1 << 20];
    const size_t size = fread(before, 1, sizeof before, file);
    fclose(file);
    const cm_slice have = cm_buffer_data(&now);
    for (size_t i = 0, line = 1; i < have.size || i < size; i++) {
        if (i >= have.size || i >= size || have.bytes[i] != (uint8_t)before[i])
            fail_msg("line %zu of permissions.golden differs from what the code decides; if that "
                     "is meant: permissions_test --write tests/unit/permissions.golden",
                     line);
        line += before[i] == '\n';
    }
    cm_buffer_deinit(&now);
}

static int write_file(const char *path)
{
    cm_buffer now;
    write_golden(&now);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return 1;
    const cm_slice have = cm_buffer_data(&now);
    const bool is_written = fwrite(have.bytes, 1, have.size, file) == have.size;
    cm_buffer_deinit(&now);
    return fclose(file) == 0 && is_written ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_file(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
