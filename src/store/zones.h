/*
 * zones: the time zones of this machine, read from /usr/share/zoneinfo (package tzdata) when they
 * are first asked for, and kept. What tzdata brings later counts from the next start.
 *
 * Threads: any, behind a lock of its own. Reads files: never on a loop.
 */
#pragma once

#include "base/zone.h"

typedef struct cm_zones cm_zones;

enum { CM_ZONES_MAX = 1024 }; /* names kept; tzdata has some 600 */

/* `directory` NULL: the system's. `by_default` NULL: the machine's own zone ($TZ, else what
 * /etc/localtime leads to); UTC if that can't be read. CM_BROKEN without memory. */
cm_status cm_zones_create(const char *directory, const char *by_default, cm_zones **out);
void cm_zones_destroy(cm_zones *zones);

/* Lives as long as `zones`. NULL: there is no such zone. "UTC" is always there. */
const cm_zone *cm_zones_find(cm_zones *zones, cm_slice name);
const char *cm_zones_default(const cm_zones *zones);
