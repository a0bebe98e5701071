/*
 * A WebRTC viewer on virtual time: the input is a program of steps, each a byte of what (a picture,
 * time, RTCP as it is, a lost packet, requests for a keyframe, a report, an estimate, a turn of the
 * epoch, a lease, the camera's end) and what goes with it. Whatever comes: packets fit, sequence
 * numbers follow one another, timestamps rise from picture to picture, nothing goes out between a
 * cut and the next lease, and one index of SRTP never has two plaintexts: a packet that goes again
 * is the same to the byte. All is freed.
 */
#include "egress/webrtc/webrtc.h"
#include "fuzz.h"
#include "loop/sim.h"
#include "media/seal_mint.h"
#include "proto/rtcp/feedback.h"

enum {
    PACKET_MAX = 1216,
    STEPS_MAX = 400,
    EPOCHS_MAX = 8, /* two keys each fit into a lease */
    NUMBERS = 65536,
};
static const uint32_t SSRC = 7;
static const uint32_t RTX_SSRC = 8;

typedef struct stream {
    uint64_t hashes[NUMBERS]; /* by sequence number; 0: not sent */
    bool has_sent;
    uint16_t next;
    uint32_t timestamp;
    bool is_marked; /* the last packet was */
} stream;

typedef struct run {
    cm_sim *sim;
    cm_loop *loop;
    cm_hub *hub;
    cm_epoch_page *page;
    cm_epoch_slot *slot;
    cm_camera_key camera;
    cm_random random;
    cm_secret secret;
    cm_seal_key keys[EPOCHS_MAX];
    uint64_t epoch;
    cm_sealer *sealer;
    cm_publisher *publisher;
    cm_webrtc_transport transport;
    cm_webrtc_estimator estimator;
    uint64_t bits_per_second;
    cm_webrtc_viewer *viewer;
    bool is_cut;
    bool has_ended;
    stream *media, *rtx;
} run;

/* ---- the session ---- */

static uint64_t hash_of(cm_slice bytes)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ bytes.bytes[i]) * 1099511628211u;
    return hash | 1;
}

static cm_rtp_packet put_together(cm_slice header, const cm_slice *payload, size_t parts,
                                  uint64_t *hash)
{
    static uint8_t bytes[PACKET_MAX];
    cm_rtp_packet packet;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_slice(&w, header);
    for (size_t i = 0; i < parts; i++)
        cm_write_slice(&w, payload[i]);
    CHECK(!w.failed);
    CHECK(cm_rtp_parse(cm_writer_done(&w), &packet) == CM_OK);
    CHECK(packet.payload.size > 0);
    *hash = hash_of(cm_writer_done(&w));
    return packet;
}

static cm_status send_rtp(void *context, cm_slice header, const cm_slice *payload, size_t parts)
{
    run *r = context;
    uint64_t hash;
    const cm_rtp_packet packet = put_together(header, payload, parts, &hash);
    CHECK(!r->is_cut && !r->has_ended);
    CHECK(packet.ssrc == SSRC || packet.ssrc == RTX_SSRC);
    stream *s = packet.ssrc == SSRC ? r->media : r->rtx;
    CHECK(!s->has_sent || packet.sequence_number == s->next);
    if (s == r->media && s->has_sent) {
        const int32_t step = (int32_t)(packet.timestamp - s->timestamp);
        CHECK(s->is_marked ? step > 0 : step >= 0);
    }
    s->has_sent = true;
    s->next = (uint16_t)(packet.sequence_number + 1);
    s->timestamp = packet.timestamp;
    s->is_marked = packet.marker;
    s->hashes[packet.sequence_number] = hash;
    return CM_OK;
}

static cm_status resend_rtp(void *context, cm_slice header, const cm_slice *payload, size_t parts)
{
    run *r = context;
    uint64_t hash;
    const cm_rtp_packet packet = put_together(header, payload, parts, &hash);
    CHECK(!r->is_cut && !r->has_ended);
    CHECK(packet.ssrc == SSRC && r->media->hashes[packet.sequence_number] == hash);
    return CM_OK;
}

static cm_status send_rtcp(void *context, cm_slice compound)
{
    cm_rtcp_item item;
    (void)context;
    CHECK(cm_rtcp_next_item(&compound, &item) == CM_OK && item.type == CM_RTCP_SR);
    return CM_OK;
}

