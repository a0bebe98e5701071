#include "helper/canvas.h"

#include <math.h>
#include <stdlib.h>

cm_status canvas_init(canvas *c, unsigned width, unsigned height)
{
    colour *pixels = calloc((size_t)width * height, sizeof *pixels);
    CM_ENSURE(pixels != NULL, CM_BROKEN);
    *c = (canvas){.width = width, .height = height, .pixels = pixels};
    return CM_OK;
}

void canvas_deinit(canvas *c)
{
    free(c->pixels);
    *c = (canvas){0};
}

void canvas_copy(canvas *to, const canvas *from)
{
    const size_t count = (size_t)from->width * from->height;
    for (size_t i = 0; i < count; i++)
        to->pixels[i] = from->pixels[i];
}

/* No libm in what runs for every pixel: these stay a few instructions. */
static float larger(float a, float b)
{
    return a > b ? a : b;
}

static float clamp(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

static float length(float x, float y)
{
    return sqrtf(x * x + y * y);
}

/* 0 below `from`, 1 above `to`, smooth between. */
static float ramp(float x, float from, float to)
{
    const float t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
}

colour colour_mix(colour a, colour b, float share)
{
    return (colour){.r = a.r + (b.r - a.r) * share,
                    .g = a.g + (b.g - a.g) * share,
                    .b = a.b + (b.b - a.b) * share};
}

/* The range of pixels that a shape may touch, clipped to the canvas. */
typedef struct range {
    unsigned left;
    unsigned top;
    unsigned right; /* one past */
    unsigned bottom;
} range;

static unsigned to_pixel(const canvas *c, float at, unsigned most)
{
    return (unsigned)clamp(at * (float)c->height, 0, (float)most);
}

static range range_of(const canvas *c, spot least, spot most)
{
    return (range){.left = to_pixel(c, least.x, c->width),
                   .top = to_pixel(c, least.y, c->height),
                   .right = to_pixel(c, most.x + 1.5F / (float)c->height, c->width),
                   .bottom = to_pixel(c, most.y + 1.5F / (float)c->height, c->height)};
}

static spot spot_of(const canvas *c, unsigned x, unsigned y)
{
    return (spot){.x = ((float)x + 0.5F) / (float)c->height,
                  .y = ((float)y + 0.5F) / (float)c->height};
}

void canvas_gradient(canvas *c, colour top, colour bottom, float from, float to)
{
    for (unsigned y = 0; y < c->height; y++) {
        const colour ink = colour_mix(top, bottom, ramp(spot_of(c, 0, y).y, from, to));
        for (unsigned x = 0; x < c->width; x++)
            c->pixels[(size_t)y * c->width + x] = ink;
    }
}

static float distance_to_box(const shape *s, spot p)
{
    const float x = fabsf(p.x - s->a.x) - s->b.x + s->radius;
    const float y = fabsf(p.y - s->a.y) - s->b.y + s->radius;
    const float inside = larger(x, y);
    return length(larger(x, 0), larger(y, 0)) + (inside < 0 ? inside : 0) - s->radius;
}

static float distance_to_segment(const shape *s, spot p)
{
    const float dx = s->b.x - s->a.x;
    const float dy = s->b.y - s->a.y;
    const float along = ((p.x - s->a.x) * dx + (p.y - s->a.y) * dy) / (dx * dx + dy * dy + 1e-9F);
    const float t = clamp(along, 0, 1);
    return length(p.x - s->a.x - t * dx, p.y - s->a.y - t * dy) - s->radius;
}

static range range_of_shape(const canvas *c, const shape *s, float soft)
{
    if (s->is_box)
        return range_of(c, (spot){s->a.x - s->b.x - soft, s->a.y - s->b.y - soft},
                        (spot){s->a.x + s->b.x + soft, s->a.y + s->b.y + soft});
    const float reach = s->radius + soft;
    return range_of(c, (spot){fminf(s->a.x, s->b.x) - reach, fminf(s->a.y, s->b.y) - reach},
                    (spot){fmaxf(s->a.x, s->b.x) + reach, fmaxf(s->a.y, s->b.y) + reach});
}

void canvas_paint(canvas *c, const shape *s, colour ink, float opacity)
{
    const float soft = fmaxf(s->soft, 1.0F / (float)c->height);
    const range r = range_of_shape(c, s, soft);
    for (unsigned y = r.top; y < r.bottom; y++)
        for (unsigned x = r.left; x < r.right; x++) {
            const spot p = spot_of(c, x, y);
            const float d = s->is_box ? distance_to_box(s, p) : distance_to_segment(s, p);
            const float cover = 1 - ramp(d, -soft / 2, soft / 2);
            colour *pixel = &c->pixels[(size_t)y * c->width + x];
            *pixel = colour_mix(*pixel, ink, cover * opacity);
        }
}

void canvas_glow(canvas *c, spot at, float radius, colour light, float strength)
{
    const range r =
        range_of(c, (spot){at.x - radius, at.y - radius}, (spot){at.x + radius, at.y + radius});
    for (unsigned y = r.top; y < r.bottom; y++)
        for (unsigned x = r.left; x < r.right; x++) {
            const spot p = spot_of(c, x, y);
            const float near = larger(0, 1 - length(p.x - at.x, p.y - at.y) / radius);
            const float gain = near * near * strength;
            colour *pixel = &c->pixels[(size_t)y * c->width + x];
            pixel->r += light.r * gain;
            pixel->g += light.g * gain;
            pixel->b += light.b * gain;
        }
}

void canvas_hill(canvas *c, float height, float swing, float phase, colour ink)
{
    for (unsigned x = 0; x < c->width; x++) {
        const float at = spot_of(c, x, 0).x;
        const float wave = sinf(at * 2.3F + phase) + 0.4F * sinf(at * 5.1F + phase * 1.7F);
        const float line = (height + swing * wave) * (float)c->height;
        for (unsigned y = (unsigned)clamp(line, 0, (float)c->height); y < c->height; y++) {
            const float cover = clamp((float)y + 1 - line, 0, 1);
            const float shade = 1 - 0.25F * ramp((float)y - line, 0, (float)c->height * 0.5F);
            colour *pixel = &c->pixels[(size_t)y * c->width + x];
            const colour shaded = {ink.r * shade, ink.g * shade, ink.b * shade};
            *pixel = colour_mix(*pixel, shaded, cover);
        }
    }
}

/* A number between -1 and 1 that looks random, of a place and a picture. */
static float noise(uint32_t x, uint32_t y, uint32_t picture)
{
    uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ picture * 0xC2B2AE3Du;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    h ^= h >> 15;
    return (float)(h & 0xFFFF) / 32768.0F - 1;
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(clamp(value, 16, 240) + 0.5F);
}

static colour clipped(colour p)
{
    return (colour){clamp(p.r, 0, 1), clamp(p.g, 0, 1), clamp(p.b, 0, 1)};
}

static float luma_of(colour p)
{
    return 0.2126F * p.r + 0.7152F * p.g + 0.0722F * p.b;
}

/* The mean of the four pixels that share a chroma sample. */
static colour mean_of_four(const canvas *c, unsigned x, unsigned y)
{
    colour sum = {0, 0, 0};
    for (unsigned i = 0; i < 4; i++) {
        const colour p = clipped(c->pixels[(size_t)(y + i / 2) * c->width + x + i % 2]);
        sum = (colour){sum.r + p.r / 4, sum.g + p.g / 4, sum.b + p.b / 4};
    }
    return sum;
}

static void row_to_luma(const canvas *c, unsigned y, uint8_t *out, float amount, uint32_t picture)
{
    const colour *row = &c->pixels[(size_t)y * c->width];
    for (unsigned x = 0; x < c->width; x++)
        out[x] = to_byte(16 + 219 * luma_of(clipped(row[x])) + amount * noise(x, y, picture));
}

void canvas_to_yuv(const canvas *c, const planes *out, float grain, float grain_from,
                   uint32_t picture)
{
    for (unsigned y = 0; y < c->height; y++) {
        const float at = spot_of(c, 0, y).y;
        const float amount = grain * ramp(at, grain_from, grain_from + 0.1F);
        row_to_luma(c, y, &out->y[(size_t)y * (size_t)out->strides[0]], amount, picture);
    }
    for (unsigned y = 0; y < c->height / 2; y++)
        for (unsigned x = 0; x < c->width / 2; x++) {
            const colour p = mean_of_four(c, 2 * x, 2 * y);
            const float luma = luma_of(p);
            out->u[(size_t)y * (size_t)out->strides[1] + x] =
                to_byte(128 + 224 * (p.b - luma) / 1.8556F);
            out->v[(size_t)y * (size_t)out->strides[2] + x] =
                to_byte(128 + 224 * (p.r - luma) / 1.5748F);
        }
}
