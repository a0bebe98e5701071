/*
 * watch_priv: the descriptors one loop watches: an epoll set of its own, by which the back end also
 * waits for what it has besides. Registered once; interest and readiness are kept here, so that
 * pausing or waiting for room costs no system call.
 *
 * Private to loop/. Owner: the back end.
 */
#pragma once

#include "loop/watch.h"

/* `soon` is called when a ready watch must be served without waiting. */
cm_status cm_watch_set_create(cm_loop *loop, void (*soon)(cm_loop *loop),
                              struct cm_watch_set **out);
void cm_watch_set_destroy(struct cm_watch_set *set);
/* Waits for a descriptor of the back end too; it is level-triggered and stays the caller's. */
cm_status cm_watch_set_include(struct cm_watch_set *set, int fd);
/* Asks the kernel what is ready; without anything waits for it if it may. True: an included
 * descriptor is ready. */
bool cm_watch_set_wait(struct cm_watch_set *set, bool may_block);
/* One turn's share: calls each ready watch once. */
void cm_watch_set_serve(struct cm_watch_set *set);
