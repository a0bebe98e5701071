/* Many homes from a file in comma-separated values, by an operator: all of them or none, each with
 * an invitation of its first owner. What is wrong is told line by line. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "identity/homes_file.h"
#include "store/invitations.h"

typedef struct import {
    bool only_checks;
    cm_wall expires; /* of the invitations */
    cm_homes_faults faults;
    cm_homes_file *file;
    cm_import_home *homes; /* the file's */
    size_t count;
    cm_token *tokens; /* a home each, as what follows */
    cm_stored_invitation *made;
    cm_stored_cameras *cameras;
} import;

static void free_import(void *data)
{
    import *m = data;
    for (size_t i = 0; m->cameras != NULL && i < m->count; i++)
        cm_stored_cameras_clear(&m->cameras[i]);
    if (m->tokens != NULL)
        cm_secret_wipe(m->tokens, m->count * sizeof *m->tokens);
    free(m->tokens);
    free(m->made);
    free(m->cameras);
    cm_homes_file_destroy(m->file);
    free(m);
}

/* ---- in the store's lane ---- */

static cm_status judge(const cm_call *call, import *m)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes taken = {.count = 0};
    CM_TRY(cm_store_homes(call->api->config.store, &taken));
    CM_TRY(cm_homes_file_read(cm_buffer_data(&call->text), &taken, &m->faults, &m->file));
    m->homes = cm_homes_file_homes(m->file, &m->count);
    return CM_OK;
}

static cm_status make(const cm_call *call, import *m)
{
    m->tokens = calloc(m->count, sizeof *m->tokens);
    m->made = calloc(m->count, sizeof *m->made);
    m->cameras = calloc(m->count, sizeof *m->cameras);
    CM_ENSURE(m->tokens != NULL && m->made != NULL && m->cameras != NULL, CM_FULL);
    cm_random random = cm_random_system();
    for (size_t i = 0; i < m->count; i++) {
        cm_token_make(&random, CM_TOKEN_INVITATION, &m->tokens[i]);
        cm_slice_copy(cm_slice_over(m->tokens[i].hash, CM_MAC_SIZE), m->homes[i].token_hash,
                      CM_MAC_SIZE);
    }
    const cm_import all = {.homes = m->homes, .count = m->count, .expires = m->expires};
    return cm_store_homes_import(call->api->config.store, &all,
                                 cm_loop_wall(call->api->config.loop), m->made);
}

static void put_entry(const cm_call *call, const cm_audit_entry *what)
{
    cm_audit_entry entry = *what;
    entry.when = cm_loop_wall(call->api->config.loop);
    entry.account = call->who.account;
    CM_IGNORE(cm_audit_put(call->api->config.audit, &entry, (cm_slice){.size = 0}),
              "what finds no room is counted, and the log says so");
}

/* Hundreds of entries, of which each would wait for the disk, wait for it once. */
static void record(const cm_call *call, import *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const cm_home_id *home = &m->made[i].home;
        cm_audit_entry invited = {
            .kind = CM_AUDIT_INVITATION_MADE, .home = *home, .value = m->made[i].role};
        cm_slice_copy(cm_slice_over(m->made[i].id, CM_ID_SIZE), invited.other,
                      sizeof invited.other);
        put_entry(call, &(cm_audit_entry){.kind = CM_AUDIT_HOME_ADDED, .home = *home});
        put_entry(call, &invited);
        CM_IGNORE(cm_store_cameras(call->api->config.store, home, &m->cameras[i]),
                  "the homes are made: their cameras are connected to at the next start");
        for (size_t c = 0; c < m->cameras[i].count; c++)
            put_entry(call, &(cm_audit_entry){.kind = CM_AUDIT_CAMERA_ADDED,
                                              .home = *home,
                                              .camera = m->cameras[i].items[c].key.camera});
    }
    CM_IGNORE(cm_audit_flush(call->api->config.audit),
              "what happened has happened: the log of the server says that the audit fails");
}

