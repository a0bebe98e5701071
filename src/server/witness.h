/*
 * witness: what the server tells the audit (docs/decisions/0013): grants' views, alarms, cuts,
 * starts and ends, jumps of the clock. Changes by the API and sign-ins tell it themselves.
 *
 * The head of the log is written into the store each minute and at the end, so that a log that is
 * cut back by hand is found out, by the next start and by `casement audit verify`.
 */
#pragma once

#include "audit/audit.h"
#include "grants/grants.h"

typedef struct cm_server cm_server;

/* The store, identity and loop 0 are there; no loop runs. Says on standard error what is wrong. */
cm_status cm_witness_open(cm_server *server);
void cm_witness_stop(cm_server *server); /* its timer, before the loops are destroyed */
/* After all that may tell something; before the store closes. */
void cm_witness_close(cm_server *server, cm_wall now);

void cm_witness_view(void *server,
                     const cm_view *view); /* control loop: cm_grants_config.on_view */
/* Any loop. */
void cm_witness_refusal(const cm_server *server, cm_wall now, const cm_camera_key *camera,
                        cm_refusal refusal);
void cm_witness_alarm(const cm_server *server, const cm_camera_key *asked); /* control loop */
/* Any thread, behind the commit and what grants make of it. Never waits. */
void cm_witness_cut(const cm_server *server, const cm_change *change);
/* Another process changed the store: what it left for the log (store/told.h), or, if it left
 * nothing, only that it did. Control loop. */
void cm_witness_outside(cm_server *server);

/* For commands too: where a data directory has its log, by which key, up to which head. */
enum { CM_WITNESS_PATH_SIZE = 4096 };
cm_status cm_witness_directory(const char *data_directory, char out[CM_WITNESS_PATH_SIZE]);
void cm_witness_key(const cm_store *store, cm_secret *out);
cm_status cm_witness_read_head(cm_store *store, cm_audit_head *out); /* count 0: none */
