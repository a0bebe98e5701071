/* ingest/speech: whose packets are taken, of what length, how many, and in which order. */
#include "unit.h"

#include "base/writer.h"
#include "ingest/speech.h"
#include "proto/rtp/rtp.h"

enum { PCMU_TYPE = 0, PCMA_TYPE = 8, PACKET_MS = 20, PACKET_SIZE = 160, ROOM = 2048 };
static const uint32_t SSRC = 0x1234;

static const cm_speech_media BOTH = {.has_pcmu = true,
                                     .has_pcma = true,
                                     .pcmu_type = PCMU_TYPE,
                                     .pcma_type = PCMA_TYPE,
                                     .ssrc = SSRC};

/* One who sends, and what became of his newest packet. */
typedef struct talker {
    cm_speech speech;
    cm_instant now;
    cm_rtp_packet next;
    uint8_t bytes[ROOM];
    cm_talk_packet taken;
} talker;

static uint8_t samples[ROOM];

static talker begin(const cm_speech_media *media)
{
    talker t = {.now = {.us = CM_SECONDS(1000)},
                .next = {.payload_type = PCMU_TYPE,
                         .sequence_number = 65530, /* so that it wraps soon */
                         .timestamp = 4294967000u,
                         .ssrc = SSRC,
                         .payload = cm_slice_over(samples, PACKET_SIZE)}};
    cm_speech_init(&t.speech, media);
    return t;
}

static cm_status send(talker *t)
{
    cm_writer w = cm_writer_over(t->bytes, sizeof t->bytes);
    cm_rtp_write(&w, &t->next);
    t->taken = (cm_talk_packet){.timestamp = 77};
    return cm_speech_take(&t->speech, cm_writer_done(&w), t->now, &t->taken);
}

static void step(talker *t)
{
    t->next.sequence_number++;
    t->next.timestamp += PACKET_SIZE;
    t->now = cm_instant_after(t->now, CM_MS(PACKET_MS));
}

static void a_voice_passes_as_it_is(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    for (size_t i = 0; i < PACKET_SIZE; i++)
        samples[i] = (uint8_t)i;
    for (unsigned i = 0; i < 3000; i++, step(&t)) { /* a minute */
        assert_int_equal(send(&t), CM_OK);
        assert_int_equal(t.taken.codec, CM_SOUND_PCMU);
        assert_int_equal(t.taken.timestamp, t.next.timestamp);
        assert_int_equal(t.taken.samples.size, PACKET_SIZE);
        assert_memory_equal(t.taken.samples.bytes, samples, PACKET_SIZE);
        assert_int_equal(t.taken.is_first, i == 0);
    }
    assert_int_equal(t.speech.counters.packets, 3000);
}

static void the_marker_begins_a_sentence(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    assert_int_equal(send(&t), CM_OK);
    step(&t);
    t.next.marker = true;
    assert_int_equal(send(&t), CM_OK);
    assert_true(t.taken.is_first);
}

static void either_law_is_told_by_its_type(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    t.next.payload_type = PCMA_TYPE;
    assert_int_equal(send(&t), CM_OK);
    assert_int_equal(t.taken.codec, CM_SOUND_PCMA);
    const cm_speech_media pcma = {.has_pcma = true, .pcma_type = 100, .ssrc = SSRC};
    t = begin(&pcma);
    t.next.payload_type = 100;
    assert_int_equal(send(&t), CM_OK);
    assert_int_equal(t.taken.codec, CM_SOUND_PCMA);
    step(&t);
    t.next.payload_type = PCMU_TYPE; /* its number stands in the struct, but was not negotiated */
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.speech.counters.foreign_type, 1);
}

static void other_types_are_dropped(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    t.next.payload_type = 111;
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.taken.timestamp, 77); /* untouched */
    assert_int_equal(t.speech.counters.foreign_type, 1);
    t.next.payload_type = PCMU_TYPE;
    assert_int_equal(send(&t), CM_OK);
}

static void other_sources_are_dropped(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    t.next.ssrc = SSRC + 1;
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.speech.counters.foreign_source, 1);
    t.next.ssrc = SSRC;
    assert_int_equal(send(&t), CM_OK);
}

static void a_source_that_was_not_announced_is_the_first_ones(void **state)
{
    (void)state;
    cm_speech_media media = BOTH;
    media.ssrc = 0;
    talker t = begin(&media);
    t.next.payload_type = 111;
    t.next.ssrc = 5;
    assert_int_equal(send(&t), CM_REFUSE); /* of a type that is not ours: it settles nothing */
    t.next.payload_type = PCMU_TYPE;
    t.next.ssrc = 6;
    assert_int_equal(send(&t), CM_OK);
    step(&t);
    t.next.ssrc = 7;
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.speech.counters.foreign_source, 1);
}

