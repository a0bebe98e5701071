/*
 * grants: may this asker see this camera now? The only maker of leases, sealers and epochs.
 *
 * Evidence: a lease is minted from a chain of stored rows, never from one lookup: token hash ->
 * session (or API token) -> account -> membership -> grant -> camera. Each row carries its own id,
 * its parents' ids and a MAC under its home's key (store/evidence.h); each step compares what was
 * asked for with what the row says of itself. A swapped, stale, cached or mixed-up row yields no
 * lease, a count and an alarm.
 *
 * The cut: right behind the commit of a change (cm_store_follow) comes cm_grants_changed(). Order:
 * commit, page of minimum epochs, new leases for those still allowed (each decided again from the
 * store), then end for the others. Turns of one camera within 20 ms coalesce. Nothing depends on a
 * message arriving: seals and opens read the page.
 *
 * Leases live 60 s (CLOCK_BOOTTIME) and are renewed at 20-40 s with jitter from memory (the facts
 * of the last evidence, which any change throws away).
 *
 * Threads: cm_grants belongs to the control loop. Functions marked "any loop" may be called on any
 * loop and answer on the loop that is named.
 */
#pragma once

#include <assert.h>

#include "base/id.h"
#include "loop/loop.h"
#include "media/seal.h"
#include "media/viewing.h"
#include "store/evidence.h"
#include "store/store.h"

typedef struct cm_grants cm_grants;

/* What pictures go through to whoever asks for them. */
typedef enum cm_view_path {
    CM_VIEW_OTHER,
    CM_VIEW_WEBRTC,
    CM_VIEW_MP4,
    CM_VIEW_STILL,
    CM_VIEW_WHIP, /* brought, not seen */
    CM_VIEW_RTSP,
    CM_VIEW_PATHS,
} cm_view_path;

struct cm_view;

typedef struct cm_grants_config {
    cm_loop *control;
    cm_store *store;
    cm_epoch_page *page;
    size_t cameras_max;                 /* 0 means 10,000; at most the page's */
    size_t viewer_sessions_max;         /* 0 means 10,000 */
    size_t viewer_sessions_per_account; /* 0 means 64 */
    /* Called on the control loop for each refusal of evidence that is an alarm (rows that do not
     * fit). `cause` is static. */
    void (*on_alarm)(void *owner, const cm_camera_key *asked, const char *cause);
    /* Control loop: a viewer session has its first lease, was refused it, or is over. For the
     * account that is kept; may be NULL. */
    void (*on_view)(void *owner, const struct cm_view *view);
    void *owner;
} cm_grants_config;

cm_status cm_grants_create(const cm_grants_config *config, cm_grants **out);
/*
 * Before the control loop is destroyed, when no loop runs any more. Viewer sessions must have been
 * closed; what is still on its way (cm_loop_destroy calls it) only gives its memory back.
 */
void cm_grants_destroy(cm_grants *grants);

/* ---- cameras: keys and epochs ---- */

/*
 * The sealers of one camera for its source, under one epoch: frames of every stream, stills of
 * those that have them (cm_stream_has; NULL elsewhere).
 * `next` is the following epoch's set, made ahead of time, so that a source can turn by itself the
 * moment the page says so, without waiting for a message.
 */
typedef struct cm_sealer_set {
    uint64_t epoch;
    cm_sealer *sealers[CM_STREAMS][CM_OBJECTS];
} cm_sealer_set;
void cm_sealer_set_clear(cm_sealer_set *set); /* destroys what is in it */

typedef struct cm_grants_camera_events {
    /* On `source_loop`: the set for an epoch, to be used once the page (or the present set) says
     * so. The receiver takes the sealers it wants by putting NULL in their place; what is left is
     * destroyed after the call. */
    void (*on_sealers)(void *owner, const cm_camera_key *camera, cm_sealer_set *set);
    /* On `source_loop`, after cm_grants_camera_remove(): the last call; `owner` is not used any
     * more. May be NULL. */
    void (*on_gone)(void *owner, const cm_camera_key *camera);
} cm_grants_camera_events;

/*
 * Control loop. Announces a camera: takes its slot in the page (min_epoch from the store) and hands
 * the sources loop two sets (present and next). After each turn a further set follows. CM_REFUSE:
 * it is there already; CM_FULL: the page is.
 */
