/* What tests of the still service and the helper share: real keyframes made by ffmpeg, and JPEG
 * read back. Tests only. */
#pragma once

#include <stdlib.h>
#include <turbojpeg.h>

#include "media_testing.h"
#include "proto/video/packetize.h"

enum { TESTING_NALS_MAX = 64, TESTING_GRANULES_MAX = 8192 };

/* A keyframe cut into granules. */
typedef struct testing_picture {
    cm_video_codec codec;
    uint8_t *bytes;
    size_t size;
    cm_slice nals[TESTING_NALS_MAX];
    size_t nal_count;
    cm_plain_granule *granules;
    size_t count;
} testing_picture;

static inline void testing_picture_cut(testing_picture *p)
{
    cm_slice rest = cm_slice_over(p->bytes, p->size);
    while (p->nal_count < TESTING_NALS_MAX && cm_h264_next_annex_b(&rest, &p->nals[p->nal_count]))
        p->nal_count++;
    cm_video_packetizer cutter;
    assert_int_equal(
        cm_video_packetizer_init(&cutter, p->codec, p->nals, p->nal_count, CM_VIDEO_GRANULE_BYTES),
        CM_OK);
    p->granules = calloc(TESTING_GRANULES_MAX, sizeof *p->granules);
    assert_non_null(p->granules);
    cm_video_granule g;
    while (cm_video_packetizer_next(&cutter, &g)) {
        assert_true(p->count < TESTING_GRANULES_MAX);
        p->granules[p->count++] =
            (cm_plain_granule){.head = {g.header[0], g.header[1], g.header[2]},
                               .head_size = g.header_size,
                               .body = g.body};
    }
}

/* One keyframe of `codec`: `input` and `options` are ffmpeg's. */
static inline void testing_picture_encode(testing_picture *p, cm_video_codec codec,
                                          const char *input, const char *options)
{
    enum { MAX = 16 * 1024 * 1024 };
    static const char *const FORMATS[CM_VIDEO_CODECS] = {
        [CM_VIDEO_H264] = "-c:v libx264 -f h264",
        [CM_VIDEO_H265] = "-c:v libx265 -x265-params log-level=none -f hevc",
    };
    char command[1024];
    const int length = snprintf(command, sizeof command,
                                "ffmpeg -nostdin -v error -f lavfi -i '%s' -frames:v 1 "
                                "-threads 1 %s %s -",
                                input, options, FORMATS[codec]);
    assert_true(length > 0 && (size_t)length < sizeof command);
    *p = (testing_picture){.codec = codec, .bytes = malloc(MAX)};
    assert_non_null(p->bytes);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    p->size = fread(p->bytes, 1, MAX, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_true(p->size > 0 && p->size < MAX);
    testing_picture_cut(p);
}

static inline void testing_picture_make(testing_picture *p, const char *input, const char *options)
{
    testing_picture_encode(p, CM_VIDEO_H264, input, options);
}

static inline uint16_t testing_picture_flags(const testing_picture *p)
{
    return CM_FRAME_KEYFRAME | (p->codec == CM_VIDEO_H265 ? CM_FRAME_H265 : 0);
}

static inline void testing_picture_free(testing_picture *p)
{
    free(p->granules);
    free(p->bytes);
}

/* Four quarters: red, green, blue, grey. */
#define TESTING_QUARTERS(size)                                                                     \
    "color=c=0xC02020:s=" size "[a];color=c=0x20A020:s=" size "[b];color=c=0x2020C0:s=" size       \
    "[c];color=c=0x808080:s=" size "[d];[a][b]hstack[t];[c][d]hstack[u];[t][u]vstack"

typedef struct testing_jpeg {
    int width, height;
    uint8_t *rgb;
} testing_jpeg;

static inline void testing_jpeg_read(testing_jpeg *j, cm_slice bytes)
{
    tjhandle decoder = tjInitDecompress();
    int sampling, colours;
    assert_int_equal(tjDecompressHeader3(decoder, bytes.bytes, bytes.size, &j->width, &j->height,
                                         &sampling, &colours),
                     0);
    assert_int_equal(sampling, TJSAMP_420);
    j->rgb = malloc((size_t)j->width * (size_t)j->height * 3);
    assert_non_null(j->rgb);
    assert_int_equal(tjDecompress2(decoder, bytes.bytes, bytes.size, j->rgb, j->width, 0, j->height,
                                   TJPF_RGB, 0),
                     0);
    tjDestroy(decoder);
}

/* The mean colour of the middle of a quarter (0 to 3, by rows) is `rgb`, within 4 of 255. */
static inline void testing_jpeg_check_quarter(const testing_jpeg *j, int quarter, int rgb)
{
    const int left = quarter % 2 * j->width / 2 + j->width / 8;
    const int top = quarter / 2 * j->height / 2 + j->height / 8;
    for (int c = 0; c < 3; c++) {
        int64_t sum = 0;
        for (int y = top; y < top + j->height / 4; y++)
            for (int x = left; x < left + j->width / 4; x++)
                sum += j->rgb[((size_t)y * (size_t)j->width + (size_t)x) * 3 + (size_t)c];
        const int64_t mean = sum / ((int64_t)(j->width / 4) * (j->height / 4));
        assert_in_range(mean + 4, rgb >> (16 - 8 * c) & 255, (rgb >> (16 - 8 * c) & 255) + 8);
    }
}

static inline void testing_jpeg_check_quarters(const testing_jpeg *j)
{
    testing_jpeg_check_quarter(j, 0, 0xC02020);
    testing_jpeg_check_quarter(j, 1, 0x20A020);
    testing_jpeg_check_quarter(j, 2, 0x2020C0);
    testing_jpeg_check_quarter(j, 3, 0x808080);
}

static inline void testing_jpeg_free(testing_jpeg *j)
{
    free(j->rgb);
}
