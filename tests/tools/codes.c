/*
 * codes: whose picture is this, and how old? Reads what simulated cameras write on their pictures
 * (simcam/code.h) and into their streams (simcam/stamp.h). One line per picture, at once.
 *
 *   codes jpeg FILE...        CAMERA COUNTER, or none
 *   codes gray WIDTHxHEIGHT   the same of raw 8-bit gray pictures on standard input
 *   codes sei                 CAMERA COUNTER CAPTURED_US ARRIVED_US of an H.264 byte stream (Annex
 * B) or a fragmented MP4 on standard input (times: microseconds since 1970)
 *
 * Exit: 0 when the input ended where a picture, box or NAL unit does; 1 when not; 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "proto/h264/nal.h"
#include "simcam/stamp.h"

enum {
    LARGEST_FILE = 64 << 20,
    READ_SIZE = 65536,
    LARGEST_SIDE = 8192,
};

static void print_code(const cm_code_picture *picture)
{
    cm_code code;
    if (cm_code_read(picture, &code) == CM_OK)
        printf("%u %u\n", code.camera, code.counter);
    else
        printf("none\n");
    fflush(stdout);
}

/* Adds what is there to read; *is_end when nothing more comes. */
static cm_status read_some(int descriptor, cm_buffer *into, bool *is_end)
{
    uint8_t *room;
    CM_TRY(cm_buffer_room(into, READ_SIZE, &room));
    const ssize_t got = read(descriptor, room, READ_SIZE);
    CM_ENSURE(got >= 0, CM_BROKEN);
    cm_buffer_commit(into, (size_t)got);
    *is_end = got == 0;
    return CM_OK;
}

static cm_status decode_gray(cm_slice jpeg, cm_code_picture *out, uint8_t **pixels)
{
    tjhandle decoder = tjInitDecompress();
    CM_ENSURE(decoder != NULL, CM_BROKEN);
    int width = 0;
    int height = 0;
    int subsampling;
    int space;
    bool is_good = tjDecompressHeader3(decoder, jpeg.bytes, jpeg.size, &width, &height,
                                       &subsampling, &space) == 0;
    is_good = is_good && width > 0 && height > 0 && width <= LARGEST_SIDE && height <= LARGEST_SIDE;
    *pixels = is_good ? malloc((size_t)width * (size_t)height) : NULL;
    is_good = *pixels != NULL && tjDecompress2(decoder, jpeg.bytes, jpeg.size, *pixels, width,
                                               width, height, TJPF_GRAY, 0) == 0;
    tjDestroy(decoder);
    CM_ENSURE(is_good, CM_REFUSE);
    *out = (cm_code_picture){.luma = cm_slice_over(*pixels, (size_t)width * (size_t)height),
                             .width = (unsigned)width,
                             .height = (unsigned)height,
                             .stride = (size_t)width};
    return CM_OK;
}

static cm_status read_jpeg(const char *path)
{
    FILE *file = fopen(path, "rb");
    CM_ENSURE(file != NULL, CM_ABSENT);
    cm_buffer bytes;
    cm_buffer_init(&bytes, LARGEST_FILE);
    bool is_end = false;
    cm_status status = CM_OK;
    while (status == CM_OK && !is_end)
        status = read_some(fileno(file), &bytes, &is_end);
    fclose(file);
    uint8_t *pixels = NULL;
    cm_code_picture picture;
    if (status == CM_OK)
        status = decode_gray(cm_buffer_data(&bytes), &picture, &pixels);
    if (status == CM_OK)
        print_code(&picture);
    free(pixels);
    cm_buffer_deinit(&bytes);
    return status;
}

static int run_jpeg(int count, char **paths)
{
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (read_jpeg(paths[i]) == CM_OK)
            continue;
        fprintf(stderr, "codes: no JPEG picture: %s\n", paths[i]);
        result = 1;
    }
    return result;
}

