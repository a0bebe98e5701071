/*
 * entry: one thing that happened, as the audit keeps it: a kind, and of the fields below those that
 * the kind has (one table, in entry.c). Never free text: who, where and why are ids and enums, so
 * that nothing a stranger typed gets into the log, and no name of a person does.
 *
 * What could tell who somebody is (an address) stands beside the log, behind a commitment: the
 * entry holds SHA-256(salt, bytes), so that the bytes can be erased while the chain still verifies.
 *
 * Numbers of kinds, causes and paths are written to disk: they are given here once and for ever.
 */
#pragma once

#include "base/clock.h"
#include "base/hours.h"
#include "base/id.h"
#include "base/reader.h"
#include "base/writer.h"

typedef enum cm_audit_kind {
    CM_AUDIT_NONE = 0,
    /* people */
    CM_AUDIT_SIGN_IN = 1,          /* account, value: cm_session_method, private */
    CM_AUDIT_SIGN_IN_REFUSED = 2,  /* account if the name is one's, cause, count, private */
    CM_AUDIT_SIGN_OUT = 3,         /* account */
    CM_AUDIT_PASSWORD_CHANGED = 4, /* account */
    CM_AUDIT_SETUP = 5,            /* account: of the first owner */
    CM_AUDIT_HOME_ADDED = 6,       /* account */
    CM_AUDIT_HOME_REMOVED = 7,     /* account */
    CM_AUDIT_MEMBER_ADDED = 8,     /* account, other: the member, value: cm_role */
    CM_AUDIT_MEMBER_ROLE = 9,      /* the same */
    CM_AUDIT_MEMBER_REMOVED = 10,  /* account, other: the member */
    CM_AUDIT_PASSKEY_ADDED = 11,   /* account, other: the passkey */
    CM_AUDIT_PASSKEY_REMOVED = 12, /* the same */
    CM_AUDIT_PASSKEY_REFUSED = 13, /* account if one is named, cause, count, private */
    CM_AUDIT_RECOVERY_MADE = 14,   /* account, count: codes; those from before are void */
    CM_AUDIT_RECOVERY_USED = 15,   /* account, private; the sign-in has an entry of its own */
    /* rights */
    CM_AUDIT_GRANT_PUT = 16,     /* camera, account, other: to whom, value: rights */
    CM_AUDIT_GRANT_REMOVED = 17, /* camera, account, other: from whom */
    CM_AUDIT_TOKEN_MADE = 18,    /* camera, account, other: the token, value: rights */
    CM_AUDIT_TOKEN_REVOKED = 19, /* account, other: the token */
    CM_AUDIT_CUT = 20,           /* camera if one, other: whose if one's, count: epochs raised */
    CM_AUDIT_GROUP_MADE = 21,    /* account, group */
    CM_AUDIT_GROUP_CHANGED = 22, /* its name, or its cameras */
    CM_AUDIT_GROUP_DELETED = 23,
    CM_AUDIT_GROUP_GRANT_PUT = 24,     /* account, other: to whom, value: rights, group */
    CM_AUDIT_GROUP_GRANT_REMOVED = 25, /* account, other: from whom, group */
    CM_AUDIT_INVITATION_MADE = 26,     /* account, other: the invitation, value: cm_role */
    CM_AUDIT_INVITATION_TAKEN = 27,    /* account: who joined, other, value, private */
    CM_AUDIT_GUEST_LINK_MADE = 28,     /* camera, account, other: the link */
    CM_AUDIT_GUEST_LINK_REVOKED = 29,  /* account, other: the link */
    CM_AUDIT_GUEST_LINK_OPENED = 30,   /* camera, other: the link, private */
    CM_AUDIT_GUEST_LINK_REFUSED = 31,  /* camera, account: the link, cause, count, since, private */
    /* cameras */
    CM_AUDIT_CAMERA_ADDED = 32, /* camera, account */
    CM_AUDIT_CAMERA_CHANGED = 33,
    CM_AUDIT_CAMERA_REMOVED = 34,
    /* everyone */
    CM_AUDIT_EVERYONE_OUT = 40,      /* account, count: sessions that ended */
    CM_AUDIT_PERSON_SIGNED_OUT = 41, /* account, other: whom, on a device that watched */
    /* who saw what */
    CM_AUDIT_VIEW_BEGIN = 48,      /* camera, account, viewing, value: rights */
    CM_AUDIT_VIEW_END = 49,        /* camera, account, viewing, since, cause, frames */
    CM_AUDIT_VIEW_REFUSED = 50,    /* camera, account if known, cause, count, since */
    CM_AUDIT_OPENING_REFUSED = 51, /* camera, cause, count, since */
    CM_AUDIT_EVIDENCE_ALARM = 52,  /* camera, count, since */
    /* the server */
    CM_AUDIT_SERVER_START = 64,
    CM_AUDIT_SERVER_STOP = 65,
    CM_AUDIT_CLOCK_JUMPED = 66,  /* count: by how many ms, cause: forward or back */
    CM_AUDIT_OUTSIDE = 67,       /* another process (a command) changed the store */
    CM_AUDIT_GAP = 68,           /* count: entries that there was no room for */
    CM_AUDIT_LOG_REPAIRED = 69,  /* count: bytes of an unfinished batch, cut off at the start */
    CM_AUDIT_LOG_SHORTENED = 70, /* count: entries that there were once */
    /* homes and sessions */
    CM_AUDIT_HOME_CHANGED = 80,       /* account; its name or time zone */
    CM_AUDIT_HOME_SUSPENDED = 81,     /* account: the operator */
    CM_AUDIT_HOME_RESUMED = 82,       /* the same */
    CM_AUDIT_HOME_HANDED_OVER = 83,   /* account, other: the owner now, value: cm_role, 0: left */
    CM_AUDIT_MOVED_OUT = 84,          /* account, other: who moved, value: the cm_role he had */
    CM_AUDIT_SESSION_ENDED = 85,      /* account, other: one session, by its name */
    CM_AUDIT_SESSIONS_ENDED = 86,     /* account: all of his but the one he asks by */
    CM_AUDIT_ACCOUNT_ADDED = 87,      /* account, other: whose; of no home */
    CM_AUDIT_ACCOUNT_REMOVED = 88,    /* the same */
    CM_AUDIT_PASSWORD_RESET = 89,     /* other: whose */
    CM_AUDIT_INVITATION_ENDED = 90,   /* account, other: the invitation, taken back */
    CM_AUDIT_INVITATION_REFUSED = 91, /* account if one is named, cause, count, private */
    CM_AUDIT_TOTP_ADDED = 92,         /* account: it asks for an app's codes from here on */
    CM_AUDIT_TOTP_REMOVED = 93,       /* the same */
    CM_AUDIT_SIGN_IN_AGAIN = 94,      /* account, value: cm_session_method, private; the session
                                         that there was goes on */
    CM_AUDIT_ACCOUNT_HELD_OFF = 95,   /* other: whose */
    CM_AUDIT_ACCOUNT_RESTORED = 96,   /* the same */
    CM_AUDIT_KINDS = 97,
} cm_audit_kind;

