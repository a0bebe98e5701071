/*
 * watch: readiness of a file descriptor, for net/ (sockets) and egress/still (helper processes).
 * Only the libuv back end has it: nothing that must run in the simulator may use it directly.
 *
 * Level-triggered. Owner: whoever embeds it; it must stay until close() has called back.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_watch cm_watch;

enum { CM_WATCH_READ = 1, CM_WATCH_WRITE = 2 };

/* Does not take the descriptor: its owner closes it in, or after, `on_closed`. CM_BROKEN on
 * refusal. */
cm_status cm_watch_create(cm_loop *loop, int fd, void (*on_ready)(void *owner, unsigned events),
                          void *owner, cm_watch **out);
/* Which events are wanted from here on; 0 pauses. An error or hang-up is reported as both. */
void cm_watch_want(cm_watch *watch, unsigned events);
/* No callback of on_ready any more; the descriptor is closed by us after the loop let go of it.
 * NULL is fine. */
void cm_watch_close(cm_watch *watch);
