/* /metrics: what was counted, as Prometheus text (exposition format 0.0.4). Numbers only: no names
 * of people, no addresses. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "server/server_priv.h"

enum { EVERY_MS = 1000 };

/* ---- each loop tells what it counted ---- */

typedef struct report {
    cm_task task;
    cm_station *station;
    cm_loop_figures figures;
} report;

static void keep_report(cm_task *task)
{
    report *r = CM_HOLDER(task, report, task);
    r->station->figures = r->figures;
    free(r);
}

static void count(cm_station *station, cm_loop_figures *out)
{
    cm_hub_read_counters(station->hub, &out->hub);
    cm_still_read_counters(station->stills, &out->stills);
    cm_transcode_read_counters(station->transcodes, &out->transcodes);
    if (station->http != NULL)
        out->http = *cm_http_server_counters(station->http);
    if (station->rtc != NULL)
        out->rtc = *cm_rtc_endpoint_counters(station->rtc);
    if (station->rtsp != NULL)
        cm_rtsp_read_counters(station->rtsp, &out->rtsp);
    out->slow_turns = cm_loop_slow_turns(station->loop);
}

static void on_timer(cm_timer *timer)
{
    cm_station *station = CM_HOLDER(timer, cm_station, figures_timer);
    cm_timer_start(timer, CM_MS(EVERY_MS));
    report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return; /* the former figures stand a second longer */
    r->task.run = keep_report;
    r->station = station;
    count(station, &r->figures);
    cm_loop_post(station->server->loops[0], &r->task);
}

void cm_figures_init(cm_station *station)
{
    cm_timer_init(&station->figures_timer, station->loop, on_timer);
}

void cm_figures_start(cm_station *station)
{
    cm_timer_start(&station->figures_timer, CM_MS(EVERY_MS));
}

/* ---- as text ---- */

typedef struct page {
    cm_buffer *out;
    cm_status status;
} page;

static void head(page *p, const char *name, const char *type, const char *help)
{
    if (p->status == CM_OK)
        p->status = cm_buffer_add_format(p->out, "# HELP casement_%s %s\n# TYPE casement_%s %s\n",
                                         name, help, name, type);
}

static void value(page *p, const char *name, const char *labels, uint64_t number)
{
    if (p->status == CM_OK)
        p->status = cm_buffer_add_format(p->out, "casement_%s%s %llu\n", name, labels,
                                         (unsigned long long)number);
}

static void one(page *p, const char *name, const char *type, const char *help, uint64_t number)
{
    head(p, name, type, help);
    value(p, name, "", number);
}

static void write_hubs(page *p, const cm_server *server)
{
    cm_hub_counters sum = {0};
    for (size_t i = 0; i < server->count; i++) {
        const cm_hub_counters *hub = &server->stations[i].figures.hub;
        sum.frames_in += hub->frames_in;
        sum.frames_crossed += hub->frames_crossed;
        sum.frames_dropped += hub->frames_dropped;
        sum.frames_delivered += hub->frames_delivered;
        sum.frames_skipped += hub->frames_skipped;
        sum.subscriptions += hub->subscriptions;
        sum.ring_bytes += hub->ring_bytes;
        for (size_t j = 0; j < CM_REFUSALS; j++)
            sum.refusals[j] += hub->refusals[j];
    }
    one(p, "frames_in_total", "counter", "Pictures received and sealed", sum.frames_in);
    one(p, "frames_crossed_total", "counter", "Pictures sent to another loop", sum.frames_crossed);
    one(p, "frames_dropped_total", "counter",
        "Pictures dropped: before a keyframe, a bound passed, a full mailbox", sum.frames_dropped);
    one(p, "frames_delivered_total", "counter", "Pictures delivered, each viewer counted",
        sum.frames_delivered);
    one(p, "frames_skipped_total", "counter", "Pictures that slow viewers did not get",
        sum.frames_skipped);
    one(p, "viewers", "gauge", "Viewers of live pictures now", sum.subscriptions);
    one(p, "cached_bytes", "gauge", "Sealed bytes in rings now", sum.ring_bytes);
    head(p, "open_refused_total", "counter", "Sealed pictures that were not opened, by cause");
    for (unsigned i = 1; i < CM_REFUSALS; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{cause=\"%s\"}", cm_refusal_name((cm_refusal)i));
        value(p, "open_refused_total", labels, sum.refusals[i]);
    }
}

