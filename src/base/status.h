/*
 * status: what a function that can fail returns.
 *
 * A code says what the caller must do, not what went wrong; the detail (field, offset, errno) is
 * logged once, where the failure is decided upon. A status is never mixed with a length or a
 * boolean, and never ignored silently.
 */
#pragma once

enum [[nodiscard]] cm_status{
    CM_OK = 0,  CM_RETRY, /* not now: the same call may work later                          */
    CM_REFUSE,            /* the request is wrong or not allowed: answer it so              */
    CM_ABSENT,            /* there is no such thing (for this asker): answer it so          */
    CM_CLOSE,             /* the peer broke its protocol, or is gone: end the connection    */
    CM_FULL,              /* a bound was reached: the caller's policy decides what to drop  */
    CM_FOREIGN,           /* bytes of another home, camera or epoch: nothing, and an alarm  */
    CM_BROKEN,            /* this machine: disk, memory, a helper                           */
};
typedef enum cm_status cm_status;

/* The code's name ("retry", "foreign", ...), for logs and counters. Static storage. */
const char *cm_status_name(cm_status status);

/* Returns the callee's failure to our caller. */
#define CM_TRY(call)                                                                               \
    do {                                                                                           \
        const cm_status cm_try_ = (call);                                                          \
        if (cm_try_ != CM_OK)                                                                      \
            return cm_try_;                                                                        \
    } while (0)

/* Returns `code` unless `cond` holds. For input; a mistake of ours is an assert. */
#define CM_ENSURE(cond, code)                                                                      \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return (code);                                                                         \
    } while (0)

/* Drops a result on purpose; the reason is for the reader, and for grep. */
#define CM_IGNORE(call, reason) ((void)(call), (void)sizeof(reason))

/* Runs `destroy_fn(&variable)` when the variable's scope is left; CM_TAKE disarms by moving out. */
#define CM_AUTO(destroy_fn) __attribute__((cleanup(destroy_fn)))
#define CM_TAKE(variable)   cm_take_pointer((void **)&(variable))
void *cm_take_pointer(void **variable);

#define CM_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The struct that holds `member` at `pointer`. */
#define CM_HOLDER(pointer, type, member)                                                           \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define CM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
