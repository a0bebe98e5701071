/*
 * A whole RTSP session against a camera that says what the input says, when it says it, on a
 * simulated network. The input is a program: each step is a byte of how (wait, hang up, answer the
 * newest request properly, send raw bytes, send a packet) and what goes with it. Whatever comes,
 * the client ends at most once, gives out only units that decode from a keyframe on, and frees all.
 * One that speaks gives out nothing, and takes speech whenever it comes.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "ingest/rtsp/client.h"
#include "net/sim.h"
#include "proto/rtp/rtp.h"

enum { ANSWER_SIZE = 2048, STEPS_MAX = 400 };

typedef struct run {
    cm_sim *sim;
    cm_net *there;
    cm_tcp *tcp;
    cm_udp *udp;
    cm_address client;
    uint32_t cseq; // the client counts from 1; so do we
    uint16_t sequence;
    bool has_ended;
    bool had_keyframe;
    bool is_speaking;
    uint32_t spoken; // samples
} run;

static bool may_connect(void *owner, const cm_address *address)
{
    (void)owner;
    CHECK(address->port != 0);
    return address->bytes[3] == 2;
}

static void on_playing(void *owner, bool is_udp)
{
    const run *r = owner;
    (void)is_udp;
    CHECK(!r->has_ended);
}

static void on_unit(void *owner, const cm_ingest_unit *unit)
{
    run *r = owner;
    CHECK(!r->has_ended && !r->is_speaking);
    CHECK(unit->clock_rate > 0);
    r->had_keyframe = r->had_keyframe || unit->unit->is_keyframe;
    CHECK(r->had_keyframe);
    for (size_t i = 0; i < unit->unit->nal_count; i++)
        touch(unit->unit->nals[i]);
}

static void on_end(void *owner, const cm_rtsp_end *end)
{
    run *r = owner;
    CHECK(!r->has_ended);
    CHECK(end->cause > CM_CAUSE_NONE && end->cause < CM_CAUSES);
    const cm_slice detail = cm_slice_of(end->detail);
    for (size_t i = 0; i < detail.size; i++)
        CHECK(detail.bytes[i] >= ' ' && detail.bytes[i] < 0x7f);
    r->has_ended = true;
}

static void on_sound(void *owner, const cm_ingest_sound *sound)
{
    const run *r = owner;
    uint8_t storage[CM_SOUND_FORMAT_MAX];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    CHECK(!r->has_ended);
    CHECK(sound->bytes.size > 0 && sound->clock_rate > 0 && sound->duration > 0);
    CHECK(cm_sound_format_write(&w, sound->format) == CM_OK);
    touch(sound->bytes);
}

static const cm_rtsp_client_events EVENTS = {.may_connect = may_connect,
                                             .on_playing = on_playing,
                                             .on_unit = on_unit,
                                             .on_sound = on_sound,
                                             .on_end = on_end};

static void on_readable(void *owner)
{
    run *r = owner;
    uint8_t bytes[4096];
    size_t size;
    const cm_status status = cm_tcp_read(r->tcp, bytes, sizeof bytes, &size);
    if (status != CM_CLOSE)
        return;
    cm_tcp_close(r->tcp);
    r->tcp = NULL;
}

static void on_accept(void *owner, cm_tcp *tcp)
{
    static const cm_tcp_events TCP_EVENTS = {.on_readable = on_readable};
    run *r = owner;
    cm_tcp_close(r->tcp);
    r->tcp = tcp;
    r->client = cm_tcp_peer(tcp);
    cm_tcp_listen_to(tcp, &TCP_EVENTS, r);
}

static void send_bytes(run *r, cm_slice bytes)
{
    size_t taken;
    if (r->tcp != NULL && bytes.size > 0)
        CM_IGNORE(cm_tcp_write(r->tcp, &bytes, 1, &taken), "what does not fit is lost");
}

/* The next answer's first two lines, then the input's own. */
static void send_answer(run *r, uint8_t kind, cm_slice rest)
{
    static const uint16_t STATUSES[] = {200, 200, 200, 401, 302, 461, 454, 404};
    uint8_t storage[ANSWER_SIZE];
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_write_format(&w, "RTSP/1.0 %u x\r\nCSeq: %u\r\n", STATUSES[kind % 8], ++r->cseq);
    cm_write_slice(&w, rest);
    send_bytes(r, cm_writer_done(&w));
}

