#include "helper/painting.h"

#include <math.h>

#define TURN 6.2831853F

/* A place: colours, and where things stand. Lengths in heights of the picture. */
typedef struct place {
    colour sky_top;
    colour sky_bottom;
    colour far_hill;
    colour near_hill;
    colour lawn;
    colour path;
    colour wall;
    colour roof;
    colour door;
    colour window;
    colour leaves;
    colour cloud;
    colour coat;  /* of who walks by */
    colour light; /* of lamp and windows */
    spot sun;     /* or moon; x < 0: none */
    colour sun_light;
    float house_x;
    float tree_x;
    float lamp_x;
    float glow; /* how much the lamps matter */
    float cloudiness;
    float grain;
    bool has_car;
    bool has_leaves; /* falling */
} place;

static const place PLACES[CM_PAINTING_VARIANTS] = {
    {.sky_top = {0.13F, 0.16F, 0.30F},
     .sky_bottom = {0.93F, 0.55F, 0.42F},
     .far_hill = {0.30F, 0.27F, 0.40F},
     .near_hill = {0.20F, 0.22F, 0.30F},
     .lawn = {0.16F, 0.22F, 0.20F},
     .path = {0.42F, 0.36F, 0.36F},
     .wall = {0.62F, 0.48F, 0.42F},
     .roof = {0.28F, 0.18F, 0.20F},
     .door = {0.16F, 0.34F, 0.36F},
     .window = {1.00F, 0.82F, 0.48F},
     .leaves = {0.14F, 0.26F, 0.22F},
     .cloud = {0.98F, 0.62F, 0.52F},
     .coat = {0.72F, 0.20F, 0.22F},
     .light = {1.0F, 0.74F, 0.38F},
     .sun = {-1, 0},
     .house_x = 1.36F,
     .tree_x = 0.36F,
     .lamp_x = 0.86F,
     .glow = 0.8F,
     .cloudiness = 0.45F,
     .grain = 3.0F},
    {.sky_top = {0.36F, 0.62F, 0.88F},
     .sky_bottom = {0.86F, 0.93F, 0.97F},
     .far_hill = {0.52F, 0.68F, 0.66F},
     .near_hill = {0.42F, 0.62F, 0.42F},
     .lawn = {0.45F, 0.68F, 0.34F},
     .path = {0.82F, 0.76F, 0.64F},
     .wall = {0.95F, 0.91F, 0.82F},
     .roof = {0.74F, 0.38F, 0.30F},
     .door = {0.22F, 0.44F, 0.60F},
     .window = {0.58F, 0.74F, 0.84F},
     .leaves = {0.24F, 0.52F, 0.26F},
     .cloud = {1.0F, 1.0F, 1.0F},
     .coat = {0.95F, 0.74F, 0.22F},
     .light = {1.0F, 0.95F, 0.7F},
     .sun = {0.78F, 0.31F},
     .sun_light = {1.0F, 0.95F, 0.70F},
     .house_x = 0.55F,
     .tree_x = 1.62F,
     .lamp_x = -1,
     .glow = 0,
     .cloudiness = 0.85F,
     .grain = 1.6F},
    {.sky_top = {0.05F, 0.07F, 0.16F},
     .sky_bottom = {0.16F, 0.22F, 0.40F},
     .far_hill = {0.08F, 0.11F, 0.22F},
     .near_hill = {0.07F, 0.10F, 0.17F},
     .lawn = {0.09F, 0.12F, 0.16F},
     .path = {0.19F, 0.20F, 0.25F},
     .wall = {0.26F, 0.27F, 0.36F},
     .roof = {0.12F, 0.12F, 0.19F},
     .door = {0.36F, 0.18F, 0.16F},
     .window = {1.00F, 0.86F, 0.52F},
     .leaves = {0.07F, 0.15F, 0.17F},
     .cloud = {0.30F, 0.35F, 0.52F},
     .coat = {0.50F, 0.56F, 0.70F},
     .light = {1.0F, 0.84F, 0.54F},
     .sun = {1.62F, 0.32F},
     .sun_light = {0.92F, 0.93F, 0.86F},
     .house_x = 0.70F,
     .tree_x = 1.80F,
     .lamp_x = 1.26F,
     .glow = 1.0F,
     .cloudiness = 0.35F,
     .grain = 4.0F,
     .has_car = true},
    {.sky_top = {0.46F, 0.36F, 0.52F},
     .sky_bottom = {1.00F, 0.78F, 0.46F},
     .far_hill = {0.58F, 0.40F, 0.42F},
     .near_hill = {0.50F, 0.34F, 0.26F},
     .lawn = {0.58F, 0.46F, 0.24F},
     .path = {0.72F, 0.58F, 0.44F},
     .wall = {0.74F, 0.62F, 0.52F},
     .roof = {0.42F, 0.24F, 0.20F},
     .door = {0.30F, 0.40F, 0.28F},
     .window = {1.00F, 0.80F, 0.50F},
     .leaves = {0.84F, 0.42F, 0.16F},
     .cloud = {1.0F, 0.72F, 0.60F},
     .coat = {0.24F, 0.34F, 0.52F},
     .light = {1.0F, 0.78F, 0.42F},
     .sun = {1.16F, 0.46F},
     .sun_light = {1.0F, 0.82F, 0.46F},
     .house_x = 1.70F,
     .tree_x = 0.52F,
     .lamp_x = -1,
     .glow = 0.3F,
     .cloudiness = 0.5F,
     .grain = 2.2F,
     .has_leaves = true},
};

