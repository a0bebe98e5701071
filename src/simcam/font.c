#include "simcam/font.h"

#include <math.h>
#include <stdlib.h>

enum {
    FIRST = ' ',
    LAST = 'z',
    BOX = LAST - FIRST + 1,
    GLYPHS = BOX + 1,
    LARGEST_SCALE = 8,
};

/*
 * Strokes, separated by a space, each a run of points: x (0 to 8) and y as one digit each, y of
 * 0-9 and a-k for 0 to 20. 0 is the height of capitals, 6 of small letters, g the base line, k
 * how far a tail hangs.
 */
static const char *const STROKES[GLYPHS] = {
    ['!' - FIRST] = "404b 4f4g",
    ['"' - FIRST] = "3033 5053",
    ['#' - FIRST] = "302g 706g 0585 0b8b",
    ['%' - FIRST] = "800g 1013 7d7g",
    ['&' - FIRST] = "8g14123052540b0e2g5g8b",
    ['\'' - FIRST] = "4043",
    ['(' - FIRST] = "60343c6g",
    [')' - FIRST] = "20545c2g",
    ['*' - FIRST] = "494h 0e8c 0c8e",
    ['+' - FIRST] = "0a8a 464e",
    [',' - FIRST] = "4f3i",
    ['-' - FIRST] = "1a7a",
    ['.' - FIRST] = "4f4g",
    ['/' - FIRST] = "800g",
    ['0' - FIRST] = "305072858b7e5g3g1e0b051230",
    ['1' - FIRST] = "13404g 1g7g",
    ['2' - FIRST] = "03206083850g8g",
    ['3' - FIRST] = "02206082866838 688a8e6g2g0e",
    ['4' - FIRST] = "6g600b8b",
    ['5' - FIRST] = "8010072666898d6g2g0e",
    ['6' - FIRST] = "704013080d2g6g8d8a67270a",
    ['7' - FIRST] = "00803g",
    ['8' - FIRST] = "206082856727050220 678a8e6g2g0e0a27",
    ['9' - FIRST] = "1g4g7d888360200306296986",
    [':' - FIRST] = "4748 4d4e",
    [';' - FIRST] = "4748 4d3g",
    ['<' - FIRST] = "761b7g",
    ['=' - FIRST] = "0888 0c8c",
    ['>' - FIRST] = "167b1g",
    ['?' - FIRST] = "03206083854a4b 4f4g",
    ['A' - FIRST] = "0g408g 1b7b",
    ['B' - FIRST] = "08688a8e6g0g0050727658",
    ['C' - FIRST] = "83603012050b1e3g6g8d",
    ['D' - FIRST] = "005072858b7e5g0g00",
    ['E' - FIRST] = "80000g8g 0868",
    ['F' - FIRST] = "80000g 0868",
    ['G' - FIRST] = "83603012050b1e3g6g8e8959",
    ['H' - FIRST] = "000g 808g 0888",
    ['I' - FIRST] = "404g 2060 2g6g",
    ['J' - FIRST] = "707c5g2g0d",
    ['K' - FIRST] = "000g 800a 378g",
    ['L' - FIRST] = "000g8g",
    ['M' - FIRST] = "0g004a808g",
    ['N' - FIRST] = "0g008g80",
    ['O' - FIRST] = "305072858b7e5g3g1e0b051230",
    ['P' - FIRST] = "0g006082866808",
    ['Q' - FIRST] = "305072858b7e5g3g1e0b051230 5c8h",
    ['R' - FIRST] = "0g006082866808 488g",
    ['S' - FIRST] = "836020020527698b8e6g2g0d",
    ['T' - FIRST] = "0080 404g",
    ['U' - FIRST] = "000c2g6g8c80",
    ['V' - FIRST] = "004g80",
    ['W' - FIRST] = "002g456g80",
    ['X' - FIRST] = "008g 800g",
    ['Y' - FIRST] = "004880 484g",
    ['Z' - FIRST] = "00800g8g",
    ['[' - FIRST] = "60303g6g",
    ['\\' - FIRST] = "008g",
    [']' - FIRST] = "20505g2g",
    ['^' - FIRST] = "144074",
    ['_' - FIRST] = "0i8i",
    ['`' - FIRST] = "3053",
    ['a' - FIRST] = "767g 795626090d2g5g7d",
    ['b' - FIRST] = "000g 092656797d5g2g0d",
    ['c' - FIRST] = "785626090d2g5g7e",
    ['d' - FIRST] = "707g 795626090d2g5g7d",
    ['e' - FIRST] = "0b7b795626090d2g5g7e",
    ['f' - FIRST] = "7150323g 0666",
    ['g' - FIRST] = "767i5k2k0j 795626090d2g5g7d",
    ['h' - FIRST] = "000g 092656797g",
    ['i' - FIRST] = "464g 4142",
    ['j' - FIRST] = "565i3k1j 5152",
    ['k' - FIRST] = "000g 660b 2a7g",
    ['l' - FIRST] = "303e5g6g",
    ['m' - FIRST] = "060g 081636484g 485676888g",
    ['n' - FIRST] = "060g 092656797g",
    ['o' - FIRST] = "2656797d5g2g0d0926",
    ['p' - FIRST] = "060k 092656797d5g2g0d",
    ['q' - FIRST] = "767k 795626090d2g5g7d",
    ['r' - FIRST] = "060g 09265667",
    ['s' - FIRST] = "77562607092a5b7d7e5g2g0f",
    ['t' - FIRST] = "323e5g7f 0666",
    ['u' - FIRST] = "060d2g5g7d 767g",
    ['v' - FIRST] = "064g86",
    ['w' - FIRST] = "062g486g86",
    ['x' - FIRST] = "067g 760g",
    ['y' - FIRST] = "064g 863k",
    ['z' - FIRST] = "06760g7g",
    [BOX] = "111g7g7111",
};