cm_status cm_grants_camera_add(cm_grants *grants, const cm_camera_key *camera, uint64_t min_epoch,
                               cm_loop *source_loop, const cm_grants_camera_events *events,
                               void *owner);
/* Control loop. Deleting: the page refuses everything of this camera for ever, keys are wiped,
 * viewer sessions end. */
void cm_grants_camera_remove(cm_grants *grants, const cm_camera_key *camera);
/* Any loop: a source whose sets are used up asks again (a message may have been lost). */
void cm_grants_camera_want_sealers(cm_grants *grants, const cm_camera_key *camera,
                                   uint64_t after_epoch);

/* ---- deciding ---- */

typedef struct cm_grant_facts {
    bool session_is_live; /* not ended, not expired */
    bool account_is_active;
    bool is_operator; /* never sees pictures, whatever else is true */
    bool camera_exists;
    bool home_is_suspended;
    /* By a guest link: account and role are those of its maker, `granted` is what the link gives.
     */
    bool is_guest;
    bool link_has_ended;   /* revoked, or with its maker's say */
    cm_role role;          /* in the camera's home; CM_ROLE_NONE without membership */
    cm_rights token_limit; /* what an API token was made for; all bits for a session */
    cm_grant_rows granted; /* by the grant rows of this account and camera */
} cm_grant_facts;
static_assert(sizeof(cm_grant_facts) <= 200, "what is remembered of a grant stays small");

/* What the rows say, as the decision takes it. A guest's are narrowed to looking. Pure. */
cm_grant_facts cm_grant_facts_of(const cm_evidence *evidence);

typedef enum cm_grant_reason {
    CM_GRANT_ALLOWED_OWNER, /* an owner sees and hears every camera of the home */
    CM_GRANT_ALLOWED_GRANT,
    CM_GRANT_DENIED_SESSION,
    CM_GRANT_DENIED_ACCOUNT,
    CM_GRANT_DENIED_OPERATOR,
    CM_GRANT_DENIED_NO_MEMBER,
    CM_GRANT_DENIED_SUSPENDED, /* an operator holds the home off */
    CM_GRANT_DENIED_NO_GRANT,
    CM_GRANT_DENIED_NOT_YET, /* it begins later */
    CM_GRANT_DENIED_OVER,    /* it has ended */
    CM_GRANT_DENIED_HOURS,   /* not at this time of the day, or on this day */
    CM_GRANT_DENIED_TOKEN_LIMIT,
    CM_GRANT_DENIED_NO_CAMERA,
    CM_GRANT_DENIED_EVIDENCE, /* rows did not fit together: an alarm */
    CM_GRANT_DENIED_TOO_MANY, /* viewer_sessions_per_account, CM_LINK_VIEWERS_MAX */
    CM_GRANT_DENIED_LINK,     /* the guest link was revoked, or ended with its maker's say */
    CM_GRANT_DENIED_MAKER,    /* whoever made it owns the home no more */
    CM_GRANT_REASONS,
} cm_grant_reason;
const char *cm_grant_reason_name(cm_grant_reason reason);

typedef struct cm_grant_decision {
    bool is_allowed;
    cm_grant_reason reason;
    cm_rights rights; /* what is allowed of what was wanted */
    int32_t row;      /* which of facts->granted it comes from; -1: none of them */
    cm_wall until;    /* the same facts may be decided otherwise from here on; INT64_MAX: never */
    cm_wall history_from; /* with CM_RIGHT_HISTORY: what is older is not shown; 0: all is */
} cm_grant_decision;

/*
 * Pure: `at` is the moment and what the home's clock shows then. Denies by default, and hearing and
 * talking to who may not see. What several rows give adds up, each within its own time. Of rows
 * that give nothing at the moment, the reason is of the one nearest to giving: hours before not yet
 * before over. The only function that reads a role (besides the route table's permission check,
 * which calls cm_role_may).
 */
cm_grant_decision cm_grant_decide(const cm_grant_facts *facts, const cm_moment *at,
                                  cm_rights wanted);

/* Pure. When all of `rights`, allowed at `from`, are not allowed for the first time after it; at
 * most `latest`. */
cm_wall cm_grant_holds_until(const cm_grant_facts *facts, const cm_zone *zone, cm_wall from,
                             cm_rights rights, cm_wall latest);
