/* The service, cameras, and those who listen. */
#include <assert.h>
#include <stdlib.h>

#include "egress/transcode/transcode_priv.h"

enum { PROCESSES_DEFAULT = 16 };

/* ---- the service ---- */

cm_status cm_transcode_service_create(const cm_transcode_service_config *config,
                                      cm_transcode_service **out)
{
    cm_transcode_service *service = calloc(1, sizeof *service);
    CM_ENSURE(service != NULL, CM_BROKEN);
    service->config = *config;
    if (config->processes_max == 0)
        service->config.processes_max = PROCESSES_DEFAULT;
    service->loop_index = cm_loop_index(config->loop);
    cm_list_init(&service->workers);
    if (cm_helper_path(config->helper_path, service->helper_path, sizeof service->helper_path) !=
        CM_OK) {
        free(service);
        return CM_BROKEN;
    }
    *out = service;
    return CM_OK;
}

void cm_transcode_service_destroy(cm_transcode_service *service)
{
    if (service == NULL)
        return;
    while (!cm_list_is_empty(&service->workers))
        transcode_worker_destroy(CM_HOLDER(service->workers.next, transcode_worker, node));
    cm_frame_release(service->stray, service->loop_index);
    free(service);
}

void cm_transcode_read_counters(const cm_transcode_service *service, cm_transcode_counters *out)
{
    *out = service->counters;
}

/* ---- a camera ---- */

static cm_status create_lane(cm_transcode *transcode, transcode_lane *lane, cm_stream stream)
{
    const cm_transcode_config *config = &transcode->config;
    const cm_source_config source = {.hub = config->hub,
                                     .loop = config->service->config.loop,
                                     .camera = config->camera,
                                     .stream = stream,
                                     .on_want_sealers = config->on_want_sealers,
                                     .owner = config->owner};
    lane->owner = transcode;
    lane->stream = stream;
    cm_list_init(&lane->ears);
    lane->cursor = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
    return cm_source_create(&source, &lane->source);
}

cm_status cm_transcode_create(const cm_transcode_config *config, cm_transcode **out)
{
    cm_transcode *transcode = calloc(1, sizeof *transcode);
    CM_ENSURE(transcode != NULL, CM_BROKEN);
    transcode->config = *config;
    cm_status status = create_lane(transcode, &transcode->lanes[0], CM_STREAM_SOUND_OPUS);
    if (status == CM_OK)
        status = create_lane(transcode, &transcode->lanes[1], CM_STREAM_SOUND_FLAC);
    if (status != CM_OK) {
        cm_source_destroy(transcode->lanes[0].source);
        free(transcode);
        return status;
    }
    *out = transcode;
    return CM_OK;
}

void cm_transcode_destroy(cm_transcode *transcode)
{
    if (transcode == NULL)
        return;
    for (size_t i = 0; i < LANES; i++) {
        transcode_lane *lane = &transcode->lanes[i];
        while (!cm_list_is_empty(&lane->ears))
            cm_transcode_leave(CM_HOLDER(lane->ears.next, cm_transcode_ear, node));
        cm_source_destroy(lane->source);
    }
    free(transcode);
}

/* NULL: not made here. */
static transcode_lane *lane_of(cm_transcode *transcode, cm_stream stream)
{
    for (size_t i = 0; i < LANES; i++)
        if (transcode->lanes[i].stream == stream)
            return &transcode->lanes[i];
    return NULL;
}

cm_status cm_transcode_take_sealer(cm_transcode *transcode, cm_stream stream, cm_sealer *sealer)
{
    transcode_lane *lane = lane_of(transcode, stream);
    if (lane != NULL)
        return cm_source_take_sealers(lane->source, sealer, NULL);
    cm_sealer_destroy(sealer);
    return CM_ABSENT;
}

void cm_transcode_feed(cm_transcode *transcode, const cm_source *sound)
{
    cm_frame *frame = cm_source_keyframe(sound);
    for (size_t i = 0; i < LANES && frame != NULL; i++)
        if (!cm_list_is_empty(&transcode->lanes[i].ears))
            transcode_feed(&transcode->lanes[i], frame);
}

/* ---- those who listen ---- */

cm_status cm_transcode_listen(cm_transcode *transcode, cm_transcode_ear *ear, cm_stream stream,
                              cm_lease *lease)
{
    transcode_lane *lane = lane_of(transcode, stream);
    assert(ear->at == NULL);
    cm_status status = lane != NULL ? CM_OK : CM_ABSENT;
    if (status == CM_OK && cm_list_is_empty(&lane->ears))
        status = transcode_worker_enter(lane);
    if (status != CM_OK) {
        cm_lease_destroy(lease);
        return status;
    }
    *ear = (cm_transcode_ear){.at = transcode, .stream = stream, .lease = lease};
    cm_list_add_last(&lane->ears, &ear->node);
    transcode->config.service->counters.listeners++;
    return CM_OK;
}

void cm_transcode_renew(cm_transcode_ear *ear, cm_lease *lease)
{
    if (ear->at == NULL) {
        cm_lease_destroy(lease);
        return;
    }
    cm_lease_destroy(ear->lease);
    ear->lease = lease;
}

void cm_transcode_leave(cm_transcode_ear *ear)
{
    if (ear->at == NULL)
        return;
    transcode_lane *lane = lane_of(ear->at, ear->stream);
    ear->at->config.service->counters.listeners--;
    cm_list_remove(&ear->node);
    cm_lease_destroy(ear->lease);
    *ear = (cm_transcode_ear){0};
    if (!cm_list_is_empty(&lane->ears))
        return;
    transcode_worker_leave(lane);
    cm_source_stop(lane->source); /* who listens next begins with what is heard then */
}
