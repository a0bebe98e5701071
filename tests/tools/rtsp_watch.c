#include "rtsp_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/rtp/rtp.h"
#include "proto/rtsp/message.h"
#include "proto/sdp/sdp.h"

enum {
    IN_MAX = 4 << 20,
    UNIT_MAX = 2 << 20,
    TEXT_MAX = 1024,
    CHANNEL_SOUND = 2,
};

typedef enum step { STEP_DESCRIBE, STEP_PICTURES, STEP_SOUND, STEP_PLAY, STEP_PLAYING } step;

struct rtsp_watch {
    rtsp_watch_config config;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    step step;
    bool has_sound;
    bool is_stopped;
    char session[64];
    char credentials[512];
    unsigned cseq;
    cm_buffer unit;
    cm_video_depacketizer depacketizer;
    bool has_sequence;
    uint16_t sequence; /* of the next packet of pictures */
};

/* ---- what is asked ---- */

static void ask(rtsp_watch *w)
{
    static const struct {
        const char *method, *track, *more;
    } STEPS[] = {
        [STEP_DESCRIBE] = {"DESCRIBE", "", ""},
        [STEP_PICTURES] = {"SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"},
        [STEP_SOUND] = {"SETUP", "/trackID=1", "Transport: RTP/AVP/TCP;interleaved=2-3\r\n"},
        [STEP_PLAY] = {"PLAY", "", ""},
    };
    char text[TEXT_MAX];
    const char *session = w->session[0] != '\0' ? "Session: " : "";
    const char *end = w->session[0] != '\0' ? "\r\n" : "";
    const int size = snprintf(
        text, sizeof text, "%s rtsp://127.0.0.1:%u/%s%s RTSP/1.0\r\nCSeq: %u\r\n%s%s%s%s%s\r\n",
        STEPS[w->step].method, w->config.port, w->config.path, STEPS[w->step].track, ++w->cseq,
        w->credentials, session, w->session, end, STEPS[w->step].more);
    w->config.send(w->config.owner, cm_slice_over(text, (size_t)size));
}

/* ---- what is answered ---- */

static void on_unit(void *context, const cm_video_unit *unit)
{
    rtsp_watch *w = context;
    eye_look_at_unit(w->config.eye, unit);
}

static bool read_description(rtsp_watch *w, cm_slice body)
{
    cm_sdp sdp;
    cm_video_codec codec;
    if (cm_sdp_parse(body, &sdp) != CM_OK || sdp.medias[0].kind != CM_SDP_VIDEO ||
        cm_video_codec_of(sdp.medias[0].payloads[0].encoding, &codec) != CM_OK)
        return false;
    w->has_sound = w->config.ear != NULL && sdp.media_count > 1;
    cm_video_depacketizer_init(&w->depacketizer, codec, &w->unit, on_unit, w);
    return true;
}

static step step_behind(const rtsp_watch *w)
{
    return w->step == STEP_PICTURES && !w->has_sound ? STEP_PLAY : (step)(w->step + 1);
}

static void take_answer(rtsp_watch *w, const cm_rtsp_message *m)
{
    cm_slice session;
    if (w->step == STEP_PLAYING)
        return;
    if (m->status != 200 || (w->step == STEP_DESCRIBE && !read_description(w, m->body))) {
        w->config.on_answer(w->config.owner, m->status != 200 ? m->status : 0);
        return;
    }
    if (cm_rtsp_find(m, CM_TEXT("Session"), &session) &&
        cm_slice_to_cstr(cm_slice_cut(&session, ';'), w->session, sizeof w->session) != CM_OK)
        abort();
    w->step = step_behind(w);
    if (w->step == STEP_PLAYING)
        w->config.on_answer(w->config.owner, 200);
    else
        ask(w);
}

/* ---- what comes ---- */

static void take_picture(rtsp_watch *w, const cm_rtp_packet *packet)
{
    const bool is_gap = w->has_sequence && packet->sequence_number != w->sequence;
    const cm_video_payload payload = {.bytes = packet->payload,
                                      .timestamp = packet->timestamp,
                                      .marker = packet->marker,
                                      .gap_before = is_gap};
    w->has_sequence = true;
    w->sequence = (uint16_t)(packet->sequence_number + 1);
    if (is_gap || cm_video_depacketizer_put(&w->depacketizer, &payload) != CM_OK)
        w->config.eye->report.broken++; /* in a connection nothing is lost */
}

static void take_frame(rtsp_watch *w, const cm_rtsp_message *m)
{
    cm_rtp_packet packet;
    if (m->channel % 2 == 1)
        return;
    if (cm_rtp_parse(m->body, &packet) != CM_OK) {
        w->config.eye->report.broken++;
        return;
    }
    if (m->channel == CHANNEL_SOUND)
        ear_listen(w->config.ear, packet.payload);
    else
        take_picture(w, &packet);
    w->config.on_packet(w->config.owner);
}

bool rtsp_watch_take(rtsp_watch *w, cm_slice bytes)
{
    cm_rtsp_message m;
    size_t consumed;
    cm_status status = CM_RETRY;
    if (cm_buffer_add(&w->in, bytes) != CM_OK)
        abort();
    while (!w->is_stopped &&
           (status = cm_rtsp_scan(&w->scanner, cm_buffer_data(&w->in), &m, &consumed)) == CM_OK) {
        if (m.kind == CM_RTSP_RESPONSE)
            take_answer(w, &m);
        else if (m.kind == CM_RTSP_INTERLEAVED)
            take_frame(w, &m);
        cm_buffer_consume(&w->in, consumed);
    }
    if (w->is_stopped)
        return true;
    cm_buffer_consume(&w->in, consumed);
    const bool is_rtsp = status == CM_RETRY && w->scanner.junk_total == 0;
    w->config.eye->report.broken += !is_rtsp;
    return is_rtsp;
}

/* ---- life ---- */

static void write_credentials(rtsp_watch *w)
{
    char plain[200];
    char text[300];
    snprintf(plain, sizeof plain, "viewer:%s", w->config.token);
    if (cm_text_to_base64(cm_slice_of(plain), text, sizeof text) != CM_OK)
        abort();
    snprintf(w->credentials, sizeof w->credentials, "Authorization: Basic %s\r\n", text);
}

rtsp_watch *rtsp_watch_open(const rtsp_watch_config *config)
{
    rtsp_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->config = *config;
    cm_rtsp_scanner_init(&w->scanner);
    cm_buffer_init(&w->in, IN_MAX);
    cm_buffer_init(&w->unit, UNIT_MAX);
    cm_video_depacketizer_init(&w->depacketizer, CM_VIDEO_H264, &w->unit, on_unit, w);
    if (config->token[0] != '\0')
        write_credentials(w);
    ask(w);
    return w;
}

void rtsp_watch_stop(rtsp_watch *w)
{
    w->is_stopped = true;
}

void rtsp_watch_close(rtsp_watch *w)
{
    if (w == NULL)
        return;
    cm_buffer_deinit(&w->in);
    cm_buffer_deinit(&w->unit);
    free(w);
}
