#include "proto/sdp/sdp_priv.h"

enum {
    PAYLOAD_TYPE_MAX = 127,
    FMTP_LINE_MAX = 32, /* remembered until all medias are known; further ones are ignored */
    CLOCK_RATE_VIDEO = 90000,
    OPUS_CLOCK_RATE = 48000, /* RFC 7587 7: always, whatever the encoder was given */
    OPUS_CHANNELS = 2,
    NO_MEDIA = CM_SDP_MEDIA_MAX,
};

/* An a=fmtp line and the media it stood under: NO_MEDIA for the session or a dropped one. */
typedef struct fmtp_line {
    size_t media;
    uint8_t type;
    cm_slice value; // emptied once a payload has it
} fmtp_line;

typedef struct parse_state {
    cm_sdp *sdp;
    bool is_in_media;         // an m= line was seen
    cm_sdp_media *media;      // the media attributes belong to; NULL: session or dropped
    cm_slice dropped_formats; // payload types of the dropped m= line we are under
    size_t fmtp_count;
    fmtp_line fmtps[FMTP_LINE_MAX];
} parse_state;

/* RFC 3551 6, what cameras use of it. */
static const struct static_type {
    uint8_t type;
    uint8_t channels;
    uint32_t clock_rate;
    const char *encoding;
} STATIC_TYPES[] = {
    {0, 1, 8000, "PCMU"},   {3, 1, 8000, "GSM"},    {4, 1, 8000, "G723"},   {8, 1, 8000, "PCMA"},
    {9, 1, 8000, "G722"},   {10, 2, 44100, "L16"},  {11, 1, 44100, "L16"},  {14, 1, 90000, "MPA"},
    {18, 1, 8000, "G729"},  {26, 1, 90000, "JPEG"}, {31, 1, 90000, "H261"}, {32, 1, 90000, "MPV"},
    {33, 1, 90000, "MP2T"}, {34, 1, 90000, "H263"},
};

cm_sdp_payload cm_sdp_payload_of(uint8_t type)
{
    cm_sdp_payload payload = {.type = type, .channels = 1};
    for (size_t i = 0; i < CM_COUNT(STATIC_TYPES); i++) {
        if (STATIC_TYPES[i].type != type)
            continue;
        payload.encoding = cm_slice_of(STATIC_TYPES[i].encoding);
        payload.clock_rate = STATIC_TYPES[i].clock_rate;
        payload.channels = STATIC_TYPES[i].channels;
    }
    return payload;
}

cm_slice cm_sdp_next_word(cm_slice *rest)
{
    *rest = cm_slice_trim(*rest);
    const size_t size = cm_slice_find(*rest, ' ');
    const cm_slice word =
        cm_slice_part(*rest, 0, cm_slice_find(cm_slice_part(*rest, 0, size), '\t'));
    *rest = cm_slice_from(*rest, word.size);
    return word;
}

cm_status cm_sdp_read_type(cm_slice word, uint8_t *out)
{
    uint64_t value;
    CM_TRY(cm_slice_to_u64(word, PAYLOAD_TYPE_MAX, &value));
    *out = (uint8_t)value;
    return CM_OK;
}

static cm_sdp_payload *find_payload(cm_sdp_media *media, uint8_t type)
{
    for (size_t i = 0; i < media->payload_count; i++)
        if (media->payloads[i].type == type)
            return &media->payloads[i];
    return NULL;
}

static void read_formats(cm_slice formats, cm_sdp_media *media)
{
    while (formats.size > 0 && media->payload_count < CM_SDP_PAYLOAD_MAX) {
        uint8_t type;
        if (cm_sdp_read_type(cm_sdp_next_word(&formats), &type) == CM_OK &&
            find_payload(media, type) == NULL)
            media->payloads[media->payload_count++] = cm_sdp_payload_of(type);
    }
}

cm_status cm_sdp_read_kind(cm_slice word, cm_sdp_kind *out)
{
    static const char *const NAMES[] = {
        [CM_SDP_VIDEO] = "video", [CM_SDP_AUDIO] = "audio", [CM_SDP_APPLICATION] = "application"};
    for (size_t i = 0; i < CM_COUNT(NAMES); i++) {
        if (!cm_slice_equal_nocase(word, cm_slice_of(NAMES[i])))
            continue;
        *out = (cm_sdp_kind)i;
        return CM_OK;
    }
    return CM_REFUSE;
}

