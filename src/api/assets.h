/*
 * assets: the web app, built into the binary (web/embed.mjs writes the table).
 */
#pragma once

#include "net/http.h"

typedef struct cm_asset {
    const char *path; /* "/", "/assets/app.1a2b3c.js" */
    const char *content_type;
    const char *etag;  /* quoted */
    cm_slice gzip;     /* the body, compressed */
    bool is_immutable; /* its name holds its hash */
} cm_asset;

extern const cm_asset CM_ASSETS[];
extern const size_t CM_ASSET_COUNT;

/* Answers GET and HEAD of the app's own files, with its security fields. False: there is no such
 * file, nothing was answered. */
bool cm_assets_serve(cm_http_request *request);
