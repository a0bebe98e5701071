/*
 * watch: readiness of a file descriptor, for net/ (sockets) and egress/still (helper processes).
 * Only the libuv back end has it: nothing that must run in the simulator may use it directly.
 *
 * The descriptor stays its owner's, who closes it after cm_watch_close. Either may be done inside
 * on_ready. CM_BROKEN where the system, or the back end, can't watch it.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_watch cm_watch;

enum { CM_WATCH_READ = 1, CM_WATCH_WRITE = 2 };

/* Level-triggered: on_ready comes each turn as long as a wanted event holds. Wants nothing yet. */
cm_status cm_watch_create(cm_loop *loop, int fd, void (*on_ready)(void *owner, unsigned events),
                          void *owner, cm_watch **out);
/*
 * The same for busy sockets: registered once for both events, so that wanting and not wanting cost
 * no system call. An event holds, and on_ready comes each turn, until its owner has met EAGAIN (or
 * read less than it asked for) and says so with cm_watch_drained.
 */
cm_status cm_watch_create_edge(cm_loop *loop, int fd,
                               void (*on_ready)(void *owner, unsigned events), void *owner,
                               cm_watch **out);
/* `events` no longer hold. After the peer's end or an error reading holds for good. */
void cm_watch_drained(cm_watch *watch, unsigned events);

/* Which events are wanted from here on; 0 pauses. An error or hang-up is reported as both. */
void cm_watch_want(cm_watch *watch, unsigned events);
/* No callback of on_ready any more. NULL is fine. */
void cm_watch_close(cm_watch *watch);
