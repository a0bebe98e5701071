/* How the server is: for people, load balancers and Prometheus. */
#include <stdlib.h>

#include "api/api_priv.h"

enum { METRICS_MAX = 4 << 20 };

/* Well: the database answers. */
static void ask_database(cm_call *call)
{
    bool is_needed;
    call->status = cm_store_setup_is_needed(call->api->config.store, &is_needed);
}

static void answer_health(cm_call *call)
{
    const bool is_well = call->status == CM_OK;
    cm_call_json(call, is_well ? 200 : 503,
                 json_pack("{s:s}", "status", is_well ? "ok" : "database"));
}

void cm_route_health(cm_call *call)
{
    cm_call_read(call, ask_database, answer_health);
}

/* ---- metrics ---- */

static void free_buffer(void *data)
{
    cm_buffer_deinit(data);
    free(data);
}

static void write_metrics(cm_call *call)
{
    call->status = call->api->config.write_metrics(call->api->config.owner, call->data);
}

static void answer_metrics(cm_call *call)
{
    if (call->status == CM_OK)
        cm_call_bytes(call, "text/plain; version=0.0.4; charset=utf-8", cm_buffer_data(call->data));
    else
        cm_call_fail(call, call->status, "absent");
}

void cm_route_metrics(cm_call *call)
{
    cm_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    cm_buffer_init(buffer, METRICS_MAX);
    call->data = buffer;
    call->free_data = free_buffer;
    cm_call_on_control(call, write_metrics, answer_metrics);
}

/* ---- the server ---- */

typedef struct server_facts {
    bool is_setup_needed;
    bool has_passkeys; /* under the name that was asked for */
} server_facts;

static void read_facts(cm_call *call)
{
    call->status = cm_store_setup_is_needed(call->api->config.store,
                                            &((server_facts *)call->data)->is_setup_needed);
}

static void answer_facts(cm_call *call)
{
    const cm_api_config *config = &call->api->config;
    if (call->status != CM_OK) {
        cm_call_fail(call, call->status, "absent");
        return;
    }
    json_t *ca = config->ca_fingerprint != NULL
                     ? json_pack("{s:s}", "fingerprint_sha256", config->ca_fingerprint)
                     : json_null();
    cm_call_json(call, 200,
                 json_pack("{s:s, s:b, s:o, s:o, s:b, s:b, s:{s:b, s:o}}", "version", CM_VERSION,
                           "setup_needed", ((server_facts *)call->data)->is_setup_needed, "ca", ca,
                           "time", cm_time_json(cm_loop_wall(config->loop)), "demo",
                           config->is_demo, "webrtc", config->rtc != NULL, "passkeys", "here",
                           ((server_facts *)call->data)->has_passkeys, "names",
                           cm_passkeys_names_json(call)));
}

void cm_route_server(cm_call *call)
{
    call->data = calloc(1, sizeof(server_facts));
    if (call->data == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->free_data = free;
    cm_passkey_site site;
    ((server_facts *)call->data)->has_passkeys = cm_passkeys_are_here(call, &site);
    cm_call_read(call, read_facts, answer_facts);
}

/* ---- the local CA's certificate ---- */

void cm_route_ca_certificate(cm_call *call)
{
    if (call->api->config.ca_pem.size > 0)
        cm_call_bytes(call, "application/x-x509-ca-cert", call->api->config.ca_pem);
    else
        cm_call_fail(call, CM_ABSENT, "no-local-ca");
}
