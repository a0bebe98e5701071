/*
 * config: what the YAML file says. All of it is optional; docs/operations.md lists every key.
 *
 * Read once at the start, whole or not at all: the first fault is told with file, line, field and
 * what is allowed there, and nothing starts. Files it names (password_file, certificate …) are
 * relative to the YAML file's directory. Values are checked here, so that the rest of the server
 * never meets a wrong one.
 *
 * Owner: main; immutable after reading.
 */
#pragma once

#include "identity/identity.h"
#include "net/address.h"

enum {
    CM_CONFIG_HOMES_MAX = 1000,
    CM_CONFIG_LIST_MAX = 1000,
    CM_PICTURES_DEFAULT = 64,
    CM_PICTURES_MAX = 10000,
    CM_CONFIG_MESSAGE_SIZE = 1024,
};

/* A server that helps WebRTC's viewers to find this one. */
typedef struct cm_config_helper {
    cm_slice host; /* a name or an address; empty: none */
    uint16_t port;
} cm_config_helper;

/* An address to listen on, if one was given. */
typedef struct cm_config_listener {
    bool is_set;
    cm_address address;
} cm_config_listener;

typedef struct cm_config {
    /* listen */
    cm_address http;  /* default 127.0.0.1:8080; loopback only */
    cm_address https; /* default 0.0.0.0:8443 */
    /* Where WebRTC's packets come and go. Unspecified (the default, port 8189): on every address
     * that this machine has. */
    cm_address media;
    /* What others reach that port by when it is forwarded; port 0: the same. */
    cm_address *announce;
    size_t announce_count;
    cm_config_helper stun;
    cm_config_helper turn;
    cm_slice turn_user;
    cm_slice turn_password;
    /* rtsp: off unless given. Plain beyond loopback only where the file allows it in words. */
    cm_config_listener rtsp;
    cm_config_listener rtsps;
    bool is_plain_rtsp_allowed;
    /* tls */
    char *certificate_file; /* NULL: a local CA is made */
    char *key_file;
    char **names; /* further names of this server, for the certificate */
    size_t name_count;
    /* server */
    unsigned loops;            /* default 1 */
    unsigned pictures_at_once; /* live ones, of an account on all its devices; default 64 */
    cm_range *trusted_proxies;
    size_t trusted_proxy_count;
    char *log_level; /* "debug" "info" "warn" "error" */
    /* homes, operators */
    cm_declared_home *homes;
    size_t home_count;
    cm_declared_account *operators;
    size_t operator_count;

    struct cm_config_memory *memory; /* private: all texts and lists above */
} cm_config;

/* The defaults, as if the file were empty. */
cm_status cm_config_create_default(cm_config **out);
/* CM_REFUSE: `message` says file:line:column, field, what is wrong and what is allowed. */
cm_status cm_config_read(const char *path, char message[CM_CONFIG_MESSAGE_SIZE], cm_config **out);
/* The same for a file's content that is in memory; `path` is for messages and what is beside it. */
cm_status cm_config_read_text(const char *path, cm_slice yaml, char message[CM_CONFIG_MESSAGE_SIZE],
                              cm_config **out);
/* Is it rtsp://host…, without user info? What a camera's address may be, wherever it is given. */
bool cm_config_is_camera_address(cm_slice text);
void cm_config_destroy(cm_config *config); /* wipes passwords; NULL is fine */
