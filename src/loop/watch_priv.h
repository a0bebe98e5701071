/*
 * watch_priv: the descriptors one loop watches: an epoll set of its own, which the back end waits
 * for as for any descriptor. Registered once; interest and readiness are kept here, so that pausing
 * or waiting for room costs no system call.
 *
 * Private to loop/. Owner: the back end.
 */
#pragma once

#include "loop/watch.h"

/* `soon` is called when a ready watch must be served without waiting. */
cm_status cm_watch_set_create(cm_loop *loop, void (*soon)(cm_loop *loop),
                              struct cm_watch_set **out);
void cm_watch_set_destroy(struct cm_watch_set *set);
int cm_watch_set_fd(const struct cm_watch_set *set);
/* One turn's share: asks the kernel, then calls each ready watch once. */
void cm_watch_set_serve(struct cm_watch_set *set);
