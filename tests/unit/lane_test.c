/* The helper's lanes of sound: what comes out sounds like what went in, told by decoders that are
 * not the encoders', and each lane is of one camera. Links the helper's own files. */
#include "media_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/sandbox.h"
#include "helper/transcode.h"
#include "helper/wire.h"
#include "media/sound.h"
#include "proto/g711/g711.h"

enum { FRAMES_MAX = 256, SAMPLES_MAX = 48000 * 8, BYTES_MAX = 1 << 20 };

static const cm_sound_format PCMA = {.codec = CM_SOUND_PCMA, .channels = 1, .rate = 8000};

/* One camera's sound on its way through a lane. */
typedef struct camera {
    testing_media media;
    cm_sealer *heard, *opus, *flac;
    cm_lease *lease;
    cm_cursor cursors[2];
    uint16_t lane;
    cm_media_time media_time;
} camera;

typedef struct fixture {
    cm_epoch_page *page;
    camera door, yard, attic; /* the attic is of another home */
    transcode_bench *bench;
    uint8_t *message;
    size_t size;
    bool is_foreign;
    cm_frame *made; /* of the last job */
    uint64_t number;
    uint8_t adts[BYTES_MAX];
    cm_slice units[FRAMES_MAX]; /* AAC */
    size_t unit_count;
    int16_t *heard; /* decoded */
    size_t heard_count;
    AVCodecContext *decoder;
    cm_sound_format format; /* of what was made */
} fixture;

static void camera_open(camera *c, cm_epoch_page *page, const char *home, const char *name,
                        uint16_t lane)
{
    cm_seal_key keys[CM_LEASE_KEYS_MAX];
    testing_media_init(&c->media, page, home, name);
    c->heard = testing_sealer(&c->media, CM_STREAM_SOUND, CM_OBJECT_FRAME, 1);
    c->opus = testing_sealer(&c->media, CM_STREAM_SOUND_OPUS, CM_OBJECT_FRAME, 1);
    c->flac = testing_sealer(&c->media, CM_STREAM_SOUND_FLAC, CM_OBJECT_FRAME, 1);
    cm_lease_terms terms = testing_terms(&c->media, 1);
    terms.rights = CM_RIGHT_LISTEN;
    terms.streams = cm_streams_within(CM_RIGHT_LISTEN);
    terms.keys = keys;
    for (size_t i = 0; i < c->media.key_count; i++)
        keys[i] = c->media.keys[i];
    assert_int_equal(cm_lease_create(&terms, c->media.slot, &c->lease), CM_OK);
    for (size_t i = 0; i < 2; i++)
        c->cursors[i] = cm_cursor_begin(CM_STREAM_SOUND, CM_OBJECT_FRAME);
    c->lane = lane;
    c->media_time = 90000;
}

static void camera_close(camera *c)
{
    cm_sealer_destroy(c->heard);
    cm_sealer_destroy(c->opus);
    cm_sealer_destroy(c->flac);
    cm_lease_destroy(c->lease);
}

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    camera_open(&f->door, f->page, "verdi", "door", 1);
    camera_open(&f->yard, f->page, "verdi", "yard", 2);
    camera_open(&f->attic, f->page, "rossi", "attic", 3);
    f->bench = calloc(1, sizeof *f->bench);
    f->heard = calloc(SAMPLES_MAX, sizeof *f->heard);
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    transcode_bench_deinit(f->bench);
    free(f->bench);
    free(f->heard);
    free(f->message);
    cm_frame_release(f->made, 0);
    avcodec_free_context(&f->decoder);
    camera_close(&f->door);
    camera_close(&f->yard);
    camera_close(&f->attic);
    cm_epoch_page_destroy(f->page);
    free(f);
    return 0;
}

/* ---- what cameras send ---- */

