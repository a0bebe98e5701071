#include "ingest/talk.h"

#include <assert.h>

#include "base/fault.h"
#include "base/log.h"
#include "ingest/camera_priv.h"

enum {
    SILENCE_SECONDS = 1,
    LINGER_SECONDS = 10,
    PAUSE_SECONDS = 2,       /* after a failure */
    LONG_PAUSE_SECONDS = 30, /* where trying again does harm: a wrong password locks accounts */
};

/* ---- states ---- */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} STATES[CM_TALK_STATES] = {
    [CM_TALK_IDLE] = {"idle", BIT(CM_TALK_CONNECTING)},
    [CM_TALK_CONNECTING] = {"connecting",
                            BIT(CM_TALK_OPEN) | BIT(CM_TALK_FAILED) | BIT(CM_TALK_IDLE)},
    [CM_TALK_OPEN] = {"open", BIT(CM_TALK_FAILED) | BIT(CM_TALK_IDLE)},
    [CM_TALK_FAILED] = {"failed", BIT(CM_TALK_CONNECTING) | BIT(CM_TALK_IDLE)},
};

const char *cm_talk_state_name(cm_talk_state state)
{
    return STATES[state].name;
}

bool cm_talk_state_may_turn(cm_talk_state from, cm_talk_state to)
{
    return (STATES[from].next & BIT(to)) != 0;
}

static void log_state(const cm_camera *camera, cm_talk_state was)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    const cm_talk_status *status = &camera->status.talk;
    cm_log_camera(status->state == CM_TALK_FAILED ? CM_LOG_WARN : CM_LOG_INFO, "ingest",
                  &camera->config.key, "event=talk-%s was=%s cause=%s detail=%s",
                  cm_talk_state_name(status->state), cm_talk_state_name(was),
                  cm_camera_cause_name(status->cause),
                  cm_log_quote(cm_slice_of(status->detail), quoted));
}

/* The speaker is told in a turn of its own. */
static void tell(cm_camera *camera)
{
    if (camera->talking.speaker != NULL)
        cm_timer_start(&camera->talking.tell, 0);
}

static void set_state(cm_camera *camera, cm_talk_state state, cm_camera_cause cause,
                      const char *detail)
{
    cm_talk_status *status = &camera->status.talk;
    const cm_talk_state was = status->state;
    assert(cm_talk_state_may_turn(was, state));
    cm_writer w = cm_writer_over(status->detail, sizeof status->detail - 1);
    cm_write_slice(&w, cm_slice_part(cm_slice_of(detail), 0, w.capacity));
    status->detail[w.used] = '\0';
    status->state = state;
    status->cause = cause;
    log_state(camera, was);
    cm_camera_changed(camera);
    tell(camera);
}

/* ---- the session ---- */

/* Ends it, or the waiting for it. */
static void drop_session(cm_camera *camera)
{
    cm_camera_talking *t = &camera->talking;
    cm_connect_ticket_give_back(camera->config.gate, &t->ticket);
    cm_rtsp_client_destroy(t->client);
    t->client = NULL;
}

static bool has_session(const cm_camera_talking *t)
{
    return t->client != NULL || t->ticket.state != CM_TICKET_NONE;
}

static int64_t pause_of(const cm_rtsp_end *end)
{
    const bool is_long = end->is_abusive || end->cause == CM_CAUSE_WRONG_PASSWORD;
    return CM_SECONDS(is_long ? LONG_PAUSE_SECONDS : PAUSE_SECONDS);
}

static void on_end(void *owner, const cm_rtsp_end *end)
{
    cm_camera *camera = owner;
    cm_camera_talking *t = &camera->talking;
    const bool is_missed = t->speaker != NULL || camera->status.talk.state != CM_TALK_OPEN;
    t->next_try = cm_instant_after(cm_loop_now(camera->config.loop), pause_of(end));
    drop_session(camera);
    if (is_missed)
        set_state(camera, CM_TALK_FAILED, end->cause, end->detail);
    else
        set_state(camera, CM_TALK_IDLE, CM_CAUSE_NONE, "");
}