static int run_gray(const char *size)
{
    unsigned width = 0;
    unsigned height = 0;
    if (sscanf(size, "%ux%u", &width, &height) != 2 || width == 0 || height == 0 ||
        width > LARGEST_SIDE || height > LARGEST_SIDE)
        return 2;
    const size_t bytes = (size_t)width * height;
    uint8_t *pixels = malloc(bytes);
    if (pixels == NULL)
        return 1;
    size_t got;
    while ((got = fread(pixels, 1, bytes, stdin)) == bytes)
        print_code(&(cm_code_picture){.luma = cm_slice_over(pixels, bytes),
                                      .width = width,
                                      .height = height,
                                      .stride = width});
    free(pixels);
    return got == 0 ? 0 : 1;
}

static void print_stamp(cm_slice nal)
{
    cm_stamp stamp;
    if (cm_stamp_parse(nal, &stamp) != CM_OK)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%u %u %lld %lld\n", stamp.code.camera, stamp.code.counter, (long long)stamp.captured.us,
           (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    fflush(stdout);
}

/* Annex B: each NAL unit as soon as the next one has begun. */
static void take_byte_stream(cm_buffer *bytes, bool is_end)
{
    for (;;) {
        const cm_slice data = cm_buffer_data(bytes);
        const size_t start = cm_h264_find_start_code(data, 0);
        if (start == data.size)
            return;
        const size_t next = cm_h264_find_start_code(data, start + 3);
        if (next == data.size && !is_end)
            return;
        print_stamp(cm_h264_trim_zeros(cm_slice_part(data, start + 3, next - start - 3)));
        cm_buffer_consume(bytes, next);
        if (next == data.size)
            return;
    }
}

/* The samples of one mdat: NAL units behind 4-byte sizes (ISO/IEC 14496-15). */
static cm_status take_samples(cm_slice samples)
{
    cm_reader r = cm_reader_over(samples);
    while (r.rest.size > 0) {
        const cm_slice nal = cm_read_slice(&r, cm_read_u32(&r));
        CM_ENSURE(!r.failed, CM_CLOSE);
        print_stamp(nal);
    }
    return CM_OK;
}

static cm_status take_boxes(cm_buffer *bytes)
{
    for (;;) {
        const cm_slice data = cm_buffer_data(bytes);
        cm_reader r = cm_reader_over(data);
        const uint32_t size = cm_read_u32(&r);
        const cm_slice type = cm_read_slice(&r, 4);
        if (r.failed)
            return CM_OK;
        CM_ENSURE(size >= 8, CM_CLOSE); /* neither 64-bit sizes nor "to the end" in a live stream */
        const cm_slice body = cm_read_slice(&r, size - 8);
        if (r.failed)
            return CM_OK;
        if (cm_slice_equal(type, CM_TEXT("mdat")))
            CM_TRY(take_samples(body));
        cm_buffer_consume(bytes, size);
    }
}

static bool is_byte_stream(cm_slice data)
{
    return data.size >= 4 && data.bytes[0] == 0 && data.bytes[1] == 0 && data.bytes[2] <= 1 &&
           (data.bytes[2] == 1 || data.bytes[3] == 1);
}

static int run_sei(void)
{
    cm_buffer bytes;
    cm_buffer_init(&bytes, LARGEST_FILE);
    cm_status status = CM_OK;
    bool is_end = false;
    bool is_known = false;
    bool is_annex_b = false;
    while (status == CM_OK && !is_end) {
        status = read_some(STDIN_FILENO, &bytes, &is_end);
        if (!is_known && cm_buffer_data(&bytes).size >= 4) {
            is_annex_b = is_byte_stream(cm_buffer_data(&bytes));
            is_known = true;
        }
        if (status != CM_OK || !is_known)
            continue;
        if (is_annex_b)
            take_byte_stream(&bytes, is_end);
        else
            status = take_boxes(&bytes);
    }
    const bool is_whole = status == CM_OK && (is_annex_b || cm_buffer_data(&bytes).size == 0);
    cm_buffer_deinit(&bytes);
    return is_whole ? 0 : 1;
}

int main(int count, char **arguments)
{
    if (count >= 3 && strcmp(arguments[1], "jpeg") == 0)
        return run_jpeg(count - 2, arguments + 2);
    if (count == 3 && strcmp(arguments[1], "gray") == 0)
        return run_gray(arguments[2]);
    if (count == 2 && strcmp(arguments[1], "sei") == 0)
        return run_sei();
    fprintf(stderr, "usage: codes jpeg FILE... | codes gray WIDTHxHEIGHT | codes sei\n");
    return 2;
}
