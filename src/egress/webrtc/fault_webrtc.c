#include "egress/webrtc/fault_webrtc.h"

#ifdef CM_FAULT_INJECTION

#include "base/fault.h"

enum { NEIGHBOURS = 512 };
static _Thread_local cm_webrtc_viewer *neighbours[NEIGHBOURS];

static void replace(const cm_webrtc_viewer *present, cm_webrtc_viewer *with)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (neighbours[i] == present) {
            neighbours[i] = with;
            return;
        }
}

void cm_fault_webrtc_viewer_add(cm_webrtc_viewer *viewer)
{
    replace(NULL, viewer);
}

void cm_fault_webrtc_viewer_remove(const cm_webrtc_viewer *viewer)
{
    replace(viewer, NULL);
}

/* The whole picture as the neighbour's next one. */
static void put_picture(cm_webrtc_viewer *viewer, const cm_opened_frame *opened)
{
    packet_headers headers;
    packet_place place = {0};
    size_t size;
    viewer->timestamp += CLOCK_RATE / 1000;
    cm_webrtc_headers_make(viewer, opened->frame, viewer->timestamp, 0, &headers);
    for (; place.granule < opened->count; place.granule++) {
        place.sequence = viewer->sequence;
        place.number = viewer->config.transport->next_number;
        if (cm_webrtc_put(viewer, &headers, opened, &place, viewer->config.transport->send_rtp,
                          &size) != CM_OK)
            return;
        viewer->sequence++;
        viewer->config.transport->next_number++;
    }
}

bool cm_fault_webrtc_misdelivered(const cm_webrtc_viewer *viewer, const cm_opened_frame *opened)
{
    if (viewer->granule > 0)
        return false; /* it is a whole picture that is handed over */
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        cm_webrtc_viewer *other = neighbours[i];
        if (other == NULL || !other->has_sent || other->begun != NULL ||
            cm_camera_key_equal(&other->camera, &viewer->camera))
            continue;
        if (!CM_FAULT(RTP_NEIGHBOUR))
            return false;
        put_picture(other, opened);
        return true;
    }
    return false;
}

static _Thread_local cm_webrtc_sound *hearers[NEIGHBOURS];

static void replace_hearer(const cm_webrtc_sound *present, cm_webrtc_sound *with)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (hearers[i] == present) {
            hearers[i] = with;
            return;
        }
}

void cm_fault_sound_add(cm_webrtc_sound *sound)
{
    replace_hearer(NULL, sound);
}

void cm_fault_sound_remove(const cm_webrtc_sound *sound)
{
    replace_hearer(sound, NULL);
}

bool cm_fault_sound_misdelivered(const cm_webrtc_sound *sound, const cm_opened_frame *opened)
{
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        cm_webrtc_sound *other = hearers[i];
        if (other == NULL || cm_camera_key_equal(&other->camera, &sound->camera))
            continue;
        if (!CM_FAULT(RTP_NEIGHBOUR))
            return false;
        CM_IGNORE(cm_webrtc_sound_put(other, opened), "it is the mistake that matters");
        return true;
    }
    return false;
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_webrtc_none;
#endif
