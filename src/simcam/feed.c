#include <stdio.h>
#include <time.h>

#include "proto/rtcp/rtcp.h"
#include "proto/rtp/rtp.h"
#include "proto/video/packetize.h"
#include "simcam/simcam_priv.h"

enum {
    REPORT_SIZE = 160,
    LIE_BYTES = 4096, /* how much longer a frame claims to be */
    PHASE_STEP = 7,   /* pictures between the keyframes of neighbours: prime to usual group sizes */
    PERCENT = 100,
};

/* From 1900 to 1970, in seconds: RFC 3550 4. */
static const uint64_t NTP_EPOCH_S = 2208988800u;

/* Which packets of a picture are hurt, and how. */
typedef struct harm {
    uint32_t drop_percent;
    uint32_t garbage_percent;
    uint32_t times; /* the picture is sent */
    bool is_lying;
} harm;

static harm harm_of(const cm_simcam_camera *camera)
{
    harm h = {.times = 1};
    const cm_troubles *troubles = &camera->troubles;
    if (troubles->count == 0)
        return h;
    (void)cm_troubles_has(troubles, CM_TROUBLE_DROP, &h.drop_percent);
    (void)cm_troubles_has(troubles, CM_TROUBLE_GARBAGE, &h.garbage_percent);
    (void)cm_troubles_has(troubles, CM_TROUBLE_FLOOD, &h.times);
    h.is_lying = cm_troubles_has(troubles, CM_TROUBLE_LIE, NULL);
    return h;
}

static bool happens(cm_simcam *s, uint32_t percent)
{
    return percent > 0 && cm_random_below(cm_loop_random(s->loop), PERCENT) < percent;
}

uint32_t cm_simcam_timestamp(const cm_simcam_session *session, cm_wall now)
{
    uint32_t jump_s = 0;
    (void)cm_troubles_has(&session->camera->troubles, CM_TROUBLE_CLOCK, &jump_s);
    const uint64_t us = (uint64_t)now.us + (uint64_t)jump_s * 1000000;
    return session->timestamp_base + (uint32_t)(us * (CM_SIMCAM_CLOCK_RATE / 10000) / 100);
}

/* ---- packets ---- */

/* A picture on its way to one viewer. */
typedef struct shipment {
    cm_simcam_session *session;
    const cm_picture *picture;
    uint32_t timestamp;
    harm harm;
} shipment;

static void write_header(const shipment *s, cm_writer *w, const cm_video_granule *g)
{
    const cm_rtp_packet packet = {.marker = g->is_last,
                                  .payload_type = CM_SIMCAM_PAYLOAD_TYPE,
                                  .sequence_number = s->session->sequence++,
                                  .timestamp = s->timestamp,
                                  .ssrc = s->session->ssrc};
    cm_rtp_write(w, &packet);
    cm_write_slice(w, cm_slice_over(g->header, g->header_size));
}

static void count_packet(cm_simcam_session *session, size_t payload_size)
{
    session->packet_count++;
    session->octet_count += (uint32_t)payload_size;
    session->simcam->counters.bytes += CM_RTP_HEADER_SIZE + payload_size;
}

/* What was written since `begin` becomes the next part. */
static void add_part(cm_simcam *simcam, const cm_writer *w, size_t begin, size_t *count)
{
    simcam->parts[(*count)++] = cm_slice_part(cm_writer_done(w), begin, w->used - begin);
}

/* Interleaved frames whose payloads stay where they are: shared by all viewers. */
static size_t lay_out_shared(const shipment *s, cm_video_packetizer *packetizer)
{
    cm_simcam *simcam = s->session->simcam;
    cm_writer w = cm_writer_over(simcam->heads, sizeof simcam->heads);
    size_t count = 0;
    cm_video_granule g;
    while (cm_video_packetizer_next(packetizer, &g)) {
        const size_t begin = w.used;
        const size_t payload = g.header_size + g.body.size;
        cm_rtsp_write_interleaved_header(&w, s->session->channel,
                                         (uint16_t)(CM_RTP_HEADER_SIZE + payload));
        write_header(s, &w, &g);
        add_part(simcam, &w, begin, &count);
        simcam->parts[count++] = g.body;
        count_packet(s->session, payload);
    }
    return count;
}

/* An aggregate (RFC 6184 5.7.1, RFC 7798 4.4.2) whose only unit claims more than there is. */
static void write_lying_aggregate(const shipment *s, cm_writer *w)
{
    static const cm_video_granule HEADS[CM_VIDEO_CODECS] = {
        [CM_VIDEO_H264] = {.header = {CM_H264_NAL_STAP_A}, .header_size = 1},
        [CM_VIDEO_H265] = {.header = {CM_H265_NAL_AGGREGATE << 1, 1}, .header_size = 2},
    };
    write_header(s, w, &HEADS[s->picture->codec]);
    cm_write_u16(w, LIE_BYTES);
    cm_write_u16(w, 0x4100);
}