enum { HOUSE_WINDOWS = 2 };
static const float HORIZON = 0.74F;

static void disc(canvas *c, spot at, float radius, colour ink, float opacity)
{
    canvas_paint(c, &(shape){.a = at, .b = at, .radius = radius}, ink, opacity);
}

static void line(canvas *c, spot a, spot b, float radius, colour ink)
{
    canvas_paint(c, &(shape){.a = a, .b = b, .radius = radius}, ink, 1);
}

static void box(canvas *c, spot middle, spot half, colour ink)
{
    canvas_paint(c, &(shape){.a = middle, .b = half, .radius = 0.006F, .is_box = true}, ink, 1);
}

static void draw_roof(canvas *c, float x, const place *p)
{
    /* Boards, each a little shorter than the one below. */
    for (int i = 0; i < 10; i++) {
        const float share = (float)i / 9;
        const colour ink = colour_mix(p->roof, p->wall, 0.16F * share);
        box(c, (spot){x, 0.43F - 0.016F * (float)i}, (spot){0.37F - 0.24F * share, 0.010F}, ink);
    }
}

static void draw_window(canvas *c, spot at, const place *p)
{
    box(c, at, (spot){0.060F, 0.070F}, colour_mix(p->wall, (colour){1, 1, 1}, 0.35F));
    box(c, at, (spot){0.050F, 0.060F}, p->window);
    box(c, at, (spot){0.003F, 0.060F}, p->roof);
    box(c, at, (spot){0.050F, 0.003F}, p->roof);
    if (p->glow > 0)
        canvas_glow(c, at, 0.20F, p->light, 0.30F * p->glow);
}

static void draw_house(canvas *c, const place *p)
{
    const float x = p->house_x;
    box(c, (spot){x, 0.62F}, (spot){0.33F, 0.19F}, p->wall);
    for (int i = 0; i < 9; i++) /* courses of the wall */
        box(c, (spot){x, 0.46F + 0.04F * (float)i}, (spot){0.33F, 0.0015F},
            colour_mix(p->wall, p->roof, 0.18F));
    draw_roof(c, x, p);
    box(c, (spot){x, 0.68F}, (spot){0.072F, 0.135F}, colour_mix(p->door, p->wall, 0.45F));
    box(c, (spot){x, 0.685F}, (spot){0.060F, 0.127F}, p->door);
    box(c, (spot){x, 0.62F}, (spot){0.036F, 0.040F}, colour_mix(p->door, p->window, 0.5F));
    disc(c, (spot){x + 0.043F, 0.70F}, 0.007F, p->light, 1);
    for (int i = 0; i < HOUSE_WINDOWS; i++)
        draw_window(c, (spot){x + (i == 0 ? -0.20F : 0.20F), 0.60F}, p);
    box(c, (spot){x, 0.818F}, (spot){0.11F, 0.010F}, p->path);
}

static void draw_path(canvas *c, const place *p)
{
    canvas_hill(c, HORIZON + 0.05F, 0.008F, 1.0F, p->lawn);
    canvas_hill(c, 0.86F, 0.006F, 2.5F, p->path);
    canvas_hill(c, 0.965F, 0.006F, 0.4F, colour_mix(p->lawn, p->path, 0.2F));
}

static void draw_sky(canvas *c, const place *p)
{
    canvas_gradient(c, p->sky_top, p->sky_bottom, CM_PAINTING_CALM, HORIZON);
    if (p->sun.x < 0)
        return;
    const float reach = fminf(0.5F, p->sun.y - CM_PAINTING_CALM);
    canvas_glow(c, p->sun, reach, p->sun_light, 0.5F);
    disc(c, p->sun, 0.055F, p->sun_light, 1);
}

