/*
 * demo: `casement serve --demo`: two simulated cameras in this very process, in the first home that
 * comes to be, so that whoever follows the first link sees moving pictures at once. Nothing else
 * about a demo server differs.
 *
 * The cameras are ordinary rows with ordinary addresses (rtsp://127.0.0.1:PORT/cam1), of which
 * cm_reach allows exactly this one address to exactly this one home. Control loop.
 */
#pragma once

#include "server/server_priv.h"

typedef struct cm_demo cm_demo;

/* Encodes the scenes at the first start (a few seconds, said on standard output) and listens. */
cm_status cm_demo_create(cm_server *server, cm_demo **out);
/* The simulated cameras stop; before the nets are destroyed. */
void cm_demo_stop(cm_demo *demo);
void cm_demo_destroy(cm_demo *demo);