static void on_playing(void *owner, bool is_udp)
{
    cm_camera *camera = owner;
    (void)is_udp;
    cm_connect_ticket_give_back(camera->config.gate, &camera->talking.ticket);
    set_state(camera, CM_TALK_OPEN, CM_CAUSE_NONE, "");
}

static bool may_connect(void *owner, const cm_address *address)
{
    const cm_camera *camera = owner;
    const cm_camera_config *config = &camera->config;
    return config->events->may_connect(config->owner, &config->key, address);
}

static const cm_rtsp_client_events CLIENT_EVENTS = {
    .may_connect = may_connect, .on_playing = on_playing, .on_end = on_end};

/* Over what the pictures come is most likely to work. */
static void on_turn(cm_connect_ticket *ticket)
{
    cm_camera *camera = CM_HOLDER(ticket, cm_camera, talking.ticket);
    const cm_feed *feed = &camera->feeds[CM_STREAM_MAIN];
    const cm_rtsp_client_config config = {.loop = camera->config.loop,
                                          .net = camera->config.net,
                                          .gate = camera->config.gate,
                                          .address = cm_slice_of(feed->address),
                                          .user = cm_slice_of(camera->user),
                                          .password = cm_slice_of(camera->password),
                                          .is_udp = feed->is_udp,
                                          .is_speaking = true,
                                          .events = &CLIENT_EVENTS,
                                          .owner = camera};
    if (cm_rtsp_client_create(&config, &camera->talking.client) == CM_OK)
        return;
    /* The address was looked at when it was set: what is short is memory. */
    const cm_rtsp_end end = {.cause = CM_CAUSE_NO_ROUTE, .detail = "no memory for a session"};
    camera->talking.client = NULL;
    on_end(camera, &end);
}

/* Unless one is there, is on its way, or failed a moment ago. */
static void want_session(cm_camera *camera)
{
    cm_camera_talking *t = &camera->talking;
    if (has_session(t) || cm_loop_now(camera->config.loop).us < t->next_try.us)
        return;
    set_state(camera, CM_TALK_CONNECTING, CM_CAUSE_NONE, "");
    cm_connect_ticket_ask(camera->config.gate, &t->ticket);
}

static void on_linger(cm_timer *timer)
{
    cm_camera *camera = CM_HOLDER(timer, cm_camera, talking.linger);
    if (!has_session(&camera->talking))
        return;
    drop_session(camera);
    set_state(camera, CM_TALK_IDLE, CM_CAUSE_NONE, "");
}

/* ---- the floor ---- */

static void leave_floor(cm_camera *camera)
{
    cm_camera_talking *t = &camera->talking;
    t->speaker->camera = NULL;
    t->speaker = NULL;
    cm_timer_stop(&t->silence);
    cm_timer_stop(&t->tell);
}

static void take_floor_away(cm_camera *camera)
{
    cm_camera_talk *talk = camera->talking.speaker;
    if (talk == NULL)
        return;
    leave_floor(camera);
    talk->on_gone(talk);
}

static void on_silence(cm_timer *timer)
{
    take_floor_away(CM_HOLDER(timer, cm_camera, talking.silence));
}

/* He may end, or begin anew, in there. */
static void on_tell(cm_timer *timer)
{
    cm_camera *camera = CM_HOLDER(timer, cm_camera, talking.tell);
    cm_camera_talk *talk = camera->talking.speaker;
    const cm_talk_status told = camera->status.talk;
    talk->on_state(talk, told.state, told.cause, told.detail);
}

static void keep_floor(cm_camera *camera)
{
    cm_timer_start(&camera->talking.silence, CM_SECONDS(SILENCE_SECONDS));
    cm_timer_start(&camera->talking.linger, CM_SECONDS(LINGER_SECONDS));
}

