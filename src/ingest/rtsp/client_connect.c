/* Names, addresses, and the connection's bytes in and out. */
#include "ingest/rtsp/client_priv.h"

enum {
    CONNECT_SECONDS = 5,
    IN_KEPT_MAX = 4096, /* a packet and what goes with it; more is given back at once */
};

cm_status cm_client_set_url(cm_rtsp_client *c, cm_slice address)
{
    uint8_t storage[CM_RTSP_URL_SIZE_MAX + 64];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_rtsp_url url;
    CM_TRY(cm_rtsp_url_parse(address, &url));
    CM_ENSURE(!url.is_secure, CM_REFUSE);
    cm_rtsp_url_write(&w, &url);
    cm_slice text;
    CM_TRY(cm_writer_finish(&w, &text));
    cm_buffer_clear(&c->url);
    CM_TRY(cm_buffer_add(&c->url, text));
    return cm_rtsp_url_parse(cm_buffer_data(&c->url), &c->place);
}

/* ---- connecting ---- */

static void connect_next(cm_rtsp_client *c);

static void on_connected(void *owner, cm_status status)
{
    cm_rtsp_client *c = owner;
    if (status == CM_OK) {
        cm_rtsp_scanner_init(&c->scanner);
        cm_buffer_clear(&c->in);
        cm_buffer_clear(&c->out);
        cm_client_set_state(c, CM_RTSP_CLIENT_ASKING);
        cm_client_request_send(c, CM_RTSP_OPTIONS);
        return;
    }
    cm_tcp_close(c->tcp);
    c->tcp = NULL;
    if (c->found_next < c->found_count)
        connect_next(c);
    else if (status == CM_REFUSE)
        cm_client_end(c, CM_CAUSE_CONNECTION_REFUSED, "nobody listens on port %u", c->place.port);
    else if (status == CM_RETRY)
        cm_client_end(c, CM_CAUSE_TIMEOUT, "no connection within %d s", CONNECT_SECONDS);
    else
        cm_client_end(c, CM_CAUSE_NO_ROUTE, "no way to that address");
}

static void on_readable(void *owner);

static void on_writable(void *owner)
{
    cm_rtsp_client *c = owner;
    if (cm_client_write(c, (cm_slice){0}, (cm_slice){0}) != CM_OK)
        cm_client_end(c, CM_CAUSE_CLOSED, "it closed the connection");
}

static const cm_tcp_events TCP_EVENTS = {
    .on_connected = on_connected, .on_readable = on_readable, .on_writable = on_writable};

static void connect_next(cm_rtsp_client *c)
{
    c->peer = c->found[c->found_next++];
    const cm_status status = cm_tcp_connect(c->config.net, &c->peer, CM_SECONDS(CONNECT_SECONDS),
                                            &TCP_EVENTS, c, &c->tcp);
    if (status != CM_OK)
        cm_client_end(c, CM_CAUSE_NO_ROUTE, "this machine can't connect: %s",
                      cm_status_name(status));
}

/* ---- names ---- */

/* Only what may be connected to is kept, and only what is kept is connected to. */
static void keep_allowed(cm_rtsp_client *c, const cm_address *found, size_t count)
{
    c->found_count = c->found_next = 0;
    for (size_t i = 0; i < count && i < CM_RESOLVE_MAX; i++) {
        cm_address address = found[i];
        address.port = c->place.port;
        if (c->config.events->may_connect(c->config.owner, &address))
            c->found[c->found_count++] = address;
    }
}

static void on_resolved(void *owner, cm_status status, const cm_address *found, size_t count)
{
    cm_rtsp_client *c = owner;
    c->resolve = NULL;
    if (status == CM_ABSENT || (status == CM_OK && count == 0)) {
        cm_client_end(c, CM_CAUSE_NAME_NOT_FOUND, "no address is known for that name");
        return;
    }
    if (status != CM_OK) {
        cm_client_end(c, CM_CAUSE_TIMEOUT, "the name server does not answer");
        return;
    }
    keep_allowed(c, found, count);
    if (c->found_count == 0) {
        cm_client_end(c, CM_CAUSE_ADDRESS_REFUSED, "this home's cameras may not be %s",
                      c->redirects > 0 ? "where it redirects to" : "at that address");
        return;
    }
    cm_client_set_state(c, CM_RTSP_CLIENT_CONNECTING);
    connect_next(c);
}

void cm_client_resolve(cm_rtsp_client *c)
{
    cm_client_set_state(c, CM_RTSP_CLIENT_RESOLVING);
    const cm_status status =
        cm_net_resolve(c->config.net, c->place.host, on_resolved, c, &c->resolve);
    if (status != CM_OK)
        cm_client_end(c, CM_CAUSE_TIMEOUT, "too many names are being looked up");
}

void cm_client_close_connection(cm_rtsp_client *c)
{
    cm_tcp_close(c->tcp);
    c->tcp = NULL;
    c->session_id_size = 0;
}

void cm_client_reopen(cm_rtsp_client *c)
{
    cm_client_close_connection(c);
    cm_client_udp_close(&c->track);
    cm_client_udp_close(&c->sound.track);
    cm_client_resolve(c);
}

/* ---- bytes out ---- */

static cm_status flush(cm_rtsp_client *c)
{
    const cm_slice waiting = cm_buffer_data(&c->out);
    if (waiting.size == 0)
        return CM_OK;
    size_t taken = 0;
    const cm_status status = cm_tcp_write(c->tcp, &waiting, 1, &taken);
    CM_ENSURE(status == CM_OK || status == CM_RETRY, status);
    cm_buffer_consume(&c->out, taken);
    cm_buffer_shrink(&c->out);
    return CM_OK;
}