/* AAC of a tone of 600 Hz, as ffmpeg makes it, and what its first header says of it. */
static cm_sound_format record_aac(fixture *f, unsigned rate, unsigned channels)
{
    char command[256];
    snprintf(command, sizeof command,
             "ffmpeg -nostdin -v error -f lavfi -i 'sine=f=600:r=%u:d=2,volume=4' -ac %u -c:a aac "
             "-f adts -",
             rate, channels);
    FILE *ffmpeg = popen(command, "r");
    assert_non_null(ffmpeg);
    const size_t size = fread(f->adts, 1, sizeof f->adts, ffmpeg);
    assert_int_equal(pclose(ffmpeg), 0);
    /* ISO/IEC 13818-7 6.2: 7 bytes without a CRC, 13 bits of length. */
    for (size_t at = 0; at + 7 < size && f->unit_count < FRAMES_MAX;) {
        const uint8_t *h = f->adts + at;
        const size_t length = (size_t)(h[3] & 3) << 11 | (size_t)h[4] << 3 | h[5] >> 5;
        assert_true(h[0] == 0xff && length > 7);
        f->units[f->unit_count++] = cm_slice_over(h + 7, length - 7);
        at += length;
    }
    const unsigned index = f->adts[2] >> 2 & 15;
    return (cm_sound_format){
        .codec = CM_SOUND_AAC,
        .channels = (uint8_t)channels,
        .rate = rate,
        .config_size = 2,
        .config = {(uint8_t)(2 << 3 | index >> 1), (uint8_t)(index << 7 | channels << 3)}};
}

static cm_slice tone_of_g711(uint8_t *bytes, size_t count, size_t begin, unsigned hz)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = cm_g711_encode(
            CM_G711_A_LAW, (int16_t)(9000 * sin((double)(begin + i) * hz * 2 * 3.14159265 / 8000)));
    return cm_slice_over(bytes, count);
}

static cm_frame *seal_sound(camera *c, const cm_sound_format *format, cm_slice body,
                            int64_t lasts_us)
{
    uint8_t head[CM_SOUND_FORMAT_MAX];
    cm_plain_granule granules[8];
    size_t count = 1;
    cm_writer w = cm_writer_over(head, sizeof head);
    cm_frame *frame;
    assert_int_equal(cm_sound_format_write(&w, format), CM_OK);
    granules[0] = (cm_plain_granule){.body = cm_writer_done(&w)};
    for (size_t at = 0; at < body.size; at += CM_GRANULE_MAX)
        granules[count++] = (cm_plain_granule){.body = cm_slice_part(body, at, CM_GRANULE_MAX)};
    const cm_plain_frame plain = {.granules = granules,
                                  .count = count,
                                  .flags = CM_FRAME_KEYFRAME,
                                  .duration_ms = (uint16_t)((lasts_us + 500) / 1000),
                                  .captured = {c->media_time * 100 / 9},
                                  .media_time = c->media_time};
    assert_int_equal(cm_seal_frame(c->heard, &plain, 0, &frame), CM_OK);
    c->media_time += lasts_us * 9 / 100;
    return frame;
}

/* ---- jobs ---- */

static void make_job(fixture *f, camera *c, cm_stream made, const cm_frame *frame)
{
    uint8_t record[CM_DELEGATION_SIZE];
    cm_refusal refusal;
    assert_int_equal(cm_delegate_sound(c->lease, &c->cursors[made - CM_STREAM_SOUND_OPUS], frame,
                                       made == CM_STREAM_SOUND_OPUS ? c->opus : c->flac,
                                       (cm_instant){1}, record, &f->number, &refusal),
                     CM_OK);
    const cm_helper_job job = {
        .id = 5, .lane = c->lane, .delegation = cm_slice_over(record, sizeof record)};
    f->size = cm_helper_job_size(frame);
    free(f->message);
    f->message = malloc(f->size);
    cm_writer w = cm_writer_over(f->message, f->size);
    assert_int_equal(cm_helper_job_write(&w, &job, frame), CM_OK);
}

static cm_status take_answer(fixture *f, cm_slice message)
{
    cm_helper_answer answer;
    assert_int_equal(cm_helper_answer_parse(message, &answer), CM_OK);
    assert_int_equal(answer.id, 5);
    cm_frame_release(f->made, 0);
    f->made = NULL;
    if (answer.status == CM_OK)
        assert_int_equal(cm_frame_read(answer.still, 0, &f->made), CM_OK);
    return answer.status;
}

static cm_status do_job(fixture *f)
{
    cm_slice bytes;
    f->is_foreign = false;
    const cm_status done =
        transcode_do_job(f->bench, f->message + CM_HELPER_LENGTH_SIZE,
                         f->size - CM_HELPER_LENGTH_SIZE, &bytes, &f->is_foreign);
    if (done != CM_OK)
        return done;
    const cm_status status = take_answer(f, cm_slice_from(bytes, CM_HELPER_LENGTH_SIZE));
    free((void *)(uintptr_t)bytes.bytes);
    return status;
}