/* RFC 8866 5.14: <media> <port>[/<number of ports>] <proto> <fmt> ... */
static cm_status read_media(cm_slice value, cm_sdp_media *out, cm_slice *formats)
{
    const cm_slice kind = cm_sdp_next_word(&value);
    cm_slice ports = cm_sdp_next_word(&value);
    *out = (cm_sdp_media){.protocol = cm_sdp_next_word(&value)};
    *formats = value;
    CM_TRY(cm_sdp_read_kind(kind, &out->kind));
    uint64_t port;
    CM_TRY(cm_slice_to_u64(cm_slice_cut(&ports, '/'), UINT16_MAX, &port));
    out->port = (uint16_t)port;
    CM_ENSURE(cm_slice_starts_nocase(out->protocol, CM_TEXT("RTP/")), CM_REFUSE);
    read_formats(value, out);
    CM_ENSURE(out->payload_count > 0, CM_REFUSE);
    return CM_OK;
}

static void begin_media(parse_state *state, cm_slice value)
{
    cm_sdp *sdp = state->sdp;
    cm_sdp_media media;
    cm_slice formats;
    state->is_in_media = true;
    state->media = NULL;
    if (read_media(value, &media, &formats) != CM_OK || sdp->media_count == CM_SDP_MEDIA_MAX) {
        state->dropped_formats = formats;
        sdp->dropped_count++;
        return;
    }
    state->media = &sdp->medias[sdp->media_count++];
    *state->media = media;
}

/* RFC 8866 5.7: IN IP4|IP6 <address>[/<ttl>...]. Anything else says nothing. */
static cm_slice read_connection(cm_slice value)
{
    const cm_slice network = cm_sdp_next_word(&value);
    const cm_slice type = cm_sdp_next_word(&value);
    cm_slice address = cm_sdp_next_word(&value);
    if (!cm_slice_equal(network, CM_TEXT("IN")) ||
        !(cm_slice_equal(type, CM_TEXT("IP4")) || cm_slice_equal(type, CM_TEXT("IP6"))))
        return (cm_slice){0};
    return cm_slice_cut(&address, '/');
}

/* RFC 8866 6.6: <payload type> <encoding>/<clock rate>[/<channels>] */
static void read_rtpmap(cm_sdp_media *media, cm_slice value)
{
    uint8_t type;
    if (cm_sdp_read_type(cm_sdp_next_word(&value), &type) != CM_OK)
        return;
    cm_sdp_payload *payload = find_payload(media, type);
    const cm_slice encoding = cm_slice_trim(cm_slice_cut(&value, '/'));
    if (payload == NULL || encoding.size == 0)
        return;
    uint64_t clock_rate = 0;
    uint64_t channels = 1;
    if (cm_slice_to_u64(cm_slice_trim(cm_slice_cut(&value, '/')), UINT32_MAX, &clock_rate) != CM_OK)
        clock_rate = 0;
    if (cm_slice_to_u64(cm_slice_trim(value), UINT8_MAX, &channels) != CM_OK || channels == 0)
        channels = 1;
    if (clock_rate == 0 && media->kind == CM_SDP_VIDEO)
        clock_rate = CLOCK_RATE_VIDEO;
    if (cm_slice_equal_nocase(encoding, CM_TEXT("opus"))) {
        clock_rate = OPUS_CLOCK_RATE;
        channels = OPUS_CHANNELS;
    }
    payload->encoding = encoding;
    payload->clock_rate = (uint32_t)clock_rate;
    payload->channels = (uint8_t)channels;
}

/* Does a dropped media's format list name this payload type? Then its fmtp goes with it. */
static bool is_of_dropped(cm_slice formats, uint8_t type)
{
    while (formats.size > 0) {
        uint8_t other;
        if (cm_sdp_read_type(cm_sdp_next_word(&formats), &other) == CM_OK && other == type)
            return true;
    }
    return false;
}

static void keep_fmtp(parse_state *state, cm_slice value)
{
    uint8_t type;
    if (cm_sdp_read_type(cm_sdp_next_word(&value), &type) != CM_OK ||
        state->fmtp_count == FMTP_LINE_MAX)
        return;
    const bool is_dropped = state->is_in_media && state->media == NULL;
    if (is_dropped && is_of_dropped(state->dropped_formats, type))
        return;
    state->fmtps[state->fmtp_count++] = (fmtp_line){
        .media = state->media != NULL ? state->sdp->media_count - 1 : NO_MEDIA,
        .type = type,
        .value = cm_slice_trim(value),
    };
}

static bool give_fmtp(cm_sdp_media *media, uint8_t type, cm_slice value)
{
    cm_sdp_payload *payload = find_payload(media, type);
    if (payload == NULL || payload->fmtp.size > 0)
        return false;
    payload->fmtp = value;
    return true;
}

/* Lines whose payload type their own media has. */
static void give_fmtps_in_place(parse_state *state)
{
    for (size_t i = 0; i < state->fmtp_count; i++) {
        fmtp_line *line = &state->fmtps[i];
        if (line->media == NO_MEDIA)
            continue;
        cm_sdp_media *media = &state->sdp->medias[line->media];
        if (find_payload(media, line->type) == NULL)
            continue;
        (void)give_fmtp(media, line->type, line->value); /* of two, the first counts */
        line->value = (cm_slice){0};
    }
}

