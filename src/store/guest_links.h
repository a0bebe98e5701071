/*
 * guest_links: a look through one camera, for a while, for somebody who has no account: whoever
 * shows the secret of a link is given a token that shows this camera's live picture and nothing
 * else. Of secret and token only hashes are stored.
 *
 * Opening a link makes a **look**: one browser's token, which ends with the link and after
 * CM_GUEST_LOOK_US at the latest. A link counts how often it was opened and keeps who by (words for
 * the device, the network); it may be good for a number of openings only.
 *
 * A link is its maker's word. He must own the home to make one, and at each look (store/evidence.h)
 * the chain goes token -> look -> link -> maker -> membership -> camera: an owner who is not one
 * any more, who left, is held off or became an operator shows nothing through his links, nor does a
 * home that is suspended. With the owner's role (or the membership) his links end in the same
 * transaction, and do not come back with it. With a camera go all links to it. They end when
 * everyone of the home is logged out, and do not survive a restored backup.
 *
 * Revoking raises the camera's epoch and the home's generation: live pictures end, and the row from
 * before does not fit any more. So does an opening of a link that counts them.
 *
 * Threads, durability and failures: as in store.h.
 */
#pragma once

#include "store/store.h"

enum {
    CM_GUEST_LINK_OPENINGS_MAX = 100, /* the most that a link's limit may be */
    CM_GUEST_LOOKS_MAX = 16,          /* of one link, live at once; as many are remembered */
    CM_CAMERA_GUEST_LINKS_MAX = 20,   /* that are not over */
    CM_HOME_GUEST_LINKS_MAX = 200,    /* with those that are over and still listed */
};
#define CM_GUEST_LINK_US      (CM_SECONDS(3600) * 2)   /* unless it is said otherwise */
#define CM_GUEST_LINK_MAX_US  (CM_SECONDS(86400) * 30) /* from its making to its end */
#define CM_GUEST_LINK_KEPT_US (CM_SECONDS(86400) * 30) /* how long one that is over is listed */
#define CM_GUEST_LOOK_US      (CM_SECONDS(86400))

typedef struct cm_new_guest_link {
    cm_camera_key camera;
    cm_account_id by; /* an owner of the home */
    cm_slice label;   /* for whom, in the maker's words */
    cm_wall from;     /* us 0: from now on */
    cm_wall until;
    uint32_t openings_max;      /* 0: any number */
    const uint8_t *secret_hash; /* CM_MAC_SIZE bytes */
} cm_new_guest_link;

/* Stored: their numbers stay. */
typedef enum cm_guest_link_end {
    CM_GUEST_LINK_GOES_ON,
    CM_GUEST_LINK_REVOKED,
    CM_GUEST_LINK_MAKER, /* whoever made it owns the home no more */
} cm_guest_link_end;
enum { CM_GUEST_LINK_ENDS = CM_GUEST_LINK_MAKER + 1 };

typedef enum cm_guest_link_state {
    CM_GUEST_LINK_OPEN,
    CM_GUEST_LINK_NOT_YET,
    CM_GUEST_LINK_USED_UP, /* it was opened as often as it may be; those who look go on */
    CM_GUEST_LINK_OVER,
    CM_GUEST_LINK_IS_REVOKED,
    CM_GUEST_LINK_WITHOUT_MAKER,
} cm_guest_link_state;
const char *cm_guest_link_state_name(cm_guest_link_state state); /* "open", "not-yet", … */

typedef struct cm_stored_guest_look {
    cm_wall opened, expires;
    char device[CM_DEVICE_SIZE];
    char network[CM_NETWORK_SIZE];
} cm_stored_guest_look;

typedef struct cm_stored_guest_link {
    char id[CM_ID_SIZE]; /* names it in its home; leads to no secret */
    cm_camera_key camera;
    char label[CM_NAME_SIZE];
    cm_account_id by;
    char by_name[CM_NAME_SIZE]; /* "" when the account is gone */
    cm_wall created, from, until;
    uint32_t openings_max, openings;
    cm_wall last_opened; /* us 0: never */
    cm_guest_link_end end;
    cm_stored_guest_look looks[CM_GUEST_LOOKS_MAX]; /* the newest, oldest of them first */
    size_t look_count;
} cm_stored_guest_link;

typedef struct cm_stored_guest_links {
    cm_stored_guest_link *items;
    size_t count;
} cm_stored_guest_links;
void cm_stored_guest_links_clear(cm_stored_guest_links *links);

/* By the link alone: says nothing of its maker. One made by a clock more than CM_SESSION_AHEAD_US
 * ahead of this one is over: its end lies anywhere. */
cm_guest_link_state cm_stored_guest_link_state(const cm_stored_guest_link *link, cm_wall now);

/* CM_ABSENT: no such home or camera. CM_REFUSE: the label, the times, the limit, or `by` does not
 * own the home. CM_FULL: CM_CAMERA_GUEST_LINKS_MAX; of CM_HOME_GUEST_LINKS_MAX the oldest that is
 * over makes room. */
cm_status cm_store_guest_link_create(cm_store *store, const cm_new_guest_link *link, cm_wall now,
                                     cm_stored_guest_link *out);
/* The cut. One that has ended stays as it is. CM_ABSENT: the home has no such link. */
cm_status cm_store_guest_link_revoke(cm_store *store, const cm_home_id *home, cm_slice id,
                                     cm_change *change);
cm_status cm_store_guest_links(cm_store *store, const cm_home_id *home,
                               cm_stored_guest_links *out); /* reads; as they were made */

typedef struct cm_guest_opening {
    uint8_t secret_hash[CM_MAC_SIZE];
    uint8_t token_hash[CM_MAC_SIZE]; /* of the look that is to be made */
    const uint8_t *present;          /* hash of the token that the browser has; NULL: none */
    const char *device, *network;
} cm_guest_opening;

typedef enum cm_guest_opened {
    CM_GUEST_OPENED,  /* a look was made */
    CM_GUEST_PRESENT, /* the browser's own look, of this link, goes on: nothing was counted */
    CM_GUEST_EARLY,   /* not yet: nothing was made or counted */
} cm_guest_opened;

/* Opens a link; `out` is without looks and names. CM_ABSENT: no such secret. CM_REFUSE: `out` is
 * what it leads to, and can't be opened (any more): for the account that is kept; whoever asks is
 * told what he would be told of a secret that never was. */
cm_status cm_store_guest_link_open(cm_store *store, const cm_guest_opening *opening, cm_wall now,
                                   cm_guest_opened *how, cm_stored_guest_link *out);
