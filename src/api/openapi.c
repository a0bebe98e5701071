/* OpenAPI 3.1, made from the route table: it cannot say anything else than the server does. */
#include "api/api_priv.h"

static json_t *parameter_json(const char *name, const char *where, bool is_required,
                              const char *about)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", name, "in", where, "required",
                     is_required, "description", about, "schema", "type", "string");
}

/* {names} of the path, and ?home= where the permission concerns a home. */
static json_t *parameters_json(const cm_route *route)
{
    json_t *list = json_array();
    cm_slice rest = cm_slice_of(route->path);
    while (rest.size > 0) {
        const cm_slice part = cm_slice_cut(&rest, '/');
        char name[CM_ID_SIZE];
        if (!cm_slice_starts(part, CM_TEXT("{")) ||
            cm_slice_to_cstr(cm_slice_part(part, 1, part.size - 2), name, sizeof name) != CM_OK)
            continue;
        json_array_append_new(list,
                              parameter_json(name, "path", true, "id: 1 to 31 of a-z 0-9 - _"));
    }
    const bool is_of_home = route->permission == CM_PERMISSION_VIEW ||
                            route->permission == CM_PERMISSION_PUBLISH ||
                            route->permission == CM_PERMISSION_OWNER;
    if (is_of_home && !cm_slice_ends(cm_slice_of(route->path), CM_TEXT("/{home}")))
        json_array_append_new(list,
                              parameter_json("home", "query", false,
                                             "id of the home; may be left out by members of one"));
    return list;
}

static json_t *security_json(const cm_route *route)
{
    if (route->permission == CM_PERMISSION_ANYONE ||
        route->permission == CM_PERMISSION_SETUP_TOKEN ||
        route->permission == CM_PERMISSION_INVITATION)
        return json_array();
    if (route->permission == CM_PERMISSION_VIEW || route->permission == CM_PERMISSION_PUBLISH)
        return json_pack("[{s:[]}, {s:[]}]", "session", "token");
    return json_pack("[{s:[]}]", route->permission == CM_PERMISSION_GUEST ? "look" : "session");
}

static json_t *operation_json(const cm_route *route)
{
    json_t *problem =
        json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", "Problem document (RFC 9457)", "content",
                  "application/problem+json", "schema", "$ref", "#/components/schemas/problem");
    json_t *operation = json_pack(
        "{s:s, s:s, s:s, s:b, s:o, s:o, s:{s:{s:s}, s:o}}", "operationId", route->id, "summary",
        route->summary, "x-permission", cm_permission_name(route->permission), "x-needs-fresh",
        route->needs_fresh, "parameters", parameters_json(route), "security", security_json(route),
        "responses", "2XX", "description", "Done: docs/api.md says what comes", "default", problem);
    static const char *const MEDIA_TYPES[CM_BODIES] = {
        [CM_BODY_JSON] = "application/json",
        [CM_BODY_SDP] = "application/sdp",
        [CM_BODY_SDP_FRAGMENT] = "application/trickle-ice-sdpfrag",
        [CM_BODY_CSV] = "text/csv",
    };
    if (route->body != CM_BODY_NONE)
        json_object_set_new(operation, "requestBody",
                            json_pack("{s:b, s:{s:{s:{s:s}}}}", "required", 1, "content",
                                      MEDIA_TYPES[route->body], "schema", "type",
                                      route->body == CM_BODY_JSON ? "object" : "string"));
    return operation;
}

static const char *method_key(cm_http_method method)
{
    switch (method) {
    case CM_HTTP_POST:
        return "post";
    case CM_HTTP_PUT:
        return "put";
    case CM_HTTP_PATCH:
        return "patch";
    case CM_HTTP_DELETE:
        return "delete";
    default:
        return "get";
    }
}

json_t *cm_openapi_json(void)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < CM_ROUTE_COUNT; i++) {
        json_t *path = json_object_get(paths, CM_ROUTES[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, CM_ROUTES[i].path, path);
        }
        json_object_set_new(path, method_key(CM_ROUTES[i].method), operation_json(&CM_ROUTES[i]));
    }
    json_t *problem =
        json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}", "type", "object",
                  "properties", "type", "type", "string", "title", "type", "string", "status",
                  "type", "integer", "detail", "type", "string", "field", "type", "string");
    json_t *schemes = json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "session",
                                "type", "apiKey", "in", "cookie", "name", "__Host-casement", "look",
                                "type", "apiKey", "in", "cookie", "name", "__Host-casement-look",
                                "token", "type", "http", "scheme", "bearer");
    return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o, s:{s:o}}}", "openapi", "3.1.0", "info",
                     "title", "casement", "version", CM_VERSION, "paths", paths, "components",
                     "securitySchemes", schemes, "schemas", "problem", problem);
}

void cm_route_openapi(cm_call *call)
{
    cm_call_json(call, 200, cm_openapi_json());
}
