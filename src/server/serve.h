/*
 * serve: `casement serve`: everything wired together, from the first listener to the last clean-up.
 *
 * Order of the start: config, data directory, store, what the YAML declares, loops, keys, cameras,
 * listeners; nothing is listening before all the rest is ready. Order of the end: listeners,
 * viewers, cameras, loops, store.
 */
#pragma once

#include "server/config.h"

typedef struct cm_serve_options {
    const char *config_path; /* NULL: defaults */
    const char *data_directory;
    bool has_http_port;      /* --port: plain HTTP on 127.0.0.1, whatever the config says */
    uint16_t http_port;      /* 0: a free one */
    bool is_demo;            /* a demo home with two simulated cameras in this process */
    const char *helper_path; /* NULL: beside this executable */
} cm_serve_options;

/* Runs until SIGINT or SIGTERM. The exit status: 0, 1 (a fault of this machine), 2 (wrong config or
 * data: said on standard error). */
int cm_serve(const cm_serve_options *options);
