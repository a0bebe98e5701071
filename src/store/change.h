/*
 * change: what a committed change of the store touched. Made by the store's operations inside their
 * transaction, handed as it is to cm_grants_changed(), which publishes the epochs and decides every
 * viewer session that it may concern again.
 *
 * Owner: the caller of the operation; cm_change_clear() afterwards. An operation that only adds
 * rights raises nothing and says so by raised_count 0.
 */
#pragma once

#include "base/id.h"
#include "base/secret.h"

typedef struct cm_epoch_raise {
    cm_camera_key camera;
    uint64_t min_epoch; /* from here on; UINT64_MAX: the camera is deleted */
} cm_epoch_raise;

/* Empty ids (text[0] == 0) mean "any". */
typedef struct cm_change {
    cm_home_id home;
    cm_account_id account;
    cm_camera_id camera;
    bool has_token; /* only the sessions of this token: a sign-out, a revoked API token */
    uint8_t token_hash[CM_MAC_SIZE];
    bool is_everyone; /* no home, camera or account is named: whoever there is, is asked again */
    cm_epoch_raise *raised; /* the cameras whose epochs rose: something was taken away */
    size_t raised_count;
} cm_change;

/* CM_BROKEN without memory; *out is then empty. */
cm_status cm_change_copy(const cm_change *change, cm_change *out);
void cm_change_clear(cm_change *change); /* also a CM_AUTO destructor */
