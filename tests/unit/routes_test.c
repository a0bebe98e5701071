/* The route table, and that /openapi.json says all of it and nothing else. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/assets.h"
#include "unit.h"

/* The program's own table is made from the built web app; no test here asks for a file of it. */
const cm_asset CM_ASSETS[] = {{.path = NULL}};
const size_t CM_ASSET_COUNT = 0;

#define CM_ROUTE(id, method, path, permission, body, body_max, summary)                            \
    {#id, #method, path, #permission, CM_BODY_##body, body_max, summary},
#define CM_ROUTE_FRESH CM_ROUTE
static const struct row {
    const char *id, *method, *path, *permission;
    cm_call_body body;
    size_t body_max;
    const char *summary;
} ROWS[] = {
#include "api/routes.h"
};
#undef CM_ROUTE
#undef CM_ROUTE_FRESH

static void test_table(void **state)
{
    (void)state;
    assert_int_equal(CM_ROUTE_COUNT, CM_COUNT(ROWS));
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        const struct row *row = &ROWS[i];
        assert_string_equal(CM_ROUTES[i].id, row->id);
        assert_non_null(CM_ROUTES[i].handler);
        assert_int_not_equal(CM_ROUTES[i].permission, CM_PERMISSION_UNSET);
        assert_true(row->path[0] == '/' && row->summary[0] != '\0');
        const bool has_body = strcmp(row->method, "GET") != 0 && strcmp(row->method, "DELETE") != 0;
        assert_int_equal(row->body_max > 0, has_body);
        assert_int_equal(row->body != CM_BODY_NONE, has_body);
        for (size_t j = i + 1; j < CM_COUNT(ROWS); j++) {
            assert_string_not_equal(row->id, ROWS[j].id);
            if (strcmp(row->method, ROWS[j].method) == 0)
                assert_string_not_equal(row->path, ROWS[j].path);
        }
    }
}

static bool is_sign_in(const char *id)
{
    static const char *const SIGN_INS[] = {"sign_in",          "passkey_ask",  "passkey_sign_in",
                                           "recovery_sign_in", "code_sign_in", "look_open"};
    for (size_t i = 0; i < CM_COUNT(SIGN_INS); i++)
        if (strcmp(id, SIGN_INS[i]) == 0)
            return true;
    return false;
}

/* Whoever asks nobody who he is can't ask how long ago that was; and whom a cut concerns does not
 * wait for a password. */
static void test_fresh_rows_make_sense(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < CM_ROUTE_COUNT; i++) {
        const cm_route *route = &CM_ROUTES[i];
        if (!route->needs_fresh)
            continue;
        count++;
        assert_true(route->permission == CM_PERMISSION_SESSION ||
                    route->permission == CM_PERMISSION_OWNER ||
                    route->permission == CM_PERMISSION_OPERATOR);
        assert_int_not_equal(route->method, CM_HTTP_GET);
        assert_string_not_equal(route->id, "grant_delete");
        assert_string_not_equal(route->id, "sign_in_again");
    }
    assert_true(count >= 8);
}

/* What shows a camera asks for more than a sign-in, and what changes something is nobody's but a
 * person's. */
