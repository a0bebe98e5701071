/*
 * The RTSP output on virtual time: the input is a program of steps, each a byte of what (bytes as
 * they are, requests in any order, time, pictures, sound, leases and refusals, a turn of the epoch,
 * the cut, a peer that reads nothing, a slow path) and what goes with it. Whatever comes: what goes
 * out is RTSP to the last byte with nothing inside anything else, packets only after PLAY was
 * answered and in their order, the owner is told of each guest's end once, and all is freed.
 */
#include "base/buffer.h"
#include "egress/rtsp/rtsp.h"
#include "fuzz.h"
#include "loop/sim.h"
#include "media/seal_mint.h"
#include "media/sound.h"
#include "net/sim.h"
#include "proto/rtp/rtp.h"
#include "proto/rtsp/message.h"

enum {
    STEPS_MAX = 150,
    EPOCHS_MAX = 2, /* keys of two streams each fit into a lease */
    IN_MAX = 2 << 20,
    CONNECTIONS_MAX = 8,
    SSRCS_MAX = 16,
    REPORT_TYPE = 200, /* of RTCP: where RTP has marker and payload type */
};

typedef enum guest { GUEST_NONE, GUEST_ASKING, GUEST_ADMITTED } guest;

typedef struct order {
    uint32_t ssrc;
    uint16_t next;
} order;

typedef struct run {
    cm_sim *sim;
    cm_loop *loop;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_camera_key camera;
    cm_random random;
    cm_secret secret;
    cm_seal_key keys[2 * EPOCHS_MAX];
    uint64_t epoch;
    cm_sealer *sealers[2]; /* of pictures, of sound */
    cm_publisher *publishers[2];
    cm_sim_network *network;
    cm_net *here, *there;
    cm_address door, home;
    cm_rtsp_server *server;
    cm_rtsp_viewer *viewer;
    guest guest;

    cm_tcp *tcp;
    bool is_paused;
    unsigned connections;
    cm_rtsp_scanner scanner;
    cm_buffer in;
    unsigned cseq;
    unsigned plays; /* that were asked for on this connection */
    char session[64];
    order orders[SSRCS_MAX];
    size_t order_count;
} run;

/* ---- the owner ---- */

static cm_lease *make_lease(const run *r)
{
    const cm_instant now = cm_loop_now(r->loop);
    const cm_lease_terms terms = {.session = 1,
                                  .camera = r->camera,
                                  .streams = 1u << CM_STREAM_MAIN | 1u << CM_STREAM_SOUND,
                                  .rights = CM_RIGHT_VIEW | CM_RIGHT_LISTEN,
                                  .epoch = r->epoch,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(60)),
                                  .keys = r->keys,
                                  .key_count = 2 * (size_t)r->epoch};
    cm_lease *lease = NULL;
    CHECK(cm_lease_create(&terms, r->slot, &lease) == CM_OK);
    return lease;
}

static cm_status on_ask(void *owner, cm_rtsp_viewer *viewer, const cm_rtsp_ask *ask, void **out)
{
    run *r = owner;
    CHECK(r->guest == GUEST_NONE || r->viewer != viewer);
    CHECK(ask->stream == CM_STREAM_MAIN || ask->stream == CM_STREAM_SUB);
    touch(ask->token);
    CM_ENSURE(r->guest == GUEST_NONE, CM_FULL);
    CM_ENSURE(cm_slice_equal(ask->token, CM_TEXT("token")), CM_REFUSE);
    CM_ENSURE(cm_camera_key_equal(&ask->camera, &r->camera), CM_FULL);
    CM_ENSURE(ask->stream == CM_STREAM_MAIN, CM_FULL);
    r->viewer = viewer;
    r->guest = GUEST_ASKING;
    *out = r;
    return CM_OK;
}

static void on_stale(void *owner)
{
    const run *r = owner;
    CHECK(r->guest == GUEST_ADMITTED);
}

static void on_gone(void *owner)
{
    run *r = owner;
    CHECK(r->guest != GUEST_NONE);
    r->guest = GUEST_NONE;
    r->viewer = NULL;
}

static const cm_rtsp_events EVENTS = {on_ask, on_stale, on_gone};

static void admit(run *r, bool is_heard)
{
    if (r->guest == GUEST_ASKING) {
        r->guest = GUEST_ADMITTED;
        cm_rtsp_viewer_admit(r->viewer, make_lease(r), is_heard);
    } else if (r->guest == GUEST_ADMITTED) {
        cm_rtsp_viewer_renew(r->viewer, make_lease(r));
    }
}

