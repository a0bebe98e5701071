#include "ingest/camera.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "ingest/camera_priv.h"
#include "proto/rtsp/url.h"

enum {
    MEASURE_SECONDS = 1,
    PROBE_SECONDS = 10,
};

const char *cm_camera_state_name(cm_camera_state state)
{
    static const char *const NAMES[] = {
        [CM_CAMERA_STOPPED] = "stopped",
        [CM_CAMERA_CONNECTING] = "connecting",
        [CM_CAMERA_LIVE] = "live",
        [CM_CAMERA_UNREACHABLE] = "unreachable",
        [CM_CAMERA_WRONG_PASSWORD] = "wrong_password",
        [CM_CAMERA_UNSUPPORTED] = "unsupported",
        [CM_CAMERA_OFF] = "off",
    };
    return NAMES[state];
}

const char *cm_camera_cause_name(cm_camera_cause cause)
{
    static const char *const NAMES[CM_CAUSES] = {
        [CM_CAUSE_NONE] = "none",
        [CM_CAUSE_ADDRESS_REFUSED] = "address_refused",
        [CM_CAUSE_NAME_NOT_FOUND] = "name_not_found",
        [CM_CAUSE_NO_ROUTE] = "no_route",
        [CM_CAUSE_CONNECTION_REFUSED] = "connection_refused",
        [CM_CAUSE_TIMEOUT] = "timeout",
        [CM_CAUSE_WRONG_PASSWORD] = "wrong_password",
        [CM_CAUSE_NOT_FOUND] = "not_found",
        [CM_CAUSE_NO_VIDEO] = "no_video",
        [CM_CAUSE_CODEC_UNSUPPORTED] = "codec_unsupported",
        [CM_CAUSE_PROTOCOL] = "protocol",
        [CM_CAUSE_TOO_MANY_SESSIONS] = "too_many_sessions",
        [CM_CAUSE_NO_PICTURES] = "no_pictures",
        [CM_CAUSE_CLOSED] = "closed",
        [CM_CAUSE_PUBLISHER_LOST] = "publisher_lost",
        [CM_CAUSE_NOT_ALLOWED] = "not_allowed",
        [CM_CAUSE_TALK_REFUSED] = "talk_refused",
        [CM_CAUSE_NO_LOUDSPEAKER] = "no_loudspeaker",
    };
    return NAMES[cause];
}

/* ---- telling ---- */

void cm_camera_changed(cm_camera *camera)
{
    if (!cm_timer_is_running(&camera->status_timer))
        cm_timer_start(&camera->status_timer, 0);
}

static void tell_done(cm_camera *camera)
{
    camera->is_done = true;
    cm_timer_stop(&camera->limit_timer);
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        (void)cm_publish_measure(&camera->feeds[i]);
    const cm_camera_status told = camera->status;
    camera->on_done(camera->config.owner, &told);
}

/* A probe is done when one stream failed, or all have shown a keyframe. */
static bool is_probed(const cm_camera *camera)
{
    bool has_all = true;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        const cm_feed *feed = &camera->feeds[i];
        if (feed->status->is_configured && feed->status->cause != CM_CAUSE_NONE)
            return true;
        has_all = has_all && (!feed->status->is_configured || feed->has_keyframe);
    }
    return has_all;
}

static void start_measuring(cm_camera *camera)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        if (camera->feeds[i].status->state == CM_CAMERA_LIVE &&
            !cm_timer_is_running(&camera->measure_timer))
            cm_timer_start(&camera->measure_timer, CM_SECONDS(MEASURE_SECONDS));
    }
}

/* The owner may destroy the camera in either event: it comes last. */
static void on_status_timer(cm_timer *timer)
{
    cm_camera *camera = CM_HOLDER(timer, cm_camera, status_timer);
    start_measuring(camera);
    if (camera->on_done == NULL) {
        const cm_camera_status told = camera->status;
        camera->config.events->on_status(camera->config.owner, &told);
    } else if (!camera->is_done && is_probed(camera)) {
        tell_done(camera);
    }
}

static void on_measure_timer(cm_timer *timer)
{
    cm_camera *camera = CM_HOLDER(timer, cm_camera, measure_timer);
    bool is_changed = false;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        is_changed |= cm_publish_measure(&camera->feeds[i]);
        cm_sound_review(&camera->feeds[i]);
    }
    if (is_changed)
        cm_camera_changed(camera);
}