static void write_http(page *p, const cm_server *server)
{
    cm_http_counters sum = {0};
    for (size_t i = 0; i < server->count; i++) {
        const cm_http_counters *http = &server->stations[i].figures.http;
        sum.connections += http->connections;
        sum.requests += http->requests;
        sum.bytes_out += http->bytes_out;
        sum.bytes_in += http->bytes_in;
        sum.resets += http->resets;
        sum.timeouts += http->timeouts;
        sum.floods += http->floods;
        sum.refused_connections += http->refused_connections;
        for (size_t j = 0; j < CM_COUNT(sum.responses); j++)
            sum.responses[j] += http->responses[j];
    }
    one(p, "http_connections", "gauge", "Connections open now", sum.connections);
    one(p, "http_connections_refused_total", "counter", "Connections refused by a bound",
        sum.refused_connections);
    one(p, "http_requests_total", "counter", "Requests", sum.requests);
    one(p, "http_bytes_in_total", "counter", "Bytes read, without TLS", sum.bytes_in);
    one(p, "http_bytes_out_total", "counter", "Bytes written, without TLS", sum.bytes_out);
    one(p, "http_resets_total", "counter", "Responses cut", sum.resets);
    one(p, "http_timeouts_total", "counter", "Connections ended for taking too long", sum.timeouts);
    one(p, "http_floods_total", "counter", "HTTP/2 connections ended for a flood", sum.floods);
    head(p, "http_responses_total", "counter", "Responses by class");
    for (unsigned i = 2; i < CM_COUNT(sum.responses); i++) {
        char labels[32];
        (void)snprintf(labels, sizeof labels, "{class=\"%uxx\"}", i);
        value(p, "http_responses_total", labels, sum.responses[i]);
    }
}

/* What strangers and faulty peers tried, by what was wrong with it. */
static void write_rtc_refusals(page *p, const cm_rtc_counters *rtc)
{
    const struct {
        const char *labels;
        uint64_t number;
    } rows[] = {
        {"{cause=\"check-unknown\"}", rtc->checks_unknown},
        {"{cause=\"check-forged\"}", rtc->checks_forged},
        {"{cause=\"check-excessive\"}", rtc->checks_excessive},
        {"{cause=\"check-taken\"}", rtc->checks_taken},
        {"{cause=\"malformed\"}", rtc->malformed},
        {"{cause=\"stranger\"}", rtc->strangers},
        {"{cause=\"srtp-early\"}", rtc->srtp_early},
        {"{cause=\"srtp-forged\"}", rtc->srtp_forged},
        {"{cause=\"srtp-replayed\"}", rtc->srtp_replayed},
        {"{cause=\"srtp-malformed\"}", rtc->srtp_malformed},
        {"{cause=\"relay-stranger\"}", rtc->turn.strangers},
        {"{cause=\"dtls-malformed\"}", rtc->dtls.malformed},
        {"{cause=\"dtls-dropped\"}", rtc->dtls.dropped},
    };
    head(p, "rtc_refused_total", "counter", "Datagrams not taken, by cause");
    for (size_t i = 0; i < CM_COUNT(rows); i++)
        value(p, "rtc_refused_total", rows[i].labels, rows[i].number);
    head(p, "rtc_ended_total", "counter", "WebRTC sessions that ended by themselves, by cause");
    for (unsigned i = 0; i < CM_RTC_CAUSES; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{cause=\"%s\"}", cm_rtc_cause_name((cm_rtc_cause)i));
        value(p, "rtc_ended_total", labels, rtc->sessions_ended[i]);
    }
}

