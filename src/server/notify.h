/*
 * notify: tells systemd where a service is (sd_notify(3): READY=1, STOPPING=1), and tells whether
 * one runs as a service at all. Any thread; nothing happens where nobody asked to be told.
 */
#pragma once

#include "base/slice.h"

/* Somebody who started us waits to be told: what we print is then kept in a journal. */
bool cm_notify_is_wanted(void);
void cm_notify(const char *state);