static void on_limit_timer(cm_timer *timer)
{
    cm_camera *camera = CM_HOLDER(timer, cm_camera, limit_timer);
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed *feed = &camera->feeds[i];
        if (!feed->status->is_configured || feed->has_keyframe)
            continue;
        const bool is_playing =
            feed->client != NULL && cm_rtsp_client_state_of(feed->client) == CM_RTSP_CLIENT_PLAYING;
        cm_feed_set_state(feed, CM_CAMERA_UNREACHABLE,
                          is_playing ? CM_CAUSE_NO_PICTURES : CM_CAUSE_TIMEOUT,
                          "no picture within 10 s");
    }
    if (!camera->is_done)
        tell_done(camera);
}

/* ---- login ---- */

static void free_secret(char *text)
{
    if (text == NULL)
        return;
    cm_secret_wipe(text, strlen(text));
    free(text);
}

/* NULL stays NULL, and so does "". */
static cm_status copy_address(const char *address, char **out)
{
    cm_rtsp_url url;
    *out = NULL;
    if (address == NULL || address[0] == '\0')
        return CM_OK;
    CM_ENSURE(cm_rtsp_url_parse(cm_slice_of(address), &url) == CM_OK && !url.is_secure, CM_REFUSE);
    *out = strdup(address);
    return *out != NULL ? CM_OK : CM_BROKEN;
}

typedef struct login_copy {
    bool is_pushed;
    char *addresses[CM_PICTURE_STREAMS];
    char *user;
    char *password;
} login_copy;

static void login_copy_deinit(login_copy *copy)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        free(copy->addresses[i]);
    free(copy->user);
    free_secret(copy->password);
    *copy = (login_copy){0};
}

static cm_status login_copy_init(login_copy *copy, const cm_camera_login *login)
{
    copy->is_pushed = login->is_pushed;
    for (size_t i = 0; i < CM_PICTURE_STREAMS && !login->is_pushed; i++)
        CM_TRY(copy_address(login->addresses[i], &copy->addresses[i]));
    copy->user = strdup(login->user != NULL ? login->user : "");
    copy->password = strdup(login->password != NULL ? login->password : "");
    CM_ENSURE(copy->user != NULL && copy->password != NULL, CM_BROKEN);
    return CM_OK;
}

void cm_camera_want_sealers(void *owner, uint64_t epoch)
{
    cm_camera *camera = owner;
    camera->config.events->on_want_sealers(camera->config.owner, &camera->config.key, epoch);
}

/* A camera whose pictures are brought has one stream. */
static bool has_stream(const login_copy *login, size_t stream)
{
    return login->is_pushed ? stream == CM_STREAM_MAIN : login->addresses[stream] != NULL;
}

/* Sources for the streams that will be and have none. Only here can it fail; nothing is lost. */
static cm_status make_sources(cm_camera *camera, const login_copy *login)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed *feed = &camera->feeds[i];
        const cm_source_config config = {.hub = camera->config.hub,
                                         .loop = camera->config.loop,
                                         .camera = camera->config.key,
                                         .stream = (cm_stream)i,
                                         .on_want_sealers = cm_camera_want_sealers,
                                         .owner = camera};
        if (has_stream(login, i) && feed->source == NULL)
            CM_TRY(cm_source_create(&config, &feed->source));
    }
    return CM_OK;
}

static void drop_needless_sources(cm_camera *camera)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed *feed = &camera->feeds[i];
        if (feed->status->is_configured)
            continue;
        cm_source_destroy(feed->source);
        feed->source = NULL;
    }
}

static void use_login(cm_camera *camera, login_copy *login)
{
    free(camera->user);
    free_secret(camera->password);
    camera->user = login->user;
    camera->password = login->password;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed *feed = &camera->feeds[i];
        free(feed->address);
        feed->address = login->addresses[i];
        feed->is_pushed = login->is_pushed && has_stream(login, i);
        feed->status->is_configured = has_stream(login, i);
        feed->is_udp = camera->config.prefers_udp;
        feed->takes_any_port = false;
        if (feed->is_pushed)
            cm_feed_set_state(feed, CM_CAMERA_OFF, CM_CAUSE_NONE, "");
    }
    *login = (login_copy){0};
    drop_needless_sources(camera);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_login(const cm_camera *camera, const login_copy *login)
{
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        if (!is_same_text(camera->feeds[i].address, login->addresses[i]) ||
            camera->feeds[i].status->is_configured != has_stream(login, i))
            return false;
    return is_same_text(camera->user, login->user) &&
           is_same_text(camera->password, login->password);
}