static void refuse(run *r, uint8_t how)
{
    cm_rtsp_viewer *viewer = r->viewer;
    const guest was = r->guest;
    r->guest = GUEST_NONE;
    r->viewer = NULL;
    if (was == GUEST_ASKING)
        cm_rtsp_viewer_refuse(viewer, (cm_rtsp_refusal)(how % 3));
    else if (was == GUEST_ADMITTED)
        cm_rtsp_viewer_cut(viewer);
}

/* ---- the peer ---- */

static void look_at_packet(run *r, cm_slice bytes)
{
    cm_rtp_packet packet;
    CHECK(r->plays > 0);
    CHECK(cm_rtp_parse(bytes, &packet) == CM_OK);
    CHECK(packet.payload.size > 0);
    touch(packet.payload);
    for (size_t i = 0; i < r->order_count; i++)
        if (r->orders[i].ssrc == packet.ssrc) {
            CHECK(r->orders[i].next == packet.sequence_number);
            r->orders[i].next++;
            return;
        }
    CHECK(r->order_count < SSRCS_MAX);
    r->orders[r->order_count++] = (order){packet.ssrc, (uint16_t)(packet.sequence_number + 1)};
}

static void look_at(run *r, const cm_rtsp_message *m)
{
    cm_slice session;
    CHECK(m->kind != CM_RTSP_REQUEST);
    if (m->kind == CM_RTSP_INTERLEAVED) {
        CHECK(m->body.size > 8);
        if (m->body.bytes[1] != REPORT_TYPE)
            look_at_packet(r, m->body);
    } else if (cm_rtsp_find(m, CM_TEXT("Session"), &session)) {
        CHECK(cm_slice_to_cstr(cm_slice_cut(&session, ';'), r->session, sizeof r->session) ==
              CM_OK);
    }
}

static void hang_up(run *r)
{
    cm_tcp_close(r->tcp);
    r->tcp = NULL;
    cm_buffer_clear(&r->in);
}

static void on_readable(void *owner)
{
    run *r = owner;
    for (;;) {
        uint8_t *room;
        size_t size;
        cm_rtsp_message m;
        CHECK(cm_buffer_room(&r->in, 65536, &room) == CM_OK);
        const cm_status status = cm_tcp_read(r->tcp, room, 65536, &size);
        if (status == CM_CLOSE) {
            hang_up(r);
            return;
        }
        if (status != CM_OK)
            return;
        cm_buffer_commit(&r->in, size);
        size_t consumed;
        cm_status scanned;
        while ((scanned = cm_rtsp_scan(&r->scanner, cm_buffer_data(&r->in), &m, &consumed)) ==
               CM_OK) {
            look_at(r, &m);
            cm_buffer_consume(&r->in, consumed);
        }
        cm_buffer_consume(&r->in, consumed);
        CHECK(scanned == CM_RETRY && r->scanner.junk_total == 0);
    }
}

static const cm_tcp_events PEER = {.on_readable = on_readable};

static void call_again(run *r)
{
    if (r->tcp != NULL || r->connections++ == CONNECTIONS_MAX)
        return;
    cm_rtsp_scanner_init(&r->scanner);
    r->scanner.channel_max = 255;
    r->session[0] = '\0';
    r->plays = 0;
    r->is_paused = false;
    CHECK(cm_tcp_connect(r->there, &r->door, CM_SECONDS(5), &PEER, r, &r->tcp) == CM_OK);
    cm_sim_run_for(r->sim, 1000);
}

static void say(run *r, cm_slice bytes)
{
    size_t sent;
    if (r->tcp != NULL)
        CM_IGNORE(cm_tcp_write(r->tcp, &bytes, 1, &sent), "what does not go is lost");
}

static void request(run *r, uint8_t method, uint8_t path, uint8_t more)
{
    static const char *const METHODS[] = {"OPTIONS",       "DESCRIBE",      "SETUP",    "PLAY",
                                          "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN", "PAUSE"};
    static const char *const PATHS[] = {
        "verdi/door",  "verdi/door/trackID=0", "verdi/door/trackID=1",
        "verdi/door/", "verdi/door/sub",       "verdi/gate",
        "*",           "verdi/door?a/b"};
    static const char *const WAYS[] = {"", "Transport: RTP/AVP/TCP\r\n",
                                       "Transport: RTP/AVP/TCP;interleaved=2-3\r\n",
                                       "Transport: RTP/AVP;client_port=1-2\r\n"};
    char text[512];
    const unsigned which = method % CM_COUNT(METHODS);
    r->plays += which == 3;
    const int size = snprintf(
        text, sizeof text, "%s rtsp://10.0.0.1/%s RTSP/1.0\r\nCSeq: %u\r\n%s%s%s%s%s\r\n",
        METHODS[which], PATHS[path % CM_COUNT(PATHS)], ++r->cseq, WAYS[more % CM_COUNT(WAYS)],
        (more & 4) != 0 ? "Authorization: Basic OnRva2Vu\r\n" : "", /* ":token" */
        (more & 8) != 0 ? "Session: " : "", (more & 8) != 0 ? r->session : "",
        (more & 8) != 0 ? "\r\n" : "");
    say(r, cm_slice_over(text, (size_t)size));
}