static void write_body(const shipment *s, cm_writer *w, const cm_video_granule *g)
{
    cm_simcam *simcam = s->session->simcam;
    const cm_slice body = g->body;
    if (!happens(simcam, s->harm.garbage_percent)) {
        cm_write_slice(w, body);
        return;
    }
    uint8_t garbage[CM_SIMCAM_PACKET_SIZE];
    cm_random_fill(cm_loop_random(simcam->loop), garbage, body.size);
    cm_write_slice(w, cm_slice_over(garbage, body.size));
}

static void write_packet(const shipment *s, cm_writer *w, const cm_video_granule *g, bool is_lie)
{
    const size_t payload = g->header_size + g->body.size;
    if (s->session->is_tcp) {
        const size_t claim = CM_RTP_HEADER_SIZE + payload + (is_lie ? LIE_BYTES : 0);
        cm_rtsp_write_interleaved_header(w, s->session->channel, (uint16_t)claim);
    } else if (is_lie) {
        write_lying_aggregate(s, w);
        return;
    }
    write_header(s, w, g);
    write_body(s, w, g);
}

/* Whole packets in a row: datagrams, or frames with something wrong about them. */
static size_t lay_out_whole(const shipment *s, cm_video_packetizer *packetizer, cm_writer *w)
{
    cm_simcam *simcam = s->session->simcam;
    size_t count = 0;
    bool is_lie = s->harm.is_lying;
    cm_video_granule g;
    while (cm_video_packetizer_next(packetizer, &g)) {
        if (happens(simcam, s->harm.drop_percent)) {
            s->session->sequence++;
            continue;
        }
        const size_t begin = w->used;
        write_packet(s, w, &g, is_lie);
        add_part(simcam, w, begin, &count);
        count_packet(s->session, g.header_size + g.body.size);
        is_lie = false;
    }
    return count;
}

/* Best effort: what the kernel does not take is lost, as on any network. */
static void send_datagrams(const shipment *s, size_t count)
{
    cm_simcam *simcam = s->session->simcam;
    for (size_t i = 0; i < count; i++)
        simcam->datagrams[i] =
            (cm_datagram){.bytes = simcam->parts[i], .peer = s->session->peers[0]};
    size_t sent;
    CM_IGNORE(cm_udp_send(simcam->udp[0], simcam->datagrams, count, &sent), "lost, then");
}

static cm_status ship_once(const shipment *s)
{
    cm_simcam *simcam = s->session->simcam;
    cm_video_packetizer packetizer;
    const cm_picture *picture = s->picture;
    CM_TRY(cm_video_packetizer_init(&packetizer, picture->codec, picture->units, picture->count,
                                    CM_SIMCAM_PACKET_SIZE));
    const size_t packets = cm_video_count_granules(picture->codec, picture->units, picture->count,
                                                   CM_SIMCAM_PACKET_SIZE);
    CM_ENSURE(packets <= CM_SIMCAM_PACKETS_MAX, CM_FULL);
    const bool is_harmed =
        s->harm.drop_percent > 0 || s->harm.garbage_percent > 0 || s->harm.is_lying;
    if (s->session->is_tcp && !is_harmed)
        return cm_simcam_session_send(s->session, simcam->parts, lay_out_shared(s, &packetizer));
    uint8_t *room;
    const size_t size = packets * (CM_SIMCAM_PACKET_SIZE + CM_SIMCAM_HEAD_SIZE);
    CM_TRY(cm_buffer_room(&simcam->packets, size, &room));
    cm_writer w = cm_writer_over(room, size);
    const size_t count = lay_out_whole(s, &packetizer, &w);
    if (s->session->is_tcp)
        return cm_simcam_session_send(s->session, simcam->parts, count);
    send_datagrams(s, count);
    return CM_OK;
}

/* ---- reports ---- */