/* Of full agents, where a STUN or TURN server is named. */
static void write_rtc_full(page *p, const cm_rtc_counters *rtc)
{
    one(p, "rtc_checks_sent_total", "counter", "Checks of viewers' addresses", rtc->checks_sent);
    one(p, "rtc_checks_succeeded_total", "counter", "Of those, answered", rtc->checks_succeeded);
    one(p, "rtc_candidates_refused_total", "counter", "Viewers' addresses that were not checked",
        rtc->candidates_refused);
    one(p, "turn_allocations_total", "counter", "Allocations got from the TURN server",
        rtc->turn.allocations);
    one(p, "turn_losses_total", "counter", "Of those, lost", rtc->turn.losses);
    one(p, "turn_refusals_total", "counter", "Refusals of the TURN server", rtc->turn.refusals);
    one(p, "turn_datagrams_in_total", "counter", "Datagrams that came relayed", rtc->turn.data_in);
    one(p, "turn_datagrams_out_total", "counter", "Datagrams that went relayed",
        rtc->turn.data_out);
}

static void add_rtc(cm_rtc_counters *sum, const cm_rtc_counters *rtc)
{
    sum->sessions += rtc->sessions;
    sum->sessions_created += rtc->sessions_created;
    sum->sessions_refused += rtc->sessions_refused;
    sum->sessions_connected += rtc->sessions_connected;
    for (size_t i = 0; i < CM_RTC_CAUSES; i++)
        sum->sessions_ended[i] += rtc->sessions_ended[i];
    sum->checks_unknown += rtc->checks_unknown;
    sum->checks_forged += rtc->checks_forged;
    sum->checks_excessive += rtc->checks_excessive;
    sum->checks_taken += rtc->checks_taken;
    sum->paths_moved += rtc->paths_moved;
    sum->bytes_in += rtc->bytes_in;
    sum->malformed += rtc->malformed;
    sum->strangers += rtc->strangers;
    sum->srtp_early += rtc->srtp_early;
    sum->srtp_forged += rtc->srtp_forged;
    sum->srtp_replayed += rtc->srtp_replayed;
    sum->srtp_malformed += rtc->srtp_malformed;
    sum->packets_out += rtc->packets_out;
    sum->bytes_out += rtc->bytes_out;
    sum->datagrams_out += rtc->datagrams_out;
    sum->packets_dropped += rtc->packets_dropped;
    sum->checks_sent += rtc->checks_sent;
    sum->checks_succeeded += rtc->checks_succeeded;
    sum->candidates_refused += rtc->candidates_refused;
    sum->turn.allocations += rtc->turn.allocations;
    sum->turn.losses += rtc->turn.losses;
    sum->turn.refusals += rtc->turn.refusals;
    sum->turn.data_in += rtc->turn.data_in;
    sum->turn.data_out += rtc->turn.data_out;
    sum->turn.strangers += rtc->turn.strangers;
    sum->dtls.malformed += rtc->dtls.malformed;
    sum->dtls.dropped += rtc->dtls.dropped;
}

static void write_rtc(page *p, const cm_server *server)
{
    cm_rtc_counters sum = {0};
    for (size_t i = 0; i < server->count; i++)
        add_rtc(&sum, &server->stations[i].figures.rtc);
    one(p, "rtc_sessions", "gauge", "WebRTC sessions now", sum.sessions);
    one(p, "rtc_sessions_total", "counter", "WebRTC sessions made", sum.sessions_created);
    one(p, "rtc_sessions_refused_total", "counter", "WebRTC sessions refused by a bound",
        sum.sessions_refused);
    one(p, "rtc_connected_total", "counter", "WebRTC sessions that were connected",
        sum.sessions_connected);
    one(p, "rtc_paths_moved_total", "counter", "Peers that went on from another address",
        sum.paths_moved);
    one(p, "rtc_bytes_in_total", "counter", "Bytes received on the media ports", sum.bytes_in);
    one(p, "rtc_packets_out_total", "counter", "RTP and RTCP packets sent", sum.packets_out);
    one(p, "rtc_bytes_out_total", "counter", "Bytes of those", sum.bytes_out);
    one(p, "rtc_datagrams_out_total", "counter", "Messages to the kernel that they went as",
        sum.datagrams_out);
    one(p, "rtc_packets_dropped_total", "counter", "Packets that the kernel had no room for",
        sum.packets_dropped);
    write_rtc_full(p, &sum);
    write_rtc_refusals(p, &sum);
}