static void flush(void *context)
{
    (void)context;
}

/* ---- the estimator ---- */

static void on_sent(void *context, uint16_t number, size_t bytes, cm_instant now)
{
    (void)context;
    (void)number;
    (void)now;
    CHECK(bytes <= PACKET_MAX);
}

static void on_feedback(void *context, const cm_rtcp_transport_cc *report, cm_instant now)
{
    (void)context;
    (void)now;
    CHECK(report->count > 0);
}

static void on_loss(void *context, uint8_t lost, int64_t round_trip_us, cm_instant now)
{
    (void)context;
    (void)lost;
    (void)now;
    CHECK(round_trip_us >= 0);
}

static uint64_t bits_per_second(void *context)
{
    const run *r = context;
    return r->bits_per_second;
}

/* ---- the viewer's owner ---- */

static void on_stale(void *owner)
{
    const run *r = owner;
    CHECK(!r->has_ended);
}

static void on_end(void *owner)
{
    run *r = owner;
    CHECK(!r->has_ended);
    r->has_ended = true;
}

static const cm_webrtc_events EVENTS = {on_stale, on_end};

static cm_lease *make_lease(const run *r)
{
    const cm_instant now = cm_loop_now(r->loop);
    const cm_lease_terms terms = {.session = 1,
                                  .camera = r->camera,
                                  .streams = 1,
                                  .rights = CM_RIGHT_VIEW,
                                  .epoch = r->epoch,
                                  .from = now,
                                  .until = cm_instant_after(now, CM_SECONDS(60)),
                                  .keys = r->keys,
                                  .key_count = (size_t)r->epoch};
    cm_lease *lease = NULL;
    CHECK(cm_lease_create(&terms, r->slot, &lease) == CM_OK);
    return lease;
}

static void make_viewer(run *r, bool has_rtx, bool has_extensions)
{
    cm_webrtc_config config = {.hub = r->hub,
                               .loop = r->loop,
                               .transport = &r->transport,
                               .estimator = &r->estimator,
                               .media = {.payload_type = 96,
                                         .rtx_payload_type = has_rtx ? 97 : 0,
                                         .ssrc = SSRC,
                                         .rtx_ssrc = RTX_SSRC,
                                         .mid = CM_TEXT("video"),
                                         .cname = CM_TEXT("casement")},
                               .events = &EVENTS,
                               .owner = r};
    if (has_extensions)
        config.media.extensions = (cm_rtp_extension_ids){1, 2, 3, 4};
    r->transport = (cm_webrtc_transport){.send_rtp = send_rtp,
                                         .resend_rtp = resend_rtp,
                                         .send_rtcp = send_rtcp,
                                         .flush = flush,
                                         .context = r};
    r->estimator = (cm_webrtc_estimator){.on_sent = on_sent,
                                         .on_feedback = on_feedback,
                                         .on_loss = on_loss,
                                         .bits_per_second = bits_per_second,
                                         .context = r};
    CHECK(cm_webrtc_viewer_create(&config, make_lease(r), &r->viewer) == CM_OK);
    CHECK(cm_webrtc_viewer_start(r->viewer) == CM_OK);
}

/* ---- the camera ---- */

static void make_sealer(run *r)
{
    cm_sealer_destroy(r->sealer);
    r->sealer = NULL;
    cm_seal_key *key = &r->keys[r->epoch - 1];
    cm_seal_key_make(&r->secret, &r->camera, CM_STREAM_MAIN, CM_OBJECT_FRAME, r->epoch, &r->random,
                     key);
    CHECK(cm_sealer_create(key, r->slot, &r->sealer) == CM_OK);
}

static void put_picture(run *r, bool is_keyframe, size_t count, size_t last_size)
{
    static uint8_t body[CM_GRANULE_MAX];
    cm_plain_granule granules[256];
    for (size_t i = 0; i < count; i++)
        granules[i] = (cm_plain_granule){
            .body = cm_slice_over(body, i + 1 == count ? last_size : sizeof body - i % 2)};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags = is_keyframe ? CM_FRAME_KEYFRAME : 0,
                                  .duration_ms = 50,
                                  .captured = cm_loop_wall(r->loop),
                                  .media_time = cm_loop_now(r->loop).us * 9 / 100};
    cm_frame *frame;
    CHECK(cm_seal_frame(r->sealer, &plain, 0, &frame) == CM_OK);
    cm_publisher_put(r->publisher, frame);
}