static cm_status send_report(cm_simcam_session *session, cm_wall now)
{
    cm_simcam *simcam = session->simcam;
    const uint64_t seconds = (uint64_t)now.us / 1000000 + NTP_EPOCH_S;
    const uint64_t fraction = ((uint64_t)now.us % 1000000 << 32) / 1000000;
    const cm_rtcp_sender_info info = {.ntp_timestamp = seconds << 32 | fraction,
                                      .rtp_timestamp = cm_simcam_timestamp(session, now),
                                      .packet_count = session->packet_count,
                                      .octet_count = session->octet_count};
    uint8_t storage[REPORT_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtcp_write_sr(&w, session->ssrc, &info, NULL);
    cm_rtcp_write_cname(&w, session->ssrc, CM_TEXT("simcam"));
    const cm_slice report = cm_writer_done(&w);
    if (!session->is_tcp) {
        const cm_datagram datagram = {.bytes = report, .peer = session->peers[1]};
        size_t sent;
        CM_IGNORE(cm_udp_send(simcam->udp[1], &datagram, 1, &sent), "lost, then");
        return CM_OK;
    }
    uint8_t frame[4];
    cm_writer head = cm_writer_over(frame, sizeof frame);
    cm_rtsp_write_interleaved_header(&head, (uint8_t)(session->channel + 1), (uint16_t)report.size);
    const cm_slice parts[] = {cm_writer_done(&head), report};
    return cm_simcam_session_send(session, parts, CM_COUNT(parts));
}

static cm_status report_if_due(cm_simcam_session *session, cm_wall now)
{
    const cm_instant instant = cm_loop_now(session->simcam->loop);
    if (cm_instant_since(instant, session->reported) < CM_SECONDS(CM_SIMCAM_REPORT_S))
        return CM_OK;
    session->reported = instant;
    return send_report(session, now);
}

/* ---- pictures ---- */

/* Over UDP a viewer that went without a word is noticed by its silence. */
static bool is_gone(const cm_simcam_session *session)
{
    const int64_t silent = cm_instant_since(cm_loop_now(session->simcam->loop), session->heard);
    return !session->is_tcp && silent > CM_SECONDS(CM_SIMCAM_TIMEOUT_S + 10);
}

static cm_status ship(const shipment *s, cm_wall now)
{
    CM_ENSURE(!is_gone(s->session), CM_CLOSE);
    for (uint32_t i = 0; i < s->harm.times; i++)
        CM_TRY(ship_once(s));
    s->session->simcam->counters.pictures++;
    return report_if_due(s->session, now);
}

static void ship_to(cm_simcam_session *session, const cm_picture *picture, cm_wall now)
{
    cm_simcam *simcam = session->simcam;
    if (session->is_waiting && !picture->is_idr)
        return;
    session->is_waiting = false;
    const shipment s = {.session = session,
                        .picture = picture,
                        .timestamp = cm_simcam_timestamp(session, now),
                        .harm = harm_of(session->camera)};
    const cm_status status = ship(&s, now);
    if (status == CM_FULL) {
        session->is_waiting = true;
        simcam->counters.skipped++;
    } else if (status != CM_OK) {
        cm_simcam_session_destroy(session);
    }
}

/* Nobody can go on with a picture whose predecessor was not sent. */
static void make_all_wait(cm_simcam_camera *camera, size_t stream)
{
    CM_LIST_EACH(&camera->viewers[stream], node, next)
    CM_HOLDER(node, cm_simcam_session, viewing)->is_waiting = true;
}

static bool is_anyone_ready(const cm_simcam_camera *camera, size_t stream)
{
    CM_LIST_EACH(&camera->viewers[stream], node, next)
    if (!CM_HOLDER(node, cm_simcam_session, viewing)->is_waiting)
        return true;
    return false;
}

static const cm_scene_picture *picture_at(const cm_scene *scene, uint32_t index)
{
    return &scene->pictures[index % scene->picture_count];
}

static cm_strip strip_of(const cm_simcam_camera *camera, cm_code code, cm_wall now)
{
    const time_t seconds = (time_t)(now.us / 1000000 + camera->simcam->utc_offset_s);
    struct tm tm;
    char clock[16];
    gmtime_r(&seconds, &tm);
    const size_t size = strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    return cm_strip_of(code, cm_slice_of(camera->name), cm_slice_over(clock, size));
}

static void feed_stream(cm_simcam_camera *camera, size_t stream, uint32_t counter, cm_wall now)
{
    const uint32_t index = counter + camera->number * PHASE_STEP;
    const bool is_other = cm_troubles_has(&camera->troubles, CM_TROUBLE_PARAMETERS, NULL);
    const cm_scene *wanted = camera->scenes[is_other ? CM_SIMCAM_STREAMS - 1 - stream : stream];
    if (wanted->codec != camera->scenes[stream]->codec) /* it could not be told in the session */
        wanted = camera->scenes[stream];
    if (picture_at(wanted, index)->is_idr)
        camera->shown[stream] = wanted;
    const cm_scene *scene = camera->shown[stream];
    const bool is_idr = picture_at(scene, index)->is_idr;
    if (counter != camera->counters[stream] + 1 && !is_idr)
        make_all_wait(camera, stream);
    if (!is_idr && !is_anyone_ready(camera, stream))
        return;
    const cm_code code = {.camera = camera->code, .counter = counter};
    const cm_strip strip = strip_of(camera, code, now);
    cm_picture picture;
    const cm_status status = cm_picture_write(camera->simcam->darkroom, scene, index,
                                              (cm_stamp){.code = code, .captured = now}, &strip,
                                              &camera->strips[stream], &picture);
    if (status != CM_OK)
        return;
    camera->strips[stream] = strip;
    camera->counters[stream] = counter;
    CM_LIST_EACH(&camera->viewers[stream], node, next)
    ship_to(CM_HOLDER(node, cm_simcam_session, viewing), &picture, now);
}

void cm_simcam_feed(cm_simcam_camera *camera, uint32_t counter, cm_wall now)
{
    if (cm_troubles_has(&camera->troubles, CM_TROUBLE_STALL, NULL))
        return;
    for (size_t stream = 0; stream < CM_SIMCAM_STREAMS; stream++)
        if (!cm_list_is_empty(&camera->viewers[stream]))
            feed_stream(camera, stream, counter, now);
    cm_simcam_sound_feed(camera, now);
}
