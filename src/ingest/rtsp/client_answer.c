/* What each answer means in each state. */
#include "base/text.h"
#include "ingest/rtsp/client_priv.h"
#include "proto/sdp/fmtp.h"

enum {
    REDIRECTS_MAX = 3,
};

/* ---- refusals ---- */

static cm_camera_cause cause_of(uint16_t status)
{
    switch (status) {
    case 401:
    case 403:
        return CM_CAUSE_WRONG_PASSWORD;
    case 404:
    case 410:
        return CM_CAUSE_NOT_FOUND;
    case 453: /* Not Enough Bandwidth: how cameras say that all sessions are taken */
    case 503:
        return CM_CAUSE_TOO_MANY_SESSIONS;
    case 454: /* Session Not Found */
        return CM_CAUSE_CLOSED;
    default:
        return CM_CAUSE_PROTOCOL;
    }
}

/* What has no meaning of its own is refused for what was asked: 551 says so (RFC 2326 11.3.14),
 * others answer 400, 406, 500. */
static void refuse(cm_rtsp_client *c, cm_rtsp_method method, uint16_t status)
{
    const cm_slice name = cm_rtsp_method_name(method);
    const cm_camera_cause cause = cause_of(status);
    const bool is_for_speaking = c->config.is_speaking && cause == CM_CAUSE_PROTOCOL;
    cm_client_end(c, is_for_speaking ? CM_CAUSE_TALK_REFUSED : cause, "answers %u to %.*s", status,
                  CM_SLICE_ARGS(name));
}

static void take_challenge(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    const cm_status status = cm_client_login_take(c, message, &c->waiting);
    if (status == CM_OK) {
        c->waiting.refusals++;
        cm_client_request_send(c, c->waiting.method);
    } else if (c->state == CM_RTSP_CLIENT_SETTING_UP_SOUND) {
        cm_client_sound_take_setup(c, message);
    } else if (status == CM_ABSENT) {
        cm_client_end(c, CM_CAUSE_WRONG_PASSWORD, "asks for a login of a kind we do not know");
    } else if (c->config.user.size == 0) {
        cm_client_end(c, CM_CAUSE_WRONG_PASSWORD, "asks for a user name and password");
    } else {
        cm_client_end(c, CM_CAUSE_WRONG_PASSWORD, "refuses this user name and password");
    }
}

void cm_client_redirect(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    cm_slice location;
    cm_rtsp_url url;
    if (!cm_rtsp_find(message, CM_TEXT("Location"), &location) ||
        cm_rtsp_url_parse(location, &url) != CM_OK || url.is_secure) {
        cm_client_end(c, CM_CAUSE_PROTOCOL, "redirects to nowhere we can go");
        return;
    }
    if (++c->redirects > REDIRECTS_MAX) {
        cm_client_end(c, CM_CAUSE_PROTOCOL, "redirects more than %d times", REDIRECTS_MAX);
        return;
    }
    /* The login was given for one host; whoever answers there may not send it elsewhere. */
    const bool is_same = cm_slice_equal_nocase(url.host, c->place.host);
    c->login.is_trusted = c->login.is_trusted && is_same;
    c->login.has_challenge = c->login.is_proven = false;
    cm_buffer_clear(&c->base);
    cm_buffer_clear(&c->track.url);
    cm_client_teardown_send(c);
    if (cm_client_set_url(c, location) != CM_OK) {
        cm_client_end(c, CM_CAUSE_PROTOCOL, "redirects to nowhere we can go");
        return;
    }
    cm_client_reopen(c);
}

/* ---- OPTIONS and DESCRIBE ---- */

static void describe(cm_rtsp_client *c)
{
    cm_client_set_state(c, CM_RTSP_CLIENT_DESCRIBING);
    cm_client_request_send(c, CM_RTSP_DESCRIBE);
}

/* Whatever it answers: OPTIONS is unknown to some, and wrong from others. */
static void take_options(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    cm_slice value;
    if (message->status == 200 && cm_rtsp_find(message, CM_TEXT("Public"), &value))
        c->public_methods = cm_rtsp_public_parse(value);
    describe(c);
}