static void test_permissions_make_sense(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        const cm_permission permission = CM_ROUTES[i].permission;
        if (strstr(ROWS[i].path, "{camera}") != NULL)
            assert_true(permission == CM_PERMISSION_VIEW || permission == CM_PERMISSION_PUBLISH ||
                        permission == CM_PERMISSION_OWNER);
        /* Why a person may see a camera is told to him as well: the handler asks who he is. */
        const bool is_why = strcmp(ROWS[i].id, "grant") == 0;
        if ((strstr(ROWS[i].path, "{account}") != NULL && !is_why) ||
            strstr(ROWS[i].path, "{token}") != NULL)
            assert_int_equal(permission, CM_PERMISSION_OWNER);
        if (permission == CM_PERMISSION_ANYONE)
            assert_true(strcmp(ROWS[i].method, "GET") == 0 || is_sign_in(ROWS[i].id));
        /* What a viewer may do besides looking: open and end a WebRTC session of his own. */
        if (permission == CM_PERMISSION_VIEW)
            assert_true(strcmp(ROWS[i].method, "GET") == 0 || strstr(ROWS[i].path, "/whep"));
        /* A guest's routes name no camera: his link does. */
        if (permission == CM_PERMISSION_GUEST) {
            assert_non_null(strstr(ROWS[i].path, "/api/v1/look"));
            assert_true(strcmp(ROWS[i].method, "GET") == 0 || strstr(ROWS[i].path, "/whep"));
            assert_false(CM_ROUTES[i].needs_fresh);
        }
        if (permission == CM_PERMISSION_PUBLISH)
            assert_non_null(strstr(ROWS[i].path, "/whip"));
    }
}

static void lower(const char *text, char out[16])
{
    size_t i = 0;
    for (; text[i] != '\0' && i < 15; i++)
        out[i] = (char)(text[i] | 0x20);
    out[i] = '\0';
}

static bool has_parameter(const json_t *operation, const char *name, const char *where)
{
    size_t index;
    const json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), index, parameter)
    {
        if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0 &&
            strcmp(json_string_value(json_object_get(parameter, "in")), where) == 0)
            return true;
    }
    return false;
}

static void check_operation(const struct row *row, const cm_route *route, const json_t *operation)
{
    if (operation == NULL)
        fail_msg("%s %s is not in /openapi.json", row->method, row->path);
    assert_string_equal(json_string_value(json_object_get(operation, "operationId")), row->id);
    assert_string_equal(json_string_value(json_object_get(operation, "summary")), row->summary);
    assert_string_equal(json_string_value(json_object_get(operation, "x-permission")),
                        cm_permission_name(route->permission));
    assert_int_equal(json_is_true(json_object_get(operation, "x-needs-fresh")), route->needs_fresh);
    assert_int_equal(json_object_get(operation, "requestBody") != NULL, row->body_max > 0);
    static const char *const NAMES[] = {"camera",    "account", "token",   "viewer",
                                        "publisher", "home",    "session", "group"};
    for (size_t i = 0; i < CM_COUNT(NAMES); i++) {
        char braced[32];
        snprintf(braced, sizeof braced, "{%s}", NAMES[i]);
        assert_int_equal(has_parameter(operation, NAMES[i], "path"),
                         strstr(row->path, braced) != NULL);
    }
    assert_int_equal(has_parameter(operation, "home", "query"),
                     (route->permission == CM_PERMISSION_VIEW ||
                      route->permission == CM_PERMISSION_PUBLISH ||
                      route->permission == CM_PERMISSION_OWNER) &&
                         strstr(row->path, "{home}") == NULL);
    const bool is_open = route->permission == CM_PERMISSION_ANYONE ||
                         route->permission == CM_PERMISSION_SETUP_TOKEN ||
                         route->permission == CM_PERMISSION_INVITATION;
    assert_int_equal(json_array_size(json_object_get(operation, "security")) == 0, is_open);
}

static void test_openapi(void **state)
{
    (void)state;
    json_t *openapi = cm_openapi_json();
    assert_non_null(openapi);
    const json_t *paths = json_object_get(openapi, "paths");
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        char method[16];
        lower(ROWS[i].method, method);
        check_operation(&ROWS[i], &CM_ROUTES[i],
                        json_object_get(json_object_get(paths, ROWS[i].path), method));
    }
    size_t count = 0;
    const char *key;
    json_t *path;
    json_object_foreach((json_t *)(uintptr_t)paths, key, path)
    {
        count += json_object_size(path);
    }
    assert_int_equal(count, CM_COUNT(ROWS));
    json_decref(openapi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_fresh_rows_make_sense),
        cmocka_unit_test(test_permissions_make_sense),
        cmocka_unit_test(test_openapi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
