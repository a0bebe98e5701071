/*
 * migrations: the steps by which a database came to its present shape; PRAGMA user_version counts
 * those taken. A step never changes once released; what is to change becomes a further step.
 */
#pragma once

#include "store/sqlite/row.h"

enum { CM_APPLICATION_ID = 0x6373656D }; /* "csem" */

/* CM_ABSENT: empty (nothing was ever made in it). CM_REFUSE: another program's database. CM_FULL:
 * made by a later version than this. Else CM_OK and whether steps are due. */
cm_status cm_migrations_look(cm_db *db, bool *are_due);
/* How many steps this version knows. */
int64_t cm_migrations_steps(void);
/* Takes the steps that are due; inside the caller's transaction. */
cm_status cm_migrations_run(cm_db *db);