/* One of the codecs, each with a payload type of its own; or none. Or what the camera hears by. */
static void write_sound(cm_writer *body, uint8_t kind)
{
    static const char *const SOUNDS[] = {
        "",
        "m=audio 0 RTP/AVP 0\r\na=control:s\r\n",
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=control:s\r\n",
        "m=audio 0 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\na=control:s\r\n",
        "m=audio 0 RTP/AVP 8 99\r\na=rtpmap:8 PCMA/16000/2\r\na=control:s\r\n",
    };
    static const char *const EARS[] = {
        "m=audio 0 RTP/AVP 0\r\na=recvonly\r\nm=audio 0 RTP/AVP 0\r\na=sendonly\r\na=control:e\r\n",
        "m=audio 0 RTP/AVP 97 8\r\na=sendrecv\r\na=control:e\r\n",
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=sendonly\r\na=control:e\r\n",
    };
    cm_write_text(body,
                  (kind & 16) != 0 ? EARS[kind % CM_COUNT(EARS)] : SOUNDS[kind % CM_COUNT(SOUNDS)]);
}

static void send_description(run *r, uint8_t kind, cm_slice fmtp)
{
    uint8_t storage[ANSWER_SIZE];
    uint8_t sdp[ANSWER_SIZE / 2];
    cm_writer body = cm_writer_over(sdp, sizeof sdp);
    cm_writer w = cm_writer_over(storage, sizeof storage);
    /* The first byte, which no parameter's name has: of which codec. */
    const bool is_h265 = fmtp.size > 0 && fmtp.bytes[0] == '5';
    cm_write_format(&body, "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H26%c/90000\r\na=fmtp:96 ",
                    is_h265 ? '5' : '4');
    cm_write_slice(&body, cm_slice_from(fmtp, is_h265 ? 1 : 0));
    cm_write_text(&body, "\r\na=control:t\r\n");
    write_sound(&body, kind);
    cm_write_format(&w, "RTSP/1.0 200 OK\r\nCSeq: %u\r\n", ++r->cseq);
    cm_rtsp_write_end(&w, cm_writer_done(&body));
    send_bytes(r, cm_writer_done(&w));
}

/* Of the two tracks. */
typedef struct kind_of_packet {
    uint8_t payload_type;
    uint8_t channel;
    uint32_t ssrc;
} kind_of_packet;

static const uint8_t SOUND_TYPES[4] = {0, 97, 111, 8};

static void send_packet(run *r, uint8_t how, const kind_of_packet *kind, cm_slice payload)
{
    uint8_t storage[ANSWER_SIZE];
    uint8_t framed[ANSWER_SIZE + 4];
    cm_writer packet = cm_writer_over(storage, sizeof storage);
    cm_writer w = cm_writer_over(framed, sizeof framed);
    r->sequence = (uint16_t)(r->sequence + (how & 3));
    cm_rtp_write(&packet, &(cm_rtp_packet){.marker = (how & 4) != 0,
                                           .payload_type = kind->payload_type,
                                           .sequence_number = r->sequence,
                                           .timestamp = r->sequence * 3000u,
                                           .ssrc = kind->ssrc + (how & 8 ? 1 : 0),
                                           .payload = payload});
    const cm_slice bytes = cm_writer_done(&packet);
    const cm_datagram datagram = {.bytes = bytes, .peer = r->client};
    size_t sent;
    if (r->udp != NULL && r->client.port != 0)
        CM_IGNORE(cm_udp_send(r->udp, &datagram, 1, &sent), "what does not fit is lost");
    cm_rtsp_write_interleaved_header(&w, (uint8_t)(kind->channel + (how & 16 ? 1 : 0)),
                                     (uint16_t)bytes.size);
    cm_write_slice(&w, bytes);
    send_bytes(r, cm_writer_done(&w));
}

static void step(run *r, cm_reader *in)
{
    const uint8_t how = cm_read_u8(in);
    const uint8_t size = cm_read_u8(in);
    const cm_slice rest = cm_read_slice(in, size < in->rest.size ? size : in->rest.size);
    switch (how >> 5) {
    case 0:
        cm_sim_run_for(r->sim, CM_MS(size) * 100);
        break;
    case 1:
        send_answer(r, how & 31, rest);
        break;
    case 2:
        send_description(r, how & 31, rest);
        break;
    case 3:
        send_bytes(r, rest);
        break;
    case 4:
        cm_tcp_close(r->tcp);
        r->tcp = NULL;
        break;
    case 5: // the port that the client's packets are to go to: 40000 and up are its own
        r->client.port = (uint16_t)(size << 8 | how);
        break;
    case 6:
        send_packet(r, how, &(kind_of_packet){.payload_type = 96, .ssrc = 1}, rest);
        break;
    default: // sound: of the type that the size picks
        send_packet(
            r, how,
            &(kind_of_packet){.payload_type = SOUND_TYPES[size % 4], .ssrc = 3, .channel = 2},
            rest);
        break;
    }
    cm_sim_run_for(r->sim, CM_MS(2));
}