static cm_status pass(fixture *f, camera *c, cm_stream made, const cm_sound_format *format,
                      cm_slice body, int64_t lasts_us)
{
    cm_frame *frame = seal_sound(c, format, body, lasts_us);
    make_job(f, c, made, frame);
    const cm_status status = do_job(f);
    if (status == CM_OK) {
        assert_int_equal(f->made->stream, made);
        assert_int_equal(f->made->number, f->number);
        assert_int_equal(f->made->captured.us, frame->captured.us);
        assert_int_equal(f->made->media_time, frame->media_time);
    }
    cm_frame_release(frame, 0);
    return status;
}

/* ---- what is heard ---- */

static void open_ear(fixture *f)
{
    const bool is_opus = f->format.codec == CM_SOUND_OPUS;
    const AVCodec *codec = avcodec_find_decoder_by_name(is_opus ? "opus" : "flac");
    assert_non_null(codec);
    f->decoder = avcodec_alloc_context3(codec);
    f->decoder->sample_rate = (int)f->format.rate;
    f->decoder->request_sample_fmt = AV_SAMPLE_FMT_S16;
    av_channel_layout_default(&f->decoder->ch_layout, f->format.channels);
    if (!is_opus) {
        f->decoder->extradata = av_mallocz(CM_SOUND_STREAMINFO_SIZE + AV_INPUT_BUFFER_PADDING_SIZE);
        f->decoder->extradata_size = CM_SOUND_STREAMINFO_SIZE;
        memcpy(f->decoder->extradata, f->format.config, CM_SOUND_STREAMINFO_SIZE);
    }
    assert_int_equal(avcodec_open2(f->decoder, codec, NULL), 0);
}

static void keep_samples(fixture *f, const AVFrame *frame)
{
    for (int i = 0; i < frame->nb_samples; i++) {
        assert_true(f->heard_count < SAMPLES_MAX);
        f->heard[f->heard_count++] =
            frame->format == AV_SAMPLE_FMT_FLTP
                ? (int16_t)(((const float *)(const void *)frame->data[0])[i] * 32767)
                : ((const int16_t *)(const void *)frame->data[0])[i];
    }
}

/* The first channel of one codec frame. */
static void hear_codec_frame(fixture *f, cm_slice bytes)
{
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    assert_int_equal(av_new_packet(packet, (int)bytes.size), 0);
    memcpy(packet->data, bytes.bytes, bytes.size);
    assert_int_equal(avcodec_send_packet(f->decoder, packet), 0);
    while (avcodec_receive_frame(f->decoder, frame) == 0)
        keep_samples(f, frame);
    av_frame_free(&frame);
    av_packet_free(&packet);
}

static bool on_opened(void *owner, const cm_opened_frame *opened)
{
    fixture *f = owner;
    assert_int_equal(cm_sound_format_read(opened->granules[0], &f->format), CM_OK);
    assert_int_equal(opened->frame->duration_ms, (opened->count - 1) * CM_SOUND_MADE_MS);
    if (f->decoder == NULL)
        open_ear(f);
    for (size_t i = 1; i < opened->count; i++)
        hear_codec_frame(f, opened->granules[i]);
    return true;
}

/* Opens what was made as a viewer does, and decodes it. */
static void hear(fixture *f, const camera *c)
{
    cm_fanout *fanout;
    assert_int_equal(cm_fanout_create(&fanout), CM_OK);
    cm_cursor cursor = cm_cursor_begin(f->made->stream, CM_OBJECT_FRAME);
    cm_fanout_viewer viewer = {.lease = c->lease, .cursor = &cursor, .owner = f};
    cm_fanout_open(fanout, f->made, (cm_instant){1}, &viewer, 1, on_opened);
    assert_int_equal(viewer.refusal, CM_REFUSAL_NONE);
    cm_fanout_destroy(fanout);
}

/* Of what was heard after the first half second. */
static double pitch(const fixture *f)
{
    const size_t begin = f->format.rate / 2;
    size_t rises = 0;
    assert_true(f->heard_count > 2 * begin);
    for (size_t i = begin + 1; i < f->heard_count; i++)
        rises += f->heard[i - 1] < 0 && f->heard[i] >= 0 ? 1 : 0;
    return (double)rises * f->format.rate / (double)(f->heard_count - begin);
}