/* "view-begin"; NULL: there is no such kind. */
const char *cm_audit_kind_name(cm_audit_kind kind);
cm_status cm_audit_kind_parse(cm_slice text, cm_audit_kind *out);
bool cm_audit_kind_has_private(cm_audit_kind kind);

typedef enum cm_audit_cause {
    CM_AUDIT_CAUSE_NONE = 0,
    CM_AUDIT_CAUSE_OTHER = 1, /* one that this version has no number for */
    /* of signing in */
    CM_AUDIT_CAUSE_WRONG_PASSWORD = 2,
    CM_AUDIT_CAUSE_TOO_MANY_TRIES = 3,
    CM_AUDIT_CAUSE_NO_SUCH_TOKEN = 4,
    CM_AUDIT_CAUSE_WRONG_CODE = 5,   /* of recovery */
    CM_AUDIT_CAUSE_NO_CHALLENGE = 6, /* of passkeys: made for something else, or over */
    CM_AUDIT_CAUSE_NO_PASSKEY = 7,   /* none of ours, or another account's */
    CM_AUDIT_CAUSE_SIGNATURE = 8,
    CM_AUDIT_CAUSE_COUNTER_WENT_BACK = 9,   /* the passkey may have been copied */
    CM_AUDIT_CAUSE_NO_SUCH_INVITATION = 10, /* used, taken back, over, or never made */
    CM_AUDIT_CAUSE_ALREADY_MEMBER = 11,
    CM_AUDIT_CAUSE_NAME_TAKEN = 12,
    CM_AUDIT_CAUSE_WRONG_APP_CODE = 13, /* of an authenticator app */
    CM_AUDIT_CAUSE_CODE_HELD_OFF = 14,  /* too many of them were wrong */
    /* of grants */
    CM_AUDIT_CAUSE_SESSION_OVER = 16,
    CM_AUDIT_CAUSE_ACCOUNT_HELD_OFF = 17,
    CM_AUDIT_CAUSE_OPERATOR = 18,
    CM_AUDIT_CAUSE_NO_MEMBER = 19,
    CM_AUDIT_CAUSE_NO_GRANT = 20,
    CM_AUDIT_CAUSE_TOKEN_LIMIT = 21,
    CM_AUDIT_CAUSE_NO_CAMERA = 22,
    CM_AUDIT_CAUSE_EVIDENCE = 23,
    CM_AUDIT_CAUSE_TOO_MANY = 24,
    CM_AUDIT_CAUSE_LEFT = 25, /* the viewer went by himself */
    CM_AUDIT_CAUSE_NOT_YET = 26,
    CM_AUDIT_CAUSE_OVER = 27,
    CM_AUDIT_CAUSE_HOURS = 28,
    CM_AUDIT_CAUSE_SUSPENDED = 29, /* the home is */
    CM_AUDIT_CAUSE_LINK = 30,      /* of a guest link: it has ended */
    CM_AUDIT_CAUSE_MAKER = 31,     /* its maker has no say any more */
    /* of openings */
    CM_AUDIT_CAUSE_STALE = 32,
    CM_AUDIT_CAUSE_RIGHT = 33,
    CM_AUDIT_CAUSE_FOREIGN = 34,
    CM_AUDIT_CAUSE_KEY = 35,
    CM_AUDIT_CAUSE_REPLAY = 36,
    CM_AUDIT_CAUSE_POSITION = 37, /* "gap" of media/seal.h */
    CM_AUDIT_CAUSE_SEAL = 38,
    /* of clocks */
    CM_AUDIT_CAUSE_FORWARD = 48,
    CM_AUDIT_CAUSE_BACK = 49,
    CM_AUDIT_CAUSES = 50,
} cm_audit_cause;

