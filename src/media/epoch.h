/*
 * epoch: the page of minimum epochs: for every camera the oldest epoch whose keys may still be
 * used. One page a process, written by grants alone (on the control loop), read by every seal and
 * every open on every loop, without locks.
 *
 * This is what makes a cut certain: after cm_epoch_publish() returns, no seal and no open succeeds
 * for that camera under an older lease or sealer, whether or not any message arrives anywhere.
 * Messages only make it faster.
 *
 * A slot names the camera it belongs to (a 64-bit tag), so that a slot that was mixed up refuses
 * instead of answering.
 */
#pragma once

#include <stdatomic.h>

#include "base/id.h"

typedef struct cm_epoch_slot {
    uint64_t camera_tag;        /* of the camera's key; written before the slot is handed out */
    _Atomic uint64_t min_epoch; /* UINT64_MAX: nothing may be sealed or opened (camera deleted) */
} cm_epoch_slot;

typedef struct cm_epoch_page cm_epoch_page;

/* Slots are never reused while the page lives. CM_BROKEN without memory. */
cm_status cm_epoch_page_create(size_t cameras_max, cm_epoch_page **out);
void cm_epoch_page_destroy(cm_epoch_page *page); /* after every sealer and lease */

/* Control loop. CM_FULL: cameras_max slots are taken. The slot lives as long as the page. */
cm_status cm_epoch_slot_take(cm_epoch_page *page, const cm_camera_key *camera, uint64_t min_epoch,
                             cm_epoch_slot **out);
/* Control loop. Epochs only rise. Wakes nobody: cm_epoch_generation() differs from then on. */
void cm_epoch_publish(cm_epoch_page *page, cm_epoch_slot *slot, uint64_t min_epoch);
/* Any thread. Changes with each publish: a loop that sees another value than last time looks at its
 * leases again. */
uint64_t cm_epoch_generation(const cm_epoch_page *page);

/* Any thread. May keys of `epoch` of this camera (cm_camera_key_hash of its key) be used now? */
bool cm_epoch_is_current(const cm_epoch_slot *slot, uint64_t camera_tag, uint64_t epoch);