/* ---- Opus ---- */

static void check_aac(fixture *f, unsigned rate, unsigned channels)
{
    const cm_sound_format aac = record_aac(f, rate, channels);
    const int64_t lasts_us = INT64_C(1024) * 1000000 / rate;
    for (size_t i = 0; i < f->unit_count; i++) {
        const cm_status status =
            pass(f, &f->door, CM_STREAM_SOUND_OPUS, &aac, f->units[i], lasts_us);
        assert_true(status == CM_OK || status == CM_ABSENT);
        if (status != CM_OK)
            continue;
        assert_int_equal((f->made->flags & CM_FRAME_DISCONTINUITY) != 0, f->decoder == NULL);
        hear(f, &f->door);
    }
    assert_int_equal(f->format.codec, CM_SOUND_OPUS);
    assert_int_equal(f->format.rate, 48000);
    assert_int_equal(f->format.channels, channels > 1 ? 2 : 1);
    /* All of it, but what waits for the next frame. */
    const double went_in = (double)f->unit_count * 1024 / rate;
    const double came_out = (double)f->heard_count / 48000;
    assert_true(came_out <= went_in && came_out > went_in - 0.05);
    assert_true(fabs(pitch(f) - 600) < 6);
}

static void aac_at_16_khz_becomes_opus(void **state)
{
    check_aac(*state, 16000, 1);
}

static void aac_at_44_khz_in_stereo_becomes_opus(void **state)
{
    check_aac(*state, 44100, 2);
}

static void aac_at_48_khz_becomes_opus(void **state)
{
    check_aac(*state, 48000, 1);
}

static void aac_of_many_channels_is_mixed_down(void **state)
{
    check_aac(*state, 32000, 6);
}

/* ---- FLAC ---- */

/* `packet` samples a frame, for a second: nothing is lost, nothing is added. */
static void check_g711(fixture *f, size_t packet)
{
    uint8_t bytes[480];
    size_t sent = 0;
    for (; sent + packet <= 8000; sent += packet) {
        const cm_slice body = tone_of_g711(bytes, packet, sent, 440);
        const cm_status status =
            pass(f, &f->door, CM_STREAM_SOUND_FLAC, &PCMA, body, (int64_t)packet * 125);
        assert_true(status == CM_OK || status == CM_ABSENT);
        if (status == CM_OK)
            hear(f, &f->door);
    }
    assert_int_equal(f->format.codec, CM_SOUND_FLAC);
    assert_int_equal(f->format.rate, 8000);
    assert_int_equal(f->heard_count, sent / 160 * 160);
    uint8_t *all = malloc(8000);
    (void)tone_of_g711(all, 8000, 0, 440);
    for (size_t i = 0; i < f->heard_count; i++)
        assert_int_equal(f->heard[i], cm_g711_decode(CM_G711_A_LAW, all[i]));
    free(all);
}

static void g711_becomes_flac_to_the_bit(void **state)
{
    check_g711(*state, 160);
}

static void packets_of_another_length_do_too(void **state)
{
    check_g711(*state, 240);
}

static void packets_shorter_than_a_piece_do_too(void **state)
{
    check_g711(*state, 80);
}

/* ---- gaps and nonsense ---- */

static void pass_g711(fixture *f, camera *c, cm_status expected)
{
    uint8_t bytes[240];
    const cm_slice body = tone_of_g711(bytes, sizeof bytes, 0, 440);
    assert_int_equal(pass(f, c, CM_STREAM_SOUND_FLAC, &PCMA, body, 30000), expected);
}

/* Half a piece waits for the next frame, but not over a gap. */
static void what_is_left_over_does_not_go_over_a_gap(void **state)
{
    fixture *f = *state;
    pass_g711(f, &f->door, CM_OK);
    assert_int_equal(f->made->duration_ms, 20);
    pass_g711(f, &f->door, CM_OK);
    assert_int_equal(f->made->duration_ms, 40);
    assert_int_equal(f->made->flags, CM_FRAME_KEYFRAME);
    pass_g711(f, &f->door, CM_OK);
    f->door.media_time += 90 * 100;
    pass_g711(f, &f->door, CM_OK);
    assert_int_equal(f->made->duration_ms, 20);
    assert_int_equal(f->made->flags, CM_FRAME_KEYFRAME | CM_FRAME_DISCONTINUITY);
}