static cm_status set_base(cm_rtsp_client *c, const cm_rtsp_message *message, const cm_sdp *sdp)
{
    uint8_t storage[2 * CM_RTSP_URL_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_base_hints hints = {.session_control = sdp->control};
    (void)cm_rtsp_find(message, CM_TEXT("Content-Base"), &hints.content_base);
    (void)cm_rtsp_find(message, CM_TEXT("Content-Location"), &hints.content_location);
    cm_rtsp_base_write(&w, &c->place, &hints);
    cm_slice base;
    CM_TRY(cm_writer_finish(&w, &base));
    cm_buffer_clear(&c->base);
    return cm_buffer_add(&c->base, base);
}

cm_status cm_client_set_track_url(cm_client_track *track, cm_slice control)
{
    uint8_t storage[2 * CM_RTSP_URL_SIZE_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_track_url_write(&w, cm_buffer_data(&track->client->base), control);
    cm_slice url;
    CM_TRY(cm_writer_finish(&w, &url));
    cm_buffer_clear(&track->url);
    return cm_buffer_add(&track->url, url);
}

/* The first payload of a codec that we speak. */
static const cm_sdp_payload *find_video(const cm_sdp_media *media, cm_video_codec *codec)
{
    for (size_t i = 0; i < media->payload_count; i++) {
        if (cm_video_codec_of(media->payloads[i].encoding, codec) == CM_OK)
            return &media->payloads[i];
    }
    return NULL;
}

cm_client_shown cm_client_show(cm_slice encoding)
{
    cm_client_shown shown = {""};
    size_t size = 0;
    for (size_t i = 0; i < encoding.size && size < sizeof shown.text - 1; i++) {
        const uint8_t b = encoding.bytes[i];
        if ((b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b == '-')
            shown.text[size++] = (char)b;
    }
    return shown;
}

static void end_unsupported(cm_rtsp_client *c, cm_slice encoding)
{
    const cm_client_shown shown = cm_client_show(encoding);
    cm_client_end(c, CM_CAUSE_CODEC_UNSUPPORTED, "%s",
                  shown.text[0] != '\0' ? shown.text : "a codec without a name");
}

/* What format parameters say of a stream, whichever its codec. */
typedef struct video_format {
    bool is_interleaved; /* decoding order is not sending order */
    const cm_slice *sets;
    size_t set_count;
    cm_sdp_h264 h264;
    cm_sdp_h265 h265;
} video_format;

static void read_format(cm_video_codec codec, cm_slice fmtp, cm_writer *storage, video_format *out)
{
    if (codec == CM_VIDEO_H265) {
        cm_sdp_h265_parse(fmtp, storage, &out->h265);
        out->is_interleaved = out->h265.max_don_diff > 0;
        out->sets = out->h265.sets;
        out->set_count = out->h265.set_count;
    } else {
        cm_sdp_h264_parse(fmtp, storage, &out->h264);
        out->is_interleaved = out->h264.packetization_mode > 1;
        out->sets = out->h264.sets;
        out->set_count = out->h264.set_count;
    }
}

/* Makes the video of `payload` the one that is received. */
static void choose(cm_rtsp_client *c, const cm_sdp_media *media, const cm_sdp_payload *payload,
                   cm_video_codec codec)
{
    uint8_t storage[CM_SDP_SETS_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    video_format format;
    read_format(codec, payload->fmtp, &w, &format);
    if (format.is_interleaved) {
        cm_client_end(c, CM_CAUSE_CODEC_UNSUPPORTED, "%s in interleaved packets",
                      cm_video_codec_name(codec));
        return;
    }
    cm_video_depacketizer_init(&c->depacketizer, codec, &c->unit, cm_client_on_unit, c);
    for (size_t i = 0; i < format.set_count; i++)
        CM_IGNORE(cm_video_depacketizer_put_set(&c->depacketizer, format.sets[i]),
                  "what is wrong in the SDP may come right in band");
    cm_client_media_init(&c->track, payload->type, media->payload_count == 1, payload->clock_rate);
}

/* The first video of a codec that we speak; else the end, saying what there is instead. */
static const cm_sdp_media *choose_media(cm_rtsp_client *c, const cm_sdp *sdp)
{
    const cm_sdp_media *video = NULL;
    for (size_t i = 0; i < sdp->media_count; i++) {
        const cm_sdp_media *media = &sdp->medias[i];
        if (media->kind != CM_SDP_VIDEO)
            continue;
        cm_video_codec codec;
        const cm_sdp_payload *payload = find_video(media, &codec);
        if (payload != NULL) {
            choose(c, media, payload, codec);
            return cm_client_is_over(c) ? NULL : media;
        }
        video = video == NULL ? media : video;
    }
    if (video == NULL)
        cm_client_end(c, CM_CAUSE_NO_VIDEO, "it offers no video at that address");
    else
        end_unsupported(c, video->payloads[0].encoding);
    return NULL;
}

static void set_up(cm_rtsp_client *c)
{
    cm_client_udp_close(&c->track);
    cm_client_udp_close(&c->sound.track);
    if (c->is_udp && cm_client_udp_open(&c->track) != CM_OK)
        c->is_udp = false; /* no pair of ports is free here */
    cm_client_set_state(c, CM_RTSP_CLIENT_SETTING_UP);
    cm_client_request_send(c, CM_RTSP_SETUP);
}

static void take_describe(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    cm_sdp sdp;
    if (message->status != 200) {
        refuse(c, CM_RTSP_DESCRIBE, message->status);
        return;
    }
    const cm_status status = cm_sdp_parse(message->body, &sdp);
    if (status != CM_OK) {
        cm_client_end(c, c->config.is_speaking ? CM_CAUSE_NO_LOUDSPEAKER : CM_CAUSE_NO_VIDEO,
                      "its description names no media we can read");
        return;
    }
    const cm_sdp_media *media =
        c->config.is_speaking ? cm_client_speech_choose(c, &sdp) : choose_media(c, &sdp);
    if (media == NULL)
        return;
    if (set_base(c, message, &sdp) != CM_OK ||
        cm_client_set_track_url(&c->track, media->control) != CM_OK) {
        cm_client_end(c, CM_CAUSE_PROTOCOL, "its description has no usable address");
        return;
    }
    if (!c->config.is_speaking)
        cm_client_sound_choose(c, &sdp, media);
    set_up(c);
}

/* ---- SETUP ---- */

/* Once a session, another transport than the one that was refused. */
static bool switch_transport(cm_rtsp_client *c)
{
    if (c->has_switched)
        return false;
    c->has_switched = true;
    c->is_udp = !c->is_udp;
    return true;
}

static cm_status take_session(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    cm_slice value;
    cm_rtsp_session session;
    if (!cm_rtsp_find(message, CM_TEXT("Session"), &value))
        return CM_OK; /* some do without */
    CM_TRY(cm_rtsp_session_parse(value, &session));
    cm_writer w = cm_writer_over(c->session_id, sizeof c->session_id);
    cm_write_slice(&w, session.id);
    CM_ENSURE(!w.failed, CM_REFUSE);
    c->session_id_size = w.used;
    c->timeout_s = session.timeout_s;
    return CM_OK;
}

void cm_client_use_channels(cm_client_track *track, const cm_rtsp_transport *transport,
                            uint8_t first_asked)
{
    cm_rtsp_scanner *scanner = &track->client->scanner;
    track->rtp_channel = first_asked;
    track->rtcp_channel = (uint8_t)(first_asked + 1);
    if (transport->interleaved.is_said) {
        track->rtp_channel = (uint8_t)transport->interleaved.rtp;
        track->rtcp_channel = (uint8_t)transport->interleaved.rtcp;
    }
    if (track->rtp_channel > scanner->channel_max)
        scanner->channel_max = track->rtp_channel;
    if (track->rtcp_channel > scanner->channel_max)
        scanner->channel_max = track->rtcp_channel;
}

void cm_client_play(cm_rtsp_client *c)
{
    cm_client_set_state(c, CM_RTSP_CLIENT_STARTING);
    if (!c->config.is_speaking)
        cm_client_udp_punch(&c->track);
    cm_client_udp_punch(&c->sound.track);
    cm_client_request_send(c, CM_RTSP_PLAY);
}

/* It answered with another transport than was asked for: ask for that one. Over TCP a reply that
 * merely leaves out the channels, or "/TCP", is taken as meant. Who does not say where it hears
 * over UDP can't be spoken to so. */
bool cm_client_wants_other(const cm_rtsp_client *c, const cm_rtsp_transport *transport)
{
    if (cm_client_is_over_udp(c))
        return transport->is_tcp || (c->config.is_speaking && !transport->server_port.is_said);
    return !transport->is_tcp && transport->server_port.is_said;
}

static void describe_anew(cm_rtsp_client *c)
{
    cm_client_teardown_send(c);
    c->session_id_size = 0;
    describe(c);
}

cm_rtsp_transport cm_client_transport_of(const cm_rtsp_client *c, const cm_rtsp_message *message)
{
    const cm_rtsp_transport asked = {.is_tcp = !cm_client_is_over_udp(c)};
    cm_slice value;
    cm_rtsp_transport said;
    if (!cm_rtsp_find(message, CM_TEXT("Transport"), &value) ||
        cm_rtsp_transport_next(&value, &said) != CM_OK)
        return asked;
    return said;
}

static void take_setup(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    if (message->status == 461 && switch_transport(c)) {
        describe_anew(c);
        return;
    }
    if (message->status != 200) {
        refuse(c, CM_RTSP_SETUP, message->status);
        return;
    }
    if (take_session(c, message) != CM_OK) {
        cm_client_end(c, CM_CAUSE_PROTOCOL, "its session has no usable name");
        return;
    }
    const cm_rtsp_transport transport = cm_client_transport_of(c, message);
    if (transport.is_multicast || cm_client_wants_other(c, &transport)) {
        if (switch_transport(c))
            describe_anew(c);
        else
            cm_client_end(c, CM_CAUSE_PROTOCOL, "it offers no transport that we speak");
        return;
    }
    if (cm_client_is_over_udp(c))
        cm_client_udp_set_peer(&c->track, &transport);
    else
        cm_client_use_channels(&c->track, &transport, CM_CLIENT_VIDEO_CHANNEL);
    if (!cm_client_sound_set_up(c))
        cm_client_play(c);
}

/* ---- PLAY and after ---- */

static void take_play(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    if (message->status != 200) {
        if (!cm_client_sound_forgo(c))
            refuse(c, CM_RTSP_PLAY, message->status);
        return;
    }
    cm_client_set_state(c, CM_RTSP_CLIENT_PLAYING);
    c->config.events->on_playing(c->config.owner, cm_client_is_over_udp(c));
}

static void take_keepalive(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    if (message->status == 454) {
        cm_client_end(c, CM_CAUSE_CLOSED, "it has forgotten the session");
    } else if (message->status == 401) {
        /* A refusal is no matter while pictures come; the camera decides when they end. */
        if (cm_client_login_take(c, message, &c->keepalive) == CM_OK) {
            c->keepalive.refusals++;
            cm_client_keepalive_send(c);
        }
    } else if (c->login.has_challenge) {
        c->login.is_proven = true;
    }
}

typedef void (*take_fn)(cm_rtsp_client *c, const cm_rtsp_message *message);

/* Each state waits for the answer to one request; any other answer is a late one. */
static const struct {
    cm_rtsp_method method;
    take_fn take;
} ANSWERS[CM_RTSP_CLIENT_STATES] = {
    [CM_RTSP_CLIENT_ASKING] = {CM_RTSP_OPTIONS, take_options},
    [CM_RTSP_CLIENT_DESCRIBING] = {CM_RTSP_DESCRIBE, take_describe},
    [CM_RTSP_CLIENT_SETTING_UP] = {CM_RTSP_SETUP, take_setup},
    [CM_RTSP_CLIENT_SETTING_UP_SOUND] = {CM_RTSP_SETUP, cm_client_sound_take_setup},
    [CM_RTSP_CLIENT_STARTING] = {CM_RTSP_PLAY, take_play},
};

static bool is_redirect(uint16_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 305 || status == 307;
}

static void take_awaited(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    const take_fn take = ANSWERS[c->state].take;
    const bool is_of_sound = c->state == CM_RTSP_CLIENT_SETTING_UP_SOUND;
    if (message->status == 401) {
        take_challenge(c, message);
        return;
    }
    if (is_redirect(message->status) && !is_of_sound) {
        cm_client_redirect(c, message);
        return;
    }
    c->login.is_proven = c->login.is_proven || c->login.has_challenge;
    c->waiting.method = CM_RTSP_METHOD_COUNT;
    take(c, message);
}

void cm_client_take_response(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    uint32_t cseq;
    if (message->status < 200)
        return;
    const bool is_numbered = cm_rtsp_cseq(message, &cseq) == CM_OK;
    if (c->state == CM_RTSP_CLIENT_PLAYING) {
        if (is_numbered && c->keepalive.method != CM_RTSP_METHOD_COUNT &&
            cseq == c->keepalive.cseq) {
            c->keepalive.method = CM_RTSP_METHOD_COUNT;
            take_keepalive(c, message);
        }
        return;
    }
    /* One that lost its number can only mean the request that waits. */
    if (ANSWERS[c->state].take != NULL && c->waiting.method == ANSWERS[c->state].method &&
        (!is_numbered || cseq == c->waiting.cseq))
        take_awaited(c, message);
}