static void add_rtsp(cm_rtsp_counters *sum, const cm_rtsp_counters *rtsp)
{
    sum->accepted += rtsp->accepted;
    sum->connections_refused += rtsp->connections_refused;
    sum->unauthorized += rtsp->unauthorized;
    sum->strangers_expired += rtsp->strangers_expired;
    sum->stalled += rtsp->stalled;
    sum->cuts += rtsp->cuts;
    sum->pictures += rtsp->pictures;
    sum->packets += rtsp->packets;
    sum->bytes += rtsp->bytes;
    sum->connections += rtsp->connections;
    sum->playing += rtsp->playing;
}

static void write_rtsp(page *p, const cm_server *server)
{
    cm_rtsp_counters sum = {0};
    for (size_t i = 0; i < server->count; i++)
        add_rtsp(&sum, &server->stations[i].figures.rtsp);
    one(p, "rtsp_connections", "gauge", "Connections of programs by RTSP now", sum.connections);
    one(p, "rtsp_playing", "gauge", "Of those, playing", sum.playing);
    one(p, "rtsp_connections_total", "counter", "Connections by RTSP", sum.accepted);
    one(p, "rtsp_connections_refused_total", "counter", "Connections refused by a bound",
        sum.connections_refused);
    one(p, "rtsp_unauthorized_total", "counter", "Credentials refused", sum.unauthorized);
    one(p, "rtsp_strangers_expired_total", "counter", "Connections that never gave right ones",
        sum.strangers_expired);
    one(p, "rtsp_stalled_total", "counter", "Players that took nothing for too long", sum.stalled);
    one(p, "rtsp_cuts_total", "counter", "Connections reset as the right was gone", sum.cuts);
    one(p, "rtsp_pictures_total", "counter", "Pictures sent, per player", sum.pictures);
    one(p, "rtsp_packets_total", "counter", "RTP packets sent", sum.packets);
    one(p, "rtsp_bytes_total", "counter", "Bytes of those", sum.bytes);
}

static void write_stills(page *p, const cm_server *server)
{
    cm_still_counters sum = {0};
    uint64_t slow = 0;
    for (size_t i = 0; i < server->count; i++) {
        const cm_still_counters *stills = &server->stations[i].figures.stills;
        sum.asked += stills->asked;
        sum.from_cache += stills->from_cache;
        sum.made += stills->made;
        sum.failed += stills->failed;
        sum.helper_starts += stills->helper_starts;
        sum.helper_deaths += stills->helper_deaths;
        sum.refused += stills->refused;
        sum.processes += stills->processes;
        slow += server->stations[i].figures.slow_turns;
    }
    one(p, "stills_asked_total", "counter", "Stills asked for", sum.asked);
    one(p, "stills_cached_total", "counter", "Stills answered from the sealed cache",
        sum.from_cache);
    one(p, "stills_made_total", "counter", "Stills made by a helper", sum.made);
    one(p, "stills_failed_total", "counter", "Stills that could not be made", sum.failed);
    one(p, "stills_refused_total", "counter", "Still jobs or answers that did not fit: alarms",
        sum.refused);
    one(p, "helper_starts_total", "counter", "Helper processes started", sum.helper_starts);
    one(p, "helper_deaths_total", "counter", "Helper processes that died", sum.helper_deaths);
    one(p, "helpers", "gauge", "Helper processes now", sum.processes);
    one(p, "slow_turns_total", "counter", "Loop turns over 5 ms", slow);
}