/* Pure. When any of `wanted` is allowed for the first time after `from`. CM_ABSENT: never, by these
 * facts. */
cm_status cm_grant_opens(const cm_grant_facts *facts, const cm_zone *zone, cm_wall from,
                         cm_rights wanted, cm_wall *out);

/* ---- viewer sessions ---- */

/* Pictures at once by one guest link, whoever looks: they count for nobody's account. */
enum { CM_LINK_VIEWERS_MAX = 8 };

typedef struct cm_viewer_session cm_viewer_session;

typedef struct cm_viewer_ask {
    cm_asker asker;
    cm_camera_key camera;
    uint32_t streams; /* bit 1 << cm_stream; the lease has those of them that its rights open: the
                         sound with CM_RIGHT_LISTEN only (cm_lease_allows tells) */
    cm_rights wanted;
    cm_view_path path;
} cm_viewer_ask;

typedef struct cm_viewer_events {
    /* The first lease, and each renewal; also again after a nudge. The lease is the owner's. */
    void (*on_lease)(void *owner, cm_lease *lease);
    /* No lease (any more): refused at the start, cut, or the lease could not be renewed. Nothing
     * follows. */
    void (*on_end)(void *owner, cm_grant_reason reason);
} cm_viewer_events;

/*
 * Any loop: opens a viewer session; events come on `loop` (the caller's own), never inside this
 * call. CM_FULL: too many (no events).
 */
cm_status cm_viewer_session_open(cm_grants *grants, cm_loop *loop, const cm_viewer_ask *ask,
                                 const cm_viewer_events *events, void *owner,
                                 cm_viewer_session **out);
/* On its loop: the lease turned out stale: ask now instead of waiting for the renewal. Cheap to
 * call again. A session that hears nothing for a second, or whose lease nears its end, nudges by
 * itself: no message need arrive. */
void cm_viewer_session_nudge(cm_viewer_session *session);
/* On its loop: the viewer is gone; no event comes any more. Also required after on_end. NULL is
 * fine. */
void cm_viewer_session_close(cm_viewer_session *session);

/* ---- the cut ---- */

/*
 * Any thread, after the commit: `change` is what the store's operation gave (copied here). Its
 * epochs are published first; then every viewer session that it may concern is decided again.
 * `done` (may be NULL) runs on the control loop when each has been. Aborts without memory: a cut
 * must not be forgotten.
 *
 * Changes by other processes need no call: grants looks for them each second.
 */
void cm_grants_changed(cm_grants *grants, const cm_change *change, cm_task *done);

/* One viewer session that has a lease. */
typedef struct cm_watching {
    cm_camera_key camera;
    cm_account_id account;           /* empty: nobody's, */
    char link[CM_ID_SIZE];           /* but by this guest link; else empty */
    char account_name[CM_NAME_SIZE]; /* or the link's label */
    uint32_t streams;                /* bit 1 << cm_stream: those of the lease */
    cm_wall since;                   /* of its first lease */
    cm_view_path path;
    uint64_t session; /* number of the viewer session, unique in the process */
    cm_asker asker;   /* what he watches by: leads to his device, and to the end of it */
} cm_watching;

/* Control loop: who watches now: calls `each` per viewer session of this home; an empty id
 * means all homes. */
void cm_grants_each_viewer(cm_grants *grants, const cm_home_id *home,
                           void (*each)(void *owner, const cm_watching *watching), void *owner);

/* What on_view is told. Borrowed. */
typedef enum cm_view_event {
    CM_VIEW_BEGAN,
    CM_VIEW_REFUSED,
    CM_VIEW_ENDED, /* once for each that began, when its viewer has gone */
} cm_view_event;
typedef struct cm_view {
    cm_view_event event;
    cm_wall now;
    cm_watching what;       /* refused: as far as the evidence went; the camera as asked for */
    cm_rights rights;       /* began: what it may */
    cm_grant_reason reason; /* refused, or ended by a cut */
    bool is_cut;            /* ended: not by its viewer */
    const cm_viewing *seen; /* ended: what was opened for it */
} cm_view;

typedef struct cm_grants_counters {
    uint64_t leases_minted, leases_renewed, decisions_denied[CM_GRANT_REASONS], evidence_alarms,
        turns, sessions_now, cuts;
} cm_grants_counters;
void cm_grants_read_counters(const cm_grants *grants, cm_grants_counters *out); /* control loop */