cm_status cm_client_write(cm_rtsp_client *c, cm_slice first, cm_slice second)
{
    CM_ENSURE(c->tcp != NULL, CM_CLOSE);
    CM_TRY(flush(c));
    const cm_slice parts[2] = {first, second};
    const size_t total = first.size + second.size;
    size_t taken = 0;
    if (total == 0)
        return CM_OK;
    if (cm_buffer_data(&c->out).size == 0) {
        const cm_status status = cm_tcp_write(c->tcp, parts, 2, &taken);
        CM_ENSURE(status == CM_OK || status == CM_RETRY, status);
    }
    for (size_t i = 0; i < 2; i++) {
        const cm_slice rest = cm_slice_from(parts[i], taken);
        taken -= parts[i].size - rest.size;
        CM_TRY(cm_buffer_add(&c->out, rest));
    }
    return CM_OK;
}

/* ---- bytes in ---- */

typedef enum input_rule {
    INPUT_PASSED_OVER, /* it may come, and means nothing here */
    INPUT_TAKEN,
} input_rule;

/* What the camera may send in each state, and what becomes of it. Nothing is legal while there is
 * no connection. */
static const input_rule INPUTS[CM_RTSP_CLIENT_STATES][3] = {
    [CM_RTSP_CLIENT_ASKING] = {[CM_RTSP_REQUEST] = INPUT_TAKEN, [CM_RTSP_RESPONSE] = INPUT_TAKEN},
    [CM_RTSP_CLIENT_DESCRIBING] =
        {[CM_RTSP_REQUEST] = INPUT_TAKEN, [CM_RTSP_RESPONSE] = INPUT_TAKEN},
    [CM_RTSP_CLIENT_SETTING_UP] =
        {[CM_RTSP_REQUEST] = INPUT_TAKEN, [CM_RTSP_RESPONSE] = INPUT_TAKEN},
    [CM_RTSP_CLIENT_SETTING_UP_SOUND] =
        {[CM_RTSP_REQUEST] = INPUT_TAKEN, [CM_RTSP_RESPONSE] = INPUT_TAKEN},
    /* The first packets may be faster than the answer to PLAY. */
    [CM_RTSP_CLIENT_STARTING] = {[CM_RTSP_REQUEST] = INPUT_TAKEN,
                                 [CM_RTSP_RESPONSE] = INPUT_TAKEN,
                                 [CM_RTSP_INTERLEAVED] = INPUT_TAKEN},
    [CM_RTSP_CLIENT_PLAYING] = {[CM_RTSP_REQUEST] = INPUT_TAKEN,
                                [CM_RTSP_RESPONSE] = INPUT_TAKEN,
                                [CM_RTSP_INTERLEAVED] = INPUT_TAKEN},
};

static void take_message(cm_rtsp_client *c, const cm_rtsp_message *message)
{
    if (INPUTS[c->state][message->kind] == INPUT_PASSED_OVER)
        return;
    if (message->kind == CM_RTSP_INTERLEAVED)
        cm_client_take_interleaved(c, message->channel, message->body);
    else if (message->kind == CM_RTSP_RESPONSE)
        cm_client_take_response(c, message);
    else
        cm_client_take_request(c, message);
}

/* Everything whole in `arrived`; what is left over is kept. The connection may be closed, or
 * another one be under way, after each message. */
static void scan(cm_rtsp_client *c, cm_slice arrived)
{
    const cm_tcp *tcp = c->tcp;
    const uint64_t junk_before = c->scanner.junk_total;
    cm_status status = CM_OK;
    while (status == CM_OK) {
        cm_rtsp_message message;
        size_t consumed;
        status = cm_rtsp_scan(&c->scanner, arrived, &message, &consumed);
        if (status == CM_OK)
            take_message(c, &message);
        if (c->tcp != tcp || cm_client_is_over(c))
            return;
        arrived = cm_slice_from(arrived, consumed);
    }
    if (status == CM_CLOSE) {
        cm_client_end_abusive(c, c->state == CM_RTSP_CLIENT_PLAYING
                                     ? "sends junk between its packets"
                                     : "speaks no RTSP");
        return;
    }
    if (c->scanner.junk_total != junk_before)
        cm_client_count_malformed(c);
    if (!cm_client_is_over(c) && cm_buffer_add(&c->in, arrived) != CM_OK)
        cm_client_end_abusive(c, "sends a message that is too large");
}

static void on_closed(cm_rtsp_client *c)
{
    /* Some hang up once they have asked for a password. */
    if (c->waiting.refusals > 0 && !c->login.is_proven && !c->was_reopened) {
        c->was_reopened = true;
        cm_client_reopen(c);
        return;
    }
    if (cm_client_sound_forgo(c))
        return;
    cm_client_end(c, CM_CAUSE_CLOSED, "it closed the connection while %s",
                  cm_rtsp_client_state_name(c->state));
}

/* One read a turn: others don't stutter, whatever this one sends. */
static void on_readable(void *owner)
{
    cm_rtsp_client *c = owner;
    cm_connect_gate *gate = c->config.gate;
    cm_writer w = cm_writer_over(gate->read_buffer, sizeof gate->read_buffer);
    cm_write_slice(&w, cm_buffer_data(&c->in));
    size_t size;
    const cm_status status = cm_tcp_read(c->tcp, &gate->read_buffer[w.used], CM_READ_SIZE, &size);
    if (status == CM_RETRY)
        return;
    if (status != CM_OK) {
        on_closed(c);
        return;
    }
    cm_client_count_bytes(c, size);
    if (cm_client_is_over(c))
        return;
    cm_buffer_clear(&c->in);
    if (c->in.capacity > IN_KEPT_MAX)
        cm_buffer_shrink(&c->in);
    scan(c, cm_slice_over(gate->read_buffer, w.used + size));
}
