#include "simcam/strip.h"

#include <assert.h>
#include <string.h>

#include "proto/h264/nal.h"

enum {
    MB = CM_CODE_MACROBLOCK,
    GROUND = CM_CODE_DARK, /* luma behind the text */
    INK = 224,
    TINT_CB = 140, /* slate blue */
    TINT_CR = 120,

    /*
     * At this quantizer one step of the luma DC coefficient moves every pixel of an Intra_16x16
     * macroblock by exactly 8: 8.5.10 with LevelScale(46 % 6, 0, 0) = 256 and a shift of 46 / 6 - 6
     * gives 512 a level to each 4x4 block, of which 8.5.12 leaves (512 + 32) >> 6 = 8.
     */
    QP = 46,
    PIXELS_PER_LEVEL = 8,

    /* Table 7-11; in P slices mb_type of intra macroblocks starts at 5 (Table 7-13). */
    TYPE_I16X16_DC = 3, /* Intra16x16PredMode 2, no AC, no chroma */
    TYPE_I_PCM = 25,
    TYPE_IN_P = 5,

    PCM_SIZE = MB * MB + 2 * (MB / 2) * (MB / 2),
    TEXT_TOTAL_PCM = 16, /* total_coeff of every block of an I_PCM macroblock (9.2.1) */
    MARGIN = 1,          /* letters kept free at both ends of the line */
    CLOCK_GAP = 2,
};

cm_strip cm_strip_of(cm_code code, cm_slice name, cm_slice clock)
{
    cm_strip strip = {.code = cm_code_write(code)};
    uint8_t glyphs[CM_STRIP_COLUMNS];
    const size_t room = CM_STRIP_COLUMNS - 2 * MARGIN;
    const size_t clock_size = cm_font_glyphs(clock, glyphs, room);
    for (size_t i = 0; i < clock_size; i++)
        strip.glyphs[CM_STRIP_COLUMNS - MARGIN - clock_size + i] = glyphs[i];
    if (clock_size + CLOCK_GAP < room) {
        const size_t size = cm_font_glyphs(name, glyphs, room - clock_size - CLOCK_GAP);
        for (size_t i = 0; i < size; i++)
            strip.glyphs[MARGIN + i] = glyphs[i];
    }
    return strip;
}

unsigned cm_strip_rows(unsigned cell)
{
    return CM_CODE_STRIP_ROWS * cell;
}

size_t cm_strip_size_max(unsigned cell)
{
    const size_t mbs = (size_t)CM_CODE_COLUMNS * CM_CODE_STRIP_ROWS * cell * cell;
    return 64 + mbs * (PCM_SIZE + 8);
}

/* A slice being written. */
typedef struct strip_slice {
    cm_bit_writer *bits;
    const cm_strip *now;
    const cm_strip *before; /* NULL in an intra slice */
    const cm_font *font;
    unsigned cell;    /* macroblocks on its side */
    unsigned width;   /* in macroblocks */
    unsigned skipped; /* mb_skip_run so far */
} strip_slice;

typedef enum mb_kind { MB_FLAT, MB_PCM, MB_SKIP } mb_kind;

/* Letters that touch a macroblock column: [first, last]. */
static void letters_at(const strip_slice *s, unsigned x, unsigned *first, unsigned *last)
{
    const unsigned letter = CM_FONT_WIDTH * s->cell;
    *first = x * MB / letter;
    *last = (x * MB + MB - 1) / letter;
}

static bool has_ink(const strip_slice *s, unsigned x)
{
    unsigned first;
    unsigned last;
    letters_at(s, x, &first, &last);
    for (unsigned i = first; i <= last; i++)
        if (s->now->glyphs[i] != CM_FONT_SPACE)
            return true;
    return false;
}

static bool is_text_changed(const strip_slice *s, unsigned x)
{
    unsigned first;
    unsigned last;
    letters_at(s, x, &first, &last);
    return memcmp(s->now->glyphs + first, s->before->glyphs + first, last - first + 1) != 0;
}