static void on_datagrams(void *owner, const cm_datagram *datagrams, size_t count)
{
    run *r = owner;
    if (count > 0)
        r->client = datagrams[0].peer;
}

static cm_address address_of(const char *text)
{
    cm_address address;
    CHECK(cm_address_parse(cm_slice_of(text), 0, &address) == CM_OK);
    return address;
}

static void speak(run *r, cm_rtsp_client *client, size_t size)
{
    static const uint8_t SAMPLES[CM_RTSP_SPEECH_MAX];
    const cm_rtsp_speech speech = {.law = size % 2 == 0 ? CM_G711_MU_LAW : CM_G711_A_LAW,
                                   .samples = cm_slice_over(SAMPLES, size % sizeof SAMPLES + 1),
                                   .timestamp = r->spoken,
                                   .is_first = size % 7 == 0};
    const cm_status status = cm_rtsp_client_speak(client, &speech);
    CHECK(status == CM_OK || status == CM_RETRY);
    CHECK(status == CM_RETRY || (r->is_speaking && !r->has_ended));
    r->spoken += (uint32_t)speech.samples.size;
}

static void play(run *r, cm_loop *loop, cm_net *here, cm_connect_gate *gate, cm_reader *in)
{
    const uint8_t options = cm_read_u8(in);
    r->is_speaking = (options & 8) != 0;
    cm_rtsp_client *client;
    const cm_rtsp_client_config config = {.loop = loop,
                                          .net = here,
                                          .gate = gate,
                                          .address = CM_TEXT("rtsp://10.0.0.2/live"),
                                          .user = CM_TEXT("admin"),
                                          .password = CM_TEXT("secret"),
                                          .is_udp = (options & 1) != 0,
                                          .takes_any_port = (options & 2) != 0,
                                          .is_speaking = r->is_speaking,
                                          .events = &EVENTS,
                                          .owner = r};
    CHECK(cm_rtsp_client_create(&config, &client) == CM_OK);
    cm_sim_run_for(r->sim, CM_MS(5));
    for (int i = 0; i < STEPS_MAX && in->rest.size > 0 && !r->has_ended; i++) {
        step(r, in);
        speak(r, client, in->rest.size);
    }
    /* Left alone it must end: nothing is ever waited for without a limit. But nothing is expected
     * of a camera that hears. */
    if ((options & 4) != 0) {
        cm_sim_run_for(r->sim, CM_SECONDS(120));
        CHECK(r->has_ended ||
              (r->is_speaking && cm_rtsp_client_state_of(client) == CM_RTSP_CLIENT_PLAYING));
    }
    cm_rtsp_client_destroy(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    run r = {.sequence = 100};
    cm_loop *loop;
    cm_sim_network *network;
    cm_net *here;
    cm_connect_gate *gate;
    cm_tcp_listener *listener;
    const cm_address here_host = address_of("10.0.0.1");
    const cm_address there_host = address_of("10.0.0.2");
    const cm_tcp_listener_config config = {
        .address = address_of("10.0.0.2:554"), .on_accept = on_accept, .owner = &r};
    const cm_udp_config udp = {
        .local = address_of("10.0.0.2:6970"), .on_datagrams = on_datagrams, .owner = &r};
    CHECK(cm_sim_create(1, (cm_wall){CM_SECONDS(1000)}, &r.sim) == CM_OK);
    CHECK(cm_sim_loop_create(r.sim, &(cm_loop_config){.index = 0}, &loop) == CM_OK);
    CHECK(cm_sim_network_create(r.sim, &network) == CM_OK);
    CHECK(cm_sim_host_create(network, loop, &here_host, &here) == CM_OK);
    CHECK(cm_sim_host_create(network, loop, &there_host, &r.there) == CM_OK);
    CHECK(cm_connect_gate_create(loop, 0, &gate) == CM_OK);
    CHECK(cm_tcp_listener_open(r.there, &config, &listener) == CM_OK);
    CHECK(cm_udp_open(r.there, &udp, &r.udp) == CM_OK);
    play(&r, loop, here, gate, &in);
    cm_tcp_close(r.tcp);
    cm_udp_close(r.udp);
    cm_tcp_listener_close(listener);
    cm_connect_gate_destroy(gate);
    cm_sim_run_for(r.sim, CM_SECONDS(3));
    cm_net_destroy(here);
    cm_net_destroy(r.there);
    cm_sim_network_destroy(network);
    cm_loop_destroy(loop);
    cm_sim_destroy(r.sim);
    return 0;
}