static void nonsense_is_answered_so_and_the_next_is_made(void **state)
{
    fixture *f = *state;
    const cm_sound_format aac = record_aac(f, 16000, 1);
    uint8_t noise[300];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 151 + 7);
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_OPUS, &aac, f->units[4], 64000), CM_OK);
    assert_int_equal(
        pass(f, &f->door, CM_STREAM_SOUND_OPUS, &aac, cm_slice_over(noise, sizeof noise), 64000),
        CM_BROKEN);
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_OPUS, &aac, f->units[5], 64000), CM_OK);
    assert_true((f->made->flags & CM_FRAME_DISCONTINUITY) != 0);
}

static void what_is_not_made_over_is_answered_so(void **state)
{
    fixture *f = *state;
    const cm_sound_format aac = record_aac(f, 16000, 1);
    const cm_sound_format opus = {.codec = CM_SOUND_OPUS, .channels = 2, .rate = 48000};
    cm_sound_format wide = PCMA, nonsense = aac;
    wide.rate = 48000;
    nonsense.config_size = 19; /* which no decoder opens */
    for (size_t i = 0; i < nonsense.config_size; i++)
        nonsense.config[i] = 0x4d;
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_FLAC, &aac, f->units[4], 64000), CM_BROKEN);
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_FLAC, &opus, f->units[4], 20000), CM_BROKEN);
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_FLAC, &wide, f->units[4], 20000), CM_BROKEN);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pass(f, &f->yard, CM_STREAM_SOUND_OPUS, &nonsense, f->units[4], 64000),
                         CM_BROKEN);
    assert_int_equal(pass(f, &f->yard, CM_STREAM_SOUND_OPUS, &aac, f->units[4], 64000), CM_OK);
}

/* ---- whose lane ---- */

static void a_lane_is_of_the_camera_of_its_first_job(void **state)
{
    fixture *f = *state;
    pass_g711(f, &f->door, CM_OK);
    f->yard.lane = f->door.lane;
    pass_g711(f, &f->yard, CM_FOREIGN);
    assert_false(f->is_foreign); /* of the same home: the process goes on */
    const cm_sound_format aac = record_aac(f, 16000, 1);
    assert_int_equal(pass(f, &f->door, CM_STREAM_SOUND_OPUS, &aac, f->units[4], 64000), CM_FOREIGN);
    f->yard.lane = 2;
    pass_g711(f, &f->yard, CM_OK);
    f->door.media_time -= 64 * 90;
    pass_g711(f, &f->door, CM_OK);
    assert_int_equal(f->made->duration_ms, 40); /* with what was left over */
}

static void the_first_job_binds_the_process_to_its_home(void **state)
{
    fixture *f = *state;
    pass_g711(f, &f->door, CM_OK);
    pass_g711(f, &f->attic, CM_FOREIGN);
    assert_true(f->is_foreign);
}

static void a_record_and_a_frame_of_two_jobs_make_nothing(void **state)
{
    enum { AT = CM_HELPER_LENGTH_SIZE + 8 + 2 };
    fixture *f = *state;
    uint8_t bytes[160], record[CM_DELEGATION_SIZE];
    const cm_slice body = tone_of_g711(bytes, sizeof bytes, 0, 440);
    cm_frame *door = seal_sound(&f->door, &PCMA, body, 20000);
    cm_frame *yard = seal_sound(&f->yard, &PCMA, body, 20000);
    make_job(f, &f->door, CM_STREAM_SOUND_FLAC, door);
    memcpy(record, f->message + AT, sizeof record);
    make_job(f, &f->yard, CM_STREAM_SOUND_FLAC, yard);
    memcpy(f->message + AT, record, sizeof record);
    f->message[AT - 1] = (uint8_t)f->door.lane;
    assert_int_equal(do_job(f), CM_FOREIGN);
    for (size_t i = 0; i < CM_HELPER_JOB_HEAD; i++)
        assert_int_equal(f->message[CM_HELPER_LENGTH_SIZE + i], 0); /* and is wiped */
    cm_frame_release(door, 0);
    cm_frame_release(yard, 0);
}