static unsigned code_cell(const strip_slice *s, unsigned x, unsigned y)
{
    return y / s->cell * CM_CODE_COLUMNS + x / s->cell;
}

static mb_kind kind_of(const strip_slice *s, unsigned x, unsigned y)
{
    const bool is_text = y >= CM_CODE_ROWS * s->cell;
    if (s->before != NULL) {
        const unsigned cell = is_text ? 0 : code_cell(s, x, y);
        const bool is_changed = is_text
                                    ? is_text_changed(s, x)
                                    : s->now->code.is_light[cell] != s->before->code.is_light[cell];
        if (!is_changed)
            return MB_SKIP;
    }
    /* The first macroblock brings the tint, which all others then predict from their neighbours. */
    if (x == 0 && y == 0)
        return MB_PCM;
    return is_text && has_ink(s, x) ? MB_PCM : MB_FLAT;
}

/* Luma at the right and bottom edges of a macroblock, which is what its neighbours predict from:
 * letters leave theirs free wherever such a neighbour can be. */
static int edge_luma(const strip_slice *s, unsigned x, unsigned y)
{
    if (y >= CM_CODE_ROWS * s->cell)
        return GROUND;
    return s->now->code.is_light[code_cell(s, x, y)] ? CM_CODE_LIGHT : CM_CODE_DARK;
}

/* Intra_16x16_DC, 8.3.3.3, of neighbours that are flat at the edge. */
static int predict(const strip_slice *s, unsigned x, unsigned y)
{
    if (x == 0 && y == 0)
        return 128;
    if (y == 0)
        return edge_luma(s, x - 1, y);
    if (x == 0)
        return edge_luma(s, x, y - 1);
    return (edge_luma(s, x - 1, y) + edge_luma(s, x, y - 1) + 1) / 2;
}

/* nC of 9.2.1: only I_PCM neighbours have coefficients that count. */
static unsigned coefficients_near(const strip_slice *s, unsigned x, unsigned y)
{
    const unsigned left = x > 0 && kind_of(s, x - 1, y) == MB_PCM ? TEXT_TOTAL_PCM : 0;
    const unsigned above = y > 0 && kind_of(s, x, y - 1) == MB_PCM ? TEXT_TOTAL_PCM : 0;
    return x > 0 && y > 0 ? (left + above + 1) / 2 : left + above;
}

/* 9.2.2.1 with suffixLength 0, for a level that is not a trailing one. */
static void write_level(cm_bit_writer *w, int level)
{
    const unsigned code = (unsigned)(level > 0 ? 2 * level - 2 : -2 * level - 1) - 2;
    assert(code < 30);
    if (code < 14) {
        cm_bit_write(w, 1, code + 1);
    } else {
        cm_bit_write(w, 1, 15);
        cm_bit_write(w, code - 14, 4);
    }
}

/* residual_block_cavlc() (7.3.5.3.2) of Intra16x16DCLevel with its first coefficient only. */
static void write_residual(cm_bit_writer *w, int level, unsigned near)
{
    /* coeff_token of Table 9-5 for TotalCoeff 0; 1 with TrailingOnes 1; 1 without. */
    static const struct {
        uint8_t value;
        uint8_t size;
    } TOKENS[2][3] = {{{1, 1}, {1, 2}, {5, 6}}, {{3, 6}, {1, 6}, {0, 6}}};
    assert(near == 0 || near >= 8); /* the columns in between can't happen here */
    const bool is_one = level == 1 || level == -1;
    const unsigned token = level == 0 ? 0 : is_one ? 1 : 2;
    cm_bit_write(w, TOKENS[near >= 8][token].value, TOKENS[near >= 8][token].size);
    if (level == 0)
        return;
    if (is_one)
        cm_bit_write(w, level < 0, 1); /* trailing_ones_sign_flag */
    else
        write_level(w, level);
    cm_bit_write(w, 1, 1); /* total_zeros 0: Table 9-7 */
}