static void a_packet_sounds_for_60_ms_at_most(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    t.next.payload = cm_slice_over(samples, 480);
    assert_int_equal(send(&t), CM_OK);
    step(&t);
    t.next.payload = cm_slice_over(samples, 481);
    assert_int_equal(send(&t), CM_REFUSE);
    step(&t);
    t.next.payload = cm_slice_over(samples, 0);
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.speech.counters.malformed, 2);
}

static void what_is_no_rtp_is_dropped(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    assert_int_equal(cm_speech_take(&t.speech, BYTES(0x80, 0, 0, 1), t.now, &t.taken), CM_REFUSE);
    assert_int_equal(cm_speech_take(&t.speech, (cm_slice){0}, t.now, &t.taken), CM_REFUSE);
    assert_int_equal(t.speech.counters.malformed, 2);
}

static void late_ones_and_repeated_ones_are_dropped(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    assert_int_equal(send(&t), CM_OK);
    assert_int_equal(send(&t), CM_REFUSE); /* once more */
    step(&t);
    step(&t); /* one is missing: nobody waits for it */
    assert_int_equal(send(&t), CM_OK);
    t.next.sequence_number--;
    assert_int_equal(send(&t), CM_REFUSE);
    assert_int_equal(t.speech.counters.late, 2);
    assert_int_equal(t.speech.counters.packets, 2);
}

static void a_leap_of_the_numbers_is_believed_the_second_time(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    assert_int_equal(send(&t), CM_OK);
    step(&t);
    t.next.sequence_number = (uint16_t)(t.next.sequence_number + 30000);
    assert_int_equal(send(&t), CM_REFUSE);
    step(&t);
    assert_int_equal(send(&t), CM_OK);
    assert_true(t.taken.is_first);
}

/* How many of those that come every `gap_us` are taken in ten seconds. */
static unsigned taken_of(size_t size, int64_t gap_us)
{
    talker t = begin(&BOTH);
    unsigned taken = 0;
    t.next.payload = cm_slice_over(samples, size);
    for (int64_t us = 0; us < CM_SECONDS(10); us += gap_us) {
        taken += send(&t) == CM_OK;
        step(&t);
        t.now = (cm_instant){.us = CM_SECONDS(1000) + us + gap_us};
    }
    return taken;
}

static void no_more_is_taken_than_a_voice_needs(void **state)
{
    (void)state;
    assert_int_equal(taken_of(160, CM_MS(20)), 500); /* as phones send it */
    assert_int_equal(taken_of(80, CM_MS(10)), 1000); /* as often as may be */
    const unsigned small = taken_of(1, CM_MS(1));    /* a thousand a second */
    assert_in_range(small, 1000, 1060);
    const unsigned large = taken_of(480, CM_MS(10)); /* 49,200 bytes a second with their headers */
    assert_in_range(large * 492u, 155000, 168500);
}

static void half_a_second_may_come_at_once(void **state)
{
    (void)state;
    talker t = begin(&BOTH);
    unsigned taken = 0;
    for (unsigned i = 0; i < 200; i++) {
        taken += send(&t) == CM_OK;
        t.next.sequence_number++;
    }
    assert_in_range(taken, 40, 50); /* 172 bytes each: 8,000 bytes are 46 of them */
    assert_int_equal(t.speech.counters.excessive, 200 - taken);
    t.now = cm_instant_after(t.now, CM_SECONDS(1));
    assert_int_equal(send(&t), CM_OK); /* nothing is held against him */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_voice_passes_as_it_is),
        cmocka_unit_test(the_marker_begins_a_sentence),
        cmocka_unit_test(either_law_is_told_by_its_type),
        cmocka_unit_test(other_types_are_dropped),
        cmocka_unit_test(other_sources_are_dropped),
        cmocka_unit_test(a_source_that_was_not_announced_is_the_first_ones),
        cmocka_unit_test(a_packet_sounds_for_60_ms_at_most),
        cmocka_unit_test(what_is_no_rtp_is_dropped),
        cmocka_unit_test(late_ones_and_repeated_ones_are_dropped),
        cmocka_unit_test(a_leap_of_the_numbers_is_believed_the_second_time),
        cmocka_unit_test(no_more_is_taken_than_a_voice_needs),
        cmocka_unit_test(half_a_second_may_come_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