static void write_transcodes(page *p, const cm_server *server)
{
    cm_transcode_counters sum = {0};
    for (size_t i = 0; i < server->count; i++) {
        const cm_transcode_counters *of_loop = &server->stations[i].figures.transcodes;
        sum.given += of_loop->given;
        sum.made += of_loop->made;
        sum.failed += of_loop->failed;
        sum.dropped += of_loop->dropped;
        sum.refused += of_loop->refused;
        sum.helper_starts += of_loop->helper_starts;
        sum.helper_deaths += of_loop->helper_deaths;
        sum.processes += of_loop->processes;
        sum.listeners += of_loop->listeners;
    }
    one(p, "sound_helper_frames_total", "counter", "Frames of sound given to a helper", sum.given);
    one(p, "sound_made_total", "counter", "Frames of sound made over", sum.made);
    one(p, "sound_failed_total", "counter", "Frames of sound that could not be made over",
        sum.failed);
    one(p, "sound_dropped_total", "counter", "Frames of sound for which no helper had time",
        sum.dropped);
    one(p, "sound_refused_total", "counter", "Jobs or answers of sound that did not fit: alarms",
        sum.refused);
    one(p, "sound_helper_starts_total", "counter", "Helper processes started for sound",
        sum.helper_starts);
    one(p, "sound_helper_deaths_total", "counter", "Helper processes for sound that died",
        sum.helper_deaths);
    one(p, "sound_helpers", "gauge", "Helper processes for sound now", sum.processes);
    one(p, "sound_made_listeners", "gauge", "Who hears sound made over now", sum.listeners);
}

static void write_grants(page *p, const cm_server *server)
{
    cm_grants_counters grants;
    cm_grants_read_counters(server->grants, &grants);
    one(p, "leases_minted_total", "counter", "Leases made from evidence", grants.leases_minted);
    one(p, "leases_renewed_total", "counter", "Leases renewed from memory", grants.leases_renewed);
    one(p, "evidence_alarms_total", "counter", "Chains of rows that did not fit together: alarms",
        grants.evidence_alarms);
    one(p, "key_turns_total", "counter", "Epochs published", grants.turns);
    one(p, "cuts_total", "counter", "Viewer sessions cut", grants.cuts);
    one(p, "viewer_sessions", "gauge", "Viewer sessions now", grants.sessions_now);
    head(p, "decisions_total", "counter", "Decisions that denied, by reason");
    for (unsigned i = CM_GRANT_DENIED_SESSION; i < CM_GRANT_REASONS; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{reason=\"%s\"}",
                       cm_grant_reason_name((cm_grant_reason)i));
        value(p, "decisions_total", labels, grants.decisions_denied[i]);
    }
}

typedef struct camera_column {
    page *page;
    unsigned stream;
    enum {
        COLUMN_LIVE,
        COLUMN_FRAMES,
        COLUMN_BYTES,
        COLUMN_LOST,
        COLUMN_RECONNECTS,
        COLUMN_MALFORMED
    } what;
    const char *name;
} camera_column;

static void write_camera(void *owner, const cm_camera_status *status)
{
    const camera_column *column = owner;
    const cm_stream_status *s = &status->streams[column->stream];
    if (!s->is_configured)
        return;
    const uint64_t values[] = {s->state == CM_CAMERA_LIVE,
                               s->frames,
                               s->bytes,
                               s->packets_lost,
                               s->reconnects,
                               s->malformed};
    char labels[160];
    (void)snprintf(labels, sizeof labels, "{home=\"%s\",camera=\"%s\",stream=\"%s\"}",
                   status->key.home.text, status->key.camera.text,
                   column->stream == CM_STREAM_MAIN ? "main" : "sub");
    value(column->page, column->name, labels, values[column->what]);
}

static void write_cameras(page *p, const cm_server *server)
{
    static const struct {
        const char *name, *type, *help;
    } COLUMNS[] = {
        [COLUMN_LIVE] = {"camera_live", "gauge", "1 while the stream delivers pictures"},
        [COLUMN_FRAMES] = {"camera_frames_total", "counter", "Pictures of the stream"},
        [COLUMN_BYTES] = {"camera_bytes_total", "counter", "Bytes of the stream"},
        [COLUMN_LOST] = {"camera_packets_lost_total", "counter", "RTP packets lost"},
        [COLUMN_RECONNECTS] = {"camera_reconnects_total", "counter", "Connections made anew"},
        [COLUMN_MALFORMED] = {"camera_malformed_total", "counter",
                              "Malformed packets and messages"},
    };
    for (unsigned i = 0; i < CM_COUNT(COLUMNS); i++) {
        head(p, COLUMNS[i].name, COLUMNS[i].type, COLUMNS[i].help);
        for (unsigned stream = 0; stream < CM_PICTURE_STREAMS; stream++)
            cm_fleet_each(
                server->fleet, write_camera,
                &(camera_column){.page = p, .stream = stream, .what = i, .name = COLUMNS[i].name});
    }
}

