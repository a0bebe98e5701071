/*
 * peer: a test's side of a connection to 127.0.0.1, with or without TLS, that can be made slow. For
 * programs around one poll().
 *
 * Certificates are not checked: this looks at what is sent, not at who sends it.
 */
#pragma once

#include <poll.h>

#include "base/buffer.h"

typedef struct peer peer;

typedef struct peer_config {
    uint16_t port;
    bool is_tls;
    bool is_h2;              /* what ALPN offers: h2 or http/1.1 */
    uint64_t bytes_a_second; /* read at most so many, in steps of 50 ms; 0: all there is */
    void (*on_bytes)(void *owner, cm_slice bytes);
    /* After that the peer is dead: peer_close() it, not inside. */
    void (*on_end)(void *owner);
    void *owner;
} peer_config;

/* NULL: no connection. */
peer *peer_open(const peer_config *config);
void peer_close(peer *p); /* NULL is fine */
bool peer_is_dead(const peer *p);
void peer_send(peer *p, cm_slice bytes);

/* What to poll for. *wait_ms is lowered to when a slow one goes on. */
struct pollfd peer_wants(const peer *p, int64_t now_us, int *wait_ms);
void peer_run(peer *p, short events, int64_t now_us);

int64_t peer_now_us(void); /* CLOCK_MONOTONIC */