/* ---- who may ---- */

static cm_status judge(cm_camera *camera, const cm_lease *lease)
{
    cm_status status = CM_OK;
    if (!cm_camera_key_equal(cm_lease_camera(lease), &camera->config.key) &&
        !CM_FAULT(EVIDENCE_OFF))
        status = CM_FOREIGN;
    else if (!cm_lease_is_live(lease, cm_loop_now(camera->config.loop)) ||
             !cm_lease_has(lease, CM_RIGHT_TALK))
        status = CM_REFUSE;
    if (status != CM_OK)
        camera->status.talk.refused++;
    return status;
}

cm_status cm_camera_talk_begin(cm_camera *camera, const cm_lease *lease, cm_camera_talk *talk)
{
    cm_camera_talking *t = &camera->talking;
    assert(talk->camera == NULL);
    CM_TRY(judge(camera, lease));
    CM_ENSURE(camera->status.talk.is_configured, CM_ABSENT);
    CM_ENSURE(t->speaker == NULL, CM_FULL);
    talk->camera = camera;
    t->speaker = talk;
    t->has_spoken = false;
    keep_floor(camera);
    want_session(camera);
    tell(camera);
    return CM_OK;
}

void cm_camera_talk_end(cm_camera_talk *talk)
{
    if (talk->camera != NULL)
        leave_floor(talk->camera);
}

/* ---- speech ---- */

static bool is_speech(const cm_talk_packet *packet)
{
    return (packet->codec == CM_SOUND_PCMU || packet->codec == CM_SOUND_PCMA) &&
           packet->samples.size > 0 && packet->samples.size <= CM_RTSP_SPEECH_MAX;
}

cm_status cm_camera_talk_put(cm_camera_talk *talk, const cm_lease *lease,
                             const cm_talk_packet *packet)
{
    cm_camera *camera = talk->camera;
    CM_ENSURE(camera != NULL, CM_ABSENT);
    cm_camera_talking *t = &camera->talking;
    const cm_rtsp_speech speech = {
        .law = packet->codec == CM_SOUND_PCMU ? CM_G711_MU_LAW : CM_G711_A_LAW,
        .samples = packet->samples,
        .timestamp = packet->timestamp,
        .is_first = packet->is_first || !t->has_spoken,
    };
    CM_TRY(judge(camera, lease));
    CM_ENSURE(is_speech(packet), CM_CLOSE);
    keep_floor(camera);
    want_session(camera);
    CM_ENSURE(t->client != NULL, CM_RETRY);
    CM_TRY(cm_rtsp_client_speak(t->client, &speech));
    t->has_spoken = true;
    camera->status.talk.packets++;
    return CM_OK;
}

/* ---- life ---- */

void cm_talking_init(cm_camera *camera)
{
    cm_camera_talking *t = &camera->talking;
    cm_timer_init(&t->silence, camera->config.loop, on_silence);
    cm_timer_init(&t->linger, camera->config.loop, on_linger);
    cm_timer_init(&t->tell, camera->config.loop, on_tell);
    cm_connect_ticket_init(&t->ticket, on_turn);
}

void cm_talking_stop(cm_camera *camera)
{
    cm_camera_talking *t = &camera->talking;
    take_floor_away(camera);
    drop_session(camera);
    cm_timer_stop(&t->linger);
    t->next_try = (cm_instant){0};
    if (camera->status.talk.state != CM_TALK_IDLE)
        set_state(camera, CM_TALK_IDLE, CM_CAUSE_NONE, "");
}

void cm_talking_set(cm_camera *camera, bool takes_talk)
{
    const bool has_address = camera->feeds[CM_STREAM_MAIN].address != NULL;
    camera->status.talk.is_configured = takes_talk && has_address;
    if (!camera->status.talk.is_configured)
        cm_talking_stop(camera);
}
