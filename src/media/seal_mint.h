/*
 * seal_mint: how sealers and leases come into being. Included by src/grants, tests and benchmarks
 * ONLY (tools/layers refuses it elsewhere): code that cannot include this cannot make itself a
 * right to see anything.
 */
#pragma once

#include "base/random.h"
#include "base/secret.h"
#include "media/seal.h"
#include "media/viewing.h"

/* The key of one sealer, as grants keeps it to put into leases. Wipe with cm_secret_wipe. */
typedef struct cm_seal_key {
    cm_camera_key camera;
    cm_stream stream;
    cm_object kind;
    uint64_t epoch;
    uint8_t instance[CM_INSTANCE_SIZE];
    uint8_t key_id[16]; /* random: what viewers of a pass are compared by */
    uint8_t key[16];
    uint8_t context[32]; /* hash that opens the associated data */
} cm_seal_key;

/* Derives a fresh key: random instance and key id, key = KDF(epoch secret, camera, stream, kind,
 * epoch, instance). */
void cm_seal_key_make(const cm_secret *epoch_secret, const cm_camera_key *camera, cm_stream stream,
                      cm_object kind, uint64_t epoch, cm_random *random, cm_seal_key *out);

/* CM_BROKEN without memory. `slot` must outlive the sealer. */
cm_status cm_sealer_create(const cm_seal_key *key, const cm_epoch_slot *slot, cm_sealer **out);

enum { CM_LEASE_KEYS_MAX = 28 }; /* all kinds of all streams, of four epochs */

typedef struct cm_lease_terms {
    uint64_t session; /* of the viewer session, unique in the process */
    cm_camera_key camera;
    uint32_t streams; /* bit 1 << cm_stream; within cm_streams_within(rights) */
    cm_rights rights;
    uint64_t epoch; /* the camera's minimum epoch when it was decided */
    cm_instant from;
    cm_instant until;        /* at most 60 s later */
    const cm_seal_key *keys; /* in the order in which they were made, so also of epochs: what it may
                                open; all of this camera and these streams */
    size_t key_count;        /* at most CM_LEASE_KEYS_MAX */
    cm_viewing *viewing;     /* what is opened counts here; held. NULL: nowhere */
} cm_lease_terms;

/* CM_REFUSE if a key is of another camera or of a stream that the terms do not allow, or a stream
 * is none that their rights open: a caller's mistake is caught here too. */
cm_status cm_lease_create(const cm_lease_terms *terms, const cm_epoch_slot *slot, cm_lease **out);
