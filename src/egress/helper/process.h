/*
 * process: one process of casement-helper as its owner sees it: started, given jobs, read from,
 * ended. When it is started, how often and for whom is the owner's (egress/still,
 * egress/transcode).
 *
 * Embedded in its owner; all on its loop. Jobs go out one at a time: the next may be given when
 * cm_helper_process_flush() says that the one before is out. Delegations in them are wiped when
 * they are.
 */
#pragma once

#include "base/buffer.h"
#include "helper/wire.h"
#include "loop/process.h"
#include "loop/watch.h"

typedef struct cm_helper_process_config {
    cm_loop *loop;
    const char *path; /* of the executable, as the next borrowed for life */
    const char *work; /* what it is to do: its first argument */
    /* CM_CLOSE: it does not keep to the order, and is given up. Called on what it sent, also in
     * its last words. */
    cm_status (*on_answer)(void *owner, const cm_helper_answer *answer);
    /* Something was read, or may be written. */
    void (*on_ready)(void *owner);
    /* It hung up ("gone") or said nonsense ("protocol"): to be killed. */
    void (*on_lost)(void *owner, const char *cause);
    /* It is gone, and may be started again or destroyed inside. Status as from waitpid. */
    void (*on_exit)(void *owner, int status);
    void *owner;
} cm_helper_process_config;

typedef struct cm_helper_process {
    cm_helper_process_config config;
    cm_process *process; /* NULL: there is none */
    int fd;              /* -1: hung up */
    cm_watch *watch;
    uint8_t *out; /* the message on its way; NULL if there is none */
    size_t out_size, out_sent;
    cm_buffer in;
} cm_helper_process;

/* casement-helper beside this executable, or `configured` if it is not NULL. CM_BROKEN: too long.
 */
cm_status cm_helper_path(const char *configured, char *out, size_t capacity);

void cm_helper_process_init(cm_helper_process *p, const cm_helper_process_config *config);
/* Kills it if it runs; no callback after. */
void cm_helper_process_deinit(cm_helper_process *p);

/* CM_BROKEN: it could not be; nothing is left of it then. */
cm_status cm_helper_process_start(cm_helper_process *p);
/* CM_RETRY: the socket is full, on_ready follows. CM_CLOSE: it is gone or going, and what it still
 * said is read when its end is known. */
cm_status cm_helper_process_flush(cm_helper_process *p);
/* Only when nothing is on its way. CM_BROKEN without memory. */
cm_status cm_helper_process_give(cm_helper_process *p, const cm_helper_job *job,
                                 const cm_frame *frame);
/* Its end of the socket is closed: it ends when it reads that. */
void cm_helper_process_hang_up(cm_helper_process *p);
void cm_helper_process_kill(cm_helper_process *p); /* also hangs up; on_exit follows */
