#include "api/assets.h"

static const cm_asset *find(cm_slice path)
{
    for (size_t i = 0; i < CM_ASSET_COUNT; i++)
        if (cm_slice_equal(cm_slice_of(CM_ASSETS[i].path), path))
            return &CM_ASSETS[i];
    return NULL;
}

/* Only what is named here may run, and only from here. The app uses one Trusted Types policy. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "        \
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "         \
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "                                \
    "require-trusted-types-for 'script'; trusted-types casement"

static bool is_unchanged(const cm_http_request *request, const cm_asset *asset)
{
    cm_slice known;
    return cm_http_header(request, CM_TEXT("if-none-match"), &known) == CM_OK &&
           cm_slice_equal(known, cm_slice_of(asset->etag));
}

bool cm_assets_serve(cm_http_request *request)
{
    const cm_http_method method = cm_http_request_method(request);
    const cm_asset *asset = find(cm_http_path(request));
    if (asset == NULL || (method != CM_HTTP_GET && method != CM_HTTP_HEAD))
        return false;
    const cm_http_field fields[] = {
        {CM_TEXT("content-type"), cm_slice_of(asset->content_type)},
        {CM_TEXT("cache-control"), asset->is_immutable
                                       ? CM_TEXT("public, max-age=31536000, immutable")
                                       : CM_TEXT("no-cache")},
        {CM_TEXT("etag"), cm_slice_of(asset->etag)},
        {CM_TEXT("vary"), CM_TEXT("accept-encoding")},
        {CM_TEXT("content-security-policy"), CM_TEXT(POLICY)},
        {CM_TEXT("x-content-type-options"), CM_TEXT("nosniff")},
        {CM_TEXT("referrer-policy"), CM_TEXT("no-referrer")},
        {CM_TEXT("cross-origin-opener-policy"), CM_TEXT("same-origin")},
        {CM_TEXT("cross-origin-resource-policy"), CM_TEXT("same-origin")},
        {CM_TEXT("permissions-policy"),
         CM_TEXT("camera=(self), geolocation=(), microphone=(self)")},
        {CM_TEXT("content-encoding"), CM_TEXT("gzip")},
    };
    const bool is_304 = is_unchanged(request, asset);
    /* content-encoding describes a body: it stays out of a 304. Every browser and curl --compressed
     * takes gzip. */
    cm_http_respond(request, &(cm_http_response){.status = is_304 ? 304 : 200,
                                                 .fields = fields,
                                                 .field_count = CM_COUNT(fields) - (is_304 ? 1 : 0),
                                                 .body = is_304 ? (cm_slice){0} : asset->gzip,
                                                 .is_body_static = true});
    return true;
}