/* Nothing that runs is touched; what rests after a failure tries again at once. */
static void set_keep(cm_camera *camera, bool keep_always)
{
    camera->config.keep_always = keep_always;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        if (camera->feeds[i].phase == CM_FEED_RESTING)
            cm_feed_stop(&camera->feeds[i]);
        cm_feed_review(&camera->feeds[i]);
    }
    cm_camera_changed(camera);
}

cm_status cm_camera_set_login(cm_camera *camera, const cm_camera_login *login, bool keep_always)
{
    CM_AUTO(login_copy_deinit) login_copy copy = {0};
    CM_TRY(login_copy_init(&copy, login));
    if (is_same_login(camera, &copy)) {
        cm_talking_set(camera, login->takes_talk);
        set_keep(camera, keep_always);
        return CM_OK;
    }
    const cm_status status = make_sources(camera, &copy);
    if (status != CM_OK) {
        drop_needless_sources(camera);
        return status;
    }
    camera->config.keep_always = keep_always;
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        cm_feed_stop(&camera->feeds[i]);
    cm_talking_stop(camera);
    cm_sound_forget(camera);
    use_login(camera, &copy);
    cm_talking_set(camera, login->takes_talk);
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++)
        cm_feed_review(&camera->feeds[i]);
    cm_camera_changed(camera);
    return CM_OK;
}

/* ---- life ---- */

cm_status cm_camera_create(const cm_camera_config *config, cm_camera **out)
{
    cm_camera *camera = calloc(1, sizeof *camera);
    CM_ENSURE(camera != NULL, CM_BROKEN);
    camera->config = *config;
    camera->config.login = (cm_camera_login){0};
    camera->status.key = config->key;
    cm_timer_init(&camera->status_timer, config->loop, on_status_timer);
    cm_timer_init(&camera->measure_timer, config->loop, on_measure_timer);
    cm_timer_init(&camera->limit_timer, config->loop, on_limit_timer);
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed_init(&camera->feeds[i], camera, (cm_stream)i);
        camera->feeds[i].status->since = cm_loop_wall(config->loop);
    }
    cm_talking_init(camera);
    cm_status status = cm_sound_create(camera);
    if (status == CM_OK)
        status = cm_camera_set_login(camera, &config->login, config->keep_always);
    if (status != CM_OK) {
        cm_camera_destroy(camera);
        return status;
    }
    *out = camera;
    return CM_OK;
}

cm_status cm_camera_create_probe(const cm_camera_config *config,
                                 void (*on_done)(void *owner, const cm_camera_status *status),
                                 cm_camera **out)
{
    cm_camera_config probe = *config;
    probe.keep_always = true;
    CM_TRY(cm_camera_create(&probe, out));
    (*out)->on_done = on_done;
    cm_timer_start(&(*out)->limit_timer, CM_SECONDS(PROBE_SECONDS));
    return CM_OK;
}

void cm_camera_destroy(cm_camera *camera)
{
    if (camera == NULL)
        return;
    cm_talking_stop(camera);
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_feed *feed = &camera->feeds[i];
        cm_feed_stop(feed);
        cm_timer_stop(&feed->linger);
        cm_source_destroy(feed->source);
        free(feed->address);
    }
    cm_sound_destroy(camera);
    cm_timer_stop(&camera->status_timer);
    cm_timer_stop(&camera->measure_timer);
    cm_timer_stop(&camera->limit_timer);
    free(camera->user);
    free_secret(camera->password);
    free(camera);
}

/* ---- operations ---- */

void cm_camera_want(cm_camera *camera, cm_stream stream, bool is_wanted)
{
    if (cm_stream_is_sound(stream))
        cm_sound_want(camera, is_wanted);
    else
        cm_feed_want(&camera->feeds[stream], is_wanted);
}

cm_status cm_camera_take_sealers(cm_camera *camera, cm_stream stream, cm_sealer *frames,
                                 cm_sealer *stills)
{
    cm_source *source = cm_camera_source(camera, stream);
    if (source != NULL)
        return cm_source_take_sealers(source, frames, stills);
    cm_sealer_destroy(frames);
    cm_sealer_destroy(stills);
    return CM_ABSENT;
}

const cm_camera_status *cm_camera_read_status(const cm_camera *camera)
{
    return &camera->status;
}

cm_source *cm_camera_source(cm_camera *camera, cm_stream stream)
{
    if (stream == CM_STREAM_SOUND)
        return camera->sound.source;
    return cm_stream_is_sound(stream) ? NULL : camera->feeds[stream].source;
}