/* "no-grant"; "other" for what has no name; "" for none. */
const char *cm_audit_cause_name(cm_audit_cause cause);
/* What grants, media and identity call it; CM_AUDIT_CAUSE_OTHER if nothing here is called so. */
cm_audit_cause cm_audit_cause_of(const char *name);

/* What the pictures went through. */
typedef enum cm_audit_path {
    CM_AUDIT_PATH_OTHER = 0,
    CM_AUDIT_PATH_WEBRTC = 1,
    CM_AUDIT_PATH_MP4 = 2,
    CM_AUDIT_PATH_STILL = 3,
    CM_AUDIT_PATH_WHIP = 4, /* brought, not seen */
    CM_AUDIT_PATH_RTSP = 5,
    CM_AUDIT_PATHS = 6,
} cm_audit_path;
const char *cm_audit_path_name(cm_audit_path path); /* "webrtc" */

/* What was seen of one stream. */
typedef struct cm_audit_frames {
    uint8_t stream;       /* cm_stream of media/kinds.h */
    uint64_t first, last; /* numbers of frames */
    uint64_t frames;      /* opened for this viewer */
    uint64_t bytes;       /* of them, sealed */
    uint64_t first_epoch, last_epoch;
} cm_audit_frames;

enum {
    CM_AUDIT_STREAMS_MAX = 8,
    CM_AUDIT_LINK_SIZE = 32,
    CM_AUDIT_PRIVATE_MAX = 128,    /* bytes of what is erasable */
    CM_AUDIT_ENTRY_SIZE_MAX = 640, /* as written */
};

typedef struct cm_audit_entry {
    uint64_t number; /* the log gives it: 1, 2, 3 … */
    cm_wall when;
    cm_audit_kind kind;
    cm_home_id home; /* empty: the server's own */
    cm_camera_id camera;
    cm_account_id account;  /* who did it, or watched; of a guest the link that he looked by */
    char other[CM_ID_SIZE]; /* whom or what it was done to */
    cm_audit_cause cause;
    uint32_t value;
    uint64_t count;
    cm_wall since;    /* when the viewing, or what was counted, began */
    uint64_t viewing; /* number of the viewer session, since the server's start */
    cm_audit_path path;
    uint32_t streams; /* bit 1 << stream */
    cm_audit_frames frames[CM_AUDIT_STREAMS_MAX];
    size_t frame_count;
    char group[CM_ID_SIZE]; /* of cameras */
    /* Of what was granted: by the clock of the home, and from and until (0: none). */
    cm_hours hours;
    cm_wall not_before, not_after;
    /* A command on the server's own machine did it, whoever sat there: account is empty. */
    bool is_command;
    bool has_private;
    uint8_t commitment[CM_AUDIT_LINK_SIZE];
} cm_audit_entry;

/* Writes the fields that its kind has; parse is its exact opposite. Fields that the kind has not
 * are not written. */
void cm_audit_entry_write(cm_writer *w, const cm_audit_entry *entry);
/* CM_CLOSE: not an entry. All of `bytes`. */
cm_status cm_audit_entry_parse(cm_slice bytes, cm_audit_entry *out);

/* The home of what is written so, borrowed, without looking at the rest: for passing over most of
 * a log. Empty: the server's own, or not an entry. */
cm_slice cm_audit_entry_home(cm_slice bytes);

/* What people ask for together. */
typedef enum cm_audit_group {
    CM_AUDIT_GROUP_PEOPLE = 1 << 0,
    CM_AUDIT_GROUP_RIGHTS = 1 << 1,
    CM_AUDIT_GROUP_CAMERAS = 1 << 2,
    CM_AUDIT_GROUP_VIEWS = 1 << 3,
    CM_AUDIT_GROUP_REFUSALS = 1 << 4,
    CM_AUDIT_GROUP_SERVER = 1 << 5,
    CM_AUDIT_GROUP_ALL = (1 << 6) - 1,
} cm_audit_group;
cm_audit_group cm_audit_group_of(cm_audit_kind kind);
cm_status cm_audit_group_parse(cm_slice text, cm_audit_group *out); /* "views"; CM_REFUSE */