typedef struct sound_column {
    page *page;
    enum { SOUND_FRAMES, SOUND_BYTES, SOUND_LOST, SOUND_MALFORMED } what;
    const char *name;
} sound_column;

static void write_sound(void *owner, const cm_camera_status *status)
{
    const sound_column *column = owner;
    const cm_sound_status *s = &status->sound;
    if (!s->is_there && s->frames == 0)
        return;
    const uint64_t values[] = {s->frames, s->bytes, s->packets_lost, s->malformed};
    char labels[160];
    (void)snprintf(labels, sizeof labels, "{home=\"%s\",camera=\"%s\"}", status->key.home.text,
                   status->key.camera.text);
    value(column->page, column->name, labels, values[column->what]);
}

static void write_sounds(page *p, const cm_server *server)
{
    static const struct {
        const char *name, *help;
    } COLUMNS[] = {
        [SOUND_FRAMES] = {"camera_sound_frames_total", "Frames of sound"},
        [SOUND_BYTES] = {"camera_sound_bytes_total", "Bytes of them"},
        [SOUND_LOST] = {"camera_sound_packets_lost_total", "RTP packets of sound lost"},
        [SOUND_MALFORMED] = {"camera_sound_malformed_total", "Malformed packets of sound"},
    };
    for (unsigned i = 0; i < CM_COUNT(COLUMNS); i++) {
        head(p, COLUMNS[i].name, "counter", COLUMNS[i].help);
        cm_fleet_each(server->fleet, write_sound,
                      &(sound_column){.page = p, .what = i, .name = COLUMNS[i].name});
    }
}

static void write_audit(page *p, const cm_server *server)
{
    cm_audit_counters c;
    cm_audit_read_counters(server->audit, &c);
    one(p, "audit_entries_total", "counter", "Entries of the audit on the disk", c.entries);
    one(p, "audit_batches_total", "counter", "Times it was synced for them", c.batches);
    one(p, "audit_dropped_total", "counter", "Entries that there was no room for", c.dropped);
    one(p, "audit_write_failures_total", "counter", "Times the disk refused", c.write_failures);
}

/* How often each fault of a test build fired. */
static void write_faults(page *p)
{
#ifdef CM_FAULT_INJECTION
    head(p, "faults_total", "counter", "Faults injected, by name");
    for (unsigned i = 0; i < CM_FAULTS; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{fault=\"%s\"}", cm_fault_name((cm_fault)i));
        value(p, "faults_total", labels, cm_fault_fired((cm_fault)i));
    }
#else
    (void)p;
#endif
}

cm_status cm_figures_write(void *owner, cm_buffer *out)
{
    cm_server *server = owner;
    page p = {.out = out, .status = CM_OK};
    count(&server->stations[0], &server->stations[0].figures);
    head(&p, "info", "gauge", "1; the version as a label");
    value(&p, "info", "{version=\"" CM_VERSION "\"}", 1);
    one(&p, "uptime_seconds", "counter", "Since the start",
        (uint64_t)(cm_loop_wall(server->loops[0]).us - server->started.us) / 1000000);
    one(&p, "cameras", "gauge", "Cameras", cm_fleet_count(server->fleet));
    write_hubs(&p, server);
    write_http(&p, server);
    write_rtc(&p, server);
    write_rtsp(&p, server);
    write_stills(&p, server);
    write_transcodes(&p, server);
    write_grants(&p, server);
    write_audit(&p, server);
    write_cameras(&p, server);
    write_sounds(&p, server);
    write_faults(&p);
    return p.status;
}