/* ---- the camera ---- */

static void make_sealers(run *r)
{
    static const cm_stream STREAMS[] = {CM_STREAM_MAIN, CM_STREAM_SOUND};
    for (size_t i = 0; i < 2; i++) {
        cm_seal_key *key = &r->keys[2 * (r->epoch - 1) + i];
        cm_sealer_destroy(r->sealers[i]);
        r->sealers[i] = NULL;
        cm_seal_key_make(&r->secret, &r->camera, STREAMS[i], CM_OBJECT_FRAME, r->epoch, &r->random,
                         key);
        CHECK(cm_sealer_create(key, r->slot, &r->sealers[i]) == CM_OK);
    }
}

static void put(run *r, size_t which, const cm_plain_granule *granules, size_t count,
                uint16_t flags)
{
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags = flags,
                                  .duration_ms = 50,
                                  .captured = cm_loop_wall(r->loop),
                                  .media_time = cm_loop_now(r->loop).us * 9 / 100};
    cm_frame *frame;
    CHECK(cm_seal_frame(r->sealers[which], &plain, 0, &frame) == CM_OK);
    cm_publisher_put(r->publishers[which], frame);
    cm_sim_run_for(r->sim, 1000); /* media time rises */
}

static void put_picture(run *r, uint8_t flags, uint8_t size)
{
    static const uint8_t SPS[] = {0x67, 0x42, 0xC0, 0x1F, 1};
    static uint8_t body[CM_GRANULE_MAX] = {0x65};
    cm_plain_granule granules[256];
    size_t count = 0;
    if ((flags & 1) != 0)
        granules[count++] = (cm_plain_granule){.body = cm_slice_over(SPS, sizeof SPS)};
    for (size_t i = 0; i <= size % 200; i++)
        granules[count++] =
            (cm_plain_granule){.body = cm_slice_over(body, sizeof body - (size_t)size)};
    put(r, 0, granules, count,
        (uint16_t)(((flags & 1) != 0 ? CM_FRAME_KEYFRAME : 0) |
                   ((flags & 0xF0) == 0xF0 ? CM_FRAME_H265 : 0)));
}

static void put_sound(run *r, uint8_t kind, uint8_t size)
{
    static uint8_t body[CM_GRANULE_MAX];
    static const cm_sound_format FORMATS[] = {
        {.codec = CM_SOUND_PCMU, .channels = 1, .rate = 8000},
        {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000},
        {.codec = CM_SOUND_PCMA, .channels = 2, .rate = 16000},
        {.codec = CM_SOUND_AAC, .channels = 1, .rate = 16000, .config_size = 2, .config = {20, 8}},
    };
    uint8_t head[CM_SOUND_FORMAT_MAX];
    cm_writer w = cm_writer_over(head, sizeof head);
    CHECK(cm_sound_format_write(&w, &FORMATS[kind % CM_COUNT(FORMATS)]) == CM_OK);
    const cm_plain_granule granules[] = {{.body = cm_writer_done(&w)},
                                         {.body = cm_slice_over(body, (size_t)size + 1)},
                                         {.body = cm_slice_over(body, sizeof body)}};
    put(r, 1, granules, 2 + (kind >> 7), CM_FRAME_KEYFRAME);
}

static void turn_epoch(run *r)
{
    if (r->epoch == EPOCHS_MAX)
        return;
    r->epoch++;
    cm_epoch_publish(r->page, r->slot, r->epoch);
    make_sealers(r);
}

/* ---- a run ---- */

static void open_network(run *r)
{
    const uint8_t door[] = {10, 0, 0, 1};
    const uint8_t home[] = {10, 0, 0, 2};
    const cm_address host = cm_address_make(cm_slice_over(door, sizeof door), 0);
    r->door = cm_address_make(cm_slice_over(door, sizeof door), 554);
    r->home = cm_address_make(cm_slice_over(home, sizeof home), 0);
    CHECK(cm_sim_network_create(r->sim, &r->network) == CM_OK);
    CHECK(cm_sim_host_create(r->network, r->loop, &host, &r->here) == CM_OK);
    CHECK(cm_sim_host_create(r->network, r->loop, &r->home, &r->there) == CM_OK);
    const cm_rtsp_config config = {
        .net = r->here,
        .hub = r->hub,
        .listeners = {{.address = r->door, .is_plain_allowed = true}},
        .listener_count = 1,
        .events = &EVENTS,
        .owner = r,
    };
    CHECK(cm_rtsp_server_create(&config, &r->server) == CM_OK);
}

