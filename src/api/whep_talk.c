/* What a viewer says to the camera: from his packets to the floor. Who may is judged there
 * (ingest/talk.h), packet by packet, by the lease that is handed on with each. */
#include <stdlib.h>

#include "api/fault_talk.h"
#include "api/whep.h"

enum { SILENCE_MS = 1000, ASK_MS = 1000 };

static cm_whep_talk *holder_of(cm_camera_talk *floor)
{
    return CM_HOLDER(floor, cm_whep_talk, floor);
}

/* ---- from the camera ---- */

static void on_state(cm_camera_talk *floor, cm_talk_state state, cm_camera_cause cause,
                     const char *detail)
{
    cm_whep_talk *talk = holder_of(floor);
    talk->state = state;
    talk->cause = cause;
    CM_IGNORE(cm_slice_to_cstr(cm_slice_of(detail), talk->detail, sizeof talk->detail),
              "the camera's own has the same size");
}

/* The next packet asks for it again. */
static void on_gone(cm_camera_talk *floor)
{
    holder_of(floor)->state = CM_TALK_IDLE;
}

/* ---- life ---- */

cm_status cm_whep_talk_begin(cm_whep *whep, const cm_speech_media *media)
{
    cm_whep_talk *talk = calloc(1, sizeof *talk);
    CM_ENSURE(talk != NULL, CM_BROKEN);
    *talk = (cm_whep_talk){.floor = {.on_state = on_state, .on_gone = on_gone}};
    cm_speech_init(&talk->speech, media);
    whep->talk = talk;
    return CM_OK;
}

void cm_whep_talk_renew(cm_whep *whep, const cm_lease *lease)
{
    cm_lease *copy;
    if (whep->talk == NULL || cm_lease_narrow(lease, whep->stream, &copy) != CM_OK)
        return; /* the one before ends by itself */
    cm_lease_destroy(whep->talk->lease);
    whep->talk->lease = copy;
}

void cm_whep_talk_end(cm_whep *whep)
{
    if (whep->talk == NULL)
        return;
    cm_camera_talk_end(&whep->talk->floor);
    cm_lease_destroy(whep->talk->lease);
    free(whep->talk);
    whep->talk = NULL;
}

/* ---- speech ---- */

static cm_status take_floor(cm_whep *whep, const cm_lease *lease)
{
    const cm_api_config *api = &whep->place.api->config;
    cm_camera *camera =
        cm_fleet_camera_here(api->fleet, cm_loop_index(api->loop), &whep->place.camera);
    CM_ENSURE(camera != NULL, CM_ABSENT);
    return cm_camera_talk_begin(camera, lease, &whep->talk->floor);
}

static cm_status say(cm_whep *whep, const cm_talk_packet *packet)
{
    const cm_lease *lease = CM_FAULT_TALK_LEASE(whep);
    CM_ENSURE(lease != NULL, CM_REFUSE);
    if (whep->talk->floor.camera == NULL)
        CM_TRY(take_floor(whep, lease));
    return cm_camera_talk_put(&CM_FAULT_TALK_TARGET(whep)->talk->floor, lease, packet);
}

/* There may be another lease, and the message that brought it may be lost: who speaks on may have
 * been given the right again. */
static void ask_for_another(cm_whep *whep, cm_instant now)
{
    cm_whep_talk *talk = whep->talk;
    const bool is_over = talk->lease != NULL && !cm_lease_is_live(talk->lease, now);
    if (!is_over && cm_instant_since(now, talk->asked) < CM_MS(ASK_MS))
        return;
    talk->asked = now;
    cm_viewer_session_nudge(whep->session);
}

void cm_whep_talk_rtp(cm_whep *whep, cm_slice bytes)
{
    cm_whep_talk *talk = whep->talk;
    const cm_instant now = cm_loop_now(whep->place.api->config.loop);
    cm_talk_packet packet;
    if (talk == NULL || cm_speech_take(&talk->speech, bytes, now, &packet) != CM_OK)
        return;
    talk->has_heard = true;
    talk->heard = now;
    talk->verdict = say(whep, &packet);
    if (talk->verdict == CM_FOREIGN)
        cm_log_camera(CM_LOG_ERROR, "whep", &whep->place.camera, "event=foreign-camera-alarm");
    if (talk->verdict == CM_REFUSE)
        ask_for_another(whep, now);
}

/* ---- as JSON ---- */

/* Refused for want of a live lease only, which is on its way, he is not told that he may not. */
static bool is_not_allowed(const cm_whep_talk *talk)
{
    return talk->verdict == CM_FOREIGN || (talk->verdict == CM_REFUSE && talk->lease != NULL &&
                                           !cm_lease_has(talk->lease, CM_RIGHT_TALK));
}

static const char *state_of(const cm_whep *whep)
{
    const cm_whep_talk *talk = whep->talk;
    const cm_instant now = cm_loop_now(whep->place.api->config.loop);
    if (!talk->has_heard || cm_instant_since(now, talk->heard) >= CM_MS(SILENCE_MS))
        return "silent";
    if (is_not_allowed(talk))
        return "not_allowed";
    if (talk->verdict == CM_FULL)
        return "taken";
    if (talk->verdict == CM_ABSENT || talk->state == CM_TALK_FAILED)
        return "failed";
    return talk->state == CM_TALK_OPEN ? "open" : "connecting";
}

json_t *cm_whep_talk_json(const cm_whep *whep)
{
    const cm_whep_talk *talk = whep->talk;
    if (talk == NULL)
        return json_null();
    const cm_speech_counters *counters = &talk->speech.counters;
    const bool is_absent = talk->verdict == CM_ABSENT;
    const bool has_failed = is_absent || talk->state == CM_TALK_FAILED;
    const cm_camera_cause cause = is_absent ? CM_CAUSE_NO_LOUDSPEAKER : talk->cause;
    const uint64_t dropped = counters->malformed + counters->foreign_type +
                             counters->foreign_source + counters->late + counters->excessive;
    return json_pack("{s:s, s:o, s:o, s:I, s:I}", "state", state_of(whep), "cause",
                     has_failed ? json_string(cm_camera_cause_name(cause)) : json_null(), "detail",
                     has_failed && !is_absent && talk->detail[0] != '\0' ? json_string(talk->detail)
                                                                         : json_null(),
                     "packets", (json_int_t)counters->packets, "dropped", (json_int_t)dropped);
}