/* One line under the wrong media: it goes to the one that has the payload type. One with a type
 * nobody has (Hikvision's AAC) goes to its own media, where that has one payload only. */
static void give_stray_fmtp(cm_sdp *sdp, const fmtp_line *line)
{
    bool is_somebodys = false;
    for (size_t m = 0; m < sdp->media_count; m++) {
        if (give_fmtp(&sdp->medias[m], line->type, line->value))
            return;
        is_somebodys = is_somebodys || find_payload(&sdp->medias[m], line->type) != NULL;
    }
    if (is_somebodys || line->media == NO_MEDIA)
        return;
    cm_sdp_media *own = &sdp->medias[line->media];
    if (own->payload_count == 1)
        (void)give_fmtp(own, own->payloads[0].type, line->value);
}

static void give_stray_fmtps(parse_state *state)
{
    for (size_t i = 0; i < state->fmtp_count; i++)
        if (state->fmtps[i].value.size > 0)
            give_stray_fmtp(state->sdp, &state->fmtps[i]);
}

bool cm_sdp_read_direction(cm_slice name, cm_sdp_direction *out)
{
    static const char *const NAMES[] = {[CM_SDP_SENDRECV] = "sendrecv",
                                        [CM_SDP_SENDONLY] = "sendonly",
                                        [CM_SDP_RECVONLY] = "recvonly",
                                        [CM_SDP_INACTIVE] = "inactive"};
    for (size_t i = CM_SDP_SENDRECV; i < CM_COUNT(NAMES); i++) {
        if (!cm_slice_equal(name, cm_slice_of(NAMES[i])))
            continue;
        *out = (cm_sdp_direction)i;
        return true;
    }
    return false;
}

/* Of a line said twice the first counts. */
static void set_once(cm_slice *field, cm_slice value)
{
    if (field->size == 0)
        *field = value;
}

static void read_session_attribute(cm_sdp *sdp, cm_slice name, cm_slice value)
{
    if (cm_slice_equal(name, CM_TEXT("control")))
        set_once(&sdp->control, value);
    else if (cm_slice_equal(name, CM_TEXT("range")))
        set_once(&sdp->range, value);
    else if (cm_slice_equal(name, CM_TEXT("tool")))
        set_once(&sdp->tool, value);
    else
        (void)cm_sdp_read_direction(name, &sdp->direction);
}

static void read_media_attribute(cm_sdp_media *media, cm_slice name, cm_slice value)
{
    if (cm_slice_equal(name, CM_TEXT("control")))
        set_once(&media->control, value);
    else if (cm_slice_equal(name, CM_TEXT("rtpmap")))
        read_rtpmap(media, value);
    else
        (void)cm_sdp_read_direction(name, &media->direction);
}

static void read_attribute(parse_state *state, cm_slice line)
{
    const cm_slice name = cm_slice_trim(cm_slice_cut(&line, ':'));
    const cm_slice value = cm_slice_trim(line);
    if (cm_slice_equal(name, CM_TEXT("fmtp")))
        keep_fmtp(state, value);
    else if (state->media != NULL)
        read_media_attribute(state->media, name, value);
    else if (!state->is_in_media)
        read_session_attribute(state->sdp, name, value);
}

static void read_line(parse_state *state, uint8_t type, cm_slice value)
{
    cm_sdp *sdp = state->sdp;
    if (type == 'm')
        begin_media(state, value);
    else if (type == 'a')
        read_attribute(state, value);
    else if (type == 'c' && state->media != NULL)
        set_once(&state->media->connection, read_connection(value));
    else if (state->is_in_media)
        return;
    else if (type == 'c')
        set_once(&sdp->connection, read_connection(value));
    else if (type == 'o')
        set_once(&sdp->origin, value);
    else if (type == 's')
        set_once(&sdp->name, value);
}

cm_status cm_sdp_parse(cm_slice text, cm_sdp *out)
{
    CM_ENSURE(text.size <= CM_SDP_SIZE_MAX, CM_REFUSE);
    cm_sdp sdp = {0};
    parse_state state = {.sdp = &sdp};
    while (text.size > 0) {
        const cm_slice line = cm_slice_trim(cm_slice_cut(&text, '\n'));
        if (line.size >= 2 && line.bytes[1] == '=')
            read_line(&state, line.bytes[0], cm_slice_trim(cm_slice_from(line, 2)));
    }
    CM_ENSURE(sdp.media_count > 0, CM_REFUSE);
    give_fmtps_in_place(&state);
    give_stray_fmtps(&state);
    for (size_t i = 0; i < sdp.media_count; i++)
        if (sdp.medias[i].direction == CM_SDP_DIRECTION_UNSAID)
            sdp.medias[i].direction = sdp.direction;
    *out = sdp;
    return CM_OK;
}