struct cm_font {
    unsigned scale;
    uint8_t ink[]; /* glyph by glyph, row by row */
};

typedef struct point {
    float x;
    float y;
} point;

/* Where a point of the grid lies in the glyph's 8 x 16 units. */
static point grid_point(const char *at)
{
    const int row = at[1] <= '9' ? at[1] - '0' : at[1] - 'a' + 10;
    return (point){.x = 0.9F + 0.64F * (float)(at[0] - '0'), .y = 1.8F + 0.62F * (float)row};
}

static float distance_to_stroke(point p, point a, point b)
{
    const float dx = b.x - a.x;
    const float dy = b.y - a.y;
    const float along = ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy + 1e-6F);
    const float t = fminf(fmaxf(along, 0), 1);
    return hypotf(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

static float distance_to_glyph(const char *strokes, point p)
{
    float nearest = 99;
    for (const char *at = strokes; at != NULL && at[0] != '\0';) {
        if (at[0] == ' ') {
            at++;
            continue;
        }
        if (at[2] != ' ' && at[2] != '\0')
            nearest = fminf(nearest, distance_to_stroke(p, grid_point(at), grid_point(at + 2)));
        at += 2;
    }
    return nearest;
}

static void draw(cm_font *font, unsigned glyph)
{
    const float scale = (float)font->scale;
    const unsigned width = CM_FONT_WIDTH * font->scale;
    const unsigned height = CM_FONT_HEIGHT * font->scale;
    const float radius = 0.62F;
    for (unsigned i = 0; i < width * height; i++) {
        const point p = {.x = ((float)(i % width) + 0.5F) / scale,
                         .y = ((float)(i / width) + 0.5F) / scale};
        const float cover = (radius - distance_to_glyph(STROKES[glyph], p)) * scale + 0.5F;
        font->ink[(size_t)glyph * width * height + i] = (uint8_t)(255 * fminf(fmaxf(cover, 0), 1));
    }
}

cm_status cm_font_create(unsigned scale, cm_font **out)
{
    CM_ENSURE(scale >= 1 && scale <= LARGEST_SCALE, CM_REFUSE);
    const size_t pixels = (size_t)CM_FONT_WIDTH * CM_FONT_HEIGHT * scale * scale;
    cm_font *font = calloc(1, sizeof *font + GLYPHS * pixels);
    CM_ENSURE(font != NULL, CM_FULL);
    font->scale = scale;
    for (unsigned glyph = 0; glyph < GLYPHS; glyph++)
        draw(font, glyph);
    *out = font;
    return CM_OK;
}

void cm_font_destroy(cm_font *font)
{
    free(font);
}

unsigned cm_font_scale(const cm_font *font)
{
    return font->scale;
}

uint8_t cm_font_ink(const cm_font *font, uint8_t glyph, unsigned x, unsigned y)
{
    const unsigned width = CM_FONT_WIDTH * font->scale;
    const unsigned height = CM_FONT_HEIGHT * font->scale;
    if (glyph >= GLYPHS || x >= width || y >= height)
        return 0;
    return font->ink[((size_t)glyph * height + y) * width + x];
}

/* Bytes in the UTF-8 sequence that starts with `lead`; 1 if it starts none. */
static size_t utf8_size(uint8_t lead)
{
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 1;
}

static uint8_t glyph_of(cm_slice sequence)
{
    /* U+00C0 to U+00FF without their accents; '~' stands for what has no plain letter. */
    static const char PLAIN[] = "AAAAAA~CEEEEIIIIDNOOOOO~OUUUUY~saaaaaa~ceeeeiiiidnooooo~ouuuuy~y";
    const uint8_t first = sequence.bytes[0];
    char letter = (char)(first < 0x80 ? first : '~');
    if (sequence.size == 2 && first == 0xC3)
        letter = PLAIN[sequence.bytes[1] & 0x3F];
    if (letter == FIRST)
        return CM_FONT_SPACE;
    const bool has_shape = letter > FIRST && letter <= LAST && STROKES[letter - FIRST] != NULL;
    return (uint8_t)(has_shape ? letter - FIRST : BOX);
}

size_t cm_font_glyphs(cm_slice text, uint8_t *out, size_t capacity)
{
    size_t count = 0;
    while (text.size > 0 && count < capacity) {
        const cm_slice sequence = cm_slice_part(text, 0, utf8_size(text.bytes[0]));
        out[count++] = glyph_of(sequence);
        text = cm_slice_from(text, sequence.size);
    }
    return count;
}
