/*
 * fault: hooks that make the server wrong on purpose, to show that no foreign picture comes out
 * even so. Compiled only with -DCM_FAULT_INJECTION (meson -Dfault_injection=true); in a release
 * CM_FAULT(x) is the constant false, the code behind it is gone, and none of the names below is in
 * the binary (a test looks).
 *
 * A hook stands where the mistake would happen: `if (CM_FAULT(RING_SWAP)) slot = other;`. How often
 * it fires is set at run time (cm_fault_set) or by the environment at the start:
 * CASEMENT_FAULTS="store.session.swap=1/10,ring.swap=~1/100,evidence.off=1/1": of D times asked N
 * fire, evenly spread; with ~ at random. The two switches ending in ".off" turn a wall off, so that
 * the test can fail.
 *
 * Threads: any; counters are atomic.
 */
#pragma once

#include "base/slice.h"

#define CM_FAULT_TABLE(X)                                                                          \
    /* wrong identity: src/store, asked at each lookup of the evidence chain */                    \
    X(STORE_SESSION_SWAP, "store.session.swap") /* another row of the table */                     \
    X(STORE_MEMBERSHIP_SWAP, "store.membership.swap")                                              \
    X(STORE_GRANT_SWAP, "store.grant.swap")                                                        \
    X(STORE_CAMERA_SWAP, "store.camera.swap")                                                      \
    X(STORE_CACHE_FOREIGN, "store.cache.foreign") /* a row read before, of another home */         \
    X(STORE_ROW_STALE, "store.row.stale")         /* a row as it was before it was taken away,     \
                                                     kept over restarts */                         \
    /* wrong rows: src/store, at every other look-up, while a server follows the store */          \
    X(STORE_FIND_SWAP, "store.find.swap")   /* another row of the table */                         \
    X(STORE_FIND_STALE, "store.find.stale") /* one from before it was changed or taken away */     \
    X(STORE_LIST_SWAP, "store.list.swap")   /* another row of the table in a list */               \
    /* lost messages: src/grants */                                                                \
    X(GRANTS_DROP_SOURCE, "grants.drop.source") /* sealers to the source's loop */                 \
    X(GRANTS_DROP_VIEWER, "grants.drop.viewer") /* a lease or an end to the viewer's loop */       \
    /* lost pictures: src/media */                                                                 \
    X(FRAME_LOST, "frame.lost") /* one viewer's, taken for delivered */                            \
    /* wrong bytes: src/media, src/egress */                                                       \
    X(RING_SWAP, "ring.swap")             /* slots of two cameras' rings */                        \
    X(STILL_SWAP, "still.swap")           /* another camera's still */                             \
    X(PART_SWAP, "part.swap")             /* another camera's MP4 part */                          \
    X(FRAME_REUSE, "frame.reuse")         /* a frame's memory, filled anew early */                \
    X(WRITE_NEIGHBOUR, "write.neighbour") /* a queued write handed to the neighbour */             \
    X(FRAME_REPLAY, "frame.replay")       /* an old frame once more */                             \
    X(RTP_NEIGHBOUR, "rtp.neighbour")     /* a packet handed to another viewer's session */        \
    X(RTX_SWAP, "rtx.swap")               /* what was sent, mixed up with another camera's */      \
    X(HELPER_MIX, "helper.mix")           /* jobs and pipes of helpers mixed up */                 \
    X(FLEET_SWAP, "fleet.swap")           /* another camera is given pictures that are brought */  \
    X(TALK_NEIGHBOUR, "talk.neighbour")   /* what is said, handed on as another speaker's */       \
    X(TALK_LEASE_SWAP, "talk.lease.swap") /* and judged by another speaker's lease */              \
    /* the walls */                                                                                \
    X(EVIDENCE_OFF, "evidence.off") /* rows and look-ups are believed */                           \
    X(SEALING_OFF, "sealing.off")   /* seals are not checked */

#ifdef CM_FAULT_INJECTION

#define CM_FAULT_ENUM(id, name) CM_FAULT_##id,
typedef enum cm_fault { CM_FAULT_TABLE(CM_FAULT_ENUM) CM_FAULTS } cm_fault;

#define CM_FAULT(id) cm_fault_fires(CM_FAULT_##id)

/* Asks a hook: counts, and says whether it fires this time. */
bool cm_fault_fires(cm_fault fault);

typedef struct cm_fault_rate {
    uint32_t fires; /* of `asked` times; 0: never */
    uint32_t asked; /* > 0 */
    bool is_random;
} cm_fault_rate;
void cm_fault_set(cm_fault fault, cm_fault_rate rate); /* its counters begin at zero again */
void cm_fault_reset(void);                             /* none fires; all counters zero */
uint64_t cm_fault_fired(cm_fault fault);
const char *cm_fault_name(cm_fault fault);

/* Settings as in CASEMENT_FAULTS. CM_REFUSE: an unknown name or a rate that is none; nothing is set
 * then. */
cm_status cm_fault_read_settings(cm_slice text);
/* CASEMENT_FAULTS; CM_OK without it. */
cm_status cm_fault_read_environment(void);

#else
#define CM_FAULT(id) false
#endif