static void draw_fence(canvas *c, const place *p, float aspect)
{
    const colour ink = colour_mix(p->wall, p->lawn, 0.35F);
    line(c, (spot){0, 0.775F}, (spot){aspect, 0.775F}, 0.004F, ink);
    line(c, (spot){0, 0.805F}, (spot){aspect, 0.805F}, 0.004F, ink);
    for (float x = 0.03F; x < aspect; x += 0.055F)
        line(c, (spot){x, 0.755F}, (spot){x, 0.83F}, 0.006F, ink);
}

cm_status painting_init(painting *p, unsigned variant, unsigned width, unsigned height)
{
    CM_ENSURE(variant < CM_PAINTING_VARIANTS, CM_REFUSE);
    *p = (painting){.variant = variant};
    CM_TRY(canvas_init(&p->ground, width, height));
    CM_TRY(canvas_init(&p->picture, width, height));
    const place *at = &PLACES[variant];
    draw_sky(&p->ground, at);
    canvas_hill(&p->ground, 0.60F, 0.035F, 0.6F + (float)variant, at->far_hill);
    canvas_hill(&p->ground, 0.70F, 0.025F, 2.1F + (float)variant, at->near_hill);
    draw_path(&p->ground, at);
    draw_fence(&p->ground, at, (float)width / (float)height);
    draw_house(&p->ground, at);
    canvas_hill(&p->ground, 0.86F, 0.006F, 2.5F, at->path);
    canvas_hill(&p->ground, 0.965F, 0.006F, 0.4F, colour_mix(at->lawn, at->path, 0.2F));
    return CM_OK;
}

void painting_deinit(painting *p)
{
    canvas_deinit(&p->ground);
    canvas_deinit(&p->picture);
}

/* Above every roof, so that none passes in front of a house. */
static void draw_clouds(canvas *c, const place *p, float phase)
{
    static const float PUFFS[] = {0.010F, 0.019F, 0.023F, 0.017F, 0.009F};
    for (int i = 0; i < 5; i++) {
        const float drift = 0.05F * sinf(TURN * (phase + 0.23F * (float)i));
        const spot at = {0.16F + 0.44F * (float)i + drift, 0.237F + 0.006F * (float)(i * 3 % 4)};
        for (size_t puff = 0; puff < CM_COUNT(PUFFS); puff++) {
            const float x = at.x + 0.038F * ((float)puff - 2);
            const float y = at.y - PUFFS[puff] / 2;
            const shape s = {
                .a = {x - 0.012F, y}, .b = {x + 0.012F, y}, .radius = PUFFS[puff], .soft = 0.020F};
            canvas_paint(c, &s, p->cloud, 0.75F * p->cloudiness);
        }
    }
}

static void draw_tree(canvas *c, const place *p, float phase)
{
    static const struct {
        spot at;
        float radius;
        float shade;
    } CROWN[] = {{{-0.11F, 0.03F}, 0.085F, 0.80F}, {{0.11F, 0.03F}, 0.085F, 0.86F},
                 {{0.00F, 0.06F}, 0.095F, 0.74F},  {{-0.06F, -0.05F}, 0.085F, 1.00F},
                 {{0.07F, -0.04F}, 0.080F, 1.10F}, {{0.00F, -0.08F}, 0.065F, 1.18F},
                 {{-0.02F, 0.00F}, 0.080F, 1.06F}};
    const colour bark = colour_mix(p->roof, p->leaves, 0.25F);
    line(c, (spot){p->tree_x, 0.84F}, (spot){p->tree_x, 0.55F}, 0.020F, bark);
    for (size_t i = 0; i < CM_COUNT(CROWN); i++) {
        const float sway = 0.010F * sinf(TURN * (2 * phase + 0.13F * (float)i));
        const spot at = {p->tree_x + CROWN[i].at.x + sway, 0.47F + CROWN[i].at.y + sway / 3};
        const float shade = CROWN[i].shade;
        const colour ink = {p->leaves.r * shade, p->leaves.g * shade, p->leaves.b * shade};
        canvas_paint(c, &(shape){.a = at, .b = at, .radius = CROWN[i].radius, .soft = 0.016F}, ink,
                     1);
    }
}

static void draw_lamp(canvas *c, const place *p, float phase)
{
    if (p->lamp_x < 0)
        return;
    const float flicker = 0.05F * sinf(TURN * 7 * phase) + 0.03F * sinf(TURN * 19 * phase);
    const spot head = {p->lamp_x, 0.49F};
    line(c, (spot){p->lamp_x, 0.86F}, head, 0.007F, p->roof);
    canvas_glow(c, head, 0.30F, p->light, p->glow * (0.75F + flicker));
    canvas_glow(c, (spot){p->lamp_x, 0.87F}, 0.26F, p->light, p->glow * (0.22F + flicker / 3));
    disc(c, head, 0.022F, colour_mix(p->light, (colour){1, 1, 1}, 0.6F), 1);
}