static void write_flat(strip_slice *s, unsigned x, unsigned y)
{
    const int difference = edge_luma(s, x, y) - predict(s, x, y);
    assert(difference % PIXELS_PER_LEVEL == 0);
    cm_bit_write_ue(s->bits, 0); /* intra_chroma_pred_mode: DC */
    cm_bit_write_se(s->bits, 0); /* mb_qp_delta */
    write_residual(s->bits, difference / PIXELS_PER_LEVEL, coefficients_near(s, x, y));
}

static uint8_t luma_at(const strip_slice *s, unsigned x, unsigned y)
{
    const unsigned text_top = CM_CODE_ROWS * s->cell * MB;
    if (y < text_top)
        return (uint8_t)edge_luma(s, x / MB, y / MB);
    const unsigned letter = CM_FONT_WIDTH * s->cell;
    const unsigned ink = cm_font_ink(s->font, s->now->glyphs[x / letter], x % letter, y - text_top);
    return (uint8_t)(GROUND + (INK - GROUND) * ink / 255);
}

static void write_pcm(strip_slice *s, unsigned x, unsigned y)
{
    uint8_t samples[PCM_SIZE];
    for (unsigned i = 0; i < MB * MB; i++)
        samples[i] = luma_at(s, x * MB + i % MB, y * MB + i / MB);
    for (unsigned i = 0; i < MB * MB / 4; i++) {
        samples[MB * MB + i] = TINT_CB;
        samples[MB * MB + MB * MB / 4 + i] = TINT_CR;
    }
    cm_bit_write_alignment(s->bits);
    cm_bit_write_aligned(s->bits, cm_slice_over(samples, sizeof samples));
}

/* macroblock_layer() of 7.3.5, or one more in the run of skipped ones. */
static void write_macroblock(strip_slice *s, unsigned x, unsigned y)
{
    const mb_kind kind = kind_of(s, x, y);
    if (kind == MB_SKIP) {
        s->skipped++;
        return;
    }
    const unsigned type = kind == MB_PCM ? TYPE_I_PCM : TYPE_I16X16_DC;
    if (s->before != NULL)
        cm_bit_write_ue(s->bits, s->skipped);
    s->skipped = 0;
    cm_bit_write_ue(s->bits, type + (s->before != NULL ? TYPE_IN_P : 0));
    if (kind == MB_PCM)
        write_pcm(s, x, y);
    else
        write_flat(s, x, y);
}

cm_status cm_strip_write(const cm_strip *now, const cm_strip *before, const cm_font *font,
                         const cm_slice_header *scene, const cm_pps *pps, cm_bit_writer *scratch,
                         cm_writer *out)
{
    assert(scene->is_intra == (before == NULL));
    cm_slice_header header = *scene;
    header.first_mb_in_slice = 0;
    header.qp = QP;
    cm_slice_header_write(scratch, &header, pps);
    const unsigned cell = cm_font_scale(font);
    strip_slice s = {.bits = scratch,
                     .now = now,
                     .before = before,
                     .font = font,
                     .cell = cell,
                     .width = CM_CODE_COLUMNS * cell};
    for (unsigned y = 0; y < cm_strip_rows(cell); y++)
        for (unsigned x = 0; x < s.width; x++)
            write_macroblock(&s, x, y);
    if (s.skipped > 0)
        cm_bit_write_ue(scratch, s.skipped);
    cm_bit_write_trailing(scratch);
    cm_slice rbsp;
    CM_TRY(cm_bit_writer_finish(scratch, &rbsp));
    cm_write_u8(out, (uint8_t)(scene->nal_ref_idc << 5 |
                               (scene->is_idr ? CM_H264_NAL_IDR : CM_H264_NAL_SLICE)));
    return cm_h264_escape(rbsp, out);
}
