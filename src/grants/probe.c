#include "grants/probe.h"

#include <assert.h>

#include "grants/grants_priv.h"

enum { LEASE_SECONDS = 20 };

cm_camera_key cm_probe_key(const cm_home_id *home)
{
    cm_camera_key key = {.home = *home};
    const cm_slice id = CM_TEXT("probe!");
    char parsed[CM_ID_SIZE];
    assert(cm_id_parse(id, parsed) != CM_OK);
    CM_IGNORE(cm_slice_to_cstr(id, key.camera.text, sizeof key.camera.text), "it fits");
    return key;
}

cm_status cm_grants_probe_begin(cm_grants *grants, const cm_home_id *home, cm_loop *source_loop,
                                const cm_grants_camera_events *events, void *owner)
{
    const cm_camera_key key = cm_probe_key(home);
    cm_grants_camera *camera = cm_grants_find_camera(grants, &key);
    if (camera == NULL)
        return cm_grants_camera_add(grants, &key, 1, source_loop, events, owner);
    CM_ENSURE(camera->owner == NULL, CM_RETRY);
    camera->source_loop = source_loop;
    camera->events = *events;
    camera->owner = owner;
    /* The sets that were made ahead went to the probe before: this one's are of a later epoch. */
    cm_grants_publish(grants, camera, camera->made + 1);
    cm_grants_make_sets(grants, camera);
    return CM_OK;
}

cm_status cm_grants_probe_lease(cm_grants *grants, const cm_home_id *home, cm_lease **out)
{
    const cm_camera_key key = cm_probe_key(home);
    cm_grants_camera *camera = cm_grants_find_camera(grants, &key);
    CM_ENSURE(camera != NULL && camera->owner != NULL, CM_ABSENT);
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    const uint32_t streams = cm_streams_within(CM_RIGHT_VIEW);
    const cm_instant now = cm_loop_now(grants->config.control);
    const cm_lease_terms terms = {.session = ++grants->last_session,
                                  .camera = key,
                                  .streams = streams,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = camera->epoch,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(LEASE_SECONDS)),
                                  .keys = keys,
                                  .key_count = cm_grants_collect_keys(camera, streams, keys)};
    const cm_status status = cm_lease_create(&terms, camera->slot, out);
    cm_secret_wipe(keys, sizeof keys);
    return status;
}

void cm_grants_probe_end(cm_grants *grants, const cm_home_id *home)
{
    const cm_camera_key key = cm_probe_key(home);
    cm_grants_camera *camera = cm_grants_find_camera(grants, &key);
    if (camera == NULL)
        return;
    camera->owner = NULL;
    cm_grants_publish(grants, camera, camera->made + 1);
}
