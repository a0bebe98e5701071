/*
 * A receiver of a peer that publishes, on virtual time: the input is a program of steps, each a
 * byte of what (RTP as it is, RTP with our types and a small leap of its number, RTX, RTCP, time)
 * and what goes with it. Whatever comes: what we send is RTCP that parses, keyframes are asked for
 * once a second at most, access units are whole, and all is freed.
 */
#include "fuzz.h"
#include "ingest/whip/receiver.h"
#include "loop/sim.h"
#include "proto/rtcp/feedback.h"
#include "proto/rtcp/transport_cc.h"

enum { STEPS_MAX = 2000, PACKET_MAX = 1600, TYPE = 96, RTX_TYPE = 97, SOUND_TYPE = 111 };

typedef struct run {
    cm_loop *loop;
    bool has_asked;
    cm_instant asked;
    bool has_ended;
} run;

static void check_feedback(run *r, const cm_rtcp_feedback *feedback)
{
    cm_rtcp_transport_cc report;
    const cm_instant now = cm_loop_now(r->loop);
    if (feedback->kind == CM_RTCP_TRANSPORT_CC)
        CHECK(cm_rtcp_transport_cc_parse(feedback, &report) == CM_OK);
    if (feedback->kind != CM_RTCP_PLI)
        return;
    CHECK(!r->has_asked || cm_instant_since(now, r->asked) >= CM_SECONDS(1));
    r->has_asked = true;
    r->asked = now;
}

static cm_status send_rtcp(void *context, cm_slice compound)
{
    run *r = context;
    cm_rtcp_item item;
    cm_rtcp_feedback feedback;
    cm_status status;
    CHECK(compound.size > 0 && compound.size <= 1200 && !r->has_ended);
    while ((status = cm_rtcp_next_item(&compound, &item)) == CM_OK)
        if (cm_rtcp_feedback_parse(&item, &feedback) == CM_OK)
            check_feedback(r, &feedback);
    CHECK(status == CM_ABSENT);
    return CM_OK;
}

static void on_unit(void *owner, const cm_ingest_unit *unit)
{
    run *r = owner;
    CHECK(!r->has_ended && unit->unit->nal_count > 0);
    for (size_t i = 0; i < unit->unit->nal_count; i++)
        touch(unit->unit->nals[i]);
}

static void on_sound(void *owner, const cm_ingest_sound *sound)
{
    const run *r = owner;
    CHECK(!r->has_ended && sound->bytes.size > 0 && sound->duration > 0);
    touch(sound->bytes);
}

static void on_silence(void *owner)
{
    const run *r = owner;
    CHECK(!r->has_ended);
}

static void on_end(void *owner, const cm_whip_end *end)
{
    run *r = owner;
    CHECK(!r->has_ended && end->detail != NULL);
    r->has_ended = true;
}

static const cm_whip_events EVENTS = {on_unit, on_sound, on_silence, on_end};

/* A packet of ours: `leap` numbers on, the rest of `body` behind the header. */
static cm_slice make_packet(uint8_t storage[PACKET_MAX], bool is_again, uint16_t sequence,
                            uint16_t transport, cm_slice body)
{
    const cm_rtp_extension_ids ids = {.transport_sequence = 3};
    const cm_rtp_extensions extensions = {.has_transport_sequence = true,
                                          .transport_sequence = transport};
    const cm_rtp_packet packet = {.marker = body.size > 0 && body.bytes[0] & 1,
                                  .payload_type = is_again ? RTX_TYPE : TYPE,
                                  .sequence_number = sequence,
                                  .timestamp = sequence / 4u * 3000,
                                  .ssrc = is_again ? 8 : 7,
                                  .payload = body};
    cm_writer w = cm_writer_over(storage, PACKET_MAX);
    cm_rtp_header_write(&w, &packet, &extensions, &ids);
    CHECK(!w.failed);
    return cm_writer_done(&w);
}

static void run_steps(cm_sim *sim, cm_whip_receiver *receiver, cm_slice input)
{
    uint8_t storage[PACKET_MAX];
    uint16_t sequence = 65530;
    uint16_t transport = 65000;
    cm_reader r = cm_reader_over(input);
    for (unsigned i = 0; i < STEPS_MAX && r.rest.size > 0; i++) {
        const uint8_t what = cm_read_u8(&r);
        const int8_t leap = (int8_t)cm_read_u8(&r);
        const uint8_t size = cm_read_u8(&r);
        const cm_slice body = cm_read_slice(&r, r.rest.size < size ? r.rest.size : size);
        switch (what % 6) {
        case 0:
            cm_whip_receiver_rtp(receiver, body);
            break;
        case 1:
        case 2:
            sequence = (uint16_t)(sequence + leap);
            transport = (uint16_t)(transport + 1 + (what >> 4));
            cm_whip_receiver_rtp(receiver,
                                 make_packet(storage, what % 6 == 2, sequence, transport, body));
            break;
        case 3:
            cm_whip_receiver_rtcp(receiver, body);
            break;
        default:
            cm_sim_run_for(sim, (int64_t)size * (what > 200 ? 20000 : 400));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run r = {0};
    cm_sim *sim;
    cm_whip_receiver *receiver;
    const cm_loop_config loop = {.index = 0};
    if (size < 1)
        return 0;
    CHECK(cm_sim_create(1, (cm_wall){.us = 1700000000000000}, &sim) == CM_OK);
    CHECK(cm_sim_loop_create(sim, &loop, &r.loop) == CM_OK);
    const bool is_announced = data[0] & 1;
    const cm_whip_config config = {.loop = r.loop,
                                   .media = {.payload_type = TYPE,
                                             .rtx_payload_type = RTX_TYPE,
                                             .ssrc = is_announced ? 7 : 0,
                                             .rtx_ssrc = is_announced ? 8 : 0,
                                             .extensions = {.transport_sequence = 3},
                                             .has_sound = data[0] & 16,
                                             .sound_payload_type = SOUND_TYPE,
                                             .has_nack = data[0] & 2,
                                             .has_pli = data[0] & 4,
                                             .has_reduced_size = data[0] & 8},
                                   .cname = CM_TEXT("us"),
                                   .send_rtcp = send_rtcp,
                                   .context = &r,
                                   .events = &EVENTS,
                                   .owner = &r};
    CHECK(cm_whip_receiver_create(&config, &receiver) == CM_OK);
    run_steps(sim, receiver, cm_slice_over(data + 1, size - 1));
    cm_sim_run_for(sim, CM_SECONDS(1));
    cm_whip_receiver_destroy(receiver);
    cm_loop_destroy(r.loop);
    cm_sim_destroy(sim);
    return 0;
}