static void draw_leg(canvas *c, spot hip, float swing, float length, colour ink)
{
    const spot knee = {hip.x + 0.55F * length * sinf(swing), hip.y + 0.5F * length};
    const float bend = swing < 0 ? swing * 1.8F : swing * 0.6F;
    line(c, hip, knee, 0.013F, ink);
    line(c, knee, (spot){knee.x + 0.5F * length * sinf(bend), hip.y + length}, 0.011F, ink);
}

/* Comes in at the left, is gone at the right when the loop closes. */
static void draw_walker(canvas *c, const place *p, float phase, float aspect)
{
    const float x = -0.15F + (aspect + 0.3F) * phase;
    const float stride = 0.6F * sinf(TURN * 13 * phase);
    const float bob = 0.004F * cosf(TURN * 26 * phase);
    const colour trousers = colour_mix(p->coat, (colour){0.08F, 0.08F, 0.14F}, 0.75F);
    const colour skin = {0.80F, 0.60F, 0.48F};
    const spot hip = {x, 0.81F + bob};
    canvas_paint(
        c,
        &(shape){
            .a = {x - 0.05F, 0.925F}, .b = {x + 0.05F, 0.925F}, .radius = 0.008F, .soft = 0.02F},
        (colour){0, 0, 0}, 0.35F);
    draw_leg(c, hip, stride, 0.11F, trousers);
    draw_leg(c, hip, -stride, 0.11F, colour_mix(trousers, p->coat, 0.15F));
    line(c, (spot){x, 0.79F + bob}, (spot){x + 0.006F, 0.70F + bob}, 0.026F, p->coat);
    line(c, (spot){x + 0.004F, 0.705F + bob}, (spot){x - 0.055F * stride, 0.785F + bob}, 0.010F,
         colour_mix(p->coat, (colour){0, 0, 0}, 0.2F));
    disc(c, (spot){x + 0.012F, 0.645F + bob}, 0.024F, skin, 1);
    disc(c, (spot){x + 0.006F, 0.637F + bob}, 0.023F, trousers, 1);
}

static void draw_car(canvas *c, const place *p, float phase, float aspect)
{
    const float x = aspect + 0.5F - (aspect + 1.0F) * phase;
    const colour body = {0.55F, 0.16F, 0.18F};
    canvas_glow(c, (spot){x - 0.32F, 0.93F}, 0.26F, p->light, 0.6F);
    box(c, (spot){x, 0.905F}, (spot){0.17F, 0.032F}, body);
    box(c, (spot){x + 0.02F, 0.865F}, (spot){0.095F, 0.030F}, body);
    box(c, (spot){x + 0.02F, 0.866F}, (spot){0.082F, 0.020F}, (colour){0.20F, 0.24F, 0.32F});
    for (int i = 0; i < 2; i++)
        disc(c, (spot){x + (i == 0 ? -0.10F : 0.10F), 0.937F}, 0.026F,
             (colour){0.03F, 0.03F, 0.04F}, 1);
    disc(c, (spot){x - 0.165F, 0.90F}, 0.012F, (colour){1, 1, 0.9F}, 1);
    disc(c, (spot){x + 0.168F, 0.90F}, 0.008F, (colour){1, 0.15F, 0.1F}, 1);
}

static void draw_falling_leaves(canvas *c, const place *p, float phase, float aspect)
{
    for (int i = 0; i < 14; i++) {
        const float age = fmodf(phase + 0.071F * (float)i, 1);
        const float x = fmodf(0.37F * (float)i, aspect) + 0.05F * sinf(TURN * (2 * age));
        const spot at = {x, 0.42F + 0.50F * age};
        const float turn = 0.012F * cosf(TURN * 3 * age);
        const float opacity = fminf(1, fminf(age * 8, (1 - age) * 8));
        canvas_paint(
            c,
            &(shape){.a = {at.x - turn, at.y - 0.005F}, .b = {at.x + turn, at.y}, .radius = 0.006F},
            p->leaves, opacity);
    }
}

void painting_draw(painting *p, float phase)
{
    const place *at = &PLACES[p->variant];
    canvas *c = &p->picture;
    const float aspect = (float)c->width / (float)c->height;
    canvas_copy(c, &p->ground);
    draw_clouds(c, at, phase);
    draw_tree(c, at, phase);
    draw_lamp(c, at, phase);
    draw_walker(c, at, fmodf(phase + 0.3F * (float)p->variant, 1), aspect);
    if (at->has_car)
        draw_car(c, at, phase, aspect);
    if (at->has_leaves)
        draw_falling_leaves(c, at, phase, aspect);
}

float painting_grain(const painting *p)
{
    return PLACES[p->variant].grain;
}