static void open_run(run *r)
{
    CHECK(cm_sim_create(1, (cm_wall){CM_SECONDS(1800000000)}, &r->sim) == CM_OK);
    CHECK(cm_sim_loop_create(r->sim, &(cm_loop_config){0}, &r->loop) == CM_OK);
    CHECK(cm_epoch_page_create(1, &r->page) == CM_OK);
    CHECK(cm_hub_create(&(cm_hub_config){.loop = r->loop, .page = r->page}, &r->hub) == CM_OK);
    CHECK(cm_home_id_parse(CM_TEXT("verdi"), &r->camera.home) == CM_OK);
    CHECK(cm_camera_id_parse(CM_TEXT("door"), &r->camera.camera) == CM_OK);
    CHECK(cm_epoch_slot_take(r->page, &r->camera, 1, &r->slot) == CM_OK);
    CHECK(cm_hub_publish(r->hub, &r->camera, CM_STREAM_MAIN, &r->publishers[0]) == CM_OK);
    CHECK(cm_hub_publish(r->hub, &r->camera, CM_STREAM_SOUND, &r->publishers[1]) == CM_OK);
    r->random = cm_random_seeded(1);
    r->epoch = 1;
    make_sealers(r);
    cm_buffer_init(&r->in, IN_MAX);
    open_network(r);
    call_again(r);
}

static void close_run(run *r)
{
    cm_rtsp_server_destroy(r->server);
    CHECK(r->guest == GUEST_NONE);
    cm_tcp_reset(r->tcp);
    cm_sim_run_for(r->sim, CM_SECONDS(3));
    cm_net_destroy(r->there);
    cm_net_destroy(r->here);
    cm_sim_network_destroy(r->network);
    for (size_t i = 0; i < 2; i++) {
        cm_publisher_close(r->publishers[i]);
        cm_sealer_destroy(r->sealers[i]);
    }
    cm_hub_destroy(r->hub);
    cm_loop_destroy(r->loop);
    cm_sim_destroy(r->sim);
    cm_epoch_page_destroy(r->page);
    cm_buffer_deinit(&r->in);
    free(r);
}

static void set_speed(run *r, uint8_t speed)
{
    cm_address here = r->door;
    here.port = 0;
    const cm_sim_path path = {.delay_us = 200, .bits_per_second = (uint64_t)speed * 50000};
    cm_sim_path_set(r->network, &here, &r->home, &path);
}

static void step(run *r, cm_slice *rest)
{
    const uint8_t what = rest->bytes[0];
    const uint8_t a = rest->size > 1 ? rest->bytes[1] : 0;
    const uint8_t b = rest->size > 2 ? rest->bytes[2] : 0;
    *rest = cm_slice_from(*rest, 3);
    switch (what % 13) {
    case 0:
        say(r, cm_slice_part(*rest, 0, a));
        *rest = cm_slice_from(*rest, a);
        break;
    case 1:
    case 2:
        request(r, a, b, (uint8_t)(what >> 4));
        break;
    case 3:
        cm_sim_run_for(r->sim, CM_MS(a));
        break;
    case 4:
        cm_sim_run_for(r->sim, CM_MS(100 * (int64_t)a));
        break;
    case 5:
        put_picture(r, a, b);
        break;
    case 6:
        put_sound(r, a, b);
        break;
    case 7:
        admit(r, (a & 1) != 0);
        break;
    case 8:
        refuse(r, a);
        break;
    case 9:
        turn_epoch(r);
        break;
    case 10:
        r->is_paused = !r->is_paused;
        if (r->tcp != NULL)
            cm_tcp_pause(r->tcp, r->is_paused);
        break;
    case 11:
        set_speed(r, a);
        break;
    default:
        if (a > 200 && r->tcp != NULL)
            hang_up(r);
        call_again(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run *r = calloc(1, sizeof *r);
    if (r == NULL)
        return 0;
    open_run(r);
    cm_slice rest = cm_slice_over(data, size);
    for (unsigned i = 0; rest.size > 0 && i < STEPS_MAX; i++) {
        cm_rtsp_counters counters;
        step(r, &rest);
        cm_sim_run_for(r->sim, 2000);
        cm_rtsp_read_counters(r->server, &counters);
        CHECK(counters.connections <= CONNECTIONS_MAX + 1 && counters.playing <= 1);
    }
    close_run(r);
    return 0;
}
