/*
 * process: a child process (casement-helper) on the end of a socket pair. Only on the libuv back
 * end.
 *
 * The child gets one end of a SOCK_STREAM pair as descriptor 3, /dev/null as 0 and 1, our standard
 * error as 2, an empty environment, and nothing else open. It dies with the thread that created it
 * (PR_SET_PDEATHSIG), which should therefore be one that lives as long as the server.
 */
#pragma once

#include "loop/loop.h"

typedef struct cm_process cm_process;

typedef struct cm_process_config {
    const char *path;                         /* the executable */
    const char *const *argv;                  /* NULL-terminated, argv[0] included */
    void (*on_exit)(void *owner, int status); /* as from waitpid (127: could not be executed); the
                                                 object may be destroyed inside */
    void *owner;
} cm_process_config;

/* *socket_out is our end, non-blocking, the caller's to close. */
cm_status cm_process_create(cm_loop *loop, const cm_process_config *config, int *socket_out,
                            cm_process **out);
int cm_process_pid(const cm_process *process);
void cm_process_kill(cm_process *process); /* SIGKILL; on_exit follows */
/* Kills it if it still runs and waits until it is gone; no on_exit after. NULL is fine. */
void cm_process_destroy(cm_process *process);