/* As grants does it: the page, then the sealer; the lease comes later or never. */
static void turn_epoch(run *r)
{
    if (r->epoch == EPOCHS_MAX)
        return;
    r->epoch++;
    r->is_cut = true;
    cm_epoch_publish(r->page, r->slot, r->epoch);
    make_sealer(r);
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
    CHECK(cm_hub_publish(r->hub, &r->camera, CM_STREAM_MAIN, &r->publisher) == CM_OK);
    r->random = cm_random_seeded(1);
    r->epoch = 1;
    make_sealer(r);
}

static void close_run(run *r)
{
    cm_webrtc_viewer_cut(r->viewer);
    cm_publisher_close(r->publisher);
    cm_sealer_destroy(r->sealer);
    cm_hub_destroy(r->hub);
    cm_loop_destroy(r->loop);
    cm_sim_destroy(r->sim);
    cm_epoch_page_destroy(r->page);
    free(r->media);
    free(r->rtx);
    free(r);
}

/* ---- steps ---- */

static void say_lost(run *r, uint16_t behind, uint8_t mask)
{
    uint8_t bytes[256];
    uint16_t lost[9];
    size_t count = 0;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    lost[count++] = (uint16_t)(r->media->next - behind);
    for (unsigned i = 0; i < 8; i++)
        if ((mask >> i & 1) != 0)
            lost[count++] = (uint16_t)(lost[0] + i + 1);
    cm_rtcp_write_nack(&w, 1, SSRC, lost, count);
    cm_webrtc_viewer_rtcp(r->viewer, cm_writer_done(&w));
}

static void say_request(run *r, uint8_t command)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    if (command == 0)
        cm_rtcp_write_pli(&w, 1, SSRC);
    else
        cm_rtcp_write_fir(&w, 1, SSRC, command);
    cm_webrtc_viewer_rtcp(r->viewer, cm_writer_done(&w));
}

static void say_report(run *r, uint32_t last_sr)
{
    uint8_t bytes[64];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    const cm_rtcp_block block = {.ssrc = SSRC, .last_sr = last_sr};
    cm_rtcp_write_rr(&w, 1, &block);
    cm_webrtc_viewer_rtcp(r->viewer, cm_writer_done(&w));
}

static void renew(run *r)
{
    cm_webrtc_viewer_renew(r->viewer, make_lease(r));
    r->is_cut = false;
}

static void step(run *r, cm_reader *input)
{
    const uint8_t what = cm_read_u8(input);
    const uint8_t with = cm_read_u8(input);
    switch (what % 11) {
    case 0:
        put_picture(r, true, with % 200 + 1u, cm_read_u8(input) + 1u);
        break;
    case 1:
    case 2:
        put_picture(r, false, with % 40 + 1u, cm_read_u8(input) + 1u);
        break;
    case 3:
        cm_sim_run_for(r->sim, CM_MS(with));
        break;
    case 4:
        cm_webrtc_viewer_rtcp(r->viewer, cm_read_slice(input, with));
        break;
    case 5:
        say_lost(r, cm_read_u8(input), with);
        break;
    case 6:
        say_request(r, with);
        break;
    case 7:
        say_report(r, with);
        break;
    case 8:
        r->bits_per_second = UINT64_C(1) << with % 40;
        break;
    case 9:
        turn_epoch(r);
        break;
    case 10:
        if (with % 8 == 0)
            cm_publisher_clear(r->publisher);
        else
            renew(r);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->media = calloc(1, sizeof *r->media);
    r->rtx = calloc(1, sizeof *r->rtx);
    CHECK(r->media != NULL && r->rtx != NULL);
    cm_reader input = cm_reader_over(cm_slice_over(data, size));
    const uint8_t kind = cm_read_u8(&input);
    open_run(r);
    make_viewer(r, (kind & 1) != 0, (kind & 2) != 0);
    for (int i = 0; i < STEPS_MAX && input.rest.size > 0; i++)
        step(r, &input);
    close_run(r);
    return 0;
}