/* The one used longest ago goes; whose job comes after that has a lane made anew. */
static void lanes_are_bounded(void **state)
{
    fixture *f = *state;
    pass_g711(f, &f->door, CM_OK);
    for (uint16_t i = 0; i < TRANSCODE_LANES_MAX; i++) {
        f->yard.lane = (uint16_t)(100 + i);
        pass_g711(f, &f->yard, CM_OK);
    }
    pass_g711(f, &f->door, CM_OK);
    assert_int_equal(f->made->duration_ms, 20);
    assert_true((f->made->flags & CM_FRAME_DISCONTINUITY) != 0);
}

/* ---- the process ---- */

static int start_helper(pid_t *pid)
{
    int pair[2];
    const char *path = getenv("CASEMENT_HELPER");
    assert_non_null(path);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *pid = fork();
    assert_true(*pid >= 0);
    if (*pid == 0) {
        const int theirs = fcntl(pair[1], F_DUPFD, 10);
        if (theirs >= 0 && dup2(theirs, CM_SANDBOX_SOCKET) == CM_SANDBOX_SOCKET)
            (void)execl(path, path, "transcode", (char *)NULL);
        _exit(127);
    }
    (void)close(pair[1]);
    return pair[0];
}

static cm_status ask_process(fixture *f, int fd)
{
    static uint8_t bytes[1 << 16];
    size_t size = 0;
    assert_int_equal(send(fd, f->message, f->size, MSG_NOSIGNAL), f->size);
    assert_int_equal(recv(fd, bytes, CM_HELPER_LENGTH_SIZE, MSG_WAITALL), CM_HELPER_LENGTH_SIZE);
    assert_int_equal(cm_helper_length_parse(cm_slice_over(bytes, CM_HELPER_LENGTH_SIZE),
                                            CM_HELPER_ANSWER_HEAD, sizeof bytes, &size),
                     CM_OK);
    assert_int_equal(recv(fd, bytes, size, MSG_WAITALL), size);
    return take_answer(f, cm_slice_over(bytes, size));
}

/* Codecs are opened inside the sandbox; and a job of another home is the end. */
static void the_process_makes_sound_over_in_its_sandbox(void **state)
{
    fixture *f = *state;
    pid_t pid;
    int status = 0;
    uint8_t bytes[160];
    const cm_sound_format aac = record_aac(f, 44100, 2);
    const int fd = start_helper(&pid);
    for (size_t i = 0; i < 20; i++) {
        cm_frame *frame = seal_sound(&f->door, &aac, f->units[i], 23220);
        make_job(f, &f->door, CM_STREAM_SOUND_OPUS, frame);
        const cm_status answered = ask_process(f, fd);
        assert_true(answered == CM_OK || answered == CM_ABSENT);
        if (answered == CM_OK)
            hear(f, &f->door);
        cm_frame_release(frame, 0);
    }
    assert_true(f->heard_count > 48000 / 50 * 20);
    const cm_slice body = tone_of_g711(bytes, sizeof bytes, 0, 440);
    cm_frame *frame = seal_sound(&f->yard, &PCMA, body, 20000);
    make_job(f, &f->yard, CM_STREAM_SOUND_FLAC, frame);
    assert_int_equal(ask_process(f, fd), CM_OK);
    cm_frame_release(frame, 0);
    frame = seal_sound(&f->attic, &PCMA, body, 20000);
    make_job(f, &f->attic, CM_STREAM_SOUND_FLAC, frame);
    assert_int_equal(ask_process(f, fd), CM_FOREIGN);
    cm_frame_release(frame, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CM_HELPER_EXIT_FOREIGN);
    (void)close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(aac_at_16_khz_becomes_opus),
        CASE(aac_at_44_khz_in_stereo_becomes_opus),
        CASE(aac_at_48_khz_becomes_opus),
        CASE(aac_of_many_channels_is_mixed_down),
        CASE(g711_becomes_flac_to_the_bit),
        CASE(packets_of_another_length_do_too),
        CASE(packets_shorter_than_a_piece_do_too),
        CASE(what_is_left_over_does_not_go_over_a_gap),
        CASE(nonsense_is_answered_so_and_the_next_is_made),
        CASE(what_is_not_made_over_is_answered_so),
        CASE(a_lane_is_of_the_camera_of_its_first_job),
        CASE(the_first_job_binds_the_process_to_its_home),
        CASE(a_record_and_a_frame_of_two_jobs_make_nothing),
        CASE(lanes_are_bounded),
        CASE(the_process_makes_sound_over_in_its_sandbox),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
