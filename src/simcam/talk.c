/* What is said to the cameras: the backchannel's track. */
#include "proto/g711/g711.h"
#include "proto/rtp/rtp.h"
#include "simcam/simcam_priv.h"

typedef struct kind {
    const char *name;
    bool hears;
    cm_g711_law law;
    uint8_t payload_type;
} kind;

static const kind KINDS[CM_SIMCAM_TALKS] = {
    [CM_SIMCAM_TALK_NONE] = {.name = "none"},
    [CM_SIMCAM_TALK_PCMU] = {"pcmu", true, CM_G711_MU_LAW, CM_G711_PCMU_PAYLOAD_TYPE},
    [CM_SIMCAM_TALK_PCMA] = {"pcma", true, CM_G711_A_LAW, CM_G711_PCMA_PAYLOAD_TYPE},
    [CM_SIMCAM_TALK_REFUSED] = {.name = "refused"},
};

cm_status cm_simcam_talk_parse(cm_slice name, cm_simcam_talk *out)
{
    for (size_t i = 0; i < CM_SIMCAM_TALKS; i++)
        if (cm_slice_equal(name, cm_slice_of(KINDS[i].name))) {
            *out = (cm_simcam_talk)i;
            return CM_OK;
        }
    return CM_REFUSE;
}

bool cm_simcam_hears(const cm_simcam *simcam)
{
    return KINDS[simcam->talk].hears;
}

/* Marked as a client sees it (ONVIF Streaming Specification, 5.3.1). */
void cm_simcam_talk_describe(const cm_simcam *simcam, cm_slice control, cm_sdp_media *out)
{
    const kind *k = &KINDS[simcam->talk];
    *out = (cm_sdp_media){.kind = CM_SDP_AUDIO,
                          .protocol = CM_TEXT("RTP/AVP"),
                          .control = control,
                          .direction = CM_SDP_SENDONLY,
                          .payload_count = 1,
                          .payloads = {{.type = k->payload_type,
                                        .encoding = cm_slice_of(cm_g711_encoding(k->law)),
                                        .clock_rate = CM_G711_CLOCK_RATE,
                                        .channels = 1}}};
}

void cm_simcam_hear(cm_simcam_session *session, cm_slice bytes)
{
    cm_simcam *simcam = session->simcam;
    cm_rtp_packet packet;
    if (session->state != CM_SIMCAM_PLAYING || cm_rtp_parse(bytes, &packet) != CM_OK ||
        packet.payload_type != KINDS[simcam->talk].payload_type)
        return;
    simcam->counters.heard++;
    if (simcam->on_heard != NULL)
        simcam->on_heard(simcam->owner, session->camera->number, packet.payload);
}