static void import_homes(cm_call *call)
{
    import *m = call->data;
    call->status = judge(call, m);
    if (call->status != CM_OK || m->only_checks)
        return;
    call->status = make(call, m);
    if (call->status == CM_OK)
        record(call, m);
}

/* ---- out ---- */

static void tell_fleet(cm_call *call)
{
    const import *m = call->data;
    for (size_t i = 0; i < m->count; i++)
        for (size_t c = 0; c < m->cameras[i].count; c++)
            call->api->config.on_camera_saved(call->api->config.owner, &m->cameras[i].items[c]);
}

static void answer_import(cm_call *call)
{
    const import *m = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < m->count; i++) {
        const cm_import_home *home = &m->homes[i];
        json_t *json = json_pack("{s:s%, s:s%, s:I}", "name", (const char *)home->name.bytes,
                                 home->name.size, "owner", (const char *)home->label.bytes,
                                 home->label.size, "cameras", (json_int_t)home->camera_count);
        if (!m->only_checks) {
            json_object_set_new(json, "id", json_string(m->made[i].home.text));
            json_object_set_new(json, "token", json_string(m->tokens[i].text));
        }
        json_array_append_new(list, json);
    }
    cm_call_json(call, m->only_checks ? 200 : 201, json_pack("{s:o}", "homes", list));
}

static void answer_faults(cm_call *call)
{
    static const cm_call_fault FAULT = {400,
                                        "bad-homes-file",
                                        "The file can't be used",
                                        "Nothing was made: mend what is named.",
                                        NULL,
                                        0};
    const import *m = call->data;
    json_t *list = json_array();
    for (size_t i = 0; i < cm_homes_faults_told(&m->faults); i++) {
        const cm_homes_fault *fault = &m->faults.items[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:s?, s:s, s:s}", "line",
                                              (json_int_t)fault->line, "column",
                                              (json_int_t)fault->column, "name", fault->name,
                                              "cause", fault->code, "detail", fault->cause));
    }
    cm_call_problem_with(
        call, &FAULT,
        json_pack("{s:o, s:I}", "faults", list, "fault_count", (json_int_t)m->faults.count));
}

static void on_imported(cm_call *call)
{
    const import *m = call->data;
    if (m->faults.count > 0)
        answer_faults(call);
    else if (call->status != CM_OK)
        cm_call_fail(call, call->status, "absent");
    else if (m->only_checks)
        answer_import(call);
    else
        cm_call_on_control(call, tell_fleet, answer_import);
}

/* ---- in ---- */

/* ?days=1…30, 7 without; ?check=1. False: a problem was answered. */
static bool read_query(cm_call *call, import *m)
{
    enum { DAYS = 7, DAYS_MAX = CM_INVITATION_MAX_US / CM_SECONDS(86400) };
    cm_slice text;
    uint64_t days = DAYS;
    cm_status status = cm_http_query(call->request, CM_TEXT("days"), &text);
    bool is_fine = status == CM_ABSENT ||
                   (status == CM_OK && cm_slice_to_u64(text, DAYS_MAX, &days) == CM_OK && days > 0);
    status = cm_http_query(call->request, CM_TEXT("check"), &text);
    m->only_checks = status == CM_OK;
    is_fine =
        is_fine && (status == CM_ABSENT || (status == CM_OK && cm_slice_equal(text, CM_TEXT("1"))));
    m->expires.us = cm_loop_wall(call->api->config.loop).us + CM_SECONDS(86400) * (int64_t)days;
    if (!is_fine)
        cm_call_problem(call, &(cm_call_fault){400, "bad-query", "Not understood",
                                               "days is from 1 to 30, check is 1.", "days", 0});
    return is_fine;
}

void cm_route_homes_import(cm_call *call)
{
    import *m = calloc(1, sizeof *m);
    if (m == NULL) {
        cm_call_fail(call, CM_FULL, "absent");
        return;
    }
    call->data = m;
    call->free_data = free_import;
    if (read_query(call, m))
        cm_call_write(call, import_homes, on_imported);
}
